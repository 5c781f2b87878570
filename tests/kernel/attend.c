/* attend.c - attention of one position against double arithmetic; the heads of a group must not
 * know of each other.
 */
#include "harness.h"

struct attention {
    int64_t g, c, keys, k_stride, v_stride;
    float scale, cap, *q, *y, *scratch;
    void *k, *v;
    bool half;
};

static double element(const struct attention *a, const void *row, int64_t i)
{
    return (double)(a->half ? pi_f32_from_f16(((const uint16_t *)row)[i])
                            : ((const float *)row)[i]);
}

static const void *at(const struct attention *a, const void *base, int64_t elements)
{
    return (const uint8_t *)base + elements * (a->half ? 2 : 4);
}

/* Keys or values; rows past the last element are out of bounds. */
static void *draw_rows(const struct attention *a, int64_t stride, float size)
{
    int64_t n = stride * (a->keys - 1) + a->c;
    void *rows = buffer((size_t)n * (a->half ? 2 : 4), (enum place)(a->keys % 2));

    for (int64_t i = 0; i < n; i++) {
        float value = i % stride < a->c ? random_float(size) : NAN;
        if (a->half)
            ((uint16_t *)rows)[i] = pi_f16_from_f32(value);
        else
            ((float *)rows)[i] = value;
    }
    protect(rows);
    return rows;
}

static void check_head(const struct attention *a, int64_t j)
{
    double *s = malloc((size_t)a->keys * 8), max = -INFINITY, sum = 0, largest = 0, peak = 0;

    for (int64_t t = 0; t < a->keys; t++) {
        s[t] = 0;
        for (int64_t i = 0; i < a->c; i++)
            s[t] += (double)a->q[j * a->c + i] * element(a, at(a, a->k, t * a->k_stride), i);
        s[t] *= (double)a->scale;
        if (a->cap > 0)
            s[t] = (double)a->cap * tanh(s[t] / (double)a->cap);
        max = fmax(max, s[t]);
        largest = fmax(largest, fabs(s[t]));
    }
    for (int64_t t = 0; t < a->keys; t++)
        sum += s[t] = exp(s[t] - max);
    for (int64_t t = 0; t < a->keys; t++)
        for (int64_t i = 0; i < a->c; i++)
            peak = fmax(peak, fabs(element(a, at(a, a->v, t * a->v_stride), i)));
    for (int64_t i = 0; i < a->c; i++) {
        double y = 0, bound = (double)(a->c + a->keys + 64) * 4 * EPS * (1 + largest) * peak;
        for (int64_t t = 0; t < a->keys; t++)
            y += s[t] / sum * element(a, at(a, a->v, t * a->v_stride), i);
        if (!near_double((double)a->y[j * a->c + i], y, bound)) {
            fail("g %" PRId64 " c %" PRId64 " keys %" PRId64 ": [%" PRId64 "][%" PRId64
                 "] is %.9g, expected %.9g within %.3g", a->g, a->c, a->keys, j, i,
                 (double)a->y[j * a->c + i], y, bound);
            break;
        }
    }
    free(s);
}

static void call(attend_fn *attend, const struct attention *a, int64_t first, int64_t heads,
                 float *y)
{
    GUARDED(attend(y, a->q + first * a->c, a->k, a->v, a->k_stride, a->v_stride, heads, a->c,
                   a->keys, a->scale, a->cap, a->scratch));
}

static void one(attend_fn *attend, bool half, int64_t g, int64_t c, int64_t keys, float cap)
{
    struct attention a = { .g = g, .c = c, .keys = keys, .cap = cap, .half = half };
    float *alone;

    a.scale = 1 / sqrtf((float)c);
    a.k_stride = c + random_below(3) * 8;
    a.v_stride = c + random_below(3) * 8;
    a.q = buffer((size_t)(g * c) * 4, PLACE_END);
    draw_floats(a.q, g * c, DRAW_PLAIN);
    protect(a.q);
    a.k = draw_rows(&a, a.k_stride, cap > 0 ? 40 : 4);
    a.v = draw_rows(&a, a.v_stride, 1);
    a.y = buffer((size_t)(g * c) * 4, PLACE_END);
    a.scratch = buffer(PI_PAD64((size_t)(g * keys) * 4), PLACE_START);
    alone = buffer((size_t)c * 4, PLACE_END);
    call(attend, &a, 0, g, a.y);
    for (int64_t j = 0; j < g; j++) {
        check_head(&a, j);
        call(attend, &a, j, 1, alone);
        for (int64_t i = 0; i < c; i++)
            if (!same_bits(alone[i], a.y[j * c + i])) {
                fail("g %" PRId64 " c %" PRId64 " keys %" PRId64 ": head %" PRId64
                     " depends on the others", g, c, keys, j);
                break;
            }
    }
    release();
}

void test_attend(const struct trial *trial)
{
    static const int64_t widths[] = { 1, 8, 24, 32, 40, 64, 72, 80, 96, 128, 256 };

    for (int half = 0; half < 2; half++) {
        attend_fn *attend = half ? trial->now->attend_f16 : trial->now->attend_f32;
        if (!begin(trial->now->tier, half ? "attend_f16" : "attend_f32",
                   half ? FRESH(trial, attend_f16) : FRESH(trial, attend_f32)))
            continue;
        for (size_t i = 0; i < PI_COUNT(widths); i++)
            for (int64_t keys = 1; keys < 40; keys++)
                one(attend, half, 1 + (keys + (int64_t)i) % 6, widths[i], keys,
                    keys % 4 ? 0 : 30);
        one(attend, half, 8, 64, 1000, 0);
        one(attend, half, 3, 128, 517, 50);
        end();
    }
}
