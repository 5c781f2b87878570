/* sample.c - each option of the sampler against its definition, draws against their probabilities.
 */
#include "check.h"
#include "session/sample.h"

enum { N = 50 };

static float logits[N];
static struct candidate candidates[N];

static struct sampler sampler_with(double temperature, int64_t top_k, double top_p, double min_p)
{
    struct sampler s = { .temperature = temperature, .top_k = top_k, .top_p = top_p,
                         .min_p = min_p, .repeat_penalty = 1, .candidates = candidates,
                         .rng = pi_rng_seed(7) };
    return s;
}

static void random_logits(uint64_t seed)
{
    for (int i = 0; i < N; i++)
        logits[i] = (float)(check_random(&seed) % 1000) / 150.0f;
}

/* The probability of each token after the options, computed the plain way: sort, cut, normalise. */
static void expected(const struct sampler *s, double p[N])
{
    int order[N], kept = N;
    double sum = 0, total = 0;

    for (int i = 0; i < N; i++)
        order[i] = i;
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++)
            if (logits[order[j]] > logits[order[i]] ||
                (logits[order[j]] == logits[order[i]] && order[j] < order[i])) {
                int swap = order[i];

                order[i] = order[j];
                order[j] = swap;
            }
    if (s->top_k > 0 && s->top_k < kept)
        kept = (int)s->top_k;
    for (int i = 0; i < kept; i++)
        total += exp((double)logits[order[i]]);
    for (int i = 0; i < kept; i++) {
        sum += exp((double)logits[order[i]]) / total;
        if (sum >= s->top_p)
            kept = i + 1;
    }
    memset(p, 0, N * sizeof *p);
    sum = 0;
    for (int i = 0; i < kept; i++) {
        double relative = exp((double)(logits[order[i]] - logits[order[0]]));

        if (relative >= s->min_p)
            sum += p[order[i]] = pow(relative, 1 / s->temperature);
    }
    for (int i = 0; i < N; i++)
        p[i] /= sum;
}

/* 40,000 draws: each share within five standard deviations, and nothing that was cut. */
static void check_draws(struct sampler s)
{
    enum { DRAWS = 40000 };
    int counts[N] = { 0 };
    double p[N];

    expected(&s, p);
    for (int i = 0; i < DRAWS; i++) {
        int32_t token = -1;

        CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_OK);
        counts[token]++;
    }
    for (int i = 0; i < N; i++) {
        double deviation = sqrt(p[i] * (1 - p[i]) / DRAWS);

        CHECK_NEAR((double)counts[i] / DRAWS, p[i], 5 * deviation);
    }
}

static void draws(void)
{
    random_logits(11);
    check_draws(sampler_with(1, 0, 1, 0));
    check_draws(sampler_with(0.6, 0, 1, 0));
    check_draws(sampler_with(1.7, 0, 1, 0));
    check_draws(sampler_with(1, 5, 1, 0));
    check_draws(sampler_with(1, 0, 0.7, 0));
    check_draws(sampler_with(0.8, 0, 0.3, 0));
    check_draws(sampler_with(1, 20, 0.8, 0));
    check_draws(sampler_with(1, 0, 1, 0.2));
    check_draws(sampler_with(1.3, 30, 0.95, 0.05));
}

static void greedy(void)
{
    struct sampler s = sampler_with(0, 0, 1, 0);
    int32_t token;

    random_logits(3);
    logits[17] = logits[31] = 50; /* a tie goes to the lower id */
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_OK);
    CHECK_INT(token, 17);
    s = sampler_with(1, 1, 1, 0);
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_OK);
    CHECK_INT(token, 17);
    s = sampler_with(1, 0, 0, 0);
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_OK);
    CHECK_INT(token, 17);
}

/* Positive logits are divided, negative multiplied, once however often the token came. */
static void penalty(void)
{
    struct sampler s = sampler_with(0, 0, 1, 0);
    int32_t recent[] = { 4, 9, 4, 4, 9 }, token;

    for (int i = 0; i < N; i++)
        logits[i] = -9;
    logits[4] = 3;
    logits[9] = -1;
    logits[20] = 1.4f;
    s.repeat_penalty = 2;
    s.repeat_last = 5;
    CHECK_INT(pi_sample(&s, logits, N, recent, 5, &token, NULL), PITH_OK);
    CHECK_INT(token, 4); /* 1.5 > 1.4: divided once */
    CHECK_NEAR(candidates[9].logit, -2, 0);
    logits[20] = 1.6f;
    CHECK_INT(pi_sample(&s, logits, N, recent, 5, &token, NULL), PITH_OK);
    CHECK_INT(token, 20);
    s.repeat_last = 1;
    CHECK_INT(pi_sample(&s, logits, N, recent, 5, &token, NULL), PITH_OK);
    CHECK_INT(token, 4); /* out of sight */
}

static void numbers(void)
{
    struct sampler s = sampler_with(1, 3, 0.9, 0.1);
    pith_error err = { 0 };
    int32_t token;

    random_logits(5);
    logits[33] = NAN;
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, &err), PITH_E_NUMERIC);
    CHECK_HAS(err.text, "33");
    logits[33] = INFINITY;
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_E_NUMERIC);
    for (int i = 0; i < N; i++)
        logits[i] = -INFINITY;
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_E_NUMERIC);
    logits[8] = -3; /* one that can be chosen is enough */
    CHECK_INT(pi_sample(&s, logits, N, NULL, 0, &token, NULL), PITH_OK);
    CHECK_INT(token, 8);
}

/* A million random arrays with special values: a token in range, or a status. */
static void anything(void)
{
    static const float special[] = { INFINITY, -INFINITY, NAN, 0, -0.0f, 1e-42f, 3e38f, -3e38f };
    uint64_t seed = 99;

    for (int round = 0; round < 200000; round++) {
        struct sampler s = sampler_with((double)(check_random(&seed) % 4), check_random(&seed) % 8,
                                        (double)(check_random(&seed) % 11) / 10,
                                        (double)(check_random(&seed) % 3) / 4);
        int n = 1 + (int)(check_random(&seed) % 12);
        int32_t token = -1;

        for (int i = 0; i < n; i++)
            logits[i] = check_random(&seed) % 4 ? (float)(check_random(&seed) % 64) - 32
                                                : special[check_random(&seed) % 8];
        if (pi_sample(&s, logits, n, NULL, 0, &token, NULL) == PITH_OK)
            CHECK(token >= 0 && token < n && logits[token] > -INFINITY);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(greedy);
    RUN(draws);
    RUN(penalty);
    RUN(numbers);
    RUN(anything);
    return CHECK_END();
}
