/* tiny_run.h - the tiny random models of tests/golden/tiny: their names, and what their golden
 * files say of logits and greedy continuations.
 */
#ifndef TINY_RUN_H
#define TINY_RUN_H

#include "golden.h"
#include "pith.h"

#include <dirent.h>

#define FOLDER "tests/golden/tiny"

enum { MAX_MODELS = 256, NAME_BYTES = 64 };

static const int tiers[] = { 0, 1 | 8, 255 }; /* plain C, AVX2 or NEON, all there is */

struct runner {
    pith_model *model;
    pith_session *session;
    int64_t vocabulary;
    const char *path;
};

static inline bool open_as(struct runner *r, const char *path, int tier, const char *precision,
                           int threads)
{
    pith_options *o;
    pith_error e = { 0 };

    *r = (struct runner){ .path = path };
    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_TIERS, tier, NULL);
    pith_options_set_str(o, PITH_OPT_PRECISION, precision, -1, NULL);
    pith_options_set_i64(o, PITH_OPT_THREADS, threads, NULL);
    if (pith_model_open(&r->model, path, -1, o, &e) == PITH_OK)
        pith_session_open(&r->session, r->model, o, &e);
    pith_options_release(o);
    if (!r->session)
        CHECK_FAIL("%s: %s", path, e.text);
    else
        r->vocabulary = pith_model_number(r->model, PITH_MODEL_VOCABULARY);
    return r->session != NULL;
}

static inline bool open_tiny(struct runner *r, const char *path, int tier)
{
    return open_as(r, path, tier, "exact", tier == 255 ? 2 : 1);
}

static inline void close_tiny(struct runner *r)
{
    pith_session_release(r->session);
    pith_model_release(r->model);
}

static inline bool feed_pieces(struct runner *r, const int32_t *ids, int64_t n, int64_t piece)
{
    pith_error e = { 0 };

    for (int64_t i = 0; i < n; i += piece)
        if (pith_session_feed(r->session, ids + i, n - i < piece ? n - i : piece, &e)) {
            CHECK_FAIL("%s: %s", r->path, e.text);
            return false;
        }
    return true;
}

static inline const float *last_logits(struct runner *r)
{
    const float *logits = NULL;

    CHECK_INT(pith_session_logits(r->session, &logits, NULL), PITH_OK);
    return logits;
}

static inline void compare(struct runner *r, const double *expected, int64_t piece)
{
    const float *logits = last_logits(r);
    double worst = 0, largest = 0;

    for (int64_t i = 0; i < r->vocabulary; i++) {
        double d = fabs((double)logits[i] - expected[i]);

        worst = d > worst || d != d ? d : worst;
        largest = fmax(largest, fabs(expected[i]));
    }
    if (!(worst <= 1e-4 * largest))
        CHECK_FAIL("%s, pieces of %" PRId64 ": logits are off by %.3g of the largest", r->path,
                   piece, worst / largest);
}

static inline void continue_greedily(struct runner *r, const int32_t *expected, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float *logits = last_logits(r);
        int32_t best = 0;

        for (int32_t t = 1; t < r->vocabulary; t++)
            best = logits[t] > logits[best] ? t : best;
        if (best != expected[i]) {
            CHECK_FAIL("%s: greedy token %" PRId64 " is %d, expected %d", r->path, i, best,
                       expected[i]);
            return;
        }
        if (!feed_pieces(r, &best, 1, 1))
            return;
    }
}

/* One case of the golden file; returns where the next may begin. */
static inline const char *run_case(struct runner *r, const char *json)
{
    const char *end = strchr(json, '}');
    const char *chain = golden_key(json, "greedy_ids");
    int64_t n, n_logits, n_chain = 0;
    int32_t *ids = golden_ids(golden_key(json, "ids"), &n), *greedy = NULL;
    double *expected = golden_array(golden_key(json, "logits"), &n_logits);
    int64_t pieces[] = { n, 7, 1 };

    if (chain && chain < end)
        greedy = golden_ids(chain, &n_chain);
    if (n_logits != r->vocabulary || n == 0)
        CHECK_FAIL("%s: %" PRId64 " logits, expected %" PRId64, r->path, r->vocabulary, n_logits);
    else
        for (int i = 0; i < 3; i++) {
            pith_session_rewind(r->session, 0, NULL);
            if (feed_pieces(r, ids, n, pieces[i]))
                compare(r, expected, pieces[i]);
        }
    continue_greedily(r, greedy, n_chain);
    free(ids);
    free(greedy);
    free(expected);
    return end;
}

enum { TIERS = sizeof tiers / sizeof *tiers };

static inline void check_tiers(const char *path, const char *json, int first, int last)
{
    for (int i = first; i < last; i++) {
        struct runner r;
        const char *at = golden_key(json, "cases");

        if (open_tiny(&r, path, tiers[i])) {
            CHECK(at != NULL);
            while (at && (at = strchr(at, '{')))
                at = run_case(&r, at);
        }
        close_tiny(&r);
    }
}

static char names[MAX_MODELS][NAME_BYTES];

static inline int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The folders that hold a golden file, sorted. */
static inline int list_models(void)
{
    DIR *dir = opendir(FOLDER);
    struct dirent *entry;
    int n = 0;

    while (dir && n < MAX_MODELS && (entry = readdir(dir))) {
        char path[512];

        snprintf(path, sizeof path, FOLDER "/%s/golden.json", entry->d_name);
        if (strlen(entry->d_name) < NAME_BYTES && access(path, R_OK) == 0)
            memcpy(names[n++], entry->d_name, strlen(entry->d_name) + 1);
    }
    if (dir)
        closedir(dir);
    qsort(names, (size_t)n, NAME_BYTES, by_name);
    return n;
}

#endif
