/* recall.c - WKV and SHIFT against their formulas in double, with tokens all at once, in pieces and
 * one by one, and columns split between workers.
 */
#include "check.h"
#include "graph/graph.h"

extern const struct op pi_op_WKV, pi_op_SHIFT;

enum { HEADS = 3, SIZE = 20, WIDTH = HEADS * SIZE, TOKENS = 9, INPUTS = 6, STRIDE = 64 };

/* A program of one step, whose values lie one behind another. */
struct bench {
    struct kernels kernels;
    struct value values[INPUTS + 1];
    struct linked step;
    struct program program;
    struct plan plan;
    size_t value_at[INPUTS + 1], state_at[1];
    struct run run;
    float all[INPUTS][TOKENS][STRIDE], u[WIDTH];      /* what each token brings */
    _Alignas(64) float slab[INPUTS + 1][TOKENS][STRIDE];
    _Alignas(64) float state[HEADS * SIZE * SIZE], scratch[4 * SIZE];
};

static float draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) * 0x1p-23f - 1;
}

static void set_up(struct bench *b, const struct op *op, int n_in, bool bonus)
{
    static struct op_row row;
    uint32_t seed = 7;

    memset(b, 0, sizeof *b);
    pi_kernels_pick(&b->kernels, 0);
    row.does = op;
    for (int i = 0; i < INPUTS; i++)
        for (int t = 0; t < TOKENS; t++)
            for (int j = 0; j < WIDTH; j++)
                b->all[i][t][j] = draw(&seed);
    for (int j = 0; j < WIDTH; j++)
        b->u[j] = draw(&seed);
    for (int i = 0; i <= INPUTS; i++) {
        b->values[i].width = WIDTH;
        b->value_at[i] = (size_t)i * sizeof b->slab[0];
    }
    b->step = (struct linked){ .op = &row, .in = { 0, 1, 2, 3, 4, 5 }, .out = INPUTS,
                               .n_in = n_in, .p = { HEADS }, .floats = bonus ? b->u : NULL };
    b->program = (struct program){ .steps = &b->step, .n_steps = 1, .values = b->values,
                                   .n_values = INPUTS + 1, .kernels = &b->kernels };
    b->plan = (struct plan){ .value_at = b->value_at, .state_at = b->state_at };
    b->run = (struct run){ .program = &b->program, .plan = &b->plan, .kernels = &b->kernels,
                           .slab = (uint8_t *)b->slab, .state = (uint8_t *)b->state,
                           .scratch = (uint8_t *)b->scratch };
}

/* All tokens, `piece` at a time, by three workers one after the other. */
static void run_pieces(struct bench *b, int piece, float out[TOKENS][STRIDE])
{
    memset(b->state, 0x7f, sizeof b->state); /* what a position of 0 must clear */
    for (int t = 0; t < TOKENS; t += piece) {
        b->run.position = t;
        b->run.n = TOKENS - t < piece ? TOKENS - t : piece;
        for (int i = 0; i < INPUTS; i++)
            memcpy(b->slab[i], b->all[i][t], (size_t)b->run.n * sizeof b->slab[0][0]);
        for (int part = 0; part < 3; part++)
            b->step.op->does->forward(&b->run, &b->step, part, 3);
        memcpy(out[t], b->slab[INPUTS], (size_t)b->run.n * sizeof out[0]);
    }
}

/* One column of one head through all tokens. */
static void check_column(const struct bench *b, int head, int i, float out[TOKENS][STRIDE])
{
    double s[SIZE] = { 0 };
    int from = head * SIZE;

    for (int t = 0; t < TOKENS; t++) {
        const float *r = b->all[0][t] + from, *w = b->all[1][t] + from, *k = b->all[2][t] + from;
        const float *a = b->all[4][t] + from, *c = b->all[5][t] + from, *u = b->u + from;
        double v = (double)b->all[3][t][from + i], found = 0, y = 0;

        for (int j = 0; j < SIZE; j++)
            found += s[j] * (double)a[j];
        for (int j = 0; j < SIZE; j++) {
            double kv = (double)k[j] * v;

            if (b->step.floats)
                y += (double)r[j] * (s[j] + (double)u[j] * kv);
            s[j] = (double)w[j] * s[j] + kv + (b->step.floats ? 0 : (double)c[j] * found);
            if (!b->step.floats)
                y += (double)r[j] * s[j];
        }
        if (!(fabs(y - (double)out[t][from + i]) <= 1e-5 * (1 + fabs(y))))
            CHECK_FAIL("token %d, head %d, column %d: %g, expected %g", t, head, i,
                       (double)out[t][from + i], y);
    }
}

static struct bench b;
static float whole[TOKENS][STRIDE], pieces[TOKENS][STRIDE];

static void check_pieces(void)
{
    static const int sizes[] = { 1, 2, 4 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        run_pieces(&b, sizes[i], pieces);
        for (int t = 0; t < TOKENS; t++)
            if (memcmp(whole[t], pieces[t], WIDTH * sizeof(float)) != 0)
                CHECK_FAIL("pieces of %d: token %d differs", sizes[i], t);
    }
}

static void check_wkv(int n_in, bool bonus)
{
    set_up(&b, &pi_op_WKV, n_in, bonus);
    run_pieces(&b, TOKENS, whole);
    for (int head = 0; head < HEADS; head++)
        for (int i = 0; i < SIZE; i++)
            check_column(&b, head, i, whole);
    check_pieces();
}

static void wkv_reads_before(void) { check_wkv(4, true); }
static void wkv_replaces(void) { check_wkv(6, false); }

static void shift_is_the_token_before(void)
{
    static const float zeros[WIDTH];

    set_up(&b, &pi_op_SHIFT, 1, false);
    run_pieces(&b, TOKENS, whole);
    for (int t = 0; t < TOKENS; t++)
        CHECK(memcmp(whole[t], t ? b.all[0][t - 1] : zeros, sizeof zeros) == 0);
    check_pieces();
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(wkv_reads_before);
    RUN(wkv_replaces);
    RUN(shift_is_the_token_before);
    return CHECK_END();
}
