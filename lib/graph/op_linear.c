/* op_linear.c - LINEAR: y[n][rows] = x[n][cols] * W[rows][cols]^T + bias[rows].
 *
 * The weight rows are read where they lie in the file. Workers split the rows, never the sums, so
 * the result does not depend on their number. In `exact` programs quantised rows are unpacked to
 * float32 a few at a time; otherwise the activations are quantised once and the format's own
 * dot product runs.
 *
 * Before: run.c. Next: kernel/kernel.h.
 */
#include "graph.h"

enum {
    ROW_GRAIN = 16,  /* rows: outputs of different workers lie on different cache lines */
    ROW_BLOCK = 32,  /* weight rows that stay in L1 while all tokens pass */
    UNPACK_ROWS = 8, /* rows unpacked to float32 at once */
};

/* The activations' form: float32 for exact programs and for formats that are not quantised. */
static enum operand operand_of(const struct program *program, const struct linked *s)
{
    return program->exact ? OPERAND_F32 : pi_operand_of(s->w.dtype);
}

static bool unpacks(const struct program *program, const struct linked *s)
{
    return program->exact && pi_operand_of(s->w.dtype) != OPERAND_F32;
}

static int linear_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    const struct kernels *k = at->program->kernels;

    if (s->w.cols != at->in[0])
        return pi_step_fail(s, err, "%s has rows of %lld, the input has %lld", s->w.name,
                            (long long)s->w.cols, (long long)at->in[0]);
    if (!k->dot[s->w.dtype] || !k->unpack[s->w.dtype])
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       s->w.name, pi_dtype(s->w.dtype).name);
    if (s->bias.data && s->bias.cols != s->w.rows)
        return pi_step_fail(s, err, "%s has %lld values, the weight has %lld rows",
                            s->bias.name, (long long)s->bias.cols, (long long)s->w.rows);
    at->width = s->w.rows;
    return PITH_OK;
}

static bool linear_need(const struct program *program, const struct linked *s,
                        const struct plan *plan, struct needs *needs)
{
    enum operand kind = operand_of(program, s);

    if (kind != OPERAND_F32) {
        needs->thread = pi_operand_bytes(kind, s->w.cols);
        return pi_mul_size(needs->thread, (size_t)plan->batch, &needs->shared);
    }
    if (unpacks(program, s))
        return pi_mul_size(pi_operand_bytes(OPERAND_F32, s->w.cols), UNPACK_ROWS,
                           &needs->thread);
    return true;
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
    enum operand kind = operand_of(run->program, s);
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

/* y[t][row..row+count) for all tokens, rows unpacked to float32 first. */
static void multiply_unpacked(const struct run *run, const struct linked *s, int64_t row,
                              int64_t count, int64_t n, struct activations x, float *y,
                              int64_t y_stride, float *rows)
{
    int64_t bytes = (int64_t)pi_operand_bytes(OPERAND_F32, s->w.cols);

    for (int64_t done = 0; done < count; done += UNPACK_ROWS) {
        int64_t some = pi_min(UNPACK_ROWS, count - done);

        for (int64_t i = 0; i < some; i++)
            run->kernels->unpack[s->w.dtype](rows + i * bytes / (int64_t)sizeof *rows,
                                             s->w.data + (row + done + i) * s->w.stride,
                                             s->w.cols);
        run->kernels->dot[DTYPE_F32](some, s->w.cols, (const uint8_t *)rows, bytes, n, x.at,
                                     x.stride, y + row + done, y_stride);
    }
}

static void linear_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct kernels *k = run->kernels;
    int64_t n = pi_run_rows(run, s->out), y_stride = pi_row_stride(s->w.rows), first, last;
    float *y = pi_run_value(run, s->out); /* [n][rows] */
    const float *bias = (const float *)(const void *)s->bias.data;
    struct activations x = quantise(run, s, n, part, parts);
    int64_t block = n == 1 ? INT64_MAX : ROW_BLOCK; /* a single token streams all its rows */

    pi_split(s->w.rows, ROW_GRAIN, part, parts, &first, &last);
    for (int64_t row = first; row < last;) {
        int64_t count = pi_min(block, last - row);

        if (unpacks(run->program, s))
            multiply_unpacked(run, s, row, count, n, x, y, y_stride, pi_run_scratch(run, part));
        else
            k->dot[s->w.dtype](count, s->w.cols, s->w.data + row * s->w.stride, s->w.stride, n,
                               x.at, x.stride, y + row, y_stride);
        row += count;
    }
    for (int64_t t = 0; bias && t < n; t++)
        k->add(y + t * y_stride + first, y + t * y_stride + first, bias + first, last - first);
}

const struct op pi_op_LINEAR = {
    .needs_weight = true,
    .shape = linear_shape,
    .need = linear_need,
    .forward = linear_forward,
};
