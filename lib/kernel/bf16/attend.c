/* attend.c - rows of queries against a block of keys and values in bfloat16: VDPBF16PS adds the
 * products of two elements of a key, or of two values, at the full rate of FMA. Queries and
 * weights are rounded to bfloat16. The rest as in avx512/attend.c.
 */
#include "kernel/avx512/attend.h"

enum { STRETCH_BF16 = 256 }; /* elements of a query that are rounded at a time */

/* Pairs of bfloat16, as a lane holds them. */
typedef uint16_t pairs_bf16[8][STRETCH_BF16];

INLINE_AVX512 __m512bh pair_bf16(const uint16_t *at)
{
    int32_t pair;

    memcpy(&pair, at, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* n floats rounded, zeros up to a multiple of 16. */
INLINE_AVX512 void round_row_bf16(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << pi_min(n - i, 16)) - 1), x + i);
        _mm256_storeu_si256((__m256i *)(void *)(y + i), (__m256i)_mm512_cvtneps_pbh(v));
    }
}

/* y[r][0..16 P), `stride` floats from row to row, becomes the sum over pairs of x[r] * elements of
 * 16 lanes, added to what it holds unless `fresh`; lines of `line` bytes, P vectors of them
 * `apart`, `ahead` of which lies what is needed next. */
INLINE_AVX512 void add_pairs_bf16(int P, int rows, bool fresh, float *y, int64_t stride,
                                  const uint16_t *x, const uint8_t *at, int64_t line,
                                  int64_t apart, int64_t pairs, int64_t ahead)
{
    __m512 sum[8][2];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            sum[r][p] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * stride + 16 * p);
    for (int64_t i = 0; i < pairs; i++, at += line, x += 2) {
        __m512bh v[2];

#pragma GCC unroll 2
        for (int p = 0; p < P; p++) {
            v[p] = (__m512bh)_mm512_loadu_si512(at + p * apart);
            ask_avx512(at + p * apart + ahead, 64);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512bh element = pair_bf16(x + r * STRETCH_BF16);
#pragma GCC unroll 2
            for (int p = 0; p < P; p++)
                sum[r][p] = _mm512_dpbf16_ps(sum[r][p], v[p], element);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(y + r * stride + 16 * p, sum[r][p]);
}

/* o[r] += sum over t in [first, last), both even, of s[r][t] * v[t]; fresh: o holds nothing yet. */
INLINE_AVX512 void values_bf16(int rows, bool fresh, float *o, int64_t w, const uint16_t *s,
                               const uint8_t *v, int64_t first, int64_t last)
{
    int64_t pairs = (last - first) / 2, ahead = VALUES_AHEAD_AVX512 / 2 * w * 4, i = 0;

    if (first >= last)
        return;
    v += first / 2 * w * 4;
    for (; i + 32 <= w; i += 32)
        add_pairs_bf16(2, rows, fresh, o + i, w, s + first, v + 4 * i, 4 * w, 64, pairs, ahead);
    if (i < w)
        add_pairs_bf16(1, rows, fresh, o + i, w, s + first, v + 4 * i, 4 * w, 64, pairs, ahead);
}

/* One row's values, those that not all rows see. */
static __attribute__((noinline)) void values_of_row_bf16(float *o, int64_t w, const uint16_t *s,
                                                         const uint8_t *v, int64_t first,
                                                         int64_t last)
{
    values_bf16(1, false, o, w, s, v, first, last);
}

/* 2^x within 2^-18: p(x - floor x), whose coefficients are minimax, scaled by 2^(floor x). */
INLINE_AVX512 __m512 exp2_bf16(__m512 x)
{
    __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC), p;

    p = _mm512_set1_ps(1.35341668e-2f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.20114638e-2f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.41442755e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.93003833e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.00000262f));
    return _mm512_scalef_ps(p, x);
}

/* Row r's dots s become its scores, then exp(score - max) in bfloat16, 0 where it does not see.
 * plain: it sees the whole block, and a score is a dot times the scale; the same operations. */
INLINE_AVX512 void weights_bf16(bool plain, struct attend_sums *y, const struct attend_rows *x,
                                int64_t r, uint16_t *to, const float *s, float scale, float cap)
{
    enum { PARTS = PI_KV_KEYS / 16 };
    const __m512 none = _mm512_set1_ps(-INFINITY), log2e = _mm512_set1_ps(1.44269504f);
    __m512 v[PARTS], sum = _mm512_setzero_ps(), most = none;
    float max;

#pragma GCC unroll 8
    for (int i = 0; i < PARTS; i++) {
        if (plain)
            v[i] = _mm512_mul_ps(_mm512_loadu_ps(s + 16 * i), _mm512_set1_ps(scale));
        else
            v[i] = _mm512_mask_mov_ps(none, seen_avx512(16 * i, x->first[r], x->last[r]),
                                      score_avx512(KV_BF16, x, r, s, 16 * i, NULL, scale, cap));
        most = _mm512_max_ps(most, v[i]);
    }
    max = _mm512_reduce_max_ps(most);
    most = _mm512_mul_ps(_mm512_set1_ps(max == -INFINITY ? 0 : max), log2e);
#pragma GCC unroll 8
    for (int i = 0; i < PARTS; i++) {
        v[i] = exp2_bf16(_mm512_fmsub_ps(v[i], log2e, most));
        sum = _mm512_add_ps(sum, v[i]);
        _mm256_storeu_si256((__m256i *)(void *)(to + 16 * i), (__m256i)_mm512_cvtneps_pbh(v[i]));
    }
    y->max[r] = max;
    y->sum[r] = sum_lanes_avx512(sum);
}

static __attribute__((noinline)) void softmax_bf16(int rows, struct attend_sums *y,
                                                   const struct attend_rows *x, int64_t r,
                                                   pairs_bf16 to, float (*s)[PI_KV_KEYS],
                                                   float scale, float cap)
{
    for (int j = 0; j < rows; j++)
        if (cap == 0 && x->slope[r + j] == 0 && x->first[r + j] == 0 &&
            x->last[r + j] == PI_KV_KEYS)
            weights_bf16(true, y, x, r + j, to[j], s[j], scale, cap);
        else
            weights_bf16(false, y, x, r + j, to[j], s[j], scale, cap);
}

/* Rows r .. r + rows: what all of them see together, the rest one by one, each in its order. */
INLINE_AVX512 void rows_bf16(int rows, struct attend_sums *y, const struct attend_rows *x,
                             int64_t r, const uint8_t *block, int64_t c, int64_t cv, float scale,
                             float cap)
{
    const uint8_t *v = block + pi_kv_values(KV_BF16, c);
    struct sight_avx512 n = sight_avx512(x, r, rows, 2);
    int64_t w = pi_kv_width(cv), panel = (c + 1) / 2 * 64;
    _Alignas(64) float s[8][PI_KV_KEYS];
    _Alignas(64) pairs_bf16 rounded;
    bool together = n.from < n.to;
    float *o = y->o + r * w;

    for (int64_t i = 0; i < c; i += STRETCH_BF16) {
        int64_t some = pi_min(c - i, STRETCH_BF16);

        for (int j = 0; j < rows; j++)
            round_row_bf16(rounded[j], x->q[r + j] + i, some);
        for (int64_t t = n.low / 32 * 32; t < n.high; t += 32)
            add_pairs_bf16(2, rows, i == 0, s[0] + t, PI_KV_KEYS, rounded[0],
                           block + i / 2 * 64 + t / 16 * panel, 64, panel, (some + 1) / 2,
                           2 * panel);
    }
    softmax_bf16(rows, y, x, r, rounded, s, scale, cap);
    for (int j = 0; j < rows; j++)
        together &= n.first[j] == n.from && n.last[j] == n.to;
    if (together) {
        values_bf16(rows, true, o, w, rounded[0], v, n.from, n.to);
        return;
    }
    memset(o, 0, (size_t)(rows * w) * sizeof *o);
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, rounded[j], v, n.first[j], pi_min(n.last[j], n.from));
    values_bf16(rows, false, o, w, rounded[0], v, n.from, n.to);
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, rounded[j], v, pi_max(n.first[j], n.to), n.last[j]);
}

static PI_ATTEND(attend_bf16_bf16)
{
    int64_t r = 0;

    if (x->n == 8) {
        rows_bf16(8, y, x, 0, block, c, cv, scale, cap);
        return;
    }
    for (; r + 4 <= x->n; r += 4)
        rows_bf16(4, y, x, r, block, c, cv, scale, cap);
    for (; r + 2 <= x->n; r += 2)
        rows_bf16(2, y, x, r, block, c, cv, scale, cap);
    if (r < x->n)
        rows_bf16(1, y, x, r, block, c, cv, scale, cap);
}

void pi_attend_bf16(struct kernels *k)
{
    k->attend[KV_BF16] = attend_bf16_bf16;
}
