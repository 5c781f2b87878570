/* norm.c - normalisation of one row, and the sum of two; sums in double.
 */
#include <math.h>

#include "common.h"

INLINE_AVX512 __mmask16 live_norm_avx512(int64_t left)
{
    return (__mmask16)((1u << pi_min(left, 16)) - 1);
}

INLINE_AVX512 __m512d low_norm_avx512(__m512 v)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}

INLINE_AVX512 __m512d high_norm_avx512(__m512 v)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}

/* y = x / sqrt(mean(x^2) + eps) * w */
static PI_RMS_NORM(rms_norm_avx512)
{
    __m512d low = _mm512_setzero_pd(), high = low;
    __m512 inverse;
    double mean;

    for (int64_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(live_norm_avx512(n - i), x + i);
        low = _mm512_fmadd_pd(low_norm_avx512(v), low_norm_avx512(v), low);
        high = _mm512_fmadd_pd(high_norm_avx512(v), high_norm_avx512(v), high);
    }
    mean = _mm512_reduce_add_pd(_mm512_add_pd(low, high)) / (double)n;
    inverse = _mm512_set1_ps((float)(1 / sqrt(mean + (double)eps)));
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = live_norm_avx512(n - i);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(live, x + i), inverse);
        if (w)
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(live, w + i));
        _mm512_mask_storeu_ps(y + i, live, v);
    }
}

/* Sum of (x - mean)^power, power 1 or 2. */
INLINE_AVX512 double moment_avx512(const float *x, int64_t n, double mean, int power)
{
    __m512d low = _mm512_setzero_pd(), high = low, center = _mm512_set1_pd(mean);

    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = live_norm_avx512(n - i);
        __m512 v = _mm512_maskz_loadu_ps(live, x + i);
        __m512d a = _mm512_maskz_sub_pd((__mmask8)live, low_norm_avx512(v), center);
        __m512d b = _mm512_maskz_sub_pd((__mmask8)(live >> 8), high_norm_avx512(v), center);
        low = power == 1 ? _mm512_add_pd(low, a) : _mm512_fmadd_pd(a, a, low);
        high = power == 1 ? _mm512_add_pd(high, b) : _mm512_fmadd_pd(b, b, high);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

static PI_LAYER_NORM(layer_norm_avx512)
{
    double mean = moment_avx512(x, n, 0, 1) / (double)n;
    double variance = moment_avx512(x, n, mean, 2) / (double)n;
    __m512 center = _mm512_set1_ps((float)mean);
    __m512 inverse = _mm512_set1_ps((float)(1 / sqrt(variance + (double)eps)));

    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = live_norm_avx512(n - i);
        __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(live, x + i), center);
        v = _mm512_mul_ps(v, inverse);
        if (w)
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(live, w + i));
        if (b)
            v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(live, b + i));
        _mm512_mask_storeu_ps(y + i, live, v);
    }
}

static PI_ADD(add_avx512)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = live_norm_avx512(n - i);
        _mm512_mask_storeu_ps(
            y + i, live,
            _mm512_add_ps(_mm512_maskz_loadu_ps(live, a + i), _mm512_maskz_loadu_ps(live, b + i)));
    }
}

void pi_norm_avx512(struct kernels *k)
{
    k->rms_norm = rms_norm_avx512;
    k->layer_norm = layer_norm_avx512;
    k->add = add_avx512;
}
