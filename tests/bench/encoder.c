/* encoder.c - speed of an encoder's shape as a share of this machine's peak: BERT base (12 layers,
 * 768 wide, 12 heads, feed-forward of 3072), texts of 128 tokens behind one another without
 * padding, each seeing itself alone and in both directions, keys and values of the batch only.
 *
 *     encoder TYPE [THREADS]
 */
#include "graph/graph.h"
#include "noise.h"
#include "task/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LAYERS = 12, DIM = 768, HIDDEN = 3072, WORDS = 1000, TEXT = 128, TEXTS = 32,
       BATCH = 4 * TEXT, REPEATS = 7, MAX_BOUNDS = 256 };

static const struct step enter[] = {
    { OP_EMBED, "x", "ids", "embed", NULL, NULL },
    { OP_NORM, "x", "x", "norm", "1e-12,layernorm", NULL },
    { 0 }
};

static const struct step block[] = {
    { OP_LINEAR, "q", "x", "q", NULL, NULL },
    { OP_LINEAR, "k", "x", "k", NULL, NULL },
    { OP_LINEAR, "v", "x", "v", NULL, NULL },
    { OP_ATTEND, "a", "q k v", NULL, "12,12,0,0,0,0,128,1", NULL },
    { OP_LINEAR, "o", "a", "o", NULL, NULL },
    { OP_ADD, "x", "x o", NULL, NULL, NULL },
    { OP_NORM, "x", "x", "norm1", "1e-12,layernorm", NULL },
    { OP_LINEAR, "u", "x", "up", NULL, NULL },
    { OP_ACTIVATE, "u", "u", NULL, "gelu", NULL },
    { OP_LINEAR, "f", "u", "down", NULL, NULL },
    { OP_ADD, "x", "x f", NULL, NULL, NULL },
    { OP_NORM, "x", "x", "norm2", "1e-12,layernorm", NULL },
    { 0 }
};

static const struct arch arch = { .name = "encoder", .parts = { { "encode", enter, block, NULL,
                                                                  "12" } } };

/* The weights: vectors are F32, matrices of the type asked for. */
static const struct shape {
    struct weight row;
    int64_t rows, cols;
} outside[] = {
    { { .name = "embed" }, WORDS, DIM },
    { { .name = "norm" }, 1, DIM },
    { { .name = "norm.bias" }, 1, DIM },
}, inside[] = {
    { { .name = "q" }, DIM, DIM },     { { .name = "q.bias" }, 1, DIM },
    { { .name = "k" }, DIM, DIM },     { { .name = "k.bias" }, 1, DIM },
    { { .name = "v" }, DIM, DIM },     { { .name = "v.bias" }, 1, DIM },
    { { .name = "o" }, DIM, DIM },     { { .name = "o.bias" }, 1, DIM },
    { { .name = "up" }, HIDDEN, DIM }, { { .name = "up.bias" }, 1, HIDDEN },
    { { .name = "down" }, DIM, HIDDEN }, { { .name = "down.bias" }, 1, DIM },
    { { .name = "norm1" }, 1, DIM },   { { .name = "norm1.bias" }, 1, DIM },
    { { .name = "norm2" }, 1, DIM },   { { .name = "norm2.bias" }, 1, DIM },
};

static struct bound bounds[MAX_BOUNDS];
static int n_bounds;

static void *room(struct arena *arena, size_t bytes)
{
    void *p = pi_arena_alloc(arena, bytes + 1, 1);

    if (!p) {
        fprintf(stderr, "encoder: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return p;
}

static void bind(struct arena *arena, const struct shape *s, int layer, enum dtype matrices)
{
    enum dtype type = s->rows == 1 ? DTYPE_F32 : matrices;
    struct dtype_info info = pi_dtype(type);
    int64_t stride = s->cols / info.block * info.bytes;
    uint8_t *data = room(arena, (size_t)(s->rows * stride));

    for (int64_t at = 0; at < s->rows * stride; at += info.bytes)
        fill_block(data + at, type, s->rows == 1);
    bounds[n_bounds++] = (struct bound){
        &s->row, layer, { .data = data, .name = s->row.name, .dtype = type, .rows = s->rows,
                          .cols = s->cols, .stride = stride, .depth = 1 } };
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void give_up(const pith_error *err)
{
    fprintf(stderr, "encoder: %s\n", err->text);
    exit(1);
}

/* Tokens a second of one batch of texts. */
static double measure_texts(struct run *run, pith_error *err)
{
    double start = now();

    for (int i = 0; i < TEXTS * TEXT / BATCH; i++)
        if (pi_run(run, err) != PITH_OK)
            give_up(err);
    return TEXTS * TEXT / (now() - start);
}

static void measure(enum dtype type, int threads)
{
    static const struct allocator plain;
    static int32_t ids[BATCH];
    struct numbers numbers = { .layer = -1 };
    struct arena arena;
    struct kernels kernels;
    struct program program;
    struct plan plan;
    struct pool *pool;
    double tokens = 0, most = 0, operations = 0;
    pith_error err = { 0 };

    pi_arena_init(&arena, &plain);
    pi_kernels_pick(&kernels, pi_cpu_tiers());
    for (size_t i = 0; i < PI_COUNT(outside); i++)
        bind(&arena, &outside[i], -1, type);
    for (int layer = 0; layer < LAYERS; layer++)
        for (size_t i = 0; i < PI_COUNT(inside); i++) {
            bind(&arena, &inside[i], layer, type);
            operations += inside[i].rows > 1 ? 2.0 * (double)(inside[i].rows * inside[i].cols) : 0;
        }
    for (int i = 0; i < BATCH; i++)
        ids[i] = (int32_t)(next_noise() % WORDS);

    struct linkage linkage = { &arch, "encode", "x", &numbers, bounds, n_bounds, &kernels,
                               false, true, KV_BF16 };
    if (pi_link(&program, &arena, &linkage, &err) != PITH_OK ||
        pi_plan(&plan, &program, &arena, BATCH, 1, BATCH, threads, &err) != PITH_OK ||
        pi_pool_open(&pool, threads, &plain, &err) != PITH_OK)
        give_up(&err);

    struct run run = { .program = &program, .plan = &plan, .kernels = &kernels, .pool = pool,
                       .slab = room(&arena, plan.slab_bytes),
                       .state = room(&arena, plan.state_bytes),
                       .shared = room(&arena, plan.shared_bytes),
                       .scratch = room(&arena, plan.thread_bytes * (size_t)threads),
                       .ids = ids, .n = BATCH, .n_outputs = 1 };
    for (int i = 0; i < REPEATS; i++) {
        double speed = measure_texts(&run, &err), stream = 0, peak = 0;

        if (pi_measure(&kernels, &plain, threads, 1 << 20, &stream, &peak, &err) != PITH_OK)
            give_up(&err);
        tokens = speed > tokens ? speed : tokens;
        most = peak > most ? peak : most;
    }
    printf("| %s | %.0f | %.0f %% |\n", pi_dtype(type).name, tokens,
           100 * tokens * operations / most);
    pi_pool_close(pool);
    pi_arena_free(&arena);
}

int main(int argc, char **argv)
{
    int threads = argc == 3 ? atoi(argv[2]) : pi_cpu_count();

    for (uint32_t type = 0; argc >= 2 && argc <= 3 && type < DTYPE_COUNT; type++) {
        const char *name = pi_dtype(type).name;

        if (name && strcmp(name, argv[1]) == 0 && threads > 0 && threads <= PI_MAX_THREADS)
            return measure((enum dtype)type, threads), 0;
    }
    fprintf(stderr, "usage: encoder TYPE [THREADS]\n");
    return 2;
}
