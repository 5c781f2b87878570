/* dot.c - the quantised dots with SDOT: formats and engines are in neon/block.h, neon/row.h and
 * panel.h.
 *
 * A vector of a tile is four rows by one token. SDOT by a lane multiplies four columns of four
 * rows by four bytes of the token.
 */
#include "panel.h"
#include "kernel/formats.h"

/* [first token: rows 0..3 | rows 4..7 | second token: likewise] */
INLINE_NEON int lane_dotprod(int row, int token) { return 8 * token + row; }

/* [columns 0..3 | 4..7 | 8..11 | 12..15], each [rows 0..7], each four bytes */
INLINE_NEON void put_dotprod(int8_t *at, int row, int8x16_t q)
{
    int32x4_t four = vreinterpretq_s32_s8(q);

    vst1q_lane_s32((int32_t *)(void *)(at + 4 * row), four, 0);
    vst1q_lane_s32((int32_t *)(void *)(at + 32 + 4 * row), four, 1);
    vst1q_lane_s32((int32_t *)(void *)(at + 64 + 4 * row), four, 2);
    vst1q_lane_s32((int32_t *)(void *)(at + 96 + 4 * row), four, 3);
}

INLINE_NEON float32x4_t pair_dotprod(int vector, float a, float b)
{
    return vdupq_n_f32(vector < 2 ? a : b);
}

INLINE_NEON void multiply_dotprod(int P, const int8_t *w, const int8_t *const x[4],
                                  int32x4_t tile[2][VECTORS_DOTPROD])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        int8x16_t a = vld1q_s8(w + 16 * half), b = vld1q_s8(w + 16 * half + 32);
        int8x16_t c = vld1q_s8(w + 16 * half + 64), d = vld1q_s8(w + 16 * half + 96);
#pragma GCC unroll 4
        for (int t = 0; t < 2 * P; t++) {
            int8x16_t q = vld1q_s8(x[t]);
            int32x4_t sum = tile[t / 2][t % 2 * 2 + half];
            sum = vdotq_laneq_s32(sum, a, q, 0);
            sum = vdotq_laneq_s32(sum, b, q, 1);
            sum = vdotq_laneq_s32(sum, c, q, 2);
            tile[t / 2][t % 2 * 2 + half] = vdotq_laneq_s32(sum, d, q, 3);
        }
    }
}

static const struct engine_dotprod engine_dotprod = { lane_dotprod, put_dotprod, pair_dotprod,
                                                      multiply_dotprod };

#define PANEL(name, has_min, span)                                                             \
    static void panel_##name##_dotprod(const struct panel_dotprod *p,                          \
                                      const struct place_dotprod *at)                          \
    {                                                                                          \
        all_tokens_dotprod(&engine_dotprod, (struct shape_dotprod){ has_min, span }, p, at);   \
    }

PANEL(q8, false, 0)
PANEL(q8_min, true, 0)
PANEL(q8k, false, 1)
PANEL(q8k_min, true, 1)
PANEL(wide, false, 2)
PANEL(wide_min, true, 2)

#undef PANEL

/* y[t][r]: up to three tokens by neon/row.h, which has less to prepare; more by panel.h */
#define DOT(format, TYPE, kind, block, panel)                                                 \
    static PI_DOT(dot_##format##_dotprod)                                                     \
    {                                                                                         \
        if (m < 4)                                                                            \
            rows_neon(mac_dotprod, TYPE, block, rows, cols, w, w_stride, m, x, x_stride, y,   \
                      y_stride);                                                              \
        else                                                                                  \
            rows_dotprod(&engine_dotprod, panel_##panel##_dotprod, TYPE, block, rows, cols, w,\
                         w_stride, m, x, x_stride, y, y_stride);                              \
    }

PI_BLOCK_FORMATS(DOT)
#undef DOT

void pi_dot_dotprod(struct kernels *k)
{
#define SET(format, TYPE, kind, block, panel) k->dot[TYPE] = dot_##format##_dotprod;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
