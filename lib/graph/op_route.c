/* op_route.c - ROUTE: which experts a token goes to; WEIGH: with what weights; SPREAD and MIX:
 * to their slots, and back.
 *
 * Routes are [k indices][k weights], best first; equal scores go to the lower index.
 *
 *     score = softmax or sigmoid of the logits      what the weights come from
 *     choice = score + selection bias               what the experts are chosen by
 *
 * With groups, only the experts of the best groups can be chosen; a group is as good as the sum of
 * its `best` best choices. Sources: Shazeer et al. 2017, arXiv 1701.06538; DeepSeek-V2 and
 * DeepSeek-V3, arXiv 2405.04434 and 2412.19437.
 *
 * Next: op_experts.c.
 */
#include "graph.h"

#include <math.h>

enum { USED, SIGMOID, NORM, ROUTE_FACTOR, GROUPS, GROUPS_USED, GROUP_BEST, MARGIN };

/* Sums of weights below this are as good as zero. Source: DeepSeek-V3. */
#define SUM_TINY 1e-20f

static int64_t count_or(double p, int64_t other)
{
    return p == 0 ? other : pi_whole(p);
}

static int route_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t experts = at->in[0], used = pi_whole(s->p[USED]);
    int64_t groups = count_or(s->p[GROUPS], 1), some = count_or(s->p[GROUPS_USED], groups);
    char a[32];

    if (used < 1 || used > experts)
        return pi_step_fail(s, err, "%s of %lld experts cannot be chosen",
                            pi_number(s->p[USED], a), (long long)experts);
    if (groups < 1 || experts % groups || some < 1 || some > groups ||
        used > experts / groups * some)
        return pi_step_fail(s, err, "%lld of %lld experts cannot be chosen from %lld of %lld "
                            "groups", (long long)used, (long long)experts, (long long)some,
                            (long long)groups);
    if (count_or(s->p[GROUP_BEST], 1) < 1 || count_or(s->p[GROUP_BEST], 1) > experts / groups)
        return pi_step_fail(s, err, "groups have %lld experts", (long long)(experts / groups));
    if (s->w.data && (s->w.rows != 1 || s->w.cols != experts))
        return pi_step_fail(s, err, "%s has %lld values for %lld experts", s->w.name,
                            (long long)s->w.cols, (long long)experts);
    at->width = 2 * used;
    return PITH_OK;
}

/* Each worker's scratch: scores, choices, choices of the groups, what is out of the question. */
static bool route_need(const struct program *program, const struct linked *s,
                       const struct plan *plan, struct needs *needs)
{
    (void)plan;
    return pi_mul_size((size_t)program->values[s->in[0]].width, 3 * sizeof(float) + 1,
                       &needs->thread);
}

/* The best of n choices that is not out; the lowest of equals. There is one. */
static int64_t best_of(const float *choice, const uint8_t *out, int64_t n)
{
    int64_t best = 0;

    while (out[best])
        best++;
    for (int64_t i = best + 1; i < n; i++)
        if (!out[i] && choice[i] > choice[best])
            best = i;
    return best;
}

static float sum_of_best(const float *choice, uint8_t *out, int64_t n, int64_t best)
{
    float sum = 0;

    for (int64_t i = 0; i < best; i++) {
        int64_t at = best_of(choice, out, n);

        sum += choice[at];
        out[at] = 1;
    }
    memset(out, 0, (size_t)n);
    return sum;
}

/* Marks the experts of all but the best groups as out. */
static void choose_groups(const struct linked *s, int64_t experts, const float *choice,
                          float *groups, uint8_t *out)
{
    int64_t n = count_or(s->p[GROUPS], 1), size = experts / n;
    int64_t best = count_or(s->p[GROUP_BEST], 1), some = count_or(s->p[GROUPS_USED], n);

    for (int64_t i = 0; some < n && i < n; i++)
        groups[i] = sum_of_best(choice + i * size, out, size, best);
    for (int64_t i = n - some; i > 0; i--) {
        int64_t worst = n - 1; /* of equals, the last leaves */

        while (out[worst * size])
            worst--;
        for (int64_t j = worst - 1; j >= 0; j--)
            if (!out[j * size] && groups[j] < groups[worst])
                worst = j;
        memset(out + worst * size, 1, (size_t)size);
    }
}

static void score_experts(const struct run *run, const struct linked *s, const float *logits,
                          int64_t n, float *score)
{
    float max = logits[0], sum;

    for (int64_t i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    sum = (float)run->kernels->exp_sum(logits, n, max);
    for (int64_t i = 0; i < n; i++)
        score[i] = s->p[SIGMOID] != 0 ? 1 / (1 + expf(-logits[i])) : expf(logits[i] - max) / sum;
}

/* The softmax of the best logit among those that are left and at most a margin, relative to the
 * larger, below it. Liu et al. 2024, arXiv 2409.12136. */
static float share_of_best(const float *logits, const uint8_t *out, int64_t n, float best,
                           float margin)
{
    float sum = 0;

    for (int64_t i = 0; i < n; i++)
        if (!out[i] && !(best - logits[i] > margin * fmaxf(fabsf(logits[i]), best)))
            sum += expf(logits[i] - best);
    return 1 / sum;
}

static void route_token(const struct run *run, const struct linked *s, const float *logits,
                        int64_t experts, float *score, float *routes)
{
    float *choice = score + experts, *groups = choice + experts, sum = 0;
    const float *bias = (const float *)(const void *)s->w.data;
    uint8_t *out = (uint8_t *)(groups + experts);
    int64_t used = (int64_t)s->p[USED];
    float factor = s->p[ROUTE_FACTOR] == 0 ? 1 : (float)s->p[ROUTE_FACTOR];

    memset(out, 0, (size_t)experts);
    score_experts(run, s, logits, experts, score);
    for (int64_t i = 0; i < experts; i++)
        choice[i] = score[i] + (bias ? bias[i] : 0);
    choose_groups(s, experts, choice, groups, out);
    /* Logits are ordered like the scores, and still differ where those are equal to 0 or 1. */
    for (int64_t i = 0; i < used; i++) {
        int64_t at = best_of(bias ? choice : logits, out, experts);

        if (s->p[MARGIN] != 0)
            score[at] = share_of_best(logits, out, experts, logits[at], (float)s->p[MARGIN]);
        out[at] = 1;
        routes[i] = (float)at;
        routes[used + i] = score[at];
        sum += score[at];
    }
    if (s->p[NORM] != 0)
        factor /= sum + SUM_TINY;
    for (int64_t i = used; i < 2 * used; i++)
        routes[i] *= factor;
}

static void route_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t experts = run->program->values[s->in[0]].width, stride = pi_row_stride(experts);
    int64_t width = pi_row_stride(run->program->values[s->out].width), first, last;

    pi_split(pi_run_rows(run, s->out), 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++)
        route_token(run, s, pi_run_value(run, s->in[0]) + t * stride, experts,
                    pi_run_scratch(run, part), pi_run_value(run, s->out) + t * width);
}

const struct op pi_op_ROUTE = {
    .shape = route_shape,
    .need = route_need,
    .forward = route_forward,
};

/* ---- WEIGH ---- */

static int weigh_shape(struct shaping *at, pith_error *err)
{
    if (at->in[0] < 2 || at->in[0] % 2)
        return pi_step_fail(at->s, err, "rows of %lld values are no routes",
                            (long long)at->in[0]);
    at->width = at->in[0];
    return PITH_OK;
}

static void weigh_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    const float *by = (const float *)(const void *)s->w.data; /* [experts] */
    int64_t width = run->program->values[s->out].width, slots = width / 2, first, last;

    pi_split(pi_run_rows(run, s->out), 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * pi_row_stride(width);
        float *y = pi_run_value(run, s->out) + t * pi_row_stride(width);

        for (int64_t i = 0; i < slots; i++) {
            float scale = by[pi_min((int64_t)x[i], s->w.cols - 1)];

            y[i] = x[i];
            y[slots + i] = x[slots + i] * scale;
        }
    }
}

const struct op pi_op_WEIGH = { .in_place = true, .needs_weight = true, .shape = weigh_shape,
                                .forward = weigh_forward };

/* ---- SPREAD and MIX ---- */

static int spread_shape(struct shaping *at, pith_error *err)
{
    if (at->s->n_in != 2 || at->in[0] < 1 || at->in[1] < 2)
        return pi_step_fail(at->s, err, "no routes are given");
    at->width = at->in[0] * (at->in[1] / 2);
    return PITH_OK;
}

static int mix_shape(struct shaping *at, pith_error *err)
{
    if (at->s->n_in != 2 || at->in[1] < 2 || at->in[0] < 1 || at->in[0] % (at->in[1] / 2))
        return pi_step_fail(at->s, err, "the inputs have %lld and %lld values",
                            (long long)at->in[0], (long long)at->in[1]);
    at->width = at->in[0] / (at->in[1] / 2);
    return PITH_OK;
}

/* Token t's weights, one a slot. */
static const float *weights_of(const struct run *run, const struct linked *s, int64_t t,
                               int64_t *slots)
{
    int64_t width = run->program->values[s->in[1]].width;

    *slots = width / 2;
    return pi_run_value(run, s->in[1]) + t * pi_row_stride(width) + width / 2;
}

static void spread_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t c = run->program->values[s->in[0]].width, first, last, slots;

    pi_split(pi_run_rows(run, s->out), 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * pi_row_stride(c);
        const float *w = weights_of(run, s, t, &slots);
        float *y = pi_run_value(run, s->out) + t * pi_row_stride(slots * c);

        for (int64_t i = 0; i < slots * c; i++)
            y[i] = w[i / c] * x[i % c];
    }
}

enum { PLAIN };

/* y[0..n) = the sum over the slots of w * x[slot], slot after slot. */
static void mix_row(float *y, const float *x, const float *w, int64_t slots, int64_t n, bool plain)
{
    enum { LANES = 16 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        float sum[LANES] = { 0 };

        for (int64_t slot = 0; slot < slots; slot++)
            for (int j = 0; j < LANES; j++)
                sum[j] += (plain ? 1 : w[slot]) * x[slot * n + i + j];
        memcpy(y + i, sum, sizeof sum);
    }
    for (; i < n; i++) {
        y[i] = 0;
        for (int64_t slot = 0; slot < slots; slot++)
            y[i] += (plain ? 1 : w[slot]) * x[slot * n + i];
    }
}

static void mix_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t c = run->program->values[s->out].width, first, last, slots;

    pi_split(pi_run_rows(run, s->out), 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        const float *w = weights_of(run, s, t, &slots);

        mix_row(pi_run_value(run, s->out) + t * pi_row_stride(c),
                pi_run_value(run, s->in[0]) + t * pi_row_stride(slots * c), w, slots, c,
                s->p[PLAIN] != 0);
    }
}

const struct op pi_op_SPREAD = { .shape = spread_shape, .forward = spread_forward };
const struct op pi_op_MIX = { .shape = mix_shape, .forward = mix_forward };
