/* attend.c - one query position against the keys and values of one head.
 *
 * Scores: sixteen keys at a time, sixteen sums folded into one vector of scores. Values: four
 * query heads by 64 elements in registers, over 128 keys at a time, so that keys and values are
 * read from memory once for all heads that share them.
 */
#include "vmath.h"

enum { VALUE_KEYS_AVX512 = 128, VALUE_HEADS_AVX512 = 4, AHEAD_AVX512 = 16 /* keys */ };

/* Asks for `count` elements of a row from element i on: at decode keys and values lie in memory. */
INLINE_AVX512 void ask_attend_avx512(bool half, const uint8_t *row, int64_t i, int64_t count)
{
    const char *at = (const char *)row + i * (half ? 2 : 4);

    for (int64_t b = 0; b < count * (half ? 2 : 4); b += 64)
        _mm_prefetch(at + b, _MM_HINT_T0);
}

INLINE_AVX512 __m512 load_attend_avx512(bool half, const void *at, int64_t i, __mmask16 live)
{
    if (half)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(live, (const uint16_t *)at + i));
    return _mm512_maskz_loadu_ps(live, (const float *)at + i);
}

INLINE_AVX512 const uint8_t *row_attend_avx512(bool half, const void *base, int64_t elements)
{
    return (const uint8_t *)base + elements * (half ? 2 : 4);
}

/* Lane i = sum of the lanes of v[i]: the transpose, then a fixed tree. */
INLINE_AVX512 __m512 fold_attend_avx512(__m512 v[16])
{
    __m512i r[16];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_castps_si512(v[i]);
    transpose_avx512(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        v[i] = _mm512_castsi512_ps(r[i]);
#pragma GCC unroll 4
    for (int step = 8; step > 0; step /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < step; i++)
            v[i] = _mm512_add_ps(v[i], v[i + step]);
    return v[0];
}

/* s[t] = scale * dot(q, k[t]) for one query head and up to 16 keys. */
INLINE_AVX512 void scores_attend_avx512(bool half, float *s, const float *q, const uint8_t *k,
                                        int64_t k_bytes, int64_t c, int64_t keys, float scale,
                                        float cap)
{
    __m512 sum[16], score;

#pragma GCC unroll 16
    for (int t = 0; t < 16; t++)
        sum[t] = _mm512_setzero_ps();
    for (int64_t i = 0; i < c; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(c - i, 16)) - 1);
        __m512 query = _mm512_maskz_loadu_ps(live, q + i);
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) {
            const uint8_t *row = k + (t < keys ? t : 0) * k_bytes;
            sum[t] = _mm512_fmadd_ps(query, load_attend_avx512(half, row, i, live), sum[t]);
        }
    }
    score = _mm512_mul_ps(fold_attend_avx512(sum), _mm512_set1_ps(scale));
    if (cap > 0) {
        __m512 limit = _mm512_set1_ps(cap);
        score = _mm512_mul_ps(limit, tanh_avx512(_mm512_div_ps(score, limit)));
    }
    _mm512_mask_storeu_ps(s, (__mmask16)((1u << keys) - 1), score);
}

/* s[t] = exp(s[t] - max); returns their sum. */
INLINE_AVX512 float exponents_attend_avx512(float *s, int64_t keys)
{
    __m512 most = _mm512_set1_ps(s[0]), sum = _mm512_setzero_ps();

    for (int64_t t = 0; t < keys; t += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(keys - t, 16)) - 1);
        most = _mm512_mask_max_ps(most, live, most, _mm512_maskz_loadu_ps(live, s + t));
    }
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (int64_t t = 0; t < keys; t += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(keys - t, 16)) - 1);
        __m512 e = exp_avx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(live, s + t), most));
        _mm512_mask_storeu_ps(s + t, live, e);
        sum = _mm512_mask_add_ps(sum, live, sum, e);
    }
    return sum_lanes_avx512(sum);
}

/* y[j][i..i+64) += sum of s[j][t] * v[t][i..i+64), for `heads` query heads. */
INLINE_AVX512 void values_attend_avx512(bool half, int heads, float *y, const float *s,
                                        int64_t s_stride, const uint8_t *v, int64_t v_bytes,
                                        int64_t c, int64_t i, int64_t keys)
{
    __m512 acc[VALUE_HEADS_AVX512][4];
    __mmask16 live[4];

#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        int64_t left = pi_max(0, pi_min(c - i - 16 * p, 16));
        live[p] = (__mmask16)((1u << left) - 1);
#pragma GCC unroll 4
        for (int j = 0; j < heads; j++)
            acc[j][p] = _mm512_maskz_loadu_ps(live[p], y + j * c + i + 16 * p);
    }
    for (int64_t t = 0; t < keys; t++) {
        ask_attend_avx512(half, v + (t + AHEAD_AVX512) * v_bytes, i, 64);
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) {
            __m512 value = load_attend_avx512(half, v + t * v_bytes, i + 16 * p, live[p]);
#pragma GCC unroll 4
            for (int j = 0; j < heads; j++)
                acc[j][p] = _mm512_fmadd_ps(_mm512_set1_ps(s[j * s_stride + t]), value, acc[j][p]);
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++)
#pragma GCC unroll 4
        for (int j = 0; j < heads; j++)
            _mm512_mask_storeu_ps(y + j * c + i + 16 * p, live[p], acc[j][p]);
}

INLINE_AVX512 void heads_attend_avx512(bool half, float *y, const float *s, int64_t s_stride,
                                       const uint8_t *v, int64_t v_bytes, int64_t g, int64_t c,
                                       int64_t keys)
{
    for (int64_t i = 0; i < c; i += 64) {
        int64_t j = 0;
        for (; j + VALUE_HEADS_AVX512 <= g; j += VALUE_HEADS_AVX512)
            values_attend_avx512(half, VALUE_HEADS_AVX512, y + j * c, s + j * s_stride, s_stride,
                                 v, v_bytes, c, i, keys);
        for (; j < g; j++)
            values_attend_avx512(half, 1, y + j * c, s + j * s_stride, s_stride, v, v_bytes, c, i,
                                 keys);
    }
}

/* softmax(scale * q k) v */
INLINE_AVX512 void attend_avx512(bool half, float *y, const float *q, const void *k, const void *v,
                                 int64_t k_stride, int64_t v_stride, int64_t g, int64_t c,
                                 int64_t keys, float scale, float cap, float *scratch)
{
    int64_t k_bytes = k_stride * (half ? 2 : 4), v_bytes = v_stride * (half ? 2 : 4);

    for (int64_t t = 0; t < keys; t += 16) {
        for (int64_t n = t + AHEAD_AVX512; n < pi_min(t + AHEAD_AVX512 + 16, keys); n++)
            ask_attend_avx512(half, row_attend_avx512(half, k, n * k_stride), 0, c);
        for (int64_t j = 0; j < g; j++)
            scores_attend_avx512(half, scratch + j * keys + t, q + j * c,
                                 row_attend_avx512(half, k, t * k_stride), k_bytes, c,
                                 pi_min(keys - t, 16), scale, cap);
    }
    for (int64_t t = 0; t < pi_min(keys, AHEAD_AVX512); t++)
        ask_attend_avx512(half, row_attend_avx512(half, v, t * v_stride), 0, c);
    memset(y, 0, (size_t)(g * c) * sizeof *y);
    for (int64_t j = 0; j < g; j++) {
        float *s = scratch + j * keys;
        __m512 inverse = _mm512_set1_ps(1 / exponents_attend_avx512(s, keys));
        for (int64_t t = 0; t < keys; t += 16) {
            __mmask16 live = (__mmask16)((1u << pi_min(keys - t, 16)) - 1);
            _mm512_mask_storeu_ps(s + t, live,
                                  _mm512_mul_ps(_mm512_maskz_loadu_ps(live, s + t), inverse));
        }
    }
    for (int64_t t = 0; t < keys; t += VALUE_KEYS_AVX512)
        heads_attend_avx512(half, y, scratch + t, keys, row_attend_avx512(half, v, t * v_stride),
                            v_bytes, g, c, pi_min(keys - t, VALUE_KEYS_AVX512));
}

static PI_ATTEND(attend_f32_avx512)
{
    attend_avx512(false, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

static PI_ATTEND(attend_f16_avx512)
{
    attend_avx512(true, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

void pi_attend_avx512(struct kernels *k)
{
    k->attend_f32 = attend_f32_avx512;
    k->attend_f16 = attend_f16_avx512;
}
