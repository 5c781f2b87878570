/* words.c - the operations that only move or scale values, each against the same thing done by
 * hand, over one and three workers, with rows that are no multiple of a cache line.
 */
#include "check.h"
#include "graph/graph.h"

enum { ROWS = 5, WIDTH = 24, HALF = 12, MOST = 64 };

static const struct weight rows[] = {
    { .name = "e", .gguf = "e", .shape = "5,24" }, { .name = "f", .gguf = "f", .shape = "5,12" },
    { .name = "w", .gguf = "w", .shape = "24" },   { .name = "v", .gguf = "v", .shape = "6" },
    { .name = "one", .gguf = "one", .shape = "1" },
};
static float wide[ROWS * WIDTH], narrow[ROWS * HALF], weight[WIDTH];

static struct bound bound_of(int row, const float *data, int64_t n, int64_t cols)
{
    return (struct bound){ &rows[row], -1,
                           { .data = (const uint8_t *)data, .name = "tensor", .dtype = DTYPE_F32,
                             .rows = n, .cols = cols, .stride = cols * 4, .depth = 1 } };
}

/* Runs: a = the wide table, b = the narrow one, c = tanh(a), y = the step. Leaves y
 * [ROWS][its width] and returns the width; -1 with the reason if the step does not link. */
static int64_t run_step(struct step step, int threads, float y[ROWS][MOST], pith_error *err)
{
    static const struct allocator plain;
    const struct step steps[] = { { OP_EMBED, "a", "ids", "e", NULL, NULL },
                                  { OP_EMBED, "b", "ids", "f", NULL, NULL },
                                  { OP_ACTIVATE, "c", "a", NULL, "tanh", NULL }, step, { 0 } };
    const struct arch arch = { .name = "test", .parts = { { "decode", steps, NULL, NULL, "1" } } };
    struct numbers numbers = { .layer = -1 };
    struct bound bounds[] = { bound_of(0, wide, ROWS, WIDTH), bound_of(1, narrow, ROWS, HALF),
                              bound_of(2, weight, 1, WIDTH), bound_of(3, weight, 1, 6),
                              bound_of(4, weight, 1, 1) };
    static const int32_t ids[ROWS] = { 0, 1, 2, 3, 4 };
    struct kernels kernels;
    struct linkage from = { &arch, "decode", "y", &numbers, bounds, 5, &kernels, true, false,
                            KV_F32 };
    struct program program;
    struct arena arena;
    struct plan plan;
    int64_t width = -1;

    memset(err, 0, sizeof *err);
    pi_kernels_pick(&kernels, 0);
    pi_arena_init(&arena, &plain);
    if (pi_link(&program, &arena, &from, err) == PITH_OK &&
        pi_plan(&plan, &program, &arena, ROWS, 1, ROWS, threads, err) == PITH_OK) {
        struct run run = { .program = &program, .plan = &plan, .kernels = &kernels, .ids = ids,
                           .n = ROWS, .n_outputs = 1 };

        run.slab = pi_arena_alloc(&arena, plan.slab_bytes, 1);
        CHECK_INT(pi_pool_open(&run.pool, threads, &plain, NULL), PITH_OK);
        CHECK_INT(pi_run(&run, err), PITH_OK);
        width = program.values[program.result].width;
        for (int t = 0; t < ROWS; t++)
            memcpy(y[t], pi_run_value(&run, program.result) + t * pi_row_stride(width),
                   (size_t)width * sizeof(float));
        pi_pool_close(run.pool);
    }
    pi_arena_free(&arena);
    return width;
}

/* What value j of row t must be. */
typedef double expected_fn(int t, int j);

static void expect(struct step step, int64_t width, expected_fn *expected)
{
    static float y[ROWS][MOST];
    pith_error err;

    for (int threads = 1; threads <= 3; threads += 2) {
        CHECK_INT(run_step(step, threads, y, &err), width);
        for (int t = 0; t < ROWS; t++)
            for (int j = 0; j < width; j++)
                CHECK_NEAR(y[t][j], expected(t, j), 1e-5);
    }
}

static void refuse(struct step step, const char *part)
{
    static float y[ROWS][MOST];
    pith_error err;

    CHECK_INT(run_step(step, 1, y, &err), -1);
    CHECK_HAS(err.text, part);
}

static double a(int t, int j) { return (double)wide[t * WIDTH + j]; }
static double b(int t, int j) { return (double)narrow[t * HALF + j]; }
static double c(int t, int j) { return tanh(a(t, j)); }

static double scaled(int t, int j) { return a(t, j) * -2.5; }
static double scaled_by_number(int t, int j) { return a(t, j) * 3 * (double)weight[0]; }
static double scaled_by_vector(int t, int j) { return a(t, j) * (double)weight[j % 6]; }

static void scale(void)
{
    expect((struct step){ OP_SCALE, "y", "a", NULL, "0-2.5", NULL }, WIDTH, scaled);
    expect((struct step){ OP_SCALE, "y", "a", "one", "3", NULL }, WIDTH, scaled_by_number);
    expect((struct step){ OP_SCALE, "y", "a", "v", NULL, NULL }, WIDTH, scaled_by_vector);
    expect((struct step){ OP_SCALE, "y", "a", "absent?", NULL, NULL }, WIDTH, a);
    refuse((struct step){ OP_SCALE, "y", "b", "w", NULL, NULL }, "24 values");
}

static double squared(int t, int j) { return a(t, j) * a(t, j); }
static double by_runs(int t, int j) { return a(t, j) * b(t, j / 2); }

static void multiply(void)
{
    expect((struct step){ OP_MULTIPLY, "y", "a a", NULL, NULL, NULL }, WIDTH, squared);
    expect((struct step){ OP_MULTIPLY, "y", "a b", NULL, NULL, NULL }, WIDTH, by_runs);
    refuse((struct step){ OP_MULTIPLY, "y", "b a", NULL, NULL, NULL }, "12 and 24");
}

static double between(int t, int j, double by) { return a(t, j) + (c(t, j) - a(t, j)) * by; }
static double by_vector(int t, int j) { return between(t, j, (double)weight[j]); }
static double by_value(int t, int j) { return between(t, j, c(t, j)); }
static double by_both(int t, int j) { return between(t, j, c(t, j) + (double)weight[j]); }

static void lerp(void)
{
    expect((struct step){ OP_LERP, "y", "a c", "w", NULL, NULL }, WIDTH, by_vector);
    expect((struct step){ OP_LERP, "y", "a c c", NULL, NULL, NULL }, WIDTH, by_value);
    expect((struct step){ OP_LERP, "y", "a c c", "w", NULL, NULL }, WIDTH, by_both);
    refuse((struct step){ OP_LERP, "y", "a c", NULL, NULL, NULL }, "neither");
    refuse((struct step){ OP_LERP, "y", "a b", "w", NULL, NULL }, "24 and 12");
    refuse((struct step){ OP_LERP, "y", "a c b", NULL, NULL, NULL }, "t has 12");
}

static double sum_of(int t, int from, int n)
{
    return n ? a(t, from) + sum_of(t, from + 1, n - 1) : 0;
}

static double row_sum(int t, int j) { return sum_of(t, j, WIDTH); }
static double run_sum(int t, int j) { return sum_of(t, j * 8, 8); }

static void sum(void)
{
    expect((struct step){ OP_SUM, "y", "a", NULL, NULL, NULL }, 1, row_sum);
    expect((struct step){ OP_SUM, "y", "a", NULL, "8", NULL }, 3, run_sum);
    refuse((struct step){ OP_SUM, "y", "a", NULL, "7", NULL }, "runs of 7");
}

/* b's 12 values are 3 rows of factors for 4 parts of a. */
static double blended(int t, int j)
{
    double sum_of_parts = 0;

    for (int i = 0; i < 4; i++)
        sum_of_parts += (b(t, j / 6 * 4 + i) + 0.5) * a(t, i * 6 + j % 6);
    return sum_of_parts;
}

static double added_up(int t, int j) { return a(t, j) + a(t, j + 8) + a(t, j + 16); }

static void blend(void)
{
    expect((struct step){ OP_BLEND, "y", "a b", NULL, "4,0.5", NULL }, 18, blended);
    expect((struct step){ OP_BLEND, "y", "a", NULL, "3", NULL }, 8, added_up);
    refuse((struct step){ OP_BLEND, "y", "a b", NULL, "5", NULL }, "5 parts do not divide");
    refuse((struct step){ OP_BLEND, "y", "a b", NULL, "8", NULL }, "or 12 factors");
    refuse((struct step){ OP_BLEND, "y", "a b", NULL, "0", NULL }, "0 parts");
}

static double above(int t, int j)
{
    double mean = row_sum(t, 0) / WIDTH, squares = 0;

    for (int i = 0; i < WIDTH; i++)
        squares += (a(t, i) - mean) * (a(t, i) - mean);
    return fmax(0, a(t, j) - mean - 0.7 * sqrt(squares / WIDTH));
}

static void exceed(void)
{
    expect((struct step){ OP_EXCEED, "y", "a", NULL, "0.7", NULL }, WIDTH, above);
}

static double bent(int t, int j) { return a(t, j) < 0 ? expm1(a(t, j)) - a(t, j) : 0; }

static void bend(void)
{
    expect((struct step){ OP_BEND, "y", "a", NULL, NULL, NULL }, WIDTH, bent);
}

static double capped(int t, int j) { return 1.5 * tanh(a(t, j) / 1.5); }

static void softcap(void)
{
    expect((struct step){ OP_SOFTCAP, "y", "a", NULL, "1.5", NULL }, WIDTH, capped);
    refuse((struct step){ OP_SOFTCAP, "y", "a", NULL, "0", NULL }, "limit");
}

static double clamped(int t, int j) { return fmin(1.5, fmax(-1.5, a(t, j))); }

static void clamp(void)
{
    expect((struct step){ OP_CLAMP, "y", "a", NULL, "1.5", NULL }, WIDTH, clamped);
    refuse((struct step){ OP_CLAMP, "y", "a", NULL, "-1", NULL }, "limit");
}

static double tempered(int t, int j) { return a(t, j) * (1 + 0.3 * log(1 + (t + 1) / 2)); }

static void temper(void)
{
    expect((struct step){ OP_TEMPER, "y", "a", NULL, "0.3,2,1", NULL }, WIDTH, tempered);
    refuse((struct step){ OP_TEMPER, "y", "a", NULL, "0.3,0", NULL }, "period");
}

static double middle(int t, int j) { return a(t, j + 5); }
static double of_periods(int t, int j) { return a(t, j / 3 * 8 + 2 + j % 3); }

static void slice(void)
{
    expect((struct step){ OP_SLICE, "y", "a", NULL, "5,7", NULL }, 7, middle);
    expect((struct step){ OP_SLICE, "y", "a", NULL, "2,3,8", NULL }, 9, of_periods);
    refuse((struct step){ OP_SLICE, "y", "a", NULL, "20,5", NULL }, "rows of 24");
    refuse((struct step){ OP_SLICE, "y", "a", NULL, "0,5,7", NULL }, "rows of 24");
    refuse((struct step){ OP_SLICE, "y", "a", NULL, "0-1,5", NULL }, "rows of 24");
}

static double behind(int t, int j) { return j < WIDTH ? a(t, j) : b(t, j - WIDTH); }

static double in_groups(int t, int j)
{
    int group = j / 12, i = j % 12;

    return i < 8 ? a(t, group * 8 + i) : b(t, group * 4 + i - 8);
}

static void join(void)
{
    expect((struct step){ OP_JOIN, "y", "a b", NULL, NULL, NULL }, WIDTH + HALF, behind);
    expect((struct step){ OP_JOIN, "y", "a b", NULL, "3", NULL }, WIDTH + HALF, in_groups);
    refuse((struct step){ OP_JOIN, "y", "a b", NULL, "8", NULL }, "8 groups");
}

static double rms_of(int t, int from, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += a(t, from + i) * a(t, from + i);
    return sqrt(sum / n + 0.1);
}

static double plain_norm(int t, int j) { return a(t, j) / rms_of(t, 0, WIDTH); }
static double grouped(int t, int j) { return a(t, j) / rms_of(t, j / 8 * 8, 8); }
static double each_its_own(int t, int j) { return grouped(t, j) * (double)weight[j]; }
static double repeated(int t, int j)
{
    return a(t, j) / rms_of(t, j / 3 * 3, 3) * (double)weight[j % 6];
}

static void norm(void)
{
    expect((struct step){ OP_NORM, "y", "a", NULL, "0.1,rms", NULL }, WIDTH, plain_norm);
    expect((struct step){ OP_NORM, "y", "a", NULL, "0.1,rms,8", NULL }, WIDTH, grouped);
    expect((struct step){ OP_NORM, "y", "a", "w", "0.1,rms,8", NULL }, WIDTH, each_its_own);
    expect((struct step){ OP_NORM, "y", "a", "v", "0.1,rms,3", NULL }, WIDTH, repeated);
    refuse((struct step){ OP_NORM, "y", "a", "v", "0.1,rms,4", NULL }, "groups of 4");
    refuse((struct step){ OP_NORM, "y", "a", NULL, "0.1,rms,7", NULL }, "groups of 7");
}

int main(int argc, char **argv)
{
    for (int i = 0; i < ROWS * WIDTH; i++)
        wide[i] = (float)sin(i * 1.7) * 3;
    for (int i = 0; i < ROWS * HALF; i++)
        narrow[i] = (float)cos(i * 2.3);
    for (int i = 0; i < WIDTH; i++)
        weight[i] = 1 + (float)sin(i * 0.9) / 2;
    CHECK_START(argc, argv);
    RUN(scale);
    RUN(multiply);
    RUN(lerp);
    RUN(sum);
    RUN(blend);
    RUN(exceed);
    RUN(bend);
    RUN(softcap);
    RUN(clamp);
    RUN(temper);
    RUN(slice);
    RUN(join);
    RUN(norm);
    return CHECK_END();
}
