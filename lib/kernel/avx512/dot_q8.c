/* dot_q8.c - dot of the formats with blocks of 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4).
 *
 * A format is two small functions: quants() makes unsigned bytes of two blocks in natural order,
 * scales() sixteen floats. Two engines take them. Few tokens: a group of 16 blocks is
 * multiplied by VNNI and folded so that lane b holds the integer sum of block b, for one multiply-add
 * per group; weights stream once for four tokens. Many tokens: 32 rows of a slab are transposed so
 * that lanes are rows, and stay in the cache for all tokens.
 * Both add the floats of one (row, token) in one order, so that results do not depend on the
 * engine: per slab lane j sums blocks j, j+16, ... and sum_lanes adds the lanes, slabs in turn.
 *
 * Formats with signed values are stored with an offset: the integer sum less offset times
 * the sum of the activations, all exact.
 */
#include "common.h"

enum { GROUP_Q8 = 16, SLAB_Q8 = 64 /* blocks: 32 rows of bytes fit in 64 KiB of stack */ };

INLINE_AVX512 int64_t block_bytes_q8(enum dtype type)
{
    return type == DTYPE_Q8_0 ? 34 : type == DTYPE_Q5_1 ? 24 : type == DTYPE_Q5_0 ? 22
           : type == DTYPE_Q4_1 ? 20 : type == DTYPE_MXFP4 ? 17 : 18;
}

/* log2 of the offset that quants() adds; 0: none */
INLINE_AVX512 int offset_q8(enum dtype type)
{
    return type == DTYPE_Q4_0 ? 3 : type == DTYPE_Q5_0 || type == DTYPE_MXFP4 ? 4
           : type == DTYPE_Q8_0 || type == DTYPE_IQ4_NL ? 7 : 0;
}

INLINE_AVX512 bool has_min_q8(enum dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1;
}

/* Low nibbles of 16 bytes at a, then high ones, then those at b. */
INLINE_AVX512 __m512i nibbles_avx512(const uint8_t *a, const uint8_t *b)
{
    const __m512i shift = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
    __m512i both = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)a));

    both = _mm512_mask_broadcast_i32x4(both, 0xFF00,
                                       _mm_loadu_si128((const __m128i *)(const void *)b));
    return _mm512_and_si512(_mm512_srlv_epi64(both, shift), _mm512_set1_epi8(15));
}

INLINE_AVX512 __m512i fifth_bits_q8(__m512i low, const uint8_t *a, const uint8_t *b)
{
    return _mm512_mask_add_epi8(low, pi_le32(a) | (uint64_t)pi_le32(b) << 32, low,
                                _mm512_set1_epi8(16));
}

/* 64 unsigned bytes: the blocks at a and at b, plus the offset. */
INLINE_AVX512 __m512i quants_q8(enum dtype type, const uint8_t *a, const uint8_t *b)
{
    /* the values of iq4_nl plus 128, of mxfp4 plus 16 */
    const __m512i iq4 = _mm512_broadcast_i32x4(_mm_setr_epi8(
        1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103, -90, -75, -59, -39, -15));
    const __m512i mxfp4 = _mm512_broadcast_i32x4(_mm_setr_epi8(
        16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));

    switch (type) {
    case DTYPE_Q4_0: return nibbles_avx512(a + 2, b + 2);
    case DTYPE_Q4_1: return nibbles_avx512(a + 4, b + 4);
    case DTYPE_Q5_0: return fifth_bits_q8(nibbles_avx512(a + 6, b + 6), a + 2, b + 2);
    case DTYPE_Q5_1: return fifth_bits_q8(nibbles_avx512(a + 8, b + 8), a + 4, b + 4);
    case DTYPE_IQ4_NL: return _mm512_shuffle_epi8(iq4, nibbles_avx512(a + 2, b + 2));
    case DTYPE_MXFP4: return _mm512_shuffle_epi8(mxfp4, nibbles_avx512(a + 1, b + 1));
    default: /* Q8_0: 128 added by flipping the sign bit */
        return _mm512_xor_si512(
            _mm512_inserti64x4(
                _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(a + 2))),
                _mm256_loadu_si256((const __m256i *)(const void *)(b + 2)), 1),
            _mm512_set1_epi8(-128));
    }
}

/* Halves at w, w + stride, ...: sixteen of them, for blocks in a row or rows apart; the last
 * `count` on repeat, so that nothing behind them is read. */
INLINE_AVX512 __m512 halves_q8(const uint8_t *w, int64_t stride, int count)
{
#define AT(i) (short)pi_le16(w + stride * ((i) < count ? (i) : 0))
    return _mm512_cvtph_ps(_mm256_setr_epi16(AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6),
                                             AT(7), AT(8), AT(9), AT(10), AT(11), AT(12), AT(13),
                                             AT(14), AT(15)));
#undef AT
}

/* 2^(e - 128) of sixteen exponent bytes; see read_mxfp4. */
INLINE_AVX512 __m512 powers_q8(const uint8_t *w, int64_t stride, int count)
{
#define AT(i) (char)w[stride * ((i) < count ? (i) : 0)]
    const __m512i one = _mm512_set1_epi32(1);
    __m512i e = _mm512_cvtepu8_epi32(_mm_setr_epi8(AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6),
                                                   AT(7), AT(8), AT(9), AT(10), AT(11), AT(12),
                                                   AT(13), AT(14), AT(15)));
    __mmask16 tiny = _mm512_cmple_epu32_mask(e, one);
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(e, one), 23);
#undef AT

    return _mm512_castsi512_ps(
        _mm512_mask_sllv_epi32(bits, tiny, _mm512_set1_epi32(0x200000), e));
}

/* The halves at the heads of 16 blocks of up to 20 bytes: four per load and permutation. */
INLINE_AVX512 __m512 heads_q8(const uint8_t *w, int64_t bytes, int at)
{
    const __m512i step = _mm512_set_epi16(3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0,
                                          3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0);
    const __m512i index = _mm512_add_epi16(
        _mm512_mullo_epi16(step, _mm512_set1_epi16((short)(bytes / 2))),
        _mm512_set1_epi16((short)(at / 2)));
    __m512i all = _mm512_permutexvar_epi16(index, _mm512_loadu_si512(w));

#pragma GCC unroll 4
    for (int i = 1; i < 4; i++)
        all = _mm512_mask_permutexvar_epi16(all, (__mmask32)(15u << 4 * i), index,
                                            _mm512_loadu_si512(w + i * 4 * bytes));
    return _mm512_cvtph_ps(_mm512_castsi512_si256(all));
}

/* Scales of 16 blocks, `stride` apart. */
INLINE_AVX512 __m512 scales_q8(enum dtype type, const uint8_t *w, int64_t stride, int count)
{
    int64_t bytes = block_bytes_q8(type);

    if (type == DTYPE_MXFP4)
        return powers_q8(w, stride, count);
    if (stride == bytes && count == GROUP_Q8 && bytes <= 20)
        return heads_q8(w, bytes, 0);
    return halves_q8(w, stride, count);
}

INLINE_AVX512 __m512 mins_q8(enum dtype type, const uint8_t *w, int64_t stride, int count)
{
    if (stride == block_bytes_q8(type) && count == GROUP_Q8 && type == DTYPE_Q4_1)
        return heads_q8(w, stride, 2);
    return halves_q8(w + 2, stride, count);
}

/* The parts of an operand row. */
struct operand_q8 {
    const uint8_t *q;
    const float *scale;
    const int32_t *sum;
};

INLINE_AVX512 struct operand_q8 operand_q8(const uint8_t *x, int64_t cols)
{
    return (struct operand_q8){ x, (const float *)(const void *)(x + pi_operand_scales(cols)),
                                (const int32_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8,
                                                                                    cols)) };
}

/* sum[t], lane b = integer sum of block b, of `count` blocks at w with those of T tokens. */
INLINE_AVX512 void group_q8(enum dtype type, int T, const uint8_t *w, const struct operand_q8 *x,
                            int64_t block, int count, __m512i *sum)
{
    const __m512i natural = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    const __m512i zero = _mm512_setzero_si512();
    int64_t bytes = block_bytes_q8(type);
    __m512i half[2][4], quarter[2][4];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const uint8_t *at = w + 4 * i * bytes;
        __m512i a = zero, b = zero;
        if (4 * i < count)
            a = quants_q8(type, at, 4 * i + 1 < count ? at + bytes : at);
        if (4 * i + 2 < count)
            b = quants_q8(type, at + 2 * bytes, 4 * i + 3 < count ? at + 3 * bytes : at);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            const uint8_t *q = x[t].q + 32 * block + 128 * i;
            __m512i da = zero, db = zero;
            if (4 * i < count)
                da = _mm512_dpbusd_epi32(zero, a, _mm512_load_si512(q));
            if (4 * i + 2 < count)
                db = _mm512_dpbusd_epi32(zero, b, _mm512_load_si512(q + 64));
            quarter[i % 2][t] = add_odd_avx512(da, db);
            if (i % 2)
                half[i / 2][t] = add_even_avx512(quarter[0][t], quarter[1][t]);
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        sum[t] = _mm512_permutexvar_epi32(
            natural, _mm512_add_epi32(_mm512_shuffle_i32x4(half[0][t], half[1][t], 0x88),
                                      _mm512_shuffle_i32x4(half[0][t], half[1][t], 0xDD)));
}

/* Adds a group's floats to the lanes: acc += scale * xscale * sum (+ min * xscale * xsum). */
INLINE_AVX512 void step_q8(enum dtype type, int T, const uint8_t *w, const struct operand_q8 *x,
                           int64_t block, int count, __m512 *acc)
{
    __mmask16 live = (__mmask16)((1u << count) - 1);
    int64_t bytes = block_bytes_q8(type);
    __m512 scale = scales_q8(type, w, bytes, count), min = _mm512_setzero_ps();
    __m512i sum[4];

    if (has_min_q8(type))
        min = mins_q8(type, w, bytes, count);
    group_q8(type, T, w, x, block, count, sum);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m512 xscale = _mm512_load_ps(x[t].scale + block);
        __m512i xsum = _mm512_load_si512(x[t].sum + block);
        if (offset_q8(type))
            sum[t] = _mm512_sub_epi32(sum[t],
                                      _mm512_slli_epi32(xsum, (unsigned)offset_q8(type)));
        acc[t] = _mm512_mask3_fmadd_ps(_mm512_cvtepi32_ps(sum[t]), _mm512_mul_ps(scale, xscale),
                                       acc[t], live);
        if (has_min_q8(type))
            acc[t] = _mm512_mask3_fmadd_ps(min, _mm512_mul_ps(xscale, _mm512_cvtepi32_ps(xsum)),
                                           acc[t], live);
    }
}

/* One row and T tokens. */
INLINE_AVX512 void row_q8(enum dtype type, int T, const uint8_t *w, int64_t cols, const uint8_t *x,
                          int64_t x_stride, float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8(type), blocks = cols / 32;
    struct operand_q8 row[4];
    float sum[4] = { 0 };

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        row[t] = operand_q8(x + t * x_stride, cols);
    for (int64_t first = 0; first < blocks; first += SLAB_Q8) {
        int64_t last = pi_min(blocks, first + SLAB_Q8), b = first;
        __m512 acc[4];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_setzero_ps();
        for (; b + GROUP_Q8 <= last; b += GROUP_Q8) {
            prefetch_avx512(w + b * bytes, (int)bytes * GROUP_Q8);
            step_q8(type, T, w + b * bytes, row, b, GROUP_Q8, acc);
        }
        if (b < last)
            step_q8(type, T, w + b * bytes, row, b, (int)(last - b), acc);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            sum[t] += sum_lanes_avx512(acc[t]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum[t];
}

/* 16 or 32 rows of a slab, ready for all tokens. */
struct panel_q8 {
    uint8_t q[SLAB_Q8 * 8][2][64]; /* four weights of 16 rows each */
    float scale[SLAB_Q8][2][16], min[SLAB_Q8][2][16];
} __attribute__((aligned(64)));

/* Unpacks 16 rows; those past the last repeat the first. */
INLINE_AVX512 void panel_q8(enum dtype type, struct panel_q8 *p, int half, const uint8_t *w,
                            int64_t w_stride, int64_t rows, int64_t blocks)
{
    int64_t bytes = block_bytes_q8(type);
    int count = (int)pi_min(rows, 16);

    for (int64_t b = 0; b < blocks; b += 2) {
        const uint8_t *at = w + b * bytes;
        int64_t second = b + 1 < blocks ? bytes : 0;
        __m512i q[16];
        for (int r = 0; r < 16; r++) {
            const uint8_t *row = at + (r < count ? r * w_stride : 0);
            _mm_prefetch((const char *)row + 4 * bytes, _MM_HINT_T0);
            q[r] = quants_q8(type, row, row + second);
        }
        transpose_avx512(q);
        for (int i = 0; i < 16; i++)
            _mm512_store_si512(p->q[8 * b + i][half], q[i]);
        for (int64_t i = b; i < b + 1 + (second != 0); i++) {
            _mm512_store_ps(p->scale[i][half], scales_q8(type, w + i * bytes, w_stride, count));
            if (has_min_q8(type))
                _mm512_store_ps(p->min[i][half], mins_q8(type, w + i * bytes, w_stride, count));
        }
    }
}

/* The operands of up to six tokens in one slab. */
struct tokens_q8 {
    const uint8_t *q[6];
    const float *scale[6];
    int32_t start[6][SLAB_Q8] __attribute__((aligned(64))); /* -offset * sum */
    float scaled[6][SLAB_Q8] __attribute__((aligned(64)));  /* scale * sum */
};

static void tokens_q8(struct tokens_q8 *k, int offset, const uint8_t *x, int64_t x_stride, int m,
                      int64_t cols, int64_t first, int64_t blocks)
{
    for (int t = 0; t < m; t++) {
        struct operand_q8 row = operand_q8(x + t * x_stride, cols);
        k->q[t] = row.q + 32 * first;
        k->scale[t] = row.scale + first;
        for (int64_t b = 0; b < blocks; b += 16) {
            __m512i sum = _mm512_load_si512(row.sum + first + b);
            __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(),
                                             _mm512_slli_epi32(sum, (unsigned)offset));
            if (!offset)
                start = _mm512_setzero_si512();
            _mm512_store_si512(k->start[t] + b, start);
            _mm512_store_ps(k->scaled[t] + b,
                            _mm512_mul_ps(_mm512_load_ps(row.scale + first + b),
                                          _mm512_cvtepi32_ps(sum)));
        }
    }
}

/* acc[g][t] += the floats of block b for G * 16 rows and T tokens. */
INLINE_AVX512 void block_q8(int G, int T, bool has_min, const struct panel_q8 *p,
                            const struct tokens_q8 *k, int64_t b, __m512 acc[2][6])
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
            __m512 scale = _mm512_mul_ps(_mm512_load_ps(p->scale[b][g]),
                                         _mm512_set1_ps(k->scale[t][b]));
            acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[g][t]), scale, acc[g][t]);
            if (has_min)
                acc[g][t] = _mm512_fmadd_ps(_mm512_load_ps(p->min[b][g]),
                                            _mm512_set1_ps(k->scaled[t][b]), acc[g][t]);
        }
}

/* A slab's sums for G * 16 rows and T tokens, added to y or (first) written. Lane j of the other
 * engine is turn j here; turns come in the order that lets the tree of sum_lanes be added up
 * with one pending sum per level. */
INLINE_AVX512 void tile_q8(int G, int T, bool has_min, const struct panel_q8 *p,
                           const struct tokens_q8 *k, int64_t blocks, bool first, int64_t rows,
                           float *y, int64_t y_stride)
{
    static const int8_t order[GROUP_Q8] = { 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15 };
    __m512 pending[4][2][6], acc[2][6];

    for (int turn = 0; turn < GROUP_Q8; turn++) {
#pragma GCC unroll 12
        for (int i = 0; i < G * T; i++)
            acc[i % G][i / G] = _mm512_setzero_ps();
        for (int64_t b = order[turn]; b < blocks; b += GROUP_Q8)
            block_q8(G, T, has_min, p, k, b, acc);
        int level = 0;
        for (; turn >> level & 1; level++)
#pragma GCC unroll 12
            for (int i = 0; i < G * T; i++)
                acc[i % G][i / G] = _mm512_add_ps(pending[level][i % G][i / G], acc[i % G][i / G]);
        if (turn < GROUP_Q8 - 1)
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

typedef void tile_q8_fn(const struct panel_q8 *p, const struct tokens_q8 *k, int64_t blocks,
                        bool first, int64_t rows, float *y, int64_t y_stride);

#define TILE(G, T, name, has_min)                                                        \
    static void tile_##name##_##G##x##T##_q8(const struct panel_q8 *p,                   \
                                             const struct tokens_q8 *k, int64_t blocks,  \
                                             bool first, int64_t rows, float *y,         \
                                             int64_t y_stride)                           \
    {                                                                                    \
        tile_q8(G, T, has_min, p, k, blocks, first, rows, y, y_stride);                  \
    }
#define TILES(T)              \
    TILE(1, T, plain, false)  \
    TILE(2, T, plain, false)  \
    TILE(1, T, min, true)     \
    TILE(2, T, min, true)
TILES(1)
TILES(2)
TILES(4)
TILES(6)
#undef TILE
#undef TILES

/* All tokens of one slab of up to 32 rows. */
static void sweep_q8(const struct panel_q8 *p, bool has_min, int offset, int64_t rows, int64_t cols,
                     int64_t first, int64_t blocks, int64_t m, const uint8_t *x, int64_t x_stride,
                     float *y, int64_t y_stride)
{
#define ROW(name)                                                                          \
    {                                                                                      \
        { tile_##name##_1x1_q8, tile_##name##_1x2_q8, tile_##name##_1x4_q8,                \
          tile_##name##_1x6_q8 },                                                          \
        { tile_##name##_2x1_q8, tile_##name##_2x2_q8, tile_##name##_2x4_q8,                \
          tile_##name##_2x6_q8 }                                                           \
    }
    static tile_q8_fn *const tiles[2][2][4] = { ROW(plain), ROW(min) };
#undef ROW
    static const int sizes[4] = { 1, 2, 4, 6 };
    struct tokens_q8 k;

    for (int64_t t = 0; t < m;) {
        int64_t left = m - t;
        int size = left >= 6 ? 3 : left >= 4 ? 2 : left >= 2 ? 1 : 0;
        tokens_q8(&k, offset, x + t * x_stride, x_stride, sizes[size], cols, first, blocks);
        tiles[has_min][rows > 16][size](p, &k, blocks, first == 0, rows, y + t * y_stride,
                                        y_stride);
        t += sizes[size];
    }
}

/* From this many tokens on, transposing the weights pays. */
enum { PANEL_TOKENS_Q8 = 8, PANEL_ROWS_Q8 = 8 };

INLINE_AVX512 void many_q8(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                           int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                           float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8(type);
    struct panel_q8 p;

    for (int64_t first = 0; first < cols / 32; first += SLAB_Q8) {
        int64_t blocks = pi_min(cols / 32 - first, SLAB_Q8);
        for (int half = 0; half < 1 + (rows > 16); half++)
            panel_q8(type, &p, half, w + half * 16 * w_stride + first * bytes, w_stride,
                     rows - 16 * half, blocks);
        sweep_q8(&p, has_min_q8(type), offset_q8(type), rows, cols, first, blocks, m, x, x_stride,
                 y, y_stride);
    }
}

INLINE_AVX512 void few_q8(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                          int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride, float *y,
                          int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;
        for (; t + 4 <= m; t += 4)
            row_q8(type, 4, w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
        if (t + 2 <= m) {
            row_q8(type, 2, w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
            t += 2;
        }
        if (t < m)
            row_q8(type, 1, w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
    }
}

#define DOT(format, TYPE)                                                                   \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                          \
    {                                                                                       \
        few_q8(TYPE, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);                 \
    }                                                                                       \
    static PI_DOT(dot_##format##_avx512)                                                    \
    {                                                                                       \
        if (m < PANEL_TOKENS_Q8 || rows < PANEL_ROWS_Q8) {                                  \
            few_##format##_avx512(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);    \
            return;                                                                         \
        }                                                                                   \
        for (int64_t r = 0; r < rows; r += 32)                                              \
            many_q8(TYPE, pi_min(rows - r, 32), cols, w + r * w_stride, w_stride, m, x,     \
                    x_stride, y + r, y_stride);                                             \
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
