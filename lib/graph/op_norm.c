/* op_norm.c - NORM: each group of a row normalised, then scaled by a weight (and shifted), if
 * there is one.
 *
 * The group's length is the weight's where none is given: the whole row, or each head where the
 * weight is one head wide. A weight of several groups gives each its own part.
 */
#include "graph.h"

#include <math.h>

enum { EPS, KIND, GROUP };
enum { KIND_RMS, KIND_LAYERNORM };

/* Values that are normalised together; 0: the parameter is none. */
static int64_t group_of(const struct linked *s, int64_t width)
{
    if (s->p[GROUP] != 0)
        return pi_whole(s->p[GROUP]);
    return s->w.data ? s->w.cols : width;
}

static int norm_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t group = group_of(s, at->in[0]);
    char number[32];

    if (group < 1 || at->in[0] % group || (s->w.data && s->w.cols % group))
        return pi_step_fail(s, err, "groups of %s do not divide %lld values or the weight",
                            pi_number(s->p[GROUP] != 0 ? s->p[GROUP] : (double)group, number),
                            (long long)at->in[0]);
    if (s->w.data && at->in[0] % s->w.cols)
        return pi_step_fail(s, err, "%s has %lld values, which do not divide the input's %lld",
                            s->w.name, (long long)s->w.cols, (long long)at->in[0]);
    if (s->bias.data && s->bias.cols != s->w.cols)
        return pi_step_fail(s, err, "%s has %lld values, the weight has %lld", s->bias.name,
                            (long long)s->bias.cols, (long long)s->w.cols);
    if (!(s->p[EPS] >= 0 && s->p[EPS] < 1))
        return pi_step_fail(s, err, "eps is %s; it must lie in [0, 1)",
                            pi_number(s->p[EPS], number));
    if (s->p[KIND] != KIND_RMS && s->p[KIND] != KIND_LAYERNORM)
        return pi_step_fail(s, err, "there is no such kind");
    at->width = at->in[0];
    return PITH_OK;
}

bool pi_norm_is_whole(const struct linked *s, int64_t width)
{
    return group_of(s, width) == width;
}

/* One group. */
static void normalise(const struct run *run, const struct linked *s, float *y, const float *x,
                      int64_t c, int64_t from)
{
    const float *w = (const float *)(const void *)s->w.data;
    const float *b = (const float *)(const void *)s->bias.data;

    if (s->p[KIND] == KIND_RMS)
        run->kernels->rms_norm(y, x, w ? w + from : NULL, c, (float)s->p[EPS]);
    else
        run->kernels->layer_norm(y, x, w ? w + from : NULL, b ? b + from : NULL, c,
                                 (float)s->p[EPS]);
}

void pi_norm_row(const struct run *run, const struct linked *s, float *y, const float *x,
                 int64_t width)
{
    normalise(run, s, y, x, width, 0);
}

/* Groups [first, last) of all rows. */
static void norm_groups(const struct run *run, const struct linked *s, int64_t first, int64_t last)
{
    const float *x = pi_run_value(run, s->in[0]); /* [n][groups][cols] */
    float *y = pi_run_value(run, s->out);
    int64_t width = run->program->values[s->out].width, stride = pi_row_stride(width);
    int64_t c = group_of(s, width), groups = width / c;

    for (int64_t i = first; i < last; i++) {
        int64_t at = i / groups * stride + i % groups * c;

        normalise(run, s, y + at, x + at, c, s->w.data ? i % groups * c % s->w.cols : 0);
    }
}

static int64_t groups_of_row(const struct run *run, const struct linked *s)
{
    int64_t width = run->program->values[s->out].width;

    return width / group_of(s, width);
}

static void norm_rows(const struct run *run, const struct linked *s, int64_t first, int64_t last)
{
    norm_groups(run, s, first * groups_of_row(run, s), last * groups_of_row(run, s));
}

static void norm_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t first, last;

    if (s->left && pi_run_rows(run, s->out) == 1)
        return;
    pi_split(pi_run_rows(run, s->out) * groups_of_row(run, s), 1, part, parts, &first, &last);
    norm_groups(run, s, first, last);
}

const struct op pi_op_NORM = {
    .in_place = true,
    .needs_weight = true,
    .weightless = true,
    .single = SINGLE_WHOLE,
    .shape = norm_shape,
    .rows = norm_rows,
    .forward = norm_forward,
};
