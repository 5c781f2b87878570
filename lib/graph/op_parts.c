/* op_parts.c - BLEND: sums of a row's parts; EXCEED: what stands out of a row; BEND.
 *
 *     BLEND    y[i] = sum over j of (c[i][j] + plus) * x[j]       x[j]: part j of the row
 *     EXCEED   y = max(0, x - mean - deviations * deviation)
 *     BEND     y = exp(min(x, 0)) - 1 - min(x, 0)
 */
#include "graph.h"

#include <math.h>

enum { PARTS, PLUS_C };

static int blend_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t parts = pi_whole(s->p[PARTS]), factors = s->n_in > 1 ? at->in[1] : parts;
    char number[32];

    if (parts < 1 || at->in[0] < 1 || at->in[0] % parts || factors < 1 || factors % parts)
        return pi_step_fail(s, err, "%s parts do not divide rows of %lld, or %lld factors",
                            pi_number(s->p[PARTS], number), (long long)at->in[0],
                            (long long)factors);
    at->width = factors / parts * (at->in[0] / parts);
    return PITH_OK;
}

static void blend_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    int64_t n = (int64_t)s->p[PARTS], width = values[s->in[0]].width, d = width / n;
    int64_t sums = values[s->out].width / d, first, last;
    const float *c = s->n_in > 1 ? pi_run_value(run, s->in[1]) : NULL; /* [tokens][sums][n] */

    pi_split(pi_run_rows(run, s->out) * sums, 1, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t t = i / sums, sum = i % sums;
        const float *x = pi_run_value(run, s->in[0]) + t * pi_row_stride(width); /* [n][d] */
        float *y = pi_run_value(run, s->out) + t * pi_row_stride(sums * d) + sum * d;

        memset(y, 0, (size_t)d * sizeof *y);
        for (int64_t j = 0; j < n; j++) {
            float by = c ? c[t * pi_row_stride(sums * n) + sum * n + j] + (float)s->p[PLUS_C] : 1;

            for (int64_t k = 0; k < d; k++)
                y[k] += by * x[j * d + k];
        }
    }
}

static int alike_shape(struct shaping *at, pith_error *err)
{
    if (at->in[0] < 1)
        return pi_step_fail(at->s, err, "the input is empty");
    at->width = at->in[0];
    return PITH_OK;
}

static void exceed_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t n = run->program->values[s->out].width, first, last;

    pi_split(pi_run_rows(run, s->out), 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * pi_row_stride(n);
        float *y = pi_run_value(run, s->out) + t * pi_row_stride(n), least;
        double sum = 0, squares = 0;

        for (int64_t i = 0; i < n; i++)
            sum += (double)x[i];
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[i] - sum / (double)n;

            squares += d * d;
        }
        least = (float)(sum / (double)n + s->p[0] * sqrt(squares / (double)n));
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] <= least ? 0 : x[i] - least; /* NaN stays NaN */
    }
}

static void bend_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t stride = pi_row_stride(run->program->values[s->out].width), i, last;
    const float *x = pi_run_value(run, s->in[0]);
    float *y = pi_run_value(run, s->out);

    pi_split(pi_run_rows(run, s->out) * stride, 16, part, parts, &i, &last);
    for (; i < last; i++)
        y[i] = x[i] > 0 ? 0 : expm1f(x[i]) - x[i];
}

const struct op pi_op_BEND = { .in_place = true, .shape = alike_shape, .forward = bend_forward };
const struct op pi_op_BLEND = { .shape = blend_shape, .forward = blend_forward };
const struct op pi_op_EXCEED = { .in_place = true, .shape = alike_shape,
                                 .forward = exceed_forward };
