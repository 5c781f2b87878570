/* attention.h - the part of the contract (kernel.h) about the past: attention over kept keys and
 * values, and memories of a fixed size.
 */
#ifndef PI_ATTENTION_H
#define PI_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

/* Keys and values of one head are kept in blocks of PI_KV_KEYS positions. Some rows of queries
 * take block after block (attend); sums of every PI_KV_SPAN blocks begin anew and are folded in
 * their order (attend_fold), so that a result depends neither on how many rows or blocks are
 * computed together nor on who computes them.
 *
 * A block, aligned to 64, of keys of width c and values of width cv; w = cv rounded up to 16:
 *     F32, F16   K [8 panels][c][16 keys]           V [128 keys][w]
 *     BF16       K [8 panels][c/2 up][16 keys][2]   V [64 pairs of keys][w][2 keys]
 *     Q8         K int8 as F16, V int8 as F16, then float scales [128] of keys and [128] of values:
 *                value = scale * q, as an operand block of the whole row (see pack)
 * Positions not kept yet and columns from cv to w may hold anything. */
enum kv_type { KV_F32, KV_F16, KV_BF16, KV_Q8, KV_COUNT };
enum { PI_KV_KEYS = 128, PI_KV_PANEL = 16, PI_KV_SPAN = 8, PI_ATTEND_ROWS = 64 };

static inline int64_t pi_kv_width(int64_t cv) { return (cv + 15) / 16 * 16; }

static inline int64_t pi_kv_element(enum kv_type type)
{
    return type == KV_F32 ? 4 : type == KV_Q8 ? 1 : 2;
}

/* Bytes of a block before its values, before its scales, and in all. */
static inline int64_t pi_kv_values(enum kv_type type, int64_t c)
{
    return PI_KV_KEYS * pi_kv_element(type) * (type == KV_BF16 ? (c + 1) / 2 * 2 : c);
}

static inline int64_t pi_kv_scales(enum kv_type type, int64_t c, int64_t cv)
{
    return pi_kv_values(type, c) + PI_KV_KEYS * pi_kv_element(type) * pi_kv_width(cv);
}

static inline int64_t pi_kv_bytes(enum kv_type type, int64_t c, int64_t cv)
{
    return pi_kv_scales(type, c, cv) + (type == KV_Q8 ? 2 * PI_KV_KEYS * 4 : 0);
}

/* kv_keep: puts keys k [n][c] and values v [n][cv], strides in floats, into positions first ..
 * first + n <= PI_KV_KEYS of a block. Rounds to nearest even; exact, the same in every tier.
 * May write position first + n too where that shares a pair with the last. */
#define PI_KV_KEEP(name)                                                                   \
    void name(uint8_t *block, int64_t first, int64_t n, const float *k, int64_t k_stride, \
              const float *v, int64_t v_stride, int64_t c, int64_t cv)

/* Rows of queries. Row r sees positions first[r] <= t < last[r], counted from the first block's
 * beginning; both may lie outside. */
struct attend_rows {
    int64_t n;                       /* 1 .. PI_ATTEND_ROWS */
    const float *q[PI_ATTEND_ROWS];  /* [c] */
    int64_t first[PI_ATTEND_ROWS], last[PI_ATTEND_ROWS];
    float slope[PI_ATTEND_ROWS], origin[PI_ATTEND_ROWS];
};

/* Has y, a copy of x, count from the beginning of block b, within which its rows then see.
 * False if none sees it. */
static inline bool pi_attend_at(struct attend_rows *y, const struct attend_rows *x, int64_t b)
{
    int64_t base = b * PI_KV_KEYS;
    bool any = false;

    for (int64_t r = 0; r < x->n; r++) {
        int64_t first = x->first[r] - base, last = x->last[r] - base;

        y->first[r] = first < 0 ? 0 : first > PI_KV_KEYS ? PI_KV_KEYS : first;
        y->last[r] = last > PI_KV_KEYS ? PI_KV_KEYS : last < y->first[r] ? y->first[r] : last;
        y->origin[r] = x->origin[r] - (float)base;
        any |= y->first[r] < y->last[r];
    }
    return any;
}

/* Sums on their way, per row: max of its scores s, sum of exp(s - max), and o [w], the sum of
 * exp(s - max) * v. Nothing yet: -INFINITY, 0, zeros. */
struct attend_sums {
    float max[PI_ATTEND_ROWS], sum[PI_ATTEND_ROWS];
    float *o; /* [PI_ATTEND_ROWS][w], aligned to 64 */
};

/* attend: adds some blocks, which lie behind one another, to the sums y, one after the other:
 *   s[t] = scale * dot(q, k[t])   (cap > 0: cap * tanh(s / cap))   - slope * |t - origin|
 *   m = max(y.max, all s), a = exp(y.max - m); sum becomes a * sum + the sum of exp(s - m), and
 *   o becomes a * o + the sum of exp(s - m) * v
 * The result for a row depends on no other row, and not on how many blocks a call has; what a row
 * does not see changes nothing. Scores of -INFINITY are allowed.
 * F32, F16 and Q8: error of o / sum within (c + 128 * blocks) * 4 * eps * (1 + max|s|) * max|v|,
 * with c * scale * max|q| * max|k| in place of max|s| where that is larger, and of max likewise.
 * BF16: q and exp(s - max) may be rounded to bfloat16, which adds that error with 2^-8 for
 * 4 * eps * (c + 128 * blocks). */
#define PI_ATTEND(name)                                                                     \
    void name(struct attend_sums *y, const struct attend_rows *x, const uint8_t *block,   \
              int64_t blocks, int64_t c, int64_t cv, float scale, float cap)

/* attend_fold: adds the sums of some blocks to those of the blocks before, for n rows.
 *   m = max(to.max, from.max), a = exp(to.max - m), b = exp(from.max - m);
 *   sum and o become a * to + b * from. Rows of `from` that saw nothing change nothing.
 * Error 16 eps relative to the terms' sizes. */
#define PI_ATTEND_FOLD(name) \
    void name(struct attend_sums *to, const struct attend_sums *from, int64_t n, int64_t cv)

/* recall: one token through c columns of a memory s of n rows, s_stride floats apart.
 *   e[i]    = sum over j of a[j] * s[j][i]                        (a NULL: 0, b is not read)
 *   s[j][i] = w[j * w_step] * s[j][i] + b[j] * e[i] + k[j] * v[i]
 *   y[i]    = sum over j of q[j] * s[j][i], as s is now, or as it was before if `before`
 * Sums go from the first row to the last, so a column's result depends on no other and not on c.
 * Nothing overlaps s or y. Error (n + 8) * eps relative to the sums of magnitudes. */
struct recall {
    float *s;
    int64_t s_stride, n, c, w_step; /* w_step: 0 or 1 */
    const float *w, *a, *b, *k, *q; /* [n]; w [1] where w_step is 0 */
    const float *v;                 /* [c] */
    float *y;                       /* [c] */
    bool before;
};
#define PI_RECALL(name) void name(const struct recall *x)

#endif
