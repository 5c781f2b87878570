/* dot_q8k.c - dot of the formats with blocks of 256 (Q2_K to Q6_K, IQ4_XS).
 *
 * A format is two functions: quants() makes 64 unsigned bytes in natural order, groups() the
 * 16-bit scales (and minima) of the sixteen groups of 16. Two engines take them, as in dot_q8.c.
 * Few tokens: VNNI gives 16 sums of four products, which fit 16 bits, so that a second VNNI
 * instruction multiplies them by their groups' scales; four blocks are folded into four lanes.
 * Many tokens: 32 rows of a slab are transposed, lanes are rows. A block's sum is an exact integer
 * in both; lane j adds blocks j, j+4, ...; lanes as ((0+2) + (1+3)), slabs in turn.
 *
 * Formats with signed values are stored with an offset: the products less offset times scale
 * times the sums of the activations, all exact.
 */
#include "block.h"

enum {
    GROUP_Q8K_AVX512 = 4,
    SLAB_Q8K_AVX512 = 4 /* blocks: a panel of 32 rows takes 45 KiB of stack */
};

/* Sums that fit 16 bits times the scales of their groups; IQ4_XS's do not fit. */
INLINE_AVX512 __m512i scaled_q8k_avx512(enum dtype type, __m512i sum, __m512i products,
                                        __m512i scale)
{
    if (type == DTYPE_IQ4_XS)
        return _mm512_add_epi32(sum, _mm512_mullo_epi32(products, scale));
    return _mm512_dpwssd_epi32(sum, products, scale);
}

/* The parts of an operand row. */
struct operand_q8k_avx512 {
    const uint8_t *q;
    const float *scale;
    const int16_t *sum;
};

INLINE_AVX512 struct operand_q8k_avx512 operand_q8k_avx512(const uint8_t *x, int64_t cols)
{
    return (struct operand_q8k_avx512){
        x, (const float *)(const void *)(x + pi_operand_scales(cols)),
        (const int16_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8K, cols))
    };
}

/* One block and T tokens: dot[t] holds parts of sum of group * q * xq, low[t] of sum of
 * low * xsum. */
INLINE_AVX512 void block_q8k_avx512(enum dtype type, int T, const uint8_t *w,
                                    const struct operand_q8k_avx512 *x, int64_t block,
                                    __m512i *dot, __m256i *low)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i lane = _mm512_set_epi16(3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1,
                                          1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    /* the scale stands in the lower word of a lane; as a factor of 32 bits its sign follows */
    __mmask32 words = type == DTYPE_IQ4_XS ? 0xFFFFFFFF : 0x55555555;
    __m256i minima, groups = groups_q8k_avx512(type, w, &minima);
    __m512i offset = zero;

    if (offset_q8k_avx512(type))
        offset = _mm512_castsi256_si512(_mm256_sub_epi16(
            _mm256_setzero_si256(), _mm256_slli_epi16(groups, offset_q8k_avx512(type))));
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        dot[t] = zero;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i q = quants_q8k_avx512(type, w, i);
        __m512i scale = _mm512_maskz_permutexvar_epi16(
            words, _mm512_add_epi16(lane, _mm512_set1_epi16((short)(4 * i))),
            _mm512_castsi256_si512(groups));
        if (type == DTYPE_IQ4_XS)
            scale = _mm512_srai_epi32(scale, 16);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            dot[t] = scaled_q8k_avx512(
                type, dot[t],
                _mm512_dpbusd_epi32(zero, q, _mm512_load_si512(x[t].q + 256 * block + 64 * i)),
                scale);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m256i sums = _mm256_load_si256((const __m256i *)(const void *)(x[t].sum + 16 * block));
        if (offset_q8k_avx512(type))
            dot[t] = _mm512_dpwssd_epi32(dot[t], _mm512_zextsi256_si512(sums),
                                         _mm512_zextsi256_si512(_mm512_castsi512_si256(offset)));
        else
            low[t] = _mm256_madd_epi16(minima, sums);
    }
}

/* Lane k: the sum of all lanes of v[k]. */
INLINE_AVX512 __m128i fold_q8k_avx512(__m512i v01, __m512i v23)
{
    __m512i all = add_even_avx512(v01, v23);
    __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));

    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* Adds up to four blocks to the four lanes: acc += d * xscale * dot - dmin * xscale * low. */
INLINE_AVX512 void step_q8k_avx512(enum dtype type, int T, const uint8_t *w,
                                   const struct operand_q8k_avx512 *x, int64_t block, int count,
                                   __m128 *acc)
{
    const __m512i zero = _mm512_setzero_si512();
    __mmask8 live = (__mmask8)((1u << count) - 1);
    int64_t bytes = block_bytes_q8k_avx512(type);
    __m512i dot[4][4], pair[2][4], low_pair[2][4];
    __m256i low[4][4];
    uint32_t bits[4];
    __m128 d, dmin;

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const uint8_t *at = w + (k < count ? k : 0) * bytes;
        bits[k] = scale_bits_q8k_avx512(type, at);
        if (k < count)
            block_q8k_avx512(type, T, at, x, block + k, dot[k], low[k]);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            if (k >= count)
                dot[k][t] = zero, low[k][t] = _mm256_setzero_si256();
            if (k % 2 == 0)
                continue;
            pair[k / 2][t] = add_odd_avx512(dot[k - 1][t], dot[k][t]);
            if (!offset_q8k_avx512(type))
                low_pair[k / 2][t] = add_odd_avx512(_mm512_zextsi256_si512(low[k - 1][t]),
                                                    _mm512_zextsi256_si512(low[k][t]));
        }
    }
    __m128i both = _mm_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3]);
    d = _mm_cvtph_ps(_mm_cvtepi32_epi16(both));
    dmin = _mm_cvtph_ps(_mm_cvtepi32_epi16(_mm_srli_epi32(both, 16)));
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m128 xscale = _mm_load_ps(x[t].scale + block);
        acc[t] = _mm_mask3_fmadd_ps(_mm_cvtepi32_ps(fold_q8k_avx512(pair[0][t], pair[1][t])),
                                    _mm_mul_ps(d, xscale), acc[t], live);
        if (!offset_q8k_avx512(type))
            acc[t] = _mm_mask3_fnmadd_ps(
                _mm_cvtepi32_ps(fold_q8k_avx512(low_pair[0][t], low_pair[1][t])),
                _mm_mul_ps(dmin, xscale), acc[t], live);
    }
}

/* (0+2) + (1+3) */
INLINE_AVX512 float sum_lanes_q8k_avx512(__m128 v)
{
    __m128 two = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* One row and T tokens. */
INLINE_AVX512 void row_q8k_avx512(enum dtype type, int T, const uint8_t *w, int64_t cols,
                                  const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8k_avx512(type), blocks = cols / 256;
    struct operand_q8k_avx512 row[4];
    float sum[4] = { 0 };

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        row[t] = operand_q8k_avx512(x + t * x_stride, cols);
    for (int64_t first = 0; first < blocks; first += SLAB_Q8K_AVX512) {
        int64_t last = pi_min(blocks, first + SLAB_Q8K_AVX512), b = first;
        __m128 acc[4];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            acc[t] = _mm_setzero_ps();
        for (; b + GROUP_Q8K_AVX512 <= last; b += GROUP_Q8K_AVX512) {
            prefetch_avx512(w + b * bytes, (int)bytes * GROUP_Q8K_AVX512);
            step_q8k_avx512(type, T, w + b * bytes, row, b, GROUP_Q8K_AVX512, acc);
        }
        if (b < last)
            step_q8k_avx512(type, T, w + b * bytes, row, b, (int)(last - b), acc);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            sum[t] += sum_lanes_q8k_avx512(acc[t]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum[t];
}

/* 16 or 32 rows of a slab, ready for all tokens. A lane of low holds two neighbouring minima. */
struct panel_q8k_avx512 {
    uint8_t q[SLAB_Q8K_AVX512 * 64][2][64]; /* four weights of 16 rows each */
    int32_t group[SLAB_Q8K_AVX512 * 16][2][16], low[SLAB_Q8K_AVX512 * 8][2][16];
    float d[SLAB_Q8K_AVX512][2][16], dmin[SLAB_Q8K_AVX512][2][16];
} __attribute__((aligned(64)));

/* Scales and minima of 16 rows of block b. */
INLINE_AVX512 void panel_scales_q8k_avx512(enum dtype type, struct panel_q8k_avx512 *p, int half,
                                           int64_t b, const uint8_t *w, int64_t w_stride,
                                           int count)
{
    __m512i group[16], low[16], bits;
    uint32_t scale[16];

    for (int r = 0; r < 16; r++) {
        const uint8_t *row = w + (r < count ? r * w_stride : 0);
        __m256i minima, groups = groups_q8k_avx512(type, row, &minima);
        group[r] = _mm512_cvtepi16_epi32(groups);
        low[r] = _mm512_zextsi256_si512(minima);
        scale[r] = scale_bits_q8k_avx512(type, row);
    }
    transpose_avx512(group);
    for (int i = 0; i < 16; i++)
        _mm512_store_si512(p->group[16 * b + i][half], group[i]);
    if (!offset_q8k_avx512(type)) {
        transpose_avx512(low);
        for (int i = 0; i < 8; i++)
            _mm512_store_si512(p->low[8 * b + i][half], low[i]);
    }
    bits = _mm512_loadu_si512(scale);
    _mm512_store_ps(p->d[b][half], _mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits)));
    _mm512_store_ps(p->dmin[b][half],
                    _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16))));
}

/* Unpacks 16 rows; those past the last repeat the first. */
INLINE_AVX512 void panel_q8k_avx512(enum dtype type, struct panel_q8k_avx512 *p, int half,
                                    const uint8_t *w, int64_t w_stride, int64_t rows,
                                    int64_t blocks)
{
    int64_t bytes = block_bytes_q8k_avx512(type);
    int count = (int)pi_min(rows, 16);

    for (int64_t b = 0; b < blocks; b++, w += bytes) {
        panel_scales_q8k_avx512(type, p, half, b, w, w_stride, count);
#pragma GCC unroll 4
        for (int chunk = 0; chunk < 4; chunk++) {
            __m512i q[16];
            for (int r = 0; r < 16; r++)
                q[r] = quants_q8k_avx512(type, w + (r < count ? r * w_stride : 0), chunk);
            transpose_avx512(q);
            for (int i = 0; i < 16; i++)
                _mm512_store_si512(p->q[64 * b + 16 * chunk + i][half], q[i]);
        }
    }
}

/* acc[g][t] += the floats of block b (of the slab; `at` of the row) for G * 16 rows and T tokens.
 */
INLINE_AVX512 void panel_block_q8k_avx512(enum dtype type, int G, int T,
                                          const struct panel_q8k_avx512 *p,
                                          const struct operand_q8k_avx512 *x, int64_t b,
                                          int64_t at, __m512 acc[2][4])
{
    const __m512i zero = _mm512_setzero_si512();
    bool wide =
        type == DTYPE_Q4_K || type == DTYPE_Q5_K || type == DTYPE_IQ4_XS; /* groups of 32 */
    int size = wide ? 8 : 4, offset = offset_q8k_avx512(type);
    __m512i dot[2][4], low[2][4], part[2][4];

#pragma GCC unroll 8
    for (int i = 0; i < G * T; i++)
        dot[i % G][i / G] = low[i % G][i / G] = zero;
    for (int i = 0; i < 64; i += size) {
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            int32_t sum = x[t].sum[16 * at + i / 4];
            if (wide)
                sum += x[t].sum[16 * at + i / 4 + 1];
#pragma GCC unroll 2
            for (int g = 0; g < G; g++)
                part[g][t] = offset ? _mm512_set1_epi32(-(sum * (1 << offset))) : zero;
        }
#pragma GCC unroll 8
        for (int j = i; j < i + size; j++)
#pragma GCC unroll 4
            for (int t = 0; t < T; t++) {
                int32_t four;
                memcpy(&four, x[t].q + 256 * at + 4 * j, 4);
#pragma GCC unroll 2
                for (int g = 0; g < G; g++)
                    part[g][t] =
                        _mm512_dpbusd_epi32(part[g][t], _mm512_load_si512(p->q[64 * b + j][g]),
                                            _mm512_set1_epi32(four));
            }
#pragma GCC unroll 8
        for (int n = 0; n < G * T; n++) {
            int g = n % G, t = n / G;
            __m512i scale = _mm512_load_si512(p->group[16 * b + i / 4][g]);
            dot[g][t] = _mm512_add_epi32(dot[g][t], _mm512_mullo_epi32(part[g][t], scale));
        }
    }
#pragma GCC unroll 8
    for (int n = 0; n < G * T; n++) {
        int g = n % G, t = n / G;
        __m512 xscale = _mm512_set1_ps(x[t].scale[at]);
        acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][t]),
                                    _mm512_mul_ps(_mm512_load_ps(p->d[b][g]), xscale), acc[g][t]);
        if (offset)
            continue;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            int32_t two;
            memcpy(&two, x[t].sum + 16 * at + 2 * i, 4);
            low[g][t] = _mm512_dpwssd_epi32(low[g][t], _mm512_load_si512(p->low[8 * b + i][g]),
                                            _mm512_set1_epi32(two));
        }
        acc[g][t] =
            _mm512_fnmadd_ps(_mm512_cvtepi32_ps(low[g][t]),
                             _mm512_mul_ps(_mm512_load_ps(p->dmin[b][g]), xscale), acc[g][t]);
    }
}

/* A slab's sums for G * 16 rows and T tokens, added to y or (first) written: lane j of the other
 * engine is turn j here. */
INLINE_AVX512 void tile_q8k_avx512(enum dtype type, int G, int T, const struct panel_q8k_avx512 *p,
                                   const uint8_t *x, int64_t x_stride, int64_t cols, int64_t first,
                                   int64_t blocks, int64_t rows, float *y, int64_t y_stride)
{
    struct operand_q8k_avx512 row[4];
    __m512 acc[GROUP_Q8K_AVX512][2][4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        row[t] = operand_q8k_avx512(x + t * x_stride, cols);
    for (int turn = 0; turn < GROUP_Q8K_AVX512; turn++) {
#pragma GCC unroll 8
        for (int i = 0; i < G * T; i++)
            acc[turn][i % G][i / G] = _mm512_setzero_ps();
        for (int64_t b = turn; b < blocks; b += GROUP_Q8K_AVX512)
            panel_block_q8k_avx512(type, G, T, p, row, b, first + b, acc[turn]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < G * T; i++) {
        int g = i % G, t = i / G;
        int64_t left = pi_max(0, pi_min(rows - 16 * g, 16));
        __mmask16 live = (__mmask16)((1u << left) - 1);
        float *at = y + t * y_stride + 16 * g;
        __m512 sum = _mm512_add_ps(_mm512_add_ps(acc[0][g][t], acc[2][g][t]),
                                   _mm512_add_ps(acc[1][g][t], acc[3][g][t]));
        if (first)
            sum = _mm512_add_ps(_mm512_maskz_loadu_ps(live, at), sum);
        _mm512_mask_storeu_ps(at, live, sum);
    }
}

INLINE_AVX512 void sweep_q8k_avx512(enum dtype type, int G, const struct panel_q8k_avx512 *p,
                                    int64_t rows, int64_t cols, int64_t first, int64_t blocks,
                                    int64_t m, const uint8_t *x, int64_t x_stride, float *y,
                                    int64_t y_stride)
{
    int64_t t = 0;

    for (; t + 4 <= m; t += 4)
        tile_q8k_avx512(type, G, 4, p, x + t * x_stride, x_stride, cols, first, blocks, rows,
                        y + t * y_stride, y_stride);
    for (; t < m; t++)
        tile_q8k_avx512(type, G, 1, p, x + t * x_stride, x_stride, cols, first, blocks, rows,
                        y + t * y_stride, y_stride);
}

/* From this many tokens on, transposing the weights pays. */
enum { PANEL_TOKENS_Q8K_AVX512 = 8, PANEL_ROWS_Q8K_AVX512 = 8 };

INLINE_AVX512 void many_q8k_avx512(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                                   int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                   float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_q8k_avx512(type);
    struct panel_q8k_avx512 p;

    for (int64_t first = 0; first < cols / 256; first += SLAB_Q8K_AVX512) {
        int64_t blocks = pi_min(cols / 256 - first, SLAB_Q8K_AVX512);
        for (int half = 0; half < 1 + (rows > 16); half++)
            panel_q8k_avx512(type, &p, half, w + half * 16 * w_stride + first * bytes, w_stride,
                             rows - 16 * half, blocks);
        if (rows > 16)
            sweep_q8k_avx512(type, 2, &p, rows, cols, first, blocks, m, x, x_stride, y, y_stride);
        else
            sweep_q8k_avx512(type, 1, &p, rows, cols, first, blocks, m, x, x_stride, y, y_stride);
    }
}

INLINE_AVX512 void few_q8k_avx512(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                                  int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                  float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;
        for (; t + 4 <= m; t += 4)
            row_q8k_avx512(type, 4, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                           y_stride);
        if (t + 2 <= m) {
            row_q8k_avx512(type, 2, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                           y_stride);
            t += 2;
        }
        if (t < m)
            row_q8k_avx512(type, 1, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                           y_stride);
    }
}

#define DOT(format, TYPE)                                                                         \
    static __attribute__((noinline)) PI_DOT(few_##format##_avx512)                                \
    {                                                                                             \
        few_q8k_avx512(TYPE, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);               \
    }                                                                                             \
    static PI_DOT(dot_##format##_avx512)                                                          \
    {                                                                                             \
        if (m < PANEL_TOKENS_Q8K_AVX512 || rows < PANEL_ROWS_Q8K_AVX512) {                        \
            few_##format##_avx512(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);          \
            return;                                                                               \
        }                                                                                         \
        for (int64_t r = 0; r < rows; r += 32)                                                    \
            many_q8k_avx512(TYPE, pi_min(rows - r, 32), cols, w + r * w_stride, w_stride, m, x,   \
                            x_stride, y + r, y_stride);                                           \
    }

DOT(q2_k, DTYPE_Q2_K)
DOT(q3_k, DTYPE_Q3_K)
DOT(q4_k, DTYPE_Q4_K)
DOT(q5_k, DTYPE_Q5_K)
DOT(q6_k, DTYPE_Q6_K)
DOT(iq4_xs, DTYPE_IQ4_XS)

#undef DOT

void pi_dot_q8k_avx512(struct kernels *k)
{
    k->dot[DTYPE_Q2_K] = dot_q2_k_avx512;
    k->dot[DTYPE_Q3_K] = dot_q3_k_avx512;
    k->dot[DTYPE_Q4_K] = dot_q4_k_avx512;
    k->dot[DTYPE_Q5_K] = dot_q5_k_avx512;
    k->dot[DTYPE_Q6_K] = dot_q6_k_avx512;
    k->dot[DTYPE_IQ4_XS] = dot_iq4_xs_avx512;
}
