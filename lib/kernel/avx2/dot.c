/* dot.c - dot of the quantised formats; dot_f.c has the others.
 *
 * VPMADDUBSW multiplies unsigned by signed bytes and adds pairs in 16 bits: unsigned formats fit,
 * signed ones of 8 bits take the absolute weight and carry its sign to the activation. Here is the
 * engine of few tokens, blocks folded so that a lane holds the exact sum of a block: two blocks of
 * 32 of four rows (four.h), or four of 256 of one row; lanes add blocks in turn, and are added
 * after every slab. panel.h is the engine of more tokens.
 */
#include "four.h"
#include "panel.h"
#include "grid.h"
#include "kernel/formats.h"

enum {
    FEW_AVX2 = 6,         /* tokens up to which transposing the weights does not pay */
    PANEL_LEAST_AVX2 = 8, /* rows that pay for it */
    AHEAD_AVX2 = 1024     /* bytes; what is fetched ahead of the next four rows */
};

/* 16 sums of two products: of w (signed, or not) with x. */
INLINE_AVX2 __m256i products_avx2(enum dtype type, __m256i w, __m256i x)
{
    if (is_signed_avx2(type))
        return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_maddubs_epi16(w, x);
}

/* Two dwords, each in four lanes. */
INLINE_AVX2 __m256i spread_two_avx2(const uint8_t *at)
{
    __m128i two = _mm_loadl_epi64((const __m128i *)(const void *)at);

    return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(two),
                                       _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

/* acc[t], lanes [block][row], += scale * xscale * sum (+ min * xscale * xsum) of two blocks of 32,
 * blocks b and b + 1 of the tokens. */
INLINE_AVX2 void step_q8_avx2(enum dtype type, int T, const uint8_t *const w[4], int64_t block,
                              const uint8_t *const x[2], int64_t cols, int64_t b, __m256 *acc)
{
    const uint8_t *const q[2] = { x[0] + 32 * (b - block), x[1] + 32 * (b - block) };
    __m256 scale = scales_four_avx2(type, w, block, 0), min = scale;
    __m256i sum[2];

    if (has_min_avx2(type))
        min = scales_four_avx2(type, w, block, 2);
    sums_four_avx2(type, T, w, block, q, sum);
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        const uint8_t *at = x[t] + 4 * b;
        __m256 xscale =
            _mm256_castsi256_ps(spread_two_avx2(at + pi_operand_scales(cols)));
        __m256i xsum = spread_two_avx2(at + pi_operand_sums(OPERAND_Q8, cols));
        if (offset_four_avx2(type))
            sum[t] = _mm256_sub_epi32(sum[t], _mm256_slli_epi32(xsum, offset_four_avx2(type)));
        acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t]), _mm256_mul_ps(scale, xscale), acc[t]);
        if (has_min_avx2(type))
            acc[t] = _mm256_fmadd_ps(min, _mm256_mul_ps(xscale, _mm256_cvtepi32_ps(xsum)), acc[t]);
    }
}

/* The last block of four rows, and one of zeros behind it. */
static void fill_up_avx2(const uint8_t *to[4], uint8_t room[4][2 * 34], const uint8_t *const w[4],
                         int64_t block, int64_t bytes)
{
    memset(room, 0, 4 * sizeof room[0]);
    for (int r = 0; r < 4; r++) {
        memcpy(room[r], w[r] + block * bytes, (size_t)bytes);
        to[r] = room[r];
    }
}

/* y[t][0..live) of four rows and T tokens; ahead: the weights that follow. */
INLINE_AVX2 void four_q8_avx2(enum dtype type, int T, const uint8_t *const w[4], int64_t cols,
                              const uint8_t *const x[2], const uint8_t *ahead, int64_t live,
                              float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_avx2(type), blocks = cols / 32, slab = SLAB_AVX2 / 32;
    uint8_t room[4][2 * 34];
    __m128 total[2] = { _mm_setzero_ps(), _mm_setzero_ps() };

    for (int64_t first = 0; first < blocks; first += slab) {
        int64_t end = pi_min(blocks, first + slab);
        __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
        for (int64_t b = first; b < end; b += 2) {
            const uint8_t *last[4], *const *at = w;
            int64_t block = b;
            if (b + 1 == end) {
                fill_up_avx2(last, room, w, b, bytes);
                at = last;
                block = 0;
            }
            prefetch_avx2(ahead + 4 * b * bytes - PREFETCH_AVX2, 8 * (int)bytes);
            step_q8_avx2(type, T, at, block, x, cols, b, acc);
        }
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            total[t] = _mm_add_ps(total[t], _mm_add_ps(_mm256_castps256_ps128(acc[t]),
                                                       _mm256_extractf128_ps(acc[t], 1)));
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        _mm_maskstore_ps(y + t * y_stride, _mm256_castsi256_si128(live_avx2(live)), total[t]);
}

/* Any number of rows and T tokens. */
INLINE_AVX2 void rows_q8_avx2(enum dtype type, int T, int64_t rows, int64_t cols, const uint8_t *w,
                              int64_t w_stride, const uint8_t *x, int64_t x_stride, float *y,
                              int64_t y_stride)
{
    const uint8_t *const token[2] = { x, x + (T - 1) * x_stride };

    for (int64_t r = 0; r < rows; r += 4, w += 4 * w_stride) {
        const uint8_t *row[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            row[i] = w + pi_min(i, rows - r - 1) * w_stride;
        four_q8_avx2(type, T, row, cols, token, w + 4 * w_stride + AHEAD_AVX2,
                     pi_min(rows - r, 4), y + r, y_stride);
    }
}

/* Scales of the two groups 32 * i on, for VPMADDWD. Where both are the same, which `pair` has side
 * by side, a load that spreads them costs less than a shuffle. */
INLINE_AVX2 __m256i scale_q8k_avx2(enum dtype type, __m256i groups, const int32_t *pair, int i)
{
    const __m256i pick = _mm256_setr_epi64x(0x0100010001000100, 0x0100010001000100,
                                            0x0302030203020302, 0x0302030203020302);
    __m256i four = i < 4 ? _mm256_permute4x64_epi64(groups, 0x44)
                         : _mm256_permute4x64_epi64(groups, 0xEE);

    if (type == DTYPE_Q4_K || type == DTYPE_Q5_K || type == DTYPE_IQ4_XS)
        return _mm256_set1_epi32(pair[i]);
    return _mm256_shuffle_epi8(four,
                               _mm256_add_epi8(pick, _mm256_set1_epi8((char)(i % 4 * 4))));
}

/* One block of 256 and T tokens: dot[t] holds parts of sum of group * q * xq, low[t] of sum of
 * low * xsum. */
INLINE_AVX2 void block_q8k_avx2(enum dtype type, int T, const uint8_t *w,
                                const uint8_t *const x[2], int64_t cols, int64_t block,
                                __m256i *dot, __m256i *low)
{
    __m256i minima, groups = groups_avx2(type, w, &minima), q[4];
    int32_t pair[8] __attribute__((aligned(32))); /* of groups of 16 */

    _mm256_store_si256((__m256i *)(void *)pair, groups);
    __asm__("" : "+m"(pair)); /* or the compiler takes them from the register */
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        dot[t] = low[t] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i scale = scale_q8k_avx2(type, groups, pair, i);
        if (i % 4 == 0)
            quants_q8k_avx2(type, w, i / 4, q);
#pragma GCC unroll 2
        for (int t = 0; t < T; t++) {
            __m256i xq = load_avx2(x[t] + 256 * block + 32 * i);
            dot[t] = _mm256_add_epi32(
                dot[t], _mm256_madd_epi16(products_avx2(type, q[i % 4], xq), scale));
            settle_avx2(&dot[t]);
        }
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        __m256i xsum = load_avx2(x[t] + pi_operand_sums(OPERAND_Q8K, cols) + 32 * block);
        if (has_min_avx2(type))
            low[t] = _mm256_madd_epi16(minima, xsum);
        if (offset_avx2(type))
            dot[t] = _mm256_sub_epi32(
                dot[t], _mm256_madd_epi16(_mm256_slli_epi16(groups, offset_avx2(type)), xsum));
    }
}

/* One block, the sums of token t at 4 * t; returns the bits of its scales. */
INLINE_AVX2 uint32_t lane_q8k_avx2(enum dtype type, int T, const uint8_t *w,
                                   const uint8_t *const x[2], int64_t cols, int64_t block,
                                   __m256i *dot, __m256i *low)
{
    __m256i sums[2], minima[2];

    block_q8k_avx2(type, T, w, x, cols, block, sums, minima);
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        dot[4 * t] = sums[t];
        low[4 * t] = minima[t];
    }
    return scale_bits_avx2(type, w);
}

/* Up to four blocks of a slab: acc = d * xscale * dot - dmin * xscale * low, added up. */
INLINE_AVX2 void step_q8k_avx2(enum dtype type, int T, const uint8_t *w, const uint8_t *const x[2],
                               int64_t cols, int64_t block, bool full, int count,
                               float *total)
{
    const __m128i halves = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    int64_t bytes = block_bytes_avx2(type);
    __m256i dot[2][4] = { 0 }, low[2][4] = { 0 };
    uint32_t bits[4] = { 0 };
    __m256 d;

    if (full) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            bits[k] = lane_q8k_avx2(type, T, w + k * bytes, x, cols, block + k, &dot[0][k],
                                    &low[0][k]);
    } else {
        for (int k = 0; k < count; k++)
            bits[k] = lane_q8k_avx2(type, T, w + k * bytes, x, cols, block + k, &dot[0][k],
                                    &low[0][k]);
    }
    d = _mm256_cvtph_ps(_mm_shuffle_epi8(
        _mm_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3]), halves));
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        __m128 xscale = _mm_load_ps(xscale_avx2(x[t], cols) + block);
        __m128 acc = _mm_fmadd_ps(_mm_cvtepi32_ps(fold_q8k_avx2(dot[t])),
                                  _mm_mul_ps(_mm256_castps256_ps128(d), xscale), _mm_setzero_ps());
        if (has_min_avx2(type))
            acc = _mm_fnmadd_ps(_mm_cvtepi32_ps(fold_q8k_avx2(low[t])),
                                _mm_mul_ps(_mm256_extractf128_ps(d, 1), xscale), acc);
        total[t] += sum_lanes_avx2(_mm256_zextps128_ps256(acc));
    }
}

/* The last blocks of a row, fewer than four. */
typedef void last_q8k_avx2_fn(const uint8_t *w, const uint8_t *x, int64_t cols, int64_t block,
                              int count, float *total);

/* One row and T tokens, blocks of 256. */
INLINE_AVX2 void row_q8k_avx2(enum dtype type, int T, last_q8k_avx2_fn *last, const uint8_t *w,
                              int64_t cols, const uint8_t *const x[2], float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_avx2(type), blocks = cols / 256, b = 0;
    float total[2] = { 0 };

    for (; b + 4 <= blocks; b += 4) {
        prefetch_avx2(w + b * bytes, (int)bytes * 4);
        step_q8k_avx2(type, T, w + b * bytes, x, cols, b, true, 4, total);
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        if (b < blocks)
            last(w + b * bytes, x[t], cols, b, (int)(blocks - b), &total[t]);
        y[t * y_stride] = total[t];
    }
}

#define FEW_q8(format, TYPE)                                                                      \
    static PI_DOT(few_##format##_avx2)                                                            \
    {                                                                                             \
        int64_t t = 0;                                                                            \
        for (; t + 2 <= m; t += 2)                                                                \
            rows_q8_avx2(TYPE, 2, rows, cols, w, w_stride, x + t * x_stride, x_stride,            \
                         y + t * y_stride, y_stride);                                             \
        if (t < m)                                                                                \
            rows_q8_avx2(TYPE, 1, rows, cols, w, w_stride, x + t * x_stride, x_stride,            \
                         y + t * y_stride, y_stride);                                             \
    }
#define FEW_q8k(format, TYPE)                                                                     \
    static __attribute__((noinline)) void last_##format##_avx2(                                   \
        const uint8_t *w, const uint8_t *x, int64_t cols, int64_t block, int count, float *total) \
    {                                                                                             \
        const uint8_t *const one[2] = { x };                                                      \
        step_q8k_avx2(TYPE, 1, w, one, cols, block, false, count, total);                         \
    }                                                                                             \
    static PI_DOT(few_##format##_avx2)                                                            \
    {                                                                                             \
        for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {                                  \
            for (int64_t t = 0; t < m; t += 2) {                                                  \
                const uint8_t *const two[2] = { x + t * x_stride, x + (t + 1) * x_stride };       \
                if (m - t > 1)                                                                    \
                    row_q8k_avx2(TYPE, 2, last_##format##_avx2, w, cols, two,                     \
                                 y + t * y_stride, y_stride);                                     \
                else                                                                              \
                    row_q8k_avx2(TYPE, 1, last_##format##_avx2, w, cols, two,                     \
                                 y + t * y_stride, y_stride);                                     \
            }                                                                                     \
        }                                                                                         \
    }

/* y[t][r]: few tokens row by row, which has less to prepare; more by panel.h */
#define DOT(format, TYPE, kind, block_, span_, offset_)                                           \
    FEW_##kind(format, TYPE)                                                                      \
    static void chunk_##format##_avx2(struct chunk_avx2 *to, const uint8_t *w)                    \
    {                                                                                             \
        chunk_##kind##_avx2(TYPE, offset_, to, w);                                                \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx2)                                                            \
    {                                                                                             \
        const struct format_avx2 f = { .chunk = chunk_##format##_avx2, .block = block_,           \
                                       .bytes = (int)block_bytes_avx2(TYPE), .span = span_,       \
                                       .offset = offset_, .has_min = has_min_avx2(TYPE) };        \
        if (m > FEW_AVX2 && rows >= PANEL_LEAST_AVX2)                                             \
            many_avx2(&f, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);                  \
        else                                                                                      \
            few_##format##_avx2(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);            \
    }

/*  format  type          kind  block  span  offset */
DOT(q4_0,   DTYPE_Q4_0,   q8,   32,    8,    3)
DOT(q4_1,   DTYPE_Q4_1,   q8,   32,    8,    0)
DOT(q5_0,   DTYPE_Q5_0,   q8,   32,    4,    4)
DOT(q5_1,   DTYPE_Q5_1,   q8,   32,    4,    0)
DOT(q8_0,   DTYPE_Q8_0,   q8,   32,    1,    0)
DOT(iq4_nl, DTYPE_IQ4_NL, q8,   32,    1,    0)
DOT(mxfp4,  DTYPE_MXFP4,  q8,   32,    4,    4)
DOT(q2_k,   DTYPE_Q2_K,   q8k,  256,   4,    0)
DOT(q3_k,   DTYPE_Q3_K,   q8k,  256,   4,    2)
DOT(q4_k,   DTYPE_Q4_K,   q8k,  256,   8,    0)
DOT(q5_k,   DTYPE_Q5_K,   q8k,  256,   4,    0)
DOT(q6_k,   DTYPE_Q6_K,   q8k,  256,   2,    5)
DOT(iq4_xs, DTYPE_IQ4_XS, q8k,  256,   1,    0)

/* y[t][r]: the same for the formats of grid.h */
#define DOT_GRID(format, TYPE, kind, block_, panel)                                               \
    static void chunk_##format##_avx2(struct chunk_avx2 *to, const uint8_t *w)                    \
    {                                                                                             \
        chunk_grid_avx2(read_##format##_avx2, 0, to, w);                                          \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx2)                                                            \
    {                                                                                             \
        const int64_t bytes = pi_dtype(TYPE).bytes;                                               \
        const struct format_avx2 f = { .chunk = chunk_##format##_avx2, .block = 256,              \
                                       .bytes = (int)bytes, .span = 1 };                          \
        if (m > 2 && rows >= PANEL_LEAST_AVX2) {                                                  \
            many_avx2(&f, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);                  \
            return;                                                                               \
        }                                                                                         \
        rows_grid_avx2(read_##format##_avx2, bytes, rows, cols, w, w_stride, m, x, x_stride, y,   \
                       y_stride);                                                                 \
    }

PI_GRID_FORMATS(DOT_GRID)

#undef DOT_GRID
#undef DOT
#undef FEW_q8
#undef FEW_q8k

void pi_dot_avx2(struct kernels *k)
{
#define SET(format, TYPE, kind, block, panel) k->dot[TYPE] = dot_##format##_avx2;
    PI_BLOCK_FORMATS(SET)
    PI_GRID_FORMATS(SET)
#undef SET
}
