/* four.h - four blocks of 32 of four rows at once: what dot_q8.c multiplies.
 *
 * Block k of a row fills 128 bits k of a vector: the first 16 weights of one vector, the other 16
 * of a second. Scales and sums of four blocks of four rows are lanes [k][row]. The type is a
 * constant wherever these are called, and no byte outside the four blocks is read.
 */
#ifndef PI_AVX512_FOUR_H
#define PI_AVX512_FOUR_H

#include "block.h"

/* Bytes k * step + i of 16 bytes i for each k. */
INLINE_AVX512 __m512i index_four_avx512(int step, uint32_t first, uint32_t second, uint32_t third,
                                        uint32_t fourth)
{
#define AT(k, v) (int)((v) + (uint32_t)((k) * step) * 0x01010101u)
    return _mm512_setr_epi32(AT(0, first), AT(0, second), AT(0, third), AT(0, fourth),
                             AT(1, first), AT(1, second), AT(1, third), AT(1, fourth),
                             AT(2, first), AT(2, second), AT(2, third), AT(2, fourth),
                             AT(3, first), AT(3, second), AT(3, third), AT(3, fourth));
#undef AT
}

/* The 16 bytes at `at` of blocks of up to 24 bytes. */
INLINE_AVX512 __m512i gather_four_avx512(const uint8_t *w, int bytes, int at)
{
    const __m512i index =
        index_four_avx512(bytes, 0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C);
    __m512i three = _mm512_permutexvar_epi8(index, _mm512_loadu_si512(w + at));

    return _mm512_mask_broadcast_i32x4(
        three, 0xF000, _mm_loadu_si128((const __m128i *)(const void *)(w + 3 * bytes + at)));
}

/* 16 more where the fifth bits, two bytes for 16 weights `at` bytes into the heads, are set. */
INLINE_AVX512 __m512i fifth_four_avx512(__m512i low, __m512i heads, int at)
{
    const __m512i bit = _mm512_set1_epi64((int64_t)0x8040201008040201);
    const __m512i byte = _mm512_broadcast_i32x4(
        _mm_set_epi64x(0x0101010101010101 * (at + 1), 0x0101010101010101 * at));

    return _mm512_mask_add_epi8(
        low, _mm512_test_epi8_mask(_mm512_shuffle_epi8(heads, byte), bit), low,
        _mm512_set1_epi8(16));
}

/* 16 bytes at `at` of blocks of any size. */
INLINE_AVX512 __m512i apart_four_avx512(const uint8_t *w, int64_t bytes, int at)
{
    const __m128i *first = (const __m128i *)(const void *)(w + at);
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(first));

#define AT(k) _mm_loadu_si128((const __m128i *)(const void *)(w + (k)*bytes + at))
    v = _mm512_mask_broadcast_i32x4(v, 0x00F0, AT(1));
    v = _mm512_mask_broadcast_i32x4(v, 0x0F00, AT(2));
    return _mm512_mask_broadcast_i32x4(v, 0xF000, AT(3));
#undef AT
}

/* Unsigned bytes of four blocks, plus the offset: weights 0..15 of each, then 16..31. */
INLINE_AVX512 void quants_four_avx512(enum dtype type, const uint8_t *w, __m512i *low,
                                      __m512i *high)
{
    const __m512i nibble = _mm512_set1_epi8(15), flip = _mm512_set1_epi8(-128);
    const __m512i mxfp4 = _mm512_broadcast_i32x4(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
    int bytes = (int)block_bytes_q8_avx512(type);
    __m512i both;

    if (type == DTYPE_Q8_0) {
        *low = _mm512_xor_si512(apart_four_avx512(w, bytes, 2), flip);
        *high = _mm512_xor_si512(apart_four_avx512(w, bytes, 18), flip);
        return;
    }
    both = gather_four_avx512(w, bytes, bytes - 16);
    *low = _mm512_and_si512(both, nibble);
    *high = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
    if (type == DTYPE_Q5_0 || type == DTYPE_Q5_1) {
        __m512i heads = gather_four_avx512(w, bytes, 0);
        *low = fifth_four_avx512(*low, heads, bytes - 20);
        *high = fifth_four_avx512(*high, heads, bytes - 18);
    } else if (type == DTYPE_IQ4_NL) {
        *low = iq4_avx512(*low);
        *high = iq4_avx512(*high);
    } else if (type == DTYPE_MXFP4) {
        *low = _mm512_shuffle_epi8(mxfp4, *low);
        *high = _mm512_shuffle_epi8(mxfp4, *high);
    }
}

/* The halves `at` bytes into blocks of up to 20 or of 32 bytes and more, lanes [k][row]. */
INLINE_AVX512 __m512 words_four_avx512(const uint8_t *const w[4], int64_t block, int bytes,
                                       int at)
{
    int second = bytes <= 20 ? 0 : 2 * bytes; /* where the last two blocks are taken from */
    int c = (2 * bytes + at - second) / 2, d = (3 * bytes + at - second) / 2;
#define FOUR(i) (short)(i), (short)(i), (short)(i), (short)(i)
    const __m512i index =
        _mm512_castsi256_si512(_mm256_setr_epi16(FOUR(at / 2), FOUR((bytes + at) / 2), FOUR(c),
                                                 FOUR(d)));
#undef FOUR
    __m512i all = _mm512_setzero_si512();

#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        const uint8_t *from = w[r] + block * bytes;
        all = _mm512_mask_permutexvar_epi16(all, (second ? 0x0011u : 0x1111u) << r, index,
                                            _mm512_loadu_si512(from));
        if (second)
            all = _mm512_mask_permutexvar_epi16(all, 0x1100u << r, index,
                                                _mm512_loadu_si512(from + second));
    }
    return _mm512_cvtph_ps(_mm512_castsi512_si256(all));
}

/* The halves `at` bytes into blocks of 22 and 24 bytes, of the heads that their fifth bits need. */
INLINE_AVX512 __m512 heads_five_avx512(const uint8_t *const w[4], int64_t block, int bytes, int at)
{
    __m512i v[4], all;

#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        v[r] = gather_four_avx512(w[r] + block * bytes, bytes, 0);
    all = _mm512_unpacklo_epi64(_mm512_unpacklo_epi32(v[0], v[1]),
                                _mm512_unpacklo_epi32(v[2], v[3]));
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(at ? _mm512_srli_epi32(all, 16) : all));
}

/* 2^(e - 128) of the exponents at the heads of blocks, lanes [k][row]; see read_mxfp4. */
INLINE_AVX512 __m512 powers_four_avx512(const uint8_t *const w[4], int64_t block, int bytes)
{
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i index = _mm512_castsi128_si512(
        _mm_setr_epi32(0, bytes * 0x01010101, 2 * bytes * 0x01010101, 3 * bytes * 0x01010101));
    __m512i all = _mm512_setzero_si512(), e;
    __mmask16 tiny;

#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        all = _mm512_mask_permutexvar_epi8(all, 0x1111u << r, index,
                                           _mm512_loadu_si512(w[r] + block * bytes));
    e = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(all));
    tiny = _mm512_cmple_epu32_mask(e, one);
    return _mm512_castsi512_ps(
        _mm512_mask_sllv_epi32(_mm512_slli_epi32(_mm512_sub_epi32(e, one), 23), tiny,
                               _mm512_set1_epi32(0x200000), e));
}

INLINE_AVX512 __m512 scales_four_avx512(enum dtype type, const uint8_t *const w[4], int64_t block)
{
    int bytes = (int)block_bytes_q8_avx512(type);

    if (type == DTYPE_MXFP4)
        return powers_four_avx512(w, block, bytes);
    if (type == DTYPE_Q5_0 || type == DTYPE_Q5_1)
        return heads_five_avx512(w, block, bytes, 0);
    return words_four_avx512(w, block, bytes, 0);
}

INLINE_AVX512 __m512 mins_four_avx512(enum dtype type, const uint8_t *const w[4], int64_t block)
{
    int bytes = (int)block_bytes_q8_avx512(type);

    return type == DTYPE_Q5_1 ? heads_five_avx512(w, block, bytes, 2)
                              : words_four_avx512(w, block, bytes, 2);
}

/* Lanes [k][row]: the sums of the four lanes of block k in v[row]. Weights of 4 bits leave 16
 * bits for sums of 16 products, those of 5 bits for sums of 8. */
INLINE_AVX512 __m512i fold_four_avx512(enum dtype type, const __m512i v[4])
{
    const __m512i ones = _mm512_set1_epi16(1);
    __m512i a, b;

    if (type == DTYPE_Q8_0 || type == DTYPE_IQ4_NL)
        return add_even_avx512(add_odd_avx512(v[0], v[1]), add_odd_avx512(v[2], v[3]));
    a = _mm512_madd_epi16(_mm512_packs_epi32(v[0], v[1]), ones);
    b = _mm512_madd_epi16(_mm512_packs_epi32(v[2], v[3]), ones);
    if (type == DTYPE_Q4_0 || type == DTYPE_Q4_1)
        return _mm512_madd_epi16(_mm512_packs_epi32(a, b), ones);
    return _mm512_add_epi32(
        _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b),
                                              0x88)),
        _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b),
                                              0xDD)));
}

#endif
