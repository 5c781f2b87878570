/* attend.c - rows of queries against a block of keys and values, and the block itself.
 */
#include <math.h>

#include "kernel/overlays.h"

/* Where element i of the key at position t stands in a block, counted in elements. */
static inline int64_t key_at_scalar(enum kv_type type, int64_t c, int64_t t, int64_t i)
{
    int64_t panel = t / PI_KV_PANEL, key = t % PI_KV_PANEL;

    if (type == KV_BF16)
        return ((panel * ((c + 1) / 2) + i / 2) * PI_KV_PANEL + key) * 2 + i % 2;
    return (panel * c + i) * PI_KV_PANEL + key;
}

static inline int64_t value_at_scalar(enum kv_type type, int64_t cv, int64_t t, int64_t i)
{
    int64_t width = pi_kv_width(cv);

    return type == KV_BF16 ? (t / 2 * width + i) * 2 + t % 2 : t * width + i;
}

/* The element at `at` of keys or values, without its scale. */
static inline float get_scalar(enum kv_type type, const void *base, int64_t at)
{
    switch (type) {
    case KV_F32: return ((const float *)base)[at];
    case KV_F16: return pi_f32_from_f16(((const uint16_t *)base)[at]);
    case KV_BF16: return pi_f32_from_bf16(((const uint16_t *)base)[at]);
    default: return ((const int8_t *)base)[at];
    }
}

static inline void put_scalar(enum kv_type type, void *base, int64_t at, float x)
{
    switch (type) {
    case KV_F32: ((float *)base)[at] = x; break;
    case KV_F16: ((uint16_t *)base)[at] = pi_f16_from_f32(x); break;
    case KV_BF16: ((uint16_t *)base)[at] = pi_bf16_from_f32(x); break;
    default: ((int8_t *)base)[at] = (int8_t)x;
    }
}

/* The scale of a row, and what its values are multiplied by before they are rounded. */
static inline float scale_row_scalar(const float *x, int64_t n, float *inverse)
{
    float a = 0, bad = 0;

    for (int64_t i = 0; i < n; i++) {
        a = fabsf(x[i]) > a ? fabsf(x[i]) : a;
        bad += x[i] * 0;
    }
    *inverse = a < PI_PACK_TINY || bad != 0 ? 0 : 127 / a;
    return bad != 0 ? NAN : a < PI_PACK_TINY ? 0 : a / 127;
}

static inline void keep_scalar(enum kv_type type, uint8_t *block, int64_t first, int64_t n,
                               const float *k, int64_t k_stride, const float *v,
                               int64_t v_stride, int64_t c, int64_t cv)
{
    uint8_t *values = block + pi_kv_values(type, c);
    float *scales = (float *)(void *)(block + pi_kv_scales(type, c, cv));
    float by = 1;

    for (int64_t t = first; t < first + n; t++, k += k_stride, v += v_stride) {
        if (type == KV_Q8)
            scales[t] = scale_row_scalar(k, c, &by);
        for (int64_t i = 0; i < c; i++)
            put_scalar(type, block, key_at_scalar(type, c, t, i),
                       type == KV_Q8 ? by == 0 ? 0 : rintf(k[i] * by) : k[i]);
        if (type == KV_BF16 && c % 2)
            put_scalar(type, block, key_at_scalar(type, c, t, c), 0);
        if (type == KV_Q8)
            scales[PI_KV_KEYS + t] = scale_row_scalar(v, cv, &by);
        for (int64_t i = 0; i < cv; i++)
            put_scalar(type, values, value_at_scalar(type, cv, t, i),
                       type == KV_Q8 ? by == 0 ? 0 : rintf(v[i] * by) : v[i]);
    }
    for (int64_t i = 0; type == KV_BF16 && (first + n) % 2 && i < cv; i++)
        put_scalar(type, values, value_at_scalar(type, cv, first + n, i), 0);
}

/* Raises the largest score so far to `max`, if that is larger; what is summed up counts less. */
static inline float raise_scalar(struct attend_sums *y, int64_t r, float max, int64_t w)
{
    float by = 1;

    if (y->max[r] >= max)
        return y->max[r];
    by = expf(y->max[r] - max);
    for (int64_t i = 0; i < w; i++)
        y->o[r * w + i] *= by;
    y->sum[r] *= by;
    return y->max[r] = max;
}

/* One row's scores, then their exponentials, then the values so weighted. */
static inline void row_attend_scalar(enum kv_type type, struct attend_sums *y,
                                     const struct attend_rows *x, int64_t r, const uint8_t *block,
                                     int64_t c, int64_t cv, float scale, float cap)
{
    const uint8_t *values = block + pi_kv_values(type, c);
    const float *scales = (const float *)(const void *)(block + pi_kv_scales(type, c, cv));
    float s[PI_KV_KEYS], max = -INFINITY, *o = y->o + r * pi_kv_width(cv);

    for (int64_t t = x->first[r]; t < x->last[r]; t++) {
        float dot = 0;

        for (int64_t i = 0; i < c; i++)
            dot += x->q[r][i] * get_scalar(type, block, key_at_scalar(type, c, t, i));
        s[t] = scale * (type == KV_Q8 ? dot * scales[t] : dot);
        if (cap > 0)
            s[t] = cap * tanhf(s[t] / cap);
        s[t] -= x->slope[r] * fabsf((float)t - x->origin[r]);
        max = s[t] > max || s[t] != s[t] ? s[t] : max;
    }
    max = raise_scalar(y, r, max, pi_kv_width(cv));
    for (int64_t t = x->first[r]; t < x->last[r]; t++) {
        float p = max == -INFINITY ? 0 : expf(s[t] - max);

        y->sum[r] += p;
        if (type == KV_Q8)
            p *= scales[PI_KV_KEYS + t];
        for (int64_t i = 0; i < cv; i++)
            o[i] += p * get_scalar(type, values, value_at_scalar(type, cv, t, i));
    }
}

#define ATTEND(suffix, type)                                                                    \
    static PI_KV_KEEP(kv_keep_##suffix##_scalar)                                                \
    {                                                                                           \
        keep_scalar(type, block, first, n, k, k_stride, v, v_stride, c, cv);                    \
    }                                                                                           \
    static PI_ATTEND(attend_##suffix##_scalar)                                                  \
    {                                                                                           \
        struct attend_rows at = *x;                                                             \
        for (int64_t b = 0; b < blocks; b++, block += pi_kv_bytes(type, c, cv))                 \
            for (int64_t r = 0; pi_attend_at(&at, x, b) && r < x->n; r++)                       \
                row_attend_scalar(type, y, &at, r, block, c, cv, scale, cap);                   \
    }
ATTEND(f32, KV_F32)
ATTEND(f16, KV_F16)
ATTEND(bf16, KV_BF16)
ATTEND(q8, KV_Q8)
#undef ATTEND

static PI_ATTEND_FOLD(attend_fold_scalar)
{
    int64_t w = pi_kv_width(cv);

    for (int64_t r = 0; r < n; r++) {
        float max = from->max[r] > to->max[r] ? from->max[r] : to->max[r];
        float a = to->max[r] == max ? 1 : expf(to->max[r] - max);
        float b = from->max[r] == max ? 1 : expf(from->max[r] - max);

        if (from->max[r] == -INFINITY)
            continue;
        to->max[r] = max;
        to->sum[r] = a * to->sum[r] + b * from->sum[r];
        for (int64_t i = 0; i < cv; i++)
            to->o[r * w + i] = a * to->o[r * w + i] + b * from->o[r * w + i];
    }
}

void pi_attend_scalar(struct kernels *k)
{
    k->kv_keep[KV_F32] = kv_keep_f32_scalar;
    k->kv_keep[KV_F16] = kv_keep_f16_scalar;
    k->kv_keep[KV_BF16] = kv_keep_bf16_scalar;
    k->kv_keep[KV_Q8] = kv_keep_q8_scalar;
    k->attend[KV_F32] = attend_f32_scalar;
    k->attend[KV_F16] = attend_f16_scalar;
    k->attend[KV_BF16] = attend_bf16_scalar;
    k->attend[KV_Q8] = attend_q8_scalar;
    k->attend_fold = attend_fold_scalar;
}
