/* attend.h - what the attention of this and the next tier share: from dot products to weights.
 */
#ifndef PI_AVX512_ATTEND_H
#define PI_AVX512_ATTEND_H

#include <math.h>

#include "vmath.h"

/* How far ahead values are asked for, in positions; keys two panels. */
enum { VALUES_AHEAD_AVX512 = 32 };

/* Asks for what will be read soon. Blocks of a head lie behind one another and are read from front
 * to back, so some way ahead lies what comes next, be it keys, values or the next block. */
INLINE_AVX512 void ask_avx512(const uint8_t *at, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* The lanes of positions t .. t + 15 that lie in [first, last). */
INLINE_AVX512 __mmask16 seen_avx512(int64_t t, int64_t first, int64_t last)
{
    uint32_t from = (uint32_t)pi_min(pi_max(first - t, 0), 16);
    uint32_t to = (uint32_t)pi_min(pi_max(last - t, 0), 16);

    return (__mmask16)(((1u << to) - 1) & ~((1u << from) - 1));
}

/* Sixteen dots of row r from position t on become scores. */
INLINE_AVX512 __m512 score_avx512(enum kv_type type, const struct attend_rows *x, int64_t r,
                                  const float *dots, int64_t t, const float *scales, float scale,
                                  float cap)
{
    __m512 v = _mm512_loadu_ps(dots + t);

    if (type == KV_Q8)
        v = _mm512_mul_ps(v, _mm512_loadu_ps(scales + t));
    v = _mm512_mul_ps(v, _mm512_set1_ps(scale));
    if (cap > 0)
        v = _mm512_mul_ps(_mm512_set1_ps(cap),
                          tanh_avx512(_mm512_div_ps(v, _mm512_set1_ps(cap))));
    if (x->slope[r] != 0) {
        __m512 at = _mm512_add_ps(
            _mm512_set1_ps((float)t - x->origin[r]),
            _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        v = _mm512_fnmadd_ps(_mm512_set1_ps(x->slope[r]), _mm512_abs_ps(at), v);
    }
    return v;
}

/* Raises the largest score so far to `max`, if that is larger; what is summed up counts less. */
INLINE_AVX512 float raise_avx512(struct attend_sums *y, int64_t r, float max, int64_t w)
{
    __m512 by;

    if (y->max[r] >= max)
        return y->max[r];
    by = exp_avx512(_mm512_set1_ps(y->max[r] - max));
    for (int64_t i = r * w; i < (r + 1) * w; i += 16)
        _mm512_storeu_ps(y->o + i, _mm512_mul_ps(_mm512_loadu_ps(y->o + i), by));
    y->sum[r] *= _mm512_cvtss_f32(by);
    return y->max[r] = max;
}

/* Row r's dots become its scores, then exp(score - max), 0 where it does not see. whole: it sees
 * the whole block; the same operations without masks, in registers. */
INLINE_AVX512 void weights_avx512(enum kv_type type, bool whole, struct attend_sums *y,
                                  const struct attend_rows *x, int64_t r, float *s,
                                  const float *scales, int64_t w, float scale, float cap)
{
    int64_t first = whole ? 0 : x->first[r], last = whole ? PI_KV_KEYS : x->last[r];
    int64_t from = first / 16 * 16;
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps(), v[PI_KV_KEYS / 16];
    float max;

#pragma GCC unroll 8
    for (int64_t t = from; t < last; t += 16) {
        __mmask16 seen = whole ? 0xFFFF : seen_avx512(t, first, last);
        v[t / 16] = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen,
                                       score_avx512(type, x, r, s, t, scales, scale, cap));
        most = _mm512_max_ps(most, v[t / 16]);
    }
    max = raise_avx512(y, r, _mm512_reduce_max_ps(most), w);
    most = _mm512_set1_ps(max == -INFINITY ? 0 : max);
#pragma GCC unroll 8
    for (int64_t t = from; t < last; t += 16) {
        __mmask16 seen = whole ? 0xFFFF : seen_avx512(t, first, last);
        __m512 p = _mm512_maskz_mov_ps(seen, exp_avx512(_mm512_sub_ps(v[t / 16], most)));
        sum = _mm512_add_ps(sum, p);
        if (type == KV_Q8) /* a scale that nothing has been kept for may be NaN */
            p = _mm512_maskz_mul_ps(seen, p, _mm512_loadu_ps(scales + PI_KV_KEYS + t));
        _mm512_storeu_ps(s + t, p);
    }
    y->sum[r] += sum_lanes_avx512(sum);
}

INLINE_AVX512 void softmax_avx512(enum kv_type type, struct attend_sums *y,
                                  const struct attend_rows *x, int64_t r, float *s,
                                  const float *scales, int64_t w, float scale, float cap)
{
    if (x->first[r] == 0 && x->last[r] == PI_KV_KEYS)
        weights_avx512(type, true, y, x, r, s, scales, w, scale, cap);
    else
        weights_avx512(type, false, y, x, r, s, scales, w, scale, cap);
}

/* What some rows see, by the whole pairs of positions that hold it: each by itself, all of them
 * together [from, to), and any of them [low, high). Nothing together: from = to = the end. same:
 * none sees more than all see. */
struct sight_avx512 {
    int64_t first[8], last[8], from, to, low, high;
    bool same;
};

INLINE_AVX512 struct sight_avx512 sight_avx512(const struct attend_rows *x, int64_t r, int rows,
                                               int64_t even)
{
    struct sight_avx512 y = { .to = PI_KV_KEYS, .low = PI_KV_KEYS };

    for (int j = 0; j < rows; j++) {
        y.first[j] = x->first[r + j] / even * even;
        y.last[j] = (x->last[r + j] + even - 1) / even * even;
        y.from = pi_max(y.from, y.first[j]);
        y.to = pi_min(y.to, y.last[j]);
        if (x->first[r + j] < x->last[r + j]) {
            y.low = pi_min(y.low, y.first[j]);
            y.high = pi_max(y.high, y.last[j]);
        }
    }
    y.same = y.from < y.to && y.low == y.from && y.high == y.to;
    if (y.from >= y.to)
        y.from = y.to = PI_KV_KEYS;
    return y;
}

#endif
