/* sample.c - logits -> token: penalty, top-k, top-p, min-p, temperature, draw, in this order.
 *
 * The most likely candidates are taken from a heap, so that only as many are sorted as top-k and
 * top-p look at. Ties go to the lower id: the choice depends on nothing but logits, options and
 * seed.
 *
 * Before: session.c. Next: task/generate.c.
 */
#include "sample.h"

#include <math.h>

void pi_sampler_set(struct sampler *s, const pith_options *o)
{
    s->top_k = pi_option_i64(o, PITH_OPT_TOP_K);
    s->repeat_last = pi_option_i64(o, PITH_OPT_REPEAT_LAST);
    s->temperature = pi_option_f64(o, PITH_OPT_TEMPERATURE);
    s->top_p = pi_option_f64(o, PITH_OPT_TOP_P);
    s->min_p = pi_option_f64(o, PITH_OPT_MIN_P);
    s->repeat_penalty = pi_option_f64(o, PITH_OPT_REPEAT_PENALTY);
    s->rng = pi_rng_seed((uint64_t)pi_option_i64(o, PITH_OPT_SEED));
}

static bool comes_first(struct candidate a, struct candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift(struct candidate *heap, int64_t root, int64_t n)
{
    struct candidate moved = heap[root];

    for (;;) {
        int64_t child = 2 * root + 1;

        if (child >= n)
            break;
        if (child + 1 < n && comes_first(heap[child + 1], heap[child]))
            child++;
        if (!comes_first(heap[child], moved))
            break;
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = moved;
}

/* The distinct tokens among the last repeat_last: l > 0 becomes l/r, others l*r (Keskar et al.
 * 2019, arXiv 1909.05858). A token already seen is marked by its complemented id. */
static void penalise(const struct sampler *s, const int32_t *recent, int64_t n)
{
    int64_t first = s->repeat_penalty == 1 ? n : pi_max(0, n - s->repeat_last);

    for (int64_t i = first; i < n; i++) {
        struct candidate *c = &s->candidates[recent[i]];
        double logit = (double)c->logit;

        if (c->id < 0)
            continue;
        c->logit = (float)(logit > 0 ? logit / s->repeat_penalty : logit * s->repeat_penalty);
        c->id = ~c->id;
    }
    for (int64_t i = first; i < n; i++)
        s->candidates[recent[i]].id = recent[i];
}

static double weight_of(struct candidate c, float best, double temperature)
{
    return exp(((double)c.logit - (double)best) / temperature);
}

/* Sorts the best candidates to the end of the array, best last, until there are `most` of them or
 * their weights reach `limit`; returns how many. */
static int64_t take_best(const struct sampler *s, int64_t n, int64_t most, float best,
                         double limit)
{
    struct candidate *c = s->candidates;
    double sum = 0;
    int64_t taken = 0;

    for (int64_t i = n / 2; i-- > 0;)
        sift(c, i, n);
    while (taken < most && (taken == 0 || sum < limit)) {
        struct candidate top = c[0];

        taken++;
        c[0] = c[n - taken];
        c[n - taken] = top;
        sift(c, 0, n - taken);
        sum += weight_of(top, best, 1);
    }
    return taken;
}

/* Narrows the candidates by top-k, then by top-p, a share of what top-k leaves: afterwards
 * candidates[first..n) are left. Returns first. */
static int64_t narrow(const struct sampler *s, int64_t n, float best)
{
    int64_t most = s->top_k > 0 ? pi_min(s->top_k, n) : n, first = 0;
    double total = 0, sum = 0;

    if (most < n)
        first = n - take_best(s, n, most, best, INFINITY);
    if (s->top_p >= 1)
        return first;
    for (int64_t i = first; i < n; i++)
        total += weight_of(s->candidates[i], best, 1);
    if (most == n)
        return n - take_best(s, n, n, best, s->top_p * total);
    for (int64_t i = n; i-- > first;) {
        sum += weight_of(s->candidates[i], best, 1);
        if (sum >= s->top_p * total)
            return i;
    }
    return first;
}

static int32_t draw(struct sampler *s, int64_t first, int64_t n, float best)
{
    double total = 0, target;
    int32_t last = s->candidates[n - 1].id;

    for (int64_t i = first; i < n; i++) {
        if (weight_of(s->candidates[i], best, 1) < s->min_p)
            s->candidates[i].logit = -INFINITY;
        total += weight_of(s->candidates[i], best, s->temperature);
    }
    target = pi_rng_unit(&s->rng) * total;
    for (int64_t i = n - 1; i >= first; i--) {
        double w = weight_of(s->candidates[i], best, s->temperature);

        if (w > 0)
            last = s->candidates[i].id;
        if (w > target)
            return last;
        target -= w;
    }
    return last; /* rounding left a remainder */
}

int pi_sample(struct sampler *s, const float *logits, int64_t vocabulary, const int32_t *recent,
              int64_t n_recent, int32_t *token, pith_error *err)
{
    struct candidate best = { -INFINITY, -1 };

    for (int64_t i = 0; i < vocabulary; i++) {
        if (logits[i] != logits[i])
            return pi_fail(err, PITH_E_NUMERIC, "the logit of token %lld is not a number",
                           (long long)i);
        s->candidates[i] = (struct candidate){ logits[i], (int32_t)i };
    }
    penalise(s, recent, n_recent);
    for (int64_t i = 0; i < vocabulary; i++)
        if (s->candidates[i].logit > best.logit)
            best = s->candidates[i];
    *token = best.id;
    if (!isfinite(best.logit))
        return pi_fail(err, PITH_E_NUMERIC, "the largest logit is not a finite number");
    if (s->temperature == 0)
        return PITH_OK;
    *token = draw(s, narrow(s, vocabulary, best.logit), vocabulary, best.logit);
    return PITH_OK;
}
