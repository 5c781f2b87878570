/* attend.c - one query position against the keys and values of one head.
 *
 * Scores: eight keys by two query heads at a time, then folded. Values: four query heads by 16
 * elements in registers, over 128 keys at a time. So keys and values are read from memory once for
 * all heads that share them, and converted once for several.
 */
#include "vmath.h"

enum { VALUE_KEYS_NEON = 128, VALUE_HEADS_NEON = 4, SCORE_HEADS_NEON = 2 };

/* Four elements. */
INLINE_NEON float32x4_t load_attend_neon(bool half, const uint8_t *at)
{
    return half ? load_halves_neon(at) : vreinterpretq_f32_u8(load_neon(at));
}

/* Up to three, copied, so that nothing behind them is read; the rest zero. */
INLINE_NEON float32x4_t load_tail_neon(bool half, const uint8_t *at, int64_t left)
{
    uint8_t tail[16] = { 0 };

    memcpy(tail, at, (size_t)(left * (half ? 2 : 4)));
    return load_attend_neon(half, tail);
}

/* Lane i = sum of the lanes of v[i]. */
INLINE_NEON float32x4_t fold_attend_neon(const float32x4_t v[4])
{
    return vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3]));
}

/* s[j][t] = scale * dot(q[j], k[t]) for `heads` query heads and up to eight keys. */
INLINE_NEON void scores_neon(bool half, int heads, float *s, int64_t s_stride, const float *q,
                             const uint8_t *k, int64_t k_bytes, int64_t c, int64_t keys,
                             float scale, float cap)
{
    float32x4_t sum[SCORE_HEADS_NEON][8], tail[8];
    int64_t size = half ? 2 : 4, i = 0;

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++)
#pragma GCC unroll 2
        for (int j = 0; j < heads; j++)
            sum[j][t] = vdupq_n_f32(0);
    for (; i + 4 <= c; i += 4)
#pragma GCC unroll 8
        for (int t = 0; t < 8; t++) {
            float32x4_t key = load_attend_neon(half, k + (t < keys ? t : 0) * k_bytes + i * size);
#pragma GCC unroll 2
            for (int j = 0; j < heads; j++)
                sum[j][t] = vfmaq_f32(sum[j][t], vld1q_f32(q + j * c + i), key);
        }
    if (i < c) {
        for (int t = 0; t < 8; t++)
            tail[t] = load_tail_neon(half, k + (t < keys ? t : 0) * k_bytes + i * size, c - i);
#pragma GCC unroll 2
        for (int j = 0; j < heads; j++) {
            float32x4_t query = load_floats_neon(q + j * c + i, c - i);
#pragma GCC unroll 8
            for (int t = 0; t < 8; t++)
                sum[j][t] = vfmaq_f32(sum[j][t], query, tail[t]);
        }
    }
#pragma GCC unroll 2
    for (int j = 0; j < heads; j++)
        for (int t = 0; t < 8 && t < keys; t += 4) {
            float32x4_t score = vmulq_n_f32(fold_attend_neon(sum[j] + t), scale);
            if (cap > 0)
                score = vmulq_n_f32(tanh_neon(vdivq_f32(score, vdupq_n_f32(cap))), cap);
            store_floats_neon(s + j * s_stride + t, keys - t, score);
        }
}

/* s[t] = exp(s[t] - max) / (their sum) */
static void softmax_neon(float *s, int64_t keys)
{
    float32x4_t most = vdupq_n_f32(s[0]), sum = vdupq_n_f32(0);
    float total, max;
    int64_t t = 0;

    for (; t + 4 <= keys; t += 4)
        most = vmaxq_f32(most, vld1q_f32(s + t));
    max = vmaxvq_f32(most);
    for (; t < keys; t++)
        max = s[t] > max ? s[t] : max;
    for (t = 0; t + 4 <= keys; t += 4) {
        float32x4_t e = exp_neon(vsubq_f32(vld1q_f32(s + t), vdupq_n_f32(max)));
        vst1q_f32(s + t, e);
        sum = vaddq_f32(sum, e);
    }
    total = sum_lanes_neon(sum);
    for (; t < keys; t++)
        total += s[t] = vgetq_lane_f32(exp_neon(vdupq_n_f32(s[t] - max)), 0);
    for (t = 0; t < keys; t += 4)
        store_floats_neon(s + t, keys - t,
                          vmulq_n_f32(load_floats_neon(s + t, keys - t), 1 / total));
}

/* y[j][0..4P) += sum of s[j][t] * v[t][0..4P), for `heads` query heads; with P = 1 as many of the
 * four as are left. */
INLINE_NEON void values_neon(bool half, int P, int heads, float *y, int64_t c, const float *s,
                             int64_t s_stride, const uint8_t *v, int64_t v_bytes, int64_t left,
                             int64_t keys)
{
    float32x4_t acc[VALUE_HEADS_NEON][4];

#pragma GCC unroll 4
    for (int p = 0; p < P; p++)
#pragma GCC unroll 4
        for (int j = 0; j < heads; j++)
            acc[j][p] = load_floats_neon(y + j * c + 4 * p, left);
    for (int64_t t = 0; t < keys; t++, v += v_bytes) {
#pragma GCC unroll 4
        for (int p = 0; p < P; p++) {
            float32x4_t value = left < 4 ? load_tail_neon(half, v, left)
                                         : load_attend_neon(half, v + (half ? 8 : 16) * p);
#pragma GCC unroll 4
            for (int j = 0; j < heads; j++)
                acc[j][p] = vfmaq_n_f32(acc[j][p], value, s[j * s_stride + t]);
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; p++)
#pragma GCC unroll 4
        for (int j = 0; j < heads; j++)
            store_floats_neon(y + j * c + 4 * p, left, acc[j][p]);
}

/* All elements of some values for `heads` query heads: by sixteens, then fours. */
INLINE_NEON void row_values_neon(bool half, int heads, float *y, int64_t c, const float *s,
                                 int64_t s_stride, const uint8_t *v, int64_t v_bytes, int64_t keys)
{
    int64_t size = half ? 2 : 4, i = 0;

    for (; i + 16 <= c; i += 16)
        values_neon(half, 4, heads, y + i, c, s, s_stride, v + i * size, v_bytes, 16, keys);
    for (; i < c; i += 4)
        values_neon(half, 1, heads, y + i, c, s, s_stride, v + i * size, v_bytes, c - i, keys);
}

/* All scores. */
INLINE_NEON void all_scores_neon(bool half, float *s, const float *q, const uint8_t *k,
                                 int64_t k_bytes, int64_t g, int64_t c, int64_t keys, float scale,
                                 float cap)
{
    for (int64_t t = 0; t < keys; t += 8, k += 8 * k_bytes) {
        int64_t n = pi_min(keys - t, 8), j = 0;
        for (; j + SCORE_HEADS_NEON <= g; j += SCORE_HEADS_NEON)
            scores_neon(half, SCORE_HEADS_NEON, s + j * keys + t, keys, q + j * c, k, k_bytes, c,
                        n, scale, cap);
        if (j < g)
            scores_neon(half, 1, s + j * keys + t, keys, q + j * c, k, k_bytes, c, n, scale, cap);
    }
}

/* softmax(scale * q k) v */
INLINE_NEON void attend_neon(bool half, float *y, const float *q, const void *k, const void *v,
                             int64_t k_stride, int64_t v_stride, int64_t g, int64_t c, int64_t keys,
                             float scale, float cap, float *scratch)
{
    int64_t size = half ? 2 : 4, v_bytes = v_stride * size;

    all_scores_neon(half, scratch, q, k, k_stride * size, g, c, keys, scale, cap);
    memset(y, 0, (size_t)(g * c) * sizeof *y);
    for (int64_t j = 0; j < g; j++)
        softmax_neon(scratch + j * keys, keys);
    for (int64_t t = 0; t < keys; t += VALUE_KEYS_NEON) {
        const uint8_t *block = (const uint8_t *)v + t * v_bytes;
        int64_t n = pi_min(keys - t, VALUE_KEYS_NEON);
        const float *s = scratch + t;
        int64_t j = 0;
        for (; j + VALUE_HEADS_NEON <= g; j += VALUE_HEADS_NEON)
            row_values_neon(half, VALUE_HEADS_NEON, y + j * c, c, s + j * keys, keys, block,
                            v_bytes, n);
        for (; j < g; j++)
            row_values_neon(half, 1, y + j * c, c, s + j * keys, keys, block, v_bytes, n);
    }
}

static PI_ATTEND(attend_f32_neon)
{
    attend_neon(false, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

static PI_ATTEND(attend_f16_neon)
{
    attend_neon(true, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

void pi_attend_neon(struct kernels *k)
{
    k->attend_f32 = attend_f32_neon;
    k->attend_f16 = attend_f16_neon;
}
