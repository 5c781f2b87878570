/* dot.c - every dot against a double sum that follows the format's definition, and against itself:
 * what else is computed in the same call must not change a bit of a result.
 */
#include "harness.h"

#include "kernel/scalar/grid.h"

void weight_values(enum dtype type, const uint8_t *w, int64_t n, double *value, double *size)
{
    typedef void read32_fn(struct block32 *b, const uint8_t *w);
    typedef void read256_fn(struct block256 *b, const uint8_t *w);
    static read32_fn *const read32[DTYPE_COUNT] = {
        [DTYPE_Q4_0] = read_q4_0, [DTYPE_Q4_1] = read_q4_1, [DTYPE_Q5_0] = read_q5_0,
        [DTYPE_Q5_1] = read_q5_1, [DTYPE_Q8_0] = read_q8_0, [DTYPE_IQ4_NL] = read_iq4_nl,
        [DTYPE_MXFP4] = read_mxfp4
    };
    static read256_fn *const read256[DTYPE_COUNT] = {
        [DTYPE_Q2_K] = read_q2_k, [DTYPE_Q3_K] = read_q3_k, [DTYPE_Q4_K] = read_q4_k,
        [DTYPE_Q5_K] = read_q5_k, [DTYPE_Q6_K] = read_q6_k, [DTYPE_IQ4_XS] = read_iq4_xs,
        [DTYPE_IQ2_XXS] = read_iq2_xxs, [DTYPE_IQ2_XS] = read_iq2_xs, [DTYPE_IQ2_S] = read_iq2_s,
        [DTYPE_IQ3_XXS] = read_iq3_xxs, [DTYPE_IQ3_S] = read_iq3_s, [DTYPE_IQ1_S] = read_iq1_s,
        [DTYPE_IQ1_M] = read_iq1_m, [DTYPE_TQ1_0] = read_tq1_0, [DTYPE_TQ2_0] = read_tq2_0
    };
    struct dtype_info info = pi_dtype(type);
    struct block32 a = { 0 };
    struct block256 b = { 0 };

    for (int64_t i = 0; i < n; i++) {
        const uint8_t *at = w + i / info.block * info.bytes;
        double part, min = 0;
        if (read32[type]) {
            if (i % 32 == 0)
                read32[type](&a, at);
            part = (double)a.scale * a.q[i % 32];
            min = (double)a.min;
        } else if (read256[type]) {
            int j = (int)(i % 256);
            if (j == 0)
                read256[type](&b, at);
            part = (double)b.d * b.group[j / 16] * b.q[j];
            min = -(double)b.dmin * b.low[j / 16];
        } else if (type == DTYPE_NVFP4) {
            int j = (int)(i % 64);
            part = (double)nvfp4_scale_scalar(at[j / 16]) * nvfp4_value_scalar(at, j);
        } else {
            part = (double)(type == DTYPE_F32   ? pi_f32_from_bits(pi_le32(at))
                            : type == DTYPE_F16 ? pi_f32_from_f16(pi_le16(at))
                                                : pi_f32_from_bf16(pi_le16(at)));
        }
        value[i] = part + min;
        size[i] = fabs(part) + fabs(min);
    }
}

/* Values of an operand row in double. */
static void operand_values(enum operand kind, const uint8_t *x, int64_t n, double *value)
{
    const float *scale = (const float *)(const void *)(x + pi_operand_scales(n));

    for (int64_t i = 0; i < n; i++)
        value[i] = kind == OPERAND_F32  ? (double)((const float *)(const void *)x)[i]
                   : kind == OPERAND_Q8 ? (double)scale[i / 32] * (int8_t)x[i]
                                        : (double)scale[i / 256] * (int8_t)x[i];
}

struct shape {
    enum dtype type;
    enum draw draw;
    enum place place;
    int64_t rows, cols, m, pad; /* pad: extra bytes between rows of weights */
};

/* The operands of one case, and room for the results; y is [m][rows + 3], NaN where unwritten. */
struct operands {
    uint8_t *w, *x;
    float *y;
    int64_t w_stride, x_stride, y_stride;
};

static const uint32_t unwritten = 0x7FC0BEEF;

static struct operands draw_operands(const struct shape *s)
{
    struct dtype_info info = pi_dtype(s->type);
    enum operand kind = pi_operand_of(s->type);
    struct kernels scalar;
    struct operands o;
    size_t used = (size_t)(s->cols / info.block * info.bytes);

    pi_kernels_pick(&scalar, 0);
    o.w_stride = (int64_t)used + s->pad;
    o.x_stride = (int64_t)pi_operand_bytes(kind, s->cols);
    o.y_stride = s->rows + 3;
    o.w = buffer((size_t)(o.w_stride * (s->rows - 1)) + used, s->place);
    o.x = buffer((size_t)(o.x_stride * s->m), s->place);
    o.y = buffer((size_t)(o.y_stride * s->m) * 4, s->place);
    for (int64_t r = 0; r < s->rows; r++)
        draw_weights(s->type, o.w + r * o.w_stride, s->cols,
                     s->draw >= DRAW_NAN && r != s->rows / 2 ? DRAW_PLAIN : s->draw);
    for (int64_t t = 0; t < s->m; t++) {
        float *row = malloc((size_t)s->cols * sizeof *row);
        draw_floats(row, s->cols, s->draw >= DRAW_NAN && t != s->m / 2 ? DRAW_PLAIN : s->draw);
        if (kind == OPERAND_F32) {
            memset(o.x + t * o.x_stride, 0xFF, (size_t)o.x_stride); /* padding may hold anything */
            memcpy(o.x + t * o.x_stride, row, (size_t)s->cols * sizeof *row);
        } else {
            scalar.pack[kind](o.x + t * o.x_stride, row, s->cols);
        }
        free(row);
    }
    for (int64_t i = 0; i < o.y_stride * s->m; i++)
        o.y[i] = pi_f32_from_bits(unwritten);
    protect(o.w);
    protect(o.x);
    return o;
}

/* dot on the part of the operands that starts at (row, token). */
static void call(dot_fn *dot, const struct operands *o, int64_t cols, int64_t row, int64_t rows,
                 int64_t token, int64_t m, float *y)
{
    GUARDED(dot(rows, cols, o->w + row * o->w_stride, o->w_stride, m, o->x + token * o->x_stride,
                o->x_stride, y, o->y_stride));
}

static void against_double(const struct shape *s, dot_fn *dot)
{
    struct operands o = draw_operands(s);
    struct dtype_info info = pi_dtype(s->type);
    enum operand kind = pi_operand_of(s->type);
    size_t n = (size_t)s->cols;
    double *w = malloc(n * 8), *size = malloc(n * 8), *x = malloc((size_t)s->m * n * 8);
    double factor = kind == OPERAND_F32 ? (double)s->cols / 4 + 32
                                        : 4 * ((double)(s->cols / info.block) + 32);

    call(dot, &o, s->cols, 0, s->rows, 0, s->m, o.y);
    for (int64_t t = 0; t < s->m; t++)
        operand_values(kind, o.x + t * o.x_stride, s->cols, x + t * s->cols);
    for (int64_t r = 0; r < s->rows; r++) {
        weight_values(s->type, o.w + r * o.w_stride, s->cols, w, size);
        for (int64_t t = 0; t < s->m; t++) {
            double sum = 0, bound = 0;
            float y = o.y[t * o.y_stride + r];
            for (int64_t i = 0; i < s->cols; i++) {
                sum += w[i] * x[t * s->cols + i];
                bound += size[i] * fabs(x[t * s->cols + i]);
            }
            bound = factor * EPS * bound + (double)s->cols * 0x1p-110;
            if (isfinite(sum) && fabs(sum) + bound >= (double)FLT_MAX)
                continue;
            if (!isfinite(sum) ? isfinite(y) : !near_double((double)y, sum, bound))
                fail("rows %" PRId64 " cols %" PRId64 " m %" PRId64 " draw %d: [%" PRId64
                     "][%" PRId64 "] is %.9g, expected %.9g within %.3g", s->rows, s->cols, s->m,
                     (int)s->draw, t, r, (double)y, sum, bound);
        }
    }
    for (int64_t i = 0; i < o.y_stride * s->m; i++)
        if (i % o.y_stride >= s->rows && pi_f32_bits(o.y[i]) != unwritten)
            fail("rows %" PRId64 " m %" PRId64 ": wrote behind a row of results", s->rows, s->m);
    free(w);
    free(size);
    free(x);
    release();
}

/* Bit for bit: each (row, token) alone, and every smaller number of rows and tokens. */
static void against_itself(const struct shape *s, dot_fn *dot)
{
    struct operands o = draw_operands(s);
    float *one = buffer((size_t)(o.y_stride * s->m) * 4, PLACE_END);

    for (int64_t t = 0; t < s->m; t++)
        for (int64_t r = 0; r < s->rows; r++)
            call(dot, &o, s->cols, r, 1, t, 1, one + t * o.y_stride + r);
    for (int64_t m = 1; m <= s->m; m += m < 18 ? 1 : 13)
        for (int64_t rows = 1; rows <= s->rows; rows += rows < 18 ? 1 : 11) {
            call(dot, &o, s->cols, 0, rows, 0, m, o.y);
            for (int64_t i = 0; i < m * o.y_stride; i++)
                if (i % o.y_stride < rows && !same_bits(o.y[i], one[i])) {
                    fail("cols %" PRId64 ": [%" PRId64 "][%" PRId64 "] depends on rows %" PRId64
                         ", m %" PRId64, s->cols, i / o.y_stride, i % o.y_stride, rows, m);
                    break;
                }
        }
    release();
}

static void test_type(enum dtype type, dot_fn *dot)
{
    int64_t block = pi_dtype(type).block, most = block == 1 ? 130 : block == 32 ? 35 : 9;
    static const int64_t blocks_itself[] = { 1, 3, 4, 7, 16, 18, 33, 70 };
    struct shape s = { .type = type };

    for (int64_t blocks = 1; blocks <= most; blocks++)
        for (int draw = 0; draw < DRAW_COUNT; draw++) {
            s.cols = blocks * block;
            s.draw = (enum draw)draw;
            s.place = (enum place)((blocks + draw) % 2);
            s.rows = 1 + random_below(6);
            s.m = 1 + random_below(6);
            s.pad = random_below(3);
            against_double(&s, dot);
        }
    dot(0, block * 3, NULL, 0, 5, NULL, 0, NULL, 0);
    dot(5, block * 3, NULL, 0, 0, NULL, 0, NULL, 0);
    s.draw = DRAW_PLAIN;
    s.rows = 37, s.m = 19, s.pad = 0;
    for (size_t i = 0; i < PI_COUNT(blocks_itself); i++) {
        s.cols = blocks_itself[i] * (block == 1 ? 37 : block);
        if (s.cols > 33 * 256)
            continue;
        s.place = (enum place)(i % 2);
        against_double(&s, dot);
        against_itself(&s, dot);
    }
}

void test_dot(const struct trial *trial)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        struct dtype_info info = pi_dtype((uint32_t)type);
        char name[32];

        snprintf(name, sizeof name, "dot_%s", info.name ? info.name : "");
        if (!trial->now->dot[type] || !begin(trial->now->tier, name, FRESH(trial, dot[type])))
            continue;
        test_type((enum dtype)type, trial->now->dot[type]);
        end();
    }
}
