/* op_linear.c - LINEAR: y[n][rows] = x[n][cols] * W[rows][cols]^T + bias[rows].
 *
 * The weight rows are read where they lie in the file. Workers split the rows, never the sums, so
 * the result does not depend on their number. In `exact` programs quantised rows are unpacked to
 * float32 a few at a time; otherwise the activations are quantised once and the format's own
 * dot product runs, or, where results may depend on the number of tokens, the tier's second
 * engine for many of them.
 *
 * Before: run.c. Next: kernel/kernel.h.
 */
#include "product.h"

/* Whether n tokens go to the engine for many. */
static bool is_many(const struct program *program, const struct linked *s, int64_t n)
{
    const struct kernels *k = program->kernels;

    return program->by_count && k->many_tokens && n >= k->many_tokens && k->dot_many[s->w.dtype];
}

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

static bool many_need(const struct linked *s, const struct plan *plan, struct needs *needs)
{
    size_t groups = (size_t)(plan->batch + PI_MANY_GROUP - 1) / PI_MANY_GROUP, operand;
    size_t scratch = pi_many_scratch(many_rows(s, plan->threads), plan->batch);

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

    needs->thread = pi_product_scratch(program, &s->w);
    if (kind != OPERAND_F32) {
        needs->thread = pi_operand_bytes(kind, s->w.cols);
        if (!pi_mul_size(needs->thread, (size_t)plan->batch, &needs->shared))
            return false;
    }
    return !is_many(program, s, plan->batch) || many_need(s, plan, needs);
}

/* A block of activations, in the form that the dot product takes. */
struct activations {
    const uint8_t *at;
    int64_t stride; /* bytes */
};

/* One token: every worker quantises it for itself, which is cheaper than to meet. More: each does
 * its share, then they meet. */
static struct activations quantise(const struct run *run, const struct linked *s, int64_t n,
                                   int part, int parts)
{
    enum operand kind = pi_product_operand(run->program, &s->w);
    const float *x = pi_run_value(run, s->in[0]); /* [n][cols] */
    int64_t x_stride = pi_row_stride(s->w.cols), first, last;
    size_t bytes = pi_operand_bytes(kind, s->w.cols);
    uint8_t *to = n == 1 ? pi_run_scratch(run, part) : run->shared;

    if (kind == OPERAND_F32)
        return (struct activations){ (const uint8_t *)x, x_stride * (int64_t)sizeof *x };
    if (n == 1) {
        run->kernels->pack[kind](to, x, s->w.cols);
        return (struct activations){ to, (int64_t)bytes };
    }
    pi_split(n, 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++)
        run->kernels->pack[kind](to + (size_t)t * bytes, x + t * x_stride, s->w.cols);
    pi_run_barrier(run, part, parts);
    return (struct activations){ to, (int64_t)bytes };
}

/* The engine for many tokens: all workers pack, meet, and multiply their rows. */
static void multiply_many(const struct run *run, const struct linked *s, int64_t n, int64_t row,
                          int64_t count, int part, int parts)
{
    const struct kernels *k = run->kernels;
    int64_t y_stride = pi_row_stride(s->w.rows), first, last;

    pi_split(n, PI_MANY_GROUP, part, parts, &first, &last);
    if (first < last)
        k->pack_many(run->shared, first, last, n, s->w.cols, pi_run_value(run, s->in[0]),
                     pi_row_stride(s->w.cols));
    pi_run_barrier(run, part, parts);
    if (count > 0)
        k->dot_many[s->w.dtype](count, s->w.cols, s->w.data + row * s->w.stride, s->w.stride, n,
                                run->shared, pi_run_value(run, s->out) + row, y_stride,
                                pi_run_scratch(run, part));
}

/* The engine for any number of tokens. */
static void multiply_any(const struct run *run, const struct linked *s, int64_t n, int64_t row,
                         int64_t count, int part, int parts)
{
    float *y = pi_run_value(run, s->out); /* [n][rows] */
    int64_t y_stride = pi_row_stride(s->w.rows), last = row + count;
    struct activations x = quantise(run, s, n, part, parts);
    int64_t block = n == 1 ? INT64_MAX : PI_ROW_BLOCK; /* a single token streams all its rows */

    while (row < last) {
        count = pi_min(block, last - row);

        pi_product(run, &s->w, s->w.data + row * s->w.stride, count, n, x.at, x.stride, y + row,
                   y_stride, pi_run_scratch(run, part));
        row += count;
    }
}

static void linear_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t n = pi_run_rows(run, s->out), y_stride = pi_row_stride(s->w.rows), first, last;
    float *y = pi_run_value(run, s->out); /* [n][rows] */
    const float *bias = (const float *)(const void *)s->bias.data;
    bool many = is_many(run->program, s, n);

    pi_split(s->w.rows, many ? PI_MANY_GROUP : PI_ROW_GRAIN, part, parts, &first, &last);
    if (many)
        multiply_many(run, s, n, first, last - first, part, parts);
    else
        multiply_any(run, s, n, first, last - first, part, parts);
    for (int64_t t = 0; bias && t < n; t++)
        run->kernels->add(y + t * y_stride + first, y + t * y_stride + first, bias + first,
                          last - first);
}

const struct op pi_op_LINEAR = {
    .needs_weight = true,
    .shape = linear_shape,
    .need = linear_need,
    .forward = linear_forward,
};
