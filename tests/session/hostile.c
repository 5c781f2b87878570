/* hostile.c - bad days: each allocation fails in turn, threads cannot be started, the stack is
 * small, descriptors and address space run out. A call fails with its status and leaves everything
 * as it was; the same call afterwards gives what it always gives.
 *
 * posix_memalign and pthread_create are this program's own here, so that they can fail.
 */
#include "hostile.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct {
    int64_t calls, fail_at;
} memalign, create;

typedef int memalign_fn(void **out, size_t alignment, size_t size);
typedef int create_fn(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                      void *arg);

int posix_memalign(void **out, size_t alignment, size_t size)
{
    static memalign_fn *real;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "posix_memalign");
    if (++memalign.calls == memalign.fail_at)
        return ENOMEM;
    return real(out, alignment, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static create_fn *real;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (++create.calls == create.fail_at)
        return EAGAIN;
    return real(thread, attr, run, arg);
}

/* ---- what is done on a bad day ---- */

/* What a scenario gives: numbers and text, to be compared bit by bit. */
struct result {
    uint8_t bytes[4096];
    size_t n;
};

static void add(struct result *r, const void *data, size_t n)
{
    if (r->n + n <= sizeof r->bytes)
        memcpy(r->bytes + r->n, data, n);
    r->n += n;
}

static int32_t generate(pith_session *s, const pith_options *o, struct result *r, pith_error *e)
{
    const pith_event *event;
    int32_t status = pith_generate(s, "abc a", -1, o, e);

    while (status == PITH_OK && (status = pith_generate_next(s, &event, e)) == PITH_OK) {
        int32_t token = pith_event_token(event);
        const char *text;
        int64_t n;

        pith_event_text(event, &text, &n);
        add(r, &token, sizeof token);
        add(r, text, (size_t)n);
    }
    return status == PITH_END ? PITH_OK : status;
}

static int32_t tokenize(const pith_model *m, struct result *r, pith_error *e)
{
    int32_t ids[64];
    int64_t n = 0;
    int32_t status = pith_tokenize(m, "abc ab <tool> \n\xFF", -1, 3, ids, 64, &n, e);

    add(r, ids, (size_t)n * sizeof *ids);
    return status;
}

static int32_t classify(pith_session *s, const pith_options *o, struct result *r, pith_error *e)
{
    static const int64_t texts[] = { 0, 1, 3 }, labels[] = { 0, 1, 3, 4 };
    float p[6] = { 0 };
    int32_t status = pith_classify(s, "cab", texts, 2, "abcb", labels, 3, o, p, e);

    add(r, p, sizeof p);
    return status;
}

static int32_t score(pith_session *s, struct result *r, pith_error *e)
{
    double logprob = 0;
    int64_t tokens = 0;
    int32_t status = pith_score(s, "ab", -1, "c abc", -1, &logprob, &tokens, e);

    add(r, &logprob, sizeof logprob);
    return status;
}

static void set_options(pith_options *o)
{
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 8, NULL);
    pith_options_set_i64(o, PITH_OPT_IGNORE_EOS, 1, NULL);
    pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 0.9, NULL);
    pith_options_set_str(o, PITH_OPT_STOP, "zzz", -1, NULL);
    pith_options_set_str(o, PITH_OPT_TEMPLATE, "{text}d{label}", -1, NULL);
    pith_options_set_str(o, PITH_OPT_CONTENT_FREE, "c", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_TEXT, "a", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_LABEL, "b", -1, NULL);
}

/* A call that may fail for want of memory, if at all; the second attempt must not. */
#define AGAIN(call)                                                              \
    do {                                                                         \
        int32_t status_ = (call);                                                \
        if (status_ != PITH_OK) {                                                \
            CHECK_INT(status_, PITH_E_MEMORY);                                   \
            CHECK_INT(e.code, PITH_E_MEMORY);                                    \
            CHECK_HAS(e.text, "out of memory");                                  \
            (*failures)++;                                                       \
            ledger->fail_from = 0;                                               \
            r->n = mark;                                                         \
            CHECK_INT(call, PITH_OK);                                            \
        }                                                                        \
        mark = r->n;                                                             \
    } while (0)

/* Everything a session can do, with one allocation that fails. Each call that fails is made
 * again: its result is that of a good day. */
static void live_a_day(const uint8_t *file, size_t n, struct ledger *ledger, struct result *r,
                       int *failures)
{
    pith_options *o = ledger_options(ledger);
    pith_model *m = NULL;
    pith_session *s = NULL;
    pith_error e = { 0 };
    size_t mark = 0;

    set_options(o);
    r->n = 0;
    *failures = 0;
    AGAIN(pith_model_open_memory(&m, file, (int64_t)n, o, &e));
    AGAIN(tokenize(m, r, &e));
    AGAIN(pith_session_open(&s, m, o, &e));
    AGAIN((pith_session_rewind(s, 0, &e), generate(s, o, r, &e)));
    AGAIN((pith_session_rewind(s, 0, &e), classify(s, o, r, &e)));
    AGAIN(score(s, r, &e));
    AGAIN(pith_model_verify(m, &e));
    pith_session_release(s);
    pith_model_release(m);
    CHECK_INT(ledger->live, 0);
    pith_options_release(o);
}

static const struct tiny *const families[] = { &tiny_llama, &tiny_qwen3, &tiny_gpt2, &tiny_q8 };

static void each_allocation_fails(bool from_then_on)
{
    for (size_t f = 0; f < 4; f++) {
        struct tiny t = *families[f];
        struct ledger ledger = { 0 };
        struct result good, bad;
        struct gguf *g;
        uint8_t *file;
        int failures, total = 0;
        size_t n;

        t.ctx = 64;
        g = tiny_model(&t);
        file = gguf_write(g, &n);
        live_a_day(file, n, &ledger, &good, &failures);
        CHECK_INT(failures, 0);
        CHECK(good.n > 20 && good.n <= sizeof good.bytes);
        for (int64_t at = 1; at <= ledger.calls; at++) {
            struct ledger one = { 0 };

            *(from_then_on ? &one.fail_from : &one.fail_at) = at;
            live_a_day(file, n, &one, &bad, &failures);
            total += failures;
            CHECK_INT(failures, 1);
            CHECK(good.n == bad.n && memcmp(good.bytes, bad.bytes, good.n) == 0);
        }
        CHECK(total >= 15);
        free(file);
        gguf_free(g);
    }
}

static void each_allocation_fails_once(void) { each_allocation_fails(false); }
static void each_allocation_fails_from_then_on(void) { each_allocation_fails(true); }

/* A real file by path, whose allocations go to the C library. */
static int32_t open_by_path(struct result *r, pith_error *e)
{
    pith_options *o = NULL;
    pith_model *m = NULL;
    pith_session *s = NULL;
    int32_t status = pith_options_create(&o, e);

    if (status == PITH_OK)
        status = pith_options_set_str(o, PITH_OPT_STOP, "q", -1, e);
    if (status == PITH_OK)
        status = pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 4, e);
    if (status == PITH_OK)
        status = pith_model_open(&m, "tests/golden/qwen2.gguf", -1, o, e);
    if (status == PITH_OK)
        status = pith_session_open(&s, m, o, e);
    if (status == PITH_OK)
        status = generate(s, o, r, e);
    pith_session_release(s);
    pith_model_release(m);
    pith_options_release(o);
    return status;
}

static void the_c_library_is_out_of_memory(void)
{
    struct result good = { .n = 0 }, bad;
    pith_error e = { 0 };
    int64_t calls;

    memalign.calls = 0;
    CHECK_INT(open_by_path(&good, &e), PITH_OK);
    calls = memalign.calls;
    CHECK(calls > 10);
    for (int64_t at = 1; at <= calls; at++) {
        memalign.calls = 0;
        memalign.fail_at = at;
        CHECK_INT(open_by_path(&bad, &e), PITH_E_MEMORY);
        CHECK_HAS(e.text, "out of memory");
        memalign.fail_at = 0;
    }
    bad.n = 0;
    CHECK_INT(open_by_path(&bad, &e), PITH_OK);
    CHECK(good.n == bad.n && memcmp(good.bytes, bad.bytes, good.n) == 0);
}

/* ---- nothing per token ---- */

static void nothing_is_allocated_per_token(void)
{
    struct ledger ledger = { 0 };
    pith_options *o = ledger_options(&ledger);
    pith_model *m = NULL;
    pith_session *s = NULL;
    const pith_event *event;
    pith_error e = { 0 };
    int64_t calls;

    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 200, NULL);
    pith_options_set_i64(o, PITH_OPT_IGNORE_EOS, 1, NULL);
    pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 1.5, NULL);
    pith_options_set_f64(o, PITH_OPT_TOP_P, 0.9, NULL);
    CHECK_INT(pith_model_open(&m, "tests/golden/qwen2.gguf", -1, o, &e), PITH_OK);
    CHECK_INT(pith_session_open(&s, m, o, &e), PITH_OK);
    CHECK_INT(pith_generate(s, "a", -1, o, &e), PITH_OK);
    calls = ledger.calls;
    memalign.calls = 0;
    while (pith_generate_next(s, &event, &e) == PITH_OK)
        ;
    CHECK_INT(ledger.calls, calls);
    CHECK_INT(memalign.calls, 0);
    CHECK(pith_session_position(s) > 100);
    pith_session_release(s);
    pith_model_release(m);
    CHECK_INT(ledger.live, 0);
    pith_options_release(o);
}

/* ---- threads ---- */

static void evaluate(int64_t threads, float *logits, pith_error *e)
{
    static const int32_t ids[] = { 5, 9, 1, 33, 70, 12 };
    pith_options *o = NULL;
    pith_model *m = NULL;
    pith_session *s = NULL;

    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    CHECK_INT(pith_options_set_i64(o, PITH_OPT_THREADS, threads, NULL), PITH_OK);
    CHECK_INT(pith_model_open(&m, "tests/golden/llama.gguf", -1, o, e), PITH_OK);
    CHECK_INT(pith_session_open(&s, m, o, e), PITH_OK);
    CHECK_INT(pith_session_evaluate(s, ids, 6, logits, e), PITH_OK);
    pith_session_release(s);
    pith_model_release(m);
    pith_options_release(o);
}

static void threads_that_cannot_be_started(void)
{
    static float expected[6 * 99], got[6 * 99];
    pith_error e = { 0 };

    evaluate(1, expected, &e);
    for (int64_t at = 1; at <= 4; at++) {
        create.calls = 0;
        create.fail_at = at;
        evaluate(4, got, &e);
        create.fail_at = 0;
        CHECK_INT(create.calls, at < 4 ? at : 3);
        CHECK(memcmp(expected, got, sizeof got) == 0);
    }
}

/* ---- in a child, whose limits and whose death are its own ---- */

static void in_child(int (*test)(void))
{
    int status = -1;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(60);
        status = test();
        fflush(stdout);
        _exit(status);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

/* ---- small stacks ---- */

enum { STACK = (SANITIZED ? 512 : 64) * 1024 };

static const char *const golden[] = {
    "tests/golden/llama.gguf", "tests/golden/gpt2.gguf", "tests/golden/qwen3.gguf",
    "tests/golden/llama-q8_0.gguf", "tests/golden/llama-q4_k.gguf",
};

static void *use_little_stack(void *arg)
{
    struct result *r = malloc(sizeof *r);
    pith_error e = { 0 };
    pith_options *o = NULL;
    char text[512];
    int64_t n;

    r->n = 0;
    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    CHECK_INT(pith_options_set_i64(o, PITH_OPT_TIERS, *(int64_t *)arg, NULL), PITH_OK);
    set_options(o);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        pith_model *m = NULL;
        pith_session *s = NULL;

        CHECK_INT(pith_model_open(&m, golden[i], -1, o, &e), PITH_OK);
        CHECK_INT(pith_session_open(&s, m, o, &e), PITH_OK);
        CHECK_INT(generate(s, o, r, &e), PITH_OK);
        CHECK_INT(pith_session_rewind(s, 0, &e), PITH_OK);
        CHECK_INT(classify(s, o, r, &e), PITH_OK);
        CHECK_INT(score(s, r, &e), PITH_OK);
        CHECK_INT(tokenize(m, r, &e), PITH_OK);
        CHECK_INT(pith_model_verify(m, &e), PITH_OK);
        CHECK_INT(pith_model_explain(m, text, sizeof text, &n, &e), PITH_OK);
        pith_session_release(s);
        pith_model_release(m);
    }
    CHECK_INT(pith_model_open(&(pith_model *){ NULL }, "tests/golden", -1, o, &e), PITH_E_IO);
    CHECK(r->n > 100);
    pith_options_release(o);
    free(r);
    return check.failures ? &check : NULL;
}

static int64_t stack_tiers;

static int on_a_small_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *failures = NULL;

    if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, STACK) != 0 ||
        pthread_create(&thread, &attr, use_little_stack, &stack_tiers) != 0)
        return 1;
    pthread_join(thread, &failures);
    return failures ? 2 : 0;
}

static void plain_c_runs_on_a_small_stack(void)
{
    stack_tiers = 0;
    in_child(on_a_small_stack);
}

static void every_tier_runs_on_a_small_stack(void)
{
    static const int64_t tiers[] = { 1, 3, 255 };

    for (int i = 0; i < 3; i++) {
        stack_tiers = tiers[i];
        in_child(on_a_small_stack);
    }
}

/* ---- limits of the system ---- */

static int without_descriptors(void)
{
    struct rlimit none = { 3, 3 };
    pith_model *m = NULL;
    pith_error e = { 0 };

    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 100 && dup(0) >= 0; i++)
        ;
    if (pith_model_open(&m, golden[0], -1, NULL, &e) != PITH_E_IO)
        return 1;
    return strstr(e.text, "too many open files") ? 0 : 2;
}

static void no_descriptors_are_left(void)
{
    in_child(without_descriptors);
}

static int without_address_space(void)
{
    struct rlimit some = { 0, RLIM_INFINITY };
    pith_model *m = NULL;
    pith_error e = { 0 };
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (!f || fscanf(f, "%lu", &pages) != 1)
        return 3;
    fclose(f);
    some.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + 65536;
    setrlimit(RLIMIT_AS, &some);
    if (pith_model_open(&m, golden[0], -1, NULL, &e) != PITH_E_MEMORY)
        return 1;
    some.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_AS, &some);
    return pith_model_open(&m, golden[0], -1, NULL, &e) == PITH_OK ? 0 : 2;
}

static void no_address_space_is_left(void)
{
    if (SANITIZED)
        SKIP("sanitizers need all address space");
    in_child(without_address_space);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(each_allocation_fails_once);
    RUN(each_allocation_fails_from_then_on);
    RUN(the_c_library_is_out_of_memory);
    RUN(nothing_is_allocated_per_token);
    RUN(threads_that_cannot_be_started);
    RUN(plain_c_runs_on_a_small_stack);
    RUN(every_tier_runs_on_a_small_stack);
    RUN(no_descriptors_are_left);
    RUN(no_address_space_is_left);
    return CHECK_END();
}
