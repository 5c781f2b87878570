/* attend.c - rows of queries against a block of keys and values in bfloat16: VDPBF16PS adds the
 * products of two elements of a key, or of two values, at the full rate of FMA. Queries and
 * weights are rounded to bfloat16. The rest as in avx512/attend.c.
 *
 * Rows go in groups of 8. The products keep both multipliers busy and nothing else, so a group's
 * dots become weights between the products of the next group's dots, where most of it is free.
 */
#include "kernel/avx512/attend.h"

enum { STRETCH_BF16 = 256 }; /* elements of a query that are rounded at a time */

/* A group on its way from dots to weights. Dots are in units of log2, as are scores and max. */
struct group_bf16 {
    _Alignas(64) float s[8][PI_KV_KEYS];
    _Alignas(64) uint16_t p[8][PI_KV_KEYS];
    struct sight_avx512 n;
    int64_t r, at, end; /* the first row; weights done and all, counted over the rows */
    int rows;
    float max[8];       /* finite */
};

INLINE_AVX512 __m512bh pair_bf16(const uint16_t *at)
{
    int32_t pair;

    memcpy(&pair, at, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* n floats times `by` rounded, zeros up to a multiple of 16. */
INLINE_AVX512 void round_row_bf16(uint16_t *y, const float *x, int64_t n, float by)
{
    for (int64_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << pi_min(n - i, 16)) - 1), x + i);
        v = _mm512_mul_ps(v, _mm512_set1_ps(by));
        _mm256_storeu_si256((__m256i *)(void *)(y + i), (__m256i)_mm512_cvtneps_pbh(v));
    }
}

/* 2^x within 2^-13: p(x - floor x), whose coefficients are minimax, scaled by 2^(floor x). */
INLINE_AVX512 __m512 exp2_bf16(__m512 x)
{
    __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC), p;

    p = _mm512_set1_ps(7.8024521e-2f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.2606716e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9583356e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9992520e-1f));
    return _mm512_scalef_ps(p, x);
}

/* The next 32 weights of a group. */
INLINE_AVX512 void weigh_bf16(struct group_bf16 *g, int64_t at)
{
    const float *s = g->s[0] + at;
    __m512 max = _mm512_set1_ps(g->max[at / PI_KV_KEYS]);
    __m512 a = exp2_bf16(_mm512_sub_ps(_mm512_loadu_ps(s), max));
    __m512 b = exp2_bf16(_mm512_sub_ps(_mm512_loadu_ps(s + 16), max));

    _mm512_storeu_si512(g->p[0] + at, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

/* One step of add_pairs. */
INLINE_AVX512 void add_pair_bf16(int P, int rows, __m512 sum[][2], const uint16_t *x,
                                 int64_t x_stride, const uint8_t *at, int64_t apart, int64_t ahead)
{
    __m512bh v[2];

#pragma GCC unroll 2
    for (int p = 0; p < P; p++) {
        v[p] = (__m512bh)_mm512_loadu_si512(at + p * apart);
        ask_avx512(at + p * apart + ahead, 64);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        __m512bh element = pair_bf16(x + r * x_stride);
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            sum[r][p] = _mm512_dpbf16_ps(sum[r][p], v[p], element);
    }
}

/* y[r][0..16 P), `stride` floats from row to row, becomes the sum over pairs of x[r] * elements of
 * 16 lanes, added to what it holds unless `fresh`; lines of `line` bytes, P vectors of them
 * `apart`, `ahead` of which lies what is needed next. Weighs what is left of `beside`. */
INLINE_AVX512 void add_pairs_bf16(int P, int rows, bool fresh, float *y, int64_t stride,
                                  const uint16_t *x, int64_t x_stride, const uint8_t *at,
                                  int64_t line, int64_t apart, int64_t pairs, int64_t ahead,
                                  struct group_bf16 *beside)
{
    int64_t done = beside ? beside->at : 0, end = beside ? beside->end : 0, i = 0;
    __m512 sum[8][2];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            sum[r][p] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * stride + 16 * p);
    for (; beside && done < end && i + 4 <= pairs; i += 4, done += 32) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++, at += line, x += 2)
            add_pair_bf16(P, rows, sum, x, x_stride, at, apart, ahead);
        weigh_bf16(beside, done);
    }
    for (; i < pairs; i++, at += line, x += 2)
        add_pair_bf16(P, rows, sum, x, x_stride, at, apart, ahead);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(y + r * stride + 16 * p, sum[r][p]);
    if (beside)
        beside->at = done;
}

/* o[r] += sum over t in [first, last), both even, of p[r][t] * v[t]; fresh: o holds nothing yet. */
INLINE_AVX512 void values_bf16(int rows, bool fresh, float *o, int64_t w, const uint16_t *p,
                               const uint8_t *v, int64_t first, int64_t last)
{
    int64_t pairs = (last - first) / 2, ahead = VALUES_AHEAD_AVX512 / 2 * w * 4, i = 0;

    if (first >= last)
        return;
    v += first / 2 * w * 4;
    for (; i + 32 <= w; i += 32)
        add_pairs_bf16(2, rows, fresh, o + i, w, p + first, PI_KV_KEYS, v + 4 * i, 4 * w, 64,
                       pairs, ahead, NULL);
    if (i < w)
        add_pairs_bf16(1, rows, fresh, o + i, w, p + first, PI_KV_KEYS, v + 4 * i, 4 * w, 64,
                       pairs, ahead, NULL);
}

/* One row's values, those that not all rows see. */
static __attribute__((noinline)) void values_of_row_bf16(float *o, int64_t w, const uint16_t *p,
                                                         const uint8_t *v, int64_t first,
                                                         int64_t last)
{
    values_bf16(1, false, o, w, p, v, first, last);
}

INLINE_AVX512 __m512 meet_bf16(bool sums, __m512 a, __m512 b)
{
    return sums ? _mm512_add_ps(a, b) : _mm512_max_ps(a, b);
}

/* The sums, or maxima, of the lanes of eight vectors. Halves meet, so that none depends on which
 * of the eight it is. */
INLINE_AVX512 __m256 across_bf16(bool sums, const __m512 v[8])
{
    const __m512i order = _mm512_setr_epi32(0, 2, 8, 10, 4, 6, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 a[4], b[2], c;

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) /* rows i, i + 4 */
        a[i] = meet_bf16(sums, _mm512_shuffle_f32x4(v[i], v[i + 4], 0x44),
                         _mm512_shuffle_f32x4(v[i], v[i + 4], 0xEE));
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) /* 128 bits each of rows i, i + 4, i + 2, i + 6 */
        b[i] = meet_bf16(sums, _mm512_shuffle_f32x4(a[i], a[i + 2], 0x88),
                         _mm512_shuffle_f32x4(a[i], a[i + 2], 0xDD));
    c = meet_bf16(sums, _mm512_shuffle_ps(b[0], b[1], 0x44), _mm512_shuffle_ps(b[0], b[1], 0xEE));
    c = meet_bf16(sums, c, _mm512_permute_ps(c, 0xB1));
    return _mm512_castps512_ps256(_mm512_permutexvar_ps(order, c));
}

/* Row r's dots become scores, -INFINITY where it does not see; often they are that already.
 * Returns the largest of each lane. */
INLINE_AVX512 __m512 scores_bf16(const struct attend_rows *x, int64_t r, float *s, float cap)
{
    const __m512 none = _mm512_set1_ps(-INFINITY);
    bool shaped = cap > 0 || x->slope[r] != 0;
    __m512 most = none;

    if (!shaped && x->first[r] == 0 && x->last[r] == PI_KV_KEYS) {
#pragma GCC unroll 8
        for (int64_t t = 0; t < PI_KV_KEYS; t += 16)
            most = _mm512_max_ps(most, _mm512_loadu_ps(s + t));
        return most;
    }
    for (int64_t t = 0; t < PI_KV_KEYS; t += 16) {
        __m512 v = _mm512_loadu_ps(s + t);

        if (shaped)
            v = _mm512_mul_ps(score_avx512(KV_BF16, x, r, s, t, NULL, (float)M_LN2, cap),
                              _mm512_set1_ps((float)M_LOG2E));
        v = _mm512_mask_mov_ps(none, seen_avx512(t, x->first[r], x->last[r]), v);
        _mm512_storeu_ps(s + t, v);
        most = _mm512_max_ps(most, v);
    }
    return most;
}

/* A group's scores and their largest; weighs `beside`. */
INLINE_AVX512 void dots_bf16(int rows, struct group_bf16 *g, struct attend_sums *y,
                             const struct attend_rows *x, const uint8_t *block, int64_t c,
                             float scale, float cap, struct group_bf16 *beside)
{
    int64_t panel = (c + 1) / 2 * 64;
    _Alignas(64) uint16_t q[8][STRETCH_BF16];
    __m512 most[8];
    __m256 max;
    __mmask8 live = (__mmask8)((1u << rows) - 1);

    for (int64_t i = 0; i < c; i += STRETCH_BF16) {
        int64_t some = pi_min(c - i, STRETCH_BF16);

        for (int j = 0; j < rows; j++)
            round_row_bf16(q[j], x->q[g->r + j] + i, some, scale * (float)M_LOG2E);
        for (int64_t t = g->n.low / 32 * 32; t < g->n.high; t += 32)
            add_pairs_bf16(2, rows, i == 0, g->s[0] + t, PI_KV_KEYS, q[0], STRETCH_BF16,
                           block + i / 2 * 64 + t / 16 * panel, 64, panel, (some + 1) / 2,
                           2 * panel, beside);
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        most[j] = j < rows ? scores_bf16(x, g->r + j, g->s[j], cap) : _mm512_setzero_ps();
    max = across_bf16(false, most);
    _mm256_mask_storeu_ps(y->max + g->r, live, _mm256_mul_ps(max, _mm256_set1_ps((float)M_LN2)));
    live = _mm256_cmp_ps_mask(max, _mm256_set1_ps(-INFINITY), _CMP_NEQ_UQ);
    _mm256_storeu_ps(g->max, _mm256_maskz_mov_ps(live, max));
    g->at = 0;
    g->end = rows * PI_KV_KEYS;
}

/* What a group's values add: what all rows see together, the rest one by one, each in its order. */
INLINE_AVX512 void sums_bf16(int rows, struct group_bf16 *g, struct attend_sums *y,
                             const uint8_t *v, int64_t w)
{
    const struct sight_avx512 *n = &g->n;
    const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3F803F80);
    float *o = y->o + g->r * w;
    bool together = n->from < n->to;
    __m512 sum[8];

    for (; g->at < g->end; g->at += 32)
        weigh_bf16(g, g->at);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        sum[j] = _mm512_setzero_ps();
        if (j < rows)
            for (int t = 0; t < PI_KV_KEYS; t += 32)
                sum[j] = _mm512_dpbf16_ps(sum[j], (__m512bh)_mm512_loadu_si512(g->p[j] + t), ones);
    }
    _mm256_mask_storeu_ps(y->sum + g->r, (__mmask8)((1u << rows) - 1), across_bf16(true, sum));
    for (int j = 0; j < rows; j++)
        together &= n->first[j] == n->from && n->last[j] == n->to;
    if (together) {
        values_bf16(rows, true, o, w, g->p[0], v, n->from, n->to);
        return;
    }
    memset(o, 0, (size_t)(rows * w) * sizeof *o);
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, g->p[j], v, n->first[j], pi_min(n->last[j], n->from));
    values_bf16(rows, false, o, w, g->p[0], v, n->from, n->to);
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, g->p[j], v, pi_max(n->first[j], n->to), n->last[j]);
}

static __attribute__((noinline)) void begin_group_bf16(struct group_bf16 *g, struct attend_sums *y,
                                                       const struct attend_rows *x,
                                                       const uint8_t *block, int64_t c, float scale,
                                                       float cap, struct group_bf16 *beside)
{
    switch (g->rows) {
    case 8: dots_bf16(8, g, y, x, block, c, scale, cap, beside); break;
    case 4: dots_bf16(4, g, y, x, block, c, scale, cap, beside); break;
    case 2: dots_bf16(2, g, y, x, block, c, scale, cap, beside); break;
    default: dots_bf16(1, g, y, x, block, c, scale, cap, beside);
    }
}

static __attribute__((noinline)) void end_group_bf16(struct group_bf16 *g, struct attend_sums *y,
                                                     const uint8_t *v, int64_t w)
{
    switch (g->rows) {
    case 8: sums_bf16(8, g, y, v, w); break;
    case 4: sums_bf16(4, g, y, v, w); break;
    case 2: sums_bf16(2, g, y, v, w); break;
    default: sums_bf16(1, g, y, v, w);
    }
}

static PI_ATTEND(attend_bf16_bf16)
{
    const uint8_t *v = block + pi_kv_values(KV_BF16, c);
    int64_t w = pi_kv_width(cv), r = 0;
    struct group_bf16 groups[2], *g = groups, *before = groups + 1, *swap;

    before->rows = 0;
    before->at = before->end = 0;
    for (; r < x->n; r += g->rows, swap = g, g = before, before = swap) {
        g->rows = x->n - r >= 8 ? 8 : x->n - r >= 4 ? 4 : x->n - r >= 2 ? 2 : 1;
        g->r = r;
        g->n = sight_avx512(x, r, g->rows, 2);
        begin_group_bf16(g, y, x, block, c, scale, cap, before);
        if (before->rows)
            end_group_bf16(before, y, v, w);
    }
    end_group_bf16(before, y, v, w);
}

void pi_attend_bf16(struct kernels *k)
{
    k->attend[KV_BF16] = attend_bf16_bf16;
}
