/* dot_q8.c - dot of the formats with blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4).
 *
 * A format is two small functions: quants() makes unsigned bytes of two blocks in natural order,
 * scales() sixteen floats. Few tokens: a group of 16 blocks is multiplied by VNNI and folded so
 * that lane b holds the integer sum of block b, for one multiply-add per group; weights stream
 * once for four tokens. Many tokens: panel.h. Both add the floats of one (row, token) in one
 * order, so that results do not depend on the engine: per slab lane j sums blocks j, j+16, ...
 * and sum_lanes adds the lanes, slabs in turn.
 *
 * Formats with signed values are stored with an offset: the integer sum less offset times
 * the sum of the activations, all exact.
 */
#include "many.h"
#include "quantize.h"

enum { GROUP_Q8_AVX512 = 16, SLAB_Q8_AVX512 = SLAB_AVX2 / 32 /* blocks */ };

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

/* Neighbouring lanes added: per 128 bits (a0+a1, a2+a3, b0+b1, b2+b3). Sums of 4-bit and 5-bit
 * weights fit 16 bits so far (31 * 127 * 8), which saves half of the shuffles. */
INLINE_AVX512 __m512i add_pairs_q8_avx512(enum dtype type, bool even, __m512i a, __m512i b)
{
    if (type == DTYPE_Q8_0 || type == DTYPE_IQ4_NL)
        return even ? add_even_avx512(a, b) : add_odd_avx512(a, b);
    return _mm512_madd_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(1));
}

/* sum[t], lane b = integer sum of block b, of `count` blocks at w with those of T tokens. */
INLINE_AVX512 void group_q8_avx512(enum dtype type, int T, const uint8_t *w,
                                   const struct operand_q8_avx512 *x, int64_t block, int count,
                                   __m512i *sum)
{
    const __m512i natural =
        _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    const __m512i zero = _mm512_setzero_si512();
    int64_t bytes = block_bytes_q8_avx512(type);
    __m512i half[2][4], quarter[2][4];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const uint8_t *at = w + 4 * i * bytes;
        __m512i a = zero, b = zero;
        if (4 * i < count)
            a = quants_q8_avx512(type, at, 4 * i + 1 < count ? at + bytes : at);
        if (4 * i + 2 < count)
            b = quants_q8_avx512(type, at + 2 * bytes, 4 * i + 3 < count ? at + 3 * bytes : at);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            const uint8_t *q = x[t].q + 32 * block + 128 * i;
            __m512i da = zero, db = zero;
            if (4 * i < count)
                da = _mm512_dpbusd_epi32(zero, a, _mm512_load_si512(q));
            if (4 * i + 2 < count)
                db = _mm512_dpbusd_epi32(zero, b, _mm512_load_si512(q + 64));
            quarter[i % 2][t] = add_pairs_q8_avx512(type, false, da, db);
            if (i % 2)
                half[i / 2][t] = add_pairs_q8_avx512(type, true, quarter[0][t], quarter[1][t]);
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        sum[t] = _mm512_permutexvar_epi32(
            natural, _mm512_add_epi32(_mm512_shuffle_i32x4(half[0][t], half[1][t], 0x88),
                                      _mm512_shuffle_i32x4(half[0][t], half[1][t], 0xDD)));
}

/* Adds a group's floats to the lanes: acc += scale * xscale * sum (+ min * xscale * xsum). */
INLINE_AVX512 void step_q8_avx512(enum dtype type, int T, const uint8_t *w,
                                  const struct operand_q8_avx512 *x, int64_t block, int count,
                                  __m512 *acc)
{
    __mmask16 live = (__mmask16)((1u << count) - 1);
    int64_t bytes = block_bytes_q8_avx512(type);
    __m512 scale = scales_q8_avx512(type, w, bytes, count), min = _mm512_setzero_ps();
    __m512i sum[4];

    if (has_min_q8_avx512(type))
        min = mins_q8_avx512(type, w, bytes, count);
    group_q8_avx512(type, T, w, x, block, count, sum);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m512 xscale = _mm512_load_ps(x[t].scale + block);
        __m512i xsum = _mm512_load_si512(x[t].sum + block);
        if (offset_q8_avx512(type))
            sum[t] = _mm512_sub_epi32(sum[t],
                                      _mm512_slli_epi32(xsum, (unsigned)offset_q8_avx512(type)));
        acc[t] = _mm512_mask3_fmadd_ps(_mm512_cvtepi32_ps(sum[t]), _mm512_mul_ps(scale, xscale),
                                       acc[t], live);
        if (has_min_q8_avx512(type))
            acc[t] = _mm512_mask3_fmadd_ps(min, _mm512_mul_ps(xscale, _mm512_cvtepi32_ps(xsum)),
                                           acc[t], live);
    }
}

/* The last blocks of a row, fewer than a group. */
typedef __m512 last_q8_avx512_fn(const uint8_t *w, const struct operand_q8_avx512 *x,
                                 int64_t block, int count, __m512 acc);

/* One row and T tokens. */
INLINE_AVX512 void row_q8_avx512(enum dtype type, int T, last_q8_avx512_fn *rest,
                                 const uint8_t *w, int64_t cols, const uint8_t *x,
                                 int64_t x_stride, float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8_avx512(type), blocks = cols / 32;
    struct operand_q8_avx512 row[4];
    float sum[4] = { 0 };

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        row[t] = operand_q8_avx512(x + t * x_stride, cols);
    for (int64_t first = 0; first < blocks; first += SLAB_Q8_AVX512) {
        int64_t last = pi_min(blocks, first + SLAB_Q8_AVX512), b = first;
        __m512 acc[4];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_setzero_ps();
        for (; b + GROUP_Q8_AVX512 <= last; b += GROUP_Q8_AVX512) {
            prefetch_avx512(w + b * bytes, (int)bytes * GROUP_Q8_AVX512);
            step_q8_avx512(type, T, w + b * bytes, row, b, GROUP_Q8_AVX512, acc);
        }
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            if (b < last)
                acc[t] = rest(w + b * bytes, &row[t], b, (int)(last - b), acc[t]);
            sum[t] += sum_lanes_avx512(acc[t]);
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum[t];
}

enum { TOKENS_Q8_AVX512 = 6 /* of a tile */ };

/* The operands of a tile in one slab. */
struct tokens_q8_avx512 {
    int32_t start[TOKENS_Q8_AVX512][SLAB_Q8_AVX512]; /* -offset * sum */
    float scaled[TOKENS_Q8_AVX512][SLAB_Q8_AVX512];  /* scale * sum */
    const uint8_t *q[TOKENS_Q8_AVX512];
    const float *scale[TOKENS_Q8_AVX512];
} __attribute__((aligned(64)));

static void tokens_q8_avx512(struct tokens_q8_avx512 *k, int offset, const uint8_t *x,
                             int64_t x_stride, int64_t m, int64_t cols, int64_t first,
                             int64_t blocks)
{
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
 * Lane j of the other engine is turn j here; turns come in the order that lets the tree of
 * sum_lanes be added up with one pending sum per level. */
INLINE_AVX512 void tile_q8_avx512(int T, bool has_min, const struct panel_avx512 *p,
                                  const struct tokens_q8_avx512 *k, int64_t blocks, bool first,
                                  int64_t rows, int64_t live, float *y, int64_t y_stride)
{
    static const int8_t order[GROUP_Q8_AVX512] = { 0, 8, 4, 12, 2, 10, 6, 14,
                                                   1, 9, 5, 13, 3, 11, 7, 15 };
    __m512 pending[4][2][TOKENS_Q8_AVX512], acc[2][TOKENS_Q8_AVX512];

    for (int turn = 0; turn < GROUP_Q8_AVX512; turn++) {
        int level = 0;
#pragma GCC unroll 12
        for (int i = 0; i < 2 * T; i++)
            acc[i % 2][i / 2] = _mm512_setzero_ps();
        for (int64_t b = order[turn]; b < blocks; b += GROUP_Q8_AVX512)
            block_q8_avx512(T, has_min, p, k, b, acc);
        for (; turn >> level & 1; level++)
#pragma GCC unroll 12
            for (int i = 0; i < 2 * T; i++)
                acc[i % 2][i / 2] = _mm512_add_ps(pending[level][i % 2][i / 2], acc[i % 2][i / 2]);
        if (turn < GROUP_Q8_AVX512 - 1)
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

INLINE_AVX512 void few_q8_avx512(enum dtype type, last_q8_avx512_fn *last, int64_t rows,
                                 int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                                 const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;
        for (; t + 4 <= m; t += 4)
            row_q8_avx512(type, 4, last, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
        if (t + 2 <= m) {
            row_q8_avx512(type, 2, last, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
            t += 2;
        }
        if (t < m)
            row_q8_avx512(type, 1, last, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
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
#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_MANY_AVX512; t++)
        if (t < live) {
            put_avx512(acc[0][t], first, rows, y + t * y_stride);
            put_avx512(acc[1][t], first, rows - 16, y + t * y_stride + 16);
        }
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

static PI_PACK_MANY(pack_many_q8_avx512)
{
    for (int64_t from = 0; from < n; from += SLAB_MANY_AVX512) {
        int64_t some = pi_min(n - from, SLAB_MANY_AVX512), bytes = token_many_avx512(32, some);
        uint8_t *slab = y + m * token_many_avx512(32, from);

        for (int64_t t = first; t < last; t++) {
            uint8_t *q = slab + t * bytes;
            for (int64_t b = 0; b < some / 32; b++) {
                const float *v = x + t * x_stride + from + 32 * b;
                float scale, factor = factor_avx512(v, 32, &scale), scaled;
                __m512i low = bytes_many_avx512(q + 32 * b, v, factor),
                        high = bytes_many_avx512(q + 32 * b + 16, v + 16, factor);

                scaled = scale * (float)_mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
                memcpy(q + some + 4 * b, &scale, 4);
                memcpy(q + some + some / 8 + 4 * b, &scaled, 4);
            }
        }
    }
}

#define DOT(format, TYPE)                                                                         \
    static __attribute__((noinline)) __m512 last_##format##_avx512(                               \
        const uint8_t *w, const struct operand_q8_avx512 *x, int64_t block, int count,            \
        __m512 acc)                                                                               \
    {                                                                                             \
        step_q8_avx512(TYPE, 1, w, x, block, count, &acc);                                        \
        return acc;                                                                               \
    }                                                                                             \
    static void chunk_##format##_avx512(struct chunk_avx2 *to, const uint8_t *w)                  \
    {                                                                                             \
        chunk_q8_avx2(TYPE, offset_q8_avx512(TYPE), to, w);                                       \
    }                                                                                             \
    /* apart, so that its frame does not lie under that of many */                                \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                                \
    {                                                                                             \
        few_q8_avx512(TYPE, last_##format##_avx512, rows, cols, w, w_stride, m, x, x_stride,      \
            y, y_stride);                                                                         \
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
        const struct format_avx512 f = format_##format##_avx512();                                \
        if (m < PANEL_TOKENS_AVX512 || rows < PANEL_LEAST_AVX512)                                 \
            few_##format##_avx512(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);          \
        else                                                                                      \
            many_q8_avx512(&f, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);             \
    }                                                                                             \
    static PI_DOT_MANY(dot_many_##format##_avx512)                                                \
    {                                                                                             \
        const struct format_avx512 f = format_##format##_avx512();                                \
        dot_many_avx512(&f, f.has_min ? tile_many_q8_min_avx512 : tile_many_q8_plain_avx512, rows,\
                        cols, w, w_stride, m, x, y, y_stride, scratch);                           \
    }

DOT(q4_0, DTYPE_Q4_0)
DOT(q4_1, DTYPE_Q4_1)
DOT(q5_0, DTYPE_Q5_0)
DOT(q5_1, DTYPE_Q5_1)
DOT(q8_0, DTYPE_Q8_0)
DOT(iq4_nl, DTYPE_IQ4_NL)
DOT(mxfp4, DTYPE_MXFP4)

#undef DOT

void pi_dot_q8_avx512(struct kernels *k)
{
    k->dot[DTYPE_Q4_0] = dot_q4_0_avx512;
    k->dot[DTYPE_Q4_1] = dot_q4_1_avx512;
    k->dot[DTYPE_Q5_0] = dot_q5_0_avx512;
    k->dot[DTYPE_Q5_1] = dot_q5_1_avx512;
    k->dot[DTYPE_Q8_0] = dot_q8_0_avx512;
    k->dot[DTYPE_IQ4_NL] = dot_iq4_nl_avx512;
    k->dot[DTYPE_MXFP4] = dot_mxfp4_avx512;
    memset(k->dot_many, 0, sizeof k->dot_many);
    k->dot_many[DTYPE_Q4_0] = dot_many_q4_0_avx512;
    k->dot_many[DTYPE_Q4_1] = dot_many_q4_1_avx512;
    k->dot_many[DTYPE_Q5_0] = dot_many_q5_0_avx512;
    k->dot_many[DTYPE_Q5_1] = dot_many_q5_1_avx512;
    k->dot_many[DTYPE_Q8_0] = dot_many_q8_0_avx512;
    k->dot_many[DTYPE_IQ4_NL] = dot_many_iq4_nl_avx512;
    k->dot_many[DTYPE_MXFP4] = dot_many_mxfp4_avx512;
    k->pack_many[OPERAND_Q8] = pack_many_q8_avx512;
    k->many_tokens = 24;
}
