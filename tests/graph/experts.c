/* experts.c - ROUTE, WEIGH, EXPERTS, EACH, SPREAD and MIX against double loops: scores of every
 * kind, formats and precisions, few and many tokens; the same bits for any number of workers and,
 * where that is promised, of tokens.
 */
#include "check.h"
#include "graph/graph.h"

enum { TOKENS = 130, SLICES = 8, COLS = 256, ROWS = 80, USED = 3, MOST = SLICES * COLS,
       MOST_THREADS = 4 };

enum { ROW_X, ROW_LOGITS, ROW_WIDE, ROW_CHOICE, ROW_SCALES, ROW_W, ROW_BIAS, ROW_COUNT };

static const struct weight rows[ROW_COUNT] = {
    { .name = "x", .gguf = "x", .shape = "" },
    { .name = "logits", .gguf = "logits", .shape = "" },
    { .name = "wide", .gguf = "wide", .shape = "" },
    { .name = "choice", .gguf = "choice", .shape = "" },
    { .name = "scales", .gguf = "scales", .shape = "" },
    { .name = "w", .gguf = "w", .shape = "" },
    { .name = "w.bias", .gguf = "w.bias", .shape = "" },
};

static float x[TOKENS * COLS], logits[TOKENS * SLICES], wide[TOKENS * SLICES * COLS];
static float choice[SLICES], scales[SLICES], bias[SLICES * ROWS];
static uint8_t w[SLICES * ROWS * COLS * 4];   /* of the format at hand, and its values: */
static float values[SLICES][ROWS][COLS];
static const uint8_t *apart[SLICES];          /* its slices, in another order than they lie */
static int32_t ids[TOKENS];
static struct pool *pools[1 + MOST_THREADS];

/* How it is run. */
struct how {
    enum dtype type;
    uint32_t tiers;
    bool exact, by_count, biased, apart;
    int threads;
    int64_t n;
};

static float draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) * 0x1p-23f - 1;
}

/* Random blocks whose float16 scales are 2^-7, and MXFP4 ones of 2^-7. */
static void fill_weights(enum dtype type)
{
    struct kernels kernels;
    uint32_t seed = 11;
    size_t bytes, block = (size_t)pi_dtype(type).bytes;

    pi_kernels_pick(&kernels, 0);
    CHECK(pi_dtype_bytes(type, (size_t)SLICES * ROWS * COLS, &bytes));
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)(draw(&seed) * 128 + 128);
    for (size_t i = 0; i < bytes; i += block) {
        float value = draw(&seed);

        if (type == DTYPE_F32)
            memcpy(w + i, &value, 4);
        else if (type == DTYPE_BF16)
            memcpy(w + i, (uint8_t *)&value + 2, 2);
        else if (type == DTYPE_MXFP4)
            w[i] = 120;
        else
            memcpy(w + i, "\x00\x20\x00\x20", type == DTYPE_Q4_K ? 4 : 2);
    }
    kernels.unpack[type](&values[0][0][0], w, SLICES * ROWS * COLS);
    for (int i = 0; i < SLICES; i++)
        apart[i] = w + (size_t)(SLICES - 1 - i) * bytes / SLICES;
}

static const float *slice(const struct how *how, int i, int row)
{
    return values[how->apart ? SLICES - 1 - i : i][row];
}

static struct bound floats(int row, const float *data, int64_t n, int64_t cols)
{
    return (struct bound){ &rows[row], -1,
                           { .data = (const uint8_t *)data, .name = "tensor", .dtype = DTYPE_F32,
                             .rows = n, .cols = cols, .stride = cols * 4, .depth = 1 } };
}

/* Runs x, l and e out of the tables and then the steps. Leaves y [n][its width] and returns the
 * width; -1 with the reason if a step does not link. */
static int64_t run_steps(const struct step *more, const struct how *how, float *y, pith_error *err)
{
    static const struct allocator plain;
    struct step steps[12] = { { OP_EMBED, "x", "ids", "x", NULL, NULL },
                             { OP_EMBED, "l", "ids", "logits", NULL, NULL },
                             { OP_EMBED, "e", "ids", "wide", NULL, NULL } };
    struct arch arch = { .name = "test", .parts = { { "decode", steps, NULL, NULL, "1" } } };
    struct numbers numbers = { .layer = -1 };
    struct bound bounds[ROW_COUNT] = {
        floats(ROW_X, x, TOKENS, COLS), floats(ROW_LOGITS, logits, TOKENS, SLICES),
        floats(ROW_WIDE, wide, TOKENS, SLICES * COLS), floats(ROW_CHOICE, choice, 1, SLICES),
        floats(ROW_SCALES, scales, 1, SLICES), floats(ROW_W, values[0][0], ROWS, COLS),
        floats(ROW_BIAS, bias, SLICES, ROWS) };
    struct kernels kernels;
    struct linkage from = { &arch, "decode", "y", &numbers, bounds, ROW_COUNT - !how->biased,
                            &kernels, how->exact, how->by_count, KV_F32 };
    struct program p;
    struct arena arena;
    struct plan plan;
    int64_t width = -1;

    for (int i = 0; i < 8 && more[i].out; i++)
        steps[3 + i] = more[i];
    bounds[ROW_W].m.data = w;
    bounds[ROW_W].m.dtype = how->type;
    bounds[ROW_W].m.depth = SLICES;
    bounds[ROW_W].m.slices = how->apart ? apart : NULL;
    bounds[ROW_W].m.stride = COLS / pi_dtype(how->type).block * pi_dtype(how->type).bytes;
    memset(err, 0, sizeof *err);
    pi_kernels_pick(&kernels, how->tiers & pi_cpu_tiers());
    pi_arena_init(&arena, &plain);
    if (pi_link(&p, &arena, &from, err) == PITH_OK &&
        pi_plan(&plan, &p, &arena, how->n, 1, how->n, how->threads, err) == PITH_OK) {
        struct run run = { .program = &p, .plan = &plan, .kernels = &kernels, .ids = ids,
                           .n = how->n, .n_outputs = 1, .pool = pools[how->threads] };

        run.slab = pi_arena_alloc(&arena, plan.slab_bytes, 1);
        run.shared = pi_arena_alloc(&arena, plan.shared_bytes + 1, 1);
        run.scratch = pi_arena_alloc(&arena, plan.thread_bytes * (size_t)how->threads, 1);
        CHECK_INT(pi_run(&run, err), PITH_OK);
        width = p.values[p.result].width;
        for (int64_t t = 0; t < how->n; t++)
            memcpy(y + t * width, pi_run_value(&run, p.result) + t * pi_row_stride(width),
                   (size_t)width * sizeof *y);
    }
    pi_arena_free(&arena);
    return width;
}

static void refuse(const struct step *steps, const char *part)
{
    static float y[TOKENS * MOST];
    struct how how = { .exact = true, .threads = 1, .n = 1 };
    pith_error err;

    CHECK_INT(run_steps(steps, &how, y, &err), -1);
    CHECK_HAS(err.text, part);
}

/* ---- ROUTE ---- */

/* What a recipe says, and what it means. */
struct routing {
    const char *params, *weight;
    int used, groups, groups_used, group_best;
    bool sigmoid, norm;
    double factor;
};

/* The place of the best of n that is not taken; -1: none. */
static int best(const double *v, const bool *taken, int n)
{
    int at = -1;

    for (int i = 0; i < n; i++)
        if (!taken[i] && (at < 0 || v[i] > v[at]))
            at = i;
    return at;
}

static void expect_groups(const struct routing *r, const double *chosen_by, bool *out)
{
    double group[SLICES] = { 0 };
    bool kept[SLICES] = { false };
    int size = SLICES / r->groups;

    for (int g = 0; g < r->groups; g++) {
        bool taken[SLICES] = { false };

        for (int i = 0; i < r->group_best; i++) {
            int at = best(chosen_by + g * size, taken, size);

            taken[at] = true;
            group[g] += chosen_by[g * size + at];
        }
    }
    for (int i = 0; i < r->groups_used; i++)
        kept[best(group, kept, r->groups)] = true;
    for (int i = 0; i < SLICES; i++)
        out[i] = !kept[i / size];
}

/* The routes of token t: indices, then weights. */
static void expect_routes(const struct routing *r, int t, double *routes)
{
    double score[SLICES], by[SLICES], sum = 0, total = 0;
    bool out[SLICES] = { false };

    for (int i = 0; i < SLICES; i++)
        sum += exp((double)logits[t * SLICES + i]);
    for (int i = 0; i < SLICES; i++) {
        double e = exp((double)logits[t * SLICES + i]);

        score[i] = r->sigmoid ? e / (1 + e) : e / sum;
        by[i] = score[i] + (r->weight ? (double)choice[i] : 0);
    }
    if (r->groups > 1)
        expect_groups(r, by, out);
    for (int i = 0; i < r->used; i++) {
        int at = best(by, out, SLICES);

        out[at] = true;
        routes[i] = at;
        routes[r->used + i] = score[at];
        total += score[at];
    }
    for (int i = r->used; i < 2 * r->used; i++)
        routes[i] *= (r->factor > 0 ? r->factor : 1) / (r->norm ? total : 1);
}

static void try_routes(struct routing r)
{
    static float y[TOKENS * MOST], first[TOKENS * MOST];
    const struct step steps[] = { { OP_ROUTE, "y", "l", r.weight, r.params, NULL }, { 0 } };
    double expected[2 * SLICES];
    pith_error err;

    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct how how = { .exact = true, .threads = threads, .n = TOKENS,
                           .tiers = threads > 2 ? UINT32_MAX : 0 };

        CHECK_INT(run_steps(steps, &how, y, &err), 2 * r.used);
        for (int t = 0; t < TOKENS; t++) {
            expect_routes(&r, t, expected);
            for (int i = 0; i < 2 * r.used; i++)
                CHECK_NEAR(y[t * 2 * r.used + i], expected[i], i < r.used ? 0 : 1e-5);
        }
        if (threads % 2)
            memcpy(first, y, sizeof y);
        else if (memcmp(first, y, (size_t)TOKENS * 2 * (size_t)r.used * sizeof *y) != 0)
            CHECK_FAIL("%s: %d workers give other bits", r.params, threads);
    }
}

static void routes_of_scores(void)
{
    try_routes((struct routing){ .params = "3", .used = 3 });
    try_routes((struct routing){ .params = "8,0,1", .used = 8, .norm = true });
    try_routes((struct routing){ .params = "2,1,0,2.5", .used = 2, .sigmoid = true,
                                 .factor = 2.5 });
    try_routes((struct routing){ .params = "3,1,1,1.5", .weight = "choice", .used = 3,
                                 .sigmoid = true, .norm = true, .factor = 1.5 });
    try_routes((struct routing){ .params = "1", .weight = "choice", .used = 1 });
}

static void routes_of_groups(void)
{
    try_routes((struct routing){ .params = "3,0,0,0,4,2", .used = 3, .groups = 4,
                                 .groups_used = 2, .group_best = 1 });
    try_routes((struct routing){ .params = "3,1,1,0,2,1,2", .weight = "choice", .used = 3,
                                 .groups = 2, .groups_used = 1, .group_best = 2, .sigmoid = true,
                                 .norm = true });
    try_routes((struct routing){ .params = "4,1,0,0,4,3,2", .weight = "choice", .used = 4,
                                 .groups = 4, .groups_used = 3, .group_best = 2,
                                 .sigmoid = true });
}

static void equals_go_to_the_first(void)
{
    static float y[TOKENS * MOST];
    const struct step steps[] = { { OP_ROUTE, "y", "l", NULL, "3,0,0,0,4,2", NULL }, { 0 } };
    struct how how = { .exact = true, .threads = 1, .n = 1 };
    float kept[SLICES];
    pith_error err;

    memcpy(kept, logits, sizeof kept);
    for (int i = 0; i < SLICES; i++)
        logits[i] = i == 5 ? 2 : 1;
    CHECK_INT(run_steps(steps, &how, y, &err), 6);
    CHECK(y[0] == 5 && y[1] == 0 && y[2] == 1); /* groups 2 and, of the others, 0 */
    memcpy(logits, kept, sizeof kept);
}

static void weigh(void)
{
    static float y[TOKENS * MOST];
    const struct step steps[] = { { OP_ROUTE, "r", "l", NULL, "3", NULL },
                                  { OP_WEIGH, "y", "r", "scales", NULL, NULL }, { 0 } };
    struct routing r = { .used = 3 };
    double expected[6];
    pith_error err;

    for (int threads = 1; threads <= 4; threads += 3) {
        struct how how = { .exact = true, .threads = threads, .n = TOKENS };

        CHECK_INT(run_steps(steps, &how, y, &err), 6);
        for (int t = 0; t < TOKENS; t++) {
            expect_routes(&r, t, expected);
            for (int i = 0; i < 3; i++) {
                CHECK_NEAR(y[t * 6 + i], expected[i], 0);
                CHECK_NEAR(y[t * 6 + 3 + i],
                           expected[3 + i] * (double)scales[(int)expected[i]], 1e-5);
            }
        }
    }
}

/* ---- EXPERTS and EACH ---- */

/* The ways in which products come: x for all slots, a row for each, twice the former and then the
 * latter, no routes. */
enum feed { FEED_SAME, FEED_SPREAD, FEED_BOTH, FEED_EACH };

static const struct routing routing = { .params = "3", .used = USED };

static const struct step feeds[][8] = {
    { { OP_ROUTE, "r", "l", NULL, "3", NULL }, { OP_EXPERTS, "y", "x r", "w", NULL, NULL },
      { 0 } },
    { { OP_ROUTE, "r", "l", NULL, "3", NULL }, { OP_SPREAD, "s", "x r", NULL, NULL, NULL },
      { OP_EXPERTS, "y", "s r", "w", NULL, NULL }, { 0 } },
    { { OP_ROUTE, "r", "l", NULL, "3", NULL }, { OP_SPREAD, "s", "x r", NULL, NULL, NULL },
      { OP_EXPERTS, "a", "x r", "w", NULL, NULL }, { OP_EXPERTS, "b", "x r", "w", NULL, NULL },
      { OP_EXPERTS, "y", "s r", "w", NULL, NULL }, { OP_ADD, "y", "y a", NULL, NULL, NULL },
      { OP_ADD, "y", "y b", NULL, NULL, NULL }, { 0 } },
    { { OP_EACH, "y", "e", "w", NULL, NULL }, { 0 } },
};

/* Row `row` of the slice times `by` times the input, and how far off it may be: what rounding to
 * bfloat16 or int8 with a scale may cost, or float32 sums. */
static double expect_product(const struct how *how, int index, int row, const float *in, double by,
                             double *bound)
{
    double size = 0, peak = 0, all = 0, sum = 0;
    const float *at = slice(how, index, row);

    for (int i = 0; i < COLS; i++) {
        double value = by * (double)in[i];

        sum += (double)at[i] * value;
        size += fabs((double)at[i]);
        peak = fmax(peak, fabs(value));
        all += fabs((double)at[i] * value);
    }
    *bound = how->exact ? 1.5e-5 * (all + 1) : 0.006 * peak * size;
    return sum;
}

static void check_products(const struct how *how, enum feed feed, const float *y)
{
    int slots = feed == FEED_EACH ? SLICES : USED;

    for (int64_t t = how->n - 1; t >= 0; t -= 1 + how->n / 8) {
        double routes[2 * SLICES];

        expect_routes(&routing, (int)t, routes);
        for (int s = 0; s < slots; s++) {
            int index = feed == FEED_EACH ? s : (int)routes[s];
            const float *in = feed == FEED_EACH ? wide + (t * SLICES + s) * COLS : x + t * COLS;
            double by = feed == FEED_SPREAD ? routes[USED + s]
                        : feed == FEED_BOTH ? 2 + routes[USED + s] : 1, bound;

            for (int row = 0; row < ROWS; row++) {
                double value = expect_product(how, index, row, in, by, &bound);

                if (how->biased)
                    value += (feed == FEED_BOTH ? 3 : 1) * (double)bias[index * ROWS + row];

                CHECK_NEAR(y[(t * slots + s) * ROWS + row], value, bound);
            }
        }
    }
}

/* Every number of workers gives the bits of one, and, unless the engine may depend on it, every
 * number of tokens those of all. */
static void try_products(struct how how, enum feed feed)
{
    static const int64_t counts[] = { TOKENS, 1, 17, 2, 3, 5, 16, 31, 33, 40 };
    static const int most[] = { MOST_THREADS, 3, 2 }; /* more workers than processors are slow */
    static float y[TOKENS * MOST], all[TOKENS * MOST], one[TOKENS * MOST];
    size_t row = (size_t)(feed == FEED_EACH ? SLICES : USED) * ROWS * sizeof *y;
    pith_error err;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (how.threads = 1; how.threads <= (i < 3 ? most[i] : 1); how.threads++) {
            if (how.tiers == 0 && how.threads % 2 == 0)
                continue;
            how.n = counts[i];
            CHECK_INT(run_steps(feeds[feed], &how, y, &err), (int64_t)(row / sizeof *y));
            if (how.threads == 1) {
                check_products(&how, feed, y);
                memcpy(one, y, (size_t)how.n * row);
                if (i == 0)
                    memcpy(all, y, (size_t)how.n * row);
            }
            if (memcmp(one, y, (size_t)how.n * row) != 0)
                CHECK_FAIL("type %d, %" PRId64 " tokens: %d workers give other bits", how.type,
                           how.n, how.threads);
            if (!how.by_count && memcmp(all, y, (size_t)how.n * row) != 0)
                CHECK_FAIL("type %d: %" PRId64 " tokens give other bits", how.type, how.n);
        }
}

static void try_formats(enum feed feed)
{
    static const enum dtype types[] = { DTYPE_F32, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_K,
                                        DTYPE_MXFP4 };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        fill_weights(types[i]);
        for (int tier = 0; tier < 2; tier++) {
            struct how how = { .type = types[i], .tiers = tier ? UINT32_MAX : 0,
                               .biased = i % 2 == 0, .apart = i % 2 == 1 && feed != FEED_EACH };

            how.exact = true;
            try_products(how, feed);
            how.exact = false;
            try_products(how, feed);
            how.by_count = true;
            if (tier)
                try_products(how, feed);
        }
    }
}

static void experts(void) { try_formats(FEED_SAME); }
static void experts_of_slots(void) { try_formats(FEED_SPREAD); }
static void experts_in_turn(void) { try_formats(FEED_BOTH); }
static void each(void) { try_formats(FEED_EACH); }

/* All tokens to the same experts: one group has them all, the others none. */
static void experts_all_alike(void)
{
    float kept[TOKENS * SLICES];

    memcpy(kept, logits, sizeof kept);
    for (int i = 0; i < TOKENS * SLICES; i++)
        logits[i] = kept[i % SLICES];
    fill_weights(DTYPE_BF16);
    try_products((struct how){ .type = DTYPE_BF16, .tiers = UINT32_MAX, .by_count = true },
                 FEED_SAME);
    fill_weights(DTYPE_Q8_0);
    try_products((struct how){ .type = DTYPE_Q8_0, .tiers = UINT32_MAX, .by_count = true },
                 FEED_SPREAD);
    memcpy(logits, kept, sizeof kept);
}

/* ---- MIX ---- */

/* A wide row is one for each of 8 slots here. */
static void try_mix(bool plain)
{
    static float y[TOKENS * MOST], first[TOKENS * MOST];
    const struct step steps[] = { { OP_ROUTE, "r", "l", NULL, "8", NULL },
                                  { OP_MIX, "y", "e r", NULL, plain ? "1" : NULL, NULL },
                                  { 0 } };
    struct routing r = { .used = SLICES };
    double routes[2 * SLICES];
    pith_error err;

    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        struct how how = { .exact = true, .threads = threads, .n = TOKENS };

        CHECK_INT(run_steps(steps, &how, y, &err), COLS);
        for (int t = 0; t < TOKENS; t++) {
            expect_routes(&r, t, routes);
            for (int i = 0; i < COLS; i++) {
                double sum = 0;

                for (int s = 0; s < SLICES; s++)
                    sum += (plain ? 1 : routes[SLICES + s]) *
                           (double)wide[(t * SLICES + s) * COLS + i];
                CHECK_NEAR(y[t * COLS + i], sum, 1e-5);
            }
        }
        if (threads == 1)
            memcpy(first, y, sizeof y);
        CHECK(memcmp(first, y, (size_t)TOKENS * COLS * sizeof *y) == 0);
    }
}

static void mix(void)
{
    try_mix(false);
    try_mix(true);
}

static void refusals(void)
{
    const struct step many[] = { { OP_ROUTE, "y", "l", NULL, "9", NULL }, { 0 } };
    const struct step groups[] = { { OP_ROUTE, "y", "l", NULL, "5,0,0,0,4,2", NULL }, { 0 } };
    const struct step uneven[] = { { OP_ROUTE, "y", "l", NULL, "2,0,0,0,3", NULL }, { 0 } };
    const struct step bare[] = { { OP_EXPERTS, "y", "x", "w", NULL, NULL }, { 0 } };
    const struct step unrouted[] = { { OP_EXPERTS, "y", "x l", "w", NULL, NULL }, { 0 } };
    const struct step narrow[] = { { OP_EACH, "y", "x", "w", NULL, NULL }, { 0 } };
    const struct step mixed[] = { { OP_ROUTE, "r", "l", NULL, "3", NULL },
                                  { OP_MIX, "y", "x r", NULL, NULL, NULL }, { 0 } };
    const struct step spread[] = { { OP_SPREAD, "y", "x", NULL, NULL, NULL }, { 0 } };

    refuse(many, "9 of 8 experts");
    refuse(groups, "5 of 8 experts cannot be chosen from 2 of 4 groups");
    refuse(uneven, "3 groups");
    refuse(bare, "no routes");
    refuse(unrouted, "no choice");
    refuse(narrow, "rows of 256");
    refuse(mixed, "256 and 6");
    refuse(spread, "no routes");
}

int main(int argc, char **argv)
{
    static const struct allocator plain;
    uint32_t seed = 5;

    for (int i = 1; i <= MOST_THREADS; i++)
        if (pi_pool_open(&pools[i], i, &plain, NULL) != PITH_OK)
            return 1;
    for (int i = 0; i < TOKENS; i++)
        ids[i] = i;
    for (int i = 0; i < TOKENS * COLS; i++)
        x[i] = 2 * draw(&seed);
    for (int i = 0; i < TOKENS * SLICES; i++)
        logits[i] = 3 * draw(&seed);
    for (int i = 0; i < TOKENS * SLICES * COLS; i++)
        wide[i] = draw(&seed);
    for (int i = 0; i < SLICES; i++) {
        choice[i] = draw(&seed) / 2;
        scales[i] = draw(&seed);
    }
    for (int i = 0; i < SLICES * ROWS; i++)
        bias[i] = draw(&seed);
    CHECK_START(argc, argv);
    RUN(routes_of_scores);
    RUN(routes_of_groups);
    RUN(equals_go_to_the_first);
    RUN(weigh);
    RUN(experts);
    RUN(experts_of_slots);
    RUN(experts_in_turn);
    RUN(each);
    RUN(experts_all_alike);
    RUN(mix);
    RUN(refusals);
    for (int i = 1; i <= MOST_THREADS; i++)
        pi_pool_close(pools[i]);
    return CHECK_END();
}
