/* hostile.h - what the tests of bad files and bad days share: a counting allocator that can fail,
 * and opens that must fail cleanly.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "check.h"
#include "gguf_tiny.h"
#include "pith.h"

/* Sanitizers need time, stack and address space of their own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

struct ledger {
    int64_t live, peak, calls;
    int64_t fail_at;  /* this call fails; 0: none */
    int64_t fail_from; /* this one and all that follow; 0: none */
};

static inline void *ledger_take(void *user, int64_t size)
{
    struct ledger *l = user;
    void *block = NULL;

    l->calls++;
    if (l->calls == l->fail_at || (l->fail_from && l->calls >= l->fail_from))
        return NULL;
    if (size <= 0 || posix_memalign(&block, 64, (size_t)size) != 0)
        return NULL;
    memset(block, 0xA5, size < 1 << 20 ? (size_t)size : 1 << 20); /* nobody may count on zeros */
    l->live += size;
    l->peak = l->live > l->peak ? l->live : l->peak;
    return block;
}

static inline void ledger_give(void *user, void *block, int64_t size)
{
    ((struct ledger *)user)->live -= size;
    free(block);
}

/* Options with the ledger's allocator, one thread and a short context where the model allows it. */
static inline pith_options *ledger_options(struct ledger *ledger)
{
    pith_options *o = NULL;

    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    CHECK_INT(pith_options_set_allocator(o, ledger_take, ledger_give, ledger, NULL), PITH_OK);
    CHECK_INT(pith_options_set_i64(o, PITH_OPT_THREADS, 1, NULL), PITH_OK);
    return o;
}

/* Whether the text has one of the parts, which are separated by '|'; "": anything will do. */
static inline bool has_one_of(const char *text, const char *parts)
{
    char part[128];

    if (!*parts)
        return true;
    while (*parts) {
        size_t n = strcspn(parts, "|");

        memcpy(part, parts, n);
        part[n] = 0;
        if (strstr(text, part))
            return true;
        parts += n + (parts[n] == '|');
    }
    return false;
}

/* Opens n bytes, which must fail so and leave nothing behind. */
static inline void refuse_bytes(const uint8_t *data, size_t n, int32_t expected, const char *parts)
{
    struct ledger ledger = { 0 };
    pith_options *o = ledger_options(&ledger);
    pith_model *m = (pith_model *)(void *)&ledger;
    pith_error e = { 0 };
    int32_t status = pith_model_open_memory(&m, data, (int64_t)n, o, &e);

    if (status != expected || e.code != expected)
        CHECK_FAIL("%zu bytes give %s: \"%s\", expected %s about %s", n, pith_status_name(status),
                   e.text, pith_status_name(expected), parts);
    else if (!has_one_of(e.text, parts))
        CHECK_FAIL("%zu bytes: \"%s\" does not contain %s", n, e.text, parts);
    if (status == PITH_OK)
        pith_model_release(m);
    else
        CHECK(m == NULL);
    CHECK_INT(ledger.live, 0);
    CHECK(ledger.peak <= (int64_t)n * 16 + (1 << 20));
    pith_options_release(o);
}

/* The same with a file under construction, which is freed. */
static inline void refuse(struct gguf *g, int32_t expected, const char *parts)
{
    size_t n;
    uint8_t *file = gguf_write(g, &n);

    refuse_bytes(file, n, expected, parts);
    free(file);
    gguf_free(g);
}

struct opened {
    struct ledger ledger;
    uint8_t *file;
    pith_model *model;
    pith_session *session;
};

/* Opens a file under construction, which must work; a session too if it has layers. */
static inline void open_made(struct opened *m, struct gguf *g)
{
    pith_options *o = ledger_options(&m->ledger);
    pith_error e = { 0 };
    size_t n;

    memset(m, 0, sizeof *m);
    m->file = gguf_write(g, &n);
    gguf_free(g);
    if (pith_model_open_memory(&m->model, m->file, (int64_t)n, o, &e) != PITH_OK)
        CHECK_FAIL("%s", e.text);
    else if (pith_model_number(m->model, PITH_MODEL_LAYERS) &&
             pith_session_open(&m->session, m->model, o, &e) != PITH_OK)
        CHECK_FAIL("%s", e.text);
    pith_options_release(o);
}

static inline void close_made(struct opened *m)
{
    pith_session_release(m->session);
    pith_model_release(m->model);
    CHECK_INT(m->ledger.live, 0);
    free(m->file);
}

#endif
