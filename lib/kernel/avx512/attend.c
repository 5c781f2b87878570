/* attend.c - rows of queries against a block of keys and values.
 *
 * Scores: lanes are keys, 8 rows by two panels of keys in registers, so that a key is converted
 * once for 8 rows and no sums are folded. Values: 8 rows by 32 columns, weights broadcast.
 */
#include "attend.h"

/* Elements of K: keys of panel rows i (and i + 1, in BF16). Elements of V: columns of key t. */
INLINE_AVX512 __m512 load_kv_avx512(enum kv_type type, const uint8_t *at)
{
    const __m128i *x = (const __m128i *)(const void *)at;

    if (type == KV_F32)
        return _mm512_loadu_ps((const float *)(const void *)at);
    if (type == KV_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)x));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(x)));
}

/* The first and the second of each pair of BF16. */
INLINE_AVX512 __m512 first_avx512(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

INLINE_AVX512 __m512 second_avx512(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000)));
}

/* sum[r][p] += q[r][i] * key of panel p, for one or (BF16) two elements. */
INLINE_AVX512 void add_scores_avx512(enum kv_type type, int rows, __m512 sum[][2],
                                     const float *const *q, int64_t i, const uint8_t *const k[2],
                                     bool second)
{
#pragma GCC unroll 2
    for (int p = 0; p < 2; p++) {
        if (type == KV_BF16) {
            __m512i pairs = _mm512_loadu_si512(k[p] + i * 32);
            __m512 a = first_avx512(pairs), b = second_avx512(pairs);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                sum[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(q[r][i]), a, sum[r][p]);
                if (second)
                    sum[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(q[r][i + 1]), b, sum[r][p]);
            }
        } else {
            __m512 key = load_kv_avx512(type, k[p] + i * 16 * pi_kv_element(type));
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                sum[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(q[r][i]), key, sum[r][p]);
        }
    }
}

/* dots[r][t..t+32) = dot(q[r], k) for `rows` rows and two panels. */
INLINE_AVX512 void scores_avx512(enum kv_type type, int rows, float (*dots)[PI_KV_KEYS],
                                 const float *const *q, const uint8_t *block, int64_t c,
                                 int64_t t)
{
    int64_t panel = pi_kv_values(type, c) / (PI_KV_KEYS / PI_KV_PANEL), i = 0;
    int64_t step = type == KV_BF16 ? 2 : 1;
    const uint8_t *k[2] = { block + t / 16 * panel, block + (t / 16 + 1) * panel };
    __m512 sum[8][2];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (; i + step <= c; i += step) {
        if (i * 16 * pi_kv_element(type) % 64 == 0) {
            ask_avx512(k[0] + 2 * panel + i * 16 * pi_kv_element(type), 64);
            ask_avx512(k[1] + 2 * panel + i * 16 * pi_kv_element(type), 64);
        }
        add_scores_avx512(type, rows, sum, q, i, k, true);
    }
    if (i < c)
        add_scores_avx512(type, rows, sum, q, i, k, false);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(dots[r] + t, sum[r][0]);
        _mm512_storeu_ps(dots[r] + t + 16, sum[r][1]);
    }
}

/* acc[r][p] += s[r][t] * value t, for one or (BF16) two positions and 16 * P columns. */
INLINE_AVX512 void add_values_avx512(enum kv_type type, int P, int rows, __m512 acc[][2],
                                     float (*s)[PI_KV_KEYS], int64_t t, const uint8_t *v)
{
#pragma GCC unroll 2
    for (int p = 0; p < P; p++) {
        if (type == KV_BF16) {
            __m512i pairs = _mm512_loadu_si512(v + 64 * p);
            __m512 a = first_avx512(pairs), b = second_avx512(pairs);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                acc[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(s[r][t]), a, acc[r][p]);
                acc[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(s[r][t + 1]), b, acc[r][p]);
            }
        } else {
            __m512 value = load_kv_avx512(type, v + 16 * pi_kv_element(type) * p);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                acc[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(s[r][t]), value, acc[r][p]);
        }
    }
}

/* o[r][0..16P) += sum over t in [first, last) of s[r][t] * v[t]. In BF16 both are even. */
INLINE_AVX512 void columns_avx512(enum kv_type type, int P, int rows, float *o, int64_t w,
                                  float (*s)[PI_KV_KEYS], const uint8_t *v, int64_t first,
                                  int64_t last, bool ask)
{
    int64_t step = type == KV_BF16 ? 2 : 1, bytes = step * w * pi_kv_element(type);
    __m512 acc[8][2];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            acc[r][p] = _mm512_loadu_ps(o + r * w + 16 * p);
    v += first / step * bytes;
    for (int64_t t = first; t < last; t += step, v += bytes) {
        if (ask)
            ask_avx512(v + VALUES_AHEAD_AVX512 / step * bytes, bytes);
        add_values_avx512(type, P, rows, acc, s, t, v);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(o + r * w + 16 * p, acc[r][p]);
}

INLINE_AVX512 void values_avx512(enum kv_type type, int rows, float *o, int64_t w,
                                 float (*s)[PI_KV_KEYS], const uint8_t *v, int64_t first,
                                 int64_t last)
{
    int64_t column = (type == KV_BF16 ? 2 : 1) * pi_kv_element(type), i = 0;

    if (first >= last)
        return;
    for (; i + 32 <= w; i += 32)
        columns_avx512(type, 2, rows, o + i, w, s, v + i * column, first, last, i == 0);
    if (i < w)
        columns_avx512(type, 1, rows, o + i, w, s, v + i * column, first, last, i == 0);
}

/* What every width of a tile shares is one function for each type, not inlined into all. */
typedef void softmax_avx512_fn(struct attend_sums *y, const struct attend_rows *x, int64_t r,
                               float *s, const float *scales, int64_t w, float scale, float cap);
typedef void values_avx512_fn(float *o, int64_t w, float (*s)[PI_KV_KEYS], const uint8_t *v,
                              int64_t first, int64_t last);

/* Rows r .. r + rows: what all of them see together, the rest one by one, each in its order. */
INLINE_AVX512 void rows_avx512(enum kv_type type, softmax_avx512_fn *softmax,
                               values_avx512_fn *values_one, int rows, struct attend_sums *y,
                               const struct attend_rows *x, int64_t r, const uint8_t *block,
                               int64_t c, int64_t cv, float scale, float cap)
{
    const uint8_t *v = block + pi_kv_values(type, c);
    const float *scales = (const float *)(const void *)(block + pi_kv_scales(type, c, cv));
    struct sight_avx512 n = sight_avx512(x, r, rows, type == KV_BF16 ? 2 : 1);
    int64_t w = pi_kv_width(cv);
    _Alignas(64) float s[8][PI_KV_KEYS];
    float *o = y->o + r * w;

    for (int64_t t = n.low / 32 * 32; t < n.high; t += 32)
        scores_avx512(type, rows, s, x->q + r, block, c, t);
    for (int j = 0; j < rows; j++)
        softmax(y, x, r + j, s[j], scales, w, scale, cap);
    for (int j = 0; j < rows; j++)
        values_one(o + j * w, w, s + j, v, n.first[j], pi_min(n.last[j], n.from));
    values_avx512(type, rows, o, w, s, v, n.from, n.to);
    for (int j = 0; j < rows; j++)
        values_one(o + j * w, w, s + j, v, pi_max(n.first[j], n.to), n.last[j]);
}

#define ATTEND(format, TYPE)                                                                      \
    static __attribute__((noinline)) void attend_softmax_##format##_avx512(                       \
        struct attend_sums *y, const struct attend_rows *x, int64_t r, float *s,                  \
        const float *scales, int64_t w, float scale, float cap)                                   \
    {                                                                                             \
        softmax_avx512(TYPE, y, x, r, s, scales, w, scale, cap);                                  \
    }                                                                                             \
    static __attribute__((noinline)) void attend_values_##format##_avx512(                        \
        float *o, int64_t w, float (*s)[PI_KV_KEYS], const uint8_t *v, int64_t first,             \
        int64_t last)                                                                             \
    {                                                                                             \
        values_avx512(TYPE, 1, o, w, s, v, first, last);                                          \
    }                                                                                             \
    INLINE_AVX512 void attend_rows_##format##_avx512(int rows, struct attend_sums *y,             \
                                              const struct attend_rows *x, int64_t r,             \
                                              const uint8_t *block, int64_t c, int64_t cv,        \
                                              float scale, float cap)                             \
    {                                                                                             \
        rows_avx512(TYPE, attend_softmax_##format##_avx512, attend_values_##format##_avx512,      \
                    rows, y, x, r, block, c, cv, scale, cap);                                     \
    }                                                                                             \
    static PI_ATTEND(attend_##format##_avx512)                                                    \
    {                                                                                             \
        struct attend_rows at = *x;                                                               \
        for (int64_t b = 0; b < blocks; b++, block += pi_kv_bytes(TYPE, c, cv)) {                 \
            int64_t r = 0;                                                                        \
            if (!pi_attend_at(&at, x, b))                                                         \
                continue;                                                                         \
            for (; r + 8 <= x->n; r += 8)                                                         \
                attend_rows_##format##_avx512(8, y, &at, r, block, c, cv, scale, cap);            \
            for (; r + 4 <= x->n; r += 4)                                                         \
                attend_rows_##format##_avx512(4, y, &at, r, block, c, cv, scale, cap);            \
            for (; r + 2 <= x->n; r += 2)                                                         \
                attend_rows_##format##_avx512(2, y, &at, r, block, c, cv, scale, cap);            \
            if (r < x->n)                                                                         \
                attend_rows_##format##_avx512(1, y, &at, r, block, c, cv, scale, cap);            \
        }                                                                                         \
    }

ATTEND(f32, KV_F32)
ATTEND(f16, KV_F16)
ATTEND(bf16, KV_BF16)
ATTEND(q8, KV_Q8)

#undef ATTEND

/* Rows r .. r + n, at most 8. */
INLINE_AVX512 void fold_sums_avx512(struct attend_sums *to, const struct attend_sums *from,
                                    int64_t r, int64_t n, int64_t w)
{
    __mmask8 live = (__mmask8)((1u << n) - 1);
    __m256 was = _mm256_loadu_ps(to->max + r), is = _mm256_loadu_ps(from->max + r);
    __m256 max = _mm256_max_ps(was, is);
    __m512 both = _mm512_insertf32x8(_mm512_castps256_ps512(was), is, 1), e;
    __mmask16 same;
    float by[16];

    max = _mm256_mask_mov_ps(max, _mm256_cmp_ps_mask(was, was, _CMP_UNORD_Q), was);
    e = _mm512_insertf32x8(_mm512_castps256_ps512(max), max, 1);
    same = _mm512_cmp_ps_mask(both, e, _CMP_EQ_OQ);
    e = _mm512_mask_mov_ps(exp_avx512(_mm512_sub_ps(both, e)), same, _mm512_set1_ps(1));
    _mm512_storeu_ps(by, e);
    live &= (__mmask8)~_mm256_cmp_ps_mask(is, _mm256_set1_ps(-INFINITY), _CMP_EQ_OQ);
    _mm256_mask_storeu_ps(to->max + r, live, max);
    for (int64_t j = 0; j < n; j++) {
        __m512 a = _mm512_set1_ps(by[j]), b = _mm512_set1_ps(by[8 + j]);

        if (!(live >> j & 1))
            continue;
        to->sum[r + j] = by[j] * to->sum[r + j] + by[8 + j] * from->sum[r + j];
        for (int64_t i = (r + j) * w; i < (r + j + 1) * w; i += 16)
            _mm512_storeu_ps(to->o + i,
                             _mm512_fmadd_ps(a, _mm512_loadu_ps(to->o + i),
                                             _mm512_mul_ps(b, _mm512_loadu_ps(from->o + i))));
    }
}

static PI_ATTEND_FOLD(attend_fold_avx512)
{
    for (int64_t r = 0; r < n; r += 8)
        fold_sums_avx512(to, from, r, pi_min(n - r, 8), pi_kv_width(cv));
}

/* Up to 16 floats in bfloat16; NaN stays NaN. VCVTNEPS2BF16 would lose subnormal numbers. */
INLINE_AVX512 __m256i round_attend_avx512(const float *x, int64_t n)
{
    __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << pi_min(n, 16)) - 1), x);
    __m512i bits = _mm512_castps_si512(v), odd, up;

    odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    up = _mm512_mask_or_epi32(up, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), bits,
                              _mm512_set1_epi32(1 << 22));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}

static PI_KV_KEEP(kv_keep_bf16_avx512)
{
    uint16_t *values = (uint16_t *)(void *)(block + pi_kv_values(KV_BF16, c));
    int64_t w = pi_kv_width(cv);
    uint16_t row[16];

    for (int64_t t = first; t < first + n; t++, k += k_stride, v += v_stride) {
        uint8_t *key = block + (t / 16 * ((c + 1) / 2) * 16 + t % 16) * 4;
        for (int64_t i = 0; i < c; i += 16) {
            _mm256_storeu_si256((__m256i *)(void *)row, round_attend_avx512(k + i, c - i));
            for (int64_t j = 0; j < pi_min(c - i, 16); j += 2)
                memcpy(key + (i + j) / 2 * 64, row + j, 4);
        }
        for (int64_t i = 0; i < cv; i += 16) {
            _mm256_storeu_si256((__m256i *)(void *)row, round_attend_avx512(v + i, cv - i));
            for (int64_t j = 0; j < pi_min(cv - i, 16); j++)
                values[(t / 2 * w + i + j) * 2 + t % 2] = row[j];
        }
    }
    for (int64_t i = 0; (first + n) % 2 && i < cv; i++)
        values[((first + n) / 2 * w + i) * 2 + 1] = 0;
}

void pi_attend_avx512(struct kernels *k)
{
    k->kv_keep[KV_BF16] = kv_keep_bf16_avx512;
    k->attend[KV_F32] = attend_f32_avx512;
    k->attend[KV_F16] = attend_f16_avx512;
    k->attend[KV_BF16] = attend_bf16_avx512;
    k->attend[KV_Q8] = attend_q8_avx512;
    k->attend_fold = attend_fold_avx512;
}
