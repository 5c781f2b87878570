/* pack.c - float rows to the operand rows of dot, and to half precision.
 */
#include <math.h>

#include "common.h"

INLINE_AVX2 __m256 abs_avx2(__m256 v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }

/* The factor 127 / a of n values (a multiple of 32), 0 if they give zeros; scale as in kernel.h.
 */
INLINE_AVX2 float factor_avx2(const float *x, int n, float *scale)
{
    __m256 most = _mm256_setzero_ps(), bad = most;
    float lane[8], a = 0;

#pragma GCC unroll 8
    for (int i = 0; i < n; i += 8) {
        __m256 v = abs_avx2(_mm256_loadu_ps(x + i));
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(v, _mm256_set1_ps(INFINITY), _CMP_NLT_UQ));
        most = _mm256_max_ps(most, v);
    }
    _mm256_storeu_ps(lane, most);
    for (int i = 0; i < 8; i++)
        a = lane[i] > a ? lane[i] : a;
    if (_mm256_movemask_ps(bad)) {
        *scale = NAN;
        return 0;
    }
    *scale = a < PI_PACK_TINY ? 0 : a / 127;
    return a < PI_PACK_TINY ? 0 : 127 / a;
}

/* Eight values times the factor as integers; a factor of 0 gives zeros whatever the values. */
INLINE_AVX2 __m256i quantize_avx2(const float *x, float factor)
{
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(factor));

    return factor != 0 ? _mm256_cvtps_epi32(v) : _mm256_setzero_si256();
}

/* 32 values as bytes, and the sum of their four vectors of integers: lanes 0 to 3 and 4 to 7 of
 * *first are of the first 16 values, of *second of the others. */
INLINE_AVX2 void bytes_avx2(int8_t *q, const float *x, float factor, __m256i *first,
                            __m256i *second)
{
    __m256i a = quantize_avx2(x, factor), b = quantize_avx2(x + 8, factor);
    __m256i c = quantize_avx2(x + 16, factor), d = quantize_avx2(x + 24, factor);
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));

    packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)q, packed);
    *first = _mm256_add_epi32(a, b);
    *second = _mm256_add_epi32(c, d);
}

INLINE_AVX2 int32_t sum_integers_avx2(__m256i v)
{
    __m128i a = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    a = _mm_add_epi32(a, _mm_unpackhi_epi64(a, a));
    return _mm_cvtsi128_si32(a) + _mm_extract_epi32(a, 1);
}

static PI_PACK(pack_q8_avx2)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int32_t *sum = (int32_t *)(void *)(q + pi_operand_sums(OPERAND_Q8, n));
    __m256i first, second;

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8, n) - (size_t)n);
    for (int64_t b = 0; b < n / 32; b++, x += 32, q += 32) {
        bytes_avx2(q, x, factor_avx2(x, 32, &scale[b]), &first, &second);
        sum[b] = sum_integers_avx2(_mm256_add_epi32(first, second));
    }
}

static PI_PACK(pack_q8k_avx2)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int16_t *sum = (int16_t *)(void *)(q + pi_operand_sums(OPERAND_Q8K, n));
    __m256i first, second;

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8K, n) - (size_t)n);
    for (int64_t b = 0; b < n / 256; b++) {
        float factor = factor_avx2(x, 256, &scale[b]);
        for (int i = 0; i < 8; i++, x += 32, q += 32) {
            bytes_avx2(q, x, factor, &first, &second);
            *sum++ = (int16_t)sum_integers_avx2(first);
            *sum++ = (int16_t)sum_integers_avx2(second);
        }
    }
}

static PI_TO_F16(to_f16_avx2)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    for (; i < n; i++)
        y[i] = pi_f16_from_f32(x[i]);
}

void pi_pack_avx2(struct kernels *k)
{
    k->pack[OPERAND_Q8] = pack_q8_avx2;
    k->pack[OPERAND_Q8K] = pack_q8k_avx2;
    k->to_f16 = to_f16_avx2;
}
