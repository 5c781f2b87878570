/* dot.c - weight rows times activation rows: one plain loop per (row, token) and format.
 *
 * Everything a model computes with its weights goes through here or through an overlay of it.
 * Before: kernel.h. Next: session/session.c.
 */
#include "grid.h"
#include "kernel/formats.h"
#include "kernel/overlays.h"

static float pair_f32_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)
{
    const float *xf = (const float *)(const void *)x;
    double sum = 0;

    for (int64_t i = 0; i < cols; i++)
        sum += (double)pi_f32_from_bits(pi_le32(w + 4 * i)) * (double)xf[i];
    return (float)sum;
}

static float pair_f16_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)
{
    const float *xf = (const float *)(const void *)x;
    double sum = 0;

    for (int64_t i = 0; i < cols; i++)
        sum += (double)pi_f32_from_f16(pi_le16(w + 2 * i)) * (double)xf[i];
    return (float)sum;
}

static float pair_bf16_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)
{
    const float *xf = (const float *)(const void *)x;
    double sum = 0;

    for (int64_t i = 0; i < cols; i++)
        sum += (double)pi_f32_from_bf16(pi_le16(w + 2 * i)) * (double)xf[i];
    return (float)sum;
}

/* y = sum over groups of scale * xscale * (sum of q * xq) */
static float pair_nvfp4_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)
{
    const int8_t *xq = (const int8_t *)x;
    const float *xscale = (const float *)(const void *)(x + pi_operand_scales(cols));
    float sum = 0;

    for (int64_t i = 0; i < cols / 16; i++, xq += 16) {
        const uint8_t *at = w + i / 4 * 36;
        int32_t dot = 0;
        for (int j = 0; j < 16; j++)
            dot += nvfp4_value_scalar(at, (int)(i % 4) * 16 + j) * xq[j];
        sum += nvfp4_scale_scalar(at[i % 4]) * xscale[i / 2] * (float)dot;
    }
    return sum;
}

/* y = sum over blocks of scale * xscale * (sum of q * xq), and
 * min * xscale * (sum of xq) in formats with a minimum */
#define PAIR_32(format, bytes, has_min)                                               \
    static float pair_##format##_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)      \
    {                                                                                 \
        const int8_t *xq = (const int8_t *)x;                                         \
        const float *xscale = (const float *)(const void *)(x + pi_operand_scales(cols)); \
        const int32_t *xsum =                                                         \
            (const int32_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8, cols));   \
        float sum = 0;                                                                \
                                                                                      \
        for (int64_t i = 0; i < cols / 32; i++, w += (bytes), xq += 32) {             \
            struct block32 b;                                                         \
            int32_t dot = 0;                                                          \
            read_##format(&b, w);                                                     \
            for (int j = 0; j < 32; j++)                                              \
                dot += b.q[j] * xq[j];                                                \
            sum += b.scale * xscale[i] * (float)dot;                                  \
            if (has_min)                                                              \
                sum += b.min * xscale[i] * (float)xsum[i];                            \
        }                                                                             \
        return sum;                                                                   \
    }

/* y = sum over blocks of d * xscale * (sum of group * q * xq), less
 * dmin * xscale * (sum of low * xq) in formats with minima */
#define PAIR_256(format, bytes, has_min)                                              \
    static float pair_##format##_scalar(const uint8_t *w, const uint8_t *x, int64_t cols)      \
    {                                                                                 \
        const int8_t *xq = (const int8_t *)x;                                         \
        const float *xscale = (const float *)(const void *)(x + pi_operand_scales(cols)); \
        const int16_t *xsum =                                                         \
            (const int16_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8K, cols));  \
        float sum = 0;                                                                \
                                                                                      \
        for (int64_t i = 0; i < cols / 256; i++, w += (bytes), xsum += 16) {          \
            struct block256 b;                                                        \
            int32_t dot = 0, low = 0;                                                 \
            read_##format(&b, w);                                                     \
            for (int g = 0; g < 16; g++) {                                            \
                int32_t part = 0;                                                     \
                for (int j = 0; j < 16; j++)                                          \
                    part += b.q[16 * g + j] * *xq++;                                  \
                dot += b.group[g] * part;                                             \
                if (has_min)                                                          \
                    low += b.low[g] * xsum[g];                                        \
            }                                                                         \
            sum += b.d * xscale[i] * (float)dot;                                      \
            if (has_min)                                                              \
                sum -= b.dmin * xscale[i] * (float)low;                               \
        }                                                                             \
        return sum;                                                                   \
    }

PAIR_32(q4_0, 18, false)
PAIR_32(q4_1, 20, true)
PAIR_32(q5_0, 22, false)
PAIR_32(q5_1, 24, true)
PAIR_32(q8_0, 34, false)
PAIR_32(iq4_nl, 18, false)
PAIR_32(mxfp4, 17, false)
PAIR_256(q2_k, 84, true)
PAIR_256(q3_k, 110, false)
PAIR_256(q4_k, 144, true)
PAIR_256(q5_k, 176, true)
PAIR_256(q6_k, 210, false)
PAIR_256(iq4_xs, 136, false)
PAIR_256(iq2_xxs, 66, false)
PAIR_256(iq2_xs, 74, false)
PAIR_256(iq2_s, 82, false)
PAIR_256(iq3_xxs, 98, false)
PAIR_256(iq3_s, 110, false)
PAIR_256(iq1_s, 50, false)
PAIR_256(iq1_m, 56, false)
PAIR_256(tq1_0, 54, false)
PAIR_256(tq2_0, 66, false)

#undef PAIR_32
#undef PAIR_256

/* y[t][r] = row r times token t */
#define DOT(format, TYPE, kind, block, panel)                             \
    static PI_DOT(dot_##format##_scalar)                                  \
    {                                                                     \
        for (int64_t r = 0; r < rows; r++)                                \
            for (int64_t t = 0; t < m; t++)                               \
                y[t * y_stride + r] =                                     \
                    pair_##format##_scalar(w + r * w_stride, x + t * x_stride, cols); \
    }

DOT(f32, DTYPE_F32, float, 1, none)
DOT(f16, DTYPE_F16, float, 1, none)
DOT(bf16, DTYPE_BF16, float, 1, none)
DOT(nvfp4, DTYPE_NVFP4, float, 64, none)
PI_BLOCK_FORMATS(DOT)
PI_GRID_FORMATS(DOT)

#undef DOT

void pi_dot_scalar(struct kernels *k)
{
    k->dot[DTYPE_F32] = dot_f32_scalar;
    k->dot[DTYPE_F16] = dot_f16_scalar;
    k->dot[DTYPE_BF16] = dot_bf16_scalar;
    k->dot[DTYPE_NVFP4] = dot_nvfp4_scalar;

#define SET(format, TYPE, kind, block, panel) k->dot[TYPE] = dot_##format##_scalar;
    PI_BLOCK_FORMATS(SET)
    PI_GRID_FORMATS(SET)
#undef SET
}
