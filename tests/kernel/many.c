/* many.c - dot_many against a double sum of operands rounded to bfloat16, and against itself: what
 * else is computed in the same call must not change a bit of a result.
 */
#include "harness.h"

struct shape {
    enum dtype type;
    enum draw draw;
    enum place place;
    int64_t rows, cols, m, pad; /* pad: extra bytes between rows of weights */
};

/* One case: x [m][x_stride], y [m][y_stride], NaN where unwritten. */
struct operands {
    uint8_t *w, *packed, *scratch;
    float *x, *y;
    int64_t w_stride, x_stride, y_stride;
};

static const uint32_t unwritten = 0x7FC0BEEF;

static struct operands draw_operands(const struct shape *s)
{
    struct dtype_info info = pi_dtype(s->type);
    size_t used = (size_t)(s->cols / info.block * info.bytes), scratch;
    struct operands o = { .w_stride = (int64_t)used + s->pad, .x_stride = s->cols + s->pad,
                          .y_stride = s->rows + 3 };

    o.w = buffer((size_t)(o.w_stride * (s->rows - 1)) + used, s->place);
    o.x = buffer((size_t)(o.x_stride * (s->m - 1) + s->cols) * 4, s->place);
    o.y = buffer((size_t)(o.y_stride * s->m) * 4, s->place);
    o.packed = buffer(pi_many_bytes(s->m, s->cols), s->place);
    scratch = pi_many_scratch(s->rows, s->m);
    o.scratch = buffer(scratch, s->place);
    memset(o.scratch, 0xFF, scratch); /* may hold anything */
    memset(o.packed, 0xFF, pi_many_bytes(s->m, s->cols));
    for (int64_t r = 0; r < s->rows; r++)
        draw_weights(s->type, o.w + r * o.w_stride, s->cols,
                     s->draw >= DRAW_NAN && r != s->rows / 2 ? DRAW_PLAIN : s->draw);
    for (int64_t t = 0; t < s->m; t++)
        draw_floats(o.x + t * o.x_stride, s->cols,
                    s->draw >= DRAW_NAN && t != s->m / 2 ? DRAW_PLAIN : s->draw);
    protect(o.w);
    protect(o.x);
    return o;
}

/* Whether the tiles of AMX hold state: XINUSE, SDM volume 1, 13.6. A thread that leaves them in use
 * pays at every switch. */
static bool tiles_in_use(const struct kernels *k)
{
#if defined(__x86_64__) && !defined(PITH_AMX_EMULATE)
    enum { IN_USE = 1, TILES = 3 << 17 };
    uint32_t low = 0, high;

    if (!strcmp(k->tier, "amx")) /* such processors have the instruction */
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(IN_USE));
    return low & TILES;
#else
    (void)k;
    return false;
#endif
}

/* The first `rows` and `m`, packed in pieces as several workers would. */
static void call(const struct kernels *k, const struct shape *s, const struct operands *o,
                 int64_t rows, int64_t m)
{
    for (int64_t i = 0; i < o->y_stride * s->m; i++)
        o->y[i] = pi_f32_from_bits(unwritten);
    for (int64_t t = 0, last; t < m; t = last) {
        last = pi_min(m, t + PI_MANY_GROUP * (1 + random_below(3)));
        GUARDED(k->pack_many(o->packed, t, last, m, s->cols, o->x, o->x_stride));
    }
    GUARDED(k->dot_many[s->type](rows, s->cols, o->w, o->w_stride, m, o->packed, o->y,
                                 o->y_stride, o->scratch));
    if (tiles_in_use(k))
        fail("left the tiles in use");
}

static double rounded(float value) { return (double)pi_f32_from_bf16(pi_bf16_from_f32(value)); }

static void check_row(const struct shape *s, const struct operands *o, int64_t r,
                      const double *w, const double *x)
{
    for (int64_t t = 0; t < s->m; t++) {
        double sum = 0, bound = 0;
        float y = o->y[t * o->y_stride + r];

        for (int64_t i = 0; i < s->cols; i++) {
            sum += w[i] * x[t * s->cols + i];
            bound += fabs(w[i] * x[t * s->cols + i]);
        }
        bound = ((double)s->cols / 4 + 32) * EPS * bound + (double)s->cols * 0x1p-110;
        if (isfinite(sum) && fabs(sum) + bound >= (double)FLT_MAX)
            continue;
        if (!isfinite(sum) ? isfinite(y) : !near_double((double)y, sum, bound)) {
            fail("rows %" PRId64 " cols %" PRId64 " m %" PRId64 " draw %d: [%" PRId64 "][%" PRId64
                 "] is %.9g, expected %.9g within %.3g", s->rows, s->cols, s->m, (int)s->draw, t,
                 r, (double)y, sum, bound);
            break;
        }
    }
}

static void against_double(const struct kernels *k, const struct shape *s)
{
    struct operands o = draw_operands(s);
    struct kernels scalar;
    size_t n = (size_t)s->cols;
    double *w = malloc(n * 8), *x = malloc((size_t)s->m * n * 8);
    float *row = malloc(n * 4);

    pi_kernels_pick(&scalar, 0);
    call(k, s, &o, s->rows, s->m);
    for (int64_t i = 0; i < s->m * s->cols; i++)
        x[i] = rounded(o.x[i / s->cols * o.x_stride + i % s->cols]);
    for (int64_t r = 0; r < s->rows; r += s->rows * s->m < 10000 ? 1 : 7) {
        scalar.unpack[s->type](row, o.w + r * o.w_stride, s->cols);
        for (int64_t i = 0; i < s->cols; i++)
            w[i] = rounded(row[i]);
        check_row(s, &o, r, w, x);
    }
    for (int64_t i = 0; i < o.y_stride * s->m; i++)
        if (i % o.y_stride >= s->rows && pi_f32_bits(o.y[i]) != unwritten)
            fail("rows %" PRId64 " m %" PRId64 ": wrote behind a row of results", s->rows, s->m);
    free(row);
    free(w);
    free(x);
    release();
}

/* Bit for bit: smaller numbers of rows and tokens. */
static void against_itself(const struct kernels *k, const struct shape *s)
{
    static const int64_t counts[] = { 1, 16, 17, 32, 33, 65 };
    struct operands o = draw_operands(s);
    size_t bytes = (size_t)(o.y_stride * s->m) * 4;
    float *all = malloc(bytes);

    call(k, s, &o, s->rows, s->m);
    memcpy(all, o.y, bytes);
    for (size_t i = 0; i < PI_COUNT(counts); i++)
        for (size_t j = 0; j < PI_COUNT(counts); j++) {
            int64_t rows = pi_min(counts[i], s->rows), m = pi_min(counts[j], s->m);
            call(k, s, &o, rows, m);
            for (int64_t at = 0; at < m * o.y_stride; at++)
                if (at % o.y_stride < rows && !same_bits(o.y[at], all[at])) {
                    fail("cols %" PRId64 ": [%" PRId64 "][%" PRId64 "] depends on rows %" PRId64
                         ", m %" PRId64, s->cols, at / o.y_stride, at % o.y_stride, rows, m);
                    break;
                }
        }
    free(all);
    release();
}

static void test_type(const struct kernels *k, enum dtype type, bool scalar)
{
    static const int64_t cols[] = { 32, 608, 928, 512, 544, 1024, 1280, 2080 };
    int64_t block = pi_dtype(type).block, most = block == 1 ? 130 : block == 32 ? 35 : 9;
    struct shape s = { .type = type };

    for (int64_t blocks = 1; blocks <= most; blocks++)
        for (int draw = 0; draw < DRAW_COUNT; draw++) {
            s.cols = blocks * block;
            s.draw = (enum draw)draw;
            s.place = (enum place)((blocks + draw) % 2);
            s.rows = 1 + random_below(draw % 3 ? 6 : 70);
            s.m = 1 + random_below(draw % 3 ? 70 : 6);
            s.pad = random_below(3);
            against_double(k, &s);
        }
    k->dot_many[type](0, block * 3, NULL, 0, 5, NULL, NULL, 0, NULL);
    k->dot_many[type](5, block * 3, NULL, 0, 0, NULL, NULL, 0, NULL);
    s.draw = DRAW_PLAIN;
    s.pad = 1;
    for (size_t i = 0; i < PI_COUNT(cols); i++) {
        s.cols = (cols[i] + block - 1) / block * block + (block == 1 ? (int64_t)i : 0);
        s.rows = i % 2 ? 70 : 64, s.m = scalar ? 3 : i % 3 ? 64 : 70;
        against_double(k, &s);
        if (i % 4 == 3 && !scalar)
            against_itself(k, &s);
    }
    if (scalar)
        return;
    s.cols = (520 + block - 1) / block * block; /* more rows, then more tokens, than one block */
    s.rows = 2100, s.m = 250;
    against_double(k, &s);
    s.rows = 33, s.m = 1030;
    against_double(k, &s);
}

void test_many(const struct trial *trial)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        struct dtype_info info = pi_dtype((uint32_t)type);
        char name[32];

        snprintf(name, sizeof name, "many_%s", info.name ? info.name : "");
        if (trial->now->dot_many[type] &&
            begin(trial->now->tier, name, FRESH(trial, dot_many[type]))) {
            test_type(trial->now, (enum dtype)type, trial->first);
            end();
        }
    }
}
