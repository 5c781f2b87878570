/* memory.c - the allocator of a model: everything goes through it, everything comes back with its
 * size, nothing is taken per token, and every single failure is PITH_E_MEMORY and nothing worse.
 */
#include "api.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { BLOCKS = 4096 };

static struct {
    pthread_mutex_t lock;
    void *at[BLOCKS];
    int64_t size[BLOCKS];
    int64_t taken, live, bytes; /* calls so far; blocks and bytes that are out */
    int64_t fail_at;            /* this call and all later ones give NULL; 0: none */
    bool recover;               /* only this call does */
    int user;
} heap = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *take(void *user, int64_t size)
{
    void *block = NULL;

    if (user != &heap.user || size <= 0)
        CHECK_FAIL("alloc gets another user or %lld bytes", (long long)size);
    pthread_mutex_lock(&heap.lock);
    heap.taken++;
    if (!heap.fail_at || heap.taken < heap.fail_at || (heap.recover && heap.taken > heap.fail_at))
        for (int i = 0; i < BLOCKS && !block; i++)
            if (!heap.at[i] && posix_memalign(&block, 64, (size_t)size) == 0) {
                memset(block, 0xA5, (size_t)size);
                heap.at[i] = block;
                heap.size[i] = size;
                heap.live++;
                heap.bytes += size;
            }
    pthread_mutex_unlock(&heap.lock);
    return block;
}

static void give(void *user, void *block, int64_t size)
{
    int i = 0;

    pthread_mutex_lock(&heap.lock);
    while (i < BLOCKS && heap.at[i] != block)
        i++;
    if (user != &heap.user || !block || i == BLOCKS || heap.size[i] != size) {
        CHECK_FAIL("free gets a block that is not out, or another size: %lld", (long long)size);
    } else {
        heap.at[i] = NULL;
        heap.live--;
        heap.bytes -= size;
        memset(block, 0x5A, (size_t)size);
        free(block);
    }
    pthread_mutex_unlock(&heap.lock);
}

static void start_heap(int64_t fail_at, bool recover)
{
    heap.taken = 0;
    heap.fail_at = fail_at;
    heap.recover = recover;
}

static pith_options *own_memory(int threads)
{
    pith_options *o = up_to(8);

    WORKS(pith_options_set_i64(o, PITH_OPT_THREADS, threads, &e));
    WORKS(pith_options_set_i64(o, PITH_OPT_CONTEXT, 64, &e));
    WORKS(pith_options_set_str(o, PITH_OPT_STOP, "\t\t", -1, &e));
    WORKS(pith_options_set_allocator(o, take, give, &heap.user, &e));
    return o;
}

/* Bytes of the C library's heap but for those that the allocator above took there. */
static size_t c_heap(void)
{
    return SANITIZED ? 0 : mallinfo2().uordblks - (size_t)heap.bytes;
}

static int32_t say(pith_session *s, const char *prompt, const pith_options *o,
                   struct output *out)
{
    int32_t status = pith_generate(s, prompt, -1, o, &e);

    out->finish = PITH_FINISH_NONE;
    if (status == PITH_OK)
        status = drain(s, out);
    return status == PITH_END ? (int32_t)PITH_OK : status;
}

/* Tasks from opening to the last release; the first failure ends it. */
static int32_t use_all(const char *path, const pith_options *o, struct output *out)
{
    static const int64_t text_at[] = { 0, 3, 5 }, label_at[] = { 0, 1, 3 };
    pith_model *m = NULL;
    pith_session *s = NULL;
    float probabilities[4];
    int64_t count;
    double logprob;
    int32_t ids[32], status;

    memset(out, 0, sizeof *out);
    status = pith_model_open(&m, path, -1, o, &e);
    if (status == PITH_OK)
        status = pith_tokenize(m, "Once", -1, 0, ids, 32, &count, &e);
    if (status == PITH_OK)
        status = pith_session_open(&s, m, o, &e);
    if (status == PITH_OK)
        status = say(s, "Once", o, out);
    if (status == PITH_OK)
        status = say(s, " and", o, out);
    if (status == PITH_OK)
        status = pith_score(s, "On", -1, "ce", -1, &logprob, NULL, &e);
    if (status == PITH_OK)
        status = pith_classify(s, "abcde", text_at, 2, "xyz", label_at, 2, o, probabilities, &e);
    pith_model_release(m);
    pith_session_release(s);
    return status;
}

static void comes_back(void)
{
    static const char *const paths[] = { LLAMA, QWEN, GPT, "tests/golden/llama-q4_0.gguf" };
    struct output out;

    for (int threads = 1; threads <= 3; threads += 2)
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            pith_options *o = own_memory(threads);

            start_heap(0, false);
            CHECK_INT(use_all(paths[i], o, &out), PITH_OK);
            CHECK(heap.taken > 0);
            CHECK_INT(heap.live, 0);
            CHECK_INT(heap.bytes, 0);
            pith_options_release(o);
        }
}

/* The C library's heap is not used behind the allocator's back. */
static void nothing_aside(void)
{
    pith_options *o = own_memory(1);
    pith_session *s = NULL;
    pith_model *m = NULL;
    size_t before = c_heap();

    start_heap(0, false);
    WORKS(pith_model_open(&m, LLAMA, -1, o, &e));
    WORKS(pith_session_open(&s, m, o, &e));
    WORKS(pith_generate(s, "Once", -1, o, &e));
    /* posix_memalign rounds: some 100 bytes for each block. */
    CHECK(c_heap() - before < (size_t)heap.live * 256 + 256);
    pith_session_release(s);
    pith_model_release(m);
    CHECK_INT(heap.live, 0);
    pith_options_release(o);
}

/* A decoded token takes nothing from any heap; nor does a token that is fed. */
static void none_per_token(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        pith_options *o = own_memory(threads);
        const pith_event *event;
        struct guest g;
        int32_t id = 5;
        size_t c_before;

        start_heap(0, false);
        WORKS(pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 40, &e));
        WORKS(pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 1, &e));
        WORKS(pith_options_set_f64(o, PITH_OPT_TOP_P, 0.9, &e));
        WORKS(pith_options_set_f64(o, PITH_OPT_REPEAT_PENALTY, 1.2, &e));
        if (!open_guest(&g, LLAMA, o))
            return;
        WORKS(pith_session_feed(g.session, &id, 1, &e)); /* starts the threads */
        WORKS(pith_generate(g.session, "Once", -1, o, &e));
        c_before = c_heap();
        start_heap(0, false);
        for (int i = 0; i < 40; i++)
            WORKS(pith_generate_next(g.session, &event, &e));
        CHECK_INT(pith_event_finish(event), PITH_FINISH_LENGTH);
        CHECK_INT(heap.taken, 0);
        WORKS(pith_session_feed(g.session, &id, 1, &e));
        WORKS(pith_session_rewind(g.session, 0, &e));
        CHECK_INT(heap.taken, 0);
        CHECK_INT(c_heap(), c_before);
        close_guest(&g);
        CHECK_INT(heap.live, 0);
        pith_options_release(o);
    }
}

/* Fails the first allocation, then the second, ... until everything works. */
static void fail_each(const char *path, int threads, bool recover)
{
    pith_options *o = own_memory(threads);
    struct output good, out;
    int64_t n, calls;
    int32_t status;

    start_heap(0, false);
    CHECK_INT(use_all(path, o, &good), PITH_OK);
    calls = heap.taken;
    for (n = 1; n <= calls; n++) {
        start_heap(n, recover);
        e.text[0] = 0;
        status = use_all(path, o, &out);
        if (status != PITH_E_MEMORY || e.code != status)
            CHECK_FAIL("allocation %lld of %lld fails: %d (%s)", (long long)n, (long long)calls,
                       status, e.text);
        else
            CHECK_HAS(e.text, "memory");
        CHECK_INT(heap.live, 0);
    }
    start_heap(n, recover);
    CHECK_INT(use_all(path, o, &out), PITH_OK);
    check_same(&good, &out);
    start_heap(0, false);
    pith_options_release(o);
}

static void failing(void)
{
    fail_each(LLAMA, 1, false);
    fail_each(QWEN, 2, false);
}

static void failing_once(void)
{
    fail_each(LLAMA, 2, true);
    fail_each(GPT, 1, true);
}

/* A session whose call found no memory is the same as before. */
static void usable_after_failure(void)
{
    pith_options *o = own_memory(1);
    struct output before, after;
    struct guest g;

    start_heap(0, false);
    if (!open_guest(&g, LLAMA, o))
        return;
    before = generate(g.session, "Once", o);
    WORKS(pith_session_rewind(g.session, 0, &e));
    for (int64_t n = 1; n < 20; n++) {
        start_heap(n, false);
        mark_error();
        if (pith_generate(g.session, "Once", -1, o, &e) == PITH_OK)
            break;
        CHECK_INT(e.code, PITH_E_MEMORY);
        CHECK_INT(pith_session_position(g.session), 0);
    }
    start_heap(0, false);
    WORKS(pith_session_rewind(g.session, 0, &e));
    after = generate(g.session, "Once", o);
    check_same(&before, &after);
    close_guest(&g);
    CHECK_INT(heap.live, 0);
    pith_options_release(o);
}

/* The options copy nothing of the caller's and are not needed once a model is open. */
static void options_go_first(void)
{
    pith_options *o = own_memory(1);
    struct guest g;

    start_heap(0, false);
    if (!open_guest(&g, LLAMA, o))
        return;
    WORKS(pith_generate(g.session, "Once", -1, o, &e));
    pith_options_release(o);
    for (int i = 0; i < 5; i++) {
        const pith_event *event;

        WORKS(pith_generate_next(g.session, &event, &e));
    }
    close_guest(&g);
    CHECK_INT(heap.live, 0);
}

static void half_an_allocator(void)
{
    pith_options *o = new_options();

    FAILS(pith_options_set_allocator(o, take, NULL, NULL, &e), PITH_E_ARGUMENT, "alloc");
    FAILS(pith_options_set_allocator(o, NULL, give, NULL, &e), PITH_E_ARGUMENT, "alloc");
    WORKS(pith_options_set_allocator(o, NULL, NULL, NULL, &e));
    pith_options_release(o);
}

/* Sizes that no machine has: an error, not a crash. */
static void absurd_sizes(void)
{
    pith_options *o = up_to(INT64_C(16777216));
    pith_session *s = NULL;
    struct guest g;
    double a, b;

    if (!open_guest(&g, LLAMA, NULL))
        return;
    WORKS(pith_options_set_i64(o, PITH_OPT_CONTEXT, 16777216, &e));
    FAILS(pith_session_open(&s, g.model, o, &e), PITH_E_LIMIT, "16777216");
    FAILS(pith_machine_measure(g.model, 1, INT64_MAX, &a, &b, &e), PITH_E_ARGUMENT, "range");
    close_guest(&g);
    pith_options_release(o);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(comes_back);
    RUN(nothing_aside);
    RUN(none_per_token);
    RUN(failing);
    RUN(failing_once);
    RUN(usable_after_failure);
    RUN(options_go_first);
    RUN(half_an_allocator);
    RUN(absurd_sizes);
    return CHECK_END();
}
