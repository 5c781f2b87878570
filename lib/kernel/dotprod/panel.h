/* panel.h - the engine of the quantised dots for two tokens or more, on bytes.
 *
 * A slab of eight rows is unpacked to bytes, stays in the cache for all tokens, and is multiplied
 * by tokens two or four at a time. What a format contributes ends with the unpacking; the products
 * are the same for all. SDOT and SMMLA differ in where a (row, token) stands in the vectors of a
 * tile, and in the function that multiplies: struct engine_dotprod, a constant wherever it is used.
 *
 * The floats of one (row, token) are added as in neon/row.h, so that a result does not depend on
 * the number of tokens: every fourth block of a slab in turn, then the four sums pairwise, then
 * the slabs.
 */
#ifndef PI_DOTPROD_PANEL_H
#define PI_DOTPROD_PANEL_H

#include "sdot.h"

enum { ROWS_DOTPROD = 8, VECTORS_DOTPROD = 4 /* eight rows by two tokens */ };

/* Eight rows of a slab. What belongs to a row stands in the lanes of both tokens of a tile. */
struct panel_dotprod {
    int8_t q[SLAB_NEON / 16][ROWS_DOTPROD * 16];        /* 16 columns of all rows, as put() says */
    int8_t low[SLAB_NEON / 256][ROWS_DOTPROD * 16];     /* minima of 16 groups, likewise */
    int32_t group[SLAB_NEON / 16][4 * VECTORS_DOTPROD]; /* scales of groups */
    float scale[SLAB_NEON / 32][4 * VECTORS_DOTPROD];   /* of blocks */
    float min[SLAB_NEON / 32][4 * VECTORS_DOTPROD];     /* likewise */
};

struct engine_dotprod {
    int (*lane)(int row, int token);                   /* of the 16 of a pair of tokens */
    void (*put)(int8_t *at, int row, int8x16_t q);     /* 16 columns of a row */
    float32x4_t (*pair)(int vector, float a, float b); /* a in the lanes of the first token */
    /* tile += w * x, 16 columns of all rows and of the tokens of P pairs, at most 2 */
    void (*multiply)(int P, const int8_t *w, const int8_t *const x[4],
                     int32x4_t tile[2][VECTORS_DOTPROD]);
};

/* What the products need to know of a format. */
struct shape_dotprod {
    bool has_min;
    int span; /* sixteens of a group; 0: blocks of 32 */
};

/* A part of one operand row. */
struct token_dotprod {
    const int8_t *q;
    const float *scale;
    const int32_t *sum;
    const int16_t *sum16;
};

INLINE_NEON void fill_q8_dotprod(const struct engine_dotprod *e, struct panel_dotprod *p,
                                 enum dtype type, int row, const uint8_t *w, int64_t n)
{
    int first = e->lane(row, 0), second = e->lane(row, 1);

    for (int64_t b = 0; b < n; b++, w += block_bytes_neon(type)) {
        float *scale = p->scale[b], *min = p->min[b];
        prefetch_neon(w, 1);
        e->put(p->q[2 * b], row, half_q8_neon(type, w, 0));
        e->put(p->q[2 * b + 1], row, half_q8_neon(type, w, 1));
        scale[first] = scale[second] = vgetq_lane_f32(scales_neon(type, w, 1), 0);
        if (has_min_neon(type))
            min[first] = min[second] = vgetq_lane_f32(gather_halves_neon(w + 2, 0, 1), 0);
    }
}

INLINE_NEON void fill_q8k_dotprod(const struct engine_dotprod *e, struct panel_dotprod *p,
                                  enum dtype type, int row, const uint8_t *w, int64_t n)
{
    int first = e->lane(row, 0), second = e->lane(row, 1), count = is_wide_neon(type) ? 8 : 16;
    int64_t bytes = block_bytes_neon(type), at = scale_at_neon(type);

    for (int64_t b = 0; b < n; b++, w += bytes) {
        struct groups_neon g = groups_neon(type, w);
        float *scale = p->scale[b], *min = p->min[b];
        int8_t groups[16];
        prefetch_neon(w, bytes);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            e->put(p->q[16 * b + i], row, group_q8k_neon(type, w, i));
        vst1q_s8(groups, g.scale);
        for (int i = 0; i < count; i++)
            p->group[count * b + i][first] = p->group[count * b + i][second] = groups[i];
        scale[first] = scale[second] = vgetq_lane_f32(gather_halves_neon(w + at, 0, 1), 0);
        if (has_min_neon(type)) {
            e->put(p->low[b], row, g.low);
            min[first] = min[second] = vgetq_lane_f32(gather_halves_neon(w + at + 2, 0, 1), 0);
        }
    }
}

INLINE_NEON void clear_dotprod(int P, int32x4_t tile[2][VECTORS_DOTPROD])
{
#pragma GCC unroll 2
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++)
            tile[i][k] = vdupq_n_s32(0);
}

/* multiply for columns 16 * sixteen on */
INLINE_NEON void columns_dotprod(const struct engine_dotprod *e, int P,
                                 const struct panel_dotprod *p, const struct token_dotprod *x,
                                 int64_t sixteen, int32x4_t tile[2][VECTORS_DOTPROD])
{
    int64_t at = 16 * sixteen;
    const int8_t *const four[4] = { x[0].q + at, x[1].q + at, x[2].q + at, x[3].q + at };

    e->multiply(P, p->q[sixteen], four, tile);
}

/* acc += scale * xscale * dot (+ min * xscale * xsum), for a block of 32 */
INLINE_NEON void block_q8_dotprod(const struct engine_dotprod *e, bool has_min, int P,
                                  const struct panel_dotprod *p, const struct token_dotprod *x,
                                  int64_t b, float32x4_t acc[2][VECTORS_DOTPROD])
{
    int32x4_t tile[2][VECTORS_DOTPROD];

    clear_dotprod(P, tile);
    columns_dotprod(e, P, p, x, 2 * b, tile);
    columns_dotprod(e, P, p, x, 2 * b + 1, tile);
#pragma GCC unroll 2
    for (int i = 0; i < P; i++) {
        const struct token_dotprod *one = x + 2 * i, *two = one + 1;
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++) {
            float32x4_t xscale = e->pair(k, one->scale[b], two->scale[b]), xsum;
            acc[i][k] = vfmaq_f32(acc[i][k], vcvtq_f32_s32(tile[i][k]),
                                  vmulq_f32(vld1q_f32(p->scale[b] + 4 * k), xscale));
            if (!has_min)
                continue;
            xsum = e->pair(k, one->scale[b] * (float)one->sum[b],
                           two->scale[b] * (float)two->sum[b]);
            acc[i][k] = vfmaq_f32(acc[i][k], vld1q_f32(p->min[b] + 4 * k), xsum);
        }
    }
}

/* Sums of activations as 128 * high + low in bytes: of groups of 16, or of eight pairs of them. */
INLINE_NEON void split_sums_dotprod(int span, const int16_t *sum, int8_t high[16], int8_t low[16])
{
    int16x8_t a = vld1q_s16(sum), b = vld1q_s16(sum + 8), high_a, high_b;

    if (span == 2)
        a = vpaddq_s16(a, b), b = vdupq_n_s16(0);
    high_a = vrshrq_n_s16(a, 7);
    high_b = vrshrq_n_s16(b, 7);
    vst1q_s8(high, vcombine_s8(vmovn_s16(high_a), vmovn_s16(high_b)));
    a = vsubq_s16(a, vshlq_n_s16(high_a, 7));
    b = vsubq_s16(b, vshlq_n_s16(high_b, 7));
    vst1q_s8(low, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
}

/* low = sum over the groups of a block of their minima times the sums of activations */
INLINE_NEON void minima_dotprod(const struct engine_dotprod *e, int span, int P,
                                const struct panel_dotprod *p, const struct token_dotprod *x,
                                int64_t b, int32x4_t low[2][VECTORS_DOTPROD])
{
    int8_t sums[2][4][16];
    const int8_t *const high[4] = { sums[0][0], sums[0][1], sums[0][2], sums[0][3] };
    const int8_t *const rest[4] = { sums[1][0], sums[1][1], sums[1][2], sums[1][3] };

    for (int t = 0; t < 2 * P; t++)
        split_sums_dotprod(span, x[t].sum16 + 16 * b, sums[0][t], sums[1][t]);
    clear_dotprod(P, low);
    e->multiply(P, p->low[b], high, low);
#pragma GCC unroll 2
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++)
            low[i][k] = vshlq_n_s32(low[i][k], 7);
    e->multiply(P, p->low[b], rest, low);
}

/* dot = sum of group * q * xq, for a block of 256 */
INLINE_NEON void groups_dotprod(const struct engine_dotprod *e, int span, int P,
                                const struct panel_dotprod *p, const struct token_dotprod *x,
                                int64_t b, int32x4_t dot[2][VECTORS_DOTPROD])
{
    int64_t groups = 16 / span;

    clear_dotprod(P, dot);
    for (int64_t g = b * groups; g < (b + 1) * groups; g++) {
        int32x4_t tile[2][VECTORS_DOTPROD];
        clear_dotprod(P, tile);
#pragma GCC unroll 2
        for (int j = 0; j < span; j++)
            columns_dotprod(e, P, p, x, g * span + j, tile);
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++)
#pragma GCC unroll 2
            for (int i = 0; i < P; i++)
                dot[i][k] = vmlaq_s32(dot[i][k], tile[i][k], vld1q_s32(p->group[g] + 4 * k));
    }
}

/* acc += d * xscale * dot - dmin * xscale * low, for a block of 256 */
INLINE_NEON void block_q8k_dotprod(const struct engine_dotprod *e, struct shape_dotprod shape,
                                   int P, const struct panel_dotprod *p,
                                   const struct token_dotprod *x, int64_t b,
                                   float32x4_t acc[2][VECTORS_DOTPROD])
{
    int32x4_t dot[2][VECTORS_DOTPROD], low[2][VECTORS_DOTPROD];

    groups_dotprod(e, shape.span, P, p, x, b, dot);
    if (shape.has_min)
        minima_dotprod(e, shape.span, P, p, x, b, low);
#pragma GCC unroll 2
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int k = 0; k < VECTORS_DOTPROD; k++) {
            float32x4_t xscale = e->pair(k, x[2 * i].scale[b], x[2 * i + 1].scale[b]);
            acc[i][k] = vfmaq_f32(acc[i][k], vcvtq_f32_s32(dot[i][k]),
                                  vmulq_f32(vld1q_f32(p->scale[b] + 4 * k), xscale));
            if (shape.has_min)
                acc[i][k] = vfmsq_f32(acc[i][k], vcvtq_f32_s32(low[i][k]),
                                      vmulq_f32(vld1q_f32(p->min[b] + 4 * k), xscale));
        }
}

/* sum = the n blocks of the slab */
INLINE_NEON void slab_dotprod(const struct engine_dotprod *e, struct shape_dotprod shape, int P,
                              const struct panel_dotprod *p, const struct token_dotprod *x,
                              int64_t n, float *sum)
{
    float32x4_t quarter[4][2][VECTORS_DOTPROD];

    for (int64_t j = 0; j < 4; j++) {
        float32x4_t acc[2][VECTORS_DOTPROD];
#pragma GCC unroll 2
        for (int i = 0; i < P; i++)
#pragma GCC unroll 4
            for (int k = 0; k < VECTORS_DOTPROD; k++)
                acc[i][k] = vdupq_n_f32(0);
        for (int64_t b = j; b < n; b += 4)
            if (shape.span == 0)
                block_q8_dotprod(e, shape.has_min, P, p, x, b, acc);
            else
                block_q8k_dotprod(e, shape, P, p, x, b, acc);
        memcpy(quarter[j], acc, (size_t)P * sizeof *acc);
    }
    for (int i = 0; i < P; i++)
        for (int k = 0; k < VECTORS_DOTPROD; k++, sum += 4)
            vst1q_f32(sum, vaddq_f32(vaddq_f32(quarter[0][i][k], quarter[1][i][k]),
                                     vaddq_f32(quarter[2][i][k], quarter[3][i][k])));
}

/* Columns from block `first` on of up to four tokens; what is missing repeats the last one. */
INLINE_NEON void tokens_dotprod(struct token_dotprod to[4], int64_t count, enum operand kind,
                                int64_t cols, const uint8_t *x, int64_t x_stride, int64_t first)
{
    for (int64_t i = 0; i < 4; i++) {
        const uint8_t *at = x + pi_min(i, count - 1) * x_stride;
        to[i].q = (const int8_t *)at + first * (kind == OPERAND_Q8 ? 32 : 256);
        to[i].scale = xscale_neon(at, cols) + first;
        to[i].sum = xsum_q8_neon(at, cols) + first;
        to[i].sum16 = xsum_q8k_neon(at, cols) + 16 * first;
    }
}

/* Where a slab lies in the whole, and what becomes of it. */
struct place_dotprod {
    int64_t first, n; /* blocks */
    int64_t rows, cols, m;
    const uint8_t *x;
    int64_t x_stride;
    float *y;
    int64_t y_stride;
};

/* One slab by all tokens: y[t][r] = its sum, or y[t][r] + its sum if it is not the first. */
INLINE_NEON void all_tokens_dotprod(const struct engine_dotprod *e, struct shape_dotprod shape,
                                    const struct panel_dotprod *p, const struct place_dotprod *at)
{
    enum operand kind = shape.span ? OPERAND_Q8K : OPERAND_Q8;

    for (int64_t t = 0; t < at->m; t += 4) {
        struct token_dotprod x[4];
        float sum[2][4 * VECTORS_DOTPROD], *y = at->y + t * at->y_stride;
        int count = (int)pi_min(at->m - t, 4);

        tokens_dotprod(x, count, kind, at->cols, at->x + t * at->x_stride, at->x_stride, at->first);
        if (count > 2)
            slab_dotprod(e, shape, 2, p, x, at->n, sum[0]);
        else
            slab_dotprod(e, shape, 1, p, x, at->n, sum[0]);
        for (int i = 0; i < count; i++, y += at->y_stride)
            for (int r = 0; r < at->rows; r++)
                y[r] = (at->first ? y[r] : 0) + sum[i / 2][e->lane(r, i % 2)];
    }
}

/* all_tokens_dotprod, as one function for each shape: formats share machine code from here on. */
typedef void panel_fn_dotprod(const struct panel_dotprod *p, const struct place_dotprod *at);

/* dot for two tokens or more. Rows that are missing of eight repeat the last one. */
INLINE_NEON void rows_dotprod(const struct engine_dotprod *e, panel_fn_dotprod *multiply,
                              enum dtype type, int64_t block, int64_t rows, int64_t cols,
                              const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                              int64_t x_stride, float *y, int64_t y_stride)
{
    struct place_dotprod at = { .cols = cols, .m = m, .x = x, .x_stride = x_stride, .y = y,
                                .y_stride = y_stride };
    int64_t blocks = cols / block, slab = SLAB_NEON / block;
    struct panel_dotprod panel;

    for (; rows > 0; rows -= ROWS_DOTPROD, w += ROWS_DOTPROD * w_stride, at.y += ROWS_DOTPROD) {
        at.rows = pi_min(rows, ROWS_DOTPROD);
        for (at.first = 0; at.first < blocks; at.first += slab) {
            at.n = pi_min(slab, blocks - at.first);
            for (int r = 0; r < ROWS_DOTPROD; r++) {
                const uint8_t *row = w + pi_min(r, rows - 1) * w_stride;
                row += at.first * block_bytes_neon(type);
                if (block == 32)
                    fill_q8_dotprod(e, &panel, type, r, row, at.n);
                else
                    fill_q8k_dotprod(e, &panel, type, r, row, at.n);
            }
            multiply(&panel, &at);
        }
    }
}

#endif
