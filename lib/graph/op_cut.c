/* op_cut.c - SLICE and JOIN: parts of a row taken out, and rows put together.
 */
#include "graph.h"

enum { FROM, COUNT, CUT_PERIOD };

static int slice_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t width = at->in[0], count = pi_whole(s->p[COUNT]);
    int64_t period = s->p[CUT_PERIOD] != 0 ? pi_whole(s->p[CUT_PERIOD]) : width;
    char a[32], b[32], c[32];

    if (width < 1 || count < 1 || period < 1 || width % period || !(s->p[FROM] >= 0) ||
        !(s->p[FROM] + s->p[COUNT] <= (double)period) || s->p[FROM] != (double)(int64_t)s->p[FROM])
        return pi_step_fail(s, err, "%s values from %s of every %s do not fit rows of %lld",
                            pi_number(s->p[COUNT], a), pi_number(s->p[FROM], b),
                            pi_number((double)period, c), (long long)width);
    at->width = width / period * count;
    return PITH_OK;
}

static void slice_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    const float *x = pi_run_value(run, s->in[0]); /* [n][periods][period] */
    float *y = pi_run_value(run, s->out);         /* [n][periods][count] */
    int64_t width = values[s->in[0]].width;
    int64_t from = (int64_t)s->p[FROM], count = (int64_t)s->p[COUNT];
    int64_t period = s->p[CUT_PERIOD] != 0 ? (int64_t)s->p[CUT_PERIOD] : width;
    int64_t periods = width / period;
    int64_t first, last;

    pi_split(pi_run_rows(run, s->out) * periods, 1, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++)
        memcpy(y + i / periods * pi_row_stride(periods * count) + i % periods * count,
               x + i / periods * pi_row_stride(width) + i % periods * period + from,
               (size_t)count * sizeof *y);
}

static int64_t groups_of(const struct linked *s)
{
    return s->p[0] != 0 ? pi_whole(s->p[0]) : 1;
}

static int join_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t groups = groups_of(s);
    char number[32];

    for (int i = 0; i < s->n_in; i++) {
        if (groups < 1 || at->in[i] < 1 || at->in[i] % groups)
            return pi_step_fail(s, err, "%s groups do not divide an input of %lld values",
                                pi_number(s->p[0], number), (long long)at->in[i]);
        at->width += at->in[i];
    }
    return PITH_OK;
}

static void join_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    int64_t groups = groups_of(s), width = values[s->out].width, first, last;
    float *y = pi_run_value(run, s->out); /* [n][groups][width / groups] */

    pi_split(pi_run_rows(run, s->out) * groups, 1, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t t = i / groups, g = i % groups;
        float *to = y + t * pi_row_stride(width) + g * (width / groups);

        for (int j = 0; j < s->n_in; j++) {
            int64_t part_width = values[s->in[j]].width, each = part_width / groups;

            memcpy(to, pi_run_value(run, s->in[j]) + t * pi_row_stride(part_width) + g * each,
                   (size_t)each * sizeof *to);
            to += each;
        }
    }
}

const struct op pi_op_SLICE = { .shape = slice_shape, .forward = slice_forward };
const struct op pi_op_JOIN = { .shape = join_shape, .forward = join_forward };
