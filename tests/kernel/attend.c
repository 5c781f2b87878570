/* attend.c - blocks of keys and values: how they are kept, rows of queries against them in double
 * arithmetic, and the folding of sums; rows must not know of each other.
 */
#include "harness.h"

enum { KEYS_MAX = 2 * PI_KV_KEYS };

static const char *const type_names[KV_COUNT] = { "f32", "f16", "bf16", "q8" };

struct attention {
    enum kv_type type;
    int64_t n, c, cv, w, keys; /* positions kept: 0 .. keys - 1 */
    float scale, cap, *k, *v;
    uint8_t *blocks;
    struct attend_rows x;
    struct attend_sums y;
};

/* Element i of the key (or value) at position t, from the definition of the block. */
static double element(const struct attention *a, bool value, int64_t t, int64_t i)
{
    const uint8_t *block = a->blocks + t / PI_KV_KEYS * pi_kv_bytes(a->type, a->c, a->cv);
    const uint8_t *base = block + (value ? pi_kv_values(a->type, a->c) : 0);
    int64_t c = a->c, at;
    float scale;

    t %= PI_KV_KEYS;
    at = value ? t * a->w + i : (t / 16 * c + i) * 16 + t % 16;

    if (a->type == KV_BF16)
        at = value ? (t / 2 * a->w + i) * 2 + t % 2
                   : ((t / 16 * ((c + 1) / 2) + i / 2) * 16 + t % 16) * 2 + i % 2;
    switch (a->type) {
    case KV_F32: return (double)((const float *)(const void *)base)[at];
    case KV_F16: return (double)pi_f32_from_f16(pi_le16(base + 2 * at));
    case KV_BF16: return (double)pi_f32_from_bf16(pi_le16(base + 2 * at));
    default:
        memcpy(&scale, block + pi_kv_scales(a->type, c, a->cv) + (value ? 512 : 0) + 4 * t, 4);
        return (double)scale * ((const int8_t *)base)[at];
    }
}

/* How far a kept value may be from what was given. */
static double rounding(const struct attention *a, const float *row, int64_t n, int64_t i)
{
    double largest = 0;

    for (int64_t j = 0; j < n; j++)
        largest = fmax(largest, fabs((double)row[j]));
    switch (a->type) {
    case KV_F32: return 0;
    case KV_F16: return fabs((double)row[i]) * 0x1p-11 + 0x1p-25;
    case KV_BF16: return fabs((double)row[i]) * 0x1p-8;
    default: return largest / 127 * (0.5 + 256 * EPS);
    }
}

static void check_kept(const struct attention *a)
{
    for (int64_t t = 0; t < a->keys; t++)
        for (int64_t i = 0; i < a->c + a->cv; i++) {
            bool value = i >= a->c;
            const float *row = value ? a->v + t * a->cv : a->k + t * a->c;
            int64_t n = value ? a->cv : a->c, at = value ? i - a->c : i;
            double kept = element(a, value, t, at);
            if (!near_double(kept, (double)row[at], rounding(a, row, n, at))) {
                fail("c %" PRId64 " cv %" PRId64 ": position %" PRId64 " keeps %.9g for %.9g",
                     a->c, a->cv, t, kept, (double)row[at]);
                return;
            }
        }
}

/* Keeps the next positions from t on, at most `some`. Returns how many. */
static int64_t keep_next(const struct kernels *k, const struct attention *a, int64_t t,
                         int64_t some)
{
    uint8_t *block = a->blocks + t / PI_KV_KEYS * pi_kv_bytes(a->type, a->c, a->cv);

    some = pi_min(pi_min(a->keys - t, some), PI_KV_KEYS - t % PI_KV_KEYS);
    GUARDED(k->kv_keep[a->type](block, t % PI_KV_KEYS, some, a->k + t * a->c, a->c,
                                a->v + t * a->cv, a->cv, a->c, a->cv));
    return some;
}

/* Everything drawn but the ranges; what is not kept is NaN. */
static struct attention draw(const struct kernels *k, enum kv_type type, int64_t n, int64_t c,
                             int64_t cv, int64_t keys)
{
    struct attention a = { .type = type, .n = n, .c = c, .cv = cv, .w = pi_kv_width(cv),
                           .keys = keys, .scale = 1 / sqrtf((float)c) };
    int64_t blocks = (keys + PI_KV_KEYS - 1) / PI_KV_KEYS;
    size_t bytes = (size_t)(blocks * pi_kv_bytes(type, c, cv));
    float *q;

    a.k = buffer((size_t)(keys * c) * 4, PLACE_END);
    a.v = buffer((size_t)(keys * cv) * 4, PLACE_END);
    for (int64_t i = 0; i < keys * c; i++)
        a.k[i] = random_float(4);
    for (int64_t i = 0; i < keys * cv; i++)
        a.v[i] = random_float(1);
    protect(a.k);
    protect(a.v);
    a.blocks = buffer(bytes, PLACE_END);
    memset(a.blocks, 0xFF, bytes);
    for (int64_t t = 0; t < keys;)
        t += keep_next(k, &a, t, 1 + random_below(20));
    protect(a.blocks);
    a.x.n = n;
    a.y.o = buffer((size_t)(PI_ATTEND_ROWS * a.w) * 4, PLACE_END);
    q = buffer((size_t)(n * c) * 4, PLACE_END);
    draw_floats(q, n * c, DRAW_PLAIN);
    for (int64_t r = 0; r < n; r++)
        a.x.q[r] = q + r * c;
    protect(q);
    return a;
}

static double score(const struct attention *a, int64_t r, int64_t t, double *size)
{
    double s = 0;

    *size = 0;
    for (int64_t i = 0; i < a->c; i++) {
        s += (double)a->x.q[r][i] * element(a, false, t, i);
        *size += fabs((double)a->x.q[r][i] * element(a, false, t, i));
    }
    s *= (double)a->scale;
    *size *= (double)a->scale;
    if (a->cap > 0)
        s = (double)a->cap * tanh(s / (double)a->cap);
    return s - (double)a->x.slope[r] * fabs((double)t - (double)a->x.origin[r]);
}

static void check_row(const struct attention *a, int64_t r)
{
    double s[KEYS_MAX], max = -INFINITY, sum = 0, largest = 0, peak = 0, size, eps;

    for (int64_t t = a->x.first[r]; t < a->x.last[r]; t++) {
        s[t] = score(a, r, t, &size);
        max = fmax(max, s[t]);
        largest = fmax(largest, fmax(size, fabs(s[t])));
        for (int64_t i = 0; i < a->cv; i++)
            peak = fmax(peak, fabs(element(a, true, t, i)));
    }
    for (int64_t t = a->x.first[r]; t < a->x.last[r]; t++)
        sum += s[t] = exp(s[t] - max);
    eps = a->type == KV_BF16 ? 0x1p-8 : (double)(a->c + KEYS_MAX) * 4 * EPS;
    if (a->x.first[r] == a->x.last[r] ? a->y.max[r] != -INFINITY || a->y.sum[r] != 0
                                      : !near_double((double)a->y.max[r], max, eps * largest))
        fail("row %" PRId64 ": max %.9g, expected %.9g", r, (double)a->y.max[r], max);
    for (int64_t i = 0; i < a->cv; i++) {
        double y = 0, found = (double)(a->y.o[r * a->w + i] / a->y.sum[r]);
        for (int64_t t = a->x.first[r]; t < a->x.last[r]; t++)
            y += s[t] / sum * element(a, true, t, i);
        if (a->x.first[r] == a->x.last[r] ? a->y.o[r * a->w + i] != 0
                                          : !near_double(found, y, eps * (1 + largest) * peak)) {
            fail("c %" PRId64 " cv %" PRId64 " [%" PRId64 ",%" PRId64 "): [%" PRId64 "][%" PRId64
                 "] is %.9g, expected %.9g", a->c, a->cv, a->x.first[r], a->x.last[r], r, i,
                 found, y);
            return;
        }
    }
}

/* Blocks [b, end). */
static void call_some(const struct kernels *k, struct attention *a, int64_t b, int64_t end)
{
    struct attend_rows x = a->x;

    for (int64_t r = 0; r < x.n; r++) {
        x.first[r] -= b * PI_KV_KEYS;
        x.last[r] -= b * PI_KV_KEYS;
        x.origin[r] -= (float)(b * PI_KV_KEYS);
    }
    GUARDED(k->attend[a->type](&a->y, &x, a->blocks + b * pi_kv_bytes(a->type, a->c, a->cv),
                               end - b, a->c, a->cv, a->scale, a->cap));
}

/* All blocks in one call, or in one each. */
static void call(const struct kernels *k, struct attention *a, bool each)
{
    int64_t blocks = (a->keys + PI_KV_KEYS - 1) / PI_KV_KEYS, some = each ? 1 : blocks;

    memset(a->y.o, 0, (size_t)(a->x.n * a->w) * 4);
    for (int64_t r = 0; r < a->x.n; r++) {
        a->y.max[r] = -INFINITY;
        a->y.sum[r] = 0;
    }
    for (int64_t b = 0; b < blocks; b += some)
        call_some(k, a, b, b + some);
}

/* Each row alone must give what it gave beside the others, block by block what it gave at once. */
static void check_alone(const struct kernels *k, const struct attention *all)
{
    struct attention a = *all;

    a.y.o = buffer((size_t)(PI_ATTEND_ROWS * a.w) * 4, PLACE_END);
    a.x.n = 1;
    for (int64_t r = 0; r < all->n; r++) {
        a.x.q[0] = all->x.q[r];
        a.x.first[0] = all->x.first[r];
        a.x.last[0] = all->x.last[r];
        a.x.slope[0] = all->x.slope[r];
        a.x.origin[0] = all->x.origin[r];
        call(k, &a, r % 2);
        if (!same_bits(a.y.max[0], all->y.max[r]) || !same_bits(a.y.sum[0], all->y.sum[r]) ||
            memcmp(a.y.o, all->y.o + r * a.w, (size_t)a.cv * 4) != 0)
            fail("c %" PRId64 ": row %" PRId64 " of %" PRId64 " depends on the others", a.c, r,
                 all->n);
    }
}

/* Ranges as of neighbouring positions, of heads of one, or at random, empty ones included; the last
 * kind: nearly everything. */
static void draw_ranges(struct attention *a, int kind)
{
    for (int64_t r = 0; r < a->n; r++) {
        a->x.last[r] = kind == 0 ? a->keys : kind == 1 ? pi_max(0, a->keys - a->n + r + 1)
                                           : random_below((int)a->keys + 1);
        a->x.first[r] = kind == 0 ? 0 : random_below((int)a->x.last[r] + 1);
        if (kind == 1)
            a->x.first[r] = pi_max(0, a->x.last[r] - a->keys / 2 - 1);
        if (kind == 3) {
            a->x.first[r] = pi_min(a->keys, random_below(3));
            a->x.last[r] = pi_max(a->x.first[r], a->keys - random_below(3));
        }
        a->x.slope[r] = kind == 2 ? 0.25f / (float)(r + 1) : 0;
        a->x.origin[r] = (float)a->x.last[r] + 3;
    }
}

static void one(const struct kernels *k, enum kv_type type, int64_t n, int64_t c, int64_t cv,
                int64_t keys, float cap)
{
    struct attention a = draw(k, type, n, c, cv, keys);

    a.cap = cap;
    check_kept(&a);
    for (int kind = 0; kind < 4; kind++) {
        draw_ranges(&a, kind);
        call(k, &a, false);
        for (int64_t r = 0; r < n; r++)
            check_row(&a, r);
        check_alone(k, &a);
    }
    release();
}

/* The same bytes as below, for ordinary values and for those that overflow or are no numbers. */
static void keeping(const struct trial *trial, enum kv_type type, int64_t c, int64_t cv)
{
    size_t bytes = (size_t)pi_kv_bytes(type, c, cv);
    uint8_t *a = buffer(bytes, PLACE_END), *b = buffer(bytes, PLACE_END);
    float *k = buffer((size_t)(PI_KV_KEYS * c) * 4, PLACE_END);
    float *v = buffer((size_t)(PI_KV_KEYS * (cv + 3)) * 4, PLACE_END);
    int64_t first = random_below(PI_KV_KEYS), n = 1 + random_below(PI_KV_KEYS - (int)first);

    draw_floats(k, PI_KV_KEYS * c, (enum draw)random_below(DRAW_COUNT));
    draw_floats(v, PI_KV_KEYS * (cv + 3), (enum draw)random_below(DRAW_COUNT));
    GUARDED(trial->now->kv_keep[type](a, first, n, k, c, v, cv + 3, c, cv));
    GUARDED(trial->below->kv_keep[type](b, first, n, k, c, v, cv + 3, c, cv));
    if (memcmp(a, b, bytes) != 0)
        fail("c %" PRId64 " cv %" PRId64 ": %" PRId64 " rows from %" PRId64
             " are kept differently", c, cv, n, first);
    release();
}

static void fold(attend_fold_fn *attend_fold, int64_t n, int64_t cv)
{
    int64_t w = pi_kv_width(cv);
    struct attend_sums a = { .o = buffer((size_t)(PI_ATTEND_ROWS * w) * 4, PLACE_END) }, was;
    struct attend_sums b = { .o = buffer((size_t)(PI_ATTEND_ROWS * w) * 4, PLACE_END) };

    draw_floats(a.o, n * w, DRAW_PLAIN);
    draw_floats(b.o, n * w, DRAW_PLAIN);
    for (int64_t r = 0; r < n; r++) {
        a.max[r] = random_below(4) ? random_float(20) : -INFINITY;
        b.max[r] = random_below(4) ? random_float(20) : random_below(2) ? a.max[r] : -INFINITY;
        a.sum[r] = fabsf(random_float(9));
        b.sum[r] = fabsf(random_float(9));
    }
    protect(b.o);
    was = a;
    was.o = memcpy(malloc((size_t)(n * w) * 4), a.o, (size_t)(n * w) * 4);
    GUARDED(attend_fold(&a, &b, n, cv));
    for (int64_t r = 0; r < n; r++) {
        double max = fmax((double)was.max[r], (double)b.max[r]);
        double p = b.max[r] == -INFINITY ? 1 : exp((double)was.max[r] - max);
        double q = b.max[r] == -INFINITY ? 0 : exp((double)b.max[r] - max);
        double sum = p * (double)was.sum[r] + q * (double)b.sum[r];
        if ((double)a.max[r] != max || !near_double((double)a.sum[r], sum, 16 * EPS * sum))
            fail("row %" PRId64 ": max %g sum %g, expected %g %g", r, (double)a.max[r],
                 (double)a.sum[r], max, sum);
        for (int64_t i = r * w; i < r * w + cv; i++)
            if (!near_double((double)a.o[i], p * (double)was.o[i] + q * (double)b.o[i],
                             16 * EPS * (p * fabs((double)was.o[i]) + q * fabs((double)b.o[i])))) {
                fail("row %" PRId64 ": %.9g is wrong", r, (double)a.o[i]);
                break;
            }
    }
    free(was.o);
    release();
}

static void test_type(const struct kernels *k, enum kv_type type)
{
    static const int64_t widths[] = { 1, 8, 15, 24, 32, 40, 64, 72, 80, 96, 128, 192, 256 };

    for (size_t i = 0; i < PI_COUNT(widths); i++)
        for (int64_t keys = 1; keys <= KEYS_MAX; keys += 1 + random_below(70))
            one(k, type, 1 + random_below(12), widths[i],
                widths[(i + (size_t)(keys % 2)) % PI_COUNT(widths)], keys, keys % 3 ? 0 : 30);
    one(k, type, 8, 576, 512, PI_KV_KEYS, 0);
    one(k, type, PI_ATTEND_ROWS, 64, 64, KEYS_MAX, 0);
}

void test_attend(const struct trial *trial)
{
    for (int type = 0; type < KV_COUNT; type++) {
        char name[32];

        snprintf(name, sizeof name, "kv_keep_%s", type_names[type]);
        if (begin(trial->now->tier, name, FRESH(trial, kv_keep[type]))) {
            for (int64_t c = 1; c < 100; c += 1 + random_below(9))
                keeping(trial, (enum kv_type)type, c, 1 + random_below(80));
            end();
        }
        snprintf(name, sizeof name, "attend_%s", type_names[type]);
        if (begin(trial->now->tier, name, FRESH(trial, attend[type]))) {
            test_type(trial->now, (enum kv_type)type);
            end();
        }
    }
    if (begin(trial->now->tier, "attend_fold", FRESH(trial, attend_fold))) {
        for (int64_t cv = 1; cv < 90; cv++)
            fold(trial->now->attend_fold, 1 + cv % PI_ATTEND_ROWS, cv);
        end();
    }
}
