/* dot_q8.c - dot of the formats with blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4).
 *
 * Few tokens: four.h. Four blocks of four rows are unpacked for all tokens, multiplied by VNNI and
 * folded into 16 integer sums, lanes [block][row], for one multiply-add; weights stream once for
 * four tokens. Many tokens: panel.h. Both add the floats of one (row, token) in one order, so that
 * results do not depend on the engine: lane k of a slab sums blocks k, k+4, ...; what is left at
 * the end of a row ends with lane 3; lanes as (0+2) + (1+3), slabs in turn.
 *
 * Formats with signed values are stored with an offset: the integer sum less offset times
 * the sum of the activations, all exact.
 */
#include "four.h"
#include "many.h"
#include "quantize.h"
#include "kernel/formats.h"

enum {
    FOUR_AVX512 = 4,                   /* blocks, rows and tokens at once */
    SLAB_Q8_AVX512 = SLAB_AVX2 / 32,   /* blocks */
    PANEL_Q8_AVX512 = 13               /* tokens from which transposing the weights pays */
};

/* The parts of an operand row. */
struct operand_q8_avx512 {
    const uint8_t *q;
    const float *scale;
    const int32_t *sum;
};

INLINE_AVX512 struct operand_q8_avx512 operand_q8_avx512(const uint8_t *x, int64_t cols)
{
    return (struct operand_q8_avx512){
        x, (const float *)(const void *)(x + pi_operand_scales(cols)),
        (const int32_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8, cols))
    };
}

/* acc[t], lanes [block][row], += scale * xscale * sum (+ min * xscale * xsum) of four blocks; lanes
 * that are not live stay. */
INLINE_AVX512 void step_q8_avx512(enum dtype type, int T, const uint8_t *const w[4],
                                  const struct operand_q8_avx512 *x, int64_t block,
                                  __mmask16 live, __m512 *acc)
{
    const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    int64_t bytes = block_bytes_q8_avx512(type);
    __m512 scale = scales_four_avx512(type, w, block), min = scale;
    __m512i low[4], high[4];

    if (has_min_q8_avx512(type))
        min = mins_four_avx512(type, w, block);
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        quants_four_avx512(type, w[r] + block * bytes, &low[r], &high[r]);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m512i q0 = _mm512_loadu_si512(x[t].q + 32 * block);
        __m512i q1 = _mm512_loadu_si512(x[t].q + 32 * block + 64), sum, xsum, dot[4];
        __m512i first = _mm512_shuffle_i32x4(q0, q1, 0x88);
        __m512i second = _mm512_shuffle_i32x4(q0, q1, 0xDD);
        __m512 xscale = _mm512_castps128_ps512(_mm_loadu_ps(x[t].scale + block));
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            dot[r] = _mm512_dpbusd_epi32(
                _mm512_dpbusd_epi32(_mm512_setzero_si512(), low[r], first), high[r], second);
        sum = fold_four_avx512(type, dot);
        xscale = _mm512_permutexvar_ps(each, xscale);
        xsum = _mm512_permutexvar_epi32(
            each, _mm512_castsi128_si512(
                      _mm_loadu_si128((const __m128i *)(const void *)(x[t].sum + block))));
        if (offset_q8_avx512(type))
            sum = _mm512_sub_epi32(sum,
                                   _mm512_slli_epi32(xsum, (unsigned)offset_q8_avx512(type)));
        acc[t] = _mm512_mask3_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, xscale),
                                       acc[t], live);
        if (has_min_q8_avx512(type))
            acc[t] = _mm512_mask3_fmadd_ps(min, _mm512_mul_ps(xscale, _mm512_cvtepi32_ps(xsum)),
                                           acc[t], live);
    }
}

/* (0+2) + (1+3) for each row, of lanes [block][row] */
INLINE_AVX512 __m128 sum_blocks_q8_avx512(__m512 v)
{
    __m256 two = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));

    return _mm_add_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
}

/* Rows of fewer than four blocks, filled up with zeros. */
static void fill_up_q8_avx512(const uint8_t *w[4], uint8_t (*room)[FOUR_AVX512 * 34], size_t bytes)
{
    memset(room, 0, 4 * sizeof room[0]);
    for (int r = 0; r < 4; r++) {
        memcpy(room[r], w[r], bytes);
        w[r] = room[r];
    }
}

/* dot of one, two or up to four tokens. */
struct few_q8_avx512 {
    dot_fn *one, *two, *four;
};

/* y[t][0..4) = the products of four rows of four blocks or more with T tokens, of which `live` rows
 * and tokens exist; ahead: the weights that follow. */
INLINE_AVX512 void four_q8_avx512(enum dtype type, int T, const uint8_t *const w[4],
                                  int64_t blocks, const struct operand_q8_avx512 *x,
                                  const uint8_t *ahead, __mmask8 live, int64_t tokens, float *y,
                                  int64_t y_stride)
{
    int bytes = FOUR_AVX512 * (int)block_bytes_q8_avx512(type);
    __m128 sum[4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        sum[t] = _mm_setzero_ps();
    for (int64_t first = 0; first < blocks; first += SLAB_Q8_AVX512) {
        int64_t last = pi_min(blocks, first + SLAB_Q8_AVX512), b = first;
        __mmask16 all = 0xFFFF;
        __m512 acc[4];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_setzero_ps();
        for (; b < last; b += FOUR_AVX512) {
            int64_t at = pi_min(b, last - FOUR_AVX512); /* the last block ends the step */
            fetch_avx512(ahead + 4 * b / FOUR_AVX512 * bytes, 4 * bytes);
            step_q8_avx512(type, T, w, x, at, (__mmask16)(all << 4 * (b - at)), acc);
        }
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            sum[t] = _mm_add_ps(sum[t], sum_blocks_q8_avx512(acc[t]));
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        if (t < tokens)
            _mm_mask_storeu_ps(y + t * y_stride, live, sum[t]);
}

/* Any number of rows and T tokens, of which m exist. */
INLINE_AVX512 void rows_q8_avx512(enum dtype type, int T, int64_t rows, int64_t cols,
                                  const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                                  int64_t x_stride, float *y, int64_t y_stride)
{
    uint8_t room[4][FOUR_AVX512 * 34];
    int64_t blocks = pi_max(cols / 32, FOUR_AVX512);
    struct operand_q8_avx512 token[4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        token[t] = operand_q8_avx512(x + pi_min(t, m - 1) * x_stride, cols);
    for (int64_t r = 0; r < rows; r += 4, w += 4 * w_stride) {
        const uint8_t *row[4], *ahead = w + 4 * w_stride + AHEAD_AVX512;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            row[i] = w + pi_min(i, rows - r - 1) * w_stride;
        if (cols < 32 * FOUR_AVX512)
            fill_up_q8_avx512(row, room, (size_t)(cols / 32 * block_bytes_q8_avx512(type)));
        four_q8_avx512(type, T, row, blocks, token, ahead,
                       (__mmask8)((1u << pi_min(rows - r, 4)) - 1), m, y + r, y_stride);
    }
}

/* dot of few tokens, four at a time. */
static void few_q8_avx512(const struct few_q8_avx512 *f, int64_t rows, int64_t cols,
                          const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                          int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t t = 0; t < m; t += 4)
        (m - t > 2 ? f->four : m - t > 1 ? f->two : f->one)(
            rows, cols, w, w_stride, m - t, x + t * x_stride, x_stride, y + t * y_stride,
            y_stride);
}

enum { TOKENS_Q8_AVX512 = 6 /* of a tile */ };

/* The operands of a tile in one slab. */
struct tokens_q8_avx512 {
    int32_t start[TOKENS_Q8_AVX512][SLAB_Q8_AVX512]; /* -offset * sum */
    float scaled[TOKENS_Q8_AVX512][SLAB_Q8_AVX512];  /* scale * sum */
    const uint8_t *q[TOKENS_Q8_AVX512];
    const float *scale[TOKENS_Q8_AVX512];
    int64_t shift; /* lane of the first of the last blocks, fewer than four */
} __attribute__((aligned(64)));

static void tokens_q8_avx512(struct tokens_q8_avx512 *k, int offset, const uint8_t *x,
                             int64_t x_stride, int64_t m, int64_t cols, int64_t first,
                             int64_t blocks)
{
    k->shift = cols < 32 * FOUR_AVX512 ? 0 : (4 - blocks % 4) % 4;
    for (int t = 0; t < TOKENS_Q8_AVX512; t++) {
        struct operand_q8_avx512 row =
            operand_q8_avx512(x + pi_min(t, m - 1) * x_stride, cols);
        k->q[t] = row.q + 32 * first;
        k->scale[t] = row.scale + first;
        for (int64_t b = 0; b < blocks; b += 16) {
            __m512i sum = _mm512_load_si512(row.sum + first + b);
            __m512i start =
                _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, (unsigned)offset));
            if (!offset)
                start = _mm512_setzero_si512();
            _mm512_store_si512(k->start[t] + b, start);
            _mm512_store_ps(k->scaled[t] + b, _mm512_mul_ps(_mm512_load_ps(row.scale + first + b),
                                                            _mm512_cvtepi32_ps(sum)));
        }
    }
}

/* acc[g][t] += the floats of block b for 32 rows and T tokens. */
INLINE_AVX512 void block_q8_avx512(int T, bool has_min, const struct panel_avx512 *p,
                                   const struct tokens_q8_avx512 *k, int64_t b,
                                   __m512 acc[2][TOKENS_Q8_AVX512])
{
    const __m512i *w = p->word[b / 8][0] + b % 8 * 8;
    const __m512 *scale = (const __m512 *)(const void *)(p->word[b / 8][0] + 64 + b % 8);
    __m512i sum[2][TOKENS_Q8_AVX512];

#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        sum[0][t] = sum[1][t] = _mm512_set1_epi32(k->start[t][b]);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            int32_t four;
            memcpy(&four, k->q[t] + 32 * b + 4 * i, 4);
            sum[0][t] = _mm512_dpbusd_epi32(sum[0][t], w[i], _mm512_set1_epi32(four));
            sum[1][t] = _mm512_dpbusd_epi32(sum[1][t], w[CHUNK_WORDS_AVX2 + i],
                                            _mm512_set1_epi32(four));
        }
#pragma GCC unroll 12
    for (int i = 0; i < 2 * T; i++) {
        int g = i % 2, t = i / 2;
        __m512 both =
            _mm512_mul_ps(scale[g * CHUNK_WORDS_AVX2], _mm512_set1_ps(k->scale[t][b]));
        acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[g][t]), both, acc[g][t]);
    }
    if (!has_min)
        return;
#pragma GCC unroll 12
    for (int i = 0; i < 2 * T; i++)
        acc[i % 2][i / 2] =
            _mm512_fmadd_ps(scale[i % 2 * CHUNK_WORDS_AVX2 + 8],
                            _mm512_set1_ps(k->scaled[i / 2][b]), acc[i % 2][i / 2]);
}

/* A slab's sums for 32 rows and T tokens, of which `live` exist, added to y or (first) written.
 * Lane k of the other engine is a turn here; turns come in the order that lets the tree of
 * sum_blocks be added up with one pending sum per level. */
INLINE_AVX512 void tile_q8_avx512(int T, bool has_min, const struct panel_avx512 *p,
                                  const struct tokens_q8_avx512 *k, int64_t blocks, bool first,
                                  int64_t rows, int64_t live, float *y, int64_t y_stride)
{
    static const int8_t order[FOUR_AVX512] = { 0, 2, 1, 3 };
    __m512 pending[2][2][TOKENS_Q8_AVX512], acc[2][TOKENS_Q8_AVX512];
    int64_t whole = blocks / 4 * 4, shift = k->shift;

    for (int turn = 0; turn < FOUR_AVX512; turn++) {
        int64_t b = order[turn];
        int level = 0;
#pragma GCC unroll 12
        for (int i = 0; i < 2 * T; i++)
            acc[i % 2][i / 2] = _mm512_setzero_ps();
        for (; b < whole; b += FOUR_AVX512)
            block_q8_avx512(T, has_min, p, k, b, acc);
        if (b >= whole + shift && b - shift < blocks)
            block_q8_avx512(T, has_min, p, k, b - shift, acc);
        for (; turn >> level & 1; level++)
#pragma GCC unroll 12
            for (int i = 0; i < 2 * T; i++)
                acc[i % 2][i / 2] = _mm512_add_ps(pending[level][i % 2][i / 2], acc[i % 2][i / 2]);
        if (turn < FOUR_AVX512 - 1)
#pragma GCC unroll 12
            for (int i = 0; i < 2 * T; i++)
                pending[level][i % 2][i / 2] = acc[i % 2][i / 2];
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
        if (t < live) {
            put_avx512(acc[0][t], first, rows, y + t * y_stride);
            put_avx512(acc[1][t], first, rows - 16, y + t * y_stride + 16);
        }
}

typedef void tile_q8_avx512_fn(bool has_min, const struct panel_avx512 *p,
                               const struct tokens_q8_avx512 *k, int64_t blocks, bool first,
                               int64_t rows, int64_t live, float *y, int64_t y_stride);

#define TILE(T)                                                                                   \
    static void tile_q8_##T##_avx512(bool has_min, const struct panel_avx512 *p,                  \
                                     const struct tokens_q8_avx512 *k, int64_t blocks,            \
                                     bool first, int64_t rows, int64_t live, float *y,            \
                                     int64_t y_stride)                                            \
    {                                                                                             \
        tile_q8_avx512(T, has_min, p, k, blocks, first, rows, live, y, y_stride);                 \
    }
TILE(2)
TILE(4)
TILE(6)
#undef TILE

/* dot of more tokens; see kernel.h. */
static void many_q8_avx512(const struct format_avx512 *f, int64_t rows, int64_t cols,
                           const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                           int64_t x_stride, float *y, int64_t y_stride)
{
    struct panel_avx512 p;
    struct tokens_q8_avx512 k;

    for (int64_t r = 0; r < rows; r += 32)
        for (int64_t first = 0; first < cols / 32; first += SLAB_Q8_AVX512) {
            int64_t blocks = pi_min(cols / 32 - first, SLAB_Q8_AVX512), step;
            fill_avx512(&p, f, w + r * w_stride + first * f->bytes, w_stride,
                        pi_min(rows - r, 32), 32 * blocks);
            for (int64_t t = 0; t < m; t += step) {
                /* sixes, but 8 and 10 are 4 + 4 and 6 + 4 */
                int64_t left = m - t;
                tile_q8_avx512_fn *tile = tile_q8_6_avx512;
                step = 6;
                if (left <= 2)
                    tile = tile_q8_2_avx512, step = 2;
                else if (left <= 4 || left == 7 || left == 8)
                    tile = tile_q8_4_avx512, step = 4;
                tokens_q8_avx512(&k, f->offset, x + t * x_stride, x_stride, left, cols, first,
                                 blocks);
                tile(f->has_min, &p, &k, blocks, first == 0, rows - r, left, y + t * y_stride + r,
                     y_stride);
            }
        }
}

/* acc += scale * (xscale * sum) (+ min * xscaled), for each block of 32. */
INLINE_AVX512 void tile_many_q8_avx512(bool has_min, const struct panel_many_avx512 *p,
                                       const uint8_t *x, int64_t n, int64_t live, bool first,
                                       int64_t rows, float *y, int64_t y_stride)
{
    const uint8_t *at[TOKENS_MANY_AVX512];
    __m512 acc[2][TOKENS_MANY_AVX512];

    tokens_many_avx512(at, x, token_many_avx512(32, n), live, y, y_stride);
#pragma GCC unroll 12
    for (int i = 0; i < 2 * TOKENS_MANY_AVX512; i++)
        acc[i % 2][i / 2] = _mm512_setzero_ps();
    for (int64_t b = 0; b < n / 32; b++) {
        const __m512i *w[2] = { p->half[0] + b * (10 + has_min),
                                p->half[1] + b * (10 + has_min) };
        __m512i sum[2][TOKENS_MANY_AVX512];

        sums_many_avx512(8, w[0], at, 32 * b, sum);
#pragma GCC unroll 12
        for (int i = 0; i < 2 * TOKENS_MANY_AVX512; i++) {
            int g = i % 2, t = i / 2;
            float scale;
            memcpy(&scale, at[t] + n + 4 * b, 4);
            acc[g][t] = _mm512_fmadd_ps(
                _mm512_mul_ps(_mm512_cvtepi32_ps(sum[g][t]), _mm512_set1_ps(scale)),
                _mm512_castsi512_ps(w[g][9]), acc[g][t]);
        }
#pragma GCC unroll 12
        for (int i = 0; has_min && i < 2 * TOKENS_MANY_AVX512; i++) {
            float scaled;
            memcpy(&scaled, at[i / 2] + n + n / 8 + 4 * b, 4);
            acc[i % 2][i / 2] = _mm512_fmadd_ps(_mm512_castsi512_ps(w[i % 2][10]),
                                                _mm512_set1_ps(scaled), acc[i % 2][i / 2]);
        }
    }
    put_many_avx512(acc, first, rows, live, y, y_stride);
}

static void tile_many_q8_plain_avx512(const struct panel_many_avx512 *p, const uint8_t *x,
                                      int64_t n, int64_t live, bool first, int64_t rows, float *y,
                                      int64_t y_stride)
{
    tile_many_q8_avx512(false, p, x, n, live, first, rows, y, y_stride);
}

static void tile_many_q8_min_avx512(const struct panel_many_avx512 *p, const uint8_t *x,
                                    int64_t n, int64_t live, bool first, int64_t rows, float *y,
                                    int64_t y_stride)
{
    tile_many_q8_avx512(true, p, x, n, live, first, rows, y, y_stride);
}

/* The factors 127 / a of `count` blocks, as factor_avx512() has them, and their scales. */
INLINE_AVX512 __m512 factors_many_avx512(const float *x, int count, __m512 *scale)
{
    const __m512i plain = _mm512_set1_epi32(0x7FFFFFFF), infinity = _mm512_set1_epi32(0x7F800000);
    const __m512 most = _mm512_set1_ps(127);
    __m512i v[16];
    __m512 a;
    __mmask16 bad, none;

    for (int i = 0; i < 16; i++) {
        __m512i low = _mm512_loadu_si512(x + 32 * pi_min(i, count - 1));
        __m512i high = _mm512_loadu_si512(x + 32 * pi_min(i, count - 1) + 16);
        v[i] = _mm512_max_epu32(_mm512_and_si512(low, plain), _mm512_and_si512(high, plain));
    }
    transpose_avx512(v);
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++)
        v[0] = _mm512_max_epu32(v[0], v[i]);
    a = _mm512_castsi512_ps(v[0]);
    bad = _mm512_cmpge_epu32_mask(v[0], infinity);
    none = bad | _mm512_cmp_ps_mask(a, _mm512_set1_ps(PI_PACK_TINY), _CMP_LT_OQ);
    *scale = _mm512_maskz_div_ps((__mmask16)~none, a, most);
    *scale = _mm512_mask_mov_ps(*scale, bad, _mm512_set1_ps(NAN));
    return _mm512_maskz_div_ps((__mmask16)~none, most, a);
}

/* Up to 16 blocks: their bytes, scales, and scales times the sums of the bytes. */
INLINE_AVX512 void pack_blocks_avx512(uint8_t *q, uint8_t *scales, uint8_t *scaled,
                                      const float *x, int count)
{
    __mmask16 live = (__mmask16)((1u << count) - 1);
    float factor[16];
    __m512i sum[16];
    __m512 scale;

    _mm512_storeu_ps(factor, factors_many_avx512(x, count, &scale));
    for (int i = 0; i < 16; i++) {
        int b = (int)pi_min(i, count - 1);
        sum[i] = _mm512_add_epi32(
            bytes_many_avx512(q + 32 * b, x + 32 * b, factor[b]),
            bytes_many_avx512(q + 32 * b + 16, x + 32 * b + 16, factor[b]));
    }
    transpose_avx512(sum);
#pragma GCC unroll 16
    for (int i = 1; i < 16; i++)
        sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    _mm512_mask_storeu_ps(scales, live, scale);
    _mm512_mask_storeu_ps(scaled, live, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum[0])));
}

static PI_PACK_MANY(pack_many_q8_avx512)
{
    for (int64_t from = 0; from < n; from += SLAB_MANY_AVX512) {
        int64_t some = pi_min(n - from, SLAB_MANY_AVX512), bytes = token_many_avx512(32, some);
        uint8_t *slab = y + m * token_many_avx512(32, from);

        for (int64_t t = first; t < last; t++) {
            uint8_t *q = slab + t * bytes, *scales = q + some, *scaled = scales + some / 8;
            const float *v = x + (t - first) * x_stride + from;
            for (int64_t i = 0; i < some; i += 16 * 32)
                pack_blocks_avx512(q + i, scales + i / 8, scaled + i / 8, v + i,
                                   (int)pi_min(16, (some - i) / 32));
        }
    }
}

#define ROWS(name, TYPE, T)                                                                       \
    static PI_DOT(name)                                                                           \
    {                                                                                             \
        rows_q8_avx512(TYPE, T, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);            \
    }
#define DOT(format, TYPE, kind, block_, panel)                                                    \
    ROWS(one_##format##_avx512, TYPE, 1)                                                          \
    ROWS(two_##format##_avx512, TYPE, 2)                                                          \
    ROWS(four_##format##_avx512, TYPE, 4)                                                         \
    static void chunk_##format##_avx512(struct chunk_avx2 *to, const uint8_t *w)                  \
    {                                                                                             \
        chunk_q8_avx2(TYPE, offset_q8_avx512(TYPE), to, w);                                       \
    }                                                                                             \
    INLINE_AVX512 struct format_avx512 format_##format##_avx512(void)                             \
    {                                                                                             \
        return (struct format_avx512){ .chunk = chunk_##format##_avx512, .block = 32,             \
                                       .bytes = (int)block_bytes_q8_avx512(TYPE),                 \
                                       .offset = offset_q8_avx512(TYPE),                          \
                                       .has_min = has_min_q8_avx512(TYPE) };                      \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx512)                                                          \
    {                                                                                             \
        const struct few_q8_avx512 few = { one_##format##_avx512, two_##format##_avx512,          \
                                           four_##format##_avx512 };                              \
        const struct format_avx512 f = format_##format##_avx512();                                \
        if (m < PANEL_Q8_AVX512 || rows < PANEL_LEAST_AVX512)                                     \
            few_q8_avx512(&few, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);            \
        else                                                                                      \
            many_q8_avx512(&f, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);             \
    }                                                                                             \
    static PI_DOT_MANY(dot_many_##format##_avx512)                                                \
    {                                                                                             \
        const struct format_avx512 f = format_##format##_avx512();                                \
        dot_many_avx512(&f, f.has_min ? tile_many_q8_min_avx512 : tile_many_q8_plain_avx512, rows,\
                        cols, w, w_stride, m, x, y, y_stride, scratch);                           \
    }

PI_Q8_FORMATS(DOT)

#undef DOT
#undef ROWS

void pi_dot_q8_avx512(struct kernels *k)
{
    memset(k->dot_many, 0, sizeof k->dot_many);

#define SET(format, TYPE, kind, block, panel)   \
    k->dot[TYPE] = dot_##format##_avx512;       \
    k->dot_many[TYPE] = dot_many_##format##_avx512;
    PI_Q8_FORMATS(SET)
#undef SET

    k->pack_many[OPERAND_Q8] = pack_many_q8_avx512;
    k->many_tokens = 24;
}
