/* norm.c - normalisation of one row, and the sum of two; sums in double.
 */
#include <math.h>

#include "common.h"

/* Up to eight floats; the rest zero and not read. */
INLINE_AVX2 __m256 load_norm_avx2(const float *x, int64_t left)
{
    return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, live_avx2(left));
}

INLINE_AVX2 void store_norm_avx2(float *y, int64_t left, __m256 v)
{
    if (left >= 8)
        _mm256_storeu_ps(y, v);
    else
        _mm256_maskstore_ps(y, live_avx2(left), v);
}

INLINE_AVX2 __m256d half_norm_avx2(__m256 v, int half)
{
    return _mm256_cvtps_pd(half ? _mm256_extractf128_ps(v, 1) : _mm256_castps256_ps128(v));
}

/* y = x / sqrt(mean(x^2) + eps) * w */
static PI_RMS_NORM(rms_norm_avx2)
{
    __m256d low = _mm256_setzero_pd(), high = low;
    __m256 inverse;
    double mean;

    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = load_norm_avx2(x + i, n - i);
        low = _mm256_fmadd_pd(half_norm_avx2(v, 0), half_norm_avx2(v, 0), low);
        high = _mm256_fmadd_pd(half_norm_avx2(v, 1), half_norm_avx2(v, 1), high);
    }
    mean = sum_doubles_avx2(_mm256_add_pd(low, high)) / (double)n;
    inverse = _mm256_set1_ps((float)(1 / sqrt(mean + (double)eps)));
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(load_norm_avx2(x + i, n - i), inverse);
        if (w)
            v = _mm256_mul_ps(v, load_norm_avx2(w + i, n - i));
        store_norm_avx2(y + i, n - i, v);
    }
}

/* Sum of (x - mean)^power, power 1 or 2. */
INLINE_AVX2 double moment_avx2(const float *x, int64_t n, double mean, int power)
{
    __m256d low = _mm256_setzero_pd(), high = low, center = _mm256_set1_pd(mean);
    double sum;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        __m256d a = _mm256_sub_pd(half_norm_avx2(v, 0), center);
        __m256d b = _mm256_sub_pd(half_norm_avx2(v, 1), center);
        low = power == 1 ? _mm256_add_pd(low, a) : _mm256_fmadd_pd(a, a, low);
        high = power == 1 ? _mm256_add_pd(high, b) : _mm256_fmadd_pd(b, b, high);
    }
    sum = sum_doubles_avx2(_mm256_add_pd(low, high));
    for (; i < n; i++) {
        double d = (double)x[i] - mean;
        sum += power == 1 ? d : d * d;
    }
    return sum;
}

static PI_LAYER_NORM(layer_norm_avx2)
{
    double mean = moment_avx2(x, n, 0, 1) / (double)n;
    double variance = moment_avx2(x, n, mean, 2) / (double)n;
    __m256 center = _mm256_set1_ps((float)mean);
    __m256 inverse = _mm256_set1_ps((float)(1 / sqrt(variance + (double)eps)));

    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_sub_ps(load_norm_avx2(x + i, n - i), center), inverse);
        if (w)
            v = _mm256_mul_ps(v, load_norm_avx2(w + i, n - i));
        if (b)
            v = _mm256_add_ps(v, load_norm_avx2(b + i, n - i));
        store_norm_avx2(y + i, n - i, v);
    }
}

static PI_ADD(add_avx2)
{
    for (int64_t i = 0; i < n; i += 8)
        store_norm_avx2(y + i, n - i,
                        _mm256_add_ps(load_norm_avx2(a + i, n - i), load_norm_avx2(b + i, n - i)));
}

void pi_norm_avx2(struct kernels *k)
{
    k->rms_norm = rms_norm_avx2;
    k->layer_norm = layer_norm_avx2;
    k->add = add_avx2;
}
