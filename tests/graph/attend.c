/* attend.c - the ATTEND operation with each of its parameters against double arithmetic over all
 * positions; the same bits however the tokens are fed and however many workers there are.
 */
#include "check.h"
#include "graph/graph.h"

enum { TOKENS = 1300, MOST = 12 * 24 };

static const struct weight rows[] = {
    { .name = "q", .gguf = "q", .shape = "" }, { .name = "k", .gguf = "k", .shape = "" },
    { .name = "v", .gguf = "v", .shape = "" }, { .name = "sinks", .gguf = "sinks", .shape = "" },
    { .name = "zeros", .gguf = "zeros", .shape = "" },
};
static float tables[3][TOKENS * MOST], zeros[TOKENS * MOST], sinks[16];
static int32_t ids[TOKENS];

/* One way to attend, and what the recipe says for it. */
struct way {
    const char *params, *weight;
    int h, k, c, cv;
    double scale, cap, window, alibi, chunk, steep;
    bool both;
    double again; /* window of a second layer that uses the state of the first; 0: none */
};

/* How it is run. */
struct how {
    uint32_t tiers;
    enum kv_type kv;
    int threads;
    int64_t piece;
};

static struct bound bound_of(int row, const float *data, int64_t n, int64_t cols)
{
    return (struct bound){ &rows[row], -1,
                           { .data = (const uint8_t *)data, .name = "tensor", .dtype = DTYPE_F32,
                             .rows = n, .cols = cols, .stride = cols * 4, .depth = 1 } };
}

/* A program whose steps point into `steps` [8]; z is the sum of what the layers attend to. */
static void link_way(struct program *p, struct arena *arena, struct step *steps,
                     const struct way *w, const struct how *how, const struct kernels *kernels)
{
    struct arch arch = { .name = "test" };
    struct numbers numbers = { .layer = -1 };
    struct bound bounds[] = { bound_of(0, tables[0], TOKENS, w->h * w->c),
                              bound_of(1, tables[1], TOKENS, w->k * w->c),
                              bound_of(2, tables[2], TOKENS, w->k * w->cv),
                              bound_of(3, sinks, 1, w->h),
                              bound_of(4, zeros, TOKENS, w->h * w->cv) };
    struct linkage from = { &arch, "decode", "z", &numbers, bounds, 5, kernels, false, false,
                            how->kv };
    pith_error err = { 0 };

    steps[0] = (struct step){ OP_EMBED, "q", "ids", "q", NULL, NULL };
    steps[1] = (struct step){ OP_EMBED, "k", "ids", "k", NULL, NULL };
    steps[2] = (struct step){ OP_EMBED, "v", "ids", "v", NULL, NULL };
    steps[3] = (struct step){ OP_EMBED, "z", "ids", "zeros", NULL, NULL };
    steps[4] = steps[7] = (struct step){ 0 };
    steps[5] = (struct step){ OP_ATTEND, "y", "q k v", w->weight, w->params, NULL };
    steps[6] = (struct step){ OP_ADD, "z", "z y", NULL, NULL, NULL };
    arch.parts[0] = (struct part){ "decode", steps, steps + 5, NULL, w->again != 0 ? "2" : "1" };
    if (pi_link(p, arena, &from, &err) != PITH_OK)
        CHECK_FAIL("%s", err.text);
}

/* Feeds `n` tokens in pieces; y [n][h * cv]. */
static void run_way(const struct way *w, const struct how *how, int64_t n, float *y)
{
    static const struct allocator plain;
    struct kernels kernels;
    struct step steps[8];
    struct program p;
    struct arena arena;
    struct plan plan;
    struct run run = { .program = &p, .plan = &plan, .kernels = &kernels, .n_outputs = 1 };
    int64_t width = w->h * w->cv;

    pi_kernels_pick(&kernels, how->tiers);
    pi_arena_init(&arena, &plain);
    link_way(&p, &arena, steps, w, how, &kernels);
    CHECK_INT(pi_plan(&plan, &p, &arena, how->piece, 1, n, how->threads, NULL), PITH_OK);
    run.slab = pi_arena_alloc(&arena, plan.slab_bytes, 1);
    run.state = pi_arena_alloc(&arena, plan.state_bytes, 1);
    run.shared = pi_arena_alloc(&arena, plan.shared_bytes + 1, 1);
    run.scratch = pi_arena_alloc(&arena, plan.thread_bytes * (size_t)how->threads, 1);
    memset(run.state, 0xFF, plan.state_bytes); /* may hold anything */
    CHECK_INT(pi_pool_open(&run.pool, how->threads, &plain, NULL), PITH_OK);
    for (; run.position < n; run.position += run.n) {
        run.ids = ids + run.position;
        run.n = pi_min(how->piece, n - run.position);
        CHECK_INT(pi_run(&run, NULL), PITH_OK);
        for (int64_t t = 0; t < run.n; t++)
            memcpy(y + (run.position + t) * width,
                   pi_run_value(&run, p.result) + t * pi_row_stride(width), (size_t)width * 4);
    }
    pi_pool_close(run.pool);
    pi_arena_free(&arena);
}

static bool sees(const struct way *w, int64_t n, int64_t p, int64_t t)
{
    if (t >= n || (!w->both && t > p))
        return false;
    if (w->window > 0 && (double)(t > p ? t - p : p - t) >= w->window)
        return false;
    return w->chunk == 0 || t / (int64_t)w->chunk == p / (int64_t)w->chunk;
}

/* The slope of a head by the published table of powers. */
static double slope_of(const struct way *w, int head)
{
    int n = 1;

    if (w->alibi == 0)
        return 0;
    while (n * 2 <= w->h)
        n *= 2;
    return (w->steep > 0 ? w->steep : 1) *
           (head < n ? pow(pow(2, -w->alibi / n), head + 1)
                     : pow(pow(2, -w->alibi / (2 * n)), 2 * (head - n) + 1));
}

/* What position p of a head must be, over the n positions there are. */
static void expect_row(const struct way *w, int64_t n, int64_t p, int head, double *y)
{
    int kv = head / (w->h / w->k);
    double s[TOKENS], max = w->weight ? (double)sinks[head] : -INFINITY, sum = 0;

    for (int64_t t = 0; t < n; t++) {
        s[t] = 0;
        for (int i = 0; i < w->c; i++)
            s[t] += (double)tables[0][ids[p] * w->h * w->c + head * w->c + i] *
                    (double)tables[1][ids[t] * w->k * w->c + kv * w->c + i];
        s[t] *= w->scale > 0 ? w->scale : 1 / sqrt(w->c);
        s[t] = w->cap > 0 ? w->cap * tanh(s[t] / w->cap) : s[t];
        s[t] -= slope_of(w, head) * fabs((double)(t - p));
        if (sees(w, n, p, t))
            max = fmax(max, s[t]);
    }
    sum = w->weight ? exp((double)sinks[head] - max) : 0;
    for (int64_t t = 0; t < n; t++)
        sum += s[t] = sees(w, n, p, t) ? exp(s[t] - max) : 0;
    for (int i = 0; i < w->cv; i++) {
        y[i] = 0;
        for (int64_t t = 0; t < n; t++)
            y[i] += s[t] / sum * (double)tables[2][ids[t] * w->k * w->cv + kv * w->cv + i];
    }
}

static void against_double(const struct way *w, const struct how *how, int64_t n, const float *y)
{
    static const double bounds[KV_COUNT] = { 1e-5, 2e-3, 2e-2, 2e-2 };
    double row[MOST], second[MOST] = { 0 };
    struct way again = *w;

    again.window = w->again;
    for (int64_t p = 0; p < n; p += 1 + n / 40)
        for (int head = 0; head < w->h; head++) {
            int64_t end = w->both ? pi_min(n, (p / how->piece + 1) * how->piece) : n;

            expect_row(w, end, p, head, row);
            if (w->again > 0)
                expect_row(&again, end, p, head, second);
            for (int i = 0; i < w->cv; i++)
                CHECK_NEAR((double)y[(p * w->h + head) * w->cv + i], row[i] + second[i],
                           bounds[how->kv]);
        }
}

static void try(struct way w, int64_t n)
{
    static float first[TOKENS * MOST], y[TOKENS * MOST];
    static const int64_t pieces[] = { TOKENS, 1, 37, 256 };
    static const uint32_t tiers[] = { 0, UINT32_MAX };
    size_t bytes = (size_t)(n * w.h * w.cv) * sizeof *y;

    for (int tier = 0; tier < 2; tier++)
        for (int kv = 0; kv < KV_COUNT; kv++)
            for (int i = 0; i < 4; i++) {
                struct how how = { tiers[tier] & pi_cpu_tiers(), (enum kv_type)kv, 1 + 2 * (i % 2),
                                   pieces[i] };

                if (tier == 0 && i != kv)
                    continue; /* plain C is slow */
                run_way(&w, &how, n, y);
                if (i == 0 || tier == 0 || w.both)
                    against_double(&w, &how, n, y);
                if (i == 0)
                    memcpy(first, y, bytes);
                else if (tier > 0 && !w.both && memcmp(first, y, bytes) != 0)
                    CHECK_FAIL("%s: %s, pieces of %" PRId64 " and %d workers give other bits",
                               w.params, kv == KV_Q8 ? "q8" : "float", how.piece, how.threads);
            }
}

static void plain(void)
{
    try((struct way){ .params = "8,2", .h = 8, .k = 2, .c = 24, .cv = 24 }, 300);
    try((struct way){ .params = "3,3", .h = 3, .k = 3, .c = 16, .cv = 16 }, TOKENS);
    try((struct way){ .params = "12,1,0.3", .h = 12, .k = 1, .c = 9, .cv = 7, .scale = 0.3 }, 400);
}

static void capped(void)
{
    try((struct way){ .params = "4,2,0,2", .h = 4, .k = 2, .c = 16, .cv = 24, .cap = 2 }, 150);
}

static void windows(void)
{
    try((struct way){ .params = "4,2,0,0,5", .h = 4, .k = 2, .c = 16, .cv = 16, .window = 5 }, 150);
    try((struct way){ .params = "4,4,0,0,300", .h = 4, .k = 4, .c = 8, .cv = 8, .window = 300 },
        TOKENS);
    try((struct way){ .params = "4,4,0,0,1", .h = 4, .k = 4, .c = 8, .cv = 8, .window = 1 }, 40);
}

static void chunks(void)
{
    try((struct way){ .params = "4,2,0,0,0,0,48", .h = 4, .k = 2, .c = 16, .cv = 16, .chunk = 48 },
        200);
    try((struct way){ .params = "2,1,0,0,7,0,130", .h = 2, .k = 1, .c = 16, .cv = 16, .window = 7,
                      .chunk = 130 }, 300);
}

static void biases(void)
{
    try((struct way){ .params = "8,8,0,0,0,8", .h = 8, .k = 8, .c = 16, .cv = 16, .alibi = 8 },
        200);
    try((struct way){ .params = "12,4,0,0,9,4", .h = 12, .k = 4, .c = 16, .cv = 16, .alibi = 4,
                      .window = 9 }, 150);
    try((struct way){ .params = "6,6,0,0,0,8,0,0,0,0.25", .h = 6, .k = 6, .c = 16, .cv = 16,
                      .alibi = 8, .steep = 0.25 }, 200);
}

static void both_ways(void)
{
    try((struct way){ .params = "4,2,0,0,0,0,0,1", .h = 4, .k = 2, .c = 16, .cv = 16,
                      .both = true }, 200);
    try((struct way){ .params = "4,2,0,0,6,8,0,1", .h = 4, .k = 2, .c = 16, .cv = 16, .both = true,
                      .window = 6, .alibi = 8 }, 200);
}

static void with_sinks(void)
{
    try((struct way){ .params = "8,2", .weight = "sinks", .h = 8, .k = 2, .c = 16, .cv = 16 }, 300);
    try((struct way){ .params = "8,2,0,0,4", .weight = "sinks", .h = 8, .k = 2, .c = 16, .cv = 16,
                      .window = 4 }, 30);
}

static void shared(void)
{
    try((struct way){ .params = "8,2,0,0,layer==0 ? 9 : 20,0,0,0,layer", .h = 8, .k = 2, .c = 16,
                      .cv = 16, .window = 9, .again = 20 }, 60);
}

int main(int argc, char **argv)
{
    uint32_t seed = 1;

    for (int i = 0; i < 3 * TOKENS * MOST + 16; i++) {
        float x;

        seed = seed * 1664525 + 1013904223;
        x = (float)(seed >> 8) * 0x1p-23f - 1;
        if (i < 16)
            sinks[i] = 2 * x;
        else
            tables[(i - 16) % 3][(i - 16) / 3] = (i - 16) % 3 == 2 ? x : 1.5f * x;
    }
    for (int i = 0; i < TOKENS; i++)
        ids[i] = i * 37 % TOKENS;
    CHECK_START(argc, argv);
    RUN(plain);
    RUN(capped);
    RUN(windows);
    RUN(chunks);
    RUN(biases);
    RUN(both_ways);
    RUN(with_sinks);
    RUN(shared);
    return CHECK_END();
}
