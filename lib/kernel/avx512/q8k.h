/* q8k.h - what the engines of blocks of 256 share: operand rows, and sums of four blocks in lanes.
 */
#ifndef PI_AVX512_Q8K_H
#define PI_AVX512_Q8K_H

#include "common.h"

/* The parts of an operand row. */
struct operand_q8k_avx512 {
    const uint8_t *q;
    const float *scale;
    const int16_t *sum;
};

INLINE_AVX512 struct operand_q8k_avx512 operand_q8k_avx512(const uint8_t *x, int64_t cols)
{
    return (struct operand_q8k_avx512){
        x, (const float *)(const void *)(x + pi_operand_scales(cols)),
        (const int16_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8K, cols))
    };
}

/* Lane k: the sum of all lanes of v[k]. */
INLINE_AVX512 __m128i fold_q8k_avx512(__m512i v01, __m512i v23)
{
    __m512i all = add_even_avx512(v01, v23);
    __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));

    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* (0+2) + (1+3) */
INLINE_AVX512 float sum_lanes_q8k_avx512(__m128 v)
{
    __m128 two = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
