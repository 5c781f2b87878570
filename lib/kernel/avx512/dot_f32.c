/* dot_f32.c - dot of F32, which all formats become where results are to be exact.
 *
 * Few tokens meet rows as they lie, a chain (avx2/chain.h) in each lane; for more, 32 rows are
 * transposed, so that lanes are rows, and stay in the first cache while tokens pass, eight at a
 * time, one chain after the other: the same sums.
 */
#include "common.h"
#include "kernel/avx2/chain.h"

enum {
    TOKENS_F32 = 8, /* of a tile */
    FEW_F32 = 12,   /* tokens up to which transposing the weights does not pay */
    LEAST_F32 = 16  /* rows that pay for it */
};

/* 32 rows of a slab, chain by chain. */
struct panel_f32 {
    __m512 column[SLAB_CHAIN][2];
};

/* The first n of 16 lanes. */
INLINE_AVX512 __mmask16 live_f32(int64_t n) { return (__mmask16)((1u << pi_min(n, 16)) - 1); }

/* sum[r * T + t] += 16 columns of R rows and T tokens. */
INLINE_AVX512 void step_f32(int R, int T, const uint8_t *w, int64_t w_stride, const uint8_t *x,
                            int64_t x_stride, __mmask16 live, __m512 sum[12])
{
    __m512 v[3];

#pragma GCC unroll 3
    for (int t = 0; t < T; t++)
        v[t] = _mm512_maskz_loadu_ps(live, x + t * x_stride);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
        __m512 row = _mm512_maskz_loadu_ps(live, w + r * w_stride);
#pragma GCC unroll 3
        for (int t = 0; t < T; t++)
            sum[r * T + t] = _mm512_fmadd_ps(row, v[t], sum[r * T + t]);
    }
}

/* R rows and T tokens. */
INLINE_AVX512 void rows_f32(int R, int T, const uint8_t *w, int64_t w_stride, int64_t cols,
                            const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    const __mmask16 all = 0xFFFF;

    for (int64_t first = 0; first < cols; first += SLAB_CHAIN) {
        int64_t end = pi_min(first + SLAB_CHAIN, cols), i = first;
        __m512 sum[12];
#pragma GCC unroll 12
        for (int k = 0; k < R * T; k++)
            sum[k] = _mm512_setzero_ps();
#pragma GCC unroll 4
        for (; i + 16 <= end; i += 16) {
            if (R == 1)
                prefetch_avx512(w + 4 * i, 64);
            step_f32(R, T, w + 4 * i, w_stride, x + 4 * i, x_stride, all, sum);
        }
        if (i < end)
            step_f32(R, T, w + 4 * i, w_stride, x + 4 * i, x_stride, live_f32(end - i), sum);
#pragma GCC unroll 12
        for (int k = 0; k < R * T; k++) {
            float slab = sum_lanes_avx512(sum[k]), *at = y + k % T * y_stride + k / T;
            *at = first ? *at + slab : slab;
        }
    }
}

/* Transposes up to 32 rows of n columns, padded with zeros to 16; those past the last repeat it.
 * Chains are where they are added as sum_lanes_avx512 does. */
static void fill_f32(struct panel_f32 *p, const uint8_t *w, int64_t w_stride, int64_t rows,
                     int64_t n)
{
    float room[16][8];

    for (int half = 0; half < 2 && 16 * half < rows; half++)
        for (int64_t i = 0; i < (n + 15) / 16 * 16; i += 8) {
            const uint8_t *at = w + 16 * half * w_stride + 4 * i;
            __m512i column[8];
            if (rows >= 16 * half + 16 && i + 8 <= n) {
                eight_columns_avx512(column, at, w_stride);
            } else {
                __mmask8 live = (__mmask8)((1u << pi_max(0, pi_min(n - i, 8))) - 1);
                for (int r = 0; r < 16; r++, at += 16 * half + r < rows ? w_stride : 0)
                    _mm256_storeu_ps(room[r], _mm256_maskz_loadu_ps(live, at));
                eight_columns_avx512(column, room, sizeof room[0]);
            }
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++)
                p->column[16 * order_chain[i % 16 + j] + i / 16][half] =
                    _mm512_castsi512_ps(column[j]);
        }
}

/* A slab's sums for 32 rows and 8 tokens, added to y or (first) written; chains are `steps` long.
 * ahead: bytes to the tokens that come next. */
static void tile_f32(const struct panel_f32 *p, const float *const x[TOKENS_F32], int64_t steps,
                     int64_t ahead, bool first, int64_t rows, int64_t m, float *y,
                     int64_t y_stride)
{
    __m512 sum[2 * TOKENS_F32], level[4][2 * TOKENS_F32];

    for (int chain = 0; chain < 16; chain++) {
        const __m512 *w = p->column[16 * chain];
        int64_t at = order_chain[chain];
        int up = 0;
#pragma GCC unroll 8
        for (int t = 0; t < TOKENS_F32; t++) {
            _mm_prefetch((const char *)(x[t] + 16 * chain) + ahead, _MM_HINT_T0);
            sum[2 * t] = sum[2 * t + 1] = _mm512_setzero_ps();
        }
        for (int64_t i = 0; i < steps; i++, at += 16, w += 2)
#pragma GCC unroll 8
            for (int t = 0; t < TOKENS_F32; t++) {
                __m512 v = _mm512_set1_ps(x[t][at]);
                sum[2 * t] = _mm512_fmadd_ps(w[0], v, sum[2 * t]);
                sum[2 * t + 1] = _mm512_fmadd_ps(w[1], v, sum[2 * t + 1]);
            }
        for (; chain >> up & 1; up++)
#pragma GCC unroll 16
            for (int k = 0; k < 2 * TOKENS_F32; k++)
                sum[k] = _mm512_add_ps(level[up][k], sum[k]);
#pragma GCC unroll 16
        for (int k = 0; k < 2 * TOKENS_F32; k++)
            level[up % 4][k] = sum[k]; /* the last: unused */
    }
#pragma GCC unroll 8
    for (int t = 0; t < TOKENS_F32; t++)
        if (t < m) {
            put_avx512(sum[2 * t], first, rows, y + t * y_stride);
            put_avx512(sum[2 * t + 1], first, rows - 16, y + t * y_stride + 16);
        }
}

/* dot of many tokens: y[t][r]. With every tile, asks for a row of the slab that comes next. */
static void many_f32(int64_t rows, int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                     const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    float room[TOKENS_F32][SLAB_CHAIN];
    const float *at[TOKENS_F32];
    struct panel_f32 p;

    for (int64_t r = 0; r < rows; r += 32)
        for (int64_t first = 0; first < cols; first += SLAB_CHAIN) {
            int64_t n = pi_min(cols - first, SLAB_CHAIN);
            fill_f32(&p, w + r * w_stride + 4 * first, w_stride, pi_min(rows - r, 32), n);
            for (int64_t t = 0; t < m; t += TOKENS_F32) {
                const uint8_t *next = w + (r + t / TOKENS_F32 % 32) * w_stride + 4 * (first + n);
                for (int64_t i = 0; i < 4 * SLAB_CHAIN; i += 64)
                    _mm_prefetch((const char *)next + i, _MM_HINT_T1);
                tokens_chain(TOKENS_F32, at, room, x + t * x_stride + 4 * first, x_stride, m - t,
                             n);
                tile_f32(&p, at, (n + 15) / 16, TOKENS_F32 * x_stride, first == 0, rows - r, m - t,
                         y + t * y_stride + r, y_stride);
            }
        }
}

/* R rows by tokens in threes, and what is left. */
INLINE_AVX512 void few_f32(int R, int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                           const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    for (; m >= 3; m -= 3, x += 3 * x_stride, y += 3 * y_stride)
        rows_f32(R, 3, w, w_stride, cols, x, x_stride, y, y_stride);
    if (m == 2)
        rows_f32(R, 2, w, w_stride, cols, x, x_stride, y, y_stride);
    else if (m == 1)
        rows_f32(R, 1, w, w_stride, cols, x, x_stride, y, y_stride);
}

static PI_DOT(dot_f32_avx512)
{
    if (m > FEW_F32 && rows >= LEAST_F32) {
        many_f32(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);
        return;
    }
    for (; m > 3 && rows >= 4; rows -= 4, w += 4 * w_stride, y += 4)
        few_f32(4, cols, w, w_stride, m, x, x_stride, y, y_stride);
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++)
        few_f32(1, cols, w, w_stride, m, x, x_stride, y, y_stride);
}

void pi_dot_f32_avx512(struct kernels *k)
{
    k->dot[DTYPE_F32] = dot_f32_avx512;
}
