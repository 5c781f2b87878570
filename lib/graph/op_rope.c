/* op_rope.c - rotary position embedding. ANGLES computes cos and sin once per token; ROPE turns
 * the pairs of every head by them.
 *
 *     angle of pair i at position p:  p * theta^(-2i/width) / divisor[i]
 *
 * Scaling: linear divides the angle by `factor`; yarn blends that with the unscaled angle by
 * wavelength and scales cos and sin (Peng et al. 2023, arXiv 2309.00071); bands keeps short
 * wavelengths, divides long ones and blends in between; longrope has divisors for sessions that
 * may pass the original context and others for those that may not (Ding et al. 2024, arXiv
 * 2402.13753).
 */
#include "graph.h"

#include <math.h>

enum { WIDTH, THETA, SCALING, FACTOR, ORIGINAL, BETA_FAST, BETA_SLOW, ATTENTION, LOW, HIGH,
       FRACTIONAL, MAGNITUDE, TURNED };
enum { SCALING_NONE, SCALING_LINEAR, SCALING_YARN, SCALING_BANDS, SCALING_LONGROPE, SCALINGS };

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
    double low = yarn_pair(p, fast), high = yarn_pair(p, slow);

    low = fmax(0, p[FRACTIONAL] != 0 ? low : floor(low));
    high = fmin(p[WIDTH] - 1, p[FRACTIONAL] != 0 ? high : ceil(high));
    return 1 - fmin(1, fmax(0, ((double)i - low) / fmax(0.001, high - low)));
}

/* The same by how often the pair turns over the original context: HIGH times and more keep all,
 * LOW times and less nothing. */
static double bands_keep(const double *p, double frequency)
{
    double turns = p[ORIGINAL] * frequency / (2 * pi);

    if (p[HIGH] == p[LOW])
        return turns >= p[LOW];
    return fmin(1, fmax(0, (turns - p[LOW]) / (p[HIGH] - p[LOW])));
}

/* The scaling's own factor of cos and sin. */
static double own_magnitude(const double *p)
{
    if (p[SCALING] == SCALING_YARN && p[FACTOR] > 1)
        return 1 + 0.1 * log(p[FACTOR]);
    if (p[SCALING] == SCALING_LONGROPE && p[FACTOR] > 1 && p[ORIGINAL] > 1)
        return sqrt(1 + log(p[FACTOR]) / log(p[ORIGINAL]));
    return 1;
}

static double scaled_frequency(const double *p, int64_t i)
{
    double frequency = pow(p[THETA], -2 * (double)i / p[WIDTH]), keep = 0;

    if (p[TURNED] != 0 && (double)i >= p[TURNED])
        return 0;
    if (p[SCALING] == SCALING_NONE || p[SCALING] == SCALING_LONGROPE)
        return frequency;
    if (p[SCALING] == SCALING_YARN)
        keep = yarn_keep(p, i);
    if (p[SCALING] == SCALING_BANDS)
        keep = bands_keep(p, frequency);
    return frequency * (keep + (1 - keep) / p[FACTOR]);
}

static int check_angles(const struct linked *s, pith_error *err)
{
    const double *p = s->p;
    int64_t width = pi_whole(p[WIDTH]);
    char number[32], factor[32], original[32];

    if (width < 2 || width % 2 || width > 65536)
        return pi_step_fail(s, err, "%s rotary dimensions; an even number up to 65536 is needed",
                            pi_number(p[WIDTH], number));
    if (!(p[THETA] > 1) || !(p[FACTOR] > 0) || !(p[SCALING] >= 0 && p[SCALING] < SCALINGS) ||
        p[SCALING] != floor(p[SCALING]) || (p[SCALING] > SCALING_LINEAR && !(p[ORIGINAL] > 0)))
        return pi_step_fail(s, err, "base %s, factor %s or original context %s are out of range",
                            pi_number(p[THETA], number), pi_number(p[FACTOR], factor),
                            pi_number(p[ORIGINAL], original));
    if (p[SCALING] == SCALING_BANDS && !(p[LOW] > 0 && p[HIGH] >= p[LOW]))
        return pi_step_fail(s, err, "%s turns for the long band; a number above 0 and at "
                            "most the short band's is needed", pi_number(p[LOW], number));
    for (int i = 0; i < 2; i++) {
        const struct matrix *w = i ? &s->more : &s->w;

        if (w->data && w->cols != width / 2)
            return pi_step_fail(s, err, "%s has %lld values, %lld are needed", w->name,
                                (long long)w->cols, (long long)width / 2);
    }
    return PITH_OK;
}

static int angles_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    const double *p = s->p;
    int64_t pairs;
    double *frequency; /* [2][pairs], the second for long sessions, then the magnitude */

    TRY(check_angles(s, err));
    pairs = pi_whole(p[WIDTH]) / 2;
    frequency = pi_arena_alloc(at->arena, (size_t)pairs * 2 + 1, sizeof *frequency);
    if (!frequency)
        return pi_no_memory(err, "rotary frequencies", (size_t)pairs * 2 * sizeof *frequency);
    for (int64_t i = 0; i < 2 * pairs; i++) {
        const uint8_t *data = i >= pairs && s->more.data ? s->more.data : s->w.data;
        const float *divisor = (const float *)(const void *)data; /* [pairs] */

        frequency[i] = scaled_frequency(p, i % pairs) / (divisor ? (double)divisor[i % pairs] : 1);
        if (!isfinite(frequency[i]))
            return pi_step_fail(s, err, "the frequency of pair %lld is not finite",
                                (long long)(i % pairs));
    }
    frequency[2 * pairs] = p[MAGNITUDE] > 0 ? p[MAGNITUDE]
                         : own_magnitude(p) * (p[ATTENTION] > 0 ? p[ATTENTION] : 1);
    s->table = frequency;
    at->width = 2 * pairs;
    return PITH_OK;
}

static void angles_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t width = run->program->values[s->out].width, first, last;
    float *y = pi_run_value(run, s->out); /* [n][pairs][cos, sin] */
    bool is_long = s->p[ORIGINAL] > 0 && (double)run->plan->capacity > s->p[ORIGINAL];
    const double *frequency = s->table + (is_long ? width / 2 : 0);
    double scale = s->table[width];

    pi_split(run->n, 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++)
        for (int64_t i = 0; i < width / 2; i++) {
            double angle = (double)(run->position + t) * frequency[i];

            y[t * pi_row_stride(width) + 2 * i] = (float)(cos(angle) * scale);
            y[t * pi_row_stride(width) + 2 * i + 1] = (float)(sin(angle) * scale);
        }
}

int pi_rope_divisors(float **out, int64_t *pairs, const struct step *step,
                     const struct numbers *n, struct arena *arena, pith_error *err)
{
    struct str rest = pi_str(step->params), text;
    double p[MAX_PARAMS] = { 0 }, unscaled[MAX_PARAMS] = { 0 };

    *out = NULL;
    for (int i = 0; i < MAX_PARAMS && pi_str_cut(&rest, ',', &text); i++)
        TRY(pi_numbers_eval(n, text, -1, &p[i], err));
    *pairs = pi_whole(p[WIDTH]) / 2;
    if ((p[SCALING] != SCALING_BANDS && p[TURNED] == 0) || *pairs < 1)
        return PITH_OK;
    *out = pi_arena_alloc(arena, (size_t)*pairs, sizeof **out);
    if (!*out)
        return pi_no_memory(err, "rotary divisors", (size_t)*pairs * sizeof **out);
    unscaled[WIDTH] = p[WIDTH];
    unscaled[THETA] = p[THETA];
    for (int64_t i = 0; i < *pairs; i++) {
        double scaled = scaled_frequency(p, i);

        (*out)[i] = scaled > 0 ? (float)(scaled_frequency(unscaled, i) / scaled) : 1e30f;
    }
    return PITH_OK;
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

const struct op pi_op_ROPE = { .in_place = true, .single = SINGLE_WHOLE,
                               .shape = rope_shape, .forward = rope_forward };
