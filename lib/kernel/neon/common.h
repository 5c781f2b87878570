/* common.h - what the NEON kernels share: loads at any address, tails, sums in a fixed order.
 */
#ifndef PI_NEON_COMMON_H
#define PI_NEON_COMMON_H

#include <arm_neon.h>

#include "kernel/overlays.h"

/* Functions whose arguments choose code must vanish into their callers. */
#define INLINE_NEON static inline __attribute__((always_inline))

/* How far ahead of its use a weight stream is fetched. Cores of this family have stream detectors
 * of their own: the distance only bridges the gaps between rows. */
enum { PREFETCH_NEON = 1024 };

INLINE_NEON void prefetch_neon(const uint8_t *w, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(w + PREFETCH_NEON + i);
}

INLINE_NEON uint8x16_t load_neon(const void *at) { return vld1q_u8(at); }
INLINE_NEON int8x16_t load_signed_neon(const void *at) { return vld1q_s8(at); }

/* Up to four floats; the rest zero and not read. */
INLINE_NEON float32x4_t load_floats_neon(const float *x, int64_t left)
{
    float tail[4] = { 0 };

    if (left >= 4)
        return vld1q_f32(x);
    for (int64_t i = 0; i < left; i++)
        tail[i] = x[i];
    return vld1q_f32(tail);
}

INLINE_NEON void store_floats_neon(float *y, int64_t left, float32x4_t v)
{
    float tail[4];

    if (left >= 4) {
        vst1q_f32(y, v);
        return;
    }
    vst1q_f32(tail, v);
    for (int64_t i = 0; i < left; i++)
        y[i] = tail[i];
}

/* (v0 + v1) + (v2 + v3) */
INLINE_NEON float sum_lanes_neon(float32x4_t v)
{
    float32x2_t pairs = vpadd_f32(vget_low_f32(v), vget_high_f32(v));

    return vget_lane_f32(pairs, 0) + vget_lane_f32(pairs, 1);
}

INLINE_NEON double sum_doubles_neon(float64x2_t v)
{
    return vgetq_lane_f64(v, 0) + vgetq_lane_f64(v, 1);
}

/* Lane i: the sum of all lanes of v[i]. */
INLINE_NEON int32x4_t fold_neon(const int32x4_t v[4])
{
    return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

/* Four halves at any address as floats. */
INLINE_NEON float32x4_t load_halves_neon(const void *at)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at)));
}

#endif
