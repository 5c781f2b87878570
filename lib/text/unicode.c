/* unicode.c - see unicode.h. Tables are runs of code points, found by a binary search over blocks
 * of RUN_BLOCK of them and a walk within one; ASCII has a table of its own.
 */
#include "unicode.h"

#define RUN_BLOCK 32

/* Where a value changes: distances from the run before (7 bits a byte, the last without the high
 * bit), and a byte of value. */
struct unicode_runs {
    const uint8_t *bytes;
    const uint32_t *starts;  /* [n] of the first run of each block */
    const uint16_t *offsets; /* [n + 1] in bytes */
    int n;
};

struct case_run { /* count code points, stride apart, whose lowercase is delta away */
    uint32_t first;
    uint16_t count, stride;
    int32_t delta;
};

/* decompositions[]: the code point, the first and the second of its parts, of PART_BITS each; a
 * second of 0 means that there is one part. */
#define PART_BITS 21
#define PART_MASK (((uint32_t)1 << PART_BITS) - 1)

#include "unicode_table.inc"

#define CODE_LAST 0x10FFFFu

/* Hangul syllables, by arithmetic (The Unicode Standard, section 3.12). */
#define HANGUL_FIRST 0xAC00u
#define HANGUL_COUNT 11172u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11A7u
#define HANGUL_LS 19u
#define HANGUL_VS 21u
#define HANGUL_TS 28u
#define HANGUL_VT (HANGUL_VS * HANGUL_TS)

/* The last of n ascending starts that is at most `code`, which the first one is. */
static int find_block(const uint32_t *starts, int n, uint32_t code)
{
    int low = 0, high = n;

    while (high - low > 1) {
        int middle = (low + high) / 2;

        if (starts[middle] <= code)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t read_varint(const uint8_t **at)
{
    uint32_t value = 0;
    int shift = 0;

    for (; **at & 0x80; shift += 7)
        value |= (uint32_t)(*(*at)++ & 0x7F) << shift;
    return value | (uint32_t)*(*at)++ << shift;
}

static uint32_t run_value(const struct unicode_runs *runs, uint32_t code)
{
    int block = find_block(runs->starts, runs->n, code);
    const uint8_t *at = runs->bytes + runs->offsets[block];
    const uint8_t *end = runs->bytes + runs->offsets[block + 1];
    uint32_t start = runs->starts[block], value = 0;

    while (at < end) {
        start += read_varint(&at);
        if (start > code)
            break;
        value = *at++;
    }
    return value;
}

uint32_t pi_unicode_class(uint32_t code)
{
    uint32_t bit;

    if (code < 0x80)
        return ascii_classes[code];
    if (code > CODE_LAST)
        return UNI(UNI_SO);
    bit = UNI(run_value(&categories, code));
    /* Beyond ASCII, White_Space is exactly the separators and U+0085. */
    if (code == 0x85 || (bit & (UNI(UNI_ZS) | UNI(UNI_ZL) | UNI(UNI_ZP))))
        bit |= UNI_SPACE;
    return bit;
}

bool pi_unicode_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return ascii_classes[code] & (UNI_PUNCTUATION | UNI_SYMBOL);
    return code <= CODE_LAST && ((pi_unicode_class(code) & UNI_PUNCTUATION) != 0) !=
                                    ((run_value(&odd_classes, code) & 1) != 0);
}

bool pi_unicode_is_mark(uint32_t code)
{
    return code >= 0x80 && code <= CODE_LAST &&
           ((pi_unicode_class(code) & UNI_MARK) != 0) != ((run_value(&odd_classes, code) & 2) != 0);
}

bool pi_unicode_is_nonspacing(uint32_t code)
{
    return code >= 0x80 && code <= CODE_LAST &&
           ((pi_unicode_class(code) & UNI(UNI_MN)) != 0) !=
               ((run_value(&odd_classes, code) & 4) != 0);
}

bool pi_unicode_is_control(uint32_t code)
{
    const uint32_t other = UNI(UNI_CC) | UNI(UNI_CF) | UNI(UNI_CO);

    if (code < 0x80)
        return (ascii_classes[code] & other) && code != '\t' && code != '\n' && code != '\r';
    return code == 0xFFFD ||
           (code <= CODE_LAST && ((pi_unicode_class(code) & other) != 0) !=
                                     ((run_value(&odd_classes, code) & 8) != 0));
}

bool pi_unicode_is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool pi_unicode_is_word(uint32_t code)
{
    const uint32_t set = UNI_LETTER | UNI_MARK | UNI(UNI_ND) | UNI(UNI_NL) | UNI(UNI_PC);

    return (pi_unicode_class(code) & set) || (code >= 0x24B6 && code <= 0x24E9) ||
           (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
           (code >= 0x1F170 && code <= 0x1F189);
}

int pi_unicode_script(uint32_t code)
{
    return code <= CODE_LAST ? (int)run_value(&scripts, code) : 0;
}

bool pi_unicode_has_script(uint32_t code)
{
    return code <= CODE_LAST &&
           (run_value(&scripts, code) != 0) != ((run_value(&odd_classes, code) & 16) != 0);
}

int pi_unicode_find_script(struct str name)
{
    struct str rest = pi_str(script_names), known;

    for (int i = 1; pi_str_cut(&rest, ' ', &known); i++) {
        size_t at = 0, k = 0;

        for (; k < name.n; k++) {
            char c = name.at[k];

            if (c == '_' || c == ' ' || c == '-')
                continue;
            c = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
            if (at == known.n || known.at[at] != c)
                break;
            at++;
        }
        if (k == name.n && at == known.n)
            return i;
    }
    return -1;
}

uint32_t pi_unicode_lower(uint32_t code)
{
    size_t low = 0, high = PI_COUNT(lower_runs);
    const struct case_run *run;
    uint32_t offset;

    if (code < lower_runs[0].first)
        return code;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (lower_runs[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    run = &lower_runs[low];
    offset = code - run->first;
    if (offset % run->stride != 0 || offset / run->stride >= run->count)
        return code;
    return (uint32_t)((int32_t)code + run->delta);
}

uint32_t pi_unicode_upper(uint32_t code)
{
    if (code > CODE_LAST)
        return code;
    for (size_t i = 0; i < PI_COUNT(lower_runs); i++) {
        const struct case_run *run = &lower_runs[i];
        uint32_t offset = (uint32_t)((int32_t)code - run->delta) - run->first;

        if (offset % run->stride == 0 && offset / run->stride < run->count)
            return run->first + offset;
    }
    return code;
}

/* One step: first and second part as in the table, 0 where there is no decomposition. */
static uint64_t decompose_once(uint32_t code)
{
    size_t low = 0, high = PI_COUNT(decompositions);

    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (decompositions[middle] >> 2 * PART_BITS <= code)
            low = middle;
        else
            high = middle;
    }
    return decompositions[low] >> 2 * PART_BITS == code ? decompositions[low] : 0;
}

int pi_unicode_decompose(uint32_t code, uint32_t out[4])
{
    uint64_t parts;
    int n = 1;

    out[0] = code;
    if (code - HANGUL_FIRST < HANGUL_COUNT) {
        uint32_t index = code - HANGUL_FIRST;

        out[0] = HANGUL_L + index / HANGUL_VT;
        out[1] = HANGUL_V + index % HANGUL_VT / HANGUL_TS;
        out[2] = HANGUL_T + index % HANGUL_TS;
        return index % HANGUL_TS ? 3 : 2;
    }
    /* Only the first of a pair decomposes further, and never into more than four parts. */
    while (n <= 4 && (parts = decompose_once(out[0])) != 0) {
        uint32_t second = (uint32_t)parts & PART_MASK;

        out[0] = (uint32_t)(parts >> PART_BITS) & PART_MASK;
        if (second && n < 4) {
            memmove(out + 2, out + 1, (size_t)(n - 1) * sizeof out[0]);
            out[1] = second;
            n++;
        }
    }
    return n;
}

int pi_unicode_combining(uint32_t code)
{
    return code < 0x300 || code > CODE_LAST ? 0 : (int)run_value(&combining, code);
}

struct str pi_unicode_compat(uint32_t code)
{
    int n = (int)PI_COUNT(compat_starts), block;
    const uint8_t *at, *end;
    uint32_t entry;

    if (code < compat_starts[0] || code > CODE_LAST)
        return STR("");
    block = find_block(compat_starts, n, code);
    at = compat_bytes + compat_offsets[block];
    end = compat_bytes + compat_offsets[block + 1];
    for (entry = compat_starts[block]; at < end; at += *at + 1) {
        entry += read_varint(&at);
        if (entry == code)
            return (struct str){ (const char *)at + 1, *at };
        if (entry > code)
            break;
    }
    return STR("");
}

uint32_t pi_unicode_compose(uint32_t first, uint32_t second)
{
    uint64_t key = (uint64_t)first << PART_BITS | second;
    size_t low = 0, high = PI_COUNT(compositions);

    if (first - HANGUL_L < HANGUL_LS && second - HANGUL_V < HANGUL_VS)
        return HANGUL_FIRST + (first - HANGUL_L) * HANGUL_VT + (second - HANGUL_V) * HANGUL_TS;
    if (first - HANGUL_FIRST < HANGUL_COUNT && (first - HANGUL_FIRST) % HANGUL_TS == 0 &&
        second - HANGUL_T - 1 < HANGUL_TS - 1)
        return first + (second - HANGUL_T);
    while (low < high) {
        size_t middle = (low + high) / 2;
        uint64_t row = decompositions[compositions[middle]];
        uint64_t parts = row & (((uint64_t)1 << 2 * PART_BITS) - 1);

        if (parts == key)
            return (uint32_t)(row >> 2 * PART_BITS);
        if (parts < key)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
