/* threads.c - one model, many sessions and threads; cancellation from another thread and from a
 * signal handler; handles released in any order; a forked child.
 */
#include "api.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 3 };

static pith_options *seeded(int seed, int threads)
{
    pith_options *o = up_to(30);

    WORKS(pith_options_set_i64(o, PITH_OPT_THREADS, threads, &e));
    WORKS(pith_options_set_i64(o, PITH_OPT_SEED, seed, &e));
    WORKS(pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 1, &e));
    return o;
}

static void pause_ms(int ms)
{
    struct timespec t = { 0, ms * 1000000L };

    nanosleep(&t, NULL);
}

/* ---- the same results from any number of sessions and threads ---- */

struct job {
    pthread_t thread;
    pith_model *model;
    pith_options *options;
    struct output out[ROUNDS];
    int32_t status; /* of the first call that failed */
};

/* Harness and `e` belong to the main thread: here are plain calls only. */
static void *work(void *arg)
{
    struct job *job = arg;

    for (int i = 0; i < ROUNDS && job->status == PITH_OK; i++) {
        struct output *out = &job->out[i];
        pith_session *s = NULL;
        const pith_event *event;

        pith_model_retain(job->model);
        job->status = pith_session_open(&s, job->model, job->options, NULL);
        pith_model_release(job->model);
        if (job->status == PITH_OK)
            job->status = pith_generate(s, "Once upon", -1, job->options, NULL);
        while (job->status == PITH_OK && pith_generate_next(s, &event, NULL) == PITH_OK)
            add_event(out, event);
        out->text[out->length] = 0;
        pith_session_release(s);
    }
    return NULL;
}

static void shared_model(void)
{
    static struct job jobs[THREADS];
    pith_model *m = NULL;

    WORKS(pith_model_open(&m, LLAMA, -1, NULL, &e));
    if (!m)
        return;
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < THREADS; i++) {
        jobs[i].model = m;
        jobs[i].options = seeded(i, 1 + i % 2);
        CHECK_INT(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(jobs[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        pith_session *s = NULL;
        struct output alone;

        WORKS(pith_session_open(&s, m, jobs[i].options, &e));
        alone = generate(s, "Once upon", jobs[i].options);
        CHECK_INT(jobs[i].status, PITH_OK);
        for (int j = 0; j < ROUNDS; j++)
            check_same(&jobs[i].out[j], &alone);
        pith_session_release(s);
        pith_options_release(jobs[i].options);
    }
    pith_model_release(m);
}

static void number_of_threads(void)
{
    struct output first = { .length = 0 };

    for (int threads = 1; threads <= 5; threads++) {
        pith_options *o = seeded(7, threads);
        struct output out;
        struct guest g;

        if (!open_guest(&g, QWEN, o))
            return;
        out = generate(g.session, "Once upon", o);
        if (threads == 1)
            first = out;
        check_same(&first, &out);
        close_guest(&g);
        pith_options_release(o);
    }
}

/* Two sessions take turns in one thread. */
static void interleaved(void)
{
    pith_options *o[2] = { seeded(1, 1), seeded(2, 1) };
    struct output whole[2], out[2] = { { .length = 0 }, { .length = 0 } };
    pith_session *s[2];
    struct guest g;

    if (!open_guest(&g, LLAMA, o[0]))
        return;
    for (int i = 0; i < 2; i++) {
        WORKS(pith_session_rewind(g.session, 0, &e));
        whole[i] = generate(g.session, "Once", o[i]);
        WORKS(pith_session_open(&s[i], g.model, o[i], &e));
        WORKS(pith_generate(s[i], "Once", -1, o[i], &e));
    }
    for (int turn = 0; turn < 60; turn++) {
        const pith_event *event;

        WORKS(pith_generate_next(s[turn % 2], &event, &e));
        add_event(&out[turn % 2], event);
    }
    for (int i = 0; i < 2; i++) {
        check_same(&whole[i], &out[i]);
        pith_session_release(s[i]);
        pith_options_release(o[i]);
    }
    close_guest(&g);
}

/* ---- cancellation ---- */

struct cancel_job {
    pthread_t thread;
    pith_session *session;
    atomic_int started;
    int32_t status;
};

/* Classifies so many texts that it would take minutes. */
static void *classify_long(void *arg)
{
    enum { TEXTS = 100000 };
    static const int64_t label_at[] = { 0, 3, 5 };
    struct cancel_job *job = arg;
    int64_t *at = calloc(TEXTS + 1, sizeof *at);
    float *out = malloc(sizeof *out * TEXTS * 2);
    char *text = malloc(TEXTS * 20);

    memset(text, 'a', TEXTS * 20);
    for (int i = 0; i <= TEXTS; i++)
        at[i] = (int64_t)i * 20;
    for (int i = 0; i < TEXTS; i++)
        text[i * 20 + i % 20] = (char)('b' + i % 7);
    atomic_store(&job->started, 1);
    job->status = pith_classify(job->session, text, at, TEXTS, "yesno", label_at, 2, NULL, out,
                                NULL);
    free(text);
    free(out);
    free(at);
    return NULL;
}

static void cancel_running(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        pith_options *o = seeded(0, threads);
        struct cancel_job job = { .status = PITH_OK };
        struct output before, after;
        struct guest g;

        if (!open_guest(&g, LLAMA, o))
            return;
        before = generate(g.session, "Once", o);
        job.session = g.session;
        CHECK_INT(pthread_create(&job.thread, NULL, classify_long, &job), 0);
        while (!atomic_load(&job.started))
            pause_ms(1);
        pause_ms(30);
        pith_session_cancel(g.session);
        pthread_join(job.thread, NULL);
        CHECK_INT(job.status, PITH_E_CANCELLED);
        CHECK_INT(pith_session_position(g.session), 0);
        after = generate(g.session, "Once", o);
        check_same(&before, &after);
        close_guest(&g);
        pith_options_release(o);
    }
}

/* A feed that is cancelled in its middle leaves the session where it was. */
static void cancelled_feed(void)
{
    pith_options *o = seeded(0, 1);
    struct output before, after;
    int32_t ids[200] = { 1 };
    struct guest g;

    if (!open_guest(&g, LLAMA, o))
        return;
    before = generate(g.session, "Once", o);
    WORKS(pith_session_rewind(g.session, 5, &e));
    pith_session_cancel(g.session);
    FAILS(pith_session_feed(g.session, ids, 200, &e), PITH_E_CANCELLED, "cancel");
    CHECK_INT(pith_session_position(g.session), 5);
    after = generate(g.session, "", o);
    CHECK_INT(after.n_tokens, 30);
    WORKS(pith_session_rewind(g.session, 5, &e));
    before = generate(g.session, "", o);
    check_same(&before, &after);
    close_guest(&g);
    pith_options_release(o);
}

static pith_session *signalled;

static void on_signal(int number)
{
    (void)number;
    pith_session_cancel(signalled);
}

static void cancel_from_signal(void)
{
    struct sigaction action = { .sa_handler = on_signal }, old;
    const pith_event *event;
    struct guest g;

    if (!open_guest(&g, LLAMA, NULL))
        return;
    signalled = g.session;
    sigaction(SIGUSR1, &action, &old);
    WORKS(pith_generate(g.session, "Once", -1, NULL, &e));
    WORKS(pith_generate_next(g.session, &event, &e));
    raise(SIGUSR1);
    FAILS(pith_generate_next(g.session, &event, &e), PITH_E_CANCELLED, "cancel");
    WORKS(pith_generate_next(g.session, &event, &e));
    sigaction(SIGUSR1, &old, NULL);
    close_guest(&g);
}

/* ---- life and death ---- */

/* A session holds its model; references count. */
static void any_order(void)
{
    pith_options *o = seeded(3, 2);
    pith_session *s[3] = { NULL };
    struct output first, out;
    pith_model *m = NULL;

    WORKS(pith_model_open(&m, LLAMA, -1, NULL, &e));
    for (int i = 0; i < 3; i++)
        WORKS(pith_session_open(&s[i], m, o, &e));
    first = generate(s[0], "Once", o);
    pith_session_release(s[0]);
    pith_model_retain(m);
    pith_model_release(m);
    pith_model_release(m);
    out = generate(s[2], "Once", o);
    check_same(&first, &out);
    WORKS(pith_generate(s[1], "Once", -1, o, &e)); /* ends in the middle of it */
    pith_session_release(s[1]);
    pith_session_rewind(s[2], 0, NULL);
    out = generate(s[2], "Once", o);
    check_same(&first, &out);
    pith_session_release(s[2]);
    pith_options_release(o);
}

/* Threads that were never started, idle, and just busy: none is left behind. */
static void sessions_come_and_go(void)
{
    pith_options *o = seeded(3, 3);
    struct guest g;

    for (int i = 0; i < 30; i++) {
        if (!open_guest(&g, LLAMA, o))
            return;
        if (i % 3)
            WORKS(pith_generate(g.session, "Once", -1, o, &e));
        if (i % 3 == 2)
            pause_ms(2);
        close_guest(&g);
    }
    pith_options_release(o);
}

/* The child uses what it inherits, and what it opens; the parent never notices. */
static void child(struct guest *g, const pith_options *o, const struct output *expected)
{
    pith_session *s = NULL;
    struct output out;

    alarm(30);
    check.failures = 0;
    WORKS(pith_session_rewind(g->session, 0, &e));
    out = generate(g->session, "Once", o);
    check_same(expected, &out);
    WORKS(pith_session_open(&s, g->model, o, &e));
    out = generate(s, "Once", o);
    check_same(expected, &out);
    pith_session_release(s);
    close_guest(g);
    fflush(stdout);
    _exit(check.failures ? 1 : 0);
}

static void forked(void)
{
    if (WITH_TSAN)
        SKIP("ThreadSanitizer ends a forked child that starts a thread");
    for (int threads = 1; threads <= 3; threads++) {
        pith_options *o = seeded(5, threads);
        struct output expected, out;
        struct guest g;
        int status = -1;
        pid_t pid;

        if (!open_guest(&g, LLAMA, o))
            return;
        expected = generate(g.session, "Once", o);
        fflush(stdout);
        pid = fork();
        if (pid == 0)
            child(&g, o, &expected);
        WORKS(pith_session_rewind(g.session, 0, &e));
        out = generate(g.session, "Once", o);
        check_same(&expected, &out);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close_guest(&g);
        pith_options_release(o);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(shared_model);
    RUN(number_of_threads);
    RUN(interleaved);
    RUN(cancel_running);
    RUN(cancelled_feed);
    RUN(cancel_from_signal);
    RUN(any_order);
    RUN(sessions_come_and_go);
    RUN(forked);
    return CHECK_END();
}
