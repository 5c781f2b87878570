/* attend.c - rows of queries against a block of keys and values, four rows by one panel of keys or
 * by 16 columns of values at a time; see avx512/attend.c.
 */
#include <math.h>

#include "vmath.h"

/* Elements 4p on of a panel row or of a value. */
INLINE_NEON float32x4_t load_kv_neon(enum kv_type type, const uint8_t *at, int p)
{
    if (type == KV_F32)
        return vreinterpretq_f32_u8(load_neon(at + 16 * p));
    if (type == KV_F16)
        return load_halves_neon(at + 8 * p);
    else {
        int16x8_t wide = vmovl_s8(vld1_s8((const int8_t *)at + 8 * (p / 2)));
        return vcvtq_f32_s32(vmovl_s16(p % 2 ? vget_high_s16(wide) : vget_low_s16(wide)));
    }
}

/* sum[r][p] += x[r][i] * the four elements at p, for one or (BF16) two i. */
INLINE_NEON void add_kv_neon(enum kv_type type, int rows, float32x4_t sum[][4],
                             const float *const *x, int64_t i, const uint8_t *at, bool second)
{
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        if (type == KV_BF16) {
            uint32x4_t pairs = vreinterpretq_u32_u8(load_neon(at + 16 * p));
            float32x4_t a = vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
            float32x4_t b = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xFFFF0000)));
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                sum[r][p] = vfmaq_n_f32(sum[r][p], a, x[r][i]);
                if (second)
                    sum[r][p] = vfmaq_n_f32(sum[r][p], b, x[r][i + 1]);
            }
        } else {
            float32x4_t element = load_kv_neon(type, at, p);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r][p] = vfmaq_n_f32(sum[r][p], element, x[r][i]);
        }
    }
}

/* dots[r][t..t+16) = dot(q[r], k) for `rows` rows and one panel. */
INLINE_NEON void scores_neon(enum kv_type type, int rows, float (*dots)[PI_KV_KEYS],
                             const float *const *q, const uint8_t *block, int64_t c, int64_t t)
{
    const uint8_t *k = block + t / 16 * (pi_kv_values(type, c) / (PI_KV_KEYS / PI_KV_PANEL));
    int64_t step = type == KV_BF16 ? 2 : 1, bytes = 16 * pi_kv_element(type), i = 0;
    float32x4_t sum[4][4];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++)
            sum[r][p] = vdupq_n_f32(0);
    for (; i + step <= c; i += step)
        add_kv_neon(type, rows, sum, q, i, k + i * bytes, true);
    if (i < c)
        add_kv_neon(type, rows, sum, q, i, k + i * bytes, false);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++)
            vst1q_f32(dots[r] + t + 4 * p, sum[r][p]);
}

/* All bits of the lanes of positions t .. t + 3 that lie in [first, last). */
INLINE_NEON uint32x4_t seen_neon(int64_t t, int64_t first, int64_t last)
{
    static const int32_t lanes[4] = { 0, 1, 2, 3 };
    int32x4_t at = vaddq_s32(vld1q_s32(lanes), vdupq_n_s32((int32_t)t));

    return vandq_u32(vcgeq_s32(at, vdupq_n_s32((int32_t)first)),
                     vcltq_s32(at, vdupq_n_s32((int32_t)last)));
}

INLINE_NEON float32x4_t if_neon(uint32x4_t mask, float32x4_t v)
{
    return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(v)));
}

/* The score of a dot product: scaled, capped, less the distance's bias. */
INLINE_NEON float32x4_t score_neon(float32x4_t v, float scale, float cap, float slope, float from)
{
    static const float lanes[4] = { 0, 1, 2, 3 };

    v = vmulq_n_f32(v, scale);
    if (cap > 0)
        v = vmulq_n_f32(tanh_neon(vdivq_f32(v, vdupq_n_f32(cap))), cap);
    if (slope != 0)
        v = vfmsq_n_f32(v, vabsq_f32(vaddq_f32(vld1q_f32(lanes), vdupq_n_f32(from))), slope);
    return v;
}

/* Raises the largest score so far to `max`, if that is larger; what is summed up counts less. */
INLINE_NEON float raise_neon(struct attend_sums *y, int64_t r, float max, int64_t w)
{
    float32x4_t by;

    if (y->max[r] >= max)
        return y->max[r];
    by = exp_neon(vdupq_n_f32(y->max[r] - max));
    for (int64_t i = r * w; i < (r + 1) * w; i += 4)
        vst1q_f32(y->o + i, vmulq_f32(vld1q_f32(y->o + i), by));
    y->sum[r] *= vgetq_lane_f32(by, 0);
    return y->max[r] = max;
}

/* Row r's dots become its scores, then exp(score - max), 0 where it does not see. */
INLINE_NEON void softmax_neon(enum kv_type type, struct attend_sums *y,
                              const struct attend_rows *x, int64_t r, float *s,
                              const float *scales, int64_t w, float scale, float cap)
{
    int64_t first = x->first[r], last = x->last[r];
    float32x4_t most = vdupq_n_f32(-INFINITY), sum = vdupq_n_f32(0);
    float max;

    for (int64_t t = first / 4 * 4; t < last; t += 4) {
        float32x4_t v = vld1q_f32(s + t);
        if (type == KV_Q8)
            v = vmulq_f32(v, vld1q_f32(scales + t));
        v = score_neon(v, scale, cap, x->slope[r], (float)t - x->origin[r]);
        v = vbslq_f32(seen_neon(t, first, last), v, vdupq_n_f32(-INFINITY));
        most = vmaxq_f32(most, v);
        vst1q_f32(s + t, v);
    }
    max = vmaxvq_f32(most);
    max = raise_neon(y, r, max, w);
    most = vdupq_n_f32(max == -INFINITY ? 0 : max);
    for (int64_t t = first / 4 * 4; t < last; t += 4) {
        uint32x4_t seen = seen_neon(t, first, last);
        float32x4_t p = if_neon(seen, exp_neon(vsubq_f32(vld1q_f32(s + t), most)));
        sum = vaddq_f32(sum, p);
        if (type == KV_Q8) /* a scale that nothing has been kept for may be NaN */
            p = if_neon(seen, vmulq_f32(p, vld1q_f32(scales + PI_KV_KEYS + t)));
        vst1q_f32(s + t, p);
    }
    y->sum[r] += sum_lanes_neon(sum);
}

/* o[r] += sum over t in [first, last) of s[r][t] * v[t]. In BF16 both are even. */
INLINE_NEON void values_neon(enum kv_type type, int rows, float *o, int64_t w,
                             float (*s)[PI_KV_KEYS], const uint8_t *v, int64_t first, int64_t last)
{
    int64_t step = type == KV_BF16 ? 2 : 1, column = step * pi_kv_element(type);
    const float *weights[4];
    float32x4_t acc[4][4];

    for (int r = 0; r < rows; r++)
        weights[r] = s[r];
    for (int64_t i = 0; first < last && i < w; i += 16) {
        const uint8_t *at = v + (first / step * w + i) * column;

#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++)
                acc[r][p] = vld1q_f32(o + r * w + i + 4 * p);
        for (int64_t t = first; t < last; t += step, at += w * column)
            add_kv_neon(type, rows, acc, weights, t, at, true);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++)
                vst1q_f32(o + r * w + i + 4 * p, acc[r][p]);
    }
}

/* Rows r .. r + rows: what all of them see together, the rest one by one, each in its order. */
INLINE_NEON void rows_neon(enum kv_type type, int rows, struct attend_sums *y,
                           const struct attend_rows *x, int64_t r, const uint8_t *block, int64_t c,
                           int64_t cv, float scale, float cap)
{
    const uint8_t *v = block + pi_kv_values(type, c);
    const float *scales = (const float *)(const void *)(block + pi_kv_scales(type, c, cv));
    int64_t low = PI_KV_KEYS, high = 0, from = 0, to = PI_KV_KEYS, w = pi_kv_width(cv);
    int64_t even = type == KV_BF16 ? 2 : 1, first[4], last[4];
    _Alignas(16) float s[4][PI_KV_KEYS];
    float *o = y->o + r * w;

    for (int j = 0; j < rows; j++) {
        first[j] = x->first[r + j] / even * even;
        last[j] = (x->last[r + j] + even - 1) / even * even;
        from = pi_max(from, first[j]);
        to = pi_min(to, last[j]);
        if (x->first[r + j] < x->last[r + j]) {
            low = pi_min(low, first[j]);
            high = pi_max(high, last[j]);
        }
    }
    for (int64_t t = low / 16 * 16; t < high; t += 16)
        scores_neon(type, rows, s, x->q + r, block, c, t);
    for (int j = 0; j < rows; j++)
        softmax_neon(type, y, x, r + j, s[j], scales, w, scale, cap);
    if (from >= to)
        from = to = PI_KV_KEYS;
    for (int j = 0; j < rows; j++)
        values_neon(type, 1, o + j * w, w, s + j, v, first[j], pi_min(last[j], from));
    values_neon(type, rows, o, w, s, v, from, to);
    for (int j = 0; j < rows; j++)
        values_neon(type, 1, o + j * w, w, s + j, v, pi_max(first[j], to), last[j]);
}

INLINE_NEON void attend_neon(enum kv_type type, struct attend_sums *y,
                             const struct attend_rows *x, const uint8_t *block, int64_t blocks,
                             int64_t c, int64_t cv, float scale, float cap)
{
    struct attend_rows at = *x;

    for (int64_t b = 0; b < blocks; b++, block += pi_kv_bytes(type, c, cv)) {
        int64_t r = 0;

        if (!pi_attend_at(&at, x, b))
            continue;
        for (; r + 4 <= x->n; r += 4)
            rows_neon(type, 4, y, &at, r, block, c, cv, scale, cap);
        for (; r + 2 <= x->n; r += 2)
            rows_neon(type, 2, y, &at, r, block, c, cv, scale, cap);
        if (r < x->n)
            rows_neon(type, 1, y, &at, r, block, c, cv, scale, cap);
    }
}

static PI_ATTEND(attend_f32_neon)
{
    attend_neon(KV_F32, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_f16_neon)
{
    attend_neon(KV_F16, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_bf16_neon)
{
    attend_neon(KV_BF16, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_q8_neon)
{
    attend_neon(KV_Q8, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND_FOLD(attend_fold_neon)
{
    float high[PI_ATTEND_ROWS], by[PI_ATTEND_ROWS], with[PI_ATTEND_ROWS];

    for (int64_t i = 0; i < n; i += 4) {
        float32x4_t was = vld1q_f32(to->max + i), is = vld1q_f32(from->max + i);
        float32x4_t max = vmaxq_f32(was, is), one = vdupq_n_f32(1);
        vst1q_f32(high + i, max);
        vst1q_f32(by + i, vbslq_f32(vceqq_f32(was, max), one, exp_neon(vsubq_f32(was, max))));
        vst1q_f32(with + i, vbslq_f32(vceqq_f32(is, max), one, exp_neon(vsubq_f32(is, max))));
    }
    for (int64_t r = 0, w = pi_kv_width(cv); r < n; r++) {
        if (from->max[r] == -INFINITY)
            continue;
        to->max[r] = high[r];
        to->sum[r] = by[r] * to->sum[r] + with[r] * from->sum[r];
        for (int64_t i = r * w; i < (r + 1) * w; i += 4)
            vst1q_f32(to->o + i, vfmaq_n_f32(vmulq_n_f32(vld1q_f32(from->o + i), with[r]),
                                             vld1q_f32(to->o + i), by[r]));
    }
}

/* y[i * stride] = x[i] in half precision. */
INLINE_NEON void scatter_halves_neon(uint16_t *y, int64_t stride, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 4) {
        float16x4_t v = vcvt_f16_f32(load_floats_neon(x + i, n - i));
        uint16_t half[4];

        vst1_u16(half, vreinterpret_u16_f16(v));
        for (int64_t j = 0; j < pi_min(n - i, 4); j++)
            y[(i + j) * stride] = half[j];
    }
}

static PI_KV_KEEP(kv_keep_f16_neon)
{
    uint16_t *keys = (uint16_t *)(void *)block;
    uint16_t *values = (uint16_t *)(void *)(block + pi_kv_values(KV_F16, c));

    for (int64_t t = first; t < first + n; t++, k += k_stride, v += v_stride) {
        scatter_halves_neon(keys + t / 16 * c * 16 + t % 16, 16, k, c);
        scatter_halves_neon(values + t * pi_kv_width(cv), 1, v, cv);
    }
}

void pi_attend_neon(struct kernels *k)
{
    k->kv_keep[KV_F16] = kv_keep_f16_neon;
    k->attend[KV_F32] = attend_f32_neon;
    k->attend[KV_F16] = attend_f16_neon;
    k->attend[KV_BF16] = attend_bf16_neon;
    k->attend[KV_Q8] = attend_q8_neon;
    k->attend_fold = attend_fold_neon;
}
