/* past.c - sessions whose state cannot go back: whatever is fed, taken back or cancelled, the
 * logits are those of a fresh session that was fed the tokens which are left.
 */
#include "check.h"
#include "session/session.h"

#include <pthread.h>

static const char *const models[] = { "lfm2", "lfm2moe", "mamba", "mamba2", "qwen35", "falcon-h1" };

enum { PROMPT = 40, MOST = 96 };

struct scene {
    pith_model *model;
    pith_session *session, *fresh;
    int32_t ids[MOST];
    const char *name;
};

static bool open_scene(struct scene *c, const char *name)
{
    char path[128];
    pith_options *o;
    pith_error e = { 0 };

    *c = (struct scene){ .name = name };
    for (int i = 0; i < MOST; i++)
        c->ids[i] = (i * 29 + 7) % 96;
    snprintf(path, sizeof path, "tests/golden/tiny/%s/model.gguf", name);
    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_THREADS, 2, NULL);
    pith_options_set_i64(o, PITH_OPT_BATCH, 16, NULL);
    pith_options_set_str(o, PITH_OPT_PRECISION, "exact", -1, NULL);
    if (pith_model_open(&c->model, path, -1, o, &e) == PITH_OK &&
        pith_session_open(&c->session, c->model, o, &e) == PITH_OK)
        pith_session_open(&c->fresh, c->model, o, &e);
    pith_options_release(o);
    if (!c->fresh)
        CHECK_FAIL("%s: %s", name, e.text);
    return c->fresh != NULL;
}

static void close_scene(struct scene *c)
{
    pith_session_release(c->session);
    pith_session_release(c->fresh);
    pith_model_release(c->model);
}

/* The session's logits must be those behind these tokens. */
static void check_at(struct scene *c, const int32_t *ids, int64_t n, const char *what)
{
    const float *a = NULL, *b = NULL;

    pith_session_rewind(c->fresh, 0, NULL);
    CHECK_INT(pith_session_feed(c->fresh, ids, n, NULL), PITH_OK);
    CHECK_INT(pith_session_position(c->session), n);
    CHECK_INT(pith_session_logits(c->session, &a, NULL), PITH_OK);
    CHECK_INT(pith_session_logits(c->fresh, &b, NULL), PITH_OK);
    if (!a || !b || memcmp(a, b, (size_t)c->model->vocabulary * sizeof *a) != 0)
        CHECK_FAIL("%s: %s: other logits", c->name, what);
}

static void rewinds(struct scene *c)
{
    static const int64_t places[] = { 33, 34, 2, 17, 39, 0, 39 };
    int32_t ids[MOST];

    memcpy(ids, c->ids, sizeof ids);
    CHECK_INT(pith_session_feed(c->session, ids, PROMPT, NULL), PITH_OK);
    check_at(c, ids, PROMPT, "a prompt");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int64_t at = places[i], more = i % 2 ? 1 : 20;

        CHECK_INT(pith_session_rewind(c->session, at, NULL), PITH_OK);
        for (int64_t j = at; j < at + more; j++)
            ids[j] = (ids[j] + 1 + (int32_t)i) % 96;
        CHECK_INT(pith_session_feed(c->session, ids + at, more, NULL), PITH_OK);
        check_at(c, ids, at + more, "fed behind a rewind");
        CHECK_INT(pith_session_feed(c->session, ids + at + more, PROMPT - 1 - (at + more) % 30,
                                    NULL), PITH_OK);
    }
}

static void ignore_logits(void *arg, int64_t i, const float *logits)
{
    (void)i;
    *(double *)arg += (double)logits[0];
}

/* As classification does: one prompt, several labels, the next prompt. */
static void syncs(struct scene *c)
{
    int32_t ids[MOST];
    double sum = 0;

    memcpy(ids, c->ids, sizeof ids);
    for (int32_t text = 0; text < 4; text++) {
        ids[20 + text % 2] = 90 + text;
        for (int label = 0; label < 3; label++) {
            CHECK_INT(pi_session_sync(c->session, ids, PROMPT, NULL), PITH_OK);
            check_at(c, ids, PROMPT, "a prompt, again");
            CHECK_INT(pi_session_evaluate(c->session, ids + PROMPT + label, 1 + label,
                                          ignore_logits, &sum, NULL), PITH_OK);
        }
    }
    CHECK(sum == sum);
}

static void *cancel_soon(void *arg)
{
    usleep(200);
    pith_session_cancel(arg);
    return NULL;
}

static void cancels(struct scene *c)
{
    int cancelled = 0;

    for (int i = 0; i < 40; i++) {
        int64_t held = 5 + i % 30, more = MOST - held;
        pthread_t thread;
        int32_t status;

        pith_session_rewind(c->session, 0, NULL);
        CHECK_INT(pith_session_feed(c->session, c->ids, held, NULL), PITH_OK);
        if (i < 2)
            pith_session_cancel(c->session);
        CHECK_INT(pthread_create(&thread, NULL, cancel_soon, c->session), 0);
        status = pith_session_feed(c->session, c->ids + held, more, NULL);
        pthread_join(thread, NULL);
        cancelled += status == PITH_E_CANCELLED;
        atomic_store(&c->session->cancel, 0);
        if (status == PITH_E_CANCELLED) {
            CHECK_INT(pith_session_position(c->session), held);
            CHECK_INT(pith_session_feed(c->session, c->ids + held, 1, NULL), PITH_OK);
            check_at(c, c->ids, held + 1, "behind a cancelled call");
        }
    }
    CHECK(cancelled > 0);
}

/* How many tokens were computed, by what the marks are for: not quadratic. */
static void marks(struct scene *c)
{
    pi_session_rewind(c->session, 0);
    CHECK_INT(pith_session_feed(c->session, c->ids, PROMPT, NULL), PITH_OK);
    CHECK_INT(c->session->past.end.position, PROMPT);
    CHECK_INT(pith_session_feed(c->session, c->ids + PROMPT, 1, NULL), PITH_OK);
    CHECK_INT(pi_session_sync(c->session, c->ids, PROMPT, NULL), PITH_OK);
    CHECK_INT(c->session->past.at, PROMPT);
    pi_session_rewind(c->session, PROMPT - 10);
    CHECK_INT(pith_session_feed(c->session, c->ids, 1, NULL), PITH_OK);
    CHECK_INT(c->session->past.fork.position, PROMPT - 10);
    CHECK_INT(c->session->past.end.position, 0);
}

static void all_of(void (*test)(struct scene *c))
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct scene c;

        if (open_scene(&c, models[i]))
            test(&c);
        close_scene(&c);
    }
}

static void rewinding(void) { all_of(rewinds); }
static void synchronising(void) { all_of(syncs); }
static void cancelling(void) { all_of(cancels); }
static void marking(void) { all_of(marks); }

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(rewinding);
    RUN(synchronising);
    RUN(cancelling);
    RUN(marking);
    return CHECK_END();
}
