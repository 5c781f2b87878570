/* measure.c - this machine's own ceilings: a streaming read, and a loop of the widest multiply-add.
 */
#include "task.h"

#include <math.h>
#include <time.h>

enum { PAGE_BYTES = 4096, REPEATS = 7 };

struct measuring {
    const struct kernels *kernels;
    const uint8_t *data;
    int64_t pages;
    double rounds;
    atomic_uint_least64_t sink;        /* keeps what is read from being optimised away */
    double operations[PI_MAX_THREADS]; /* of each thread */
};

static void read_share(void *arg, int part, int parts)
{
    struct measuring *m = arg;
    int64_t first, last;

    pi_split(m->pages, 1, part, parts, &first, &last);
    atomic_fetch_add(&m->sink, m->kernels->stream(m->data + first * PAGE_BYTES,
                                                  (size_t)(last - first) * PAGE_BYTES));
}

static void compute_share(void *arg, int part, int parts)
{
    struct measuring *m = arg;

    (void)parts;
    m->operations[part] = m->kernels->peak((int64_t)m->rounds);
}

static double run_seconds(struct pool *pool, region_fn *region, struct measuring *m)
{
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    pi_pool_run(pool, region, m);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return fmax((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec), 1e-9);
}

/* The best of several runs: what the machine can do, not what its neighbours left of it. */
static void measure(struct measuring *m, struct pool *pool, double *bytes, double *operations)
{
    for (int i = 0; i < REPEATS; i++) {
        double sum = 0, time;

        time = run_seconds(pool, read_share, m);
        *bytes = fmax(*bytes, (double)(m->pages * PAGE_BYTES) / time);
        memset(m->operations, 0, sizeof m->operations);
        time = run_seconds(pool, compute_share, m);
        for (int j = 0; j < PI_MAX_THREADS; j++)
            sum += m->operations[j];
        *operations = fmax(*operations, sum / time);
        if (time < 0.02)
            m->rounds *= 0.05 / fmax(time, 1e-4);
    }
}

int pi_measure(const struct kernels *kernels, const struct allocator *allocator, int threads,
               int64_t bytes, double *stream_bytes, double *peak_operations, pith_error *err)
{
    int64_t pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    struct measuring *m;
    struct arena arena;
    struct pool *pool;
    uint8_t *data;
    int status;

    pi_arena_init(&arena, allocator);
    m = pi_arena_alloc(&arena, 1, sizeof *m);
    data = pi_arena_alloc(&arena, (size_t)pages, PAGE_BYTES);
    if (!m || !data) {
        pi_arena_free(&arena);
        return pi_no_memory(err, "the buffer to read", (size_t)bytes);
    }
    m->kernels = kernels;
    m->data = data;
    m->pages = pages;
    m->rounds = 1000;
    status = pi_pool_open(&pool, threads, &arena.allocator, err);
    if (status == PITH_OK) {
        measure(m, pool, stream_bytes, peak_operations);
        pi_pool_close(pool);
    }
    pi_arena_free(&arena);
    return status;
}
