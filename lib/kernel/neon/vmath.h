/* vmath.h - exp, tanh, erf and log1p of four floats. NaN stays NaN. Sources and errors as in
 * avx512/vmath.h.
 */
#ifndef PI_NEON_VMATH_H
#define PI_NEON_VMATH_H

#include "common.h"

/* p * 2^n, n in [-300, 300], as a product of two powers, so that subnormal results come out
 * right. */
INLINE_NEON float32x4_t times_power_neon(float32x4_t p, float32x4_t n)
{
    const int32x4_t bias = vdupq_n_s32(127);
    int32x4_t i = vcvtq_s32_f32(n), half = vshrq_n_s32(i, 1);
    int32x4_t a = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t b = vshlq_n_s32(vaddq_s32(vsubq_s32(i, half), bias), 23);

    return vmulq_f32(vmulq_f32(p, vreinterpretq_f32_s32(a)), vreinterpretq_f32_s32(b));
}

INLINE_NEON float32x4_t exp_neon(float32x4_t x)
{
    float32x4_t n, r, p;

    x = vmaxq_f32(vminq_f32(x, vdupq_n_f32(130)), vdupq_n_f32(-150));
    n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
    r = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f));
    r = vfmsq_f32(r, n, vdupq_n_f32(-2.12194440e-4f));
    p = vdupq_n_f32(1.9875691500e-4f);
    p = vfmaq_f32(vdupq_n_f32(1.3981999507e-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(8.3334519073e-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(4.1665795894e-2f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.6666665459e-1f), p, r);
    p = vfmaq_f32(vdupq_n_f32(5.0000001201e-1f), p, r);
    p = vfmaq_f32(vaddq_f32(r, vdupq_n_f32(1)), p, vmulq_f32(r, r));
    return times_power_neon(p, n);
}

INLINE_NEON float32x4_t tanh_neon(float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1);
    float32x4_t s = vmulq_f32(x, x), e = exp_neon(vaddq_f32(x, x)), p;

    p = vdupq_n_f32(-5.70498872745e-3f);
    p = vfmaq_f32(vdupq_n_f32(2.06390887954e-2f), p, s);
    p = vfmaq_f32(vdupq_n_f32(-5.37397155531e-2f), p, s);
    p = vfmaq_f32(vdupq_n_f32(1.33314422036e-1f), p, s);
    p = vfmaq_f32(vdupq_n_f32(-3.33332819422e-1f), p, s);
    p = vfmaq_f32(x, vmulq_f32(p, s), x);
    e = vsubq_f32(one, vdivq_f32(vdupq_n_f32(2), vaddq_f32(one, e)));
    return vbslq_f32(vcgeq_f32(vabsq_f32(x), vdupq_n_f32(0.625f)), e, p);
}

INLINE_NEON float32x4_t erf_neon(float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1);
    float32x4_t t = vdivq_f32(one, vfmaq_f32(one, vdupq_n_f32(0.3275911f), vabsq_f32(x)));
    float32x4_t p = vdupq_n_f32(1.061405429f);

    p = vfmaq_f32(vdupq_n_f32(-1.453152027f), p, t);
    p = vfmaq_f32(vdupq_n_f32(1.421413741f), p, t);
    p = vfmaq_f32(vdupq_n_f32(-0.284496736f), p, t);
    p = vfmaq_f32(vdupq_n_f32(0.254829592f), p, t);
    p = vmulq_f32(vmulq_f32(p, t), exp_neon(vmulq_f32(x, vnegq_f32(x))));
    return vbslq_f32(vdupq_n_u32(0x80000000), x, vsubq_f32(one, p));
}

INLINE_NEON float32x4_t log1p_neon(float32x4_t e)
{
    float32x4_t s = vdivq_f32(e, vaddq_f32(vdupq_n_f32(2), e)), q = vmulq_f32(s, s), p;

    p = vdupq_n_f32(2.0f / 15);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 13), p, q);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 11), p, q);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 9), p, q);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 7), p, q);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 5), p, q);
    p = vfmaq_f32(vdupq_n_f32(2.0f / 3), p, q);
    return vfmaq_f32(vaddq_f32(s, s), vmulq_f32(p, q), s);
}

#endif
