/* api.h - what the tests of the public API share: models, calls that must fail or must not.
 */
#ifndef API_H
#define API_H

#include "check.h"
#include "pith.h"

#define LLAMA "tests/golden/llama.gguf" /* 99 tokens, SentencePiece, float32 */
#define QWEN "tests/golden/qwen2.gguf"  /* 279 tokens, byte level, no BOS, float32 */
#define GPT "tests/golden/gpt2.gguf"    /* 277 tokens, byte level, learned positions */
#define TINY "examples/models/pith-tiny.gguf"

/* Sanitizers replace the heap, and TSan starts no thread in a forked child. */
#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#define WITH_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#define WITH_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#define WITH_TSAN 0
#else
#define SANITIZED 0
#define WITH_TSAN 0
#endif

enum { MARK = 77 };

/* Every call is given an error with something in it: what is left there tells. */
static pith_error e;

static inline void mark_error(void)
{
    e = (pith_error){ MARK, "untouched" };
}

static inline void check_untouched(const char *call)
{
    if (e.code != MARK || strcmp(e.text, "untouched") != 0)
        CHECK_FAIL("%s succeeds but writes the error: %d, %s", call, e.code, e.text);
}

/* The call, which ends in &e, fails so, and its text contains the part. */
#define FAILS(call, expected, part)                                                             \
    do {                                                                                        \
        int32_t status_;                                                                        \
        mark_error();                                                                           \
        status_ = (call);                                                                       \
        if (status_ != (expected) || e.code != status_)                                         \
            CHECK_FAIL("%s gives %d and error %d, expected %s (%s)", #call, status_, e.code,    \
                       pith_status_name(expected), e.text);                                     \
        else                                                                                    \
            CHECK_HAS(e.text, part);                                                            \
    } while (0)

#define WORKS(call)                                                                             \
    do {                                                                                        \
        int32_t status_;                                                                        \
        mark_error();                                                                           \
        status_ = (call);                                                                       \
        if (status_ != PITH_OK)                                                                 \
            CHECK_FAIL("%s gives %s: %s", #call, pith_status_name(status_), e.text);            \
        else                                                                                    \
            check_untouched(#call);                                                             \
    } while (0)

struct guest {
    pith_model *model;
    pith_session *session;
    int64_t vocabulary;
};

static inline pith_options *new_options(void)
{
    pith_options *o = NULL;

    WORKS(pith_options_create(&o, &e));
    return o;
}

/* One thread unless the options say more: other tests run beside these. */
static inline bool open_guest(struct guest *g, const char *path, const pith_options *options)
{
    pith_options *one = new_options();

    memset(g, 0, sizeof *g);
    WORKS(pith_options_set_i64(one, PITH_OPT_THREADS, 1, &e));
    WORKS(pith_model_open(&g->model, path, -1, options, &e));
    if (g->model)
        WORKS(pith_session_open(&g->session, g->model, options ? options : one, &e));
    g->vocabulary = pith_model_number(g->model, PITH_MODEL_VOCABULARY);
    pith_options_release(one);
    return g->session != NULL;
}

static inline void close_guest(struct guest *g)
{
    pith_session_release(g->session);
    pith_model_release(g->model);
    memset(g, 0, sizeof *g);
}

/* What a generation gave. */
struct output {
    char text[4096];
    int64_t length;
    int32_t tokens[512];
    int n_tokens, n_events, finish;
};

static inline void add_event(struct output *out, const pith_event *event)
{
    const char *text;
    int64_t length;

    pith_event_text(event, &text, &length);
    if (out->length + length < (int64_t)sizeof out->text) {
        memcpy(out->text + out->length, text, (size_t)length);
        out->length += length;
    }
    out->n_events++;
    if (pith_event_token(event) >= 0 && out->n_tokens < 512)
        out->tokens[out->n_tokens++] = pith_event_token(event);
    if (out->finish != PITH_FINISH_NONE)
        CHECK_FAIL("an event follows the last one");
    out->finish = pith_event_finish(event);
}

/* Takes events until the end; gives the status that ended it, PITH_END if all is well. */
static inline int32_t drain(pith_session *session, struct output *out)
{
    const pith_event *event;
    int32_t status;

    mark_error();
    while ((status = pith_generate_next(session, &event, &e)) == PITH_OK)
        add_event(out, event);
    out->text[out->length] = 0;
    if (status == PITH_END)
        check_untouched("pith_generate_next");
    return status;
}

/* Generates to the end. */
static inline struct output generate(pith_session *session, const char *prompt,
                                     const pith_options *options)
{
    struct output out = { .length = 0 };

    WORKS(pith_generate(session, prompt, -1, options, &e));
    CHECK_INT(drain(session, &out), PITH_END);
    return out;
}

static inline void check_same(const struct output *a, const struct output *b)
{
    CHECK_STR(a->text, b->text);
    CHECK_INT(a->n_tokens, b->n_tokens);
    CHECK(memcmp(a->tokens, b->tokens, (size_t)a->n_tokens * sizeof *a->tokens) == 0);
    CHECK_INT(a->finish, b->finish);
}

/* Options with max_tokens; more are set by the test. */
static inline pith_options *up_to(int64_t max_tokens)
{
    pith_options *o = new_options();

    WORKS(pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, max_tokens, &e));
    WORKS(pith_options_set_i64(o, PITH_OPT_IGNORE_EOS, 1, &e));
    return o;
}

#endif
