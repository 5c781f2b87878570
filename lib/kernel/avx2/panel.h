/* panel.h - the engine of the quantised dots for many tokens; it knows no format.
 *
 * A format contributes a chunk, see chunk.h. Chunks of eight rows are transposed, so that lanes
 * are rows, and a slab of 32 rows stays in the cache for all tokens. VPMADDUBSW multiplies
 * unsigned by signed bytes and adds pairs in 16 bits, where `span` such sums fit; VPMADDWD widens
 * them and multiplies them by the scale of their group.
 *
 * The floats of one (row, token) are added as in dot.c: what is lane j there is turn j here.
 */
#ifndef PI_AVX2_PANEL_H
#define PI_AVX2_PANEL_H

#include "chunk.h"

enum {
    TOKENS_AVX2 = 4,     /* of a tile */
    PANEL_ROWS_AVX2 = 16 /* of a tile: two vectors */
};

struct format_avx2 {
    chunk_avx2_fn *chunk;
    int block, bytes, span, offset; /* span 1: signed bytes */
    bool has_min;
};

/* 16 rows of a slab: dword i of a chunk of rows 8 * half on. */
struct panel_avx2 {
    __m256i word[SLAB_AVX2 / 256][2][CHUNK_WORDS_AVX2];
};

/* A slab of the operands of a tile. */
struct tokens_avx2 {
    const uint8_t *q[TOKENS_AVX2];
    const float *scale[TOKENS_AVX2];
    const int16_t *sum[TOKENS_AVX2];             /* Q8K */
    int32_t start[TOKENS_AVX2][SLAB_AVX2 / 32];  /* Q8: sum << offset */
    float scaled[TOKENS_AVX2][SLAB_AVX2 / 32];   /* Q8: scale * sum */
};

/* Eight chunks become the columns of their dwords. */
static void weave_avx2(__m256i *to, const struct chunk_avx2 *rows)
{
    for (int i = 0; i < CHUNK_WORDS_AVX2; i += 8) {
        __m256i r[8], s[8];
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            r[k] = load_avx2(rows[k].q + 4 * i);
#pragma GCC unroll 4
        for (int k = 0; k < 8; k += 2) {
            s[k] = _mm256_unpacklo_epi32(r[k], r[k + 1]);
            s[k + 1] = _mm256_unpackhi_epi32(r[k], r[k + 1]);
        }
#pragma GCC unroll 2
        for (int k = 0; k < 8; k += 4) {
            r[k] = _mm256_unpacklo_epi64(s[k], s[k + 2]);
            r[k + 1] = _mm256_unpackhi_epi64(s[k], s[k + 2]);
            r[k + 2] = _mm256_unpacklo_epi64(s[k + 1], s[k + 3]);
            r[k + 3] = _mm256_unpackhi_epi64(s[k + 1], s[k + 3]);
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            to[i + k] = _mm256_permute2x128_si256(r[k], r[k + 4], 0x20);
            to[i + k + 4] = _mm256_permute2x128_si256(r[k], r[k + 4], 0x31);
        }
    }
}

/* Unpacks up to 16 rows of n columns; those past the last repeat it. A row's last few blocks are
 * copied, so that nothing behind them is read. */
static void fill_avx2(struct panel_avx2 *p, const struct format_avx2 *f, const uint8_t *w,
                      int64_t w_stride, int64_t rows, int64_t n)
{
    struct chunk_avx2 chunk[8];
    uint8_t tail[8 * 34] = { 0 };
    int64_t bytes = 256 / f->block * f->bytes;

    for (int half = 0; half < 2 && 8 * half < rows; half++)
        for (int64_t c = 0; c < (n + 255) / 256; c++) {
            for (int r = 0; r < 8; r++) {
                const uint8_t *at = w + pi_min(8 * half + r, rows - 1) * w_stride + c * bytes;
                if (n - 256 * c < 256) {
                    memcpy(tail, at, (size_t)((n - 256 * c) / f->block * f->bytes));
                    at = tail;
                } else {
                    prefetch_avx2(at - PREFETCH_AVX2 + 4 * bytes, (int)bytes);
                }
                f->chunk(&chunk[r], at);
            }
            weave_avx2(p->word[c][half], chunk);
        }
}

/* The slab at column `first` of tokens t to t + 4; those past the last repeat it. */
static void tokens_avx2(struct tokens_avx2 *k, const struct format_avx2 *f, const uint8_t *x,
                        int64_t x_stride, int64_t m, int64_t cols, int64_t first, int64_t n)
{
    enum operand kind = f->block == 32 ? OPERAND_Q8 : OPERAND_Q8K;

    for (int t = 0; t < TOKENS_AVX2; t++) {
        const uint8_t *row = x + pi_min(t, m - 1) * x_stride;
        const uint8_t *sum = row + pi_operand_sums(kind, cols);
        k->q[t] = row + first;
        k->scale[t] = (const float *)(const void *)(row + pi_operand_scales(cols)) +
                      first / f->block;
        k->sum[t] = (const int16_t *)(const void *)sum + first / 16;
        for (int64_t b = 0; f->block == 32 && b < n / 32; b += 8) {
            __m256i s = load_avx2(sum + 4 * (first / 32 + b));
            __m256 scale = _mm256_load_ps(k->scale[t] + b);
            _mm256_storeu_ps(k->scaled[t] + b, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(s)));
            s = f->offset ? _mm256_slli_epi32(s, f->offset) : _mm256_setzero_si256();
            _mm256_storeu_si256((__m256i *)(void *)(k->start[t] + b), s);
        }
    }
}

INLINE_AVX2 __m256i four_avx2(const void *at)
{
    int32_t four;

    memcpy(&four, at, 4);
    return _mm256_set1_epi32(four);
}

/* part = products of dwords first to first + span of both halves with the tokens. */
INLINE_AVX2 void span_avx2(int span, const __m256i w[2][CHUNK_WORDS_AVX2],
                           const struct tokens_avx2 *k, int64_t column,
                           __m256i part[2][TOKENS_AVX2])
{
#pragma GCC unroll 8
    for (int i = 0; i < span; i++) {
        __m256i a = w[0][i], b = w[1][i];
        __m256i abs_a = _mm256_abs_epi8(a), abs_b = _mm256_abs_epi8(b);
#pragma GCC unroll 4
        for (int t = 0; t < TOKENS_AVX2; t++) {
            __m256i x = four_avx2(k->q[t] + column + 4 * i), pa, pb;
            if (span == 1) {
                pa = _mm256_maddubs_epi16(abs_a, _mm256_sign_epi8(x, a));
                pb = _mm256_maddubs_epi16(abs_b, _mm256_sign_epi8(x, b));
            } else {
                pa = _mm256_maddubs_epi16(a, x);
                pb = _mm256_maddubs_epi16(b, x);
            }
            part[0][t] = i ? _mm256_add_epi16(part[0][t], pa) : pa;
            part[1][t] = i ? _mm256_add_epi16(part[1][t], pb) : pb;
            settle_avx2(&part[0][t]);
            settle_avx2(&part[1][t]);
        }
    }
}

/* acc += scale * xscale * dot (+ min * xscale * xsum), for block b of 32 */
INLINE_AVX2 void block_panel_q8_avx2(int span, bool has_min, const struct panel_avx2 *p,
                                     const struct tokens_avx2 *k, int64_t b,
                                     __m256 acc[2][TOKENS_AVX2])
{
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i *w = p->word[b / 8][0] + b % 8 * 8;
    const __m256 *scale = (const __m256 *)(const void *)(p->word[b / 8][0] + 64 + b % 8);
    __m256i dot[2][TOKENS_AVX2], part[2][TOKENS_AVX2];

#pragma GCC unroll 8
    for (int i = 0; i < 8; i += span) {
        span_avx2(span, (const __m256i(*)[CHUNK_WORDS_AVX2])(const void *)(w + i), k,
                  32 * b + 4 * i, part);
#pragma GCC unroll 8
        for (int n = 0; n < 2 * TOKENS_AVX2; n++) {
            __m256i wide = _mm256_madd_epi16(part[n % 2][n / 2], ones);
            dot[n % 2][n / 2] = i ? _mm256_add_epi32(dot[n % 2][n / 2], wide) : wide;
            settle_avx2(&dot[n % 2][n / 2]);
        }
    }
#pragma GCC unroll 8
    for (int n = 0; n < 2 * TOKENS_AVX2; n++) {
        int g = n % 2, t = n / 2;
        __m256i sum = _mm256_sub_epi32(dot[g][t], four_avx2(&k->start[t][b]));
        __m256 both = _mm256_mul_ps(scale[g * CHUNK_WORDS_AVX2],
                                    _mm256_broadcast_ss(&k->scale[t][b]));
        acc[g][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), both, acc[g][t]);
    }
#pragma GCC unroll 8
    for (int n = 0; has_min && n < 2 * TOKENS_AVX2; n++)
        acc[n % 2][n / 2] =
            _mm256_fmadd_ps(scale[n % 2 * CHUNK_WORDS_AVX2 + 8],
                            _mm256_broadcast_ss(&k->scaled[n / 2][b]), acc[n % 2][n / 2]);
}

/* low = sum of low * xsum over the groups of block b of 256 */
INLINE_AVX2 void minima_avx2(const struct panel_avx2 *p, const struct tokens_avx2 *k, int64_t b,
                             __m256i low[2][TOKENS_AVX2])
{
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
#pragma GCC unroll 8
        for (int n = 0; n < 2 * TOKENS_AVX2; n++) {
            __m256i v = _mm256_madd_epi16(p->word[b][n % 2][80 + i],
                                          four_avx2(k->sum[n / 2] + 16 * b + 2 * i));
            low[n % 2][n / 2] = i ? _mm256_add_epi32(low[n % 2][n / 2], v) : v;
            settle_avx2(&low[n % 2][n / 2]);
        }
}

/* acc += d * xscale * dot (- dmin * xscale * low), for block b of 256 */
INLINE_AVX2 void block_panel_q8k_avx2(int span, bool has_min, const struct panel_avx2 *p,
                                      const struct tokens_avx2 *k, int64_t b,
                                      __m256 acc[2][TOKENS_AVX2])
{
    const __m256i(*w)[CHUNK_WORDS_AVX2] = p->word[b];
    const __m256 *d = (const __m256 *)(const void *)(w[0] + 88);
    __m256i dot[2][TOKENS_AVX2], low[2][TOKENS_AVX2], part[2][TOKENS_AVX2];

#pragma GCC unroll 8
    for (int n = 0; n < 2 * TOKENS_AVX2; n++)
        dot[n % 2][n / 2] = _mm256_setzero_si256();
    for (int i = 0; i < 64; i += span) {
        span_avx2(span, (const __m256i(*)[CHUNK_WORDS_AVX2])(const void *)(w[0] + i), k,
                  256 * b + 4 * i, part);
#pragma GCC unroll 8
        for (int n = 0; n < 2 * TOKENS_AVX2; n++)
            dot[n % 2][n / 2] =
                _mm256_add_epi32(dot[n % 2][n / 2],
                                 _mm256_madd_epi16(part[n % 2][n / 2], w[n % 2][64 + i / 4]));
    }
    if (span > 1)
        minima_avx2(p, k, b, low);
#pragma GCC unroll 8
    for (int n = 0; n < 2 * TOKENS_AVX2; n++) {
        int g = n % 2, t = n / 2;
        __m256 scale = _mm256_broadcast_ss(&k->scale[t][b]);
        if (span > 1 && !has_min)
            dot[g][t] = _mm256_sub_epi32(dot[g][t], low[g][t]);
        acc[g][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[g][t]),
                                    _mm256_mul_ps(d[g * CHUNK_WORDS_AVX2], scale), acc[g][t]);
        if (span > 1 && has_min)
            acc[g][t] =
                _mm256_fnmadd_ps(_mm256_cvtepi32_ps(low[g][t]),
                                 _mm256_mul_ps(d[g * CHUNK_WORDS_AVX2 + 1], scale), acc[g][t]);
    }
}

/* Lanes as in sum_lanes_avx2: turns 4 apart, 2 apart, neighbours. */
INLINE_AVX2 void turns_avx2(int turns, int64_t m, int64_t rows, __m256 acc[8][2][TOKENS_AVX2],
                            bool first, float *y, int64_t y_stride)
{
    for (int t = 0; t < m; t++)
        for (int g = 0; g < 2 && 8 * g < rows; g++) {
            float *at = y + t * y_stride + 8 * g;
            __m256i live = live_avx2(rows - 8 * g);
            __m256 sum[8], before = _mm256_setzero_ps();
#pragma GCC unroll 8
            for (int i = 0; i < turns; i++)
                sum[i] = acc[i][g][t];
#pragma GCC unroll 3
            for (int apart = turns / 2; apart; apart /= 2)
#pragma GCC unroll 4
                for (int i = 0; i < apart; i++)
                    sum[i] = _mm256_add_ps(sum[i], sum[i + apart]);
            if (!first)
                before = _mm256_maskload_ps(at, live);
            _mm256_maskstore_ps(at, live, _mm256_add_ps(before, sum[0]));
        }
}

/* A slab's sums for up to 16 rows and 4 tokens, added to y or (first) written. */
typedef void tile_avx2_fn(bool has_min, const struct panel_avx2 *p, const struct tokens_avx2 *k,
                          int64_t n, bool first, int64_t rows, int64_t m, float *y,
                          int64_t y_stride);

#define TILE(kind, block, turns, span)                                                            \
    static void tile_##kind##_##span##_avx2(                                                      \
        bool has_min, const struct panel_avx2 *p, const struct tokens_avx2 *k, int64_t n,         \
        bool first, int64_t rows, int64_t m, float *y, int64_t y_stride)                          \
    {                                                                                             \
        __m256 acc[8][2][TOKENS_AVX2];                                                            \
        memset(acc, 0, turns * sizeof acc[0]);                                                    \
        for (int64_t b = 0; b < n / (block); b++)                                                 \
            block_panel_##kind##_avx2(span, has_min, p, k, b, acc[b % (turns)]);                  \
        turns_avx2(turns, m, rows, acc, first, y, y_stride);                                      \
    }

TILE(q8, 32, 2, 1)
TILE(q8, 32, 2, 4)
TILE(q8, 32, 2, 8)
TILE(q8k, 256, 4, 1)
TILE(q8k, 256, 4, 2)
TILE(q8k, 256, 4, 4)
TILE(q8k, 256, 4, 8)

#undef TILE

static tile_avx2_fn *choose_tile_avx2(const struct format_avx2 *f)
{
    if (f->block == 32)
        return f->span == 1 ? tile_q8_1_avx2 : f->span == 4 ? tile_q8_4_avx2 : tile_q8_8_avx2;
    return f->span == 1   ? tile_q8k_1_avx2
           : f->span == 2 ? tile_q8k_2_avx2
           : f->span == 4 ? tile_q8k_4_avx2
                          : tile_q8k_8_avx2;
}

/* dot: y[t][r] */
static void many_avx2(const struct format_avx2 *f, int64_t rows, int64_t cols, const uint8_t *w,
                      int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride, float *y,
                      int64_t y_stride)
{
    tile_avx2_fn *tile = choose_tile_avx2(f);
    struct panel_avx2 panel[2];
    struct tokens_avx2 k;

    for (int64_t r = 0; m > 0 && r < rows; r += 2 * PANEL_ROWS_AVX2)
        for (int64_t first = 0; first < cols; first += SLAB_AVX2) {
            int64_t n = pi_min(cols - first, SLAB_AVX2), left = rows - r - PANEL_ROWS_AVX2;
            const uint8_t *at = w + r * w_stride + first / f->block * f->bytes;
            fill_avx2(&panel[0], f, at, w_stride, pi_min(rows - r, PANEL_ROWS_AVX2), n);
            if (left > 0)
                fill_avx2(&panel[1], f, at + PANEL_ROWS_AVX2 * w_stride, w_stride,
                          pi_min(left, PANEL_ROWS_AVX2), n);
            for (int64_t t = 0; t < m; t += TOKENS_AVX2) {
                float *to = y + t * y_stride + r;
                int64_t some = pi_min(m - t, TOKENS_AVX2);
                tokens_avx2(&k, f, x + t * x_stride, x_stride, m - t, cols, first, n);
                tile(f->has_min, &panel[0], &k, n, first == 0, pi_min(rows - r, PANEL_ROWS_AVX2),
                     some, to, y_stride);
                if (left > 0)
                    tile(f->has_min, &panel[1], &k, n, first == 0, pi_min(left, PANEL_ROWS_AVX2),
                         some, to + PANEL_ROWS_AVX2, y_stride);
            }
        }
}

#endif
