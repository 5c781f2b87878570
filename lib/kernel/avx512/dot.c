/* dot.c - dot of F16 and BF16; the others stand in dot_f32.c, dot_q8.c, dot_q8k.c.
 *
 * BF16 is widened by a shift and multiplied in float: VDPBF16PS has half the rate of FMA on
 * Intel. A (row, token) pair has two accumulators of 16 lanes, for even and odd vectors of a slab
 * of the row; slabs are added in turn. Four rows by three tokens fill the registers; a slab of
 * three tokens stays in the first cache while rows pass by.
 */
#include "common.h"

enum { SLAB_F_AVX512 = 2048 /* elements */ };

/* 16 weights; those not live are zero and not read. */
INLINE_AVX512 __m512 weights_f_avx512(enum dtype type, const uint8_t *w, __mmask16 live)
{
    if (type == DTYPE_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(live, w));
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(live, w)), 16));
}

/* acc[parity][r][t] += 16 elements of R rows and T tokens. */
INLINE_AVX512 void step_f_avx512(enum dtype type, int R, int T, const uint8_t *w, int64_t w_stride,
                                 const uint8_t *x, int64_t x_stride, __mmask16 live,
                                 __m512 acc[4][3])
{
    __m512 v[3];

#pragma GCC unroll 3
    for (int t = 0; t < T; t++)
        v[t] = _mm512_maskz_loadu_ps(live, x + t * x_stride);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
        __m512 row = weights_f_avx512(type, w + r * w_stride, live);
#pragma GCC unroll 3
        for (int t = 0; t < T; t++)
            acc[r][t] = _mm512_fmadd_ps(row, v[t], acc[r][t]);
    }
}

/* R rows by T tokens of one slab, added to y or (first) written. */
INLINE_AVX512 void tile_f_avx512(enum dtype type, int R, int T, int64_t n, const uint8_t *w,
                                 int64_t w_stride, const uint8_t *x, int64_t x_stride, bool first,
                                 float *y, int64_t y_stride)
{
    const __mmask16 all = 0xFFFF;
    int64_t i = 0;
    __m512 even[4][3], odd[4][3];

#pragma GCC unroll 12
    for (int p = 0; p < R * T; p++)
        even[p / T][p % T] = odd[p / T][p % T] = _mm512_setzero_ps();
    for (; i + 32 <= n; i += 32) {
        if (R == 1)
            prefetch_avx512(w + 2 * i, 64);
        step_f_avx512(type, R, T, w + 2 * i, w_stride, x + 4 * i, x_stride, all, even);
        step_f_avx512(type, R, T, w + 2 * (i + 16), w_stride, x + 4 * (i + 16), x_stride, all,
                      odd);
    }
    if (i < n)
        step_f_avx512(type, R, T, w + 2 * i, w_stride, x + 4 * i, x_stride,
                      (__mmask16)((1u << pi_min(n - i, 16)) - 1), even);
    if (i + 16 < n)
        step_f_avx512(type, R, T, w + 2 * (i + 16), w_stride, x + 4 * (i + 16), x_stride,
                      (__mmask16)((1u << (n - i - 16)) - 1), odd);
#pragma GCC unroll 12
    for (int p = 0; p < R * T; p++) {
        float sum = sum_lanes_avx512(_mm512_add_ps(even[p / T][p % T], odd[p / T][p % T]));
        float *at = y + p % T * y_stride + p / T;
        *at = first ? sum : *at + sum;
    }
}

/* R rows, any number of tokens, of one slab. */
INLINE_AVX512 void rows_f_avx512(enum dtype type, int R, int64_t n, const uint8_t *w,
                                 int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                 bool first, float *y, int64_t y_stride)
{
    switch (m) {
    case 1: tile_f_avx512(type, R, 1, n, w, w_stride, x, x_stride, first, y, y_stride); break;
    case 2: tile_f_avx512(type, R, 2, n, w, w_stride, x, x_stride, first, y, y_stride); break;
    default: tile_f_avx512(type, R, 3, n, w, w_stride, x, x_stride, first, y, y_stride); break;
    }
}

INLINE_AVX512 void dot_f_avx512(enum dtype type, int64_t rows, int64_t cols, const uint8_t *w,
                                int64_t w_stride, int64_t m, const uint8_t *x, int64_t x_stride,
                                float *y, int64_t y_stride)
{
    if (m < 1)
        return;
    if (m < 4) { /* a stream: row by row */
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < cols; i += SLAB_F_AVX512)
                rows_f_avx512(type, 1, pi_min(cols - i, SLAB_F_AVX512),
                              w + r * w_stride + 2 * i, w_stride, m, x + 4 * i, x_stride,
                              i == 0, y + r, y_stride);
        return;
    }
    for (int64_t i = 0; i < cols; i += SLAB_F_AVX512)
        for (int64_t t = 0; t < m; t += 3) {
            const uint8_t *slab = w + 2 * i, *tokens = x + t * x_stride + 4 * i;
            int64_t n = pi_min(cols - i, SLAB_F_AVX512), r = 0;
            for (; r + 4 <= rows; r += 4)
                rows_f_avx512(type, 4, n, slab + r * w_stride, w_stride, pi_min(m - t, 3), tokens,
                              x_stride, i == 0, y + t * y_stride + r, y_stride);
            for (; r < rows; r++)
                rows_f_avx512(type, 1, n, slab + r * w_stride, w_stride, pi_min(m - t, 3), tokens,
                              x_stride, i == 0, y + t * y_stride + r, y_stride);
        }
}

#define DOT(format, TYPE)                                                                         \
    static PI_DOT(dot_##format##_avx512)                                                          \
    {                                                                                             \
        dot_f_avx512(TYPE, rows, cols, w, w_stride, m, x, x_stride, y, y_stride);                 \
    }

DOT(f16, DTYPE_F16)
DOT(bf16, DTYPE_BF16)

#undef DOT

void pi_dot_avx512(struct kernels *k)
{
    k->dot[DTYPE_F16] = dot_f16_avx512;
    k->dot[DTYPE_BF16] = dot_bf16_avx512;
}
