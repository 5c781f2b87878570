/* recall.c - a token through a memory against double arithmetic; columns must not depend on how
 * many are computed together.
 */
#include "harness.h"

enum { NONE, ERASES, BEFORE, KINDS };

/* One column in double; the sums of magnitudes give the bound. */
static void column(const struct recall *x, const float *old, int64_t i, double *s, double *y)
{
    double erased = 0, erased_size = 0, sum = 0, size = 0;
    double eps = ((double)x->n + 8) * EPS;

    for (int64_t j = 0; x->a && j < x->n; j++) {
        erased += (double)x->a[j] * (double)old[j * x->s_stride + i];
        erased_size += fabs((double)x->a[j] * (double)old[j * x->s_stride + i]);
    }
    for (int64_t j = 0; j < x->n; j++) {
        double was = (double)old[j * x->s_stride + i];
        double kept = (double)x->w[j * x->w_step] * was, b = x->a ? (double)x->b[j] : 0;
        double written = (double)x->k[j] * (double)x->v[i], now = kept + b * erased + written;
        double part = fabs(kept) + fabs(b) * erased_size + fabs(written);

        s[2 * j] = now;
        s[2 * j + 1] = eps * part;
        sum += (double)x->q[j] * (x->before ? was : now);
        size += fabs((double)x->q[j]) * (x->before ? fabs(was) : part);
    }
    y[0] = sum;
    y[1] = 2 * eps * size;
}

static void compare(const struct recall *x, const float *old)
{
    double *s = malloc((size_t)x->n * 16), y[2];
    bool good = true;

    for (int64_t i = 0; i < x->c && good; i++) {
        column(x, old, i, s, y);
        good = near_double((double)x->y[i], y[0], y[1]);
        for (int64_t j = 0; j < x->n; j++)
            good &= near_double((double)x->s[j * x->s_stride + i], s[2 * j], s[2 * j + 1]);
        if (!good)
            fail("n %" PRId64 " c %" PRId64 ": column %" PRId64 " is %.9g, expected %.9g", x->n,
                 x->c, i, (double)x->y[i], y[0]);
    }
    free(s);
}

/* The last column alone must give the same bits. */
static void alone(recall_fn *recall, const struct recall *all, const float *old)
{
    int64_t i = all->c - 1;
    struct recall x = *all;
    float *s = buffer((size_t)x.n * 4, PLACE_END), y = 0;

    for (int64_t j = 0; j < x.n; j++)
        s[j] = old[j * x.s_stride + i];
    x.s = s;
    x.s_stride = 1;
    x.c = 1;
    x.v += i;
    x.y = &y;
    GUARDED(recall(&x));
    if (!same_bits(y, all->y[i]))
        fail("c %" PRId64 ": the last column alone is %.9g, not %.9g", all->c, (double)y,
             (double)all->y[i]);
}

static void one(recall_fn *recall, int64_t n, int64_t c, int kind)
{
    enum place place = (enum place)(n % 2);
    int64_t stride = c + n % 3;
    size_t size = (size_t)((n - 1) * stride + c) * 4;
    float *rows[5], *s = buffer(size, place), *v = buffer((size_t)c * 4, place);
    float *y = buffer((size_t)c * 4, place), *old = malloc(size);
    struct recall x = { .s = s, .s_stride = stride, .n = n, .c = c, .w_step = n % 2, .v = v,
                        .y = y, .before = kind == BEFORE };

    draw_floats(s, (int64_t)size / 4, DRAW_PLAIN);
    draw_floats(v, c, random_below(8) ? DRAW_PLAIN : DRAW_NAN_INPUT);
    for (int i = 0; i < 5; i++) {
        int64_t length = i == 0 && !x.w_step ? 1 : n;
        rows[i] = buffer((size_t)length * 4, place);
        draw_floats(rows[i], length, DRAW_PLAIN);
        protect(rows[i]);
    }
    protect(v);
    memcpy(old, s, size);
    x.w = rows[0];
    x.k = rows[1];
    x.q = rows[2];
    x.a = kind == ERASES ? rows[3] : NULL;
    x.b = kind == ERASES ? rows[4] : NULL;
    GUARDED(recall(&x));
    compare(&x, old);
    alone(recall, &x, old);
    free(old);
    release();
}

void test_recall(const struct trial *trial)
{
    if (!begin(trial->now->tier, "recall", FRESH(trial, recall)))
        return;
    for (int kind = 0; kind < KINDS; kind++)
        for (int64_t c = 1; c < 150; c += c < 70 ? 1 : 13)
            one(trial->now->recall, 1 + random_below(40), c, kind);
    end();
}
