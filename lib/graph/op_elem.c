/* op_elem.c - ADD, GATE, ACTIVATE: element by element.
 */
#include "graph.h"

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

static void add_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    run->kernels->add(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i,
                      pi_run_value(run, s->in[1]) + i, last - i);
}

static void gate_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    run->kernels->gate(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i,
                       pi_run_value(run, s->in[1]) + i, last - i, (enum activation)s->p[0]);
}

static void activate_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t i, last;

    share(run, s, part, parts, &i, &last);
    run->kernels->activate(pi_run_value(run, s->out) + i, pi_run_value(run, s->in[0]) + i,
                           last - i, (enum activation)s->p[0]);
}

const struct op pi_op_ADD = { .in_place = true, .shape = same_width, .forward = add_forward };
const struct op pi_op_GATE = { .in_place = true, .shape = activation_shape,
                               .forward = gate_forward };
const struct op pi_op_ACTIVATE = { .in_place = true, .shape = activation_shape,
                                   .forward = activate_forward };
