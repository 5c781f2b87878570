/* unicode.c - see unicode.h. Lookups are binary searches over ranges; ASCII has a table.
 */
#include "unicode.h"

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
#define HANGUL_VT (21u * 28u)

uint32_t pi_unicode_class(uint32_t code)
{
    size_t low = 0, high = PI_COUNT(category_starts);
    uint32_t key = code << 5 | 31, bit;

    if (code < 0x80)
        return ascii_classes[code];
    if (code > CODE_LAST)
        return UNI(UNI_SO);
    while (high - low > 1) {
        size_t middle = (low + high) / 2;

        if (category_starts[middle] <= key)
            low = middle;
        else
            high = middle;
    }
    bit = UNI(category_starts[low] & 31);
    /* Beyond ASCII, White_Space is exactly the separators and U+0085. */
    if (code == 0x85 || (bit & (UNI(UNI_ZS) | UNI(UNI_ZL) | UNI(UNI_ZP))))
        bit |= UNI_SPACE;
    return bit;
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
        out[1] = HANGUL_V + index % HANGUL_VT / 28;
        out[2] = HANGUL_T + index % 28;
        return index % 28 ? 3 : 2;
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
