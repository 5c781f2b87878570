/* common.h - what the AVX2 kernels share: sums of lanes in a fixed order, masks for tails.
 */
#ifndef PI_AVX2_COMMON_H
#define PI_AVX2_COMMON_H

#include <immintrin.h>

#include "kernel/overlays.h"

/* Functions whose arguments choose code must vanish into their callers. */
#define INLINE_AVX2 static inline __attribute__((always_inline))

/* How far ahead of its use a weight stream is fetched; see avx512/common.h. */
enum { PREFETCH_AVX2 = 4096 };

INLINE_AVX2 void prefetch_avx2(const uint8_t *w, int bytes)
{
#pragma GCC unroll 16
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)w + PREFETCH_AVX2 + i, _MM_HINT_T0);
}

INLINE_AVX2 __m256i load_avx2(const void *at) { return _mm256_loadu_si256(at); }

/* Keeps the compiler from collecting many products before it adds them: registers are few. */
INLINE_AVX2 void settle_avx2(__m256i *v) { __asm__("" : "+x"(*v)); }

/* All bits of the first n of eight lanes. */
INLINE_AVX2 __m256i live_avx2(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)pi_min(n, 8)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* ((v0+v4) + (v2+v6)) + ((v1+v5) + (v3+v7)) */
INLINE_AVX2 float sum_lanes_avx2(__m256 v)
{
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));

    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

INLINE_AVX2 double sum_doubles_avx2(__m256d v)
{
    __m128d a = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));

    return _mm_cvtsd_f64(_mm_add_sd(a, _mm_unpackhi_pd(a, a)));
}

/* The scales of an operand row. */
INLINE_AVX2 const float *xscale_avx2(const uint8_t *x, int64_t cols)
{
    return (const float *)(const void *)(x + pi_operand_scales(cols));
}

/* Per 128 bits (a0+a2, b0+b2, a1+a3, b1+b3); VPHADDD takes four times as long (Zen 5). */
INLINE_AVX2 __m256i add_odd_avx2(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

/* Completes two add_odd: per 128 bits the sums of the four lanes of each of four vectors. */
INLINE_AVX2 __m256i add_even_avx2(__m256i a, __m256i b)
{
    return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

/* Lane i: the sum of all lanes of v[i]. */
INLINE_AVX2 __m256i fold_avx2(const __m256i v[8])
{
    __m256i a = add_even_avx2(add_odd_avx2(v[0], v[1]), add_odd_avx2(v[2], v[3]));
    __m256i b = add_even_avx2(add_odd_avx2(v[4], v[5]), add_odd_avx2(v[6], v[7]));

    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

/* Lane k: the sum of all lanes of v[k]. */
INLINE_AVX2 __m128i fold_q8k_avx2(const __m256i v[4])
{
    __m256i a = add_even_avx2(add_odd_avx2(v[0], v[1]), add_odd_avx2(v[2], v[3]));

    return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

#endif
