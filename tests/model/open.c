/* open.c - models whose parts do not fit each other are refused by name; those that open compute
 * the same wherever their bytes lie; opening costs neither time nor memory.
 */
#include "hostile.h"

#include <fcntl.h>
#include <time.h>

static struct gguf *fresh(void) { return tiny_model(&tiny_llama); }

/* ---- architecture ---- */

static void unknown_architectures(void)
{
    struct gguf *g = fresh();

    gguf_str(g, "general.architecture", "nobodys-net");
    refuse(g, PITH_E_UNSUPPORTED, "architecture nobodys-net is not supported");
    g = fresh();
    gguf_str(g, "general.architecture", "");
    refuse(g, PITH_E_UNSUPPORTED, "architecture  is not supported");
    g = fresh();
    gguf_drop(g, "general.architecture");
    refuse(g, PITH_E_FORMAT, "key general.architecture is missing");
    g = fresh();
    gguf_u32(g, "general.architecture", 7);
    refuse(g, PITH_E_FORMAT, "key general.architecture is u32, expected a string");
    g = fresh(); /* NUL ends no name */
    gguf_put_text(gguf_key(g, "general.architecture", GGUF_STR), "llama\0x", 7);
    refuse(g, PITH_E_UNSUPPORTED, "architecture llama");
    g = fresh(); /* one of the others */
    gguf_str(g, "general.architecture", "gpt2");
    refuse(g, PITH_E_FORMAT, "key gpt2.context_length is missing");
}

/* ---- tensors ---- */

static const struct tiny *const families[] = { &tiny_llama, &tiny_qwen3, &tiny_gpt2 };

static size_t tensors_of(const struct tiny *t)
{
    struct gguf *g = tiny_model(t);
    size_t n = g->tensors_n;

    gguf_free(g);
    return n;
}

static void every_missing_tensor_is_named(void)
{
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < tensors_of(families[f]); i++) {
            struct gguf *g = tiny_model(families[f]);
            char name[64], shown[96];

            snprintf(name, sizeof name, "%s", (char *)g->tensors[i].name.at);
            snprintf(shown, sizeof shown, "tensor %s is missing", name);
            gguf_drop_tensor(g, name);
            if (strstr(name, ".bias")) /* the description wants them all */
                refuse(g, PITH_E_FORMAT, name);
            else
                refuse(g, PITH_E_FORMAT, shown);
        }
}

static void surplus_tensors_are_named(void)
{
    static const char *const names[] = { "blk.1.attn_q.weight", "blk.0.attn_sinks.weight",
                                         "extra" };

    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < 3; i++) {
            struct gguf *g = tiny_model(families[f]);
            struct gguf_tensor *t;
            char shown[128];

            if (gguf_find(g, names[i])) {
                gguf_free(g);
                continue;
            }
            t = gguf_add(g, names[i], 0, "01234567", 8);
            t->dims = 1;
            t->ne[0] = 2;
            snprintf(shown, sizeof shown, "tensor %s is in the file, but %s has no use for it",
                     names[i], families[f]->arch);
            refuse(g, PITH_E_FORMAT, shown);
        }
}

/* One more in each dimension in turn, one dimension more, the two exchanged. */
static void every_wrong_shape_is_named(void)
{
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < tensors_of(families[f]); i++)
            for (int kind = 0; kind < 4; kind++) {
                struct gguf *g = tiny_model(families[f]);
                struct gguf_tensor *t = &g->tensors[i];
                uint64_t swap = t->ne[0];
                uint8_t zeros[4096] = { 0 };
                char shown[128];

                if (kind == 3 && (t->dims == 1 || t->ne[0] == t->ne[1])) {
                    gguf_free(g);
                    continue;
                }
                if (kind < 2)
                    t->ne[kind]++;
                if (kind == 1 && t->dims == 1)
                    t->dims = 2;
                if (kind == 2) {
                    t->dims = 3;
                    t->ne[2] = 2;
                    t->ne[1] = t->ne[1] ? t->ne[1] : 1;
                }
                if (kind == 3) {
                    t->ne[0] = t->ne[1];
                    t->ne[1] = swap;
                }
                t->data.n = 0;
                gguf_put(&t->data, zeros, sizeof zeros);
                snprintf(shown, sizeof shown, "%s is [", (char *)t->name.at);
                refuse(g, PITH_E_FORMAT, shown);
            }
}

static void both_shapes_are_told(void)
{
    struct gguf *g = fresh();

    gguf_find(g, "blk.0.ffn_up.weight")->ne[1] = 11;
    refuse(g, PITH_E_FORMAT, "blk.0.ffn_up.weight is [11,8], expected ff,dim = [12,8]");
    g = fresh();
    gguf_find(g, "blk.0.attn_k.weight")->ne[1] = 3;
    refuse(g, PITH_E_FORMAT, "blk.0.attn_k.weight is [3,8], expected kv*hd,dim = [4,8]");
}

static void formats_that_cannot_be_computed_with(void)
{
    /* Matrices that are all of one such type; the embedding is looked at first. */
    static const struct { uint32_t type; uint64_t block, bytes; const char *name; } types[] = {
        { 24, 1, 1, "I8" }, { 26, 1, 4, "I32" }, { 28, 1, 8, "F64" },
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct tiny t = { "llama", types[i].type, types[i].block, types[i].bytes, 256, 256, 2, 1,
                          128, 1, 16 };
        struct gguf *g = tiny_model(&t);
        uint8_t zeros[1024] = { 0 };
        char shown[96];

        for (size_t j = 0; j < g->tensors_n; j++) { /* whatever the filler made of it */
            struct gguf_tensor *one = &g->tensors[j];
            size_t bytes = (size_t)(one->ne[0] * (one->dims > 1 ? one->ne[1] : 1) /
                                    types[i].block * types[i].bytes);

            while (one->dims > 1 && one->data.n < bytes)
                gguf_put(&one->data, zeros, sizeof zeros);
        }
        snprintf(shown, sizeof shown, "token_embd.weight has type %s", types[i].name);
        refuse(g, PITH_E_UNSUPPORTED, shown);
        g = fresh();
        gguf_find(g, "output_norm.weight")->type = types[i].type;
        snprintf(shown, sizeof shown, types[i].block == 1 ? "output_norm.weight has type %s|beyond"
                                                          : "output_norm.weight", types[i].name);
        if (types[i].block == 1 && types[i].bytes <= 4)
            refuse(g, PITH_E_UNSUPPORTED, shown);
        else
            refuse(g, PITH_E_FORMAT, "output_norm.weight");
    }
}

/* ---- vocabularies ---- */

static void vocabularies_of_another_size(void)
{
    static const char *const pieces[20] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                            "k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
    struct gguf *g;
    struct opened m;

    for (int n = 12; n <= 20; n += 4)
        for (int key = 0; key < 2; key++) {
            struct gguf_bytes *scores;

            g = fresh();
            gguf_drop(g, "tokenizer.ggml.token_type");
            gguf_strings(g, "tokenizer.ggml.tokens", n, pieces);
            scores = gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, (uint64_t)n);
            gguf_put(scores, (const uint8_t[80]){ 0 }, (size_t)n * 4);
            if (key)
                gguf_u32(g, "llama.vocab_size", TINY_TOKENS);
            if (n == 20 && key) {
                refuse(g, PITH_E_FORMAT, "the vocabulary has 20 tokens, the model only 16");
            } else if (n == TINY_TOKENS || key) {
                open_made(&m, g);
                CHECK_INT(pith_model_number(m.model, PITH_MODEL_VOCABULARY), TINY_TOKENS);
                CHECK_INT(pith_generate(m.session, "abc", -1, NULL, NULL), PITH_OK);
                close_made(&m);
            } else {
                refuse(g, PITH_E_FORMAT, "token_embd.weight is [16,8], expected vocab,dim");
            }
        }
    g = fresh();
    gguf_drop(g, "tokenizer.ggml.tokens");
    refuse(g, PITH_E_FORMAT, "key llama.vocab_size is missing");
    g = fresh();
    gguf_drop(g, "tokenizer.ggml.tokens");
    gguf_u32(g, "llama.vocab_size", TINY_TOKENS);
    refuse(g, PITH_E_FORMAT, "tokenizer.ggml.tokens is missing");
}

/* CVE of the siblings: ids and arrays of the tokenizer against the vocabulary's length. */
static void issue_25475_special_ids(void)
{
    static const char *const keys[] = { "bos", "eos", "unknown", "seperator", "cls", "eot", "eom" };
    static const uint64_t wrong[] = { 16, 17, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, (uint64_t)1 << 32,
                                      (uint64_t)1 << 63, (uint64_t)-2 };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            struct gguf *g = fresh();
            char key[96];

            snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
            gguf_int(g, key, GGUF_I64, wrong[j]);
            refuse(g, PITH_E_FORMAT, key);
        }
}

static void commit_811397745_short_arrays(void)
{
    for (uint64_t n = 0; n < 20; n++) {
        struct gguf *g;

        if (n == TINY_TOKENS)
            continue;
        g = fresh();
        gguf_put(gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, n), (const uint8_t[80]){ 0 },
                 n * 4);
        refuse(g, PITH_E_FORMAT, "tokenizer.ggml.scores has");
        g = fresh();
        gguf_put(gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, n), (const uint8_t[80]){ 1 },
                 n * 4);
        refuse(g, PITH_E_FORMAT, "tokenizer.ggml.token_type has");
    }
}

static void a_vocabulary_alone(void)
{
    struct opened m;
    pith_session *s = (pith_session *)(void *)&m;
    pith_error e = { 0 };
    int32_t ids[8];
    int64_t n;

    open_made(&m, tiny_vocabulary());
    CHECK_INT(pith_model_number(m.model, PITH_MODEL_VOCABULARY), TINY_TOKENS);
    CHECK_INT(pith_model_number(m.model, PITH_MODEL_LAYERS), 0);
    CHECK_INT(pith_model_number(m.model, PITH_MODEL_PARAMETERS), 0);
    CHECK_INT(pith_tokenize(m.model, "abc", -1, 0, ids, 8, &n, &e), PITH_OK);
    CHECK_INT(n, 1);
    CHECK_INT(pith_session_open(&s, m.model, NULL, &e), PITH_E_UNSUPPORTED);
    CHECK_HAS(e.text, "vocabulary without weights");
    CHECK(s == NULL);
    CHECK_INT(pith_model_explain(m.model, NULL, 0, &n, &e), PITH_E_UNSUPPORTED);
    CHECK_INT(pith_model_verify(m.model, &e), PITH_OK);
    close_made(&m);
    refuse(gguf_new(), PITH_E_FORMAT, "neither tensors nor a vocabulary");
}

/* ---- weights that are no numbers ---- */

static int32_t generate_some(struct opened *m, pith_error *e)
{
    const pith_event *event;
    int32_t status = pith_generate(m->session, "abc", -1, NULL, e);

    for (int i = 0; status == PITH_OK && i < 4; i++)
        status = pith_generate_next(m->session, &event, e);
    return status == PITH_END ? PITH_OK : status;
}

static int32_t classify_some(struct opened *m, pith_error *e)
{
    static const int64_t at[] = { 0, 1, 2 };
    float p[2] = { -1, -1 };
    pith_options *o = NULL;
    int32_t status;

    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    pith_options_set_str(o, PITH_OPT_TEMPLATE, "{text}d{label}", -1, NULL);
    pith_options_set_str(o, PITH_OPT_CONTENT_FREE, "c", -1, NULL);
    status = pith_classify(m->session, "a", at, 1, "bc", at, 2, o, p, e);
    pith_options_release(o);
    if (status == PITH_OK)
        CHECK(p[0] >= 0 && p[1] >= 0 && fabsf(p[0] + p[1] - 1) < 1e-5f);
    return status;
}

static void poison(struct gguf_tensor *t, uint32_t bits, size_t from, size_t step)
{
    for (size_t i = from; i + 4 <= t->data.n; i += step)
        for (int j = 0; j < 4; j++)
            t->data.at[i + (size_t)j] = (uint8_t)(bits >> 8 * j);
}

static void weights_that_are_no_numbers(void)
{
    static const uint32_t values[] = { 0x7FC00000, 0xFFC00001, 0x7F800000, 0xFF800000 };

    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < tensors_of(families[f]); i++)
            for (size_t v = 0; v < 4; v++) {
                struct gguf *g = tiny_model(families[f]);
                struct gguf_tensor *t = &g->tensors[i];
                size_t last = t->data.n / 4 * 4 - 4;
                char name[64];
                struct opened m;
                pith_error e = { 0 };

                snprintf(name, sizeof name, "%s: value", (char *)t->name.at);
                if (t->type == 0)
                    poison(t, values[v], v % 2 ? last : 0, v % 2 ? 4 : t->data.n);
                else
                    t->data.at[1] = t->data.at[3] = v % 2 ? 0xFC : 0x7E;
                open_made(&m, g);
                CHECK_INT(pith_model_verify(m.model, &e), PITH_E_NUMERIC);
                CHECK_HAS(e.text, name);
                (void)generate_some(&m, &e);
                (void)classify_some(&m, &e);
                close_made(&m);
            }
}

static void fill_with_nan(struct gguf_tensor *t)
{
    for (size_t i = 1; i < t->data.n; i += 2) /* NaN as F32 and as F16 */
        t->data.at[i - 1] = 0xC0, t->data.at[i] = 0x7F;
}

static void nan_weights_stop_generation(void)
{
    for (size_t f = 0; f < 3; f++)
        for (size_t i = 0; i < tensors_of(families[f]); i++) {
            struct gguf *g = tiny_model(families[f]);
            struct gguf_tensor *t = &g->tensors[i];
            struct opened m;
            pith_error e = { 0 };

            fill_with_nan(t);
            open_made(&m, g);
            if (generate_some(&m, &e) != PITH_E_NUMERIC)
                CHECK_FAIL("%s, tensor %zu: generates", families[f]->arch, i);
            CHECK_HAS(e.text, "logit");
            CHECK_INT(pith_session_rewind(m.session, 0, NULL), PITH_OK);
            CHECK_INT(classify_some(&m, &e), PITH_E_NUMERIC);
            close_made(&m);
        }
}

/* A score that is no number is an error like a token that cannot be chosen. */
static void nan_weights_stop_scoring(void)
{
    static const int32_t ids[] = { 1, 5, 6 };
    struct gguf *g = fresh();
    struct opened m;
    pith_error e = { 0 };
    double logprob = 0, logprobs[2];
    int64_t tokens;

    fill_with_nan(gguf_find(g, "output_norm.weight"));
    open_made(&m, g);
    CHECK_INT(pith_score(m.session, "a", -1, "bc", -1, &logprob, &tokens, &e), PITH_E_NUMERIC);
    CHECK_INT(pith_score_tokens(m.session, ids, 3, logprobs, &e), PITH_E_NUMERIC);
    close_made(&m);
}

/* ---- where the bytes lie ---- */

static void logits_of(pith_model *m, float *logits)
{
    static const int32_t ids[] = { 3, 14, 1, 5, 9, 2, 6 };
    pith_session *s = NULL;
    pith_error e = { 0 };
    pith_options *o = NULL;

    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    pith_options_set_i64(o, PITH_OPT_THREADS, 1, NULL);
    if (pith_session_open(&s, m, o, &e) != PITH_OK ||
        pith_session_evaluate(s, ids, 7, logits, &e) != PITH_OK)
        CHECK_FAIL("%s", e.text);
    pith_session_release(s);
    pith_options_release(o);
}

static const char *const golden[] = {
    "tests/golden/llama.gguf", "tests/golden/gpt2.gguf", "tests/golden/qwen2.gguf",
    "tests/golden/qwen3.gguf", "tests/golden/llama-f16.gguf", "tests/golden/llama-bf16.gguf",
    "tests/golden/llama-q8_0.gguf", "tests/golden/llama-q4_0.gguf", "tests/golden/llama-q4_k.gguf",
    "tests/golden/llama-q6_k.gguf", "tests/golden/llama-untied.gguf",
};

static void any_address_gives_the_same(void)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        size_t n, vocabulary;
        uint8_t *file = check_read(golden[i], &n), *moved = malloc(n + 64);
        float *expected, *got;
        pith_model *m = NULL;
        pith_error e = { 0 };

        CHECK_INT(pith_model_open(&m, golden[i], -1, NULL, &e), PITH_OK);
        vocabulary = (size_t)pith_model_number(m, PITH_MODEL_VOCABULARY);
        expected = calloc(7 * vocabulary, sizeof *expected);
        got = calloc(7 * vocabulary, sizeof *got);
        logits_of(m, expected);
        pith_model_release(m);
        for (size_t shift = 1; shift < 64; shift = shift * 3 - 1) { /* 1 2 5 14 41 */
            memcpy(moved + shift, file, n);
            if (pith_model_open_memory(&m, moved + shift, (int64_t)n, NULL, &e) != PITH_OK) {
                CHECK_FAIL("%s: %s", golden[i], e.text);
                continue;
            }
            logits_of(m, got);
            if (memcmp(expected, got, 7 * vocabulary * sizeof *got) != 0)
                CHECK_FAIL("%s gives other logits from an address + %zu", golden[i], shift);
            pith_model_release(m);
        }
        free(expected);
        free(got);
        free(moved);
        free(file);
    }
}

static void part_of_a_file_gives_the_same(void)
{
    static float expected[7 * 99], got[7 * 99];
    static const size_t offsets[] = { 1, 13, 4096, 4097, 70001 };
    size_t n;
    uint8_t *file = check_read(golden[0], &n);
    char path[] = "/tmp/pith-XXXXXX";
    int fd = mkstemp(path);
    pith_model *m = NULL;
    pith_error e = { 0 };

    unlink(path);
    CHECK_INT(pith_model_open(&m, golden[0], -1, NULL, &e), PITH_OK);
    logits_of(m, expected);
    pith_model_release(m);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        CHECK_INT(ftruncate(fd, 0), 0);
        CHECK(pwrite(fd, file, n, (off_t)offsets[i]) == (ssize_t)n);
        CHECK(pwrite(fd, "trailing bytes", 14, (off_t)(offsets[i] + n)) == 14);
        CHECK_INT(pith_model_open_fd(&m, fd, (int64_t)offsets[i], i % 2 ? (int64_t)n : 0, NULL, &e),
                  PITH_OK);
        logits_of(m, got);
        CHECK(memcmp(expected, got, sizeof got) == 0);
        pith_model_release(m);
        CHECK_INT(pith_model_open_fd(&m, fd, (int64_t)offsets[i], (int64_t)n - 1, NULL, &e),
                  PITH_E_FORMAT);
        CHECK_HAS(e.text, "cut short");
    }
    close(fd);
    free(file);
}

/* ---- what opening costs ---- */

static double milliseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

enum { SLOWER = SANITIZED ? 10 : 1 };

static void open_costs(const char *path, double most_ms, double share)
{
    double best = 1e9;

    for (int i = 0; i < 5; i++) {
        struct ledger ledger = { 0 };
        pith_options *o = ledger_options(&ledger);
        pith_model *m = NULL;
        pith_error e = { 0 };
        double start = milliseconds();

        if (pith_model_open(&m, path, -1, o, &e) != PITH_OK)
            CHECK_FAIL("%s: %s", path, e.text);
        best = fmin(best, milliseconds() - start);
        if ((double)ledger.peak > share * (double)pith_model_number(m, PITH_MODEL_BYTES) + 131072)
            CHECK_FAIL("%s: %" PRId64 " bytes for weights of %" PRId64, path, ledger.peak,
                       pith_model_number(m, PITH_MODEL_BYTES));
        pith_model_release(m);
        CHECK_INT(ledger.live, 0);
        pith_options_release(o);
    }
    if (best > most_ms * SLOWER)
        CHECK_FAIL("%s takes %.1f ms to open", path, best);
}

static void opening_is_cheap(void)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
        open_costs(golden[i], 20, 0.5);
    if (access("examples/models/pith-tiny.gguf", R_OK) == 0)
        open_costs("examples/models/pith-tiny.gguf", 20, 0.25);
}

static void opening_a_real_model_is_cheap(void)
{
    if (access(SHARED "/data/models/stories260K.gguf", R_OK) != 0)
        SKIP("no " SHARED "/data/models/stories260K.gguf");
    open_costs(SHARED "/data/models/stories260K.gguf", 20, 0.25);
}

/* Layers are bounded, so that what is computed per pair of them is. */
static void many_layers(void)
{
    struct tiny t = { "llama", 0, 1, 4, 2, 1, 1, 1, 2, 1024, 16 };
    double start = milliseconds();
    struct opened m;

    open_made(&m, tiny_model(&t));
    CHECK_INT(pith_model_number(m.model, PITH_MODEL_LAYERS), 1024);
    CHECK(milliseconds() - start < 2000 * SLOWER);
    close_made(&m);
    t.layers = 1025;
    refuse(tiny_model(&t), PITH_E_LIMIT, "1025 layers");
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(unknown_architectures);
    RUN(every_missing_tensor_is_named);
    RUN(surplus_tensors_are_named);
    RUN(every_wrong_shape_is_named);
    RUN(both_shapes_are_told);
    RUN(formats_that_cannot_be_computed_with);
    RUN(vocabularies_of_another_size);
    RUN(issue_25475_special_ids);
    RUN(commit_811397745_short_arrays);
    RUN(a_vocabulary_alone);
    RUN(weights_that_are_no_numbers);
    RUN(nan_weights_stop_generation);
    RUN(nan_weights_stop_scoring);
    RUN(any_address_gives_the_same);
    RUN(part_of_a_file_gives_the_same);
    RUN(opening_is_cheap);
    RUN(opening_a_real_model_is_cheap);
    RUN(many_layers);
    return CHECK_END();
}
