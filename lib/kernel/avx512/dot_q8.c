/* dot_q8.c - dot of the formats with blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4).
 *
 * A format is two small functions: quants() makes unsigned bytes of two blocks in natural order,
 * scales() sixteen floats. Two engines take them. Few tokens: a group of 16 blocks is
 * multiplied by VNNI and folded so that lane b holds the integer sum of block b, for one
 * multiply-add per group; weights stream once for four tokens. Many tokens: 32 rows of a slab are
 * transposed so that lanes are rows, and stay in the cache for all tokens. Both add the floats of
 * one (row, token) in one order, so that results do not depend on the engine: per slab lane j sums
 * blocks j, j+16, ... and sum_lanes adds the lanes, slabs in turn.
 *
 * Formats with signed values are stored with an offset: the integer sum less offset times
 * the sum of the activations, all exact.
 */
#include "block.h"

enum {
    GROUP_Q8_AVX512 = 16,
    SLAB_Q8_AVX512 = 32 /* blocks: a panel of 32 rows takes 40 KiB of stack */
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

/* One row and T tokens. */
INLINE_AVX512 void row_q8_avx512(enum dtype type, int T, const uint8_t *w, int64_t cols,
                                 const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
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
        if (b < last)
            step_q8_avx512(type, T, w + b * bytes, row, b, (int)(last - b), acc);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            sum[t] += sum_lanes_avx512(acc[t]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum[t];
}

/* 16 or 32 rows of a slab, ready for all tokens. */
struct panel_q8_avx512 {
    uint8_t q[SLAB_Q8_AVX512 * 8][2][64]; /* four weights of 16 rows each */
    float scale[SLAB_Q8_AVX512][2][16], min[SLAB_Q8_AVX512][2][16];
} __attribute__((aligned(64)));

/* Unpacks 16 rows; those past the last repeat the first. */
INLINE_AVX512 void panel_q8_avx512(enum dtype type, struct panel_q8_avx512 *p, int half,
                                   const uint8_t *w, int64_t w_stride, int64_t rows,
                                   int64_t blocks)
{
    int64_t bytes = block_bytes_q8_avx512(type);
    int count = (int)pi_min(rows, 16);

    for (int64_t b = 0; b < blocks; b += 2) {
        const uint8_t *at = w + b * bytes;
        int64_t second = b + 1 < blocks ? bytes : 0;
        __m512i q[16];
        for (int r = 0; r < 16; r++) {
            const uint8_t *row = at + (r < count ? r * w_stride : 0);
            _mm_prefetch((const char *)row + 4 * bytes, _MM_HINT_T0);
            q[r] = quants_q8_avx512(type, row, row + second);
        }
        transpose_avx512(q);
        for (int i = 0; i < 16; i++)
            _mm512_store_si512(p->q[8 * b + i][half], q[i]);
        for (int64_t i = b; i < b + 1 + (second != 0); i++) {
            _mm512_store_ps(p->scale[i][half],
                            scales_q8_avx512(type, w + i * bytes, w_stride, count));
            if (has_min_q8_avx512(type))
                _mm512_store_ps(p->min[i][half],
                                mins_q8_avx512(type, w + i * bytes, w_stride, count));
        }
    }
}

/* The operands of up to six tokens in one slab. */
struct tokens_q8_avx512 {
    const uint8_t *q[6];
    const float *scale[6];
    int32_t start[6][SLAB_Q8_AVX512] __attribute__((aligned(64))); /* -offset * sum */
    float scaled[6][SLAB_Q8_AVX512] __attribute__((aligned(64)));  /* scale * sum */
};

static void tokens_q8_avx512(struct tokens_q8_avx512 *k, int offset, const uint8_t *x,
                             int64_t x_stride, int m, int64_t cols, int64_t first, int64_t blocks)
{
    for (int t = 0; t < m; t++) {
        struct operand_q8_avx512 row = operand_q8_avx512(x + t * x_stride, cols);
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

/* acc[g][t] += the floats of block b for G * 16 rows and T tokens. */
INLINE_AVX512 void block_q8_avx512(int G, int T, bool has_min, const struct panel_q8_avx512 *p,
                                   const struct tokens_q8_avx512 *k, int64_t b, __m512 acc[2][6])
{
    __m512i sum[2][6];

#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 2
        for (int g = 0; g < G; g++)
            sum[g][t] = _mm512_set1_epi32(k->start[t][b]);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
#pragma GCC unroll 6
        for (int t = 0; t < T; t++) {
            int32_t four;
            memcpy(&four, k->q[t] + 32 * b + 4 * i, 4);
#pragma GCC unroll 2
            for (int g = 0; g < G; g++)
                sum[g][t] = _mm512_dpbusd_epi32(sum[g][t], _mm512_load_si512(p->q[8 * b + i][g]),
                                                _mm512_set1_epi32(four));
        }
#pragma GCC unroll 6
    for (int t = 0; t < T; t++)
#pragma GCC unroll 2
        for (int g = 0; g < G; g++) {
            __m512 scale =
                _mm512_mul_ps(_mm512_load_ps(p->scale[b][g]), _mm512_set1_ps(k->scale[t][b]));
            acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[g][t]), scale, acc[g][t]);
            if (has_min)
                acc[g][t] = _mm512_fmadd_ps(_mm512_load_ps(p->min[b][g]),
                                            _mm512_set1_ps(k->scaled[t][b]), acc[g][t]);
        }
}

/* A slab's sums for G * 16 rows and T tokens, added to y or (first) written. Lane j of the other
 * engine is turn j here; turns come in the order that lets the tree of sum_lanes be added up
 * with one pending sum per level. */
INLINE_AVX512 void tile_q8_avx512(int G, int T, bool has_min, const struct panel_q8_avx512 *p,
                                  const struct tokens_q8_avx512 *k, int64_t blocks, bool first,
                                  int64_t rows, float *y, int64_t y_stride)
{
    static const int8_t order[GROUP_Q8_AVX512] = { 0, 8, 4, 12, 2, 10, 6, 14,
                                                   1, 9, 5, 13, 3, 11, 7, 15 };
    __m512 pending[4][2][6], acc[2][6];

    for (int turn = 0; turn < GROUP_Q8_AVX512; turn++) {
#pragma GCC unroll 12
        for (int i = 0; i < G * T; i++)
            acc[i % G][i / G] = _mm512_setzero_ps();
        for (int64_t b = order[turn]; b < blocks; b += GROUP_Q8_AVX512)
            block_q8_avx512(G, T, has_min, p, k, b, acc);
        int level = 0;
        for (; turn >> level & 1; level++)
#pragma GCC unroll 12
            for (int i = 0; i < G * T; i++)
                acc[i % G][i / G] = _mm512_add_ps(pending[level][i % G][i / G], acc[i % G][i / G]);
        if (turn < GROUP_Q8_AVX512 - 1)
#pragma GCC unroll 12
            for (int i = 0; i < G * T; i++)
                pending[level][i % G][i / G] = acc[i % G][i / G];
    }
#pragma GCC unroll 12
    for (int i = 0; i < G * T; i++) {
        int g = i % G, t = i / G;
        int64_t left = pi_max(0, pi_min(rows - 16 * g, 16));
        __mmask16 live = (__mmask16)((1u << left) - 1);
        float *at = y + t * y_stride + 16 * g;
        if (!first)
            acc[g][t] = _mm512_add_ps(_mm512_maskz_loadu_ps(live, at), acc[g][t]);
        _mm512_mask_storeu_ps(at, live, acc[g][t]);
    }
}

typedef void tile_q8_avx512_fn(const struct panel_q8_avx512 *p, const struct tokens_q8_avx512 *k,
                               int64_t blocks, bool first, int64_t rows, float *y,
                               int64_t y_stride);

#define TILE(G, T, name, has_min)                                                                 \
    static void tile_##name##_##G##x##T##_avx512(                                                 \
        const struct panel_q8_avx512 *p, const struct tokens_q8_avx512 *k, int64_t blocks,        \
        bool first, int64_t rows, float *y, int64_t y_stride)                                     \
    {                                                                                             \
        tile_q8_avx512(G, T, has_min, p, k, blocks, first, rows, y, y_stride);                    \
    }
#define TILES(T)                                                                                  \
    TILE(1, T, plain, false)                                                                      \
    TILE(2, T, plain, false)                                                                      \
    TILE(1, T, min, true)                                                                         \
    TILE(2, T, min, true)
TILES(1)
TILES(2)
TILES(4)
TILES(6)
#undef TILE
#undef TILES

/* All tokens of one slab of up to 32 rows. */
static void sweep_q8_avx512(const struct panel_q8_avx512 *p, bool has_min, int offset,
                            int64_t rows, int64_t cols, int64_t first, int64_t blocks, int64_t m,
                            const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
#define ROW(name, G)                                                                              \
    { tile_##name##_##G##x1_avx512, tile_##name##_##G##x2_avx512, tile_##name##_##G##x4_avx512,   \
      tile_##name##_##G##x6_avx512 }
    static tile_q8_avx512_fn *const tiles[2][2][4] = { { ROW(plain, 1), ROW(plain, 2) },
                                                       { ROW(min, 1), ROW(min, 2) } };
#undef ROW
    static const int sizes[4] = { 1, 2, 4, 6 };
    struct tokens_q8_avx512 k;

    for (int64_t t = 0; t < m;) {
        int64_t left = m - t;
        int size = left >= 6 ? 3 : left >= 4 ? 2 : left >= 2 ? 1 : 0;
        tokens_q8_avx512(&k, offset, x + t * x_stride, x_stride, sizes[size], cols, first, blocks);
        tiles[has_min][rows > 16][size](p, &k, blocks, first == 0, rows, y + t * y_stride,
                                        y_stride);
        t += sizes[size];
    }
}

/* From this many tokens on, transposing the weights pays. */
enum { PANEL_TOKENS_Q8_AVX512 = 8, PANEL_ROWS_Q8_AVX512 = 8 };

INLINE_AVX512 void many_q8_avx512(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                                  int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                  float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8_avx512(type);
    struct panel_q8_avx512 p;

    for (int64_t first = 0; first < cols / 32; first += SLAB_Q8_AVX512) {
        int64_t blocks = pi_min(cols / 32 - first, SLAB_Q8_AVX512);
        for (int half = 0; half < 1 + (rows > 16); half++)
            panel_q8_avx512(type, &p, half, w + half * 16 * w_stride + first * bytes, w_stride,
                            rows - 16 * half, blocks);
        sweep_q8_avx512(&p, has_min_q8_avx512(type), offset_q8_avx512(type), rows, cols, first,
                        blocks, m, x, x_stride, y, y_stride);
    }
}

INLINE_AVX512 void few_q8_avx512(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                                 int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                 float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;
        for (; t + 4 <= m; t += 4)
            row_q8_avx512(type, 4, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
        if (t + 2 <= m) {
            row_q8_avx512(type, 2, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
            t += 2;
        }
        if (t < m)
            row_q8_avx512(type, 1, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                          y_stride);
    }
}

#define DOT(format, TYPE)                                                                         \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                                \
    {                                                                                             \
        few_q8_avx512(TYPE, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);                \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx512)                                                          \
    {                                                                                             \
        if (m < PANEL_TOKENS_Q8_AVX512 || rows < PANEL_ROWS_Q8_AVX512) {                          \
            few_##format##_avx512(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);          \
            return;                                                                               \
        }                                                                                         \
        for (int64_t r = 0; r < rows; r += 32)                                                    \
            many_q8_avx512(TYPE, pi_min(rows - r, 32), cols, w + r * w_stride, w_stride, m, x,    \
                           x_stride, y + r, y_stride);                                            \
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
}
