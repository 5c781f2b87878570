/* act.c - activations and the softmax denominator against libm in double.
 */
#include "harness.h"

static double reference(enum activation act, double x)
{
    switch (act) {
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
    case ACT_GELU_TANH:
        return x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case ACT_RELU2: return x < 0 ? 0 : x * x;
    case ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case ACT_SIGMOID: return 1 / (1 + exp(-x));
    case ACT_TANH: return tanh(x);
    case ACT_EXP: return exp(x);
    case ACT_SOFTPLUS: return x > 700 ? x : log1p(exp(x));
    default: return x < 0 ? 0 : x;
    }
}

static void one(const struct kernels *k, enum activation act, int64_t n, bool gated, bool in_place)
{
    enum place place = (enum place)(n % 2);
    float *x = buffer((size_t)n * 4, place), *u = buffer((size_t)n * 4, place);
    float *y = in_place ? x : buffer((size_t)n * 4, place), *copy = malloc((size_t)n * 4);

    for (int64_t i = 0; i < n; i++) {
        static const float special[] = { 0, -0.0f, INFINITY, NAN, 1e-30f, -100, 100, -1e30f };
        x[i] = random_below(8) ? random_float(random_below(2) ? 1 : 20) : special[random_below(8)];
        u[i] = random_float(2);
    }
    memcpy(copy, x, (size_t)n * 4);
    protect(u);
    if (!in_place)
        protect(x);
    if (gated)
        GUARDED(k->gate(y, x, u, n, act));
    else
        GUARDED(k->activate(y, x, n, act));
    for (int64_t i = 0; i < n; i++) {
        double factor = gated ? (double)u[i] : 1;
        double value = reference(act, (double)copy[i]), expected = value * factor;
        double size = fmax(fmax(fabs((double)copy[i]), fabs(value)), 1);
        double bound = 17 * EPS * size * fabs(factor) + 0x1p-126;
        if (fabs(expected) > (double)FLT_MAX)
            expected = copysign(INFINITY, expected);
        if (!near_double((double)y[i], expected, bound)) {
            fail("act %d of %.9g is %.9g, expected %.9g", (int)act, (double)copy[i], (double)y[i],
                 expected);
            break;
        }
    }
    free(copy);
    release();
}

static void denominator(exp_sum_fn *exp_sum, int64_t n, float spread)
{
    float *x = buffer((size_t)n * 4, (enum place)(n % 2)), max = -INFINITY;
    double expected = 0, actual = 0;

    for (int64_t i = 0; i < n; i++) {
        x[i] = random_below(20) ? random_float(spread) : -INFINITY;
        max = fmaxf(max, x[i]);
    }
    if (max < 0)
        x[0] = max = 0;
    for (int64_t i = 0; i < n; i++)
        expected += exp((double)x[i] - (double)max);
    protect(x);
    GUARDED(actual = exp_sum(x, n, max));
    if (!near_double(actual, expected, 16 * EPS * expected))
        fail("n %" PRId64 ": %.12g, expected %.12g", n, actual, expected);
    release();
}

void test_act(const struct trial *trial)
{
    if (begin(trial->now->tier, "activate", FRESH(trial, activate))) {
        for (int act = 0; act < ACT_COUNT; act++)
            for (int64_t n = 1; n < 100; n++)
                one(trial->now, (enum activation)act, n, false, n % 3 == 0);
        end();
    }
    if (begin(trial->now->tier, "gate", FRESH(trial, gate))) {
        for (int act = 0; act < ACT_COUNT; act++)
            for (int64_t n = 1; n < 100; n++)
                one(trial->now, (enum activation)act, n, true, n % 3 == 0);
        end();
    }
    if (begin(trial->now->tier, "exp_sum", FRESH(trial, exp_sum))) {
        for (int64_t n = 1; n < 100; n++)
            denominator(trial->now->exp_sum, n, n % 2 ? 1 : 40);
        denominator(trial->now->exp_sum, 128256, 10);
        end();
    }
}
