/* dot_q8k.c - dot of the formats with blocks of 256.
 *
 * Few tokens: four_k.h. Four blocks of four rows are unpacked for all of up to 16 tokens, and give
 * 16 integer sums, lanes [block][row], for one multiply-add; the tokens are first put in the order
 * that the bytes of the weights come in. Many tokens: 32 rows of a slab are transposed, lanes are
 * rows. A block's sum is an exact integer in both; lane j of a slab is its block j; lanes as
 * (0+2) + (1+3), slabs in turn.
 *
 * Formats with signed values are stored with an offset: the products less offset times scale
 * times the sums of the activations, all exact. The formats of one to three bits meet few tokens in
 * grid.h, in the same order.
 */
#include "four_k.h"
#include "grid.h"
#include "many.h"
#include "quantize.h"
#include "kernel/avx2/grid.h"
#include "kernel/formats.h"

enum { SLAB_Q8K_AVX512 = SLAB_AVX2 / 256 /* blocks, one for each lane */ };

enum {
    FEW_Q8K_AVX512 = 16, /* tokens for which weights are unpacked once */
    ROOM_Q8K_AVX512 = 16 /* slabs of tokens that are kept in the order of the weights */
};

/* Adds a slab of `count` blocks, `at` bytes into the rows w, to the sums of four rows: d * xscale *
 * dot (- dmin * xscale * low); x: its tokens, `slabs` apart. Fetched meanwhile: of one token what
 * follows `ahead`, of more what is `next` bytes behind the rows. */
INLINE_AVX512 void slab_q8k_avx512(enum dtype type, int T, const uint8_t *const w[4],
                                   const int64_t at[4], int count,
                                   const struct token_four_avx512 *x, int64_t slabs,
                                   const uint8_t *ahead, int64_t next, __m128 *sum)
{
    __mmask16 live = (__mmask16)(0xFFFFu >> (16 - 4 * count));
    int64_t bytes = block_bytes_q8k_avx512(type);
    __m512i dot[FEW_Q8K_AVX512][2][2];
    struct heads_avx512 h;

    heads_four_avx512(type, w, at, &h);
    for (int i = 0; i < 4; i++) { /* [pair][two rows] */
        struct pair_four_avx512 pair;
        int p = i / 2, r = i % 2 * 2;
        if (T == 1) /* a stream */
            fetch_avx512(ahead + 4 * i * bytes, 4 * bytes);
        for (int k = 0; k < 2 && T > 1; k++)
            fetch_avx512(w[r + k] + at[2 * p] + next, 2 * bytes);
        if (2 * p >= count) {
            for (int t = 0; t < T; t++)
                dot[t][p][i % 2] = _mm512_setzero_si512();
            continue;
        }
        unpack_pair_avx512(type, w + r, at[2 * p], at[2 * p + 1],
                           (const __m512i(*)[2])h.scale + r, p, &pair);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            dot[t][p][i % 2] = products_pair_avx512(type, &pair, x[t * slabs].q[p]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        const struct token_four_avx512 *token = &x[t * slabs];
        __m512i all = sum_pairs_avx512(type, (const __m512i(*)[2])dot[t]);
        __m512i low = minima_four_avx512(type, &h, token);
        __m512 acc;
        __m256 two;
        if (offset_q8k_avx512(type))
            all = _mm512_sub_epi32(all, low);
        acc = _mm512_maskz_fmadd_ps(live, _mm512_cvtepi32_ps(all),
                                    _mm512_mul_ps(h.d, token->scale), _mm512_setzero_ps());
        if (!offset_q8k_avx512(type))
            acc = _mm512_mask3_fnmadd_ps(_mm512_cvtepi32_ps(low),
                                         _mm512_mul_ps(h.dmin, token->scale), acc, live);
        two = _mm256_add_ps(_mm512_castps512_ps256(acc), _mm512_extractf32x8_ps(acc, 1));
        sum[t] = _mm_add_ps(sum[t], _mm_add_ps(_mm256_castps256_ps128(two),
                                               _mm256_extractf128_ps(two, 1)));
    }
}

/* Any number of rows and up to 16 tokens, as many columns as there is room for, added to y or
 * (first) written. */
INLINE_AVX512 void part_q8k_avx512(enum dtype type, int T, bool first, int64_t rows,
                                   int64_t blocks, const uint8_t *w, int64_t w_stride,
                                   const struct operand_q8k_avx512 *token, float *y,
                                   int64_t y_stride)
{
    struct token_four_avx512 x[ROOM_Q8K_AVX512];
    int64_t slabs = (blocks + SLAB_Q8K_AVX512 - 1) / SLAB_Q8K_AVX512;
    int64_t bytes = block_bytes_q8k_avx512(type);

    for (int t = 0; t < T; t++)
        for (int64_t b = 0; b < blocks; b += SLAB_Q8K_AVX512)
            token_four_k_avx512(type, token[t].q + 256 * b, token[t].scale + b,
                                token[t].sum + 16 * b, (int)pi_min(blocks - b, SLAB_Q8K_AVX512),
                                &x[t * slabs + b / SLAB_Q8K_AVX512]);
    for (int64_t r = 0; r < rows; r += 4, w += 4 * w_stride) {
        __mmask8 live = (__mmask8)((1u << pi_min(rows - r, 4)) - 1);
        const uint8_t *ahead = w + 4 * w_stride + AHEAD_AVX512;
        const uint8_t *row[4];
        __m128 sum[FEW_Q8K_AVX512];
        for (int i = 0; i < 4; i++)
            row[i] = w + pi_min(i, rows - r - 1) * w_stride;
        for (int t = 0; t < T; t++)
            sum[t] = first ? _mm_setzero_ps() : _mm_maskz_loadu_ps(live, y + t * y_stride + r);
        for (int64_t b = 0; b < blocks; b += SLAB_Q8K_AVX512) {
            int count = (int)pi_min(blocks - b, SLAB_Q8K_AVX512);
            int64_t at[SLAB_Q8K_AVX512];
#pragma GCC unroll 4
            for (int i = 0; i < SLAB_Q8K_AVX512; i++)
                at[i] = (b + pi_min(i, count - 1)) * bytes;
            slab_q8k_avx512(type, T, row, at, count, x + b / SLAB_Q8K_AVX512, slabs,
                            ahead + 4 * b * bytes, 8 * w_stride, sum);
        }
        for (int t = 0; t < T; t++)
            _mm_mask_storeu_ps(y + t * y_stride + r, live, sum[t]);
    }
}

/* dot of up to 16 tokens. */
INLINE_AVX512 void few_q8k_avx512(enum dtype type, int T, int64_t rows, int64_t cols,
                                  const uint8_t *w, int64_t w_stride, const uint8_t *x,
                                  int64_t x_stride, float *y, int64_t y_stride)
{
    int64_t most = ROOM_Q8K_AVX512 / T * SLAB_Q8K_AVX512;

    for (int64_t b = 0; rows > 0 && b < cols / 256; b += most) {
        struct operand_q8k_avx512 token[FEW_Q8K_AVX512];
        for (int t = 0; t < T; t++) {
            token[t] = operand_q8k_avx512(x + t * x_stride, cols);
            token[t].q += 256 * b;
            token[t].scale += b;
            token[t].sum += 16 * b;
        }
        part_q8k_avx512(type, T, b == 0, rows, pi_min(cols / 256 - b, most),
                        w + b * block_bytes_q8k_avx512(type), w_stride, token, y, y_stride);
    }
}

enum { TOKENS_Q8K_AVX512 = 4 /* of a tile */ };

INLINE_AVX512 __m512i two_words_avx512(const int16_t *at)
{
    int32_t two;

    memcpy(&two, at, 4);
    return _mm512_set1_epi32(two);
}

/* acc = d * xscale * dot (- dmin * xscale * low), for block b of the slab, 32 rows and 4 tokens;
 * span: dwords of a group. */
INLINE_AVX512 void block_panel_q8k_avx512(int span, bool has_min, const struct panel_avx512 *p,
                                          const struct operand_q8k_avx512 *x, int64_t b,
                                          __m512 acc[2][TOKENS_Q8K_AVX512])
{
    const __m512i zero = _mm512_setzero_si512(), *w = p->word[b][0];
    const __m512 *d = (const __m512 *)(const void *)(w + 88);
    __m512i dot[2][TOKENS_Q8K_AVX512], low[2][TOKENS_Q8K_AVX512], part[2][TOKENS_Q8K_AVX512];

#pragma GCC unroll 8
    for (int n = 0; n < 2 * TOKENS_Q8K_AVX512; n++)
        dot[n % 2][n / 2] = low[n % 2][n / 2] = zero;
    for (int i = 0; i < 64; i += span) {
#pragma GCC unroll 8
        for (int j = i; j < i + span; j++)
#pragma GCC unroll 4
            for (int t = 0; t < TOKENS_Q8K_AVX512; t++) {
                int32_t four;
                memcpy(&four, x[t].q + 256 * b + 4 * j, 4);
                for (int g = 0; g < 2; g++)
                    part[g][t] = _mm512_dpbusd_epi32(j == i ? zero : part[g][t],
                                                     w[g * CHUNK_WORDS_AVX2 + j],
                                                     _mm512_set1_epi32(four));
            }
#pragma GCC unroll 8
        for (int n = 0; n < 2 * TOKENS_Q8K_AVX512; n++) {
            int g = n % 2, t = n / 2;
            __m512i scale =
                _mm512_srai_epi32(w[g * CHUNK_WORDS_AVX2 + 64 + i / 4], 16);
            dot[g][t] = _mm512_add_epi32(dot[g][t], _mm512_mullo_epi32(part[g][t], scale));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
#pragma GCC unroll 8
        for (int n = 0; n < 2 * TOKENS_Q8K_AVX512; n++)
            low[n % 2][n / 2] = _mm512_dpwssd_epi32(
                low[n % 2][n / 2], w[n % 2 * CHUNK_WORDS_AVX2 + 80 + i],
                two_words_avx512(x[n / 2].sum + 16 * b + 2 * i));
#pragma GCC unroll 8
    for (int n = 0; n < 2 * TOKENS_Q8K_AVX512; n++) {
        int g = n % 2, t = n / 2;
        __m512 scale = _mm512_set1_ps(x[t].scale[b]);
        if (!has_min)
            dot[g][t] = _mm512_sub_epi32(dot[g][t], low[g][t]);
        acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][t]),
                                    _mm512_mul_ps(d[g * CHUNK_WORDS_AVX2], scale),
                                    _mm512_setzero_ps());
        if (has_min)
            acc[g][t] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(low[g][t]),
                                         _mm512_mul_ps(d[g * CHUNK_WORDS_AVX2 + 1], scale),
                                         acc[g][t]);
    }
}

/* A slab's sums for 32 rows and 4 tokens, of which `live` exist, added to y or (first) written:
 * lane j of the other engine is block j here. */
#define TILE(name, span)                                                                          \
    static void tile_q8k_##name##_avx512(const struct format_avx512 *f,                           \
                                         const struct panel_avx512 *p,                            \
                                         const struct operand_q8k_avx512 *x, int64_t blocks,      \
                                         bool first, int64_t rows, int64_t live, float *y,        \
                                         int64_t y_stride)                                        \
    {                                                                                             \
        __m512 acc[SLAB_Q8K_AVX512][2][TOKENS_Q8K_AVX512];                                        \
        memset(acc, 0, sizeof acc);                                                               \
        for (int64_t b = 0; b < blocks; b++)                                                      \
            block_panel_q8k_avx512(span, f->has_min, p, x, b, acc[b]);                            \
        for (int t = 0; t < TOKENS_Q8K_AVX512 && t < live; t++)                                   \
            for (int g = 0; g < 2; g++)                                                           \
                put_avx512(_mm512_add_ps(_mm512_add_ps(acc[0][g][t], acc[2][g][t]),               \
                                         _mm512_add_ps(acc[1][g][t], acc[3][g][t])),              \
                           first, rows - 16 * g, y + t * y_stride + 16 * g);                      \
    }
TILE(narrow, 4)
TILE(wide, 8)
#undef TILE

/* dot of more tokens; see kernel.h. */
static void many_q8k_avx512(const struct format_avx512 *f, int64_t rows, int64_t cols,
                            const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                            int64_t x_stride, float *y, int64_t y_stride)
{
    struct panel_avx512 p;

    for (int64_t r = 0; m > 0 && r < rows; r += 32)
        for (int64_t first = 0; first < cols / 256; first += SLAB_Q8K_AVX512) {
            int64_t blocks = pi_min(cols / 256 - first, SLAB_Q8K_AVX512);
            fill_avx512(&p, f, w + r * w_stride + first * f->bytes, w_stride,
                        pi_min(rows - r, 32), 256 * blocks);
            for (int64_t t = 0; t < m; t += TOKENS_Q8K_AVX512) {
                struct operand_q8k_avx512 row[TOKENS_Q8K_AVX512];
                for (int i = 0; i < TOKENS_Q8K_AVX512; i++) {
                    row[i] = operand_q8k_avx512(x + pi_min(t + i, m - 1) * x_stride, cols);
                    row[i].q += 256 * first;
                    row[i].scale += first;
                    row[i].sum += 16 * first;
                }
                (f->wide ? tile_q8k_wide_avx512 : tile_q8k_narrow_avx512)(
                    f, &p, row, blocks, first == 0, rows - r, m - t, y + t * y_stride + r,
                    y_stride);
            }
        }
}

/* part -= the minima's scale times the sum of minima and of activations at `sums`; gives what
 * follows the minima. */
INLINE_AVX512 const __m512i *minima_many_avx512(int pairs, const __m512i *w,
                                                const uint8_t *const *x, int64_t sums, int64_t b,
                                                __m512 part[2][TOKENS_MANY_AVX512])
{
    __m512i sum[2][TOKENS_MANY_AVX512];

#pragma GCC unroll 8
    for (int i = 0; i < pairs; i++)
#pragma GCC unroll 6
        for (int t = 0; t < TOKENS_MANY_AVX512; t++) {
            int32_t two;
            memcpy(&two, x[t] + sums + 4 * (pairs * b + i), 4);
            for (int g = 0; g < 2; g++)
                sum[g][t] = _mm512_dpwssd_epi32(i ? sum[g][t] : _mm512_setzero_si512(),
                                                w[g * HALF_MANY_AVX512 + i],
                                                _mm512_set1_epi32(two));
        }
#pragma GCC unroll 12
    for (int i = 0; i < 2 * TOKENS_MANY_AVX512; i++)
        part[i % 2][i / 2] = _mm512_fnmadd_ps(
            _mm512_cvtepi32_ps(sum[i % 2][i / 2]),
            _mm512_castsi512_ps(w[i % 2 * HALF_MANY_AVX512 + pairs]), part[i % 2][i / 2]);
    return w + pairs + 1;
}

/* y += xscale * (sum of scale * sum over groups (less their minima)), for each block of 256. */
INLINE_AVX512 void tile_many_q8k_avx512(int span, bool has_min, const struct panel_many_avx512 *p,
                                        const uint8_t *x, int64_t n, int64_t live, bool first,
                                        int64_t rows, float *y, int64_t y_stride)
{
    enum { ALL = 2 * TOKENS_MANY_AVX512 };
    const __m512i *w = p->half[0];
    const uint8_t *at[TOKENS_MANY_AVX512];
    __m512 part[2][TOKENS_MANY_AVX512];
    __m512i sum[2][TOKENS_MANY_AVX512];

    tokens_many_avx512(at, x, token_many_avx512(256, n), live, y, y_stride);
    for (int64_t b = 0; b < n / 256; b++) {
#pragma GCC unroll 12
        for (int i = 0; i < ALL; i++)
            part[i % 2][i / 2] = _mm512_setzero_ps();
#pragma GCC unroll 1
        for (int i = 0; i < 64; i += span, w += span + 2) {
            sums_many_avx512(span, w, at, 256 * b + 4 * i, sum);
#pragma GCC unroll 12
            for (int j = 0; j < ALL; j++)
                part[j % 2][j / 2] = _mm512_fmadd_ps(
                    _mm512_cvtepi32_ps(sum[j % 2][j / 2]),
                    _mm512_castsi512_ps(w[j % 2 * HALF_MANY_AVX512 + span + 1]),
                    part[j % 2][j / 2]);
        }
        if (has_min)
            w = minima_many_avx512(32 / span, w, at, n + n / 64 + (span == 8 ? n / 8 : 0), b,
                                   part);
#pragma GCC unroll 12
        for (int j = 0; j < ALL; j++) {
            float scale;
            memcpy(&scale, at[j / 2] + n + 4 * b, 4);
            part[j % 2][j / 2] = _mm512_mul_ps(part[j % 2][j / 2], _mm512_set1_ps(scale));
        }
        put_many_avx512(part, first && b == 0, rows, live, y, y_stride);
    }
}

#define TILE(name, span, has_min)                                                                 \
    static void tile_many_##name##_avx512(const struct panel_many_avx512 *p, const uint8_t *x,    \
                                          int64_t n, int64_t live, bool first, int64_t rows,      \
                                          float *y, int64_t y_stride)                             \
    {                                                                                             \
        tile_many_q8k_avx512(span, has_min, p, x, n, live, first, rows, y, y_stride);             \
    }
TILE(narrow, 4, false)
TILE(wide, 8, false)
TILE(narrow_min, 4, true)
TILE(wide_min, 8, true)
#undef TILE

INLINE_AVX512 tile_many_avx512_fn *choose_many_q8k_avx512(bool wide, bool has_min)
{
    if (wide)
        return has_min ? tile_many_wide_min_avx512 : tile_many_wide_avx512;
    return has_min ? tile_many_narrow_min_avx512 : tile_many_narrow_avx512;
}

static PI_PACK_MANY(pack_many_q8k_avx512)
{
    for (int64_t from = 0; from < n; from += SLAB_MANY_AVX512) {
        int64_t some = pi_min(n - from, SLAB_MANY_AVX512), bytes = token_many_avx512(256, some);
        uint8_t *slab = y + m * token_many_avx512(256, from);

        for (int64_t t = first; t < last; t++) {
            uint8_t *q = slab + t * bytes, *sums = q + some + some / 64;
            for (int64_t b = 0; b < some / 256; b++) {
                const float *v = x + (t - first) * x_stride + from + 256 * b;
                float scale, factor = factor_avx512(v, 256, &scale);
                int16_t sum[16], twice[8];

                for (int i = 0; i < 16; i++)
                    sum[i] = (int16_t)_mm512_reduce_add_epi32(
                        bytes_many_avx512(q + 256 * b + 16 * i, v + 16 * i, factor));
                for (int i = 0; i < 8; i++)
                    twice[i] = (int16_t)(sum[2 * i] + sum[2 * i + 1]);
                memcpy(q + some + 4 * b, &scale, 4);
                memcpy(sums + 32 * b, sum, sizeof sum);
                memcpy(sums + some / 8 + 16 * b, twice, sizeof twice);
            }
        }
    }
}

/* Both engines, when there are chunk and few. */
#define ENGINES(format, bytes_, offset_, has_min_, wide_, panel_)                                 \
    INLINE_AVX512 struct format_avx512 format_##format##_avx512(void)                             \
    {                                                                                             \
        return (struct format_avx512){ .chunk = chunk_##format##_avx512, .block = 256,            \
                                       .bytes = (int)(bytes_), .offset = offset_,                 \
                                       .has_min = has_min_, .wide = wide_ };                      \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx512)                                                          \
    {                                                                                             \
        const struct format_avx512 f = format_##format##_avx512();                                \
        if (m < (panel_) || rows < PANEL_LEAST_AVX512)                                 \
            few_##format##_avx512(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);          \
        else                                                                                      \
            many_q8k_avx512(&f, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);            \
    }                                                                                             \
    static PI_DOT_MANY(dot_many_##format##_avx512)                                                \
    {                                                                                             \
        const struct format_avx512 f = format_##format##_avx512();                                \
        dot_many_avx512(&f, choose_many_q8k_avx512(f.wide, f.has_min), rows, cols, w, w_stride,   \
                        m, x, y, y_stride, scratch);                                              \
    }

#define DOT(format, TYPE, kind, block_, panel)                                                    \
    static void chunk_##format##_avx512(struct chunk_avx2 *to, const uint8_t *w)                  \
    {                                                                                             \
        chunk_q8k_avx2(TYPE, offset_q8k_avx512(TYPE), to, w);                                     \
    }                                                                                             \
    static PI_DOT(one_##format##_avx512)                                                          \
    {                                                                                             \
        (void)m;                                                                                  \
        few_q8k_avx512(TYPE, 1, rows, cols, w, w_stride, x, x_stride, y, y_stride);               \
    }                                                                                             \
    static PI_DOT(some_##format##_avx512)                                                         \
    {                                                                                             \
        for (int64_t t = 0; t < m; t += FEW_Q8K_AVX512)                                           \
            few_q8k_avx512(TYPE, (int)pi_min(m - t, FEW_Q8K_AVX512), rows, cols, w, w_stride,     \
                           x + t * x_stride, x_stride, y + t * y_stride, y_stride);               \
    }                                                                                             \
    /* apart, so that its frame does not lie under that of many */                                \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                                \
    {                                                                                             \
        (m == 1 ? one_##format##_avx512 : some_##format##_avx512)(rows, cols, w, w_stride, m, x,  \
                                                                  x_stride, y, y_stride);         \
    }                                                                                             \
    ENGINES(format, block_bytes_q8k_avx512(TYPE), offset_q8k_avx512(TYPE),                        \
            offset_q8k_avx512(TYPE) == 0, wide_q8k_avx512(TYPE), FEW_Q8K_AVX512 + 1)

PI_Q8K_FORMATS(DOT)

/* Few tokens of the formats of grid.h. */
#define FEW(format, TYPE, grid)                                                                   \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                                \
    {                                                                                             \
        few_grid_avx512(TYPE, grid, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);        \
    }

FEW(iq2_xxs, DTYPE_IQ2_XXS, pi_grids_scalar.iq2_xxs)
FEW(iq2_xs, DTYPE_IQ2_XS, pi_grids_scalar.iq2_xs)
FEW(iq2_s, DTYPE_IQ2_S, pi_grids_scalar.iq2_s)
FEW(iq3_xxs, DTYPE_IQ3_XXS, pi_grids_scalar.iq3_xxs)
FEW(iq3_s, DTYPE_IQ3_S, pi_grids_scalar.iq3_s)
FEW(iq1_s, DTYPE_IQ1_S, pi_grids_scalar.iq1_s)
FEW(iq1_m, DTYPE_IQ1_M, pi_grids_scalar.iq1_s)
FEW(tq1_0, DTYPE_TQ1_0, NULL)
FEW(tq2_0, DTYPE_TQ2_0, NULL)

#define DOT_GRID(format, TYPE, kind, block_, panel)                                               \
    static void chunk_##format##_avx512(struct chunk_avx2 *to, const uint8_t *w)                  \
    {                                                                                             \
        chunk_grid_avx2(read_##format##_avx2, 7, to, w);                                          \
    }                                                                                             \
    ENGINES(format, pi_dtype(TYPE).bytes, 7, false, false, PANEL_TOKENS_AVX512)

PI_GRID_FORMATS(DOT_GRID)

#undef DOT_GRID
#undef DOT
#undef ENGINES

void pi_dot_q8k_avx512(struct kernels *k)
{
#define SET(format, TYPE, kind, block, panel)   \
    k->dot[TYPE] = dot_##format##_avx512;       \
    k->dot_many[TYPE] = dot_many_##format##_avx512;
    PI_Q8K_FORMATS(SET)
    PI_GRID_FORMATS(SET)
#undef SET

    k->pack_many[OPERAND_Q8K] = pack_many_q8k_avx512;
}
