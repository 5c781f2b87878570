/* row.h - the engine of the quantised dots: one row by one token or two. More at once would save
 * little: the products outweigh the unpacking. NEON and SDOT differ in one function, given as
 * `mac`.
 *
 * A step takes four blocks, whose exact integer sums are folded into the lanes of one vector, so
 * that a float multiply-add serves four blocks. Lanes add blocks in turn; after a slab of columns
 * the lanes are added to the result. dotprod/panel.h adds in this order too.
 */
#ifndef PI_NEON_ROW_H
#define PI_NEON_ROW_H

#include "block.h"

enum { SLAB_NEON = 2048 /* columns; four blocks or more of any format */ };

/* Adds the 16 products of w and x to the four lanes of sum, in any arrangement; to zero if
 * fresh. */
typedef int32x4_t mac_fn_neon(bool fresh, int32x4_t sum, int8x16_t w, int8x16_t x);

/* The parts of an operand row. */
INLINE_NEON const float *xscale_neon(const uint8_t *x, int64_t cols)
{
    return (const float *)(const void *)(x + pi_operand_scales(cols));
}

INLINE_NEON const int32_t *xsum_q8_neon(const uint8_t *x, int64_t cols)
{
    return (const int32_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8, cols));
}

INLINE_NEON const int16_t *xsum_q8k_neon(const uint8_t *x, int64_t cols)
{
    return (const int16_t *)(const void *)(x + pi_operand_sums(OPERAND_Q8K, cols));
}

/* One block of 32 and T tokens: dot[4 * t] holds parts of the sum of q * xq. */
INLINE_NEON void block_q8_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                               const uint8_t *const x[2], int64_t block, int32x4_t *dot)
{
    int8x16_t low = half_q8_neon(type, w, 0), high = half_q8_neon(type, w, 1);

#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        const uint8_t *at = x[t] + 32 * block;
        int32x4_t sum = mac(true, vdupq_n_s32(0), low, load_signed_neon(at));
        dot[4 * t] = mac(false, sum, high, load_signed_neon(at + 16));
    }
}

/* Adds up to four blocks of 32 to the lanes:
 * acc += scale * xscale * dot (+ min * xscale * xsum) */
INLINE_NEON void step_q8_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                              const uint8_t *const x[2], int64_t cols, int64_t block, int count,
                              float32x4_t *acc)
{
    int64_t bytes = block_bytes_neon(type);
    float32x4_t scale = scales_neon(type, w, count), min = scale;
    int32x4_t dot[2][4];

    if (has_min_neon(type))
        min = gather_halves_neon(w + 2, bytes, count);
    if (count == 4) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            block_q8_neon(mac, type, T, w + i * bytes, x, block + i, &dot[0][i]);
    } else {
        memset(dot, 0, sizeof dot);
        for (int i = 0; i < count; i++)
            block_q8_neon(mac, type, T, w + i * bytes, x, block + i, &dot[0][i]);
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        float32x4_t xscale = vld1q_f32(xscale_neon(x[t], cols) + block);
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(fold_neon(dot[t])), vmulq_f32(scale, xscale));
        if (has_min_neon(type)) {
            float32x4_t xsum = vcvtq_f32_s32(vld1q_s32(xsum_q8_neon(x[t], cols) + block));
            acc[t] = vfmaq_f32(acc[t], min, vmulq_f32(xscale, xsum));
        }
    }
}

/* Blocks first to first + n of a row and T tokens: acc[t] = sums of every fourth. */
INLINE_NEON void slab_q8_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                              const uint8_t *const x[2], int64_t cols, int64_t first, int64_t n,
                              float32x4_t *acc)
{
    int64_t bytes = block_bytes_neon(type), b = 0;

    for (; b + 4 <= n; b += 4, w += 4 * bytes) {
        prefetch_neon(w, 4 * bytes);
        step_q8_neon(mac, type, T, w, x, cols, first + b, 4, acc);
    }
    if (b < n)
        step_q8_neon(mac, type, T, w, x, cols, first + b, (int)(n - b), acc);
}

/* Sum of low * xsum over the groups of a block of 256, spread over four lanes. */
INLINE_NEON int32x4_t minima_neon(enum dtype type, int8x16_t low, const int16_t *xsum)
{
    int16x8_t a = vmovl_s8(vget_low_s8(low)), b = vmovl_s8(vget_high_s8(low));
    int16x8_t xa = vld1q_s16(xsum), xb = vld1q_s16(xsum + 8);
    int32x4_t sum;

    if (is_wide_neon(type))
        xa = vpaddq_s16(xa, xb);
    sum = vmlal_high_s16(vmull_s16(vget_low_s16(a), vget_low_s16(xa)), a, xa);
    if (is_wide_neon(type))
        return sum;
    sum = vmlal_s16(sum, vget_low_s16(b), vget_low_s16(xb));
    return vmlal_high_s16(sum, b, xb);
}

/* One block of 256 and T tokens: dot[4 * t] holds parts of the sum of group * q * xq. */
INLINE_NEON void block_q8k_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                                const uint8_t *const x[2], int64_t block, int8x16_t groups,
                                int32x4_t *dot)
{
    int16x8_t half[2] = { vmovl_s8(vget_low_s8(groups)), vmovl_s8(vget_high_s8(groups)) };
    int span = is_wide_neon(type) ? 2 : 1; /* sixteens of a group */
    int32x4_t scale[4] = { vmovl_s16(vget_low_s16(half[0])), vmovl_high_s16(half[0]),
                           vmovl_s16(vget_low_s16(half[1])), vmovl_high_s16(half[1]) };

#pragma GCC unroll 4
    for (int i = 0; i < 4 / span; i++) { /* four groups, one in each lane of their scales */
        int32x4_t part[2][4];
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++)
#pragma GCC unroll 2
            for (int j = 0; j < span; j++) {
                int at = (4 * i + g) * span + j;
                int8x16_t q = group_q8k_neon(type, w, at);
#pragma GCC unroll 2
                for (int t = 0; t < T; t++)
                    part[t][g] = mac(j == 0, part[t][g], q,
                                     load_signed_neon(x[t] + 256 * block + 16 * at));
            }
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            dot[4 * t] = vmlaq_s32(dot[4 * t], fold_neon(part[t]), scale[i]);
    }
}

/* Adds up to four blocks of 256: acc += d * xscale * dot - dmin * xscale * low. */
INLINE_NEON void step_q8k_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                               const uint8_t *const x[2], int64_t cols, int64_t block, int count,
                               float32x4_t *acc)
{
    int64_t bytes = block_bytes_neon(type), at = scale_at_neon(type);
    float32x4_t d = gather_halves_neon(w + at, bytes, count), dmin = d;
    int32x4_t dot[2][4], low[2][4];

    if (has_min_neon(type))
        dmin = gather_halves_neon(w + at + 2, bytes, count);
    memset(dot, 0, sizeof dot);
    memset(low, 0, sizeof low);
    for (int i = 0; i < count; i++) {
        struct groups_neon g = groups_neon(type, w + i * bytes);
        block_q8k_neon(mac, type, T, w + i * bytes, x, block + i, g.scale, &dot[0][i]);
        if (has_min_neon(type))
#pragma GCC unroll 2
            for (int t = 0; t < T; t++)
                low[t][i] = minima_neon(type, g.low,
                                        xsum_q8k_neon(x[t], cols) + 16 * (block + i));
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++) {
        float32x4_t xscale = vld1q_f32(xscale_neon(x[t], cols) + block);
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(fold_neon(dot[t])), vmulq_f32(d, xscale));
        if (has_min_neon(type))
            acc[t] = vfmsq_f32(acc[t], vcvtq_f32_s32(fold_neon(low[t])), vmulq_f32(dmin, xscale));
    }
}

/* As slab_q8_neon, of blocks of 256. */
INLINE_NEON void slab_q8k_neon(mac_fn_neon *mac, enum dtype type, int T, const uint8_t *w,
                               const uint8_t *const x[2], int64_t cols, int64_t first, int64_t n,
                               float32x4_t *acc)
{
    int64_t bytes = block_bytes_neon(type);

    for (int64_t b = 0; b < n; b += 4, w += 4 * bytes) {
        int count = (int)pi_min(n - b, 4);
        prefetch_neon(w, count * bytes);
        step_q8k_neon(mac, type, T, w, x, cols, first + b, count, acc);
    }
}

/* y[t * y_stride] = row times token t, for T tokens. */
INLINE_NEON void row_neon(mac_fn_neon *mac, enum dtype type, int64_t block, int T,
                          const uint8_t *w, int64_t cols, const uint8_t *x, int64_t x_stride,
                          float *y, int64_t y_stride)
{
    const uint8_t *const two[2] = { x, x + x_stride };
    int64_t blocks = cols / block, slab = SLAB_NEON / block;
    float sum[2] = { 0 };

    for (int64_t b = 0; b < blocks; b += slab, w += slab * block_bytes_neon(type)) {
        float32x4_t acc[2];
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            acc[t] = vdupq_n_f32(0);
        if (block == 32)
            slab_q8_neon(mac, type, T, w, two, cols, b, pi_min(slab, blocks - b), acc);
        else
            slab_q8k_neon(mac, type, T, w, two, cols, b, pi_min(slab, blocks - b), acc);
#pragma GCC unroll 2
        for (int t = 0; t < T; t++)
            sum[t] += sum_lanes_neon(acc[t]);
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        y[t * y_stride] = sum[t];
}

/* dot: a row stays in the cache for all pairs of tokens. */
INLINE_NEON void rows_neon(mac_fn_neon *mac, enum dtype type, int64_t block, int64_t rows,
                           int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,
                           const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++) {
        int64_t t = 0;
        for (; t + 2 <= m; t += 2)
            row_neon(mac, type, block, 2, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                     y_stride);
        if (t < m)
            row_neon(mac, type, block, 1, w, cols, x + t * x_stride, x_stride, y + t * y_stride,
                     y_stride);
    }
}

#endif
