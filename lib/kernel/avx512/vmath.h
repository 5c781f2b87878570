/* vmath.h - exp, tanh, erf and log1p of sixteen floats. NaN stays NaN.
 */
#ifndef PI_AVX512_MATH_H
#define PI_AVX512_MATH_H

#include "common.h"

/* exp within 2 ulp: 2^n * p(r), r = x - n ln 2 (in two parts), |r| <= ln 2 / 2; coefficients
 * of Cephes expf. */
INLINE_AVX512 __m512 exp_avx512(__m512 x)
{
    __m512 n, r, p;

    x = _mm512_max_ps(_mm512_set1_ps(-150), _mm512_min_ps(_mm512_set1_ps(130), x));
    n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1)));
    return _mm512_scalef_ps(p, n);
}

/* tanh within 4 ulp: Cephes tanhf's polynomial below 0.625, 1 - 2 / (1 + exp(2x)) above. */
INLINE_AVX512 __m512 tanh_avx512(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1);
    __m512 s = _mm512_mul_ps(x, x), e = exp_avx512(_mm512_add_ps(x, x)), p;

    p = _mm512_set1_ps(-5.70498872745e-3f);
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(2.06390887954e-2f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(-5.37397155531e-2f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(1.33314422036e-1f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(-3.33332819422e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, s), x, x);
    return _mm512_mask_sub_ps(
        p, _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(0.625f), _CMP_GE_OQ), one,
        _mm512_div_ps(_mm512_set1_ps(2), _mm512_add_ps(one, e)));
}

/* erf within 2^-21: 1 - (a1 t + ... + a5 t^5) exp(-x^2), t = 1 / (1 + p |x|); Abramowitz and
 * Stegun 7.1.26. */
INLINE_AVX512 __m512 erf_avx512(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1), sign = _mm512_set1_ps(-0.0f);
    __m512 t =
        _mm512_div_ps(one, _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), _mm512_abs_ps(x), one));
    __m512 p = _mm512_set1_ps(1.061405429f);

    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    p = _mm512_mul_ps(_mm512_mul_ps(p, t), exp_avx512(_mm512_mul_ps(x, _mm512_xor_ps(x, sign))));
    return _mm512_or_ps(_mm512_sub_ps(one, p), _mm512_and_ps(x, sign));
}

/* log(1 + e) within 4 ulp for e in [0, 1]: 2 atanh(s), s = e / (2 + e), by its series. */
INLINE_AVX512 __m512 log1p_avx512(__m512 e)
{
    __m512 s = _mm512_div_ps(e, _mm512_add_ps(_mm512_set1_ps(2), e)), q = _mm512_mul_ps(s, s), p;

    p = _mm512_set1_ps(2.0f / 15);
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 13));
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 11));
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 9));
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 7));
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 5));
    p = _mm512_fmadd_ps(p, q, _mm512_set1_ps(2.0f / 3));
    return _mm512_fmadd_ps(_mm512_mul_ps(p, q), s, _mm512_add_ps(s, s));
}

#endif
