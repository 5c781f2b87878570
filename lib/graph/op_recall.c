/* op_recall.c - SCAN, DELTA, WKV: the past as a matrix S of each head, of n rows and c columns,
 * which every token decays, writes to and reads. With outer products as k v^T:
 *
 *     SCAN   S = exp(dt A) S + b (dt x)^T                 y = S^T c + D x
 *     DELTA  S = exp(g) S;  S = S + beta k (v - S^T k)^T  y = S^T q * scale
 *     WKV    y = (S + (u*k) v^T)^T r;  S = diag(w) S + k v^T            with a weight u
 *            S = diag(w) S + b (S^T a)^T + k v^T;  y = S^T r            with a and b
 *
 * Selective state spaces: Gu and Dao 2023 and Dao and Gu 2024, arXiv 2312.00752 and 2405.21060.
 * Gated delta rule: Yang et al. 2024, arXiv 2412.06464. WKV: Peng et al. 2024 and 2025,
 * arXiv 2404.05892 and 2503.14456.
 *
 * Workers split the columns of all heads; tokens pass one after the other. So the result depends
 * neither on the number of workers nor on how tokens come together.
 */
#include "graph.h"

#include <math.h>

enum { UNIT_COLUMNS = 16 };

/* Some columns of one head. */
struct place {
    const struct run *run;
    const struct linked *s;
    int64_t head, i, cols; /* columns [i, i + cols) of the head */
    int64_t n, c;
    float *state;          /* [n][c], from column i on */
    float *scratch;        /* 3 n + c floats of the worker's own */
};

typedef void token_fn(const struct place *at, int64_t t);

static const float *row_of(const struct place *at, int input, int64_t t)
{
    int value = at->s->in[input];

    return pi_run_value(at->run, value) +
           t * pi_row_stride(at->run->program->values[value].width);
}

static float *output_of(const struct place *at, int64_t t)
{
    int64_t stride = pi_row_stride(at->run->program->values[at->s->out].width);

    return pi_run_value(at->run, at->s->out) + t * stride + at->head * at->c + at->i;
}

/* The recall that all tokens of the place have in common. */
static struct recall recall_at(const struct place *at, float *y)
{
    return (struct recall){ .s = at->state, .s_stride = at->c, .n = at->n, .c = at->cols, .y = y };
}

/* Every token through every head's matrix [n][c]. */
static void walk(const struct run *run, const struct linked *s, int64_t heads, int64_t n,
                 int64_t c, int part, int parts, token_fn *token)
{
    float *state = (float *)(void *)(run->state + run->plan->state_at[s - run->program->steps]);
    int64_t blocks = (c + UNIT_COLUMNS - 1) / UNIT_COLUMNS, unit, last;
    struct place at = { .run = run, .s = s, .n = n, .c = c,
                        .scratch = pi_run_scratch(run, part) };

    pi_split(heads * blocks, 1, part, parts, &unit, &last);
    while (unit < last) {
        int64_t block = unit % blocks, some = pi_min(blocks - block, last - unit);

        at.head = unit / blocks;
        at.i = block * UNIT_COLUMNS;
        at.cols = pi_min(some * UNIT_COLUMNS, c - at.i);
        at.state = state + at.head * n * c + at.i;
        for (int64_t j = 0; run->position == 0 && j < n; j++)
            memset(at.state + j * c, 0, (size_t)at.cols * sizeof *state);
        for (int64_t t = 0; t < run->n; t++)
            token(&at, t);
        unit += some;
    }
}

static bool matrix_need(struct needs *needs, int64_t heads, int64_t n, int64_t c)
{
    size_t row;

    needs->thread = (size_t)(3 * n + c) * sizeof(float);
    return pi_mul_size((size_t)heads * sizeof(float), (size_t)n, &row) &&
           pi_mul_size(row, (size_t)c, &needs->state);
}

/* ---- SCAN ---- */

/* Heads, channels of a head, states of a channel, groups of heads that share b and c. */
struct scan {
    int64_t h, c, n, g;
};

static struct scan scan_of(int64_t x, int64_t dt, int64_t b, const struct linked *s)
{
    int64_t g = s->p[0] == 0 ? 1 : pi_whole(s->p[0]);

    return (struct scan){ dt, dt > 0 ? x / dt : 0, g > 0 ? b / g : 0, g };
}

static struct scan linked_scan(const struct program *p, const struct linked *s)
{
    return scan_of(p->values[s->in[0]].width, p->values[s->in[1]].width,
                   p->values[s->in[2]].width, s);
}

/* Whether each state decays at a rate of its own. */
static bool many_rates(const struct linked *s)
{
    return s->w.rows > 1 && s->w.cols > 1;
}

static int scan_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    struct scan d = scan_of(at->in[0], at->in[1], at->in[2], s);
    int64_t stride = pi_row_stride(d.h);
    const float *rates;
    float *turned;

    if (d.h < 1 || d.c < 1 || d.n < 1 || at->in[0] % d.h || at->in[2] % d.g || d.h % d.g ||
        at->in[3] != at->in[2])
        return pi_step_fail(s, err, "x, dt, b, c of %lld, %lld, %lld, %lld in %lld groups do not "
                            "fit", (long long)at->in[0], (long long)at->in[1],
                            (long long)at->in[2], (long long)at->in[3], (long long)d.g);
    if (many_rates(s) ? s->w.rows != d.h || s->w.cols != d.n || d.c != 1 || d.g != 1
                      : s->w.rows * s->w.cols != d.h)
        return pi_step_fail(s, err, "%s is [%lld,%lld] for %lld heads of %lld channels and %lld "
                            "states", s->w.name, (long long)s->w.rows, (long long)s->w.cols,
                            (long long)d.h, (long long)d.c, (long long)d.n);
    if (s->bias.data && s->bias.cols != d.h)
        return pi_step_fail(s, err, "%s has %lld values for %lld heads", s->bias.name,
                            (long long)s->bias.cols, (long long)d.h);
    TRY(pi_step_floats(at, &s->w, &rates, err));
    s->floats = rates;
    at->width = at->in[0];
    if (!many_rates(s))
        return PITH_OK;
    turned = pi_arena_alloc(at->arena, (size_t)(stride * d.n), sizeof *turned);
    if (!turned)
        return pi_no_memory(err, s->w.name, (size_t)(stride * d.n) * sizeof *turned);
    for (int64_t i = 0; i < d.h; i++)
        for (int64_t j = 0; j < d.n; j++)
            turned[j * stride + i] = rates[i * d.n + j];
    s->floats = turned; /* [n][stride], zeros behind h */
    return PITH_OK;
}

static bool scan_need(const struct program *program, const struct linked *s,
                      const struct plan *plan, struct needs *needs)
{
    struct scan d = linked_scan(program, s);

    (void)plan;
    if (!matrix_need(needs, d.h, d.n, d.c))
        return false;
    needs->thread = (size_t)pi_max(d.n * UNIT_COLUMNS, d.c) * sizeof(float);
    return !many_rates(s) || pi_mul_size((size_t)pi_row_stride(d.h) * sizeof(float), (size_t)d.n,
                                         &needs->state);
}

static void scan_token(const struct place *at, int64_t t)
{
    struct scan d = linked_scan(at->run->program, at->s);
    const float *x = row_of(at, 0, t) + at->head * d.c + at->i;
    const float *skip = (const float *)(const void *)at->s->bias.data;
    float dt = row_of(at, 1, t)[at->head], decay = expf(dt * at->s->floats[at->head]);
    struct recall r = recall_at(at, output_of(at, t));
    int64_t group = at->head / (d.h / d.g);

    for (int64_t i = 0; i < at->cols; i++)
        at->scratch[i] = dt * x[i];
    r.w = &decay;
    r.k = row_of(at, 2, t) + group * d.n;
    r.q = row_of(at, 3, t) + group * d.n;
    r.v = at->scratch;
    at->run->kernels->recall(&r);
    for (int64_t i = 0; skip && i < at->cols; i++)
        r.y[i] += skip[at->head] * x[i];
}

/* UNIT_COLUMNS channels, each with states of its own rates; e [n][UNIT_COLUMNS] are the decays. */
static void advance(float *restrict state, int64_t stride, int64_t n, const float *restrict e,
                    const float *restrict v, const float *b, const float *c, float *restrict y)
{
    float sum[UNIT_COLUMNS] = { 0 };

    for (int64_t j = 0; j < n; j++, e += UNIT_COLUMNS, state += stride) {
        float write = b[j], read = c[j];

        for (int i = 0; i < UNIT_COLUMNS; i++) {
            float now = e[i] * state[i] + write * v[i];

            state[i] = now;
            sum[i] += read * now;
        }
    }
    for (int i = 0; i < UNIT_COLUMNS; i++)
        y[i] = sum[i];
}

/* e[j][i] = dt[i] * rates[j][i] */
static void spread(float *restrict e, const float *restrict rates, int64_t stride, int64_t n,
                   const float *restrict dt)
{
    for (int64_t j = 0; j < n; j++, e += UNIT_COLUMNS, rates += stride)
        for (int i = 0; i < UNIT_COLUMNS; i++)
            e[i] = dt[i] * rates[i];
}

/* Channels [i, i + UNIT_COLUMNS) of all tokens; rows and state are padded to whole blocks. */
static void scan_block(const struct run *run, const struct linked *s, const struct scan *d,
                       int64_t i, float *state, float *e)
{
    struct place at = { .run = run, .s = s, .c = 1, .head = i };
    const float *skip = (const float *)(const void *)s->bias.data;
    int64_t stride = pi_row_stride(d->h), live = pi_min(UNIT_COLUMNS, d->h - i);

    for (int64_t t = 0; t < run->n; t++) {
        const float *x = row_of(&at, 0, t) + i, *dt = row_of(&at, 1, t) + i;
        float *y = output_of(&at, t), v[UNIT_COLUMNS] = { 0 }, step[UNIT_COLUMNS] = { 0 };

        for (int k = 0; k < live; k++) {
            step[k] = dt[k];
            v[k] = dt[k] * x[k];
        }
        spread(e, s->floats + i, stride, d->n, step);
        run->kernels->activate(e, e, d->n * UNIT_COLUMNS, ACT_EXP);
        advance(state + i, stride, d->n, e, v, row_of(&at, 2, t), row_of(&at, 3, t), y);
        for (int64_t k = 0; skip && k < live; k++)
            y[k] += skip[i + k] * x[k];
    }
}

static void scan_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct scan d = linked_scan(run->program, s);
    float *state = (float *)(void *)(run->state + run->plan->state_at[s - run->program->steps]);
    int64_t stride = pi_row_stride(d.h), first, last;

    if (!many_rates(s)) {
        walk(run, s, d.h, d.n, d.c, part, parts, scan_token);
        return;
    }
    pi_split(stride / UNIT_COLUMNS, 1, part, parts, &first, &last);
    for (int64_t i = first * UNIT_COLUMNS; i < last * UNIT_COLUMNS; i += UNIT_COLUMNS) {
        for (int64_t j = 0; run->position == 0 && j < d.n; j++)
            memset(state + j * stride + i, 0, UNIT_COLUMNS * sizeof *state);
        scan_block(run, s, &d, i, state, pi_run_scratch(run, part));
    }
}

const struct op pi_op_SCAN = {
    .needs_weight = true,
    .recurrent = true,
    .shape = scan_shape,
    .need = scan_need,
    .forward = scan_forward,
};

/* ---- DELTA ---- */

enum { DELTA_HEADS, READ_SCALE, TILED };

static int delta_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t k = pi_whole(s->p[DELTA_HEADS]), v = at->in[3];

    if (k < 1 || v < 1 || v % k || at->in[0] % k || at->in[0] < 1 || at->in[1] != at->in[0] ||
        at->in[2] % v || at->in[2] < 1 || at->in[4] != v)
        return pi_step_fail(s, err, "q, k, v, g, beta of %lld, %lld, %lld, %lld, %lld do not fit "
                            "%lld heads of keys", (long long)at->in[0], (long long)at->in[1],
                            (long long)at->in[2], (long long)v, (long long)at->in[4],
                            (long long)k);
    at->width = at->in[2];
    return PITH_OK;
}

/* Heads of values, rows and columns of their matrices. */
static void delta_sizes(const struct program *p, const struct linked *s, int64_t *heads,
                        int64_t *n, int64_t *c)
{
    *heads = p->values[s->in[3]].width;
    *n = p->values[s->in[0]].width / (int64_t)s->p[DELTA_HEADS];
    *c = p->values[s->in[2]].width / *heads;
}

static bool delta_need(const struct program *program, const struct linked *s,
                       const struct plan *plan, struct needs *needs)
{
    int64_t heads, n, c;

    (void)plan;
    delta_sizes(program, s, &heads, &n, &c);
    return matrix_need(needs, heads, n, c);
}

/* With S decayed by w: what k finds there is S^T (w k), and beta of it is taken away. */
static void delta_token(const struct place *at, int64_t t)
{
    int64_t keys = (int64_t)at->s->p[DELTA_HEADS], heads, n, c, head;
    float beta = row_of(at, 4, t)[at->head], decay = expf(row_of(at, 3, t)[at->head]);
    float *a = at->scratch, *b = a + at->n, *k = b + at->n, scale = (float)at->s->p[READ_SCALE];
    struct recall r = recall_at(at, output_of(at, t));
    const float *key;

    delta_sizes(at->run->program, at->s, &heads, &n, &c);
    head = at->s->p[TILED] != 0 ? at->head % keys : at->head / (heads / keys);
    key = row_of(at, 1, t) + head * n;
    for (int64_t j = 0; j < n; j++) {
        a[j] = decay * key[j];
        k[j] = beta * key[j];
        b[j] = -k[j];
    }
    r.w = &decay;
    r.a = a;
    r.b = b;
    r.k = k;
    r.q = row_of(at, 0, t) + head * n;
    r.v = row_of(at, 2, t) + at->head * c + at->i;
    at->run->kernels->recall(&r);
    if (scale == 0)
        scale = (float)(1 / sqrt((double)n));
    for (int64_t i = 0; i < at->cols; i++)
        r.y[i] *= scale;
}

static void delta_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t heads, n, c;

    delta_sizes(run->program, s, &heads, &n, &c);
    walk(run, s, heads, n, c, part, parts, delta_token);
}

const struct op pi_op_DELTA = {
    .recurrent = true,
    .shape = delta_shape,
    .need = delta_need,
    .forward = delta_forward,
};

/* ---- WKV ---- */

static int wkv_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    int64_t h = pi_whole(s->p[DELTA_HEADS]), d = at->in[0];
    bool fits = h > 0 && d > 0 && d % h == 0 && (s->n_in == 4 || s->n_in == 6);

    for (int i = 1; i < s->n_in; i++)
        fits &= at->in[i] == d;
    if (!fits || (s->n_in == 4) != (s->w.data != NULL))
        return pi_step_fail(s, err, "r, w, k, v and either a weight or a, b of as many values, in "
                            "heads, are needed");
    if (s->w.data && s->w.rows * s->w.cols != d)
        return pi_step_fail(s, err, "%s has %lld values for %lld channels", s->w.name,
                            (long long)(s->w.rows * s->w.cols), (long long)d);
    if (s->w.data)
        TRY(pi_step_floats(at, &s->w, &s->floats, err));
    at->width = d;
    return PITH_OK;
}

static bool wkv_need(const struct program *program, const struct linked *s,
                     const struct plan *plan, struct needs *needs)
{
    int64_t h = (int64_t)s->p[DELTA_HEADS], n = program->values[s->in[0]].width / h;

    (void)plan;
    return matrix_need(needs, h, n, n);
}

static void wkv_token(const struct place *at, int64_t t)
{
    struct recall r = recall_at(at, output_of(at, t));
    int64_t from = at->head * at->n;
    const float *bonus = at->s->floats ? at->s->floats + from : NULL;
    float here = 0;

    r.q = row_of(at, 0, t) + from;
    r.w = row_of(at, 1, t) + from;
    r.w_step = 1;
    r.k = row_of(at, 2, t) + from;
    r.v = row_of(at, 3, t) + from + at->i;
    r.a = bonus ? NULL : row_of(at, 4, t) + from;
    r.b = bonus ? NULL : row_of(at, 5, t) + from;
    r.before = bonus != NULL;
    at->run->kernels->recall(&r);
    for (int64_t j = 0; bonus && j < at->n; j++)
        here += r.q[j] * bonus[j] * r.k[j];
    for (int64_t i = 0; bonus && i < at->cols; i++)
        r.y[i] += here * r.v[i];
}

static void wkv_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t h = (int64_t)s->p[DELTA_HEADS], n = run->program->values[s->in[0]].width / h;

    walk(run, s, h, n, n, part, parts, wkv_token);
}

const struct op pi_op_WKV = {
    .recurrent = true,
    .shape = wkv_shape,
    .need = wkv_need,
    .forward = wkv_forward,
};
