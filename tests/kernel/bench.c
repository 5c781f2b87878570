/* bench.c - dot against the machine's own ceilings, measured in turns in the same run.
 *
 * One token: weight bytes per second as a share of a plain read of the same buffer, with one and
 * two threads, in memory and in the cache. Many tokens: operations per second as a share of the
 * tier's peak (of float formats: a quarter of it, 32 bits for 8), by dot_many where the tier has it
 * and its peak is that of bfloat16. Times are the threads' own
 * processor time, and medians of the turns: what else runs on the machine disturbs single ones.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

enum { COLS = 4096, TURNS = 7, THREADS = 2 };

struct job {
    const struct kernels *k;
    enum dtype type;
    const uint8_t *w, *x;
    const uint8_t *many; /* the operand of dot_many; NULL: dot */
    uint8_t *scratch;    /* of dot_many, for each thread */
    float *y;
    int64_t rows, m, stride, x_stride;
    int threads, kind; /* 0 stream, 1 dot, 2 peak */
    int64_t repeat;
};

struct worker {
    const struct job *job;
    int part;
    double operations, seconds;
};

static double thread_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile uint64_t sink;

static void work(const struct job *j, int part, double *operations)
{
    int64_t first, last;

    pi_split(j->rows, 32, part, j->threads, &first, &last);
    for (int64_t i = 0; i < (j->kind == 2 ? 1 : j->repeat); i++) {
        const uint8_t *w = j->w + first * j->stride;
        if (j->kind == 0)
            sink += j->k->stream(w, (size_t)((last - first) * j->stride) & ~(size_t)4095);
        else if (j->kind == 2)
            *operations = j->k->peak(1000000);
        else if (j->m == 1)
            j->k->dot[j->type](last - first, COLS, w, j->stride, 1, j->x, j->x_stride,
                               j->y + first, j->rows);
        else if (j->many)
            j->k->dot_many[j->type](last - first, COLS, w, j->stride, j->m, j->many, j->y + first,
                                    j->rows, j->scratch);
        else
            for (int64_t r = first; r < last; r += 32)
                j->k->dot[j->type](pi_min(last - r, 32), COLS, j->w + r * j->stride, j->stride,
                                   j->m, j->x, j->x_stride, j->y + r, j->rows);
    }
}

static void *worker(void *arg)
{
    struct worker *w = arg;
    cpu_set_t set;
    double start;

    CPU_ZERO(&set);
    CPU_SET((size_t)w->part, &set);
    sched_setaffinity(0, sizeof set, &set);
    start = thread_time();
    work(w->job, w->part, &w->operations);
    w->seconds = thread_time() - start;
    return NULL;
}

/* Seconds of one repeat, or of one operation at the peak. */
static double timed(struct job *j, int kind)
{
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    double slowest = 0;

    j->kind = kind;
    for (int i = 0; i < j->threads; i++) {
        workers[i] = (struct worker){ .job = j, .part = i };
        pthread_create(&threads[i], NULL, worker, &workers[i]);
    }
    for (int i = 0; i < j->threads; i++) {
        pthread_join(threads[i], NULL);
        slowest = workers[i].seconds > slowest ? workers[i].seconds : slowest;
    }
    return slowest / (kind == 2 ? workers[0].operations : (double)j->repeat);
}

static int ascending(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static double median(double *v)
{
    qsort(v, TURNS, sizeof *v, ascending);
    return v[TURNS / 2];
}

/* Prints the rate of dot and its share of the ceiling. */
static void measure(struct job *j, const char *where)
{
    double dot[TURNS], ceiling[TURNS], share[TURNS];
    double bytes = (double)(j->rows * j->stride);
    double operations = 2 * (double)j->rows * COLS * (double)j->m;

    timed(j, 1);
    for (int i = 0; i < TURNS; i++) {
        ceiling[i] = timed(j, j->m == 1 ? 0 : 2);
        dot[i] = timed(j, 1);
        share[i] = j->m == 1 ? ceiling[i] / dot[i] : ceiling[i] * operations / dot[i];
        if (j->m > 1 && pi_operand_of(j->type) == OPERAND_F32 && !j->k->many_tokens)
            share[i] *= 4;
    }
    if (j->m == 1)
        printf("  %s x%d %6.1f GB/s %4.0f%%", where, j->threads, bytes / median(dot) * 1e-9,
               100 * median(share));
    else
        printf("  m=%-3" PRId64 " %6.0f GOPS %4.1f%%", j->m, operations / median(dot) * 1e-9,
               100 * median(share));
    fflush(stdout);
}

static void *huge(size_t bytes)
{
    size_t page = (size_t)2 << 20;
    void *p = aligned_alloc(page, (bytes + page) & ~(page - 1));

    if (!p)
        abort();
    madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 0, bytes);
    return p;
}

/* Many tokens: weights that the cache does not hold whole, as in a model. */
static void bench_many(struct job *j)
{
    static const int64_t tokens[] = { 32, 64, 128, 256, 512 };
    float *x = huge((size_t)512 * COLS * sizeof *x);
    uint8_t *packed = huge(pi_many_bytes(512, COLS));

    j->rows = 2048;
    j->scratch = huge(pi_many_scratch(j->rows, 512));
    j->many = packed;
    draw_floats(x, (int64_t)512 * COLS, DRAW_PLAIN);
    printf("\n%-20s", "");
    for (size_t i = 0; i < PI_COUNT(tokens); i++) {
        j->m = tokens[i];
        if (j->m < j->k->many_tokens)
            continue;
        j->k->pack_many[pi_many_operand(j->k, j->type)](packed, 0, j->m, j->m, COLS, x, COLS);
        j->repeat = 1 + 2000000000 / (j->rows * COLS * j->m);
        measure(j, "");
    }
    free(x);
    free(packed);
    free(j->scratch);
}

static void bench_type(const struct kernels *k, enum dtype type, uint8_t *w, size_t bytes,
                       float *y)
{
    struct dtype_info info = pi_dtype(type);
    enum operand kind = pi_operand_of(type);
    struct job j = { .k = k, .type = type, .w = w, .y = y, .repeat = 1 };
    static const int64_t tokens[] = { 2, 4, 8, 16, 64, 512 };
    uint8_t *x;
    float *row = malloc(COLS * sizeof *row);

    j.stride = COLS / info.block * info.bytes;
    j.x_stride = (int64_t)pi_operand_bytes(kind, COLS);
    j.x = x = huge((size_t)j.x_stride * 512);
    for (int64_t r = 0; r < 64; r++)
        draw_weights(type, w + r * j.stride, COLS, DRAW_PLAIN);
    for (int64_t r = 64; r * j.stride + j.stride <= (int64_t)bytes; r *= 2)
        memcpy(w + r * j.stride, w, (size_t)pi_min(r * j.stride, (int64_t)bytes - r * j.stride));
    for (int64_t t = 0; t < 512; t++) {
        draw_floats(row, COLS, DRAW_PLAIN);
        if (k->pack[kind])
            k->pack[kind](x + t * j.x_stride, row, COLS);
        else
            memcpy(x + t * j.x_stride, row, COLS * sizeof *row);
    }
    printf("dot_%-7s %s", info.name, k->tier);
    j.m = 1;
    for (j.threads = 1; j.threads <= THREADS; j.threads++) {
        j.rows = (int64_t)bytes / j.stride / 64 * 64;
        measure(&j, "DRAM");
    }
    j.threads = 1;
    j.rows = (1 << 19) / j.stride / 64 * 64;
    j.rows = j.rows ? j.rows : 64;
    j.repeat = 200;
    measure(&j, "L2");
    printf("\n%-20s", "");
    for (size_t i = 0; i < PI_COUNT(tokens); i++) {
        j.m = tokens[i];
        j.rows = 256;
        j.repeat = 1 + 1000000000 / (j.rows * COLS * j.m * 8);
        measure(&j, "");
    }
    if (k->many_tokens && k->dot_many[type])
        bench_many(&j);
    printf("\n");
    free(x);
    free(row);
}

void bench(const struct kernels *k, const char *only)
{
    size_t bytes = (size_t)320 << 20;
    uint8_t *w;
    float *y;

    if (!strcmp(k->tier, "scalar"))
        return;
    w = huge(bytes);
    y = huge((size_t)4 << 20);
    for (int type = 0; type < DTYPE_COUNT; type++) {
        struct dtype_info info = pi_dtype((uint32_t)type);
        char name[32];
        snprintf(name, sizeof name, "dot_%s_%s", info.name ? info.name : "", k->tier);
        for (char *c = name; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
        if (k->dot[type] && (!only || strstr(name, only)))
            bench_type(k, (enum dtype)type, w, bytes, y);
    }
    free(w);
    free(y);
}
