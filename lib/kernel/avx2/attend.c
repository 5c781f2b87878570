/* attend.c - rows of queries against a block of keys and values, four rows by one panel of keys or
 * by 16 columns of values at a time; see avx512/attend.c.
 */
#include <math.h>

#include "vmath.h"

/* Eight elements of a panel row or of a value. */
INLINE_AVX2 __m256 load_kv_avx2(enum kv_type type, const uint8_t *at)
{
    const __m128i *x = (const __m128i *)(const void *)at;

    if (type == KV_F32)
        return _mm256_loadu_ps((const float *)(const void *)at);
    if (type == KV_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128(x));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(x)));
}

/* The first and the second of each pair of BF16. */
INLINE_AVX2 __m256 first_avx2(__m256i pairs)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

INLINE_AVX2 __m256 second_avx2(__m256i pairs)
{
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xFFFF0000)));
}

/* sum[r][p] += x[r][i] * the eight elements at p, for one or (BF16) two i. */
INLINE_AVX2 void add_kv_avx2(enum kv_type type, int rows, __m256 sum[][2], const float *const *x,
                             int64_t i, const uint8_t *at, bool second)
{
#pragma GCC unroll 2
    for (int p = 0; p < 2; p++) {
        if (type == KV_BF16) {
            __m256i pairs = load_avx2(at + 32 * p);
            __m256 a = first_avx2(pairs), b = second_avx2(pairs);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                sum[r][p] = _mm256_fmadd_ps(_mm256_set1_ps(x[r][i]), a, sum[r][p]);
                if (second)
                    sum[r][p] = _mm256_fmadd_ps(_mm256_set1_ps(x[r][i + 1]), b, sum[r][p]);
            }
        } else {
            __m256 element = load_kv_avx2(type, at + 8 * pi_kv_element(type) * p);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r][p] = _mm256_fmadd_ps(_mm256_set1_ps(x[r][i]), element, sum[r][p]);
        }
    }
}

/* dots[r][t..t+16) = dot(q[r], k) for `rows` rows and one panel. */
INLINE_AVX2 void scores_avx2(enum kv_type type, int rows, float (*dots)[PI_KV_KEYS],
                             const float *const *q, const uint8_t *block, int64_t c, int64_t t)
{
    const uint8_t *k = block + t / 16 * (pi_kv_values(type, c) / (PI_KV_KEYS / PI_KV_PANEL));
    int64_t step = type == KV_BF16 ? 2 : 1, bytes = 16 * pi_kv_element(type), i = 0;
    __m256 sum[4][2];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    for (; i + step <= c; i += step)
        add_kv_avx2(type, rows, sum, q, i, k + i * bytes, true);
    if (i < c)
        add_kv_avx2(type, rows, sum, q, i, k + i * bytes, false);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        _mm256_storeu_ps(dots[r] + t, sum[r][0]);
        _mm256_storeu_ps(dots[r] + t + 8, sum[r][1]);
    }
}

/* All bits of the lanes of positions t .. t + 7 that lie in [first, last). */
INLINE_AVX2 __m256 seen_avx2(int64_t t, int64_t first, int64_t last)
{
    return _mm256_castsi256_ps(_mm256_andnot_si256(live_avx2(pi_max(first - t, 0)),
                                                   live_avx2(pi_max(last - t, 0))));
}

/* The score of a dot product: scaled, capped, less the distance's bias. */
INLINE_AVX2 __m256 score_avx2(__m256 v, float scale, float cap, float slope, float from)
{
    v = _mm256_mul_ps(v, _mm256_set1_ps(scale));
    if (cap > 0)
        v = _mm256_mul_ps(_mm256_set1_ps(cap),
                          tanh_avx2(_mm256_div_ps(v, _mm256_set1_ps(cap))));
    if (slope != 0) {
        __m256 at = _mm256_add_ps(_mm256_set1_ps(from), _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7));
        at = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), at);
        v = _mm256_fnmadd_ps(_mm256_set1_ps(slope), at, v);
    }
    return v;
}

/* Raises the largest score so far to `max`, if that is larger; what is summed up counts less. */
INLINE_AVX2 float raise_avx2(struct attend_sums *y, int64_t r, float max, int64_t w)
{
    __m256 by;

    if (y->max[r] >= max)
        return y->max[r];
    by = exp_avx2(_mm256_set1_ps(y->max[r] - max));
    for (int64_t i = r * w; i < (r + 1) * w; i += 8)
        _mm256_storeu_ps(y->o + i, _mm256_mul_ps(_mm256_loadu_ps(y->o + i), by));
    y->sum[r] *= _mm256_cvtss_f32(by);
    return y->max[r] = max;
}

/* Row r's dots become its scores, then exp(score - max), 0 where it does not see. */
INLINE_AVX2 void softmax_avx2(enum kv_type type, struct attend_sums *y,
                              const struct attend_rows *x, int64_t r, float *s,
                              const float *scales, int64_t w, float scale, float cap)
{
    int64_t first = x->first[r], last = x->last[r];
    __m256 most = _mm256_set1_ps(-INFINITY), sum = _mm256_setzero_ps();
    float lane[8], max;

    for (int64_t t = first / 8 * 8; t < last; t += 8) {
        __m256 v = _mm256_loadu_ps(s + t);
        if (type == KV_Q8)
            v = _mm256_mul_ps(v, _mm256_loadu_ps(scales + t));
        v = score_avx2(v, scale, cap, x->slope[r], (float)t - x->origin[r]);
        v = _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), v, seen_avx2(t, first, last));
        most = _mm256_max_ps(most, v);
        _mm256_storeu_ps(s + t, v);
    }
    _mm256_storeu_ps(lane, most);
    max = lane[0];
    for (int i = 1; i < 8; i++)
        max = lane[i] > max ? lane[i] : max;
    max = raise_avx2(y, r, max, w);
    most = _mm256_set1_ps(max == -INFINITY ? 0 : max);
    for (int64_t t = first / 8 * 8; t < last; t += 8) {
        __m256 seen = seen_avx2(t, first, last);
        __m256 p = exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(s + t), most));
        p = _mm256_and_ps(p, seen);
        sum = _mm256_add_ps(sum, p);
        if (type == KV_Q8) /* a scale that nothing has been kept for may be NaN */
            p = _mm256_and_ps(_mm256_mul_ps(p, _mm256_loadu_ps(scales + PI_KV_KEYS + t)), seen);
        _mm256_storeu_ps(s + t, p);
    }
    y->sum[r] += sum_lanes_avx2(sum);
}

/* o[r] += sum over t in [first, last) of s[r][t] * v[t]. In BF16 both are even. */
INLINE_AVX2 void values_avx2(enum kv_type type, int rows, float *o, int64_t w,
                             float (*s)[PI_KV_KEYS], const uint8_t *v, int64_t first, int64_t last)
{
    int64_t step = type == KV_BF16 ? 2 : 1, column = step * pi_kv_element(type);
    const float *weights[4];
    __m256 acc[4][2];

    for (int r = 0; r < rows; r++)
        weights[r] = s[r];
    for (int64_t i = 0; first < last && i < w; i += 16) {
        const uint8_t *at = v + (first / step * w + i) * column;

#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            acc[r][0] = _mm256_loadu_ps(o + r * w + i);
            acc[r][1] = _mm256_loadu_ps(o + r * w + i + 8);
        }
        for (int64_t t = first; t < last; t += step, at += w * column)
            add_kv_avx2(type, rows, acc, weights, t, at, true);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            _mm256_storeu_ps(o + r * w + i, acc[r][0]);
            _mm256_storeu_ps(o + r * w + i + 8, acc[r][1]);
        }
    }
}

/* Rows r .. r + rows: what all of them see together, the rest one by one, each in its order. */
INLINE_AVX2 void rows_avx2(enum kv_type type, int rows, struct attend_sums *y,
                           const struct attend_rows *x, int64_t r, const uint8_t *block, int64_t c,
                           int64_t cv, float scale, float cap)
{
    const uint8_t *v = block + pi_kv_values(type, c);
    const float *scales = (const float *)(const void *)(block + pi_kv_scales(type, c, cv));
    int64_t low = PI_KV_KEYS, high = 0, from = 0, to = PI_KV_KEYS, w = pi_kv_width(cv);
    int64_t even = type == KV_BF16 ? 2 : 1, first[4], last[4];
    _Alignas(32) float s[4][PI_KV_KEYS];
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
        scores_avx2(type, rows, s, x->q + r, block, c, t);
    for (int j = 0; j < rows; j++)
        softmax_avx2(type, y, x, r + j, s[j], scales, w, scale, cap);
    if (from >= to)
        from = to = PI_KV_KEYS;
    for (int j = 0; j < rows; j++)
        values_avx2(type, 1, o + j * w, w, s + j, v, first[j], pi_min(last[j], from));
    values_avx2(type, rows, o, w, s, v, from, to);
    for (int j = 0; j < rows; j++)
        values_avx2(type, 1, o + j * w, w, s + j, v, pi_max(first[j], to), last[j]);
}

INLINE_AVX2 void attend_avx2(enum kv_type type, struct attend_sums *y,
                             const struct attend_rows *x, const uint8_t *block, int64_t blocks,
                             int64_t c, int64_t cv, float scale, float cap)
{
    struct attend_rows at = *x;

    for (int64_t b = 0; b < blocks; b++, block += pi_kv_bytes(type, c, cv)) {
        int64_t r = 0;

        if (!pi_attend_at(&at, x, b))
            continue;
        for (; r + 4 <= x->n; r += 4)
            rows_avx2(type, 4, y, &at, r, block, c, cv, scale, cap);
        for (; r + 2 <= x->n; r += 2)
            rows_avx2(type, 2, y, &at, r, block, c, cv, scale, cap);
        if (r < x->n)
            rows_avx2(type, 1, y, &at, r, block, c, cv, scale, cap);
    }
}

static PI_ATTEND(attend_f32_avx2)
{
    attend_avx2(KV_F32, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_f16_avx2)
{
    attend_avx2(KV_F16, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_bf16_avx2)
{
    attend_avx2(KV_BF16, y, x, block, blocks, c, cv, scale, cap);
}

static PI_ATTEND(attend_q8_avx2)
{
    attend_avx2(KV_Q8, y, x, block, blocks, c, cv, scale, cap);
}

/* Rows r .. r + n, at most 8. */
INLINE_AVX2 void fold_sums_avx2(struct attend_sums *to, const struct attend_sums *from,
                                int64_t r, int64_t n, int64_t w)
{
    __m256 was = _mm256_loadu_ps(to->max + r), is = _mm256_loadu_ps(from->max + r), a, b, max;
    const __m256 one = _mm256_set1_ps(1);
    float high[8], by[8], with[8];

    max = _mm256_max_ps(was, is);
    max = _mm256_blendv_ps(max, was, _mm256_cmp_ps(was, was, _CMP_UNORD_Q));
    a = _mm256_blendv_ps(exp_avx2(_mm256_sub_ps(was, max)), one,
                         _mm256_cmp_ps(was, max, _CMP_EQ_OQ));
    b = _mm256_blendv_ps(exp_avx2(_mm256_sub_ps(is, max)), one,
                         _mm256_cmp_ps(is, max, _CMP_EQ_OQ));
    _mm256_storeu_ps(high, max);
    _mm256_storeu_ps(by, a);
    _mm256_storeu_ps(with, b);
    for (int64_t j = 0; j < n; j++, r++) {
        if (from->max[r] == -INFINITY)
            continue;
        to->max[r] = high[j];
        to->sum[r] = by[j] * to->sum[r] + with[j] * from->sum[r];
        a = _mm256_set1_ps(by[j]);
        b = _mm256_set1_ps(with[j]);
        for (int64_t i = r * w; i < (r + 1) * w; i += 8)
            _mm256_storeu_ps(to->o + i,
                             _mm256_fmadd_ps(a, _mm256_loadu_ps(to->o + i),
                                             _mm256_mul_ps(b, _mm256_loadu_ps(from->o + i))));
    }
}

static PI_ATTEND_FOLD(attend_fold_avx2)
{
    for (int64_t r = 0; r < n; r += 8)
        fold_sums_avx2(to, from, r, pi_min(n - r, 8), pi_kv_width(cv));
}

/* y[i * stride] = x[i] in half precision. */
INLINE_AVX2 void scatter_halves_avx2(uint16_t *y, int64_t stride, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8) {
        __m256 v = _mm256_maskload_ps(x + i, live_avx2(n - i));
        uint16_t half[8];

        _mm_storeu_si128((__m128i *)(void *)half, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
        for (int64_t j = 0; j < pi_min(n - i, 8); j++)
            y[(i + j) * stride] = half[j];
    }
}

static PI_KV_KEEP(kv_keep_f16_avx2)
{
    uint16_t *keys = (uint16_t *)(void *)block;
    uint16_t *values = (uint16_t *)(void *)(block + pi_kv_values(KV_F16, c));

    for (int64_t t = first; t < first + n; t++, k += k_stride, v += v_stride) {
        scatter_halves_avx2(keys + t / 16 * c * 16 + t % 16, 16, k, c);
        scatter_halves_avx2(values + t * pi_kv_width(cv), 1, v, cv);
    }
}

void pi_attend_avx2(struct kernels *k)
{
    k->kv_keep[KV_F16] = kv_keep_f16_avx2;
    k->attend[KV_F32] = attend_f32_avx2;
    k->attend[KV_F16] = attend_f16_avx2;
    k->attend[KV_BF16] = attend_bf16_avx2;
    k->attend[KV_Q8] = attend_q8_avx2;
    k->attend_fold = attend_fold_avx2;
}
