/* dot.c - the quantised dots with SMMLA: formats and engines are in neon/block.h, neon/row.h and
 * dotprod/panel.h.
 *
 * A vector of a tile is two rows by two tokens, and SMMLA multiplies them eight columns deep.
 */
#include "kernel/dotprod/panel.h"

/* [rows 0, 1 | 2, 3 | 4, 5 | 6, 7], each [row][token] */
INLINE_NEON int lane_i8mm(int row, int token) { return 2 * row + token; }

/* [columns 0..7 | 8..15], each [rows 0..7], each eight bytes */
INLINE_NEON void put_i8mm(int8_t *at, int row, int8x16_t q)
{
    vst1_s8(at + 8 * row, vget_low_s8(q));
    vst1_s8(at + 64 + 8 * row, vget_high_s8(q));
}

INLINE_NEON float32x4_t pair_i8mm(int vector, float a, float b)
{
    (void)vector;
    return vzip1q_f32(vdupq_n_f32(a), vdupq_n_f32(b));
}

INLINE_NEON void multiply_i8mm(int P, const int8_t *w, const int8_t *const x[4],
                               int32x4_t tile[2][VECTORS_DOTPROD])
{
    int8x16_t two[2][2]; /* columns 0..7 and 8..15 of both tokens of a pair */

#pragma GCC unroll 2
    for (int i = 0; i < P; i++) {
        int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(x[2 * i]));
        int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(x[2 * i + 1]));
        two[i][0] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
        two[i][1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++)
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++) {
            int8x16_t rows = vld1q_s8(w + 64 * half + 16 * k);
#pragma GCC unroll 2
            for (int i = 0; i < P; i++)
                tile[i][k] = vmmlaq_s32(tile[i][k], rows, two[i][half]);
        }
}

static const struct engine_dotprod engine_i8mm = { lane_i8mm, put_i8mm, pair_i8mm, multiply_i8mm };

#define PANEL(name, has_min, span)                                                             \
    static void panel_##name##_i8mm(const struct panel_dotprod *p,                             \
                                      const struct place_dotprod *at)                          \
    {                                                                                          \
        all_tokens_dotprod(&engine_i8mm, (struct shape_dotprod){ has_min, span }, p, at);      \
    }

PANEL(q8, false, 0)
PANEL(q8_min, true, 0)
PANEL(q8k, false, 1)
PANEL(q8k_min, true, 1)
PANEL(wide, false, 2)
PANEL(wide_min, true, 2)

#undef PANEL

/* y[t][r]: one or two tokens by SDOT and neon/row.h, which has less to prepare; more by
 * dotprod/panel.h */
#define DOT(format, TYPE, block, shape)                                                       \
    static PI_DOT(dot_##format##_i8mm)                                                        \
    {                                                                                         \
        if (m < 3)                                                                            \
            rows_neon(mac_dotprod, TYPE, block, rows, cols, w, w_stride, m, x, x_stride, y,   \
                      y_stride);                                                              \
        else                                                                                  \
            rows_dotprod(&engine_i8mm, panel_##shape##_i8mm, TYPE, block, rows, cols, w,      \
                         w_stride, m, x, x_stride, y, y_stride);                              \
    }

DOT(q4_0, DTYPE_Q4_0, 32, q8)
DOT(q4_1, DTYPE_Q4_1, 32, q8_min)
DOT(q5_0, DTYPE_Q5_0, 32, q8)
DOT(q5_1, DTYPE_Q5_1, 32, q8_min)
DOT(q8_0, DTYPE_Q8_0, 32, q8)
DOT(iq4_nl, DTYPE_IQ4_NL, 32, q8)
DOT(mxfp4, DTYPE_MXFP4, 32, q8)
DOT(q2_k, DTYPE_Q2_K, 256, q8k_min)
DOT(q3_k, DTYPE_Q3_K, 256, q8k)
DOT(q4_k, DTYPE_Q4_K, 256, wide_min)
DOT(q5_k, DTYPE_Q5_K, 256, wide_min)
DOT(q6_k, DTYPE_Q6_K, 256, q8k)
DOT(iq4_xs, DTYPE_IQ4_XS, 256, wide)

#undef DOT

void pi_dot_i8mm(struct kernels *k)
{
    k->dot[DTYPE_Q4_0] = dot_q4_0_i8mm;
    k->dot[DTYPE_Q4_1] = dot_q4_1_i8mm;
    k->dot[DTYPE_Q5_0] = dot_q5_0_i8mm;
    k->dot[DTYPE_Q5_1] = dot_q5_1_i8mm;
    k->dot[DTYPE_Q8_0] = dot_q8_0_i8mm;
    k->dot[DTYPE_IQ4_NL] = dot_iq4_nl_i8mm;
    k->dot[DTYPE_MXFP4] = dot_mxfp4_i8mm;
    k->dot[DTYPE_Q2_K] = dot_q2_k_i8mm;
    k->dot[DTYPE_Q3_K] = dot_q3_k_i8mm;
    k->dot[DTYPE_Q4_K] = dot_q4_k_i8mm;
    k->dot[DTYPE_Q5_K] = dot_q5_k_i8mm;
    k->dot[DTYPE_Q6_K] = dot_q6_k_i8mm;
    k->dot[DTYPE_IQ4_XS] = dot_iq4_xs_i8mm;
}
