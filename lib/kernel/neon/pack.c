/* pack.c - float rows to the operand rows of dot, and to half precision.
 */
#include <math.h>

#include "common.h"

/* The factor 127 / a of n values (a multiple of 16), 0 if they give zeros; scale as in kernel.h.
 * NaN survives the maximum. */
INLINE_NEON float factor_neon(const float *x, int n, float *scale)
{
    float32x4_t most[4];
    float a;

#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        most[j] = vdupq_n_f32(0);
    for (int i = 0; i < n; i += 16)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            most[j] = vmaxq_f32(most[j], vabsq_f32(vld1q_f32(x + i + 4 * j)));
    a = vmaxvq_f32(vmaxq_f32(vmaxq_f32(most[0], most[1]), vmaxq_f32(most[2], most[3])));
    if (!(a < INFINITY)) {
        *scale = NAN;
        return 0;
    }
    *scale = a < PI_PACK_TINY ? 0 : a / 127;
    return a < PI_PACK_TINY ? 0 : 127 / a;
}

/* Eight values times the factor as 16-bit integers. A factor of 0 gives zeros whatever the values:
 * conversion makes NaN zero. */
INLINE_NEON int16x8_t quantize_neon(const float *x, float factor)
{
    int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), factor));
    int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), factor));

    return vcombine_s16(vmovn_s32(a), vmovn_s32(b));
}

/* Stores 16 values as bytes and returns their sum. */
INLINE_NEON int16_t bytes_neon(int8_t *q, const float *x, float factor)
{
    int16x8_t a = quantize_neon(x, factor), b = quantize_neon(x + 8, factor);

    vst1q_s8(q, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
    return vaddvq_s16(vaddq_s16(a, b));
}

static PI_PACK(pack_q8_neon)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int32_t *sum = (int32_t *)(void *)(q + pi_operand_sums(OPERAND_Q8, n));

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8, n) - (size_t)n);
    for (int64_t b = 0; b < n / 32; b++, x += 32, q += 32) {
        float factor = factor_neon(x, 32, &scale[b]);
        sum[b] = bytes_neon(q, x, factor) + bytes_neon(q + 16, x + 16, factor);
    }
}

static PI_PACK(pack_q8k_neon)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int16_t *sum = (int16_t *)(void *)(q + pi_operand_sums(OPERAND_Q8K, n));

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8K, n) - (size_t)n);
    for (int64_t b = 0; b < n / 256; b++) {
        float factor = factor_neon(x, 256, &scale[b]);
        for (int i = 0; i < 16; i++, x += 16, q += 16)
            *sum++ = bytes_neon(q, x, factor);
    }
}

static PI_TO_F16(to_f16_neon)
{
    int64_t i = 0;

    for (; i + 4 <= n; i += 4)
        vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++)
        y[i] = pi_f16_from_f32(x[i]);
}

void pi_pack_neon(struct kernels *k)
{
    k->pack[OPERAND_Q8] = pack_q8_neon;
    k->pack[OPERAND_Q8K] = pack_q8k_neon;
    k->to_f16 = to_f16_neon;
}
