/* attend.c - rows of queries against a block of keys and values in bfloat16: VDPBF16PS adds the
 * products of two elements of a key, or of two values, at the full rate of FMA. Queries and
 * weights are rounded to bfloat16. The rest as in avx512/attend.c.
 *
 * Rows go in groups of 8. The products keep both multipliers busy and nothing else, so a group's
 * dots become weights between the products of the next group's dots, where most of it is free.
 */
#include "kernel/avx512/attend.h"

enum { STRETCH_BF16 = 128 }; /* elements of a query that are rounded at a time */

/* Rows r .. r + rows and a block on their way from dots to weights, of which `at` of `end` are
 * done. Dots are in units of log2, as are scores and max. */
struct group_bf16 {
    _Alignas(64) float s[8][PI_KV_KEYS];
    _Alignas(64) uint16_t p[8][PI_KV_KEYS];
    struct sight_avx512 n;
    const uint8_t *block;
    int64_t r, at, end;
    int rows;
    bool plain; /* all rows see the whole block, and their dots are scores */
    float max[8], by[8];          /* finite; what the sums before count now */
};

/* What add_pairs multiplies: pairs of x, `stride` elements from row to row, by lines of `line`
 * bytes, in each of which vectors lie `apart`; `ahead` lies what is needed next. */
struct pairs_bf16 {
    const uint16_t *x;
    const uint8_t *at;
    int64_t stride, line, apart, pairs, ahead;
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
    __mmask16 live = 0xFFFF;

    for (int64_t i = 0; i < n; i += 16) {
        __m512 v;

        if (n - i < 16)
            live = (__mmask16)((1u << (n - i)) - 1);
        v = _mm512_mul_ps(_mm512_maskz_loadu_ps(live, x + i), _mm512_set1_ps(by));
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

/* The next line of m. */
INLINE_AVX512 void add_pair_bf16(int P, int rows, __m512 sum[][2], struct pairs_bf16 *m)
{
    __m512bh v[2];

#pragma GCC unroll 2
    for (int p = 0; p < P; p++) {
        v[p] = (__m512bh)_mm512_loadu_si512(m->at + p * m->apart);
        ask_avx512(m->at + p * m->apart + m->ahead, 64);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        __m512bh element = pair_bf16(m->x + r * m->stride);
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            sum[r][p] = _mm512_dpbf16_ps(sum[r][p], v[p], element);
    }
    m->at += m->line;
    m->x += 2;
}

/* y[r][0..16 P), `stride` floats from row to row, becomes by[r] times itself (by NULL: itself;
 * fresh: 0) plus the sum over the pairs of m. Meanwhile weighs `beside`, if any. */
INLINE_AVX512 void add_pairs_bf16(int P, int rows, bool fresh, float *y, int64_t stride,
                                  const float *by, struct pairs_bf16 m, struct group_bf16 *beside)
{
    int64_t done = beside ? beside->at : 0, end = beside ? beside->end : 0, i = 0;
    __m512 sum[8][2];

#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++) {
            sum[r][p] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(y + r * stride + 16 * p);
            if (by)
                sum[r][p] = _mm512_mul_ps(sum[r][p], _mm512_set1_ps(by[r]));
        }
    for (; beside && done < end && i + 4 <= m.pairs; i += 4, done += 32) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            add_pair_bf16(P, rows, sum, &m);
        weigh_bf16(beside, done);
    }
    for (; i < m.pairs; i++)
        add_pair_bf16(P, rows, sum, &m);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < P; p++)
            _mm512_storeu_ps(y + r * stride + 16 * p, sum[r][p]);
    if (beside)
        beside->at = done;
}

/* o[r] = by[r] * o[r] + sum over t in [first, last), both even, of p[r][t] * v[t]. */
INLINE_AVX512 void values_bf16(int rows, float *o, int64_t w, const float *by, const uint16_t *p,
                               const uint8_t *v, int64_t first, int64_t last)
{
    struct pairs_bf16 m = { .x = p + first, .stride = PI_KV_KEYS, .line = 4 * w, .apart = 64,
                            .pairs = (last - first) / 2,
                            .ahead = VALUES_AHEAD_AVX512 / 2 * w * 4 };
    int64_t i = 0;

    if (first >= last)
        return;
    v += first / 2 * w * 4;
    for (; m.at = v + 4 * i, i + 32 <= w; i += 32)
        add_pairs_bf16(2, rows, false, o + i, w, by, m, NULL);
    if (i < w)
        add_pairs_bf16(1, rows, false, o + i, w, by, m, NULL);
}

/* One row's values, those that not all rows see. */
static __attribute__((noinline)) void values_of_row_bf16(float *o, int64_t w, const uint16_t *p,
                                                         const uint8_t *v, int64_t first,
                                                         int64_t last)
{
    values_bf16(1, o, w, NULL, p, v, first, last);
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

/* Row r's dots become scores, -INFINITY where it does not see. Returns the largest of each lane. */
static __attribute__((noinline)) __m512 scores_bf16(const struct attend_rows *x, int64_t r,
                                                    float *s, float cap)
{
    const __m512 none = _mm512_set1_ps(-INFINITY);
    __m512 most = none;

    for (int64_t t = 0; t < PI_KV_KEYS; t += 16) {
        __m512 v = _mm512_loadu_ps(s + t);

        if (cap > 0 || x->slope[r] != 0)
            v = _mm512_mul_ps(score_avx512(KV_BF16, x, r, s, t, NULL, (float)M_LN2, cap),
                              _mm512_set1_ps((float)M_LOG2E));
        v = _mm512_mask_mov_ps(none, seen_avx512(t, x->first[r], x->last[r]), v);
        _mm512_storeu_ps(s + t, v);
        most = _mm512_max_ps(most, v);
    }
    return most;
}

/* The same of scores that all are seen. */
INLINE_AVX512 __m512 largest_bf16(const float *s)
{
    __m512 most = _mm512_loadu_ps(s);

#pragma GCC unroll 8
    for (int64_t t = 16; t < PI_KV_KEYS; t += 16)
        most = _mm512_max_ps(most, _mm512_loadu_ps(s + t));
    return most;
}

/* A group's new maxima, from the largest of each lane. */
INLINE_AVX512 void raise_bf16(struct group_bf16 *g, struct attend_sums *y, const __m512 most[8])
{
    __mmask8 live = (__mmask8)((1u << g->rows) - 1);
    __m256 was = _mm256_maskz_loadu_ps(live, y->max + g->r), max, by;

    max = _mm256_max_ps(was, _mm256_mul_ps(across_bf16(false, most),
                                           _mm256_set1_ps((float)M_LN2)));
    by = _mm512_castps512_ps256(exp_avx512(_mm512_zextps256_ps512(_mm256_sub_ps(was, max))));
    by = _mm256_mask_mov_ps(by, _mm256_cmp_ps_mask(was, max, _CMP_EQ_OQ), _mm256_set1_ps(1));
    _mm256_storeu_ps(g->by, by);
    _mm256_mask_storeu_ps(y->max + g->r, live, max);
    live = _mm256_cmp_ps_mask(max, _mm256_set1_ps(-INFINITY), _CMP_NEQ_UQ);
    _mm256_storeu_ps(g->max, _mm256_maskz_mul_ps(live, max, _mm256_set1_ps((float)M_LOG2E)));
}

/* What the groups of a call share. q: the queries rounded, if a stretch holds them. */
struct call_bf16 {
    _Alignas(64) uint16_t q[PI_ATTEND_ROWS][STRETCH_BF16];
    struct attend_sums *y;
    struct attend_rows x; /* as seen from the block */
    int64_t c, w;
    float scale, cap;
};

INLINE_AVX512 void round_rows_bf16(struct call_bf16 *f, int64_t r, int64_t end, int64_t i)
{
    for (; r < end; r++)
        round_row_bf16(f->q[r], f->x.q[r] + i, pi_min(f->c - i, STRETCH_BF16),
                       f->scale * (float)M_LOG2E);
}

/* A group's scores and their largest; weighs `beside`. */
INLINE_AVX512 void dots_bf16(int rows, struct call_bf16 *f, struct group_bf16 *g,
                             struct group_bf16 *beside)
{
    int64_t panel = (f->c + 1) / 2 * 64;
    struct pairs_bf16 m = { .x = f->q[g->r], .stride = STRETCH_BF16, .line = 64, .apart = panel,
                            .ahead = 2 * panel };
    __m512 most[8];

    for (int64_t i = 0; i < f->c; i += STRETCH_BF16) {
        if (f->c > STRETCH_BF16)
            round_rows_bf16(f, g->r, g->r + rows, i);
        m.pairs = (pi_min(f->c - i, STRETCH_BF16) + 1) / 2;
        for (int64_t t = g->n.low / 32 * 32; t < g->n.high; t += 32) {
            m.at = g->block + i / 2 * 64 + t / 16 * panel;
            add_pairs_bf16(2, rows, i == 0, g->s[0] + t, PI_KV_KEYS, NULL, m, beside);
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        most[j] = j >= rows  ? _mm512_setzero_ps()
                  : g->plain ? largest_bf16(g->s[j])
                             : scores_bf16(&f->x, g->r + j, g->s[j], f->cap);
    raise_bf16(g, f->y, most);
    g->at = 0;
    g->end = rows * PI_KV_KEYS;
}

/* What a group's values add: what all rows see together, the rest one by one, each in its order. */
INLINE_AVX512 void sums_bf16(int rows, const struct call_bf16 *f, struct group_bf16 *g)
{
    const uint8_t *v = g->block + pi_kv_values(KV_BF16, f->c);
    const struct sight_avx512 *n = &g->n;
    const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3F803F80);
    __mmask8 live = (__mmask8)((1u << rows) - 1);
    float *o = f->y->o + g->r * f->w, *sums = f->y->sum + g->r;
    int64_t w = f->w;
    __m512 sum[8];

    for (; g->at < g->end; g->at += 32)
        weigh_bf16(g, g->at);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        sum[j] = _mm512_setzero_ps();
        for (int t = 0; j < rows && t < PI_KV_KEYS; t += 32)
            sum[j] = _mm512_dpbf16_ps(sum[j], (__m512bh)_mm512_loadu_si512(g->p[j] + t), ones);
    }
    _mm256_mask_storeu_ps(sums, live,
                          _mm256_fmadd_ps(_mm256_maskz_loadu_ps(live, sums),
                                          _mm256_loadu_ps(g->by), across_bf16(true, sum)));
    if (n->same) {
        values_bf16(rows, o, w, g->by, g->p[0], v, n->from, n->to);
        return;
    }
    for (int64_t i = 0; i < rows * w; i += 16)
        _mm512_storeu_ps(o + i, _mm512_mul_ps(_mm512_loadu_ps(o + i),
                                              _mm512_set1_ps(g->by[i / w])));
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, g->p[j], v, n->first[j], pi_min(n->last[j], n->from));
    values_bf16(rows, o, w, NULL, g->p[0], v, n->from, n->to);
    for (int j = 0; j < rows; j++)
        values_of_row_bf16(o + j * w, w, g->p[j], v, pi_max(n->first[j], n->to), n->last[j]);
}

static __attribute__((noinline)) void begin_group_bf16(struct call_bf16 *f, struct group_bf16 *g,
                                                       struct group_bf16 *beside)
{
    switch (g->rows) {
    case 8: dots_bf16(8, f, g, beside); break;
    case 4: dots_bf16(4, f, g, beside); break;
    case 2: dots_bf16(2, f, g, beside); break;
    default: dots_bf16(1, f, g, beside);
    }
}

static __attribute__((noinline)) void end_group_bf16(const struct call_bf16 *f,
                                                     struct group_bf16 *g)
{
    switch (g->rows) {
    case 8: sums_bf16(8, f, g); break;
    case 4: sums_bf16(4, f, g); break;
    case 2: sums_bf16(2, f, g); break;
    case 1: sums_bf16(1, f, g); break;
    default: break; /* nothing is before the first */
    }
}

/* The next rows of a block, from r on. */
static inline void take_group_bf16(struct group_bf16 *g, const struct attend_rows *x, int64_t r,
                                   const uint8_t *block, bool plain)
{
    int64_t n = x->n - r;

    g->rows = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;
    g->r = r;
    g->block = block;
    g->plain = plain;
    if (plain)
        g->n = (struct sight_avx512){ .to = PI_KV_KEYS, .high = PI_KV_KEYS, .same = true };
    else
        g->n = sight_avx512(x, r, g->rows, 2);
}

static PI_ATTEND(attend_bf16_bf16)
{
    struct call_bf16 f = { .y = y, .x = *x, .c = c, .w = pi_kv_width(cv), .scale = scale,
                           .cap = cap };
    struct group_bf16 groups[2], *g = groups, *before = groups + 1, *swap;
    int64_t from = 0, to = cap > 0 ? 0 : blocks * PI_KV_KEYS; /* where all is plain */

    for (int64_t r = 0; r < x->n; r++) {
        from = pi_max(from, x->first[r]);
        to = x->slope[r] != 0 ? 0 : pi_min(to, x->last[r]);
    }
    before->rows = 0;
    before->at = before->end = 0;
    if (c <= STRETCH_BF16)
        round_rows_bf16(&f, 0, x->n, 0);
    for (int64_t b = 0; b < blocks; b++, block += pi_kv_bytes(KV_BF16, c, cv)) {
        bool plain = from <= b * PI_KV_KEYS && to >= (b + 1) * PI_KV_KEYS;

        if (!plain && !pi_attend_at(&f.x, x, b))
            continue;
        for (int64_t r = 0; r < x->n; r += before->rows) {
            take_group_bf16(g, &f.x, r, block, plain);
            begin_group_bf16(&f, g, before);
            end_group_bf16(&f, before);
            swap = g, g = before, before = swap;
        }
    }
    end_group_bf16(&f, before);
}

void pi_attend_bf16(struct kernels *k)
{
    k->attend[KV_BF16] = attend_bf16_bf16;
}
