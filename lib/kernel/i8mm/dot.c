/* dot.c - the quantised dots with SMMLA, which multiplies two rows by two tokens, eight columns deep.
 *
 * One token: SDOT, by neon/row.h. More: a slab of eight rows is unpacked to bytes with rows in pairs,
 * stays in the cache for all tokens, and is multiplied by tokens two or four at a time. What a format
 * contributes ends with the unpacking; the products are the same for all.
 *
 * A lane of a tile is one (row, token). Its floats are added as in row.h, so that a result does not
 * depend on the number of tokens: every fourth block of a slab in turn, then the four sums pairwise,
 * then the slabs.
 */
#include "kernel/dotprod/sdot.h"

enum { PAIRS_I8MM = 4, DEPTH_I8MM = SLAB_NEON / 8 };

/* Eight rows of a slab, in pairs. A vector is [first row | second row], or twice the one number of
 * each. */
struct panel_i8mm {
    int8_t q[DEPTH_I8MM][PAIRS_I8MM][16];            /* eight columns of each row */
    float scale[SLAB_NEON / 32][PAIRS_I8MM][4];      /* of blocks */
    float min[SLAB_NEON / 32][PAIRS_I8MM][4];        /* likewise */
    int32_t group[SLAB_NEON / 16][PAIRS_I8MM][4];    /* scales of groups */
    int8_t low[SLAB_NEON / 128][PAIRS_I8MM][16];     /* minima of eight groups */
};

/* What the tiles need to know of a format. */
struct shape_i8mm {
    bool has_min;
    int span;   /* sixteens of a group; 0: blocks of 32 */
};

/* A part of one operand row. */
struct token_i8mm {
    const int8_t *q;
    const float *scale;
    const int32_t *sum;
    const int16_t *sum16;
};

INLINE_NEON void twice_i8mm(float v[4], int side, float value)
{
    v[2 * side] = v[2 * side + 1] = value;
}

/* 16 columns of one row of a pair. */
INLINE_NEON void put_i8mm(int8_t (*at)[PAIRS_I8MM][16], int row, int8x16_t q)
{
    vst1_s8(at[0][row / 2] + row % 2 * 8, vget_low_s8(q));
    vst1_s8(at[1][row / 2] + row % 2 * 8, vget_high_s8(q));
}

INLINE_NEON void fill_q8_i8mm(struct panel_i8mm *p, enum dtype type, int row, const uint8_t *w,
                              int64_t n)
{
    int pair = row / 2, side = row % 2;

    for (int64_t b = 0; b < n; b++, w += block_bytes_neon(type)) {
        prefetch_neon(w, block_bytes_neon(type));
        put_i8mm(p->q + 4 * b, row, half_q8_neon(type, w, 0));
        put_i8mm(p->q + 4 * b + 2, row, half_q8_neon(type, w, 1));
        twice_i8mm(p->scale[b][pair], side, vgetq_lane_f32(scales_neon(type, w, 1), 0));
        if (has_min_neon(type))
            twice_i8mm(p->min[b][pair], side, vgetq_lane_f32(halves_neon(w + 2, 0, 1), 0));
    }
}

INLINE_NEON void fill_q8k_i8mm(struct panel_i8mm *p, enum dtype type, int row, const uint8_t *w,
                               int64_t n)
{
    int pair = row / 2, side = row % 2, count = is_wide_neon(type) ? 8 : 16;
    int64_t bytes = block_bytes_neon(type), at = scale_at_neon(type);

    for (int64_t b = 0; b < n; b++, w += bytes) {
        struct groups_neon g = groups_neon(type, w);
        int8_t scale[16];
        prefetch_neon(w, bytes);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            put_i8mm(p->q + 32 * b + 2 * i, row, group_q8k_neon(type, w, i));
        vst1q_s8(scale, g.scale);
        for (int i = 0; i < count; i++) {
            int32_t *v = p->group[count * b + i][pair] + 2 * side;
            v[0] = v[1] = scale[i];
        }
        twice_i8mm(p->scale[b][pair], side, vgetq_lane_f32(halves_neon(w + at, 0, 1), 0));
        if (has_min_neon(type)) {
            put_i8mm(p->low + 2 * b, row, g.low);
            twice_i8mm(p->min[b][pair], side, vgetq_lane_f32(halves_neon(w + at + 2, 0, 1), 0));
        }
    }
}

/* [first token | second token], of each eight bytes: columns 0 to 7 and 8 to 15. */
INLINE_NEON void zip_i8mm(int8x16_t a, int8x16_t b, int8x16_t to[2])
{
    int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);

    to[0] = vreinterpretq_s8_s64(vzip1q_s64(x, y));
    to[1] = vreinterpretq_s8_s64(vzip2q_s64(x, y));
}

/* [a, b, a, b] */
INLINE_NEON float32x4_t alternate_i8mm(float a, float b)
{
    return vzip1q_f32(vdupq_n_f32(a), vdupq_n_f32(b));
}

/* tile[i][k] += the products of 16 columns, of tokens 2i and 2i + 1 with row pair k. */
INLINE_NEON void multiply_i8mm(int P, const struct panel_i8mm *p, const struct token_i8mm *x,
                               int64_t sixteen, int32x4_t tile[2][PAIRS_I8MM])
{
    int8x16_t xq[2][2];

#pragma GCC unroll 2
    for (int i = 0; i < P; i++)
        zip_i8mm(vld1q_s8(x[2 * i].q + 16 * sixteen), vld1q_s8(x[2 * i + 1].q + 16 * sixteen),
                 xq[i]);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++)
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS_I8MM; k++) {
            int8x16_t w = vld1q_s8(p->q[2 * sixteen + half][k]);
#pragma GCC unroll 2
            for (int i = 0; i < P; i++)
                tile[i][k] = vmmlaq_s32(tile[i][k], w, xq[i][half]);
        }
}

INLINE_NEON void clear_i8mm(int P, int32x4_t tile[2][PAIRS_I8MM])
{
#pragma GCC unroll 2
    for (int i = 0; i < P; i++)
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS_I8MM; k++)
            tile[i][k] = vdupq_n_s32(0);
}

/* acc += scale * xscale * dot (+ min * xscale * xsum), for a block of 32 */
INLINE_NEON void block_q8_i8mm(bool has_min, int P, const struct panel_i8mm *p,
                               const struct token_i8mm *x, int64_t b,
                               float32x4_t acc[2][PAIRS_I8MM])
{
    int32x4_t tile[2][PAIRS_I8MM];

    clear_i8mm(P, tile);
    multiply_i8mm(P, p, x, 2 * b, tile);
    multiply_i8mm(P, p, x, 2 * b + 1, tile);
#pragma GCC unroll 2
    for (int i = 0; i < P; i++) {
        const struct token_i8mm *two = x + 2 * i;
        float32x4_t xscale = alternate_i8mm(two[0].scale[b], two[1].scale[b]), xsum = xscale;
        if (has_min)
            xsum = vmulq_f32(xscale, alternate_i8mm((float)two[0].sum[b], (float)two[1].sum[b]));
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS_I8MM; k++) {
            acc[i][k] = vfmaq_f32(acc[i][k], vcvtq_f32_s32(tile[i][k]),
                                  vmulq_f32(vld1q_f32(p->scale[b][k]), xscale));
            if (has_min)
                acc[i][k] = vfmaq_f32(acc[i][k], vld1q_f32(p->min[b][k]), xsum);
        }
    }
}

/* Sums of activations as 128 * high + low in bytes: of groups of 16, or of pairs of them. */
INLINE_NEON void split_sums_i8mm(int span, const int16_t *sum, int8x16_t to[2])
{
    int16x8_t a = vld1q_s16(sum), b = vld1q_s16(sum + 8), high_a, high_b;

    if (span == 2)
        a = b = vpaddq_s16(a, b);
    high_a = vrshrq_n_s16(a, 7);
    high_b = vrshrq_n_s16(b, 7);
    to[0] = vcombine_s8(vmovn_s16(high_a), vmovn_s16(high_b));
    to[1] = vcombine_s8(vmovn_s16(vsubq_s16(a, vshlq_n_s16(high_a, 7))),
                        vmovn_s16(vsubq_s16(b, vshlq_n_s16(high_b, 7))));
}

/* low[k] = sum of the minima of row pair k times the sums of activations of two tokens. */
INLINE_NEON void minima_i8mm(int span, const struct panel_i8mm *p, const struct token_i8mm *x,
                             int64_t b, int32x4_t low[PAIRS_I8MM])
{
    int8x16_t first[2], second[2], high[2], rest[2];

    split_sums_i8mm(span, x[0].sum16 + 16 * b, first);
    split_sums_i8mm(span, x[1].sum16 + 16 * b, second);
    zip_i8mm(first[0], second[0], high);
    zip_i8mm(first[1], second[1], rest);
#pragma GCC unroll 4
    for (int k = 0; k < PAIRS_I8MM; k++) {
        low[k] = vdupq_n_s32(0);
#pragma GCC unroll 2
        for (int half = 0; half < 3 - span; half++)
            low[k] = vmmlaq_s32(low[k], vld1q_s8(p->low[2 * b + half][k]), high[half]);
        low[k] = vshlq_n_s32(low[k], 7);
#pragma GCC unroll 2
        for (int half = 0; half < 3 - span; half++)
            low[k] = vmmlaq_s32(low[k], vld1q_s8(p->low[2 * b + half][k]), rest[half]);
    }
}

/* acc += d * xscale * dot - dmin * xscale * low, for a block of 256 */
INLINE_NEON void block_q8k_i8mm(bool has_min, int span, int P, const struct panel_i8mm *p,
                                const struct token_i8mm *x, int64_t b,
                                float32x4_t acc[2][PAIRS_I8MM])
{
    int32x4_t dot[2][PAIRS_I8MM], tile[2][PAIRS_I8MM];
    int groups = 16 / span;

    clear_i8mm(P, dot);
    for (int g = 0; g < groups; g++) {
        clear_i8mm(P, tile);
#pragma GCC unroll 2
        for (int j = 0; j < span; j++)
            multiply_i8mm(P, p, x, 16 * b + g * span + j, tile);
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS_I8MM; k++)
#pragma GCC unroll 2
            for (int i = 0; i < P; i++)
                dot[i][k] = vmlaq_s32(dot[i][k], tile[i][k], vld1q_s32(p->group[groups * b + g][k]));
    }
#pragma GCC unroll 2
    for (int i = 0; i < P; i++) {
        float32x4_t xscale = alternate_i8mm(x[2 * i].scale[b], x[2 * i + 1].scale[b]);
        int32x4_t low[PAIRS_I8MM];
        if (has_min)
            minima_i8mm(span, p, x + 2 * i, b, low);
#pragma GCC unroll 4
        for (int k = 0; k < PAIRS_I8MM; k++) {
            acc[i][k] = vfmaq_f32(acc[i][k], vcvtq_f32_s32(dot[i][k]),
                                  vmulq_f32(vld1q_f32(p->scale[b][k]), xscale));
            if (has_min)
                acc[i][k] = vfmsq_f32(acc[i][k], vcvtq_f32_s32(low[k]),
                                      vmulq_f32(vld1q_f32(p->min[b][k]), xscale));
        }
    }
}

/* sum[i][k] = the n blocks of the slab, of tokens 2i and 2i + 1 with row pair k. */
INLINE_NEON void slab_i8mm(struct shape_i8mm shape, int P, const struct panel_i8mm *p,
                           const struct token_i8mm *x, int64_t n, float32x4_t sum[2][PAIRS_I8MM])
{
    float32x4_t quarter[4][2][PAIRS_I8MM];

    for (int64_t j = 0; j < 4; j++) {
        float32x4_t acc[2][PAIRS_I8MM];
#pragma GCC unroll 2
        for (int i = 0; i < P; i++)
#pragma GCC unroll 4
            for (int k = 0; k < PAIRS_I8MM; k++)
                acc[i][k] = vdupq_n_f32(0);
        for (int64_t b = j; b < n; b += 4)
            if (shape.span == 0)
                block_q8_i8mm(shape.has_min, P, p, x, b, acc);
            else
                block_q8k_i8mm(shape.has_min, shape.span, P, p, x, b, acc);
        memcpy(quarter[j], acc, (size_t)P * sizeof *acc);
    }
    for (int i = 0; i < P; i++)
        for (int k = 0; k < PAIRS_I8MM; k++)
            sum[i][k] = vaddq_f32(vaddq_f32(quarter[0][i][k], quarter[1][i][k]),
                                  vaddq_f32(quarter[2][i][k], quarter[3][i][k]));
}

/* The same for each shape and number of tokens: machine code once for all formats. */
#define TILES(name, has_min, span)                                                             \
    static void tiles_##name##_i8mm(int P, const struct panel_i8mm *p,                         \
                                    const struct token_i8mm *x, int64_t n,                     \
                                    float32x4_t sum[2][PAIRS_I8MM])                            \
    {                                                                                          \
        if (P == 2)                                                                            \
            slab_i8mm((struct shape_i8mm){ has_min, span }, 2, p, x, n, sum);                  \
        else                                                                                   \
            slab_i8mm((struct shape_i8mm){ has_min, span }, 1, p, x, n, sum);                  \
    }

TILES(q8, false, 0)
TILES(q8_min, true, 0)
TILES(q8k, false, 1)
TILES(q8k_min, true, 1)
TILES(q8k_wide, false, 2)
TILES(q8k_wide_min, true, 2)

#undef TILES

typedef void tiles_fn_i8mm(int P, const struct panel_i8mm *p, const struct token_i8mm *x, int64_t n,
                           float32x4_t sum[2][PAIRS_I8MM]);

/* Columns from block `first` on of up to four tokens; what is missing repeats the last one. */
static void tokens_i8mm(struct token_i8mm to[4], int64_t count, enum operand kind, int64_t cols,
                        const uint8_t *x, int64_t x_stride, int64_t first)
{
    for (int64_t i = 0; i < 4; i++) {
        const uint8_t *at = x + pi_min(i, count - 1) * x_stride;
        to[i] = (struct token_i8mm){ .q = (const int8_t *)at + first * (kind == OPERAND_Q8 ? 32 : 256),
                                     .scale = xscale_neon(at, cols) + first,
                                     .sum = xsum_q8_neon(at, cols) + first,
                                     .sum16 = xsum_q8k_neon(at, cols) + 16 * first };
    }
}

/* y[t][r] = (fresh: 0, else itself) + the sums of tiles, for `rows` of the eight rows and m of the
 * four tokens. */
static void add_i8mm(float *y, int64_t y_stride, float32x4_t sum[2][PAIRS_I8MM], int64_t rows,
                     int64_t m, bool fresh)
{
    float v[2][PAIRS_I8MM][2][2]; /* [token pair][row pair][row][token] */

    memcpy(v, sum, sizeof v);
    for (int64_t t = 0; t < m; t++)
        for (int64_t r = 0; r < rows; r++)
            y[t * y_stride + r] = (fresh ? 0 : y[t * y_stride + r]) + v[t / 2][r / 2][r % 2][t % 2];
}

/* One slab of up to eight rows by all tokens. */
static void panel_i8mm(tiles_fn_i8mm *tiles, const struct panel_i8mm *p, enum operand kind,
                       int64_t first, int64_t n, int64_t rows, int64_t cols, int64_t m,
                       const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t t = 0; t < m; t += 4) {
        struct token_i8mm four[4];
        float32x4_t sum[2][PAIRS_I8MM];
        int64_t count = pi_min(m - t, 4);

        tokens_i8mm(four, count, kind, cols, x + t * x_stride, x_stride, first);
        tiles(count > 2 ? 2 : 1, p, four, n, sum);
        add_i8mm(y + t * y_stride, y_stride, sum, rows, count, first == 0);
    }
}

/* Two tokens or more. Rows that are missing of eight repeat the last one. */
INLINE_NEON void rows_i8mm(tiles_fn_i8mm *tiles, enum dtype type, int64_t block, int64_t rows,
                           int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                           const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    enum operand kind = block == 32 ? OPERAND_Q8 : OPERAND_Q8K;
    int64_t blocks = cols / block, slab = SLAB_NEON / block;
    struct panel_i8mm panel;

    for (; rows > 0; rows -= 8, w += 8 * w_stride, y += 8)
        for (int64_t b = 0; b < blocks; b += slab) {
            int64_t n = pi_min(slab, blocks - b);
            for (int r = 0; r < 8; r++) {
                const uint8_t *at = w + pi_min(r, rows - 1) * w_stride + b * block_bytes_neon(type);
                if (block == 32)
                    fill_q8_i8mm(&panel, type, r, at, n);
                else
                    fill_q8k_i8mm(&panel, type, r, at, n);
            }
            panel_i8mm(tiles, &panel, kind, b, n, pi_min(rows, 8), cols, m, x, x_stride, y, y_stride);
        }
}

#define DOT(format, TYPE, block, tiles)                                                         \
    static PI_DOT(dot_##format##_i8mm)                                                          \
    {                                                                                           \
        if (m == 1)                                                                             \
            for (int64_t r = 0; r < rows; r++)                                                  \
                row_neon(mac_dotprod, TYPE, block, 1, w + r * w_stride, cols, x, x_stride,      \
                         y + r, y_stride);                                                      \
        else if (m > 1)                                                                         \
            rows_i8mm(tiles_##tiles##_i8mm, TYPE, block, rows, cols, w, w_stride, m, x,         \
                      x_stride, y, y_stride);                                                   \
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
DOT(q4_k, DTYPE_Q4_K, 256, q8k_wide_min)
DOT(q5_k, DTYPE_Q5_K, 256, q8k_wide_min)
DOT(q6_k, DTYPE_Q6_K, 256, q8k)
DOT(iq4_xs, DTYPE_IQ4_XS, 256, q8k_wide)

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
