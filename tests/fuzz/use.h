/* use.h - does everything with a model that opened, for the targets that open one.
 */
#ifndef FUZZ_USE_H
#define FUZZ_USE_H

#include "fuzz.h"

static const char text[] =
    "abc \xC3\xA9 a\nb<tool></s> \xE2\x96\x81\xFF\xF0\x9F\x98\x80 [SEP] 123 don't";

static void look_at(const pith_model *m)
{
    char value[64];
    pith_error e = { 0 };

    for (int32_t key = 0; key <= PITH_MODEL_STATE_BYTES + 1; key++)
        (void)pith_model_number(m, key);
    for (int64_t i = 0; i < pith_model_meta_count(m); i++) {
        const char *key;
        int64_t n;

        FUZZ_CHECK(pith_model_meta(m, i, &key, &n, value, i % 64, &e) == PITH_OK);
    }
    for (int64_t i = 0; i < pith_model_number(m, PITH_MODEL_TENSORS); i++) {
        const char *name, *type;
        int64_t n, shape[4];
        int32_t dims;

        FUZZ_CHECK(pith_model_tensor(m, i, &name, &n, &type, shape, &dims, &e) == PITH_OK);
        FUZZ_CHECK(type && dims >= 1 && dims <= 4);
    }
    (void)strlen(pith_model_arch(m));
    fuzz_status(pith_model_verify(m, &e), &e);
}

static void explain(const pith_model *m)
{
    pith_error e = { 0 };
    int64_t n, again;
    char *all;

    if (pith_model_explain(m, NULL, 0, &n, &e) != PITH_OK)
        return;
    all = malloc((size_t)n + 1);
    FUZZ_CHECK(pith_model_explain(m, all, n + 1, &again, &e) == PITH_OK);
    FUZZ_CHECK(again == n && strlen(all) == (size_t)n);
    free(all);
}

static void tokenize(const pith_model *m)
{
    int64_t count, again, length, vocabulary = pith_model_number(m, PITH_MODEL_VOCABULARY);
    char bytes[256];
    pith_error e = { 0 };
    int32_t *ids;

    for (int32_t flags = 0; flags < 4; flags++) {
        int32_t status = pith_tokenize(m, text, -1, flags, NULL, 0, &count, &e);

        fuzz_status(status, &e);
        if (status != PITH_OK)
            return;
        ids = malloc((size_t)count * sizeof *ids + 1);
        FUZZ_CHECK(pith_tokenize(m, text, -1, flags, ids, count, &again, &e) == PITH_OK);
        FUZZ_CHECK(again == count);
        for (int64_t i = 0; i < count; i++)
            FUZZ_CHECK(ids[i] >= 0 && ids[i] < vocabulary);
        FUZZ_CHECK(pith_detokenize(m, ids, count, flags, bytes, sizeof bytes, &length, &e) ==
                   PITH_OK);
        free(ids);
    }
    for (int32_t id = -1; id < 20; id++) {
        const char *piece;

        fuzz_status(pith_token_piece(m, id, &piece, &length, &e), &e);
        fuzz_status(pith_detokenize(m, &id, 1, 2, bytes, sizeof bytes, &length, &e), &e);
    }
}

static void generate(pith_session *s, const pith_options *options)
{
    const pith_event *event;
    pith_error e = { 0 };
    int32_t status = pith_generate(s, "ab", -1, options, &e);

    for (int i = 0; status == PITH_OK && i < 8; i++) {
        const char *piece;
        int64_t n;

        fuzz_status(status, &e);
        status = pith_generate_next(s, &event, &e);
        if (status == PITH_OK)
            pith_event_text(event, &piece, &n);
    }
    fuzz_status(status, &e);
}

static void classify(pith_session *s)
{
    static const int64_t texts[] = { 0, 1, 3 }, labels[] = { 0, 1, 3 };
    float probabilities[4];
    double logprob;
    int64_t tokens;
    pith_options *o;
    pith_error e = { 0 };
    int32_t status;

    FUZZ_CHECK(pith_options_create(&o, &e) == PITH_OK);
    pith_options_set_str(o, PITH_OPT_TEMPLATE, "a{text}b{label}", -1, NULL);
    pith_options_set_str(o, PITH_OPT_CONTENT_FREE, "c", -1, NULL);
    status = pith_classify(s, "cab", texts, 2, "abc", labels, 2, o, probabilities, &e);
    if (status == PITH_OK)
        FUZZ_CHECK(probabilities[0] >= 0 && probabilities[0] <= 1);
    fuzz_status(status, &e);
    fuzz_status(pith_score(s, "a", -1, "bc", -1, &logprob, &tokens, &e), &e);
    pith_options_release(o);
}

static inline void run(pith_model *m, pith_options *o)
{
    static const int32_t ids[] = { 1, 5 };
    pith_session *s;
    pith_error e = { 0 };
    const float *logits;
    int32_t status;

    if (pith_model_number(m, PITH_MODEL_CONTEXT) >= 64)
        pith_options_set_i64(o, PITH_OPT_CONTEXT, 64, NULL);
    status = pith_session_open(&s, m, o, &e);
    fuzz_status(status, &e);
    if (status != PITH_OK) {
        FUZZ_CHECK(!s);
        return;
    }
    fuzz_status(pith_session_feed(s, ids, 2, &e), &e);
    fuzz_status(pith_session_logits(s, &logits, &e), &e);
    generate(s, o);
    pith_session_rewind(s, 0, &e);
    classify(s);
    pith_session_release(s);
}

/* A byte of the input chooses how the model is used. */
static inline pith_options *options_of(uint8_t choice, struct fuzz_memory *memory)
{
    static const char *const precisions[] = { "auto", "exact", "reproducible" };
    static const int tiers[] = { 255, 0, 1 };
    pith_options *o;

    FUZZ_CHECK(pith_options_create(&o, NULL) == PITH_OK);
    FUZZ_CHECK(pith_options_set_allocator(o, fuzz_alloc, fuzz_free, memory, NULL) == PITH_OK);
    pith_options_set_i64(o, PITH_OPT_THREADS, 1, NULL);
    pith_options_set_i64(o, PITH_OPT_BATCH, 3, NULL);
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 3, NULL);
    pith_options_set_f64(o, PITH_OPT_TEMPERATURE, choice & 1 ? 0.8 : 0, NULL);
    pith_options_set_str(o, PITH_OPT_PRECISION, precisions[choice / 2 % 3], -1, NULL);
    pith_options_set_i64(o, PITH_OPT_TIERS, tiers[choice / 6 % 3], NULL);
    return o;
}

static inline void use_model(pith_model *m, pith_options *o)
{
    look_at(m);
    explain(m);
    tokenize(m);
    if (pith_model_number(m, PITH_MODEL_LAYERS) > 0)
        run(m, o);
    pith_model_release(m);
}

#endif
