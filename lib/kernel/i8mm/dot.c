/* dot.c - the quantised dots with SMMLA: formats and engines are in neon/block.h, neon/row.h and
 * dotprod/panel.h.
 *
 * A vector of a tile is two rows by two tokens, and SMMLA multiplies them eight columns deep.
 */
#include "kernel/dotprod/panel.h"
#include "kernel/formats.h"

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
#define DOT(format, TYPE, kind, block, panel)                                                 \
    static PI_DOT(dot_##format##_i8mm)                                                        \
    {                                                                                         \
        if (m < 3)                                                                            \
            rows_neon(mac_dotprod, TYPE, block, rows, cols, w, w_stride, m, x, x_stride, y,   \
                      y_stride);                                                              \
        else                                                                                  \
            rows_dotprod(&engine_i8mm, panel_##panel##_i8mm, TYPE, block, rows, cols, w,      \
                         w_stride, m, x, x_stride, y, y_stride);                              \
    }

PI_BLOCK_FORMATS(DOT)
#undef DOT

void pi_dot_i8mm(struct kernels *k)
{
#define SET(format, TYPE, kind, block, panel) k->dot[TYPE] = dot_##format##_i8mm;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
