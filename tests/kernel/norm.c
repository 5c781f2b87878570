/* norm.c - normalisations against double arithmetic, sums bit for bit.
 */
#include "harness.h"

static void rms(rms_norm_fn *norm, int64_t n, enum draw draw, bool weighted, bool in_place)
{
    enum place place = (enum place)(n % 2);
    float *x = buffer((size_t)n * 4, place), *w = buffer((size_t)n * 4, place);
    float *y = in_place ? x : buffer((size_t)n * 4, place), *copy = malloc((size_t)n * 4);
    double sum = 0, inverse;

    draw_floats(x, n, draw);
    draw_floats(w, n, DRAW_PLAIN);
    memcpy(copy, x, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    inverse = 1 / sqrt(sum / (double)n + (double)1e-6f);
    protect(w);
    if (!in_place)
        protect(x);
    GUARDED(norm(y, x, weighted ? w : NULL, n, 1e-6f));
    for (int64_t i = 0; i < n; i++) {
        double expected = (double)copy[i] * inverse * (weighted ? (double)w[i] : 1);
        if (!near_double((double)y[i], expected, 16 * EPS * fabs(expected) + 0x1p-126)) {
            fail("n %" PRId64 " draw %d: [%" PRId64 "] is %.9g, expected %.9g", n, (int)draw, i,
                 (double)y[i], expected);
            break;
        }
    }
    free(copy);
    release();
}

static void layer(layer_norm_fn *norm, int64_t n, enum draw draw, bool weighted, bool in_place)
{
    enum place place = (enum place)(n % 2);
    float *x = buffer((size_t)n * 4, place), *w = buffer((size_t)n * 4, place);
    float *b = buffer((size_t)n * 4, place);
    float *y = in_place ? x : buffer((size_t)n * 4, place), *copy = malloc((size_t)n * 4);
    double mean = 0, variance = 0, inverse, most = 0;

    draw_floats(x, n, draw);
    draw_floats(w, n, DRAW_PLAIN);
    draw_floats(b, n, DRAW_PLAIN);
    memcpy(copy, x, (size_t)n * 4);
    for (int64_t i = 0; i < n; i++) {
        mean += (double)x[i] / (double)n;
        most = fmax(most, fabs((double)x[i]));
    }
    for (int64_t i = 0; i < n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    inverse = 1 / sqrt(variance + (double)1e-5f);
    protect(w);
    protect(b);
    if (!in_place)
        protect(x);
    GUARDED(norm(y, x, weighted ? w : NULL, weighted ? b : NULL, n, 1e-5f));
    for (int64_t i = 0; i < n; i++) {
        double scale = weighted ? (double)w[i] : 1, shift = weighted ? (double)b[i] : 0;
        double v = ((double)copy[i] - mean) * inverse;
        double bound = 64 * EPS * (fabs(v * scale) + fabs(shift)) +
                       16 * EPS * most * inverse * fabs(scale) + 0x1p-126;
        if (!near_double((double)y[i], v * scale + shift, bound)) {
            fail("n %" PRId64 " draw %d: [%" PRId64 "] is %.9g, expected %.9g", n, (int)draw, i,
                 (double)y[i], v * scale + shift);
            break;
        }
    }
    free(copy);
    release();
}

static void sum(add_fn *add, int64_t n, enum draw draw)
{
    enum place place = (enum place)(n % 2);
    float *a = buffer((size_t)n * 4, place), *b = buffer((size_t)n * 4, place);
    float *y = buffer((size_t)n * 4, place);

    draw_floats(a, n, draw);
    draw_floats(b, n, DRAW_PLAIN);
    protect(b);
    GUARDED(add(y, a, b, n));
    GUARDED(add(a, a, b, n));
    for (int64_t i = 0; i < n; i++)
        if (!same_bits(y[i], a[i]))
            fail("n %" PRId64 ": [%" PRId64 "] differs in place", n, i);
    release();
    a = buffer((size_t)n * 4, place), b = buffer((size_t)n * 4, place);
    y = buffer((size_t)n * 4, place);
    draw_floats(a, n, draw);
    draw_floats(b, n, DRAW_PLAIN);
    GUARDED(add(y, a, b, n));
    for (int64_t i = 0; i < n; i++)
        if (!same_bits(y[i], a[i] + b[i]))
            fail("n %" PRId64 ": [%" PRId64 "] is %.9g, expected %.9g", n, i, (double)y[i],
                 (double)(a[i] + b[i]));
    release();
}

void test_norm(const struct trial *trial)
{
    const struct kernels *k = trial->now;

    if (begin(k->tier, "rms_norm", FRESH(trial, rms_norm))) {
        for (int64_t n = 1; n < 70; n++)
            for (int draw = 0; draw < DRAW_COUNT; draw++)
                rms(k->rms_norm, n, (enum draw)draw, n % 3 != 0, n % 5 == 0);
        rms(k->rms_norm, 16384, DRAW_PLAIN, true, false);
        end();
    }
    if (begin(k->tier, "layer_norm", FRESH(trial, layer_norm))) {
        for (int64_t n = 1; n < 70; n++)
            for (int draw = 0; draw < DRAW_COUNT; draw++)
                layer(k->layer_norm, n, (enum draw)draw, n % 3 != 0, n % 5 == 0);
        layer(k->layer_norm, 16384, DRAW_PLAIN, true, false);
        end();
    }
    if (begin(k->tier, "add", FRESH(trial, add))) {
        for (int64_t n = 1; n < 70; n++)
            sum(k->add, n, n % 2 ? DRAW_NAN_INPUT : DRAW_PLAIN);
        end();
    }
}
