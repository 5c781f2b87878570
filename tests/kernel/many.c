/* many.c - dot_many against a double sum of operands rounded to bfloat16 or, as dot_some, against
 * one of int8 activations, and both against themselves: what else is computed in the same call
 * must not change a bit of a result.
 */
#include "harness.h"

struct shape {
    bool some;            /* dot_some, not dot_many */
    enum operand operand; /* of the activations; F32: bfloat16, and so are the weights */
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

static void pack(const struct kernels *k, const struct shape *s, const struct operands *o,
                 int64_t first, int64_t last, int64_t m)
{
    if (s->some)
        GUARDED(k->pack_some(o->packed, first, last, m, s->cols, o->x, o->x_stride));
    else
        GUARDED(k->pack_many[s->operand](o->packed, first, last, m, s->cols,
                                         o->x + first * o->x_stride, o->x_stride));
}

/* The first `rows` and `m`, packed in pieces as several workers would. */
static void call(const struct kernels *k, const struct shape *s, const struct operands *o,
                 int64_t rows, int64_t m)
{
    for (int64_t i = 0; i < o->y_stride * s->m; i++)
        o->y[i] = pi_f32_from_bits(unwritten);
    for (int64_t at = 0, last; at < (s->some ? s->cols : m); at = last) {
        last = pi_min(s->some ? s->cols : m, at + PI_MANY_GROUP * (1 + random_below(3)));
        pack(k, s, o, at, last, m);
    }
    GUARDED((s->some ? k->dot_some : k->dot_many)[s->type](rows, s->cols, o->w, o->w_stride, m,
                                                           o->packed, o->y, o->y_stride,
                                                           o->scratch));
    if (tiles_in_use(k))
        fail("left the tiles in use");
}

static double rounded(float value) { return (double)pi_f32_from_bf16(pi_bf16_from_f32(value)); }

/* The activations as the engine sees them. */
static void expected_tokens(const struct shape *s, const struct operands *o, double *x)
{
    int64_t block = s->operand == OPERAND_Q8 ? 32 : 256;
    size_t bytes = pi_operand_bytes(s->operand, s->cols);
    uint8_t *row = aligned_alloc(64, bytes);
    const float *scale = (const float *)(const void *)(row + pi_operand_scales(s->cols));
    struct kernels scalar;

    pi_kernels_pick(&scalar, 0);
    for (int64_t t = 0; t < s->m; t++) {
        if (s->operand != OPERAND_F32)
            scalar.pack[s->operand](row, o->x + t * o->x_stride, s->cols);
        for (int64_t i = 0; i < s->cols; i++)
            x[t * s->cols + i] = s->operand != OPERAND_F32
                                     ? (double)scale[i / block] * (int8_t)row[i]
                                     : rounded(o->x[t * o->x_stride + i]);
    }
    free(row);
}

/* A row of weights likewise, and the magnitudes that the bound is stated in. */
static void expected_row(const struct shape *s, const uint8_t *at, double *w, double *size)
{
    struct kernels scalar;
    float *row;

    if (s->operand != OPERAND_F32) {
        weight_values(s->type, at, s->cols, w, size);
        return;
    }
    row = malloc((size_t)s->cols * sizeof *row);
    pi_kernels_pick(&scalar, 0);
    scalar.unpack[s->type](row, at, s->cols);
    for (int64_t i = 0; i < s->cols; i++) {
        w[i] = rounded(row[i]);
        size[i] = fabs(w[i]);
    }
    free(row);
}

static void check_row(const struct shape *s, const struct operands *o, int64_t r,
                      const double *w, const double *size, const double *x)
{
    double factor = s->operand != OPERAND_F32 ? 4 * ((double)s->cols / 16 + 32)
                                              : (double)s->cols / 4 + 32;

    for (int64_t t = 0; t < s->m; t++) {
        double sum = 0, bound = 0;
        float y = o->y[t * o->y_stride + r];

        for (int64_t i = 0; i < s->cols; i++) {
            sum += w[i] * x[t * s->cols + i];
            bound += size[i] * fabs(x[t * s->cols + i]);
        }
        bound = factor * EPS * bound + (double)s->cols * 0x1p-110;
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
    size_t n = (size_t)s->cols;
    double *w = malloc(n * 8), *size = malloc(n * 8), *x = malloc((size_t)s->m * n * 8);

    call(k, s, &o, s->rows, s->m);
    expected_tokens(s, &o, x);
    for (int64_t r = 0; r < s->rows; r += s->rows * s->m < 10000 ? 1 : 7) {
        expected_row(s, o.w + r * o.w_stride, w, size);
        check_row(s, &o, r, w, size, x);
    }
    for (int64_t i = 0; i < o.y_stride * s->m; i++)
        if (i % o.y_stride >= s->rows && pi_f32_bits(o.y[i]) != unwritten)
            fail("rows %" PRId64 " m %" PRId64 ": wrote behind a row of results", s->rows, s->m);
    free(w);
    free(size);
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

/* Random numbers of rows and tokens, all kinds of values. */
static void test_values(const struct kernels *k, struct shape *s, int most_tokens)
{
    int64_t block = pi_dtype(s->type).block, most = block == 1 ? 130 : block == 32 ? 35 : 9;

    for (int64_t blocks = 1; blocks <= most; blocks++)
        for (int draw = 0; draw < DRAW_COUNT; draw++) {
            s->cols = blocks * block;
            s->draw = (enum draw)draw;
            s->place = (enum place)((blocks + draw) % 2);
            s->rows = 1 + random_below(draw % 3 ? 6 : 70);
            s->m = 1 + random_below(draw % 3 ? most_tokens : 6);
            s->pad = random_below(3);
            against_double(k, s);
        }
    s->draw = DRAW_PLAIN;
    s->pad = 1;
}

/* Whole slabs and parts of them, whole blocks of rows and tokens and parts of them. */
static void test_shapes(const struct kernels *k, struct shape *s, const int64_t tokens[2])
{
    static const int64_t cols[] = { 32, 608, 928, 512, 544, 1024, 1280, 2080 };
    int64_t block = pi_dtype(s->type).block;

    for (size_t i = 0; i < PI_COUNT(cols); i++) {
        s->cols = (cols[i] + block - 1) / block * block + (block == 1 ? (int64_t)i : 0);
        s->rows = i % 2 ? 70 : 64;
        s->m = tokens[i % 3 == 0];
        against_double(k, s);
        if (i % 4 == 3 && tokens[0] > 3)
            against_itself(k, s);
    }
}

static void test_many_type(const struct kernels *k, enum dtype type, bool scalar)
{
    struct shape s = { .type = type, .operand = pi_many_operand(k, type) };
    int64_t block = pi_dtype(type).block;

    test_values(k, &s, 70);
    k->dot_many[type](0, block * 3, NULL, 0, 5, NULL, NULL, 0, NULL);
    k->dot_many[type](5, block * 3, NULL, 0, 0, NULL, NULL, 0, NULL);
    test_shapes(k, &s, scalar ? (int64_t[]){ 3, 3 } : (int64_t[]){ 64, 70 });
    if (scalar)
        return;
    s.cols = (520 + block - 1) / block * block; /* more rows, then more tokens, than one block */
    s.rows = 2100, s.m = 250;
    against_double(k, &s);
    s.rows = 33, s.m = 1030;
    against_double(k, &s);
}

static void test_some_type(const struct kernels *k, enum dtype type, bool scalar)
{
    struct shape s = { .type = type, .some = true, .operand = OPERAND_Q8 };
    int64_t block = pi_dtype(type).block;

    test_values(k, &s, 32);
    k->dot_some[type](0, block * 3, NULL, 0, 5, NULL, NULL, 0, NULL);
    k->dot_some[type](5, block * 3, NULL, 0, 0, NULL, NULL, 0, NULL);
    test_shapes(k, &s, scalar ? (int64_t[]){ 3, 3 } : (int64_t[]){ 32, 21 });
}

void test_many(const struct trial *trial)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        struct dtype_info info = pi_dtype((uint32_t)type);
        char name[32];

        snprintf(name, sizeof name, "many_%s", info.name ? info.name : "");
        if (trial->now->dot_many[type] &&
            begin(trial->now->tier, name, FRESH(trial, dot_many[type]))) {
            test_many_type(trial->now, (enum dtype)type, trial->first);
            end();
        }
        snprintf(name, sizeof name, "some_%s", info.name ? info.name : "");
        if (trial->now->dot_some[type] &&
            begin(trial->now->tier, name, FRESH(trial, dot_some[type]))) {
            test_some_type(trial->now, (enum dtype)type, trial->first);
            end();
        }
    }
}
