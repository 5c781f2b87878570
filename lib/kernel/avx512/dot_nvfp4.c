/* dot_nvfp4.c - dot of NVFP4: blocks of 64 in four groups of 16, with a float scale each.
 *
 * Few tokens: four blocks, whose signs change those of the activations, are multiplied by VNNI and
 * folded into 16 integer sums, lanes [group][block], for one multiply-add; lanes are added at the
 * end of the row. Many tokens: many.h.
 */
#include "kernel/scalar/grid.h"
#include "many.h"

enum { BYTES_NVFP4 = 36, TOKENS_NVFP4 = 4 };

/* Nibbles of a block in the low bits of bytes, in natural order. */
INLINE_AVX512 __m512i nibbles_nvfp4_avx512(const uint8_t *w)
{
    const __m512i twice = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    const __m512i shift = _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(w + 4));

    return _mm512_srlv_epi64(_mm512_permutexvar_epi64(twice, _mm512_castsi256_si512(codes)),
                             shift);
}

/* Scales of 16 groups, by way of half precision; see nvfp4_scale_scalar. */
INLINE_AVX512 __m512 scales_nvfp4_avx512(__m128i bytes)
{
    __mmask16 some = _mm_cmpneq_epi8_mask(bytes, _mm_set1_epi8(0x7F));
    __m256i v = _mm256_cvtepu8_epi16(_mm_maskz_mov_epi8(some, bytes));

    v = _mm256_slli_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0x7F)), 7);
    return _mm512_mul_ps(_mm512_cvtph_ps(v), _mm512_set1_ps(128));
}

/* acc[t] += scale * xscale * sum, of up to four blocks of T tokens. */
INLINE_AVX512 void step_nvfp4_avx512(int T, const uint8_t *w, const uint8_t *const *x,
                                     int64_t cols, int64_t block, int count, __m512 *acc)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i sizes = _mm512_set1_epi64(0x0C08060403020100);
    const __m512i lane = _mm512_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7);
    __m512i sum[TOKENS_NVFP4][4];
    uint32_t bits[4] = { 0 };
    __m512 scale;

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512i v = zero, size;
        __mmask64 negative;

        if (k < count) {
            v = nibbles_nvfp4_avx512(w + k * BYTES_NVFP4);
            bits[k] = pi_le32(w + k * BYTES_NVFP4);
        }
        negative = _mm512_test_epi8_mask(v, _mm512_set1_epi8(8));
        size = _mm512_permutexvar_epi8(v, sizes);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            __m512i q = zero;
            if (k < count)
                q = _mm512_load_si512(x[t] + 64 * (block + k));
            sum[t][k] =
                _mm512_dpbusd_epi32(zero, size, _mm512_mask_sub_epi8(q, negative, zero, q));
        }
    }
    scale = scales_nvfp4_avx512(_mm_shuffle_epi8(
        _mm_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3]),
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        const float *xscale = (const float *)(const void *)(x[t] + pi_operand_scales(cols));
        __m512i all = add_even_avx512(add_odd_avx512(sum[t][0], sum[t][1]),
                                      add_odd_avx512(sum[t][2], sum[t][3]));
        __m512 factor = _mm512_permutexvar_ps(
            lane, _mm512_castps256_ps512(_mm256_load_ps(xscale + 2 * block)));

        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(all), _mm512_mul_ps(scale, factor), acc[t]);
    }
}

/* The last blocks of a row. */
static __attribute__((noinline)) __m512 last_nvfp4_avx512(const uint8_t *w, const uint8_t *x,
                                                          int64_t cols, int64_t block, int count,
                                                          __m512 acc)
{
    step_nvfp4_avx512(1, w, &x, cols, block, count, &acc);
    return acc;
}

/* One row and T tokens, of which `live` exist. */
INLINE_AVX512 void row_nvfp4_avx512(int T, int64_t live, const uint8_t *w, int64_t cols,
                                    const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    const uint8_t *at[TOKENS_NVFP4];
    int64_t block = 0, blocks = cols / 64;
    __m512 acc[TOKENS_NVFP4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        at[t] = x + pi_min(t, live - 1) * x_stride;
        acc[t] = _mm512_setzero_ps();
    }
    for (; block + 4 <= blocks; block += 4, w += 4 * BYTES_NVFP4) {
        prefetch_avx512(w, 4 * BYTES_NVFP4);
        step_nvfp4_avx512(T, w, at, cols, block, 4, acc);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        if (block < blocks)
            acc[t] = last_nvfp4_avx512(w, at[t], cols, block, (int)(blocks - block), acc[t]);
        if (t < live)
            y[t * y_stride] = sum_lanes_avx512(acc[t]);
    }
}

static PI_DOT(dot_nvfp4_avx512)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;

        for (; t + 1 < m; t += TOKENS_NVFP4)
            row_nvfp4_avx512(TOKENS_NVFP4, pi_min(m - t, TOKENS_NVFP4), w, cols, x + t * x_stride,
                             x_stride, y + t * y_stride, y_stride);
        if (t < m)
            row_nvfp4_avx512(1, 1, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                             y_stride);
    }
}

/* 256 columns: signed bytes, and 16 scales. */
static void chunk_nvfp4_avx512(struct chunk_avx2 *to, const uint8_t *w)
{
    const __m512i table = _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)mxfp4_values_scalar));
    uint32_t bits[4];

    for (int k = 0; k < 4; k++, w += BYTES_NVFP4) {
        bits[k] = pi_le32(w);
        _mm512_store_si512(to->q + 64 * k,
                           _mm512_permutexvar_epi8(nibbles_nvfp4_avx512(w), table));
    }
    _mm512_store_ps(to->of.words,
                    scales_nvfp4_avx512(_mm_loadu_si128((const __m128i *)(const void *)bits)));
}

/* acc += xscale * (sum of scale * sum over groups), for each block of 32. */
static void tile_many_nvfp4_avx512(const struct panel_many_avx512 *p, const uint8_t *x, int64_t n,
                                   int64_t live, bool first, int64_t rows, float *y,
                                   int64_t y_stride)
{
    const __m512i *w = p->half[0];
    const uint8_t *at[TOKENS_MANY_AVX512];
    __m512 acc[2][TOKENS_MANY_AVX512];

    tokens_many_avx512(at, x, token_many_avx512(32, n), live, y, y_stride);
    memset(acc, 0, sizeof acc);
#pragma GCC unroll 1
    for (int64_t g = 0; g < n / 16; g++, w += 6) {
        __m512i sum[2][TOKENS_MANY_AVX512];

        sums_many_avx512(4, w, at, 16 * g, sum);
#pragma GCC unroll 12
        for (int i = 0; i < 2 * TOKENS_MANY_AVX512; i++) {
            float scale;
            memcpy(&scale, at[i / 2] + n + g / 2 * 4, 4);
            acc[i % 2][i / 2] = _mm512_fmadd_ps(
                _mm512_mul_ps(_mm512_cvtepi32_ps(sum[i % 2][i / 2]), _mm512_set1_ps(scale)),
                _mm512_castsi512_ps(w[i % 2 * HALF_MANY_AVX512 + 5]), acc[i % 2][i / 2]);
        }
    }
    for (int t = 0; t < TOKENS_MANY_AVX512 && t < live; t++) {
        put_avx512(acc[0][t], first, rows, y + t * y_stride);
        put_avx512(acc[1][t], first, rows - 16, y + t * y_stride + 16);
    }
}

static PI_DOT_MANY(dot_many_nvfp4_avx512)
{
    const struct format_avx512 f = { .chunk = chunk_nvfp4_avx512, .block = 32,
                                     .bytes = BYTES_NVFP4 / 2, .narrow = true };

    dot_many_avx512(&f, tile_many_nvfp4_avx512, rows, cols, w, w_stride, m, x, y, y_stride,
                    scratch);
}

void pi_dot_nvfp4_avx512(struct kernels *k)
{
    k->dot[DTYPE_NVFP4] = dot_nvfp4_avx512;
    k->dot_many[DTYPE_NVFP4] = dot_many_nvfp4_avx512;
}
