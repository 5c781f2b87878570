/* unicode.c - the tables against what Hugging Face tokenizers does, code point by code point.
 */
#include "text/normal.h"
#include "text/unicode.h"

#include "check.h"
#include "golden/unicode.h"

static uint64_t mix(uint64_t h, uint32_t value)
{
    for (int k = 0; k < 4; k++)
        h = (h ^ (value >> 8 * k & 255)) * 0x100000001b3u;
    return h;
}

static void categories(void)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        uint32_t bits = pi_unicode_class(c) & ~UNI_SPACE, k = 0;

        while (!(bits & UNI(k)))
            k++;
        CHECK(bits == UNI(k));
        h = mix(h, k);
    }
    CHECK(h == GOLDEN_CATEGORIES);
    CHECK(pi_unicode_class('a') & UNI_LETTER);
    CHECK(pi_unicode_class('$') & UNI_SYMBOL);
    CHECK(pi_unicode_class('_') & UNI_PUNCTUATION);
    CHECK(pi_unicode_class(0x0660) & UNI_NUMBER);
    CHECK(pi_unicode_class(0x0301) & UNI_MARK);
    CHECK(pi_unicode_class(0x110000) == UNI(UNI_SO));
    CHECK(pi_unicode_class(0x800000ff) == UNI(UNI_SO));
    CHECK(pi_unicode_class(0xffffffff) == UNI(UNI_SO));
}

/* PropList.txt: White_Space has these 25 code points. */
static void white_space(void)
{
    int count = 0;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        bool white = (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                     (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
                     c == 0x205F || c == 0x3000;

        CHECK(((pi_unicode_class(c) & UNI_SPACE) != 0) == white);
        count += white;
    }
    CHECK_INT(count, 25);
}

static void lowercase(void)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (uint32_t c = 0; c <= 0x10FFFF; c++)
        if (c < 0xD800 || c >= 0xE000)
            h = mix(h, pi_unicode_lower(c));
    CHECK(h == GOLDEN_LOWER);
    CHECK_INT(pi_unicode_lower('Z'), 'z');
    CHECK_INT(pi_unicode_lower(0x0130), 'i');
    CHECK_INT(pi_unicode_lower(0xffffffff), 0xffffffff);
}

static uint64_t mix_text(uint64_t h, const uint32_t *codes, int n)
{
    for (int i = 0; i < n; i++)
        h = mix(h, codes[i]);
    return h;
}

/* Both decompositions of each code point, as they are and composed again. */
static void forms(void)
{
    uint64_t h[4] = { 0xcbf29ce484222325u, 0xcbf29ce484222325u, 0xcbf29ce484222325u,
                      0xcbf29ce484222325u };

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        struct normal_text out = { .allocator = &(struct allocator){ 0 } };

        if (c >= 0xD800 && c < 0xE000)
            continue;
        for (int k = 0; k < 4; k++) {
            char spelled[4];
            int n = pi_utf8_put(c, spelled);

            out.n = 0;
            CHECK_INT(pi_normal_form(&out, (struct str){ spelled, (size_t)n }, k >= 2, k % 2,
                                     NULL), PITH_OK);
            for (size_t at = 0; at < out.n; at += (size_t)n) {
                uint32_t code = pi_utf8_next(out.at + at, out.at + out.n, &n);

                h[k] = mix_text(h[k], &code, 1);
            }
        }
        pi_normal_free(&out);
    }
    CHECK(h[0] == GOLDEN_NFD);
    CHECK(h[1] == GOLDEN_NFC);
    CHECK(h[2] == GOLDEN_NFKD);
    CHECK(h[3] == GOLDEN_NFKC);
}

static void script_table(void)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (uint32_t c = 0; c <= 0x10FFFF; c++)
        if (c < 0xD800 || c >= 0xE000)
            h = mix(h, (uint32_t)pi_unicode_script(c));
    CHECK(h == GOLDEN_SCRIPTS);
    CHECK_INT(pi_unicode_script(0x4E00), pi_unicode_find_script(STR("Han")));
    CHECK_INT(pi_unicode_script('a'), pi_unicode_find_script(STR("latin")));
    CHECK_INT(pi_unicode_script(0x10300), pi_unicode_find_script(STR("Old_Italic")));
    CHECK_INT(pi_unicode_find_script(STR("Klingon")), -1);
    CHECK_INT(pi_unicode_find_script(STR("")), -1);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(categories);
    RUN(white_space);
    RUN(lowercase);
    RUN(forms);
    RUN(script_table);
    return CHECK_END();
}
