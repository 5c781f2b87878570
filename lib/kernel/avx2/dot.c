/* dot.c - every dot of the tier.
 *
 * VPMADDUBSW multiplies unsigned by signed bytes and adds pairs in 16 bits: unsigned formats fit,
 * signed ones take the absolute weight and carry its sign to the activation. Blocks are folded so
 * that a lane holds the exact sum of a block: eight blocks of 32 per step, four of 256; lanes add
 * blocks in turn. One row by up to four tokens, so that a row streams once for four.
 */
#include "block.h"

/* 16 sums of two products: of w (signed, or not) with x. */
INLINE_AVX2 __m256i products_avx2(enum dtype type, __m256i w, __m256i x)
{
    if (is_signed_avx2(type))
        return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_maddubs_epi16(w, x);
}

INLINE_AVX2 const float *xscale_avx2(const uint8_t *x, int64_t cols)
{
    return (const float *)(const void *)(x + pi_operand_scales(cols));
}

/* Adds up to eight blocks of 32 to the lanes: acc += scale * xscale * dot (+ min * xscale * xsum).
 */
INLINE_AVX2 void step_q8_avx2(enum dtype type, int T, const uint8_t *w, const uint8_t *const x[4],
                              int64_t cols, int64_t block, int count, __m256 *acc)
{
    const __m256i ones = _mm256_set1_epi16(1);
    int64_t bytes = block_bytes_avx2(type);
    __m256 scale = scales_avx2(type, w, count), min = _mm256_setzero_ps();
    __m256i dot[4][8];

    if (has_min_avx2(type))
        min = scales_avx2(type, w + 2, count);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i q = _mm256_setzero_si256();
        if (i < count)
            q = quants_q8_avx2(type, w + i * bytes);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            dot[t][i] = _mm256_setzero_si256();
            if (i < count)
                dot[t][i] = _mm256_madd_epi16(
                    products_avx2(type, q, load_avx2(x[t] + 32 * (block + i))), ones);
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m256 xscale = _mm256_load_ps(xscale_avx2(x[t], cols) + block);
        acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(fold_avx2(dot[t])),
                                 _mm256_mul_ps(scale, xscale), acc[t]);
        if (has_min_avx2(type)) {
            __m256i xsum = load_avx2(x[t] + pi_operand_sums(OPERAND_Q8, cols) + 4 * block);
            acc[t] = _mm256_fmadd_ps(min, _mm256_mul_ps(xscale, _mm256_cvtepi32_ps(xsum)), acc[t]);
        }
    }
}

/* One row and T tokens, blocks of 32. */
INLINE_AVX2 void row_q8_avx2(enum dtype type, int T, const uint8_t *w, int64_t cols,
                             const uint8_t *const x[4], float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_avx2(type), blocks = cols / 32, b = 0;
    __m256 acc[4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        acc[t] = _mm256_setzero_ps();
    for (; b + 8 <= blocks; b += 8) {
        prefetch_avx2(w + b * bytes, (int)bytes * 8);
        step_q8_avx2(type, T, w + b * bytes, x, cols, b, 8, acc);
    }
    if (b < blocks)
        step_q8_avx2(type, T, w + b * bytes, x, cols, b, (int)(blocks - b), acc);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum_lanes_avx2(acc[t]);
}

/* One block of 256 and T tokens: dot[t] holds parts of sum of group * q * xq, low[t] of sum of
 * low * xsum. */
INLINE_AVX2 void block_q8k_avx2(enum dtype type, int T, const uint8_t *w,
                                const uint8_t *const x[4], int64_t cols, int64_t block,
                                __m256i *dot, __m256i *low)
{
    __m256i minima, groups = groups_avx2(type, w, &minima);
    __m256i first = _mm256_permute4x64_epi64(groups, 0x44);
    __m256i second = _mm256_permute4x64_epi64(groups, 0xEE);
    const __m256i pick = _mm256_setr_epi64x(0x0100010001000100, 0x0100010001000100,
                                            0x0302030203020302, 0x0302030203020302);

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        dot[t] = low[t] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i q = quants_q8k_avx2(type, w, i);
        __m256i scale = _mm256_shuffle_epi8(
            i < 4 ? first : second, _mm256_add_epi8(pick, _mm256_set1_epi8((char)(i % 4 * 4))));
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            __m256i xq = load_avx2(x[t] + 256 * block + 32 * i);
            dot[t] =
                _mm256_add_epi32(dot[t], _mm256_madd_epi16(products_avx2(type, q, xq), scale));
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m256i xsum = load_avx2(x[t] + pi_operand_sums(OPERAND_Q8K, cols) + 32 * block);
        if (has_min_avx2(type))
            low[t] = _mm256_madd_epi16(minima, xsum);
        if (offset_avx2(type))
            dot[t] = _mm256_sub_epi32(
                dot[t], _mm256_madd_epi16(_mm256_slli_epi16(groups, offset_avx2(type)), xsum));
    }
}

/* Lane k: the sum of all lanes of v[k]. */
INLINE_AVX2 __m128i fold_four_avx2(__m256i v0, __m256i v1, __m256i v2, __m256i v3)
{
    __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v0, v1), _mm256_hadd_epi32(v2, v3));

    return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

/* Adds up to four blocks of 256: acc += d * xscale * dot - dmin * xscale * low. */
INLINE_AVX2 void step_q8k_avx2(enum dtype type, int T, const uint8_t *w, const uint8_t *const x[4],
                               int64_t cols, int64_t block, int count, __m128 *acc)
{
    int64_t bytes = block_bytes_avx2(type);
    __m256i dot[4][4], low[4][4];
    uint32_t bits[4];
    __m256 d;

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        bits[k] = 0;
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            dot[k][t] = low[k][t] = _mm256_setzero_si256();
        if (k < count) {
            bits[k] = scale_bits_avx2(type, w + k * bytes);
            block_q8k_avx2(type, T, w + k * bytes, x, cols, block + k, dot[k], low[k]);
        }
    }
    __m128i both = _mm_setr_epi32((int)bits[0], (int)bits[1], (int)bits[2], (int)bits[3]);
    both = _mm_shuffle_epi8(both,
                            _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    d = _mm256_cvtph_ps(both);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) {
        __m128 xscale = _mm_load_ps(xscale_avx2(x[t], cols) + block);
        __m128i sum = fold_four_avx2(dot[0][t], dot[1][t], dot[2][t], dot[3][t]);
        acc[t] = _mm_fmadd_ps(_mm_cvtepi32_ps(sum), _mm_mul_ps(_mm256_castps256_ps128(d), xscale),
                              acc[t]);
        if (has_min_avx2(type)) {
            sum = fold_four_avx2(low[0][t], low[1][t], low[2][t], low[3][t]);
            acc[t] = _mm_fnmadd_ps(_mm_cvtepi32_ps(sum),
                                   _mm_mul_ps(_mm256_extractf128_ps(d, 1), xscale), acc[t]);
        }
    }
}

/* One row and T tokens, blocks of 256. */
INLINE_AVX2 void row_q8k_avx2(enum dtype type, int T, const uint8_t *w, int64_t cols,
                              const uint8_t *const x[4], float *y, int64_t y_stride)
{
    int64_t bytes = block_bytes_avx2(type), blocks = cols / 256, b = 0;
    __m128 acc[4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        acc[t] = _mm_setzero_ps();
    for (; b + 4 <= blocks; b += 4) {
        prefetch_avx2(w + b * bytes, (int)bytes * 4);
        step_q8k_avx2(type, T, w + b * bytes, x, cols, b, 4, acc);
    }
    if (b < blocks)
        step_q8k_avx2(type, T, w + b * bytes, x, cols, b, (int)(blocks - b), acc);
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum_lanes_avx2(_mm256_zextps128_ps256(acc[t]));
}

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

/* One row of floats and T tokens. A tail is copied, so that nothing behind it is read. */
INLINE_AVX2 void row_f_avx2(enum dtype type, int T, const uint8_t *w, int64_t cols,
                            const uint8_t *const x[4], float *y, int64_t y_stride)
{
    int64_t size = type == DTYPE_F32 ? 4 : 2, i = 0;
    __m256 even[4], odd[4];

#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        even[t] = odd[t] = _mm256_setzero_ps();
    for (; i + 16 <= cols; i += 16) {
        __m256 a = weights_avx2(type, w + size * i), b = weights_avx2(type, w + size * (i + 8));
        prefetch_avx2(w + size * i, 1);
#pragma GCC unroll 4
        for (int t = 0; t < T; t++) {
            const float *at = (const float *)(const void *)x[t] + i;
            even[t] = _mm256_fmadd_ps(a, _mm256_loadu_ps(at), even[t]);
            odd[t] = _mm256_fmadd_ps(b, _mm256_loadu_ps(at + 8), odd[t]);
        }
    }
    for (; i < cols; i += 8) {
        int64_t left = pi_min(cols - i, 8);
        uint8_t tail[32] = { 0 };
        memcpy(tail, w + size * i, (size_t)(size * left));
#pragma GCC unroll 4
        for (int t = 0; t < T; t++)
            even[t] = _mm256_fmadd_ps(
                weights_avx2(type, tail),
                _mm256_maskload_ps((const float *)(const void *)x[t] + i, live_avx2(left)),
                even[t]);
    }
#pragma GCC unroll 4
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum_lanes_avx2(_mm256_add_ps(even[t], odd[t]));
}

/* y[t][r]: tokens by fours, twos and ones. */
#define DOT(format, TYPE, row)                                                                    \
    static PI_DOT(dot_##format##_avx2)                                                            \
    {                                                                                             \
        for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {                                  \
            for (int64_t t = 0; t < m;) {                                                         \
                const uint8_t *at = x + t * x_stride;                                             \
                const uint8_t *const four[4] = { at, at + x_stride, at + 2 * x_stride,            \
                                                 at + 3 * x_stride };                             \
                if (m - t >= 4) {                                                                 \
                    row(TYPE, 4, w, cols, four, y + t * y_stride, y_stride);                      \
                    t += 4;                                                                       \
                } else if (m - t >= 2) {                                                          \
                    row(TYPE, 2, w, cols, four, y + t * y_stride, y_stride);                      \
                    t += 2;                                                                       \
                } else {                                                                          \
                    row(TYPE, 1, w, cols, four, y + t * y_stride, y_stride);                      \
                    t++;                                                                          \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }

DOT(f32, DTYPE_F32, row_f_avx2)
DOT(f16, DTYPE_F16, row_f_avx2)
DOT(bf16, DTYPE_BF16, row_f_avx2)
DOT(q4_0, DTYPE_Q4_0, row_q8_avx2)
DOT(q4_1, DTYPE_Q4_1, row_q8_avx2)
DOT(q5_0, DTYPE_Q5_0, row_q8_avx2)
DOT(q5_1, DTYPE_Q5_1, row_q8_avx2)
DOT(q8_0, DTYPE_Q8_0, row_q8_avx2)
DOT(iq4_nl, DTYPE_IQ4_NL, row_q8_avx2)
DOT(mxfp4, DTYPE_MXFP4, row_q8_avx2)
DOT(q2_k, DTYPE_Q2_K, row_q8k_avx2)
DOT(q3_k, DTYPE_Q3_K, row_q8k_avx2)
DOT(q4_k, DTYPE_Q4_K, row_q8k_avx2)
DOT(q5_k, DTYPE_Q5_K, row_q8k_avx2)
DOT(q6_k, DTYPE_Q6_K, row_q8k_avx2)
DOT(iq4_xs, DTYPE_IQ4_XS, row_q8k_avx2)

#undef DOT

void pi_dot_avx2(struct kernels *k)
{
    k->dot[DTYPE_F32] = dot_f32_avx2;
    k->dot[DTYPE_F16] = dot_f16_avx2;
    k->dot[DTYPE_BF16] = dot_bf16_avx2;
    k->dot[DTYPE_Q4_0] = dot_q4_0_avx2;
    k->dot[DTYPE_Q4_1] = dot_q4_1_avx2;
    k->dot[DTYPE_Q5_0] = dot_q5_0_avx2;
    k->dot[DTYPE_Q5_1] = dot_q5_1_avx2;
    k->dot[DTYPE_Q8_0] = dot_q8_0_avx2;
    k->dot[DTYPE_IQ4_NL] = dot_iq4_nl_avx2;
    k->dot[DTYPE_MXFP4] = dot_mxfp4_avx2;
    k->dot[DTYPE_Q2_K] = dot_q2_k_avx2;
    k->dot[DTYPE_Q3_K] = dot_q3_k_avx2;
    k->dot[DTYPE_Q4_K] = dot_q4_k_avx2;
    k->dot[DTYPE_Q5_K] = dot_q5_k_avx2;
    k->dot[DTYPE_Q6_K] = dot_q6_k_avx2;
    k->dot[DTYPE_IQ4_XS] = dot_iq4_xs_avx2;
}
