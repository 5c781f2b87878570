/* four.h - two blocks of 32 of four rows at once: what dot.c multiplies.
 *
 * Formats of 4 and 5 bits: the first 16 weights of both blocks fill one vector, the others a
 * second, unsigned (but for IQ4_NL), so that products add up in 16 bits; see avx512/four.h. Sums
 * are lanes [block][row].
 */
#ifndef PI_AVX2_FOUR_H
#define PI_AVX2_FOUR_H

#include "block.h"

/* log2 of the offset of the unsigned bytes; 0: none */
INLINE_AVX2 int offset_four_avx2(enum dtype type)
{
    return type == DTYPE_Q4_0 ? 3 : type == DTYPE_Q5_0 || type == DTYPE_MXFP4 ? 4 : 0;
}

/* 16 more in the bytes whose fifth bits are set, 16 bits for each half. */
INLINE_AVX2 __m256i fifth_four_avx2(__m256i low, const uint8_t *a, const uint8_t *b)
{
    return _mm256_or_si256(low, spread_avx2(pi_le16(a) | (uint32_t)pi_le16(b) << 16, 16));
}

/* Bytes, but of IQ4_NL unsigned, of the blocks at w and behind it: weights 0..15 of both, then
 * 16..31. */
INLINE_AVX2 void quants_four_avx2(enum dtype type, const uint8_t *w, __m256i *low, __m256i *high)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i mxfp4 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));
    int64_t bytes = block_bytes_avx2(type);
    const uint8_t *a = w + bytes - 16, *b = a + bytes;
    __m256i both = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)),
        _mm_loadu_si128((const __m128i *)(const void *)b), 1);

    *low = _mm256_and_si256(both, nibble);
    *high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
    if (type == DTYPE_MXFP4 || type == DTYPE_IQ4_NL) {
        __m256i table = type == DTYPE_MXFP4 ? mxfp4 : _mm256_broadcastsi128_si256(iq4_avx2());
        *low = _mm256_shuffle_epi8(table, *low);
        *high = _mm256_shuffle_epi8(table, *high);
    } else if (type == DTYPE_Q5_0 || type == DTYPE_Q5_1) {
        *low = fifth_four_avx2(*low, a - 4, b - 4);
        *high = fifth_four_avx2(*high, a - 2, b - 2);
    }
}

/* Lanes [block][row]: the sums of the eight words of a block in v[row], of IQ4_NL four dwords.
 * Weights of 4 bits leave 16 bits for sums of 16 products, those of 5 bits for sums of 8. */
INLINE_AVX2 __m256i fold_four_avx2(enum dtype type, const __m256i v[4])
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i a = _mm256_add_epi16(_mm256_unpacklo_epi32(v[0], v[1]),
                                 _mm256_unpackhi_epi32(v[0], v[1]));
    __m256i b = _mm256_add_epi16(_mm256_unpacklo_epi32(v[2], v[3]),
                                 _mm256_unpackhi_epi32(v[2], v[3]));

    if (type == DTYPE_IQ4_NL)
        return add_even_avx2(add_odd_avx2(v[0], v[1]), add_odd_avx2(v[2], v[3]));
    if (type == DTYPE_Q4_0 || type == DTYPE_Q4_1)
        return _mm256_madd_epi16(
            _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)), ones);
    a = _mm256_madd_epi16(a, ones);
    b = _mm256_madd_epi16(b, ones);
    return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

/* Sums of four products of signed bytes: the sign of x goes to the weights, which are not -128. */
INLINE_AVX2 __m256i signed_four_avx2(__m256i w, __m256i x)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w, x)),
                             _mm256_set1_epi16(1));
}

/* sum[t] = lanes [block][row] of two blocks and T tokens, without their offset. */
INLINE_AVX2 void sums_four_avx2(enum dtype type, int T, const uint8_t *const w[4], int64_t block,
                                const uint8_t *const x[2], __m256i *sum)
{
    const __m256i ones = _mm256_set1_epi16(1);
    int64_t bytes = block_bytes_avx2(type);
    __m256i low, high, first[2], second[2], v[2][8];

    if (type == DTYPE_Q8_0) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __m256i q = quants_q8_avx2(type, w[i % 4] + (block + i / 4) * bytes);
            __m256i size = _mm256_abs_epi8(q);
#pragma GCC unroll 2
            for (int t = 0; t < T; t++)
                v[t][i] = _mm256_madd_epi16(
                    _mm256_maddubs_epi16(
                        size, _mm256_sign_epi8(load_avx2(x[t] + 32 * (block + i / 4)), q)), ones);
        }
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            sum[t] = fold_avx2(v[t]);
        return;
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        __m256i a = load_avx2(x[t] + 32 * block), b = load_avx2(x[t] + 32 * block + 32);
        first[t] = _mm256_permute2x128_si256(a, b, 0x20);
        second[t] = _mm256_permute2x128_si256(a, b, 0x31);
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        quants_four_avx2(type, w[r] + block * bytes, &low, &high);
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            v[t][r] = type == DTYPE_IQ4_NL
                          ? _mm256_add_epi32(signed_four_avx2(low, first[t]),
                                             signed_four_avx2(high, second[t]))
                          : _mm256_add_epi16(_mm256_maddubs_epi16(low, first[t]),
                                             _mm256_maddubs_epi16(high, second[t]));
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        sum[t] = fold_four_avx2(type, v[t]);
}

/* The scales `at` bytes into two blocks of four rows, lanes [block][row]. */
INLINE_AVX2 __m256 scales_four_avx2(enum dtype type, const uint8_t *const w[4], int64_t block,
                                    int at)
{
    int64_t bytes = block_bytes_avx2(type), first = block * bytes + at, second = first + bytes;

    if (type == DTYPE_MXFP4)
        return _mm256_setr_ps(
            block_scale_avx2(type, w[0] + first), block_scale_avx2(type, w[1] + first),
            block_scale_avx2(type, w[2] + first), block_scale_avx2(type, w[3] + first),
            block_scale_avx2(type, w[0] + second), block_scale_avx2(type, w[1] + second),
            block_scale_avx2(type, w[2] + second), block_scale_avx2(type, w[3] + second));
#define HALF(r, from) (short)pi_le16(w[r] + (from))
    return _mm256_cvtph_ps(_mm_setr_epi16(HALF(0, first), HALF(1, first), HALF(2, first),
                                          HALF(3, first), HALF(0, second), HALF(1, second),
                                          HALF(2, second), HALF(3, second)));
#undef HALF
}

#endif
