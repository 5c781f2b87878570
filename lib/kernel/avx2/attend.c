/* attend.c - one query position against the keys and values of one head; see avx512/attend.c.
 */
#include "vmath.h"

enum { VALUE_KEYS_AVX2 = 128, VALUE_HEADS_AVX2 = 3 };

/* Elements i on of a row, up to eight; a tail is copied, so that nothing behind it is read. */
INLINE_AVX2 __m256 load_attend_avx2(bool half, const uint8_t *row, int64_t i, int64_t left)
{
    int64_t size = half ? 2 : 4;
    uint8_t tail[32] = { 0 };
    const uint8_t *at = row + i * size;

    if (left < 8)
        at = memcpy(tail, at, (size_t)(left * size));
    if (half)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
    return _mm256_loadu_ps((const float *)(const void *)at);
}

/* Lane i = sum of the lanes of v[i]. */
INLINE_AVX2 __m256 fold_attend_avx2(const __m256 v[8])
{
    __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));

    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

/* s[t] = scale * dot(q, k[t]) for one query head and up to eight keys. */
INLINE_AVX2 void scores_avx2(bool half, float *s, const float *q, const uint8_t *k,
                             int64_t k_bytes, int64_t c, int64_t keys, float scale, float cap)
{
    __m256 sum[8], score;

#pragma GCC unroll 8
    for (int t = 0; t < 8; t++)
        sum[t] = _mm256_setzero_ps();
    for (int64_t i = 0; i < c; i += 8) {
        __m256 query = _mm256_maskload_ps(q + i, live_avx2(c - i));
#pragma GCC unroll 8
        for (int t = 0; t < 8; t++) {
            const uint8_t *row = k + (t < keys ? t : 0) * k_bytes;
            sum[t] = _mm256_fmadd_ps(query, load_attend_avx2(half, row, i, c - i), sum[t]);
        }
    }
    score = _mm256_mul_ps(fold_attend_avx2(sum), _mm256_set1_ps(scale));
    if (cap > 0) {
        __m256 limit = _mm256_set1_ps(cap);
        score = _mm256_mul_ps(limit, tanh_avx2(_mm256_div_ps(score, limit)));
    }
    _mm256_maskstore_ps(s, live_avx2(keys), score);
}

/* s[t] = exp(s[t] - max) / (their sum) */
INLINE_AVX2 void softmax_avx2(float *s, int64_t keys)
{
    __m256 most = _mm256_set1_ps(s[0]), sum = _mm256_setzero_ps(), inverse;
    float lane[8];

    for (int64_t t = 0; t < keys; t += 8) {
        __m256i live = live_avx2(keys - t);
        __m256 v = _mm256_maskload_ps(s + t, live);
        most = _mm256_max_ps(most, _mm256_blendv_ps(most, v, _mm256_castsi256_ps(live)));
    }
    _mm256_storeu_ps(lane, most);
    for (int i = 1; i < 8; i++)
        lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    most = _mm256_set1_ps(lane[0]);
    for (int64_t t = 0; t < keys; t += 8) {
        __m256i live = live_avx2(keys - t);
        __m256 e = exp_avx2(_mm256_sub_ps(_mm256_maskload_ps(s + t, live), most));
        _mm256_maskstore_ps(s + t, live, e);
        sum = _mm256_add_ps(sum, _mm256_and_ps(e, _mm256_castsi256_ps(live)));
    }
    inverse = _mm256_set1_ps(1 / sum_lanes_avx2(sum));
    for (int64_t t = 0; t < keys; t += 8) {
        __m256i live = live_avx2(keys - t);
        _mm256_maskstore_ps(s + t, live, _mm256_mul_ps(_mm256_maskload_ps(s + t, live), inverse));
    }
}

/* y[j][i..i+32) += sum of s[j][t] * v[t][i..i+32), for `heads` query heads. */
INLINE_AVX2 void values_avx2(bool half, int heads, float *y, const float *s, int64_t s_stride,
                             const uint8_t *v, int64_t v_bytes, int64_t c, int64_t i, int64_t keys)
{
    __m256 acc[VALUE_HEADS_AVX2][4];

#pragma GCC unroll 4
    for (int p = 0; p < 4; p++)
#pragma GCC unroll 3
        for (int j = 0; j < heads; j++)
            acc[j][p] =
                _mm256_maskload_ps(y + j * c + i + 8 * p, live_avx2(pi_max(0, c - i - 8 * p)));
    for (int64_t t = 0; t < keys; t++) {
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) {
            __m256 value = _mm256_setzero_ps();
            if (c - i > 8 * p)
                value = load_attend_avx2(half, v + t * v_bytes, i + 8 * p, c - i - 8 * p);
#pragma GCC unroll 3
            for (int j = 0; j < heads; j++)
                acc[j][p] = _mm256_fmadd_ps(_mm256_set1_ps(s[j * s_stride + t]), value, acc[j][p]);
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++)
#pragma GCC unroll 3
        for (int j = 0; j < heads; j++)
            _mm256_maskstore_ps(y + j * c + i + 8 * p, live_avx2(pi_max(0, c - i - 8 * p)),
                                acc[j][p]);
}

/* softmax(scale * q k) v */
INLINE_AVX2 void attend_avx2(bool half, float *y, const float *q, const void *k, const void *v,
                             int64_t k_stride, int64_t v_stride, int64_t g, int64_t c,
                             int64_t keys, float scale, float cap, float *scratch)
{
    int64_t k_bytes = k_stride * (half ? 2 : 4), v_bytes = v_stride * (half ? 2 : 4);

    for (int64_t t = 0; t < keys; t += 8)
        for (int64_t j = 0; j < g; j++)
            scores_avx2(half, scratch + j * keys + t, q + j * c, (const uint8_t *)k + t * k_bytes,
                        k_bytes, c, pi_min(keys - t, 8), scale, cap);
    memset(y, 0, (size_t)(g * c) * sizeof *y);
    for (int64_t j = 0; j < g; j++)
        softmax_avx2(scratch + j * keys, keys);
    for (int64_t t = 0; t < keys; t += VALUE_KEYS_AVX2) {
        const uint8_t *block = (const uint8_t *)v + t * v_bytes;
        int64_t n = pi_min(keys - t, VALUE_KEYS_AVX2);
        for (int64_t i = 0; i < c; i += 32) {
            int64_t j = 0;
            for (; j + VALUE_HEADS_AVX2 <= g; j += VALUE_HEADS_AVX2)
                values_avx2(half, VALUE_HEADS_AVX2, y + j * c, scratch + j * keys + t, keys, block,
                            v_bytes, c, i, n);
            for (; j < g; j++)
                values_avx2(half, 1, y + j * c, scratch + j * keys + t, keys, block, v_bytes, c, i,
                            n);
        }
    }
}

static PI_ATTEND(attend_f32_avx2)
{
    attend_avx2(false, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

static PI_ATTEND(attend_f16_avx2)
{
    attend_avx2(true, y, q, k, v, k_stride, v_stride, g, c, keys, scale, cap, scratch);
}

void pi_attend_avx2(struct kernels *k)
{
    k->attend_f32 = attend_f32_avx2;
    k->attend_f16 = attend_f16_avx2;
}
