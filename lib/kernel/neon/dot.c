/* dot.c - every dot of the tier.
 *
 * Float formats: two rows by up to four tokens, two sums of four lanes for each. Quantised ones:
 * row.h with products of bytes in 16 bits, of which two fit.
 */
#include "row.h"
#include "kernel/formats.h"

/* 2 * 128 * 127 < 2^15 */
INLINE_NEON int32x4_t mac_neon(bool fresh, int32x4_t sum, int8x16_t w, int8x16_t x)
{
    int16x8_t pairs = vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x);

    return fresh ? vpaddlq_s16(pairs) : vpadalq_s16(sum, pairs);
}

/* Four weights of a float format. */
INLINE_NEON float32x4_t weights_neon(enum dtype type, const uint8_t *w)
{
    if (type == DTYPE_F32)
        return vreinterpretq_f32_u8(load_neon(w));
    if (type == DTYPE_F16)
        return load_halves_neon(w);
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(w)), 16));
}

/* R rows and T tokens. Tails are copied, so that nothing behind a row is read. */
INLINE_NEON void tile_f_neon(enum dtype type, int R, int T, const uint8_t *w, int64_t w_stride,
                             int64_t cols, const uint8_t *x, int64_t x_stride, float *y,
                             int64_t y_stride)
{
    int64_t size = type == DTYPE_F32 ? 4 : 2, i = 0;
    float32x4_t acc[2][2][4];

#pragma GCC unroll 2
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            acc[0][r][t] = acc[1][r][t] = vdupq_n_f32(0);
    for (; i + 8 <= cols; i += 8)
#pragma GCC unroll 2
        for (int side = 0; side < 2; side++) {
            float32x4_t weight[2];
#pragma GCC unroll 2
            for (int r = 0; r < R; r++) {
                const uint8_t *at = w + r * w_stride + size * (i + 4 * side);
                __builtin_prefetch(at + PREFETCH_NEON);
                weight[r] = weights_neon(type, at);
            }
#pragma GCC unroll 4
            for (int t = 0; t < T; t++) {
                const uint8_t *at = x + t * x_stride + 4 * (i + 4 * side);
                float32x4_t value = vreinterpretq_f32_u8(load_neon(at));
#pragma GCC unroll 2
                for (int r = 0; r < R; r++)
                    acc[side][r][t] = vfmaq_f32(acc[side][r][t], weight[r], value);
            }
        }
    for (; i < cols; i += 4) {
        int64_t left = pi_min(cols - i, 4);
        float32x4_t weight[2], value[4];
        for (int r = 0; r < R; r++) {
            uint8_t tail[16] = { 0 };
            memcpy(tail, w + r * w_stride + size * i, (size_t)(left * size));
            weight[r] = weights_neon(type, tail);
        }
        for (int t = 0; t < T; t++)
            value[t] = load_floats_neon((const float *)(const void *)(x + t * x_stride) + i, left);
#pragma GCC unroll 2
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int t = 0; t < T; t++)
                acc[0][r][t] = vfmaq_f32(acc[0][r][t], weight[r], value[t]);
    }
#pragma GCC unroll 2
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            y[t * y_stride + r] = sum_lanes_neon(vaddq_f32(acc[0][r][t], acc[1][r][t]));
}

/* R rows by all tokens: fours, twos and ones. */
INLINE_NEON void tokens_f_neon(enum dtype type, int R, int64_t cols, const uint8_t *w,
                               int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                               float *y, int64_t y_stride)
{
    for (; m >= 4; m -= 4, x += 4 * x_stride, y += 4 * y_stride)
        tile_f_neon(type, R, 4, w, w_stride, cols, x, x_stride, y, y_stride);
    if (m >= 2) {
        tile_f_neon(type, R, 2, w, w_stride, cols, x, x_stride, y, y_stride);
        m -= 2, x += 2 * x_stride, y += 2 * y_stride;
    }
    if (m)
        tile_f_neon(type, R, 1, w, w_stride, cols, x, x_stride, y, y_stride);
}

#define DOT_FLOAT(format, TYPE)                                                          \
    static PI_DOT(dot_##format##_neon)                                                   \
    {                                                                                    \
        for (; rows >= 2; rows -= 2, w += 2 * w_stride, y += 2)                          \
            tokens_f_neon(TYPE, 2, cols, w, w_stride, m, x, x_stride, y, y_stride);      \
        if (rows)                                                                        \
            tokens_f_neon(TYPE, 1, cols, w, w_stride, m, x, x_stride, y, y_stride);      \
    }

#define DOT(format, TYPE, kind, block, panel)                                                 \
    static PI_DOT(dot_##format##_neon)                                                        \
    {                                                                                         \
        rows_neon(mac_neon, TYPE, block, rows, cols, w, w_stride, m, x, x_stride, y, y_stride); \
    }

DOT_FLOAT(f32, DTYPE_F32)
DOT_FLOAT(f16, DTYPE_F16)
DOT_FLOAT(bf16, DTYPE_BF16)
PI_BLOCK_FORMATS(DOT)

#undef DOT_FLOAT
#undef DOT

void pi_dot_neon(struct kernels *k)
{
    k->dot[DTYPE_F32] = dot_f32_neon;
    k->dot[DTYPE_F16] = dot_f16_neon;
    k->dot[DTYPE_BF16] = dot_bf16_neon;

#define SET(format, TYPE, kind, block, panel) k->dot[TYPE] = dot_##format##_neon;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
