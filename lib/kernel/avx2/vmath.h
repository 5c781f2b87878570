/* vmath.h - exp, tanh, erf and log1p of eight floats. NaN stays NaN. Sources and errors as in
 * avx512/vmath.h.
 */
#ifndef PI_AVX2_VMATH_H
#define PI_AVX2_VMATH_H

#include "common.h"

/* 2^n, n in [-300, 300], as a product of two powers, so that subnormal results come out right. */
INLINE_AVX2 __m256 scale_avx2(__m256 p, __m256 n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, half), bias), 23);

    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}

INLINE_AVX2 __m256 exp_avx2(__m256 x)
{
    __m256 n, r, p;

    x = _mm256_max_ps(_mm256_set1_ps(-150), _mm256_min_ps(_mm256_set1_ps(130), x));
    n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
    p = _mm256_set1_ps(1.9875691500e-4f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1)));
    return scale_avx2(p, n);
}

INLINE_AVX2 __m256 tanh_avx2(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1);
    __m256 s = _mm256_mul_ps(x, x), e = exp_avx2(_mm256_add_ps(x, x)), p, far;

    p = _mm256_set1_ps(-5.70498872745e-3f);
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(2.06390887954e-2f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-5.37397155531e-2f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(1.33314422036e-1f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-3.33332819422e-1f));
    p = _mm256_fmadd_ps(_mm256_mul_ps(p, s), x, x);
    far = _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), _mm256_set1_ps(0.625f),
                        _CMP_GE_OQ);
    e = _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2), _mm256_add_ps(one, e)));
    return _mm256_blendv_ps(p, e, far);
}

INLINE_AVX2 __m256 erf_avx2(__m256 x)
{
    const __m256 one = _mm256_set1_ps(1), sign = _mm256_set1_ps(-0.0f);
    __m256 t = _mm256_div_ps(
        one, _mm256_fmadd_ps(_mm256_set1_ps(0.3275911f), _mm256_andnot_ps(sign, x), one));
    __m256 p = _mm256_set1_ps(1.061405429f);

    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-1.453152027f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.421413741f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-0.284496736f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.254829592f));
    p = _mm256_mul_ps(_mm256_mul_ps(p, t), exp_avx2(_mm256_mul_ps(x, _mm256_xor_ps(x, sign))));
    return _mm256_or_ps(_mm256_sub_ps(one, p), _mm256_and_ps(x, sign));
}

INLINE_AVX2 __m256 log1p_avx2(__m256 e)
{
    __m256 s = _mm256_div_ps(e, _mm256_add_ps(_mm256_set1_ps(2), e)), q = _mm256_mul_ps(s, s), p;

    p = _mm256_set1_ps(2.0f / 15);
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 13));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 11));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 9));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 7));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 5));
    p = _mm256_fmadd_ps(p, q, _mm256_set1_ps(2.0f / 3));
    return _mm256_fmadd_ps(_mm256_mul_ps(p, q), s, _mm256_add_ps(s, s));
}

#endif
