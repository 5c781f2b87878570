/* op_rope.c - rotary position embedding. ANGLES computes cos and sin once per token; ROPE turns
 * the pairs of every head by them.
 *
 *     angle of pair i at position p:  p * theta^(-2i/width) / divisor[i]
 *
 * Scaling: linear divides the angle by `factor`; yarn blends that with the unscaled angle by
 * wavelength and scales cos and sin (Peng et al. 2023, arXiv 2309.00071).
 */
#include "graph.h"

#include <math.h>

enum { WIDTH, THETA, SCALING, FACTOR, ORIGINAL, BETA_FAST, BETA_SLOW, ATTENTION };
enum { SCALING_NONE, SCALING_LINEAR, SCALING_YARN };

static const double pi = 3.14159265358979323846;

/* The pair that makes `turns` full turns over the original context. */
static double yarn_pair(const double *p, double turns)
{
    return p[WIDTH] * log(p[ORIGINAL] / (turns * 2 * pi)) / (2 * log(p[THETA]));
}

/* How much of the unscaled frequency pair i keeps: 1 for short wavelengths, 0 for long. */
static double yarn_keep(const double *p, int64_t i)
{
    double fast = p[BETA_FAST] > 0 ? p[BETA_FAST] : 32, slow = p[BETA_SLOW] > 0 ? p[BETA_SLOW] : 1;
    double low = fmax(0, floor(yarn_pair(p, fast)));
    double high = fmin(p[WIDTH] - 1, ceil(yarn_pair(p, slow)));

    return 1 - fmin(1, fmax(0, ((double)i - low) / fmax(0.001, high - low)));
}

static int angles_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    const double *p = s->p;
    const float *divisor = (const float *)(const void *)s->w.data; /* [pairs] */
    int64_t width = pi_whole(p[WIDTH]), pairs = width / 2;
    char number[32];
    double *frequency; /* [pairs], then the factor of cos and sin */

    if (width < 2 || width % 2 || width > 65536)
        return pi_step_fail(s, err, "%s rotary dimensions; an even number up to 65536 is needed",
                            pi_number(p[WIDTH], number));
    if (!(p[THETA] > 1) || !(p[FACTOR] > 0) || !(p[SCALING] == SCALING_NONE ||
        p[SCALING] == SCALING_LINEAR || (p[SCALING] == SCALING_YARN && p[ORIGINAL] > 0)))
        return pi_step_fail(s, err, "base, factor or original context are out of range");
    if (s->w.data && s->w.cols != pairs)
        return pi_step_fail(s, err, "%s has %lld values, %lld are needed", s->w.name,
                            (long long)s->w.cols, (long long)pairs);
    frequency = pi_arena_alloc(at->arena, (size_t)pairs + 1, sizeof *frequency);
    if (!frequency)
        return pi_no_memory(err, "rotary frequencies", (size_t)pairs * sizeof *frequency);
    for (int64_t i = 0; i < pairs; i++) {
        double keep = p[SCALING] == SCALING_YARN ? yarn_keep(p, i) : 0;

        frequency[i] = pow(p[THETA], -2 * (double)i / (double)width);
        if (divisor)
            frequency[i] /= (double)divisor[i];
        if (p[SCALING] != SCALING_NONE)
            frequency[i] *= keep + (1 - keep) / p[FACTOR];
        if (!isfinite(frequency[i]))
            return pi_step_fail(s, err, "the frequency of pair %lld is not finite", (long long)i);
    }
    frequency[pairs] = 1;
    if (p[SCALING] == SCALING_YARN)
        frequency[pairs] = (p[ATTENTION] > 0 ? p[ATTENTION] : 1) * (1 + 0.1 * log(p[FACTOR]));
    s->table = frequency;
    at->width = width;
    return PITH_OK;
}

static void angles_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t width = run->program->values[s->out].width, first, last;
    float *y = pi_run_value(run, s->out); /* [n][pairs][cos, sin] */
    double scale = s->table[width / 2];

    pi_split(run->n, 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++)
        for (int64_t i = 0; i < width / 2; i++) {
            double angle = (double)(run->position + t) * s->table[i];

            y[t * pi_row_stride(width) + 2 * i] = (float)(cos(angle) * scale);
            y[t * pi_row_stride(width) + 2 * i + 1] = (float)(sin(angle) * scale);
        }
}

const struct op pi_op_ANGLES = { .shape = angles_shape, .forward = angles_forward };

enum { HEAD, INTERLEAVED };

static int rope_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t head = pi_whole(s->p[HEAD]);

    if (head < 1 || at->in[0] % head || at->in[1] > head)
        return pi_step_fail(s, err, "%lld rotary dimensions do not fit heads of %lld in rows of "
                            "%lld", (long long)at->in[1], (long long)head, (long long)at->in[0]);
    at->width = at->in[0];
    return PITH_OK;
}

/* Always in place: its output carries its input's name. */
static void rope_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct value *values = run->program->values;
    int64_t width = values[s->out].width, head = (int64_t)s->p[HEAD], heads = width / head;
    int64_t pairs = values[s->in[1]].width / 2, first, last;
    const float *rot = pi_run_value(run, s->in[1]); /* [n][pairs][2] */
    float *x = pi_run_value(run, s->out);           /* [n][heads][head] */

    pi_split(run->n * heads, 1, part, parts, &first, &last);
    while (first < last) {
        int64_t t = first / heads, h = first % heads, some = pi_min(heads - h, last - first);

        run->kernels->rope(x + t * pi_row_stride(width) + h * head,
                           rot + t * pi_row_stride(2 * pairs), some, head, pairs,
                           s->p[INTERLEAVED] != 0);
        first += some;
    }
}

const struct op pi_op_ROPE = { .in_place = true, .shape = rope_shape, .forward = rope_forward };
