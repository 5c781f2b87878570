/* op_linear.c - LINEAR: y[n][rows] = x[n][cols] * W[rows][cols]^T + bias[rows].
 *
 * The weight rows are read where they lie in the file. Workers split the rows, never the sums, so
 * the result does not depend on their number. In `exact` programs quantised rows are unpacked to
 * float32 a few at a time; otherwise the activations are quantised once and the format's own
 * dot product runs, or, where results may depend on the number of tokens, another engine of the
 * tier for some or many of them.
 *
 * Before: run.c. Next: kernel/kernel.h.
 */
#include "product.h"

static int linear_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;

    if (s->w.cols != at->in[0])
        return pi_step_fail(s, err, "%s has rows of %lld, the input has %lld", s->w.name,
                            (long long)s->w.cols, (long long)at->in[0]);
    if (s->w.depth != 1)
        return pi_step_fail(s, err, "%s has %lld slices", s->w.name, (long long)s->w.depth);
    TRY(pi_product_check(at->program, &s->w, err));
    if (s->bias.data && s->bias.cols != s->w.rows)
        return pi_step_fail(s, err, "%s has %lld values, the weight has %lld rows",
                            s->bias.name, (long long)s->bias.cols, (long long)s->w.rows);
    at->width = s->w.rows;
    return PITH_OK;
}

/* The rows of a worker when `parts` share them: whole panels. */
static int64_t many_rows(const struct linked *s, int parts)
{
    int64_t panels = (s->w.rows + PI_MANY_GROUP - 1) / PI_MANY_GROUP;

    return (panels + parts - 1) / parts * PI_MANY_GROUP;
}

/* What every engine needs for up to plan->batch tokens. */
static bool engines_need(const struct program *program, const struct linked *s,
                         const struct plan *plan, struct needs *needs)
{
    int64_t least = program->kernels->some_tokens ? program->kernels->some_tokens
                                                  : program->kernels->many_tokens;
    size_t groups = (size_t)(plan->batch + PI_MANY_GROUP - 1) / PI_MANY_GROUP, operand;
    size_t scratch = pi_many_scratch(many_rows(s, plan->threads), plan->batch);

    if (!program->by_count || !least || plan->batch < least)
        return true;
    needs->thread = scratch > needs->thread ? scratch : needs->thread;
    if (!pi_mul_size(pi_many_bytes(PI_MANY_GROUP, s->w.cols), groups, &operand))
        return false;
    needs->shared = operand > needs->shared ? operand : needs->shared;
    return true;
}

static bool linear_need(const struct program *program, const struct linked *s,
                        const struct plan *plan, struct needs *needs)
{
    enum operand kind = pi_product_operand(program, &s->w);

    needs->thread = pi_product_bytes(program, &s->w);
    if (kind != OPERAND_F32 && !pi_mul_size(needs->thread, (size_t)plan->batch, &needs->shared))
        return false;
    if (s->norm)
        needs->thread += pi_operand_bytes(OPERAND_F32, s->w.cols);
    return engines_need(program, s, plan, needs);
}

/* Whether the step before left this one's operand where it is wanted: q, k and v have one input,
 * gate and up another, or linear_rows packed it. */
static bool is_packed(const struct run *run, const struct linked *s, int64_t n, int parts)
{
    const struct program *p = run->program;
    const struct linked *before = s - 1;

    if (s > p->steps && pi_run_is_chained(run, before, parts))
        return true;
    return s > p->steps && before->op == s->op && before->in[0] == s->in[0] &&
           pi_run_rows(run, before->out) == n &&
           !pi_product_engine(p, &before->w, n) == !pi_product_engine(p, &s->w, n) &&
           pi_product_operand(p, &before->w) == pi_product_operand(p, &s->w) &&
           pi_product_bytes(p, &before->w) == pi_product_bytes(p, &s->w);
}

/* A block of activations, in the form that the dot product takes. */
struct activations {
    const uint8_t *at;
    int64_t stride; /* bytes */
};

/* The only row of the input; one that is left to be normalised stands in the worker's scratch. */
static const float *single_row(const struct run *run, const struct linked *s, int part)
{
    float *y = pi_run_scratch(run, part); /* behind what the product takes */

    if (!s->norm)
        return pi_run_value(run, s->in[0]);
    y += pi_product_bytes(run->program, &s->w) / sizeof *y;
    if (!is_packed(run, s, 1, 1))
        pi_norm_row(run, s->norm, y, pi_run_value(run, s->norm->in[0]), s->w.cols);
    return y;
}

/* One token: every worker quantises it for itself, which is cheaper than to meet. More: each does
 * its share, then they meet. */
static struct activations quantise(const struct run *run, const struct linked *s, int64_t n,
                                   int part, int parts)
{
    enum operand kind = pi_product_operand(run->program, &s->w);
    const float *x = n == 1 ? single_row(run, s, part) : pi_run_value(run, s->in[0]);
    int64_t x_stride = pi_row_stride(s->w.cols), first, last;
    size_t bytes = pi_operand_bytes(kind, s->w.cols);
    uint8_t *to = n == 1 ? pi_run_scratch(run, part) : run->shared;

    if (kind == OPERAND_F32)
        return (struct activations){ (const uint8_t *)x, x_stride * (int64_t)sizeof *x };
    if (is_packed(run, s, n, parts))
        return (struct activations){ to, (int64_t)bytes };
    pi_split(n, 1, n == 1 ? 0 : part, n == 1 ? 1 : parts, &first, &last);
    for (int64_t t = first; t < last; t++)
        run->kernels->pack[kind](to + (size_t)t * bytes, x + t * x_stride, s->w.cols);
    if (n != 1)
        pi_run_barrier(run, part, parts);
    return (struct activations){ to, (int64_t)bytes };
}

/* Of more than PI_MANY_GROUP rows. */
static void linear_rows(const struct run *run, const struct linked *s, int64_t first, int64_t last)
{
    const struct kernels *k = run->kernels;
    enum operand kind = pi_product_operand(run->program, &s->w);
    int64_t n = pi_run_rows(run, s->out), cols = s->w.cols, x_stride = pi_row_stride(cols);
    const float *x = pi_run_value(run, s->in[0]) + first * x_stride;
    size_t bytes = pi_operand_bytes(kind, cols);

    if (pi_product_engine(run->program, &s->w, n))
        k->pack_many[pi_many_operand(k, s->w.dtype)](run->shared, first, last, n, cols, x,
                                                     x_stride);
    else if (kind != OPERAND_F32)
        for (int64_t t = first; t < last; t++, x += x_stride)
            k->pack[kind](run->shared + (size_t)t * bytes, x, cols);
}

static void add_bias(const struct run *run, const struct linked *s, int64_t n, int64_t first,
                     int64_t last)
{
    float *y = pi_run_value(run, s->out) + first; /* [n][rows] */
    const float *bias = (const float *)(const void *)s->bias.data;

    for (int64_t t = 0; bias && t < n; t++, y += pi_row_stride(s->w.rows))
        run->kernels->add(y, y, bias + first, last - first);
}

/* The end of the piece of `all` panels that begins at `first`: pieces become smaller, so that a
 * worker that is held up holds up no other, and all end together. */
static int64_t piece_end(int64_t all, int parts, int64_t first)
{
    return parts == 1 ? all : first + pi_max(1, (all - first) / (2 * parts));
}

/* All workers pack, meet, and multiply pieces of the rows until none is left. */
static void multiply_with(dot_many_fn *engine, const struct run *run, const struct linked *s,
                          int64_t n, int part, int parts)
{
    const struct kernels *k = run->kernels;
    int64_t cols = s->w.cols, x_stride = pi_row_stride(cols), pieces = 0, first, last, i;
    int64_t panels = (s->w.rows + PI_MANY_GROUP - 1) / PI_MANY_GROUP, at = 0, next = 0;
    const float *x = pi_run_value(run, s->in[0]);
    bool many = pi_product_many(k, n);

    pi_split(many ? n : cols, PI_MANY_GROUP, part, parts, &first, &last);
    if (!is_packed(run, s, n, parts)) {
        if (first < last && many)
            k->pack_many[pi_many_operand(k, s->w.dtype)](run->shared, first, last, n, cols,
                                                         x + first * x_stride, x_stride);
        else if (first < last)
            k->pack_some(run->shared, first, last, n, cols, x, x_stride);
        pi_run_barrier(run, part, parts);
    }
    for (; at < panels; at = piece_end(panels, parts, at))
        pieces++;
    for (at = 0; (i = pi_pool_claim(run->pool, part, parts, pieces)) < pieces; next = i + 1) {
        for (; next < i; next++)
            at = piece_end(panels, parts, at);
        first = at * PI_MANY_GROUP;
        at = piece_end(panels, parts, at);
        last = pi_min(at * PI_MANY_GROUP, s->w.rows);
        engine(last - first, cols, s->w.data + first * s->w.stride, s->w.stride, n, run->shared,
               pi_run_value(run, s->out) + first, pi_row_stride(s->w.rows),
               pi_run_scratch(run, part));
        add_bias(run, s, n, first, last);
    }
}

/* The engine for any number of tokens; a single one streams all its rows. */
static void multiply_any(const struct run *run, const struct linked *s, int64_t n, int part,
                         int parts)
{
    float *y = pi_run_value(run, s->out); /* [n][rows] */
    int64_t block = n == 1 ? s->w.rows : PI_ROW_BLOCK, first, last;
    struct activations x = quantise(run, s, n, part, parts);

    pi_split(s->w.rows, PI_ROW_GRAIN, part, parts, &first, &last);
    for (int64_t row = first; row < last; row += block)
        pi_product(run, &s->w, s->w.data + row * s->w.stride, pi_min(block, last - row), n, x.at,
                   x.stride, y + row, pi_row_stride(s->w.rows), pi_run_scratch(run, part));
    add_bias(run, s, n, first, last);
}

static void linear_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t n = pi_run_rows(run, s->out);
    dot_many_fn *engine = pi_product_engine(run->program, &s->w, n);

    if (engine)
        multiply_with(engine, run, s, n, part, parts);
    else
        multiply_any(run, s, n, part, parts);
    if (n == 1)
        pi_product_fetch(run, s, part, parts);
}

const struct op pi_op_LINEAR = {
    .needs_weight = true,
    .single = SINGLE_PRODUCT,
    .shape = linear_shape,
    .need = linear_need,
    .rows = linear_rows,
    .forward = linear_forward,
};
