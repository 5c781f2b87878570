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

/* sum[r][p] += over pairs of x[r] * elements of 16 lanes; lines of `stride` bytes, P vectors of
 * them `apart`, `ahead` of which lies what is needed next (0: nothing is asked for). */
INLINE_AVX512 void add_pairs_bf16(int P, int rows, __m512 sum[][2], const uint16_t *const *x,
                                  const uint8_t *at, int64_t stride, int64_t apart, int64_t pairs,
                                  int64_t ahead)
{
    for (int64_t i = 0; i < pairs; i++, at += stride) {
        __m512bh line[2];

#pragma GCC unroll 2
        for (int p = 0; p < P; p++) {
            line[p] = (__m512bh)_mm512_loadu_si512(at + p * apart);
            if (ahead)
                ask_avx512(at + p * apart + ahead, 64);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512bh element = pair_bf16(x[r] + 2 * i);
#pragma GCC unroll 2
            for (int p = 0; p < P; p++)
                sum[r][p] = _mm512_dpbf16_ps(sum[r][p], line[p], element);
        }
    }
}

/* y[r][0..16) and y[r][apart..apart+16), `stride` floats from row to row. */
INLINE_AVX512 void get_bf16(int P, int rows, __m512 sum[][2], const float *y, int64_t stride)
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            sum[r][p] = _mm512_loadu_ps(y + r * stride + 16 * p);
}

INLINE_AVX512 void put_bf16(int P, int rows, __m512 sum[][2], float *y, int64_t stride)
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(y + r * stride + 16 * p, sum[r][p]);
}

/* dots[r][t] += dot(q[r], k[t]) over a stretch of pairs, for t in [low, high), rounded to 32. */
INLINE_AVX512 void scores_bf16(int rows, float (*dots)[PI_KV_KEYS], const uint16_t *const *q,
                               const uint8_t *k, int64_t panel, int64_t pairs, int64_t low,
                               int64_t high)
{
    __m512 sum[8][2];

    for (int64_t t = low / 32 * 32; t < high; t += 32) {
        get_bf16(2, rows, sum, dots[0] + t, PI_KV_KEYS);
        add_pairs_bf16(2, rows, sum, q, k + t / 16 * panel, 64, panel, pairs, 2 * panel);
        put_bf16(2, rows, sum, dots[0] + t, PI_KV_KEYS);
    }
}

/* o[r] += sum over t in [first, last), both even, of s[r][t] * v[t]. */
INLINE_AVX512 void values_bf16(int rows, float *o, int64_t w, const uint16_t *s, const uint8_t *v,
                               int64_t first, int64_t last)
{
    int64_t pairs = (last - first) / 2, ahead = VALUES_AHEAD_AVX512 / 2 * w * 4, i = 0;
    const uint16_t *x[8];
    __m512 sum[8][2];

    if (first >= last)
        return;
    v += first / 2 * w * 4;
    for (int r = 0; r < rows; r++)
        x[r] = s + r * STRETCH_BF16 + first;
    for (; i + 32 <= w; i += 32) {
        get_bf16(2, rows, sum, o + i, w);
        add_pairs_bf16(2, rows, sum, x, v + 4 * i, 4 * w, 64, pairs, ahead);
        put_bf16(2, rows, sum, o + i, w);
    }
    if (i < w) {
        get_bf16(1, rows, sum, o + i, w);
        add_pairs_bf16(1, rows, sum, x, v + 4 * i, 4 * w, 64, pairs, ahead);
        put_bf16(1, rows, sum, o + i, w);
    }
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
    pairs_bf16 rounded;
    const uint16_t *q[8];
    float *o = y->o + r * w;

    memset(s, 0, (size_t)rows * sizeof s[0]);
    for (int64_t i = 0; i < c; i += STRETCH_BF16) {
        int64_t some = pi_min(c - i, STRETCH_BF16);

        for (int j = 0; j < rows; j++) {
            round_row_bf16(rounded[j], x->q[r + j] + i, some);
            q[j] = rounded[j];
        }
        scores_bf16(rows, s, q, block + i / 2 * 64, panel, (some + 1) / 2, n.low, n.high);
    }
    for (int j = 0; j < rows; j++) {
        int64_t from = x->first[r + j] / 16 * 16;

        softmax_avx512(KV_BF16, y, x, r + j, s[j], NULL, scale, cap);
        round_row_bf16(rounded[j] + from, s[j] + from, (x->last[r + j] - from + 15) / 16 * 16);
    }
    memset(o, 0, (size_t)(rows * w) * sizeof *o);
    for (int j = 0; j < rows; j++)
        values_bf16(1, o + j * w, w, rounded[j], v, n.first[j], pi_min(n.last[j], n.from));
    values_bf16(rows, o, w, rounded[0], v, n.from, n.to);
    for (int j = 0; j < rows; j++)
        values_bf16(1, o + j * w, w, rounded[j], v, pi_max(n.first[j], n.to), n.last[j]);
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
