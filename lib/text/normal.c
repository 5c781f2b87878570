/* normal.c - normalizers; see normal.h. Each step reads a text and writes another.
 */
#include "normal.h"

#include "unicode.h"
#include "vocab.h"

#define MARKS_INSERTED 16 /* longer runs of marks are sorted by counting */

int pi_normal_put(struct normal_text *t, const char *bytes, size_t n, pith_error *err)
{
    if (n > t->capacity - t->n) {
        size_t capacity = t->capacity ? t->capacity : 256;
        char *at;

        while (capacity - t->n < n)
            if (!pi_mul_size(capacity, 2, &capacity))
                return pi_no_memory(err, "normalizing", n);
        at = pi_alloc(t->allocator, capacity);
        if (!at)
            return pi_no_memory(err, "normalizing", capacity);
        if (t->n)
            memcpy(at, t->at, t->n);
        pi_free(t->allocator, t->at, t->capacity);
        t->at = at;
        t->capacity = capacity;
    }
    if (n)
        memcpy(t->at + t->n, bytes, n);
    t->n += n;
    return PITH_OK;
}

int pi_normal_put_code(struct normal_text *t, uint32_t code, pith_error *err)
{
    char spelled[4] = { (char)code };
    int n = code & PI_BAD_UTF8 ? 1 : pi_utf8_put(code, spelled);

    return pi_normal_put(t, spelled, (size_t)n, err);
}

void pi_normal_free(struct normal_text *t)
{
    pi_free(t->allocator, t->at, t->capacity);
    *t = (struct normal_text){ .allocator = t->allocator };
}

/* ---- normal forms ---- */

/* Code points with their combining class above bit 24, and bytes that are none behind the last
 * code point. */
#define CLASS_SHIFT 24
#define CODE_MASK (((uint32_t)1 << CLASS_SHIFT) - 1)
#define CODE_BAD 0x110000u

static int put_parts(struct normal_text *codes, uint32_t code, pith_error *err)
{
    uint32_t parts[4];
    int n = pi_unicode_decompose(code, parts);

    for (int i = 0; i < n; i++)
        parts[i] |= (uint32_t)pi_unicode_combining(parts[i]) << CLASS_SHIFT;
    return pi_normal_put(codes, (const char *)parts, (size_t)n * sizeof parts[0], err);
}

static int put_decomposed(struct normal_text *codes, struct str text, bool compat, pith_error *err)
{
    const char *p = text.at, *end = text.at + text.n;
    int n;

    for (; p < end; p += n) {
        uint32_t code = pi_utf8_next(p, end, &n);
        struct str whole = STR("");

        if (code < 0xA0 || (code & PI_BAD_UTF8)) {
            code = code & PI_BAD_UTF8 ? CODE_BAD + (code & 0xFF) : code;
            TRY(pi_normal_put(codes, (const char *)&code, sizeof code, err));
            continue;
        }
        if (compat)
            whole = pi_unicode_compat(code);
        if (whole.n == 0)
            TRY(put_parts(codes, code, err));
        for (int k; whole.n; whole.at += k, whole.n -= (size_t)k)
            TRY(put_parts(codes, pi_utf8_next(whole.at, whole.at + whole.n, &k), err));
    }
    return PITH_OK;
}

/* Sorts n marks by class and keeps the order of equals. spare has room for n. */
static void sort_marks(uint32_t *marks, size_t n, uint32_t *spare)
{
    size_t counts[257] = { 0 };

    if (n <= MARKS_INSERTED) {
        for (size_t i = 1; i < n; i++)
            for (size_t k = i; k && marks[k - 1] >> CLASS_SHIFT > marks[k] >> CLASS_SHIFT; k--) {
                uint32_t swap = marks[k];

                marks[k] = marks[k - 1];
                marks[k - 1] = swap;
            }
        return;
    }
    for (size_t i = 0; i < n; i++)
        counts[(marks[i] >> CLASS_SHIFT) + 1]++;
    for (int c = 0; c < 256; c++)
        counts[c + 1] += counts[c];
    for (size_t i = 0; i < n; i++)
        spare[counts[marks[i] >> CLASS_SHIFT]++] = marks[i];
    memcpy(marks, spare, n * sizeof *marks);
}

/* Joins starters with what follows them, in place; returns how many code points are left. */
static size_t compose_codes(uint32_t *codes, size_t n)
{
    size_t starter = SIZE_MAX, out = 0;
    int last = -1; /* class of what stands between the starter and here, or -1 */

    for (size_t i = 0; i < n; i++) {
        int class = (int)(codes[i] >> CLASS_SHIFT);
        uint32_t code = codes[i] & CODE_MASK, joined = 0;

        if (starter != SIZE_MAX && last < class && code < CODE_BAD)
            joined = pi_unicode_compose(codes[starter], code);
        if (joined) {
            codes[starter] = joined;
            continue;
        }
        if (class == 0) {
            starter = out;
            last = -1;
        } else {
            last = class;
        }
        codes[out++] = codes[i];
    }
    return out;
}

static int form_codes(struct normal_text *out, struct normal_text *codes,
                      struct normal_text *spare, bool compose, pith_error *err)
{
    uint32_t *code = (uint32_t *)(void *)codes->at;
    size_t n = codes->n / sizeof *code, longest = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0, k; i < n; i = k + 1) {
            for (k = i; k < n && code[k] >> CLASS_SHIFT; k++)
                ;
            if (pass)
                sort_marks(code + i, k - i, (uint32_t *)(void *)spare->at);
            longest = k - i > longest ? k - i : longest;
        }
        if (!pass && longest > MARKS_INSERTED)
            TRY(pi_normal_put(spare, codes->at, longest * sizeof *code, err));
    }
    if (compose)
        n = compose_codes(code, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = code[i] & CODE_MASK;

        TRY(pi_normal_put_code(out, c >= CODE_BAD ? (c - CODE_BAD) | PI_BAD_UTF8 : c, err));
    }
    return PITH_OK;
}

int pi_normal_form(struct normal_text *out, struct str text, bool compat, bool compose,
                   pith_error *err)
{
    struct normal_text codes = { .allocator = out->allocator }, spare = codes;
    size_t ascii = 0;
    int status;

    while (ascii < text.n && (uint8_t)text.at[ascii] < 0x80)
        ascii++;
    if (ascii == text.n)
        return pi_normal_put(out, text.at, text.n, err);
    status = put_decomposed(&codes, text, compat, err);
    if (status == PITH_OK)
        status = form_codes(out, &codes, &spare, compose, err);
    pi_normal_free(&codes);
    pi_normal_free(&spare);
    return status;
}

/* ---- steps that look at one code point at a time ---- */

static bool is_white(uint32_t code)
{
    return pi_unicode_class(code) & UNI_SPACE;
}

/* 0 for what goes, a space for what becomes one. */
static uint32_t nmt_code(uint32_t c)
{
    if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
        c == 0x9F)
        return 0;
    if (c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
        c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD)
        return ' ';
    return c;
}

static int put_changed(enum normal_kind kind, struct normal_text *out, uint32_t code,
                       pith_error *err)
{
    bool around = kind == NORMAL_IDEOGRAPHS && pi_unicode_is_ideograph(code), gone = false;

    switch (kind) {
    case NORMAL_LOWERCASE:
        if (code == 0x130) { /* the only one of two code points */
            TRY(pi_normal_put_code(out, 'i', err));
            return pi_normal_put_code(out, 0x307, err);
        }
        code = code & PI_BAD_UTF8 ? code : pi_unicode_lower(code);
        break;
    case NORMAL_STRIP_ACCENTS: gone = pi_unicode_is_mark(code); break;
    case NORMAL_STRIP_NONSPACING: gone = pi_unicode_is_nonspacing(code); break;
    case NORMAL_NMT:
        gone = code != 0 && nmt_code(code) == 0;
        code = nmt_code(code);
        break;
    case NORMAL_CLEAN:
        gone = code == 0 || pi_unicode_is_control(code);
        code = is_white(code) ? ' ' : code;
        break;
    default: break;
    }
    if (gone)
        return PITH_OK;
    if (around)
        TRY(pi_normal_put_code(out, ' ', err));
    TRY(pi_normal_put_code(out, code, err));
    return around ? pi_normal_put_code(out, ' ', err) : PITH_OK;
}

static int change_codes(enum normal_kind kind, struct normal_text *out, struct str text,
                        pith_error *err)
{
    const char *p = text.at, *end = text.at + text.n;
    int n;

    for (; p < end; p += n)
        TRY(put_changed(kind, out, pi_utf8_next(p, end, &n), err));
    return PITH_OK;
}

/* ---- the others ---- */

static struct str strip_white(struct str text, bool left, bool right)
{
    const char *p = text.at, *end = text.at + text.n, *last;
    int n;

    while (left && p < end && is_white(pi_utf8_next(p, end, &n)))
        p += n;
    text = (struct str){ p, (size_t)(end - p) };
    if (!right)
        return text;
    for (last = p; p < end; p += n)
        if (!is_white(pi_utf8_next(p, end, &n)))
            last = p + n;
    text.n = (size_t)(last - text.at);
    return text;
}

static int replace_matches(const struct normal_step *step, struct regex_run *run,
                           struct normal_text *out, struct str text, pith_error *err)
{
    size_t at = 0, start, end;
    bool found;

    pi_regex_start(run, step->regex, text);
    for (;; at = end) {
        TRY(pi_regex_next(run, &found, &start, &end, err));
        if (!found)
            break;
        TRY(pi_normal_put(out, text.at + at, start - at, err));
        TRY(pi_normal_put(out, step->content.at, step->content.n, err));
    }
    return pi_normal_put(out, text.at + at, text.n - at, err);
}

/* Whether the code point goes with the one before it (Unicode Standard Annex 29, GB9 and GB9a):
 * marks, joiners and skin tones, but for some spacing vowel signs. */
static bool is_attached(uint32_t c)
{
    static const uint32_t apart[][2] = {
        { 0x102B, 0x102C }, { 0x1038, 0x1038 }, { 0x1062, 0x1064 }, { 0x1067, 0x106D },
        { 0x1083, 0x1083 }, { 0x1087, 0x108C }, { 0x108F, 0x108F }, { 0x109A, 0x109C },
        { 0x1A61, 0x1A61 }, { 0x1A63, 0x1A64 }, { 0xAA7B, 0xAA7B }, { 0xAA7D, 0xAA7D },
        { 0x11720, 0x11721 },
    };

    if (c == 0x200C || c == 0x200D || c == 0xFF9E || c == 0xFF9F || c == 0xE33 || c == 0xEB3 ||
        (c >= 0x1F3FB && c <= 0x1F3FF))
        return true;
    for (size_t i = 0; i < PI_COUNT(apart); i++)
        if (c >= apart[i][0] && c <= apart[i][1])
            return false;
    return pi_unicode_class(c) & UNI_MARK;
}

/* The bytes of the grapheme cluster at p, as far as it matters: clusters of six bytes and more are
 * not looked up, so that those of Hangul, flags and emoji need no rules. */
static size_t cluster_length(const char *p, const char *end)
{
    const uint32_t control = UNI(UNI_CC) | UNI(UNI_ZL) | UNI(UNI_ZP);
    uint32_t code;
    size_t length;
    int n;

    code = pi_utf8_next(p, end, &n);
    length = (size_t)n;
    if (code == '\r' && end - p > 1 && p[1] == '\n')
        return 2;
    /* Signs that go before a number or letter. */
    while (((code >= 0x600 && code <= 0x605) || code == 0x6DD || code == 0x70F) &&
           p + length < end) {
        code = pi_utf8_next(p + length, end, &n);
        if (pi_unicode_class(code) & (control | UNI(UNI_CF)))
            return length;
        length += (size_t)n;
    }
    if ((code & PI_BAD_UTF8) || (pi_unicode_class(code) & control) ||
        ((pi_unicode_class(code) & UNI(UNI_CF)) && !is_attached(code)))
        return length;
    while (p + length < end && is_attached(pi_utf8_next(p + length, end, &n)))
        length += (size_t)n;
    return length;
}

static int put_mapped(const struct charsmap *map, struct normal_text *out, struct str part,
                      bool *found, pith_error *err)
{
    struct str text;
    size_t n;

    *found = pi_charsmap_find(map, part, false, &n, &text);
    return *found ? pi_normal_put(out, text.at, text.n, err) : PITH_OK;
}

/* As tokenizers does: a short cluster is replaced by what stands for its shortest known prefix. */
static int map_clusters(const struct charsmap *map, struct normal_text *out, struct str text,
                        pith_error *err)
{
    const char *p = text.at, *end = text.at + text.n;

    while (p < end) {
        size_t length = cluster_length(p, end);
        bool found = false;
        int n;

        if (length < 6)
            TRY(put_mapped(map, out, (struct str){ p, length }, &found, err));
        for (const char *c = p; !found && c < p + length; c += n) {
            bool one;

            (void)pi_utf8_next(c, end, &n);
            TRY(put_mapped(map, out, (struct str){ c, (size_t)n }, &one, err));
            if (!one)
                TRY(pi_normal_put(out, c, (size_t)n, err));
        }
        p += length;
    }
    return PITH_OK;
}

/* As SentencePiece does: from left to right the longest prefix that is known. */
static int map_prefixes(const struct charsmap *map, struct normal_text *out, struct str text,
                        pith_error *err)
{
    while (text.n) {
        struct str part = STR("\uFFFD");
        size_t n;
        int length;

        if (!pi_charsmap_find(map, text, true, &n, &part)) {
            uint32_t code = pi_utf8_next(text.at, text.at + text.n, &length);

            n = (size_t)length;
            if (!(code & PI_BAD_UTF8))
                part = (struct str){ text.at, n };
        }
        TRY(pi_normal_put(out, part.at, part.n, err));
        text.at += n;
        text.n -= n;
    }
    return PITH_OK;
}

static int put_spaces(const struct normal_step *step, struct normal_text *out, struct str text,
                      pith_error *err)
{
    bool wanted = step->b; /* a space is due before what comes next */

    while (step->a && text.n && text.at[0] == ' ') {
        text.at++;
        text.n--;
    }
    while (step->a && text.n && text.at[text.n - 1] == ' ')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        if (text.at[i] == ' ' && step->a) {
            wanted = true;
            continue;
        }
        if (wanted || text.at[i] == ' ')
            TRY(pi_normal_put(out, step->content.at, step->content.n, err));
        if (wanted && text.at[i] == ' ')
            TRY(pi_normal_put(out, step->content.at, step->content.n, err));
        wanted = false;
        if (text.at[i] != ' ')
            TRY(pi_normal_put(out, text.at + i, 1, err));
    }
    return PITH_OK;
}

static int put_bytes(struct normal_text *out, struct str text, pith_error *err)
{
    for (size_t i = 0; i < text.n; i++)
        TRY(pi_normal_put_code(out, pi_vocab_byte_code((uint8_t)text.at[i]), err));
    return PITH_OK;
}

static int run_step(const struct normal_step *step, struct regex_run *run, struct normal_text *out,
                    struct str text, pith_error *err)
{
    switch (step->kind) {
    case NORMAL_FORM: return pi_normal_form(out, text, step->a, step->b, err);
    case NORMAL_STRIP:
        text = strip_white(text, step->a, step->b);
        return pi_normal_put(out, text.at, text.n, err);
    case NORMAL_REPLACE: return replace_matches(step, run, out, text, err);
    case NORMAL_PREPEND:
        if (text.n)
            TRY(pi_normal_put(out, step->content.at, step->content.n, err));
        return pi_normal_put(out, text.at, text.n, err);
    case NORMAL_BYTES: return put_bytes(out, text, err);
    case NORMAL_CHARSMAP:
        return step->a ? map_prefixes(&step->map, out, text, err)
                       : map_clusters(&step->map, out, text, err);
    case NORMAL_SPACES: return put_spaces(step, out, text, err);
    default: return change_codes(step->kind, out, text, err);
    }
}

void pi_normal_scratch_free(struct normal_scratch *scratch)
{
    pi_normal_free(&scratch->texts[0]);
    pi_normal_free(&scratch->texts[1]);
    pi_regex_free(&scratch->run);
}

int pi_normalize(const struct normalizer *normalizer, struct normal_scratch *scratch,
                 struct str text, struct str *out, pith_error *err)
{
    *out = text;
    for (int i = 0; i < normalizer->n; i++) {
        struct normal_text *next = &scratch->texts[i % 2];

        next->n = 0;
        TRY(run_step(&normalizer->steps[i], &scratch->run, next, *out, err));
        *out = (struct str){ next->n ? next->at : "", next->n };
    }
    return PITH_OK;
}
