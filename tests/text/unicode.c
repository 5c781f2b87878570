/* unicode.c - the tables against Python's unicodedata, code point by code point.
 */
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
        h = mix(h, pi_unicode_lower(c));
    CHECK(h == GOLDEN_LOWER);
    CHECK_INT(pi_unicode_lower('Z'), 'z');
    CHECK_INT(pi_unicode_lower(0x0130), 'i');
    CHECK_INT(pi_unicode_lower(0xffffffff), 0xffffffff);
}

static void decompositions(void)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        uint32_t out[4];
        int n = pi_unicode_decompose(c, out);

        CHECK(n >= 1 && n <= 4);
        for (int i = 1; i < n; i++)
            for (int j = i; j > 0 && out[j - 1] > out[j]; j--) {
                uint32_t swap = out[j];

                out[j] = out[j - 1];
                out[j - 1] = swap;
            }
        for (int i = 0; i < n; i++)
            h = mix(h, out[i]);
    }
    CHECK(h == GOLDEN_NFD);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(categories);
    RUN(white_space);
    RUN(lowercase);
    RUN(decompositions);
    return CHECK_END();
}
