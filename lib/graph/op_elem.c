/* op_elem.c - ADD, GATE, ACTIVATE, SCALE, MULTIPLY, LERP, SOFTCAP, CLAMP, TEMPER: element by
 * element; SUM: of runs of elements.
 */
#include "graph.h"

#include <math.h>

static int same_width(struct shaping *at, pith_error *err)
{
    if (at->in[0] < 1 || (at->s->n_in > 1 && at->in[1] != at->in[0]))
        return pi_step_fail(at->s, err, "the inputs have %lld and %lld values",
                            (long long)at->in[0], (long long)at->in[1]);
    at->width = at->in[0];
    return PITH_OK;
}

static int activation_shape(struct shaping *at, pith_error *err)
{
    double act = at->s->p[0];

    if (!(act >= 0 && act < ACT_COUNT && act == (double)(int)act))
        return pi_step_fail(at->s, err, "there is no such activation");
    return same_width(at, err);
}

/* A worker's share of an elementwise step: floats [first, last) of the rows and their padding. */
static void share(const struct run *run, const struct linked *s, int part, int parts,
                  int64_t *first, int64_t *last)
{
    int64_t stride = pi_row_stride(run->program->values[s->out].width);

    pi_split(pi_run_rows(run, s->out) * stride, 16, part, parts, first, last);
}

/* b, or a vector for every row in its place. */
static int add_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;

    if ((s->n_in == 1) != (s->w.data != NULL))
        return pi_step_fail(s, err, "either b or a weight is to be added");
    if (s->w.data && (s->w.rows != 1 || s->w.cols != at->in[0]))
        return pi_step_fail(s, err, "%s has %lld values, the input has %lld", s->w.name,
                            (long long)s->w.cols, (long long)at->in[0]);
    return same_width(at, err);
}

/* Columns of a worker. */
static void add_vector(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t stride = pi_row_stride(s->w.cols), first, last;
    const float *w = (const float *)(const void *)s->w.data;

    pi_split(s->w.cols, 16, part, parts, &first, &last);
    for (int64_t t = 0; t < pi_run_rows(run, s->out); t++)
        run->kernels->add(pi_run_value(run, s->out) + t * stride + first,
                          pi_run_value(run, s->in[0]) + t * stride + first, w + first,
                          last - first);
}

static void add_some(const struct run *run, const struct linked *s, int64_t i, int64_t n)
{
    const float *b = s->w.data ? (const float *)(const void *)s->w.data
                               : pi_run_value(run, s->in[1]) + i;

    run->kernels->add(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i, b, n);
}

static void add_rows(const struct run *run, const struct linked *s, int64_t first, int64_t last)
{
    int64_t width = run->program->values[s->out].width;

    for (int64_t t = first; t < last; t++)
        add_some(run, s, t * pi_row_stride(width), width);
}

static void add_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    if (s->w.data) {
        add_vector(run, s, part, parts);
        return;
    }
    share(run, s, part, parts, &i, &last);
    add_some(run, s, i, last - i);
}

enum { ACT, LIMIT, PLUS, GAIN };

/* y = act(gain * min(g, limit)) * (clamp(u) + plus) / gain, a few values at a time. */
static void gate_limited(const struct run *run, const struct linked *s, int64_t i, int64_t last)
{
    enum { SOME = 256 };
    float limit = s->p[LIMIT] > 0 ? (float)s->p[LIMIT] : INFINITY, plus = (float)s->p[PLUS];
    float gain = s->p[GAIN] == 0 ? 1 : (float)s->p[GAIN], gates[SOME], factors[SOME];

    for (; i < last; i += SOME) {
        int64_t n = pi_min(SOME, last - i);
        const float *g = pi_run_value(run, s->in[0]) + i, *u = pi_run_value(run, s->in[1]) + i;

        for (int64_t j = 0; j < n; j++) {
            float up = u[j] > limit ? limit : u[j] < -limit ? -limit : u[j];

            gates[j] = gain * (g[j] > limit ? limit : g[j]);
            factors[j] = (up + plus) / gain;
        }
        run->kernels->gate(pi_run_value(run, s->out) + i, gates, factors, n,
                           (enum activation)s->p[ACT]);
    }
}

static void gate_some(const struct run *run, const struct linked *s, int64_t i, int64_t last)
{
    if (s->p[LIMIT] != 0 || s->p[PLUS] != 0 || s->p[GAIN] != 0)
        gate_limited(run, s, i, last);
    else
        run->kernels->gate(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i,
                           pi_run_value(run, s->in[1]) + i, last - i, (enum activation)s->p[0]);
}

static void gate_rows(const struct run *run, const struct linked *s, int64_t first, int64_t last)
{
    int64_t stride = pi_row_stride(run->program->values[s->out].width);

    gate_some(run, s, first * stride, last * stride);
}

static void gate_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    gate_some(run, s, i, last);
}

static void activate_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    run->kernels->activate(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i,
                           last - i, (enum activation)s->p[0]);
}

/* A factor may repeat along the row; lengths that do not divide it have no meaning. */
static int scale_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;

    if (s->w.data && at->in[0] % s->w.cols)
        return pi_step_fail(s, err, "%s has %lld values, which do not divide the input's %lld",
                            s->w.name, (long long)s->w.cols, (long long)at->in[0]);
    return same_width(at, err);
}

static void scale_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *x = pi_run_value(run, s->in[0]);                   /* [n][width] */
    const float *w = (const float *)(const void *)s->w.data;        /* [cols] */
    float *y = pi_run_value(run, s->out), factor = s->p[0] == 0 ? 1 : (float)s->p[0];
    int64_t stride = pi_row_stride(run->program->values[s->out].width), i, last;

    if (w && s->w.cols == 1)
        factor *= w[0];
    share(run, s, part, parts, &i, &last);
    for (; i < last; i++)
        y[i] = w && s->w.cols > 1 ? x[i] * factor * w[i % stride % s->w.cols] : x[i] * factor;
}

static int multiply_shape(struct shaping *at, pith_error *err)
{
    if (at->in[0] < 1 || at->in[1] < 1 || at->in[0] % at->in[1])
        return same_width(at, err);
    at->width = at->in[0];
    return PITH_OK;
}

static void multiply_alike(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *a = pi_run_value(run, s->in[0]), *b = pi_run_value(run, s->in[1]);
    float *y = pi_run_value(run, s->out);
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    for (; i < last; i++)
        y[i] = a[i] * b[i];
}

static void multiply_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    int64_t width = values[s->out].width, factors = values[s->in[1]].width;
    int64_t each = width / factors, first, last;

    if (each == 1) {
        multiply_alike(run, s, part, parts);
        return;
    }
    pi_split(pi_run_rows(run, s->out) * factors, 16, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t t = i / factors, f = i % factors, at = t * pi_row_stride(width) + f * each;
        const float *a = pi_run_value(run, s->in[0]) + at;
        float *y = pi_run_value(run, s->out) + at;
        float b = pi_run_value(run, s->in[1])[t * pi_row_stride(factors) + f];

        for (int64_t j = 0; j < each; j++)
            y[j] = a[j] * b;
    }
}

static int lerp_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;

    if (s->n_in != 3 && (s->n_in != 2 || !s->w.data))
        return pi_step_fail(s, err, "neither a t nor a weight is given");
    if ((s->n_in == 3 && at->in[2] != at->in[0]) ||
        (s->w.data && (s->w.rows != 1 || s->w.cols != at->in[0])))
        return pi_step_fail(s, err, "t has %lld values, the input has %lld",
                            (long long)(s->n_in == 3 ? at->in[2] : s->w.cols),
                            (long long)at->in[0]);
    return same_width(at, err);
}

/* y = a + (b - a) * (t + w); t or w may be NULL. */
static void blend(float *y, const float *a, const float *b, const float *t, const float *w,
                  int64_t n)
{
    if (!t)
        t = w, w = NULL;
    for (int64_t i = 0; !w && i < n; i++)
        y[i] = a[i] + (b[i] - a[i]) * t[i];
    for (int64_t i = 0; w && i < n; i++)
        y[i] = a[i] + (b[i] - a[i]) * (t[i] + w[i]);
}

static void lerp_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *a = pi_run_value(run, s->in[0]), *b = pi_run_value(run, s->in[1]);
    const float *t = s->n_in == 3 ? pi_run_value(run, s->in[2]) : NULL;
    const float *w = (const float *)(const void *)s->w.data;
    float *y = pi_run_value(run, s->out);
    int64_t width = run->program->values[s->out].width, stride = pi_row_stride(width), i, last;

    share(run, s, part, parts, &i, &last);
    while (i < last) {
        int64_t at = i % stride, n = pi_min(stride - at, last - i);

        blend(y + i, a + i, b + i, t ? t + i : NULL, w ? w + at : NULL, pi_min(n, width - at));
        i += n;
    }
}

static int sum_shape(struct shaping *at, pith_error *err)
{
    int64_t count = at->s->p[0] == 0 ? at->in[0] : pi_whole(at->s->p[0]);
    char number[32];

    if (at->in[0] < 1 || count < 1 || at->in[0] % count)
        return pi_step_fail(at->s, err, "runs of %s do not divide %lld values",
                            pi_number(at->s->p[0], number), (long long)at->in[0]);
    at->width = at->in[0] / count;
    return PITH_OK;
}

static void sum_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    int64_t sums = values[s->out].width, width = values[s->in[0]].width, first, last;

    pi_split(pi_run_rows(run, s->out) * sums, 16, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t t = i / sums, each = width / sums;
        const float *x = pi_run_value(run, s->in[0]) + t * pi_row_stride(width) + i % sums * each;
        float sum = 0;

        for (int64_t j = 0; j < each; j++)
            sum += x[j];
        pi_run_value(run, s->out)[t * pi_row_stride(sums) + i % sums] = sum;
    }
}

/* For SOFTCAP and CLAMP. */
static int limit_shape(struct shaping *at, pith_error *err)
{
    if (!(at->s->p[0] > 0))
        return pi_step_fail(at->s, err, "the limit must be above 0");
    return same_width(at, err);
}

static void softcap_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *x = pi_run_value(run, s->in[0]);
    float *y = pi_run_value(run, s->out), cap = (float)s->p[0];
    int64_t first, last;

    share(run, s, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++)
        y[i] = x[i] / cap;
    run->kernels->activate(y + first, y + first, last - first, ACT_TANH);
    for (int64_t i = first; i < last; i++)
        y[i] *= cap;
}

/* NaN stays NaN. */
static void clamp_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *x = pi_run_value(run, s->in[0]);
    float *y = pi_run_value(run, s->out), limit = (float)s->p[0];
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    for (; i < last; i++)
        y[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

enum { BETA, PERIOD, OFFSET };

static int temper_shape(struct shaping *at, pith_error *err)
{
    const double *p = at->s->p;

    if (!(p[BETA] >= 0 && p[PERIOD] > 0 && p[OFFSET] >= 0))
        return pi_step_fail(at->s, err, "beta, period or offset is out of range");
    return same_width(at, err);
}

static void temper_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t width = run->program->values[s->out].width, stride = pi_row_stride(width);
    int64_t first, last;

    pi_split(run->n, 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * stride;
        float *y = pi_run_value(run, s->out) + t * stride;
        double turns = floor(((double)(run->position + t) + s->p[OFFSET]) / s->p[PERIOD]);
        float factor = (float)(1 + s->p[BETA] * log(1 + turns));

        for (int64_t i = 0; i < width; i++)
            y[i] = x[i] * factor;
    }
}

#define COLUMNS_OP(name, check, run)                                                     \
    const struct op pi_op_##name = { .in_place = true, .single = SINGLE_COLUMNS,         \
                                     .shape = check, .forward = run };
COLUMNS_OP(ACTIVATE, activation_shape, activate_forward)
COLUMNS_OP(SCALE, scale_shape, scale_forward)
COLUMNS_OP(MULTIPLY, multiply_shape, multiply_forward)
COLUMNS_OP(LERP, lerp_shape, lerp_forward)
COLUMNS_OP(SOFTCAP, limit_shape, softcap_forward)
COLUMNS_OP(CLAMP, limit_shape, clamp_forward)
#undef COLUMNS_OP

const struct op pi_op_ADD = { .in_place = true, .single = SINGLE_COLUMNS, .shape = add_shape,
                              .rows = add_rows, .forward = add_forward };
const struct op pi_op_GATE = { .in_place = true, .single = SINGLE_COLUMNS,
                               .shape = activation_shape, .rows = gate_rows,
                               .forward = gate_forward };

const struct op pi_op_SUM = { .shape = sum_shape, .forward = sum_forward };
const struct op pi_op_TEMPER = { .in_place = true, .shape = temper_shape,
                                 .forward = temper_forward };
