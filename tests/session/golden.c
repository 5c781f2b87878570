/* golden.c - real and tiny models against numbers of independent implementations: logits in every
 * tier, greedy continuations, prompts read in pieces, any number of threads.
 *
 * tests/golden/make_models.py made the tiny ones, with transformers.
 */
#include "golden.h"
#include "pith.h"

static const int tiers[] = { 0, 1 | 8, 255 }; /* plain C, AVX2 or NEON, all there is */

struct subject {
    pith_model *model;
    pith_session *session;
    int64_t vocabulary;
};

static bool open_kv(struct subject *s, const char *path, int tier, const char *precision,
                    const char *kv_type, int threads)
{
    pith_options *o;
    pith_error e = { 0 };

    memset(s, 0, sizeof *s);
    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_TIERS, tier, NULL);
    pith_options_set_str(o, PITH_OPT_PRECISION, precision, -1, NULL);
    pith_options_set_str(o, PITH_OPT_KV_TYPE, kv_type, -1, NULL);
    pith_options_set_i64(o, PITH_OPT_THREADS, threads, NULL);
    if (pith_model_open(&s->model, path, -1, o, &e) == PITH_OK)
        pith_session_open(&s->session, s->model, o, &e);
    pith_options_release(o);
    if (!s->session)
        CHECK_FAIL("%s: %s", path, e.text);
    else
        s->vocabulary = pith_model_number(s->model, PITH_MODEL_VOCABULARY);
    return s->session != NULL;
}

static bool open_with(struct subject *s, const char *path, int tier, const char *precision,
                      int threads)
{
    return open_kv(s, path, tier, precision, "auto", threads);
}

static void close_all(struct subject *s)
{
    pith_session_release(s->session);
    pith_model_release(s->model);
}

static void feed(struct subject *s, const int32_t *ids, int64_t n, int64_t chunk)
{
    pith_error e = { 0 };

    for (int64_t i = 0; i < n; i += chunk)
        if (pith_session_feed(s->session, ids + i, n - i < chunk ? n - i : chunk, &e))
            CHECK_FAIL("%s", e.text);
}

static const float *logits_of(struct subject *s)
{
    const float *logits = NULL;

    CHECK_INT(pith_session_logits(s->session, &logits, NULL), PITH_OK);
    return logits;
}

/* The largest difference, as a share of the largest expected logit. */
static double difference(const float *logits, const double *expected, int64_t n)
{
    double worst = 0, largest = 0;

    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)logits[i] - expected[i]);

        worst = d > worst || d != d ? d : worst;
        largest = fmax(largest, fabs(expected[i]));
    }
    return worst / largest;
}

static void check_case(struct subject *s, const char *json, double bound)
{
    int64_t n, n_logits, n_greedy;
    int32_t *ids = golden_ids(golden_key(json, strstr(json, "\"prompt_ids\"") ? "prompt_ids"
                                                                              : "ids"), &n);
    double *expected = golden_array(golden_key(json, strstr(json, "\"last_logits\"")
                                                         ? "last_logits" : "logits"), &n_logits);
    int32_t *greedy = golden_ids(golden_key(json, "greedy_ids"), &n_greedy);
    int64_t chunks[] = { 1, 7, 64, n };

    CHECK_INT(n_logits, s->vocabulary);
    CHECK(n > 0 && n_greedy > 0);
    for (int c = 0; c < 4 && n_logits == s->vocabulary; c++) {
        pith_session_rewind(s->session, 0, NULL);
        feed(s, ids, n, chunks[c]);
        CHECK_NEAR(difference(logits_of(s), expected, n_logits), 0, bound);
    }
    for (int64_t i = 0; i < n_greedy; i++) {
        const float *logits = logits_of(s);
        int32_t best = 0;

        for (int32_t t = 1; t < s->vocabulary; t++)
            best = logits[t] > logits[best] ? t : best;
        if (best != greedy[i]) {
            CHECK_FAIL("greedy token %" PRId64 " is %d, expected %d", i, best, greedy[i]);
            break;
        }
        feed(s, &best, 1, 1);
    }
    free(ids);
    free(expected);
    free(greedy);
}

/* All cases of a golden file, in every tier. */
static void check_model(const char *path, const char *golden, const char *precision,
                        double bound)
{
    size_t size;
    char *json = (char *)check_read(golden, &size);

    if (!json) {
        CHECK_FAIL("%s is missing", golden);
        return;
    }
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        struct subject s;
        const char *at = golden_key(json, "cases");

        if (!open_with(&s, path, tiers[i], precision, 2)) {
            close_all(&s);
            continue;
        }
        while ((at = strchr(at, '{'))) {
            check_case(&s, at, bound);
            at = golden_key(at, "greedy_ids");
            at = strchr(at, '}');
        }
        close_all(&s);
    }
    free(json);
}

static void stories(void)
{
    if (access(SHARED "/data/models/stories260K.gguf", R_OK) != 0)
        SKIP("shared/data is absent");
    check_model(SHARED "/data/models/stories260K.gguf",
                SHARED "/data/models/stories260K.golden.json", "auto", 1e-4);
}

/* float32 throughout, whatever the weights are stored as. */
#define TINY(test, file)                                                              \
    static void test(void)                                                            \
    {                                                                                 \
        check_model("tests/golden/" file ".gguf", "tests/golden/" file ".json", "exact", 1e-4); \
    }
TINY(llama, "llama")
TINY(gpt2, "gpt2")
TINY(qwen2, "qwen2")
TINY(qwen3, "qwen3")
TINY(llama_rope_llama3, "llama-rope-llama3")
TINY(llama_linear, "llama-linear")
TINY(llama_yarn, "llama-yarn")
TINY(llama_untied, "llama-untied")
TINY(llama_f16, "llama-f16")
TINY(llama_bf16, "llama-bf16")
TINY(llama_q8_0, "llama-q8_0")
TINY(llama_q4_0, "llama-q4_0")
TINY(llama_q4_k, "llama-q4_k")
TINY(llama_q6_k, "llama-q6_k")

/* Quantised activations move the logits by a few hundredths, now less, now more: of some prompts,
 * the mean. */
#define FAST(test, file)                                                              \
    static void test(void)                                                            \
    {                                                                                 \
        struct subject exact, fast;                                                   \
        compare_precisions(&exact, &fast, "tests/golden/" file ".gguf");              \
    }

/* How far apart the logits behind a prompt are. */
static double compare_prompt(struct subject *exact, struct subject *fast, int prompt)
{
    double *expected = malloc((size_t)exact->vocabulary * sizeof *expected), apart;
    int32_t ids[48];

    for (int i = 0; i < 48; i++)
        ids[i] = 3 + (13 * prompt + i * (7 + 2 * prompt)) % 90;
    pith_session_rewind(exact->session, 0, NULL);
    pith_session_rewind(fast->session, 0, NULL);
    feed(exact, ids, 48, 48);
    for (int64_t i = 0; i < exact->vocabulary; i++)
        expected[i] = (double)logits_of(exact)[i];
    feed(fast, ids, 35, 35); /* enough for every engine that a tier may have */
    feed(fast, ids + 35, 12, 12);
    feed(fast, ids + 47, 1, 1);
    apart = difference(logits_of(fast), expected, exact->vocabulary);
    free(expected);
    return apart;
}

static void compare_precisions(struct subject *exact, struct subject *fast, const char *path)
{
    enum { PROMPTS = 4 };

    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        double apart = 0;

        if (open_with(exact, path, 0, "exact", 1) && open_with(fast, path, tiers[i], "fast", 2)) {
            for (int prompt = 0; prompt < PROMPTS; prompt++)
                apart += compare_prompt(exact, fast, prompt) / PROMPTS;
            CHECK_NEAR(apart, 0, 0.05);
        }
        close_all(exact);
        close_all(fast);
    }
}
FAST(fast_q8_0, "llama-q8_0")
FAST(fast_q4_0, "llama-q4_0")
FAST(fast_q4_k, "llama-q4_k")
FAST(fast_q6_k, "llama-q6_k")
FAST(fast_f16, "llama-f16")

/* 40 tokens: exact at once, s in two ways. */
static void compare_pieces(struct subject *exact, struct subject *s, double bound)
{
    double *expected = malloc((size_t)s->vocabulary * sizeof *expected);
    size_t bytes = (size_t)s->vocabulary * sizeof(float);
    float *whole = malloc(bytes);
    int32_t ids[40];

    for (int i = 0; i < 40; i++)
        ids[i] = 3 + i * 17 % 90;
    feed(exact, ids, 40, 40);
    for (int64_t i = 0; i < s->vocabulary; i++)
        expected[i] = (double)logits_of(exact)[i];
    feed(s, ids, 40, 40);
    memcpy(whole, logits_of(s), bytes);
    CHECK_NEAR(difference(whole, expected, s->vocabulary), 0, bound);
    pith_session_rewind(s->session, 0, NULL);
    feed(s, ids, 40, 3);
    CHECK_INT(memcmp(whole, logits_of(s), bytes), 0);
    free(whole);
    free(expected);
}

/* Keys and values in every form: near the exact numbers, the same bits for a prompt in pieces. */
static void kv_types(void)
{
    static const char *const names[] = { "f32", "f16", "bf16", "q8", "auto" };
    static const char *const files[] = { "tests/golden/llama.gguf", "tests/golden/gpt2.gguf" };
    static const double bounds[] = { 1e-5, 2e-3, 2e-2, 5e-2, 1e-5 };

    for (int f = 0; f < 2; f++)
        for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
            for (int kv = 0; kv < 5; kv++) {
                struct subject exact, s = { 0 };

                if (open_with(&exact, files[f], 0, "exact", 1) &&
                    open_kv(&s, files[f], tiers[i], "exact", names[kv], 3))
                    compare_pieces(&exact, &s, bounds[kv]);
                close_all(&exact);
                close_all(&s);
            }
}

static void kv_refused(void)
{
    pith_options *o;
    pith_model *model = NULL;
    pith_error e = { 0 };

    pith_options_create(&o, NULL);
    pith_options_set_str(o, PITH_OPT_KV_TYPE, "q4", -1, NULL);
    CHECK_INT(pith_model_open(&model, "tests/golden/llama.gguf", -1, o, &e), PITH_E_ARGUMENT);
    CHECK_HAS(e.text, "kv_type is \"q4\"");
    pith_options_release(o);
}

/* The same bits for 1, 2, 3 and 8 threads, in every tier and precision, prompt and decode. */
static void threads(void)
{
    static const char *const files[] = { "tests/golden/llama.gguf", "tests/golden/llama-q4_k.gguf",
                                         "tests/golden/llama-q8_0.gguf",
                                         "tests/golden/gpt2.gguf" };
    static const int counts[] = { 1, 2, 3, 8 };
    int32_t ids[40];

    for (int i = 0; i < 40; i++)
        ids[i] = 3 + i * 11 % 90;
    for (size_t f = 0; f < 4; f++)
        for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
            float *first = NULL;

            for (int c = 0; c < 4; c++) {
                struct subject s;
                size_t bytes;

                if (open_with(&s, files[f], tiers[i], "auto", counts[c])) {
                    bytes = (size_t)s.vocabulary * sizeof *first;
                    feed(&s, ids, 39, 39);
                    feed(&s, ids + 39, 1, 1);
                    if (!first)
                        first = memcpy(malloc(bytes), logits_of(&s), bytes);
                    CHECK_INT(memcmp(first, logits_of(&s), bytes), 0);
                }
                close_all(&s);
            }
            free(first);
        }
}

/* A prompt read in pieces gives the same bits as one read whole, where that is promised: kernels
 * treat every token alike, however many there are. */
static void chunks(void)
{
    static const char *const files[] = { "tests/golden/llama.gguf", "tests/golden/llama-q4_k.gguf",
                                         "tests/golden/llama-q4_0.gguf",
                                         "tests/golden/gpt2.gguf" };
    static const int64_t sizes[] = { 40, 1, 7, 64 };
    int32_t ids[40];

    for (int i = 0; i < 40; i++)
        ids[i] = 3 + i * 13 % 90;
    for (size_t f = 0; f < 8; f++)
        for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
            float *first = NULL;

            for (int c = 0; c < 4; c++) {
                struct subject s;
                size_t bytes;

                if (open_with(&s, files[f / 2], tiers[i], f % 2 ? "exact" : "reproducible", 2)) {
                    bytes = (size_t)s.vocabulary * sizeof *first;
                    feed(&s, ids, 40, sizes[c]);
                    if (!first)
                        first = memcpy(malloc(bytes), logits_of(&s), bytes);
                    if (memcmp(first, logits_of(&s), bytes) != 0)
                        CHECK_FAIL("%s, tiers %d: pieces of %" PRId64 " differ", files[f / 2],
                                   tiers[i], sizes[c]);
                }
                close_all(&s);
            }
            free(first);
        }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(stories);
    RUN(llama);
    RUN(gpt2);
    RUN(qwen2);
    RUN(qwen3);
    RUN(llama_rope_llama3);
    RUN(llama_linear);
    RUN(llama_yarn);
    RUN(llama_untied);
    RUN(llama_f16);
    RUN(llama_bf16);
    RUN(llama_q8_0);
    RUN(llama_q4_0);
    RUN(llama_q4_k);
    RUN(llama_q6_k);
    RUN(fast_q8_0);
    RUN(fast_q4_0);
    RUN(fast_q4_k);
    RUN(fast_q6_k);
    RUN(fast_f16);
    RUN(kv_types);
    RUN(kv_refused);
    RUN(threads);
    RUN(chunks);
    return CHECK_END();
}
