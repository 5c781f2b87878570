/* grid.h - few tokens and the formats of one to three bits (scalar/grid.h has the codebooks).
 *
 * Four blocks at a time become unsigned bytes in natural order. A codebook's entries are 16 bits,
 * looked up as two bytes each: VPERMI2B finds 64 of 128 bytes at once, and the codebook passes
 * through the registers once for four blocks. Eight codes of two bits (or four of four) become
 * bytes by VPMULTISHIFTQB, which leaves the next codes above them, and values by VPERMB, whose
 * table repeats itself for those. Signs change the activations. The type is a constant wherever
 * these are called.
 */
#ifndef PI_AVX512_GRID_H
#define PI_AVX512_GRID_H

#include <stddef.h>

#include "kernel/scalar/grid.h"
#include "q8k.h"

/* Four blocks: low and high bytes of their entries, 64 in a vector, and int16 [block][16]: scales
 * of the groups, and what is added times the sums of activations. */
struct codes_grid_avx512 {
    __m512i low[4], high[4], group[2], add[2];
    __m512i signs[2];     /* see even_signs_grid_avx512 */
    uint64_t negative[2]; /* IQ1_M: bit i: the values of entry i are an eighth less, not more */
    __m128 d;
};

/* Low and high bytes of the entries of a codebook. */
struct planes_grid_avx512 {
    __m512i low[32], high[32];
};

/* first + i * step */
#define STEPS_8(first, step)                                                                      \
    _mm512_setr_epi64((first), (first) + (step), (first) + 2 * (step), (first) + 3 * (step),      \
                      (first) + 4 * (step), (first) + 5 * (step), (first) + 6 * (step),           \
                      (first) + 7 * (step))
/* The same for i < 4, twice. */
#define STEPS_4(first, step)                                                                      \
    _mm512_setr_epi64((first), (first) + (step), (first) + 2 * (step), (first) + 3 * (step),      \
                      (first), (first) + (step), (first) + 2 * (step), (first) + 3 * (step))
#define EVEN_BYTES STEPS_8(0x0E0C0A0806040200, 0x1010101010101010)
#define ODD_BYTES STEPS_8(0x0F0D0B0907050301, 0x1010101010101010)

INLINE_AVX512 int bytes_grid_avx512(enum dtype type)
{
    return type == DTYPE_IQ2_XXS || type == DTYPE_TQ2_0 ? 66
           : type == DTYPE_IQ2_XS                       ? 74
           : type == DTYPE_IQ2_S                        ? 82
           : type == DTYPE_IQ3_XXS                      ? 98
           : type == DTYPE_IQ3_S                        ? 110
           : type == DTYPE_IQ1_S                        ? 50
           : type == DTYPE_IQ1_M                        ? 56
                                                        : 54;
}

INLINE_AVX512 bool is_ternary_grid_avx512(enum dtype type)
{
    return type == DTYPE_TQ1_0 || type == DTYPE_TQ2_0;
}

/* Of the codebook. */
INLINE_AVX512 int entries_grid_avx512(enum dtype type)
{
    return is_ternary_grid_avx512(type)                           ? 0
           : type == DTYPE_IQ2_XXS || type == DTYPE_IQ3_XXS       ? 256
           : type == DTYPE_IQ2_XS || type == DTYPE_IQ3_S          ? 512
           : type == DTYPE_IQ2_S                                  ? 1024
                                                                  : 2048;
}

/* Four blocks are looked up while those before them are multiplied. */
INLINE_AVX512 bool ahead_grid_avx512(enum dtype type) { return entries_grid_avx512(type) > 512; }

/* Entries are of four values, not eight. */
INLINE_AVX512 bool of_four_grid_avx512(enum dtype type)
{
    return type == DTYPE_IQ3_XXS || type == DTYPE_IQ3_S;
}

/* Weights have signs. */
INLINE_AVX512 bool has_signs_grid_avx512(enum dtype type)
{
    return !is_ternary_grid_avx512(type) && type != DTYPE_IQ1_S && type != DTYPE_IQ1_M;
}

static __attribute__((noinline)) void planes_grid_avx512(struct planes_grid_avx512 *p,
                                                         const uint16_t *grid, int entries)
{
    for (int i = 0; i < entries / 64; i++) {
        __m512i a = _mm512_loadu_si512(grid + 64 * i), b = _mm512_loadu_si512(grid + 64 * i + 32);

        p->low[i] = _mm512_permutex2var_epi8(a, EVEN_BYTES, b);
        p->high[i] = _mm512_permutex2var_epi8(a, ODD_BYTES, b);
    }
}

/* Which 128 of the entries index + 256 * page is in. */
INLINE_AVX512 __m512i part_grid_avx512(enum dtype type, __m512i index, __m512i page)
{
    __m512i part = _mm512_and_si512(_mm512_srli_epi16(index, 7), _mm512_set1_epi8(1));

    return entries_grid_avx512(type) > 256 ? _mm512_or_si512(part, _mm512_add_epi8(page, page))
                                           : part;
}

/* Bytes of those entries that are in parts [first, last), 64 in each of two vectors. */
INLINE_AVX512 void look_up_two_grid_avx512(const struct planes_grid_avx512 *p, int first, int last,
                                           const __m512i *part, __m512i *low, __m512i *high)
{
#pragma GCC unroll 16
    for (int i = first; i < last; i++)
#pragma GCC unroll 2
        for (int n = 0; n < 2; n++) {
            __mmask64 here = _mm512_cmpeq_epi8_mask(part[n], _mm512_set1_epi8((char)i));

            low[n] = _mm512_mask2_permutex2var_epi8(p->low[2 * i], low[n], here,
                                                    p->low[2 * i + 1]);
            high[n] = _mm512_mask2_permutex2var_epi8(p->high[2 * i], high[n], here,
                                                     p->high[2 * i + 1]);
        }
}

/* The same of all vectors; before, their places hold indices. */
INLINE_AVX512 void look_up_grid_avx512(enum dtype type, const struct planes_grid_avx512 *p,
                                       int first, int last, const __m512i part[4],
                                       struct codes_grid_avx512 *c)
{
    look_up_two_grid_avx512(p, first, last, part, c->low, c->high);
    if (of_four_grid_avx512(type))
        look_up_two_grid_avx512(p, first, last, part + 2, c->low + 2, c->high + 2);
}

/* Signs from seven bits each, the eighth making the number of negative ones even: those of eight
 * weights in byte i become byte i / 8 of qword i % 8. */
INLINE_AVX512 __m512i even_signs_grid_avx512(__m512i seven)
{
    const __m512i parity = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0));
    __m512i v = _mm512_and_si512(seven, _mm512_set1_epi8(127));
    __m512i fold = _mm512_xor_si512(v, _mm512_srli_epi16(v, 4));

    fold = _mm512_shuffle_epi8(parity, _mm512_and_si512(fold, _mm512_set1_epi8(15)));
    return _mm512_permutexvar_epi8(STEPS_8(0x3830282018100800, 0x0101010101010101),
                                   _mm512_or_si512(v, fold));
}

/* 2 * v + 1, twice, for groups of 32; from dwords below 32768. */
INLINE_AVX512 __m512i odd_pairs_grid_avx512(__m512i v)
{
    v = _mm512_or_si512(_mm512_add_epi32(v, v), _mm512_set1_epi32(1));
    return _mm512_or_si512(v, _mm512_slli_epi32(v, 16));
}

/* Scales of two blocks, and their signs, from a dword for each 32 weights. */
INLINE_AVX512 __m512i rests_grid_avx512(__m512i *signs, __m512i rest)
{
    *signs = even_signs_grid_avx512(
        _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x352E2720150E0700), rest));
    return odd_pairs_grid_avx512(_mm512_srli_epi32(rest, 28));
}

/* Eight bytes at a four times, then those at b. */
INLINE_AVX512 __m512i qwords_grid_avx512(const uint8_t *a, const uint8_t *b)
{
    return _mm512_mask_set1_epi64(_mm512_set1_epi64((int64_t)pi_le64(a)), 0xF0,
                                  (int64_t)pi_le64(b));
}

/* 2 * nibble + 1 of eight bytes each. */
INLINE_AVX512 __m512i odd_nibbles_grid_avx512(const uint8_t *a, const uint8_t *b)
{
    __m512i v = _mm512_multishift_epi64_epi8(STEPS_4(0x000C000800040000, 0x0010001000100010),
                                             qwords_grid_avx512(a, b));

    v = _mm512_and_si512(v, _mm512_set1_epi16(15));
    return _mm512_or_si512(_mm512_add_epi16(v, v), _mm512_set1_epi16(1));
}

/* The half at w of four blocks. */
INLINE_AVX512 __m128 halves_grid_avx512(enum dtype type, const uint8_t *w)
{
    const int at = type == DTYPE_TQ2_0 ? 64 : type == DTYPE_TQ1_0 ? 52 : 0;
    const int64_t bytes = bytes_grid_avx512(type);
    const float factor = is_ternary_grid_avx512(type) || type == DTYPE_IQ3_S ? 1
                         : type == DTYPE_IQ3_XXS                             ? 0.25f
                                                                             : 0.125f;
    uint64_t bits = 0;

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const uint8_t *block = w + k * bytes;
        uint64_t half = type != DTYPE_IQ1_M ? pi_le16(block + at) : 0;

        /* the nibbles on top of four half-words */
        for (int i = 0; type == DTYPE_IQ1_M && i < 4; i++)
            half |= (uint64_t)(block[49 + 2 * i] >> 4) << 4 * i;
        bits |= half << 16 * k;
    }
    return _mm_mul_ps(_mm_cvtph_ps(_mm_cvtsi64_si128((int64_t)bits)), _mm_set1_ps(factor));
}

/* Two blocks of entries of eight values: index, page, scales and signs. */
INLINE_AVX512 void pair_iq2_avx512(enum dtype type, struct codes_grid_avx512 *c, int n,
                                   const uint8_t *a, const uint8_t *b, __m512i *index,
                                   __m512i *page)
{
    __m512i first = _mm512_loadu_si512(a + 2), second = _mm512_loadu_si512(b + 2), top;

    switch (type) {
    case DTYPE_IQ2_XXS:
        *index = _mm512_permutex2var_epi8(
            first, STEPS_8(0x0B0A090803020100, 0x1010101010101010), second);
        top = _mm512_permutex2var_epi32(
            first, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31),
            second);
        c->group[n] = rests_grid_avx512(&c->signs[n], top);
        break;
    case DTYPE_IQ2_XS:
        *index = _mm512_permutex2var_epi8(first, EVEN_BYTES, second);
        top = _mm512_permutex2var_epi8(first, ODD_BYTES, second);
        *page = _mm512_and_si512(top, _mm512_set1_epi8(1));
        c->signs[n] = even_signs_grid_avx512(_mm512_srli_epi16(top, 1));
        c->group[n] = odd_nibbles_grid_avx512(a + 66, b + 66);
        break;
    default: /* IQ2_S */
        *index = two_avx512(a + 2, b + 2);
        top = _mm512_multishift_epi64_epi8(STEPS_4(0x0E0C0A0806040200, 0x1010101010101010),
                                           qwords_grid_avx512(a + 66, b + 66));
        *page = _mm512_and_si512(top, _mm512_set1_epi8(3));
        c->group[n] = odd_nibbles_grid_avx512(a + 74, b + 74);
        break;
    }
}

/* The same of ternary values, where an eighth is added or subtracted. */
INLINE_AVX512 void pair_iq1_avx512(enum dtype type, struct codes_grid_avx512 *c, int n,
                                   const uint8_t *a, const uint8_t *b, __m512i *index,
                                   __m512i *page)
{
    const __m512i seven = _mm512_set1_epi8(7), twice = _mm512_setr_epi64(0, 0, 1, 1, 8, 8, 9, 9);
    const int low = type == DTYPE_IQ1_S ? 2 : 0;
    __m128i ha = _mm_loadu_si128((const __m128i *)(const void *)(a + low + 32));
    __m128i hb = _mm_loadu_si128((const __m128i *)(const void *)(b + low + 32));
    __m512i high = _mm512_permutex2var_epi64(_mm512_castsi128_si512(ha), twice,
                                             _mm512_castsi128_si512(hb)), v;

    *index = two_avx512(a + low, b + low);
    if (type == DTYPE_IQ1_S) { /* words: four times three bits, a scale, a sign */
        const __m512i shift = _mm512_setr_epi64(
            0x1916131009060300, 0x3936333029262320, 0x1916131009060300, 0x3936333029262320,
            0x1916131009060300, 0x3936333029262320, 0x1916131009060300, 0x3936333029262320);
        __mmask16 negative;

        *page = _mm512_and_si512(_mm512_multishift_epi64_epi8(shift, high), seven);
        v = _mm512_cvtepu16_epi32(_mm256_set_m128i(hb, ha));
        negative = _mm512_test_epi32_mask(v, _mm512_set1_epi32(0x8000));
        c->group[n] = odd_pairs_grid_avx512(
            _mm512_and_si512(_mm512_srli_epi32(v, 12), _mm512_set1_epi32(7)));
        c->add[n] = _mm512_mullo_epi16(
            c->group[n], _mm512_mask_blend_epi32(negative, _mm512_set1_epi16(-7),
                                                 _mm512_set1_epi16(-9)));
        return;
    }
    v = _mm512_multishift_epi64_epi8(
        _mm512_setr_epi64(0x1C1814100C080400, 0x3C3834302C282420, 0x1C1814100C080400,
                          0x3C3834302C282420, 0x1C1814100C080400, 0x3C3834302C282420,
                          0x1C1814100C080400, 0x3C3834302C282420), high);
    *page = _mm512_and_si512(v, seven);
    c->negative[n] = _mm512_test_epi8_mask(v, _mm512_set1_epi8(8));
    v = _mm512_multishift_epi64_epi8(STEPS_4(0x0009000600030000, 0x0010001000100010),
                                     qwords_grid_avx512(a + 48, b + 48));
    v = _mm512_and_si512(v, _mm512_set1_epi16(7));
    c->group[n] = _mm512_or_si512(_mm512_add_epi16(v, v), _mm512_set1_epi16(1));
    c->add[n] = _mm512_mullo_epi16(c->group[n], _mm512_set1_epi16(-9));
}

/* The same of entries of four values. */
INLINE_AVX512 void pair_iq3_avx512(enum dtype type, struct codes_grid_avx512 *c, int n,
                                   const uint8_t *a, const uint8_t *b, __m512i index[2],
                                   __m512i page[2])
{
    const __m512i one = _mm512_set1_epi8(1);
    __m512i v;

    index[0] = _mm512_loadu_si512(a + 2);
    index[1] = _mm512_loadu_si512(b + 2);
    if (type == DTYPE_IQ3_XXS) {
        c->group[n] = rests_grid_avx512(&c->signs[n], two_avx512(a + 66, b + 66));
        return;
    }
    page[0] = _mm512_maskz_mov_epi8(pi_le64(a + 66), one);
    page[1] = _mm512_maskz_mov_epi8(pi_le64(b + 66), one);
    v = _mm512_mask_set1_epi32(_mm512_set1_epi32((int)pi_le32(a + 106)), 0xFF00,
                               (int)pi_le32(b + 106));
    v = _mm512_srlv_epi32(v, _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20,
                                               24, 28));
    c->group[n] = odd_pairs_grid_avx512(_mm512_and_si512(v, _mm512_set1_epi32(15)));
}

/* Four blocks at w, before their entries are looked up. */
INLINE_AVX512 void codes_grid_avx512(enum dtype type, struct codes_grid_avx512 *c, __m512i part[4],
                                     const uint8_t *w)
{
    const int bytes = bytes_grid_avx512(type);
    __m512i index[4], page[4];

    c->d = halves_grid_avx512(type, w);
    if (is_ternary_grid_avx512(type))
        return;
#pragma GCC unroll 2
    for (int n = 0; n < 2; n++) {
        const uint8_t *a = w + 2 * n * bytes, *b = a + bytes;

        if (of_four_grid_avx512(type))
            pair_iq3_avx512(type, c, n, a, b, index + 2 * n, page + 2 * n);
        else if (has_signs_grid_avx512(type))
            pair_iq2_avx512(type, c, n, a, b, &index[n], &page[n]);
        else
            pair_iq1_avx512(type, c, n, a, b, &index[n], &page[n]);
    }
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++) {
        if (n >= 2 && !of_four_grid_avx512(type))
            break;
        part[n] = part_grid_avx512(type, index[n], page[n]);
        c->low[n] = c->high[n] = index[n];
    }
}

/* Values of block k from entries of eight codes. */
INLINE_AVX512 void eights_grid_avx512(enum dtype type, const struct codes_grid_avx512 *c, int k,
                                      __m512i q[4])
{
    const __m512i table =
        _mm512_set1_epi32(has_signs_grid_avx512(type) ? 0x002B1908 : 0x18100800);
    /* word i of qword j: entry 8 * i + j */
    const __m512i first =
        k % 2 ? STEPS_8(0x7838703068286020, 0x0101010101010101)
              : STEPS_8(0x5818501048084000, 0x0101010101010101);
    __m512i words = _mm512_permutex2var_epi8(c->low[k / 2], first, c->high[k / 2]);

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __mmask8 more = (__mmask8)~(c->negative[k / 2] >> (k % 2 * 32 + 8 * i));

        q[i] = _mm512_permutexvar_epi8(
            _mm512_multishift_epi64_epi8(
                _mm512_set1_epi64(0x0E0C0A0806040200 + i * 0x1010101010101010), words),
            table);
        if (type == DTYPE_IQ1_M)
            q[i] = _mm512_mask_or_epi64(q[i], more, q[i], _mm512_set1_epi8(2));
    }
}

/* Values of block k from entries of four codes. */
INLINE_AVX512 void fours_grid_avx512(enum dtype type, const struct codes_grid_avx512 *c, int k,
                                     __m512i q[4])
{
    const __m512i table =
        _mm512_set1_epi64(type == DTYPE_IQ3_XXS ? 0x3E342C241C140C04 : 0x0F0D0B0907050301);
    /* words 0, 1 of qword j: entries 2 * j and on; words 2, 3: 16 + 2 * j and on */
    const __m512i first = STEPS_8(0x5111501041014000, 0x0202020202020202);
    const __m512i second = STEPS_8(0x7131703061216020, 0x0202020202020202);
    __m512i words[2];

    words[0] = _mm512_permutex2var_epi8(c->low[k], first, c->high[k]);
    words[1] = _mm512_permutex2var_epi8(c->low[k], second, c->high[k]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        q[i] = _mm512_permutexvar_epi8(
            _mm512_multishift_epi64_epi8(
                _mm512_set1_epi64(0x1C1814100C080400 + i % 2 * 0x2020202020202020), words[i / 2]),
            table);
}

/* Threefold of a byte whose complement is v, as a complement. */
INLINE_AVX512 __m512i threefold_grid_avx512(__m512i v)
{
    return _mm512_add_epi8(_mm512_add_epi8(v, v), _mm512_add_epi8(v, _mm512_set1_epi8(2)));
}

/* Digits plus one of the block at w. With b = 255 - v a digit is what (b + b / 2) / 2, rounded
 * down, has on top; averages, which are rounded up, give 255 less that of v. */
INLINE_AVX512 void digits_grid_avx512(const uint8_t *w, __m512i q[4])
{
    const __m512i all = _mm512_set1_epi8(-1), three = _mm512_set1_epi8(3);
    __m512i v[5], tail;

    v[0] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(((uint64_t)1 << 52) - 1, w), all);
#pragma GCC unroll 4
    for (int i = 1; i < 5; i++)
        v[i] = threefold_grid_avx512(v[i - 1]);
    tail = _mm512_unpacklo_epi64(_mm512_unpacklo_epi32(v[0], v[1]),
                                 _mm512_unpacklo_epi32(v[2], v[3]));
    q[0] = _mm512_shuffle_i64x2(v[0], v[1], 0x44);
    q[1] = _mm512_shuffle_i64x2(v[2], v[3], 0x44);
    q[2] = _mm512_mask_mov_epi64(
        _mm512_permutex2var_epi64(v[0], _mm512_setr_epi64(0, 0, 0, 0, 4, 5, 12, 13), v[1]), 0x0F,
        v[4]);
    q[3] = _mm512_permutex2var_epi64(v[2], _mm512_setr_epi64(4, 5, 12, 13, 0, 0, 0, 0), v[3]);
    q[3] = _mm512_mask_mov_epi64(_mm512_mask_mov_epi64(q[3], 0x30, v[4]), 0xC0, tail);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i top = _mm512_avg_epu8(q[i], _mm512_avg_epu8(q[i], all));

        q[i] = _mm512_andnot_si512(_mm512_srli_epi16(top, 6), three);
    }
}

/* Values of block k, at w, as unsigned bytes. */
INLINE_AVX512 void values_grid_avx512(enum dtype type, const struct codes_grid_avx512 *c, int k,
                                      const uint8_t *w, __m512i q[4])
{
    const __m512i shift[2] = { _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2),
                               _mm512_setr_epi64(4, 4, 4, 4, 6, 6, 6, 6) };

    if (of_four_grid_avx512(type))
        fours_grid_avx512(type, c, k, q);
    else if (type == DTYPE_TQ1_0)
        digits_grid_avx512(w, q);
    else if (type != DTYPE_TQ2_0)
        eights_grid_avx512(type, c, k, q);
#pragma GCC unroll 4
    for (int i = 0; type == DTYPE_TQ2_0 && i < 4; i++)
        q[i] = _mm512_and_si512(
            _mm512_srlv_epi64(_mm512_broadcast_i64x4(_mm256_loadu_si256(
                                  (const __m256i *)(const void *)(w + i / 2 * 32))),
                              shift[i % 2]),
            _mm512_set1_epi8(3));
}

/* Scales of the groups of two vectors whose words are packed into one: the first or last two of
 * block k. */
INLINE_AVX512 __m512i scales_grid_avx512(const struct codes_grid_avx512 *c, int k, int last)
{
    const long long ones = 0x0001000100010001;
    const __m512i lane = _mm512_add_epi16(
        _mm512_setr_epi64(0, 4 * ones, ones, 5 * ones, 2 * ones, 6 * ones, 3 * ones, 7 * ones),
        _mm512_set1_epi16((short)(k % 2 * 16 + last * 8)));

    return _mm512_permutexvar_epi16(lane, c->group[k / 2]);
}

/* Where weights 64 * i and on of block k, at w, are negative. */
INLINE_AVX512 __mmask64 signs_grid_avx512(enum dtype type, const struct codes_grid_avx512 *c, int k,
                                          const uint8_t *w, int i)
{
    const uint8_t *at = w + (type == DTYPE_IQ2_S ? 34 : 74) + 8 * i;
    uint64_t bits;

    if (type != DTYPE_IQ2_S && type != DTYPE_IQ3_S)
        return _mm512_bitshuffle_epi64_mask(
            c->signs[k / 2],
            _mm512_set1_epi64(0x0706050403020100 + (k % 2 * 4 + i) * 0x0808080808080808));
    memcpy(&bits, at, sizeof bits);
    return bits;
}

/* Block k of the four, at w, and T tokens: parts of the sum of group * q * xq. Sums of four
 * products fit 16 bits. */
INLINE_AVX512 void block_grid_avx512(enum dtype type, int T, const struct codes_grid_avx512 *c,
                                     int k, const uint8_t *w, const struct operand_q8k_avx512 *x,
                                     __m512i *dot)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m256i add = is_ternary_grid_avx512(type) ? _mm256_set1_epi16(-1)
                        : k % 2 ? _mm512_extracti64x4_epi64(c->add[k / 2], 1)
                                : _mm512_castsi512_si256(c->add[k / 2]);
    __m512i q[4], part[4];
    __mmask64 negative[4];

    values_grid_avx512(type, c, k, w, q);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        negative[i] = has_signs_grid_avx512(type) ? signs_grid_avx512(type, c, k, w, i) : 0;
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        dot[t] = zero;
        if (!has_signs_grid_avx512(type))
            dot[t] = _mm512_zextsi256_si512(_mm256_madd_epi16(
                add, _mm256_load_si256((const __m256i *)(const void *)(x[t].sum + 16 * k))));
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512i v = _mm512_load_si512(x[t].q + 256 * k + 64 * i);

            if (has_signs_grid_avx512(type))
                v = _mm512_mask_sub_epi8(v, negative[i], zero, v);
            if (is_ternary_grid_avx512(type))
                dot[t] = _mm512_dpbusd_epi32(dot[t], q[i], v);
            else
                part[i] = _mm512_dpbusd_epi32(zero, q[i], v);
        }
        if (is_ternary_grid_avx512(type))
            continue;
        dot[t] = _mm512_dpwssd_epi32(dot[t], _mm512_packs_epi32(part[0], part[1]),
                                     scales_grid_avx512(c, k, 0));
        dot[t] = _mm512_dpwssd_epi32(dot[t], _mm512_packs_epi32(part[2], part[3]),
                                     scales_grid_avx512(c, k, 1));
    }
}

/* The codes of four blocks at w. */
INLINE_AVX512 void first_grid_avx512(enum dtype type, const struct planes_grid_avx512 *p,
                                     struct codes_grid_avx512 *c, const uint8_t *w)
{
    __m512i part[4];

    codes_grid_avx512(type, c, part, w);
    look_up_grid_avx512(type, p, 0, entries_grid_avx512(type) / 128, part, c);
}

/* Four blocks at w and T tokens, in four lanes that are added as the engine of many tokens does.
 * If the codebook is large, the four blocks at `next` are looked up meanwhile, since either is a
 * long chain of instructions. */
INLINE_AVX512 void step_grid_avx512(enum dtype type, int T, const struct planes_grid_avx512 *p,
                                    struct codes_grid_avx512 *codes, const uint8_t *w,
                                    const uint8_t *next, const struct operand_q8k_avx512 *x,
                                    float *total)
{
    const int parts = entries_grid_avx512(type) / 128;
    struct codes_grid_avx512 c = { .negative = { 0 } };
    __m512i dot[4][4], part[4];

    if (ahead_grid_avx512(type)) {
        c = *codes;
        codes_grid_avx512(type, codes, part, next);
    } else {
        first_grid_avx512(type, p, &c, w);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        if (ahead_grid_avx512(type))
            look_up_grid_avx512(type, p, parts * k / 4, parts * (k + 1) / 4, part,
                                codes);
        block_grid_avx512(type, T, &c, k, w + k * bytes_grid_avx512(type), x, dot[k]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m128i all = fold_q8k_avx512(add_odd_avx512(dot[0][t], dot[1][t]),
                                      add_odd_avx512(dot[2][t], dot[3][t]));
        __m128 scale = _mm_mul_ps(c.d, _mm_load_ps(x[t].scale));

        total[t] += sum_lanes_q8k_avx512(_mm_mul_ps(_mm_cvtepi32_ps(all), scale));
    }
}

/* The last blocks of a row, and zeros, so that there are four. Two places take turns, since four
 * blocks are looked up while those before them are multiplied. */
struct last_grid_avx512 {
    int8_t q[4][1024];
    int16_t sum[4][64];
    float scale[4][4];
    uint8_t w[2][4 * 110];
} __attribute__((aligned(64)));

/* Four blocks, of which `left` exist. */
INLINE_AVX512 const uint8_t *blocks_grid_avx512(struct last_grid_avx512 *last, int turn,
                                                int64_t bytes, int64_t left, const uint8_t *w)
{
    if (left >= 4)
        return w;
    memset(last->w[turn], 0, sizeof last->w[turn]);
    return memcpy(last->w[turn], w, (size_t)(left * bytes));
}

static __attribute__((noinline)) void pad_grid_avx512(struct last_grid_avx512 *last, int T,
                                                      int64_t count,
                                                      struct operand_q8k_avx512 *x)
{
    memset(last, 0, offsetof(struct last_grid_avx512, w));
    for (int t = 0; t < T; t++) {
        memcpy(last->q[t], x[t].q, (size_t)count * 256);
        memcpy(last->sum[t], x[t].sum, (size_t)count * 32);
        memcpy(last->scale[t], x[t].scale, (size_t)count * 4);
        x[t] = (struct operand_q8k_avx512){ (const uint8_t *)last->q[t], last->scale[t],
                                            last->sum[t] };
    }
}

/* One row and T tokens, of which `live` exist; its first four blocks are in *c, to which those of
 * the row `after` it go. */
INLINE_AVX512 void row_grid_avx512(enum dtype type, int T, const struct planes_grid_avx512 *p,
                                   struct codes_grid_avx512 *c, const uint8_t *w,
                                   const uint8_t *after, int64_t cols, int64_t live,
                                   const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    const int bytes = bytes_grid_avx512(type);
    struct operand_q8k_avx512 row[4];
    struct last_grid_avx512 last;
    const uint8_t *now = blocks_grid_avx512(&last, 0, bytes, cols / 256, w);
    float total[4] = { 0 };

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        row[t] = operand_q8k_avx512(x + pi_min(t, live - 1) * x_stride, cols);
    for (int64_t left = cols / 256; left > 0; left -= 4, w += 4 * bytes) {
        const uint8_t *next = left > 4 ? w + 4 * bytes : after;
        int64_t some = left > 4 ? left - 4 : cols / 256;

        if (ahead_grid_avx512(type) || left > 4)
            next = blocks_grid_avx512(&last, now != last.w[1], bytes, some, next);
        if (left < 4)
            pad_grid_avx512(&last, T, left, row);
        prefetch_avx512(w, bytes * 4);
        step_grid_avx512(type, T, p, c, now, next, row, total);
        now = next;
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            row[t].q += 1024;
            row[t].scale += 4;
            row[t].sum += 64;
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        if (t < live)
            y[t * y_stride] = total[t];
}

/* y[t][r]; a format without a codebook has no entries. */
INLINE_AVX512 void few_grid_avx512(enum dtype type, const uint16_t *grid, int64_t rows,
                                   int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                                   const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    const int entries = entries_grid_avx512(type);
    struct codes_grid_avx512 c = { .negative = { 0 } };
    struct planes_grid_avx512 p;
    struct last_grid_avx512 last;

    if (rows < 1 || m < 1)
        return;
    planes_grid_avx512(&p, grid, entries);
    if (ahead_grid_avx512(type))
        first_grid_avx512(type, &p, &c,
                          blocks_grid_avx512(&last, 0, bytes_grid_avx512(type), cols / 256, w));
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        const uint8_t *below = r + 1 < rows ? w + w_stride : w;
        int64_t t = 0;

        for (; t + 1 < m; t += 4)
            row_grid_avx512(type, 4, &p, &c, w, t + 4 < m ? w : below, cols, pi_min(m - t, 4),
                            x + t * x_stride, x_stride, y + t * y_stride, y_stride);
        if (t < m)
            row_grid_avx512(type, 1, &p, &c, w, below, cols, 1, x + t * x_stride, x_stride,
                            y + t * y_stride, y_stride);
    }
}

#undef STEPS_8
#undef STEPS_4
#undef EVEN_BYTES
#undef ODD_BYTES

#endif
