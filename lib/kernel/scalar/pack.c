/* pack.c - float rows to the quantised operand rows of dot, and to half precision.
 */
#include <math.h>

#include "kernel/overlays.h"

/* q = x * (127 / a) rounded to nearest even, scale = a / 127 with a = max |x|; returns the
 * scale. The conversion cannot overflow: |x| <= a. */
static float quantize_scalar(int8_t *q, const float *x, int n)
{
    float a = 0, inverse;
    bool finite = true;

    for (int i = 0; i < n; i++) {
        a = fabsf(x[i]) > a ? fabsf(x[i]) : a;
        finite = finite && isfinite(x[i]);
    }
    if (!finite || a < PI_PACK_TINY) {
        memset(q, 0, (size_t)n);
        return finite ? 0 : NAN;
    }
    inverse = 127 / a;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)rintf(x[i] * inverse);
    return a / 127;
}

static PI_PACK(pack_q8_scalar)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int32_t *sum = (int32_t *)(void *)(q + pi_operand_sums(OPERAND_Q8, n));

    memset(y, 0, pi_operand_bytes(OPERAND_Q8, n));
    for (int64_t b = 0; b < n / 32; b++) {
        scale[b] = quantize_scalar(q + 32 * b, x + 32 * b, 32);
        for (int i = 0; i < 32; i++)
            sum[b] += q[32 * b + i];
    }
}

static PI_PACK(pack_q8k_scalar)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int16_t *sum = (int16_t *)(void *)(q + pi_operand_sums(OPERAND_Q8K, n));

    memset(y, 0, pi_operand_bytes(OPERAND_Q8K, n));
    for (int64_t b = 0; b < n / 256; b++) {
        scale[b] = quantize_scalar(q + 256 * b, x + 256 * b, 256);
        for (int64_t i = 256 * b; i < 256 * b + 256; i++)
            sum[i / 16] = (int16_t)(sum[i / 16] + q[i]);
    }
}

/* The operand: [m][n / 32] of a scale and 32 int8. */
static PI_PACK_SOME(pack_some_scalar)
{
    for (int64_t t = 0; t < m; t++)
        for (int64_t i = first; i < last; i += 32) {
            uint8_t *to = y + (t * n + i) / 32 * 36;
            float scale = quantize_scalar((int8_t *)to + 4, x + t * x_stride + i, 32);
            memcpy(to, &scale, 4);
        }
}

static PI_TO_F16(to_f16_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pi_f16_from_f32(x[i]);
}

void pi_pack_scalar(struct kernels *k)
{
    k->pack[OPERAND_Q8] = pack_q8_scalar;
    k->pack[OPERAND_Q8K] = pack_q8k_scalar;
    k->pack_some = pack_some_scalar;
    k->to_f16 = to_f16_scalar;
}
