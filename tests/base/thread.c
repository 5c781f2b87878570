/* thread.c - the pool: every worker once per run, barriers that hold, more threads than
 * processors, and a child process that has none of them.
 */
#include "check.h"
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

static const struct allocator plain;

struct count {
    struct pool *pool;
    int steps, parts;
    atomic_int runs[PI_MAX_THREADS];
    atomic_int reached[64]; /* workers that have come to a step */
    atomic_int errors;
};

static void count_run(void *arg, int part, int parts)
{
    struct count *c = arg;

    atomic_fetch_add(&c->runs[part], 1);
    if (part == 0)
        c->parts = parts;
}

static void every_worker_runs_once(void)
{
    static const int threads[] = { 1, 2, 3, 8 };

    for (size_t i = 0; i < PI_COUNT(threads); i++) {
        struct count c = { .steps = 0 };

        CHECK_INT(pi_pool_open(&c.pool, threads[i], &plain, NULL), PITH_OK);
        for (int run = 0; run < 2000; run++)
            pi_pool_run(c.pool, count_run, &c);
        CHECK_INT(c.parts, threads[i]);
        for (int part = 0; part < threads[i]; part++)
            CHECK_INT(atomic_load(&c.runs[part]), 2000);
        CHECK_INT(atomic_load(&c.runs[threads[i]]), 0);
        pi_pool_close(c.pool);
    }
}

/* Behind the barrier of a step, all must have come to it. */
static void walk_steps(void *arg, int part, int parts)
{
    struct count *c = arg;

    for (int step = 0; step < c->steps; step++) {
        atomic_fetch_add_explicit(&c->reached[step], 1, memory_order_relaxed);
        pi_pool_barrier(c->pool, part, parts);
        if (atomic_load_explicit(&c->reached[step], memory_order_relaxed) != parts)
            atomic_fetch_add(&c->errors, 1);
    }
}

static void barriers_hold(void)
{
    static const int threads[] = { 1, 2, 3, 8 };

    for (size_t i = 0; i < PI_COUNT(threads); i++) {
        struct count c = { .steps = 64 };

        CHECK_INT(pi_pool_open(&c.pool, threads[i], &plain, NULL), PITH_OK);
        for (int run = 0; run < (threads[i] > 3 ? 20 : 300); run++) {
            memset(c.reached, 0, sizeof c.reached);
            pi_pool_run(c.pool, walk_steps, &c);
        }
        CHECK_INT(atomic_load(&c.errors), 0);
        pi_pool_close(c.pool);
    }
}

/* Step s hands out s % 7 pieces; `reached` counts who got what. */
static void take_pieces(void *arg, int part, int parts)
{
    struct count *c = arg;

    for (int step = 0; step < c->steps; step++) {
        int64_t n = step % 7, i;

        while ((i = pi_pool_claim(c->pool, part, parts, n)) != n)
            atomic_fetch_add(i >= 0 && i < n ? &c->reached[i] : &c->errors, 1);
        pi_pool_barrier(c->pool, part, parts);
        for (i = 0; part == 0 && i < 7; i++)
            if (atomic_exchange(&c->reached[i], 0) != (i < n))
                atomic_fetch_add(&c->errors, 1);
        pi_pool_barrier(c->pool, part, parts);
    }
}

static void every_piece_is_claimed_once(void)
{
    static const int threads[] = { 1, 2, 3, 8 };

    for (size_t i = 0; i < PI_COUNT(threads); i++) {
        struct count c = { .steps = 100 };

        CHECK_INT(pi_pool_open(&c.pool, threads[i], &plain, NULL), PITH_OK);
        for (int run = 0; run < (threads[i] > 3 ? 5 : 50); run++)
            pi_pool_run(c.pool, take_pieces, &c);
        CHECK_INT(atomic_load(&c.errors), 0);
        pi_pool_close(c.pool);
    }
}

/* Plain memory, so that a missing release or acquire shows under ThreadSanitizer. */
struct sums {
    struct pool *pool;
    int64_t cells[64], total;
};

static void add_up(void *arg, int part, int parts)
{
    struct sums *s = arg;
    int64_t first, last;

    for (int round = 0; round < 50; round++) {
        pi_split(64, 1, part, parts, &first, &last);
        for (int64_t i = first; i < last; i++)
            s->cells[i] += i;
        pi_pool_barrier(s->pool, part, parts);
        if (part == round % parts)
            for (int i = 0; i < 64; i++)
                s->total += s->cells[i];
        pi_pool_barrier(s->pool, part, parts);
    }
}

static void what_one_writes_others_read(void)
{
    for (int threads = 1; threads <= 8; threads += 3) {
        struct sums s = { .total = 0 };
        int64_t expected = 0;

        CHECK_INT(pi_pool_open(&s.pool, threads, &plain, NULL), PITH_OK);
        for (int run = 0; run < 20; run++)
            pi_pool_run(s.pool, add_up, &s);
        for (int64_t round = 1; round <= 50 * 20; round++)
            expected += round * (63 * 64 / 2);
        CHECK_INT(s.total, expected);
        pi_pool_close(s.pool);
    }
}

static void pause_a_while(int64_t nanoseconds)
{
    struct timespec t = { 0, (long)nanoseconds };

    nanosleep(&t, NULL);
}

/* Long enough apart, workers park; they must wake, and cost nothing meanwhile. */
static void parked_workers_wake(void)
{
    struct count c = { .steps = 8 };
    struct timespec before, after;
    double used;

    CHECK_INT(pi_pool_open(&c.pool, 3, &plain, NULL), PITH_OK);
    pi_pool_run(c.pool, walk_steps, &c);
    for (int run = 0; run < 20; run++) {
        memset(c.reached, 0, sizeof c.reached);
        pause_a_while(5000000);
        pi_pool_run(c.pool, walk_steps, &c);
    }
    CHECK_INT(atomic_load(&c.errors), 0);
    pause_a_while(50000000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    pause_a_while(100000000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    used = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    CHECK(used < 0.02);
    pi_pool_close(c.pool);
}

static void pools_that_never_run(void)
{
    for (int i = 0; i < 200; i++) {
        struct pool *pool;

        CHECK_INT(pi_pool_open(&pool, 1 + i % 9, &plain, NULL), PITH_OK);
        pi_pool_close(pool);
    }
    pi_pool_close(NULL);
}

static void open_run_close(void)
{
    for (int i = 0; i < 200; i++) {
        struct count c = { .steps = 2 };

        CHECK_INT(pi_pool_open(&c.pool, 4, &plain, NULL), PITH_OK);
        pi_pool_run(c.pool, walk_steps, &c);
        pi_pool_close(c.pool);
    }
}

static void *use_a_pool(void *arg)
{
    struct count *c = arg;

    for (int run = 0; run < 200; run++) {
        memset(c->reached, 0, sizeof c->reached);
        pi_pool_run(c->pool, walk_steps, c);
    }
    return NULL;
}

static void pools_do_not_disturb_each_other(void)
{
    static struct count c[3];
    pthread_t threads[3];

    for (int i = 0; i < 3; i++) {
        c[i] = (struct count){ .steps = 4 };
        CHECK_INT(pi_pool_open(&c[i].pool, 2, &plain, NULL), PITH_OK);
        CHECK_INT(pthread_create(&threads[i], NULL, use_a_pool, &c[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(atomic_load(&c[i].errors), 0);
        pi_pool_close(c[i].pool);
    }
}

static atomic_int wrong_thread;
static pthread_t the_host;

static void on_signal(int number)
{
    (void)number;
    if (!pthread_equal(pthread_self(), the_host))
        atomic_store(&wrong_thread, 1);
}

/* A host's signals are delivered to the host's threads. */
static void workers_take_no_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal }, old;
    struct count c = { .steps = 16 };

    the_host = pthread_self();
    sigaction(SIGUSR1, &act, &old);
    CHECK_INT(pi_pool_open(&c.pool, 4, &plain, NULL), PITH_OK);
    for (int run = 0; run < 100; run++) {
        memset(c.reached, 0, sizeof c.reached);
        kill(getpid(), SIGUSR1);
        pi_pool_run(c.pool, walk_steps, &c);
    }
    pi_pool_close(c.pool);
    sigaction(SIGUSR1, &old, NULL);
    CHECK_INT(atomic_load(&wrong_thread), 0);
}

/* Threads do not survive fork: the child computes alone and may close what it inherited. */
static void a_forked_child_computes_alone(void)
{
    struct count c = { .steps = 4 };
    int status = -1;
    pid_t child;

    CHECK_INT(pi_pool_open(&c.pool, 3, &plain, NULL), PITH_OK);
    pi_pool_run(c.pool, count_run, &c);
    child = fork();
    if (child == 0) {
        alarm(20);
        c.parts = 0;
        pi_pool_run(c.pool, count_run, &c);
        pi_pool_run(c.pool, walk_steps, &c);
        pi_pool_close(c.pool);
        _exit(c.parts == 1 && atomic_load(&c.errors) == 0 ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    pi_pool_run(c.pool, count_run, &c);
    CHECK_INT(c.parts, 3);
    pi_pool_close(c.pool);
}

static void *no_memory(void *user, int64_t size)
{
    (void)user;
    (void)size;
    return NULL;
}

static void no_free(void *user, void *block, int64_t size)
{
    (void)user;
    (void)block;
    (void)size;
}

static void no_memory_for_a_pool(void)
{
    struct allocator a = { no_memory, no_free, NULL };
    struct pool *pool = (struct pool *)&a;
    pith_error e;

    CHECK_INT(pi_pool_open(&pool, 4, &a, &e), PITH_E_MEMORY);
    CHECK(pool == NULL);
    CHECK_HAS(e.text, "thread pool");
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_worker_runs_once);
    RUN(barriers_hold);
    RUN(every_piece_is_claimed_once);
    RUN(what_one_writes_others_read);
    RUN(parked_workers_wake);
    RUN(pools_that_never_run);
    RUN(open_run_close);
    RUN(pools_do_not_disturb_each_other);
    RUN(workers_take_no_signals);
    RUN(a_forked_child_computes_alone);
    RUN(no_memory_for_a_pool);
    return CHECK_END();
}
