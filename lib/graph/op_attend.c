/* op_attend.c - ATTEND: attention of every query head over the positions that it may see.
 *
 *     y[t][head] = softmax(scale * q[t][head] . K[kv head][seen]) V[kv head][seen]
 *
 * The step keeps [kv heads][blocks] of PI_KV_KEYS positions (kernel.h), or uses what a layer before
 * keeps. Work comes in units of some rows (token, head of the group) of one key/value head; what
 * spans of blocks add is folded in their order, so the result depends neither on the workers nor
 * on how the tokens are fed.
 */
#include "graph.h"

#include <math.h>

enum { HEADS, KV, SCALE, CAP, WINDOW, ALIBI, CHUNK, BIDIRECTIONAL, BACK, STEEP };

enum {
    SPLIT_KEYS = PI_KV_SPAN * PI_KV_KEYS, /* below, another barrier costs more than idle workers */
};

/* What the parts of one call share. h, k: heads of queries and of keys; g = h / k. */
struct attention {
    const struct run *run;
    const struct linked *s;
    int64_t h, k, g, c, cv, w; /* w: pi_kv_width(cv) */
    int64_t blocks;            /* of a key/value head */
    int64_t block_bytes;
    uint8_t *kept;             /* [k][blocks] */
    int64_t window, chunk, n;  /* n: positions so far, this run's included */
    float scale;
};

/* The step whose keys and values this one uses: itself, or that of `shared` layers back. */
static const struct linked *keeper(const struct program *program, const struct linked *s)
{
    const struct linked *at = s;

    if (s->p[BACK] == 0)
        return s;
    while (at > program->steps) {
        at--;
        if (at->op == s->op && at->layer == s->layer - (int)s->p[BACK])
            return at->p[BACK] == 0 ? at : NULL;
    }
    return NULL;
}

static int64_t width_of(const struct program *program, const struct linked *s, int i)
{
    return program->values[s->in[i]].width;
}

static int check_params(const struct linked *s, pith_error *err)
{
    if (!(s->p[CAP] >= 0) || !(s->p[ALIBI] >= 0) || !(s->p[STEEP] >= 0))
        return pi_step_fail(s, err, "the cap and the biases must not be negative");
    if ((s->p[WINDOW] != 0 && !pi_whole(s->p[WINDOW])) ||
        (s->p[CHUNK] != 0 && !pi_whole(s->p[CHUNK])) ||
        (s->p[BACK] != 0 && !pi_whole(s->p[BACK])))
        return pi_step_fail(s, err, "window, chunk and shared must be 0 or whole numbers from 1");
    if (s->p[BIDIRECTIONAL] != 0 && s->p[BIDIRECTIONAL] != 1)
        return pi_step_fail(s, err, "bidirectional must be 0 or 1");
    return PITH_OK;
}

/* The slope of each head: powers of 2^(-most/n) for n heads, n the largest power of two; the
 * heads behind those take every second one of the next finer series. Press et al. 2021. All are
 * times `steep`, where that is not 0. */
static int make_slopes(struct shaping *at, int64_t heads, pith_error *err)
{
    double most = at->s->p[ALIBI], steep = at->s->p[STEEP] == 0 ? 1 : at->s->p[STEEP];
    double *slope = pi_arena_alloc(at->arena, (size_t)heads, sizeof *slope);
    int64_t n = 1;

    if (!slope)
        return pi_no_memory(err, "slopes", (size_t)heads * sizeof *slope);
    while (n * 2 <= heads)
        n *= 2;
    for (int64_t i = 0; i < heads; i++)
        slope[i] = steep * pow(2, i < n ? -most * (double)(i + 1) / (double)n
                                        : -most * (double)(2 * (i - n) + 1) / (double)(2 * n));
    at->s->table = slope;
    return PITH_OK;
}

static int attend_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    int64_t h = pi_whole(s->p[HEADS]), k = pi_whole(s->p[KV]), keys = at->in[1];
    int64_t values = at->in[2];
    char a[32], b[32];

    if (h < 1 || k < 1 || h % k)
        return pi_step_fail(s, err, "%s query heads cannot share %s key heads",
                            pi_number(s->p[HEADS], a), pi_number(s->p[KV], b));
    TRY(check_params(s, err));
    if (s->p[BACK] != 0) {
        const struct linked *from = keeper(at->program, s);

        if (!from || from->p[KV] != s->p[KV])
            return pi_step_fail(s, err, "no layer %s back keeps %lld heads",
                                pi_number(s->p[BACK], a), (long long)k);
        keys = width_of(at->program, from, 1);
        values = width_of(at->program, from, 2);
        s->n_in = 1;
    }
    if (at->in[0] % h || keys % k || values % k || at->in[0] / h != keys / k || keys < k ||
        values < k)
        return pi_step_fail(s, err, "q, k, v of %lld, %lld, %lld do not fit %lld and %lld heads",
                            (long long)at->in[0], (long long)keys, (long long)values,
                            (long long)h, (long long)k);
    if (s->w.data && s->w.cols != h)
        return pi_step_fail(s, err, "%s has %lld values, there are %lld heads", s->w.name,
                            (long long)s->w.cols, (long long)h);
    at->width = values / k * h;
    return s->p[ALIBI] > 0 ? make_slopes(at, h, err) : PITH_OK;
}

static int64_t blocks_of(const struct plan *plan)
{
    return (plan->capacity + PI_KV_KEYS - 1) / PI_KV_KEYS;
}

static int64_t spans_of(int64_t blocks) { return (blocks + PI_KV_SPAN - 1) / PI_KV_SPAN; }

/* Groups of rows of one token, and the rows of each, rounded up. */
static int64_t head_groups(int64_t g) { return (g + PI_ATTEND_ROWS - 1) / PI_ATTEND_ROWS; }

static int64_t group_rows(int64_t g) { return pi_min(PI_ATTEND_ROWS, (g + 7) / 8 * 8); }

static bool attend_need(const struct program *program, const struct linked *s,
                        const struct plan *plan, struct needs *needs)
{
    const struct linked *from = keeper(program, s);
    int64_t h = (int64_t)s->p[HEADS], k = (int64_t)s->p[KV], c, cv, w, sums;
    size_t blocks = (size_t)blocks_of(plan);

    if (!from)
        return false;
    c = width_of(program, from, 1) / k;
    cv = width_of(program, from, 2) / k;
    w = pi_kv_width(cv);
    sums = k * head_groups(h / k) * group_rows(h / k) * (w + 2);
    needs->thread = (size_t)(2 * PI_ATTEND_ROWS * w) * sizeof(float);
    if (plan->threads > 1 &&
        !pi_mul_size((size_t)sums * sizeof(float), (size_t)spans_of(blocks_of(plan)),
                     &needs->shared))
        return false;
    return from != s || pi_mul_size((size_t)(k * pi_kv_bytes(program->kv, c, cv)), blocks,
                                    &needs->state);
}

static struct attention attention_of(const struct run *run, const struct linked *s)
{
    const struct program *program = run->program;
    const struct linked *from = keeper(program, s);
    int64_t h = (int64_t)s->p[HEADS], k = (int64_t)s->p[KV];
    int64_t c = width_of(program, from, 1) / k, cv = width_of(program, from, 2) / k;

    return (struct attention){
        .run = run, .s = s, .h = h, .k = k, .g = h / k, .c = c, .cv = cv, .w = pi_kv_width(cv),
        .blocks = blocks_of(run->plan), .block_bytes = pi_kv_bytes(program->kv, c, cv),
        .kept = run->state + run->plan->state_at[from - program->steps],
        .window = (int64_t)s->p[WINDOW], .chunk = (int64_t)s->p[CHUNK],
        .n = run->position + run->n,
        .scale = (float)(s->p[SCALE] > 0 ? s->p[SCALE] : 1 / sqrt((double)c)),
    };
}

static uint8_t *block_of(const struct attention *a, int64_t kv, int64_t block)
{
    return a->kept + (kv * a->blocks + block) * a->block_bytes;
}

/* Appends the new keys and values; a block of a head is one worker's. */
static void keep(const struct attention *a, int part, int parts)
{
    const struct run *run = a->run;
    const float *k = pi_run_value(run, a->s->in[1]); /* [n][kv][c] */
    const float *v = pi_run_value(run, a->s->in[2]); /* [n][kv][cv] */
    int64_t k_stride = pi_row_stride(a->k * a->c), v_stride = pi_row_stride(a->k * a->cv);
    int64_t block = run->position / PI_KV_KEYS, last, end;
    int64_t blocks = (a->n - 1) / PI_KV_KEYS + 1 - block;

    pi_split(a->k * blocks, 1, part, parts, &last, &end);
    for (int64_t i = last; i < end; i++) {
        int64_t kv = i / blocks, at = block + i % blocks;
        int64_t from = pi_max(run->position, at * PI_KV_KEYS);
        int64_t to = pi_min(a->n, (at + 1) * PI_KV_KEYS), t = from - run->position;

        run->kernels->kv_keep[run->program->kv](
            block_of(a, kv, at), from - at * PI_KV_KEYS, to - from, k + t * k_stride + kv * a->c,
            k_stride, v + t * v_stride + kv * a->cv, v_stride, a->c, a->cv);
    }
}

/* The positions [*first, *last) that position p sees. */
static void sight(const struct attention *a, int64_t p, int64_t *first, int64_t *last)
{
    bool both = a->s->p[BIDIRECTIONAL] != 0;

    *first = a->window ? pi_max(0, p - a->window + 1) : 0;
    *last = !both ? p + 1 : a->window ? pi_min(a->n, p + a->window) : a->n;
    if (a->chunk) {
        *first = pi_max(*first, p / a->chunk * a->chunk);
        *last = pi_min(*last, (p / a->chunk + 1) * a->chunk);
    }
}

/* Describes rows [row, end) of a key/value head to the kernel; a row is (token, head of the
 * group). What they see is counted from the first position of all. */
static void describe(const struct attention *a, struct attend_rows *x, int64_t kv, int64_t row,
                     int64_t end)
{
    const float *q = pi_run_value(a->run, a->s->in[0]); /* [n][h][c] */
    int64_t t = row / a->g, head = row % a->g;

    x->n = end - row;
    for (int64_t r = 0; r < x->n; r++, head++) {
        int64_t p;

        if (head == a->g)
            t++, head = 0;
        p = a->run->position + t;
        sight(a, p, &x->first[r], &x->last[r]);
        x->q[r] = q + t * pi_row_stride(a->h * a->c) + (kv * a->g + head) * a->c;
        x->slope[r] = a->s->p[ALIBI] > 0 ? (float)a->s->table[kv * a->g + head] : 0;
        x->origin[r] = (float)p;
    }
}

/* What rows begin with: nothing, or the sinks. */
static void begin_sums(const struct attention *a, struct attend_sums *y, float *o, int64_t kv,
                       int64_t row, int64_t end)
{
    const float *sinks = (const float *)(const void *)a->s->w.data; /* [h] */

    y->o = o;
    for (int64_t r = 0; r < end - row; r++) {
        y->max[r] = sinks ? sinks[kv * a->g + (row + r) % a->g] : -INFINITY;
        y->sum[r] = sinks ? 1 : 0;
    }
    memset(o, 0, (size_t)((end - row) * a->w) * sizeof *o);
}

static void end_sums(const struct attention *a, const struct attend_sums *from, int64_t kv,
                     int64_t row, int64_t end)
{
    float *y = pi_run_value(a->run, a->s->out); /* [n][h][cv] */

    for (int64_t r = 0; r < end - row; r++) {
        int64_t t = (row + r) / a->g, head = kv * a->g + (row + r) % a->g;
        float *to = y + t * pi_row_stride(a->h * a->cv) + head * a->cv, by = 1 / from->sum[r];

        for (int64_t i = 0; i < a->cv; i++)
            to[i] = from->o[r * a->w + i] * by;
    }
}

/* What the blocks from `block` to the end of its span, or to `last`, add to nothing. Returns the
 * first block behind them. */
static int64_t attend_span(const struct attention *a, struct attend_sums *y,
                           const struct attend_rows *rows, int64_t kv, int64_t block, int64_t last)
{
    const struct run *run = a->run;
    int64_t end = pi_min(last, (block / PI_KV_SPAN + 1) * PI_KV_SPAN);
    struct attend_rows x = *rows;

    for (int64_t r = 0; r < x.n; r++) {
        x.first[r] -= block * PI_KV_KEYS;
        x.last[r] -= block * PI_KV_KEYS;
        x.origin[r] -= (float)(block * PI_KV_KEYS);
        y->max[r] = -INFINITY;
        y->sum[r] = 0;
    }
    memset(y->o, 0, (size_t)(x.n * a->w) * sizeof *y->o);
    run->kernels->attend[run->program->kv](y, &x, block_of(a, kv, block), end - block, a->c, a->cv,
                                           a->scale, (float)a->s->p[CAP]);
    return end;
}

/* Blocks [*first, *last) that any of the tokens [t, end) sees. */
static void blocks_seen(const struct attention *a, int64_t t, int64_t end, int64_t *first,
                        int64_t *last)
{
    int64_t none;

    sight(a, a->run->position + t, first, &none);
    sight(a, a->run->position + end - 1, &none, last);
    *first /= PI_KV_KEYS;
    *last = (*last + PI_KV_KEYS - 1) / PI_KV_KEYS;
}

/* Rows [row, end) of a key/value head: a block is read for all of them. */
static void attend_unit(const struct attention *a, int64_t kv, int64_t row, int64_t end,
                        float *scratch)
{
    struct attend_sums all, one = { .o = scratch + PI_ATTEND_ROWS * a->w };
    struct attend_rows x;
    int64_t block, last;

    begin_sums(a, &all, scratch, kv, row, end);
    describe(a, &x, kv, row, end);
    blocks_seen(a, row / a->g, (end - 1) / a->g + 1, &block, &last);
    while (block < last) {
        block = attend_span(a, &one, &x, kv, block, last);
        a->run->kernels->attend_fold(&all, &one, x.n, a->cv);
    }
    end_sums(a, &all, kv, row, end);
}

/* One token whose heads do not divide evenly among the workers: each takes some spans of some
 * groups, then the sums are folded as if one had done it all. */
static void attend_split(const struct attention *a, int part, int parts)
{
    const struct run *run = a->run;
    int64_t groups = head_groups(a->g), each = group_rows(a->g), floats = each * (a->w + 2);
    int64_t from, to, first, spans, i, end;
    float *shared = (float *)(void *)run->shared;
    struct attend_sums all, one;
    struct attend_rows x;

    blocks_seen(a, 0, 1, &from, &to);
    first = from / PI_KV_SPAN;
    spans = spans_of(to) - first;
    pi_split(a->k * groups * spans, 1, part, parts, &i, &end);
    for (; i < end; i++) {
        int64_t group = i / spans, row = group % groups * PI_ATTEND_ROWS;

        one.o = shared + i * floats + 2 * each;
        describe(a, &x, group / groups, row, pi_min(a->g, row + PI_ATTEND_ROWS));
        attend_span(a, &one, &x, group / groups,
                    pi_max(from, (first + i % spans) * PI_KV_SPAN), to);
        memcpy(shared + i * floats, one.max, (size_t)each * sizeof *one.max);
        memcpy(shared + i * floats + each, one.sum, (size_t)each * sizeof *one.sum);
    }
    pi_run_barrier(run, part, parts);
    for (int64_t group = part; group < a->k * groups; group += parts) {
        int64_t row = group % groups * PI_ATTEND_ROWS, last = pi_min(a->g, row + PI_ATTEND_ROWS);

        begin_sums(a, &all, pi_run_scratch(run, part), group / groups, row, last);
        for (i = group * spans; i < (group + 1) * spans; i++) {
            memcpy(one.max, shared + i * floats, (size_t)each * sizeof *one.max);
            memcpy(one.sum, shared + i * floats + each, (size_t)each * sizeof *one.sum);
            one.o = shared + i * floats + 2 * each;
            run->kernels->attend_fold(&all, &one, last - row, a->cv);
        }
        end_sums(a, &all, group / groups, row, last);
    }
}

/* The next of n units for this worker, -1: none. Workers that do not meet behind every step, as for
 * one token, take turns. */
static int64_t next_unit(const struct run *run, int64_t *mine, int part, int parts, int64_t n)
{
    int64_t i = *mine;

    if (run->n > 1)
        i = pi_pool_claim(run->pool, part, parts, n);
    *mine += parts;
    return i < n ? i : -1;
}

static void attend_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct attention a = attention_of(run, s);
    int64_t rows = run->n * a.g, units = (rows + PI_ATTEND_ROWS - 1) / PI_ATTEND_ROWS, i, last;
    bool split = run->n == 1 && parts > 1 && a.n > SPLIT_KEYS && units * a.k % parts != 0;

    if (s->p[BACK] == 0)
        keep(&a, part, parts);
    if (run->n == 1 && units == 1 && !split) { /* of the heads that this worker has kept */
        pi_split(a.k, 1, part, parts, &i, &last);
        for (; i < last; i++)
            attend_unit(&a, i, 0, rows, pi_run_scratch(run, part));
        return;
    }
    if (s->p[BACK] == 0)
        pi_run_barrier(run, part, parts);
    if (split) {
        attend_split(&a, part, parts);
        return;
    }
    for (int64_t mine = part; (i = next_unit(run, &mine, part, parts, units * a.k)) >= 0;) {
        int64_t row = i / a.k * PI_ATTEND_ROWS, end = pi_min(rows, row + PI_ATTEND_ROWS);

        attend_unit(&a, i % a.k, row, end, pi_run_scratch(run, part));
    }
}

const struct op pi_op_ATTEND = {
    .shape = attend_shape,
    .need = attend_need,
    .forward = attend_forward,
};
