/* dot_f.c - dot of the float formats, in float32, and of NVFP4, whose scales are many floats.
 *
 * Few tokens pass row by row, a chain (chain.h) in each lane of two registers, of the even and of
 * the odd vectors of eight columns; for more, 16 rows are transposed, so that lanes are rows, and
 * stay in the first cache while tokens pass, six at a time, one chain after the other: the same
 * sums.
 */
#include "chain.h"
#include "common.h"
#include "kernel/scalar/grid.h"

enum {
    ROWS_F_AVX2 = 16,  /* of a tile: two vectors */
    TOKENS_F_AVX2 = 6, /* of a tile */
    FEW_F_AVX2 = 5,    /* tokens up to which transposing the weights does not pay */
    LEAST_F_AVX2 = 8   /* rows that pay for it */
};

/* 16 rows of a slab, chain by chain. */
struct panel_f_avx2 {
    __m256 column[SLAB_CHAIN][2];
};

INLINE_AVX2 int64_t element_bytes_f_avx2(enum dtype type) { return type == DTYPE_F32 ? 4 : 2; }

/* Eight weights of a float format. */
INLINE_AVX2 __m256 weights_avx2(enum dtype type, const uint8_t *w)
{
    __m128i half;

    if (type == DTYPE_F32)
        return _mm256_loadu_ps((const float *)(const void *)w);
    half = _mm_loadu_si128((const __m128i *)(const void *)w);
    if (type == DTYPE_F16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* Scales of the four groups of an NVFP4 block, by way of half precision: unsigned with 4 bits of
 * exponent and 3 of mantissa; halved because the table is doubled. 0x7F stands for 0. */
INLINE_AVX2 __m128 scales_nvfp4_avx2(const uint8_t *w)
{
    __m128i bytes = _mm_cvtepu8_epi16(_mm_cvtsi32_si128((int)pi_le32(w)));
    __m128i none = _mm_cmpeq_epi16(bytes, _mm_set1_epi16(0x7F));
    __m128i halves = _mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0x7F)), 7);

    return _mm_mul_ps(_mm_cvtph_ps(_mm_andnot_si128(none, halves)), _mm_set1_ps(128));
}

/* One row of NVFP4 and T tokens: scale * xscale * sum for each group, four lanes of which meet at
 * the end of the row. */
INLINE_AVX2 void row_nvfp4_avx2(int T, const uint8_t *w, int64_t cols, const uint8_t *const x[4],
                                float *y, int64_t y_stride)
{
    const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)mxfp4_values_scalar));
    __m256 sum[2][4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        sum[0][t] = sum[1][t] = _mm256_setzero_ps();
    for (int64_t i = 0; i < cols; i += 64, w += 36) {
        __m256 scales = _mm256_castps128_ps256(scales_nvfp4_avx2(w));

        prefetch_avx2(w, 1);
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)(w + 4 + 16 * h));
            __m128i high = _mm_srli_epi16(codes, 4);
            __m256i q = _mm256_set_m128i(_mm_unpackhi_epi64(codes, high),
                                         _mm_unpacklo_epi64(codes, high));
            __m256 scale = _mm256_permutevar8x32_ps(
                scales, _mm256_setr_epi32(2 * h, 2 * h, 2 * h, 2 * h, 2 * h + 1, 2 * h + 1,
                                          2 * h + 1, 2 * h + 1));

            q = _mm256_shuffle_epi8(table, _mm256_and_si256(q, nibble));
#pragma GCC unroll 4
            for (int t = 0; t < T; t++) {
                const float *xscale = (const float *)(const void *)(x[t] + pi_operand_scales(cols));
                __m256i v = _mm256_load_si256((const __m256i *)(const void *)(x[t] + i + 32 * h));
                __m256i dot = _mm256_madd_epi16(
                    _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(v, q)), one);

                sum[h][t] = _mm256_fmadd_ps(
                    _mm256_cvtepi32_ps(dot),
                    _mm256_mul_ps(scale, _mm256_set1_ps(xscale[i / 32 + h])), sum[h][t]);
            }
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum_lanes_avx2(_mm256_add_ps(sum[0][t], sum[1][t]));
}

/* One row of floats and T tokens. A tail is copied, so that nothing behind it is read. */
INLINE_AVX2 void row_f_avx2(enum dtype type, int T, const uint8_t *w, int64_t cols,
                            const uint8_t *const x[4], float *y, int64_t y_stride)
{
    int64_t size = element_bytes_f_avx2(type);

    for (int64_t first = 0; first < cols; first += SLAB_CHAIN) {
        int64_t end = pi_min(first + SLAB_CHAIN, cols), i = first;
        __m256 sum[2][4];
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            sum[0][t] = sum[1][t] = _mm256_setzero_ps();
        for (; i + 16 <= end; i += 16) {
            prefetch_avx2(w + size * i, 1);
#pragma GCC unroll 2
            for (int odd = 0; odd < 2; odd++) {
                __m256 row = weights_avx2(type, w + size * (i + 8 * odd));
#pragma GCC unroll 4
                for (int t = 0; t < T; t++)
                    sum[odd][t] = _mm256_fmadd_ps(
                        row, _mm256_loadu_ps((const float *)(const void *)x[t] + i + 8 * odd),
                        sum[odd][t]);
            }
        }
        if (i < end) {
            uint8_t tail[64] = { 0 };
            memcpy(tail, w + size * i, (size_t)(size * (end - i)));
#pragma GCC unroll 2
            for (int odd = 0; odd < 2; odd++) {
                __m256i live = live_avx2(end - i - 8 * odd);
#pragma GCC unroll 4
                for (int t = 0; t < T; t++)
                    sum[odd][t] = _mm256_fmadd_ps(
                        weights_avx2(type, tail + size * 8 * odd),
                        _mm256_maskload_ps((const float *)(const void *)x[t] + i + 8 * odd, live),
                        sum[odd][t]);
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            float slab = sum_lanes_avx2(_mm256_add_ps(sum[0][t], sum[1][t]));
            y[t * y_stride] = first ? y[t * y_stride] + slab : slab;
        }
    }
}

/* Eight columns of eight rows, as columns. */
INLINE_AVX2 void columns_f_avx2(__m256 r[8])
{
    __m256 s[8];

#pragma GCC unroll 4
    for (int k = 0; k < 8; k += 2) {
        s[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
        s[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < 8; k += 4) {
        r[k] = _mm256_shuffle_ps(s[k], s[k + 2], 0x44);
        r[k + 1] = _mm256_shuffle_ps(s[k], s[k + 2], 0xEE);
        r[k + 2] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0x44);
        r[k + 3] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        s[k] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x20);
        s[k + 4] = _mm256_permute2f128_ps(r[k], r[k + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        r[k] = s[k];
}

/* Transposes up to 16 rows of n columns, padded with zeros to 16; those past the last repeat it. */
INLINE_AVX2 void fill_f_avx2(enum dtype type, struct panel_f_avx2 *p, const uint8_t *w,
                             int64_t w_stride, int64_t rows, int64_t n)
{
    int64_t size = element_bytes_f_avx2(type);

    for (int half = 0; half < 2; half++)
        for (int64_t i = 0; i < (n + 15) / 16 * 16; i += 8) {
            __m256 r[8];
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                const uint8_t *at = w + pi_min(8 * half + k, rows - 1) * w_stride + size * i;
                uint8_t tail[32] = { 0 };
                if (i + 8 > n) {
                    memcpy(tail, at, (size_t)(size * pi_max(0, n - i)));
                    at = tail;
                }
                r[k] = weights_avx2(type, at);
            }
            columns_f_avx2(r);
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++)
                p->column[order_chain[i % 16 + k] * 16 + i / 16][half] = r[k];
        }
}

/* A slab's sums for 16 rows and 6 tokens, added to y or (first) written; chains are `steps` long.
 * ahead: bytes to the tokens that come next. */
static void tile_f_avx2(const struct panel_f_avx2 *p, const float *const x[TOKENS_F_AVX2],
                        int64_t steps, int64_t ahead, bool first, int64_t rows, int64_t m,
                        float *y, int64_t y_stride)
{
    __m256 sum[TOKENS_F_AVX2][2], level[4][TOKENS_F_AVX2][2];

    for (int chain = 0; chain < 16; chain++) {
        const __m256 *w = p->column[16 * chain];
        int64_t at = order_chain[chain];
        int up = 0;
#pragma GCC unroll 6
        for (int t = 0; t < TOKENS_F_AVX2; t++) {
            _mm_prefetch((const char *)(x[t] + 16 * chain) + ahead, _MM_HINT_T0);
            sum[t][0] = sum[t][1] = _mm256_setzero_ps();
        }
        for (int64_t i = 0; i < steps; i++, at += 16, w += 2)
#pragma GCC unroll 6
            for (int t = 0; t < TOKENS_F_AVX2; t++) {
                __m256 v = _mm256_broadcast_ss(x[t] + at);
                sum[t][0] = _mm256_fmadd_ps(w[0], v, sum[t][0]);
                sum[t][1] = _mm256_fmadd_ps(w[1], v, sum[t][1]);
            }
        for (; chain >> up & 1; up++)
#pragma GCC unroll 12
            for (int k = 0; k < 2 * TOKENS_F_AVX2; k++)
                sum[k / 2][k % 2] = _mm256_add_ps(level[up][k / 2][k % 2], sum[k / 2][k % 2]);
#pragma GCC unroll 12
        for (int k = 0; k < 2 * TOKENS_F_AVX2; k++)
            level[up % 4][k / 2][k % 2] = sum[k / 2][k % 2]; /* the last: unused */
    }
#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_F_AVX2; t++)
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            float *to = y + t * y_stride + 8 * half;
            __m256i live = live_avx2(rows - 8 * half);
            if (t < m && !first)
                sum[t][half] = _mm256_add_ps(_mm256_maskload_ps(to, live), sum[t][half]);
            if (t < m)
                _mm256_maskstore_ps(to, live, sum[t][half]);
        }
}

/* Asks for a row of the slab that comes next. */
INLINE_AVX2 void fetch_f_avx2(const uint8_t *w, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)w + i, _MM_HINT_T1);
}

/* dot of many tokens: y[t][r] */
INLINE_AVX2 void many_f_avx2(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                             int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                             float *y, int64_t y_stride)
{
    int64_t size = element_bytes_f_avx2(type);
    float room[TOKENS_F_AVX2][SLAB_CHAIN];
    const float *at[TOKENS_F_AVX2];
    struct panel_f_avx2 panel[2];

    for (int64_t r = 0; r < rows; r += 2 * ROWS_F_AVX2)
        for (int64_t first = 0; first < cols; first += SLAB_CHAIN) {
            int64_t n = pi_min(cols - first, SLAB_CHAIN), left = rows - r;
            for (int i = 0; i < 2 && ROWS_F_AVX2 * i < left; i++)
                fill_f_avx2(type, &panel[i], w + (r + ROWS_F_AVX2 * i) * w_stride + size * first,
                            w_stride, left - ROWS_F_AVX2 * i, n);
            for (int64_t t = 0; t < m; t += TOKENS_F_AVX2) {
                int64_t row = r + t / TOKENS_F_AVX2 % (2 * ROWS_F_AVX2);
                fetch_f_avx2(w + row * w_stride + size * (first + n), size * SLAB_CHAIN);
                tokens_chain(TOKENS_F_AVX2, at, room, x + t * x_stride + 4 * first, x_stride, m - t,
                             n);
                for (int i = 0; i < 2 && ROWS_F_AVX2 * i < left; i++)
                    tile_f_avx2(&panel[i], at, (n + 15) / 16, TOKENS_F_AVX2 * x_stride, first == 0,
                                left - ROWS_F_AVX2 * i, m - t,
                                y + t * y_stride + r + ROWS_F_AVX2 * i, y_stride);
            }
        }
}

/* Rows one by one, by tokens in fours, twos and ones. */
#define FEW(format, row)                                                                          \
    static PI_DOT(few_##format##_avx2)                                                            \
    {                                                                                             \
        for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {                                  \
            for (int64_t t = 0; t < m;) {                                                         \
                const uint8_t *at = x + t * x_stride;                                             \
                const uint8_t *const four[4] = { at, at + x_stride, at + 2 * x_stride,            \
                                                 at + 3 * x_stride };                             \
                if (m - t >= 4) {                                                                 \
                    row(format, 4);                                                               \
                    t += 4;                                                                       \
                } else if (m - t >= 2) {                                                          \
                    row(format, 2);                                                               \
                    t += 2;                                                                       \
                } else {                                                                          \
                    row(format, 1);                                                               \
                    t++;                                                                          \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }
#define ROW_FLOAT(TYPE, T) row_f_avx2(DTYPE_##TYPE, T, w, cols, four, y + t * y_stride, y_stride)
#define ROW_NVFP4(TYPE, T) row_nvfp4_avx2(T, w, cols, four, y + t * y_stride, y_stride)

#define DOT(TYPE)                                                                                 \
    FEW(TYPE, ROW_FLOAT)                                                                          \
    static PI_DOT(dot_##TYPE##_avx2)                                                              \
    {                                                                                             \
        if (m > FEW_F_AVX2 && rows >= LEAST_F_AVX2)                                               \
            many_f_avx2(DTYPE_##TYPE, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);      \
        else                                                                                      \
            few_##TYPE##_avx2(rows, cols, w, w_stride, m, x, x_stride, y, y_stride);              \
    }

DOT(F32)
DOT(F16)
DOT(BF16)
FEW(NVFP4, ROW_NVFP4)

#undef DOT
#undef ROW_FLOAT
#undef ROW_NVFP4
#undef FEW

void pi_dot_f_avx2(struct kernels *k)
{
    k->dot[DTYPE_F32] = dot_F32_avx2;
    k->dot[DTYPE_F16] = dot_F16_avx2;
    k->dot[DTYPE_BF16] = dot_BF16_avx2;
    k->dot[DTYPE_NVFP4] = few_NVFP4_avx2;
}
