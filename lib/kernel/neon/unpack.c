/* unpack.c - weights to float32, rounded step by step as the formats define it.
 */
#include "block.h"
#include "kernel/formats.h"

static PI_UNPACK(unpack_f16_neon)
{
    int64_t i = 0;

    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, load_halves_neon(w + 2 * i));
    for (; i < n; i++)
        y[i] = pi_f32_from_f16(pi_le16(w + 2 * i));
}

static PI_UNPACK(unpack_bf16_neon)
{
    int64_t i = 0;

    for (; i + 4 <= n; i += 4) {
        uint32x4_t wide = vshll_n_u16(vreinterpret_u16_u8(vld1_u8(w + 2 * i)), 16);
        vst1q_f32(y + i, vreinterpretq_f32_u32(wide));
    }
    for (; i < n; i++)
        y[i] = pi_f32_from_bf16(pi_le16(w + 2 * i));
}

/* y = scale * q (+ min, or less a min) for 16 values. */
INLINE_NEON void sixteen_neon(float *y, int8x16_t q, float32x4_t scale, bool has_min,
                              float32x4_t min)
{
    int16x8_t low = vmovl_s8(vget_low_s8(q)), high = vmovl_high_s8(q);
    int32x4_t v[4] = { vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low),
                       vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high) };

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        float32x4_t value = vmulq_f32(scale, vcvtq_f32_s32(v[i]));
        vst1q_f32(y + 4 * i, has_min ? vaddq_f32(value, min) : value);
    }
}

/* y = scale * q (+ min) */
INLINE_NEON void unpack_q8_neon(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    for (; n > 0; n -= 32, y += 32, w += block_bytes_neon(type)) {
        float32x4_t scale = vdupq_lane_f32(vget_low_f32(scales_neon(type, w, 1)), 0);
        float32x4_t min = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(pi_le16(w + 2))));
        for (int half = 0; half < 2; half++)
            sixteen_neon(y + 16 * half, half_q8_neon(type, w, half), scale, has_min_neon(type),
                         min);
    }
}

/* d times the 16 group values. */
INLINE_NEON void times_groups_neon(float *y, int8x16_t group, float32x4_t d)
{
    sixteen_neon(y, group, d, false, d);
}

/* y = (d * group) * q (- dmin * low) */
INLINE_NEON void unpack_q8k_neon(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    for (; n > 0; n -= 256, y += 256, w += block_bytes_neon(type)) {
        const uint8_t *at = w + scale_at_neon(type);
        struct groups_neon group = groups_neon(type, w);
        float scale[16], min[16] = { 0 };
        float32x4_t half = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(pi_le16(at))));

        times_groups_neon(scale, group.scale, half);
        if (has_min_neon(type)) {
            half = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(pi_le16(at + 2))));
            times_groups_neon(min, group.low, vnegq_f32(half));
        }
#pragma GCC unroll 16
        for (int g = 0; g < 16; g++) {
            int own = is_wide_neon(type) ? g / 2 : g;
            sixteen_neon(y + 16 * g, group_q8k_neon(type, w, g), vdupq_n_f32(scale[own]),
                         has_min_neon(type), vdupq_n_f32(min[own]));
        }
    }
}

#define UNPACK(format, TYPE, kind, block, panel) \
    static PI_UNPACK(unpack_##format##_neon) { unpack_##kind##_neon(TYPE, y, w, n); }

PI_BLOCK_FORMATS(UNPACK)
#undef UNPACK

void pi_unpack_neon(struct kernels *k)
{
    k->unpack[DTYPE_F16] = unpack_f16_neon;
    k->unpack[DTYPE_BF16] = unpack_bf16_neon;

#define SET(format, TYPE, kind, block, panel) k->unpack[TYPE] = unpack_##format##_neon;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
