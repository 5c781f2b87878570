/* misuse.c - every wrong argument is an error that names it, and results are zeroed.
 */
#include "api.h"

#define FAR (char *)(uintptr_t)16 /* results must not keep this */

static struct guest g; /* LLAMA */

static void nothing_to_release(void)
{
    const char *text = FAR;
    int64_t n = 5;

    pith_options_release(NULL);
    pith_session_release(NULL);
    pith_model_release(NULL);
    pith_model_retain(NULL);
    pith_session_cancel(NULL);
    CHECK_INT(pith_model_number(NULL, PITH_MODEL_WIDTH), 0);
    CHECK_STR(pith_model_arch(NULL), "");
    CHECK_INT(pith_model_meta_count(NULL), 0);
    CHECK_INT(pith_session_position(NULL), 0);
    CHECK_INT(pith_session_capacity(NULL), 0);
    pith_event_text(NULL, &text, &n);
    CHECK_STR(text, "");
    CHECK_INT(n, 0);
    pith_event_text(NULL, NULL, NULL);
    CHECK_INT(pith_event_token(NULL), -1);
    CHECK_INT(pith_event_finish(NULL), PITH_FINISH_NONE);
    CHECK_NEAR(pith_event_logprob(NULL), 0, 0);
}

static void options(void)
{
    pith_options *o = new_options();
    const char *name = FAR, *text = FAR;
    int32_t key = 5, type = 5, scope = 5;
    double min = 5, max = 5, def = 5;

    FAILS(pith_options_create(NULL, &e), PITH_E_ARGUMENT, "NULL");
    FAILS(pith_options_set_i64(NULL, PITH_OPT_SEED, 1, &e), PITH_E_ARGUMENT, "options");
    FAILS(pith_options_set_f64(NULL, PITH_OPT_TOP_P, 1, &e), PITH_E_ARGUMENT, "options");
    FAILS(pith_options_set_str(NULL, PITH_OPT_STOP, "", 0, &e), PITH_E_ARGUMENT, "options");
    FAILS(pith_options_set_allocator(NULL, NULL, NULL, NULL, &e), PITH_E_ARGUMENT, "options");
    FAILS(pith_options_set_i64(o, 9999, 1, &e), PITH_E_UNSUPPORTED, "9999");
    FAILS(pith_options_set_f64(o, -1, 1, &e), PITH_E_UNSUPPORTED, "-1");
    FAILS(pith_options_set_str(o, 0, "", 0, &e), PITH_E_UNSUPPORTED, "0");
    FAILS(pith_options_set_str(o, PITH_OPT_STOP, "x", -2, &e), PITH_E_ARGUMENT, "stop");
    FAILS(pith_options_set_str(o, PITH_OPT_STOP, NULL, 1, &e), PITH_E_ARGUMENT, "stop");
    FAILS(pith_options_set_str(o, PITH_OPT_STOP, NULL, -1, &e), PITH_E_ARGUMENT, "stop");
    FAILS(pith_option_info(-1, &key, &name, &type, &scope, &min, &max, &def, &text, &e),
          PITH_E_ARGUMENT, "-1");
    CHECK(!name && !text && !key && !type && !scope && min == 0 && max == 0 && def == 0);
    FAILS(pith_option_info(pith_option_count(), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                           &e), PITH_E_ARGUMENT, "option");
    pith_options_release(o);
}

static void open_model(void)
{
    pith_options *o = new_options();
    pith_model *m = (pith_model *)(void *)FAR;

    FAILS(pith_model_open(NULL, LLAMA, -1, NULL, &e), PITH_E_ARGUMENT, "out");
    FAILS(pith_model_open(&m, NULL, -1, NULL, &e), PITH_E_ARGUMENT, "path");
    CHECK(!m);
    FAILS(pith_model_open(&m, LLAMA, -2, NULL, &e), PITH_E_ARGUMENT, "-2");
    FAILS(pith_model_open(&m, "", -1, NULL, &e), PITH_E_ARGUMENT, "empty");
    FAILS(pith_model_open(&m, LLAMA "\0x", sizeof LLAMA + 1, NULL, &e), PITH_E_ARGUMENT, "NUL");
    FAILS(pith_model_open(&m, "tests/golden/absent.gguf", -1, NULL, &e), PITH_E_IO, "absent");
    FAILS(pith_model_open(&m, "tests/golden", -1, NULL, &e), PITH_E_IO, "directory");
    FAILS(pith_model_open(&m, "Makefile", -1, NULL, &e), PITH_E_FORMAT, "GGUF");
    FAILS(pith_model_open(&m, "/dev/null", -1, NULL, &e), PITH_E_IO, "/dev/null");
    WORKS(pith_options_set_str(o, PITH_OPT_PRECISION, "precise", -1, &e));
    FAILS(pith_model_open(&m, LLAMA, -1, o, &e), PITH_E_ARGUMENT, "precise");
    CHECK(!m);
    FAILS(pith_model_open_memory(NULL, "GGUF", 4, NULL, &e), PITH_E_ARGUMENT, "out");
    FAILS(pith_model_open_memory(&m, NULL, 4, NULL, &e), PITH_E_ARGUMENT, "data");
    FAILS(pith_model_open_memory(&m, "GGUF", -1, NULL, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_model_open_memory(&m, "", 0, NULL, &e), PITH_E_FORMAT, "");
    FAILS(pith_model_open_memory(&m, "GGUF", 4, NULL, &e), PITH_E_FORMAT, "");
    FAILS(pith_model_open_fd(NULL, 0, 0, 0, NULL, &e), PITH_E_ARGUMENT, "out");
    FAILS(pith_model_open_fd(&m, -1, 0, 0, NULL, &e), PITH_E_ARGUMENT, "fd");
    FAILS(pith_model_open_fd(&m, 0, -1, 0, NULL, &e), PITH_E_ARGUMENT, "offset");
    FAILS(pith_model_open_fd(&m, 0, 0, -1, NULL, &e), PITH_E_ARGUMENT, "size");
    FAILS(pith_model_open_fd(&m, 1000000, 0, 0, NULL, &e), PITH_E_IO, "descriptor");
    CHECK(!m);
    pith_options_release(o);
}

static void model_facts(void)
{
    int64_t n = pith_model_number(g.model, PITH_MODEL_TENSORS), length = 5, shape[4];
    const char *name = FAR, *type = FAR;
    char text[8];
    int32_t dims = 5;

    FAILS(pith_model_tensor(g.model, n, &name, &length, &type, shape, &dims, &e),
          PITH_E_ARGUMENT, "tensor");
    CHECK(!name && !type && length == 0 && dims == 0);
    FAILS(pith_model_tensor(g.model, -1, &name, &length, &type, shape, &dims, &e),
          PITH_E_ARGUMENT, "-1");
    FAILS(pith_model_tensor(NULL, 0, &name, &length, &type, shape, &dims, &e),
          PITH_E_ARGUMENT, "model");
    FAILS(pith_model_tensor(g.model, 0, NULL, &length, &type, shape, &dims, &e),
          PITH_E_ARGUMENT, "name");
    FAILS(pith_model_tensor(g.model, 0, &name, &length, &type, NULL, &dims, &e),
          PITH_E_ARGUMENT, "shape");
    name = FAR;
    length = 5;
    n = pith_model_meta_count(g.model);
    FAILS(pith_model_meta(g.model, n, &name, &length, text, 8, &e), PITH_E_ARGUMENT, "metadata");
    CHECK(!name && length == 0);
    FAILS(pith_model_meta(g.model, -1, &name, &length, text, 8, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_model_meta(g.model, 0, &name, &length, NULL, 8, &e), PITH_E_ARGUMENT, "8");
    FAILS(pith_model_meta(g.model, 0, &name, &length, text, -8, &e), PITH_E_ARGUMENT, "-8");
    FAILS(pith_model_meta(g.model, 0, NULL, &length, text, 8, &e), PITH_E_ARGUMENT, "key");
    FAILS(pith_model_meta(NULL, 0, &name, &length, text, 8, &e), PITH_E_ARGUMENT, "model");
    FAILS(pith_model_explain(NULL, text, 8, &length, &e), PITH_E_ARGUMENT, "model");
    FAILS(pith_model_explain(g.model, NULL, 8, &length, &e), PITH_E_ARGUMENT, "text");
    FAILS(pith_model_explain(g.model, text, -1, &length, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_model_explain(g.model, text, 8, NULL, &e), PITH_E_ARGUMENT, "length");
    FAILS(pith_model_verify(NULL, &e), PITH_E_ARGUMENT, "model");
}

static void tokens(void)
{
    int32_t ids[4] = { 5, 6, 99, -1 };
    const char *piece = FAR;
    int64_t n = 5;
    char text[8];

    FAILS(pith_tokenize(NULL, "a", -1, 0, ids, 4, &n, &e), PITH_E_ARGUMENT, "model");
    CHECK_INT(n, 0);
    FAILS(pith_tokenize(g.model, "a", -1, 0, ids, 4, NULL, &e), PITH_E_ARGUMENT, "count");
    FAILS(pith_tokenize(g.model, NULL, 1, 0, ids, 4, &n, &e), PITH_E_ARGUMENT, "text");
    FAILS(pith_tokenize(g.model, "a", -9, 0, ids, 4, &n, &e), PITH_E_ARGUMENT, "-9");
    FAILS(pith_tokenize(g.model, "a", -1, 0, NULL, 4, &n, &e), PITH_E_ARGUMENT, "ids");
    FAILS(pith_tokenize(g.model, "a", -1, 0, ids, -4, &n, &e), PITH_E_ARGUMENT, "-4");
    FAILS(pith_tokenize(g.model, "a", -1, 4, ids, 4, &n, &e), PITH_E_UNSUPPORTED, "4");
    FAILS(pith_tokenize(g.model, "a", -1, -1, ids, 4, &n, &e), PITH_E_UNSUPPORTED, "-1");
    FAILS(pith_detokenize(NULL, ids, 2, 0, text, 8, &n, &e), PITH_E_ARGUMENT, "model");
    FAILS(pith_detokenize(g.model, NULL, 2, 0, text, 8, &n, &e), PITH_E_ARGUMENT, "NULL");
    FAILS(pith_detokenize(g.model, ids, -2, 0, text, 8, &n, &e), PITH_E_ARGUMENT, "-2");
    FAILS(pith_detokenize(g.model, ids, 2, 0, NULL, 8, &n, &e), PITH_E_ARGUMENT, "NULL");
    FAILS(pith_detokenize(g.model, ids, 2, 0, text, -8, &n, &e), PITH_E_ARGUMENT, "-8");
    FAILS(pith_detokenize(g.model, ids, 2, 0, text, 8, NULL, &e), PITH_E_ARGUMENT, "length");
    FAILS(pith_detokenize(g.model, ids, 2, 64, text, 8, &n, &e), PITH_E_UNSUPPORTED, "64");
    FAILS(pith_detokenize(g.model, ids, 3, 0, text, 8, &n, &e), PITH_E_ARGUMENT, "99");
    CHECK_INT(n, 0);
    FAILS(pith_detokenize(g.model, ids + 3, 1, 0, text, 8, &n, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_token_piece(g.model, 99, &piece, &n, &e), PITH_E_ARGUMENT, "99");
    CHECK(!piece && n == 0);
    FAILS(pith_token_piece(g.model, -1, &piece, &n, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_token_piece(NULL, 0, &piece, &n, &e), PITH_E_ARGUMENT, "model");
    FAILS(pith_token_piece(g.model, 0, NULL, &n, &e), PITH_E_ARGUMENT, "text");
    FAILS(pith_token_piece(g.model, 0, &piece, NULL, &e), PITH_E_ARGUMENT, "length");
}

static void open_session(void)
{
    pith_options *o = new_options();
    pith_session *s = (pith_session *)(void *)FAR;

    FAILS(pith_session_open(NULL, g.model, NULL, &e), PITH_E_ARGUMENT, "out");
    FAILS(pith_session_open(&s, NULL, NULL, &e), PITH_E_ARGUMENT, "model");
    CHECK(!s);
    WORKS(pith_options_set_i64(o, PITH_OPT_CONTEXT, 257, &e));
    FAILS(pith_session_open(&s, g.model, o, &e), PITH_E_LIMIT, "257");
    CHECK_HAS(e.text, "256");
    CHECK(!s);
    pith_options_release(o);
}

/* Nothing was fed, bad ids at both ends of the range, too many, too far back. */
static void session_calls(void)
{
    const float *logits = (const float *)(const void *)FAR;
    int32_t ids[257] = { 0 };
    float out[99];

    FAILS(pith_session_logits(g.session, &logits, &e), PITH_E_STATE, "fed");
    CHECK(!logits);
    FAILS(pith_session_logits(NULL, &logits, &e), PITH_E_ARGUMENT, "session");
    FAILS(pith_session_logits(g.session, NULL, &e), PITH_E_ARGUMENT, "logits");
    FAILS(pith_session_feed(NULL, ids, 1, &e), PITH_E_ARGUMENT, "session");
    FAILS(pith_session_feed(g.session, NULL, 1, &e), PITH_E_ARGUMENT, "ids");
    FAILS(pith_session_feed(g.session, ids, -1, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_session_feed(g.session, ids, INT64_MAX, &e), PITH_E_LIMIT, "256");
    WORKS(pith_session_feed(g.session, NULL, 0, &e));
    WORKS(pith_session_evaluate(g.session, NULL, 0, out, &e));
    ids[2] = 99;
    FAILS(pith_session_feed(g.session, ids, 3, &e), PITH_E_ARGUMENT, "99");
    ids[2] = -1;
    FAILS(pith_session_feed(g.session, ids, 3, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_session_evaluate(g.session, ids, 3, out, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_session_evaluate(g.session, ids, 1, NULL, &e), PITH_E_ARGUMENT, "logits");
    FAILS(pith_session_evaluate(NULL, ids, 1, out, &e), PITH_E_ARGUMENT, "session");
    ids[2] = 98;
    FAILS(pith_session_feed(g.session, ids, 257, &e), PITH_E_LIMIT, "257");
    CHECK_HAS(e.text, "256");
    CHECK_INT(pith_session_position(g.session), 0);
    WORKS(pith_session_feed(g.session, ids, 256, &e));
    FAILS(pith_session_feed(g.session, ids, 1, &e), PITH_E_LIMIT, "256");
    WORKS(pith_session_logits(g.session, &logits, &e));
    FAILS(pith_session_rewind(g.session, 257, &e), PITH_E_ARGUMENT, "257");
    FAILS(pith_session_rewind(g.session, -1, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_session_rewind(NULL, 0, &e), PITH_E_ARGUMENT, "session");
    CHECK_INT(pith_session_position(g.session), 256);
    WORKS(pith_session_rewind(g.session, 10, &e));
    FAILS(pith_session_logits(g.session, &logits, &e), PITH_E_STATE, "rewound");
    WORKS(pith_session_rewind(g.session, 0, &e));
}

static void generating(void)
{
    const pith_event *event = (const pith_event *)(const void *)FAR;
    pith_options *o = new_options();
    char long_prompt[301];

    FAILS(pith_generate_next(g.session, &event, &e), PITH_E_STATE, "generated");
    CHECK(!event);
    FAILS(pith_generate_next(NULL, &event, &e), PITH_E_ARGUMENT, "session");
    FAILS(pith_generate_next(g.session, NULL, &e), PITH_E_ARGUMENT, "event");
    FAILS(pith_generate(NULL, "a", -1, NULL, &e), PITH_E_ARGUMENT, "session");
    FAILS(pith_generate(g.session, NULL, 1, NULL, &e), PITH_E_ARGUMENT, "prompt");
    FAILS(pith_generate(g.session, NULL, -1, NULL, &e), PITH_E_ARGUMENT, "prompt");
    FAILS(pith_generate(g.session, "a", -3, NULL, &e), PITH_E_ARGUMENT, "-3");
    memset(long_prompt, 'a', 300);
    long_prompt[300] = 0;
    FAILS(pith_generate(g.session, long_prompt, -1, NULL, &e), PITH_E_LIMIT, "302");
    CHECK_HAS(e.text, "256");
    CHECK_INT(pith_session_position(g.session), 0);
    WORKS(pith_options_set_str(o, PITH_OPT_STOP, "", 0, &e));
    FAILS(pith_generate(g.session, "a", -1, o, &e), PITH_E_ARGUMENT, "stop");
    FAILS(pith_generate_next(g.session, &event, &e), PITH_E_STATE, "generated");
    /* What was begun does not survive a change beneath it. */
    WORKS(pith_generate(g.session, "ab", -1, NULL, &e));
    WORKS(pith_generate_next(g.session, &event, &e));
    WORKS(pith_session_rewind(g.session, 1, &e));
    FAILS(pith_generate_next(g.session, &event, &e), PITH_E_STATE, "changed");
    WORKS(pith_session_rewind(g.session, 0, &e));
    pith_options_release(o);
}

static void classifying(void)
{
    const int64_t good[] = { 0, 2, 4 }, down[] = { 0, 4, 2 }, low[] = { -1, 2, 4 };
    const int64_t hole[] = { 0, 0, 4 };
    pith_options *o = new_options();
    pith_session *s = g.session;
    float out[4];

#define CLASSIFY(texts, at, n, labels, label_at, n_labels, options, to) \
    pith_classify(s, texts, at, n, labels, label_at, n_labels, options, to, &e)
    FAILS(pith_classify(NULL, "abcd", good, 2, "efgh", good, 2, NULL, out, &e),
          PITH_E_ARGUMENT, "session");
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 2, NULL, NULL), PITH_E_ARGUMENT, "prob");
    FAILS(CLASSIFY(NULL, good, 2, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "texts");
    FAILS(CLASSIFY("abcd", NULL, 2, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "texts");
    FAILS(CLASSIFY("abcd", good, 0, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "texts");
    FAILS(CLASSIFY("abcd", good, -1, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "-1");
    FAILS(CLASSIFY("abcd", down, 2, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "offset");
    FAILS(CLASSIFY("abcd", low, 2, "efgh", good, 2, NULL, out), PITH_E_ARGUMENT, "-1");
    FAILS(CLASSIFY("abcd", good, 2, NULL, good, 2, NULL, out), PITH_E_ARGUMENT, "labels");
    FAILS(CLASSIFY("abcd", good, 2, "efgh", NULL, 2, NULL, out), PITH_E_ARGUMENT, "labels");
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 0, NULL, out), PITH_E_ARGUMENT, "labels");
    FAILS(CLASSIFY("abcd", good, 2, "efgh", down, 2, NULL, out), PITH_E_ARGUMENT, "offset");
    FAILS(CLASSIFY("abcd", good, 2, "efgh", hole, 2, NULL, out), PITH_E_ARGUMENT, "label 0");
    WORKS(CLASSIFY("abcd", hole, 2, "efgh", good, 2, NULL, out));
    WORKS(pith_options_set(o, "example_text", "a", &e));
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 2, o, out), PITH_E_ARGUMENT, "1 example");
    WORKS(pith_options_set(o, "example_label", "b", &e));
    WORKS(CLASSIFY("abcd", good, 2, "efgh", good, 2, o, out));
    WORKS(pith_options_set(o, "template", "{label} {text}", &e));
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 2, o, out), PITH_E_ARGUMENT, "template");
    WORKS(pith_options_set(o, "template", "{text}", &e));
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 2, o, out), PITH_E_ARGUMENT, "template");
    WORKS(pith_options_set(o, "template", "", &e));
    FAILS(CLASSIFY("abcd", good, 2, "efgh", good, 2, o, out), PITH_E_ARGUMENT, "template");
    pith_options_release(o);
}

static void scoring(void)
{
    int32_t ids[300] = { 1, 5, 99 };
    int64_t n = 5;
    double x = 5, out[300];

    FAILS(pith_score(NULL, "a", 1, "b", 1, &x, &n, &e), PITH_E_ARGUMENT, "session");
    CHECK(x == 0 && n == 0);
    FAILS(pith_score(g.session, NULL, 1, "b", 1, &x, &n, &e), PITH_E_ARGUMENT, "prompt");
    FAILS(pith_score(g.session, "a", 1, NULL, 1, &x, &n, &e), PITH_E_ARGUMENT, "text");
    FAILS(pith_score(g.session, "a", 1, "b", -2, &x, &n, &e), PITH_E_ARGUMENT, "-2");
    FAILS(pith_score(g.session, "a", 1, "b", 1, NULL, &n, &e), PITH_E_ARGUMENT, "logprob");
    FAILS(pith_score_tokens(NULL, ids, 2, out, &e), PITH_E_ARGUMENT, "session");
    FAILS(pith_score_tokens(g.session, NULL, 2, out, &e), PITH_E_ARGUMENT, "ids");
    FAILS(pith_score_tokens(g.session, ids, 2, NULL, &e), PITH_E_ARGUMENT, "logprobs");
    FAILS(pith_score_tokens(g.session, ids, -1, out, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_score_tokens(g.session, ids, 0, out, &e), PITH_E_ARGUMENT, "two");
    FAILS(pith_score_tokens(g.session, ids, 1, out, &e), PITH_E_ARGUMENT, "two");
    FAILS(pith_score_tokens(g.session, ids, 3, out, &e), PITH_E_ARGUMENT, "99");
    ids[2] = -1;
    FAILS(pith_score_tokens(g.session, ids, 4, out, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_score_tokens(g.session, ids, 300, out, &e), PITH_E_LIMIT, "300");
    CHECK_HAS(e.text, "256");
}

static void quantizing(void)
{
    const char out[] = "/tmp/pith-api-misuse.gguf";
    int64_t n = 5;

#define QUANTIZE(in, to, type) pith_quantize(in, -1, to, -1, type, NULL, NULL, NULL, &e)
    FAILS(QUANTIZE(NULL, out, "Q8_0"), PITH_E_ARGUMENT, "NULL");
    FAILS(QUANTIZE(LLAMA, NULL, "Q8_0"), PITH_E_ARGUMENT, "NULL");
    FAILS(QUANTIZE(LLAMA, out, NULL), PITH_E_ARGUMENT, "NULL");
    FAILS(QUANTIZE("", out, "Q8_0"), PITH_E_ARGUMENT, "empty");
    FAILS(QUANTIZE(LLAMA, "", "Q8_0"), PITH_E_ARGUMENT, "empty");
    FAILS(QUANTIZE("absent.gguf", out, "Q8_0"), PITH_E_IO, "absent");
    FAILS(QUANTIZE(LLAMA, "/absent/out.gguf", "Q8_0"), PITH_E_IO, "absent");
    FAILS(pith_quantize_plan(NULL, -1, "Q8_0", NULL, &n, NULL, NULL, NULL, NULL, &e),
          PITH_E_ARGUMENT, "NULL");
    FAILS(pith_quantize_plan(LLAMA, -1, NULL, NULL, &n, NULL, NULL, NULL, NULL, &e),
          PITH_E_ARGUMENT, "NULL");
    CHECK_INT(n, 0);
    WORKS(pith_quantize_plan(LLAMA, -1, "Q8_0", NULL, NULL, NULL, NULL, NULL, NULL, &e));
    CHECK(access(out, F_OK) != 0);
}

static void measuring(void)
{
    double a = 5, b = 5;

    FAILS(pith_machine_measure(NULL, 1, 4096, &a, &b, &e), PITH_E_ARGUMENT, "model");
    CHECK(a == 0 && b == 0);
    FAILS(pith_machine_measure(g.model, 1, 4096, NULL, &b, &e), PITH_E_ARGUMENT, "stream");
    FAILS(pith_machine_measure(g.model, 1, 4096, &a, NULL, &e), PITH_E_ARGUMENT, "peak");
    FAILS(pith_machine_measure(g.model, -1, 4096, &a, &b, &e), PITH_E_ARGUMENT, "-1");
    FAILS(pith_machine_measure(g.model, 1, 0, &a, &b, &e), PITH_E_ARGUMENT, "0");
    FAILS(pith_machine_measure(g.model, 513, 1, &a, &b, &e), PITH_E_ARGUMENT, "513");
}

/* ---- a file that holds nothing but a vocabulary ---- */

struct file {
    uint8_t data[512];
    size_t n;
};

static void put(struct file *f, const void *bytes, size_t n)
{
    memcpy(f->data + f->n, bytes, n);
    f->n += n;
}

static void put_u32(struct file *f, uint32_t v) { put(f, &v, 4); }
static void put_u64(struct file *f, uint64_t v) { put(f, &v, 8); }

static void put_text(struct file *f, const char *text)
{
    put_u64(f, strlen(text));
    put(f, text, strlen(text));
}

/* Types of GGUF: 6 float, 8 text, 9 array. */
static struct file vocabulary_file(void)
{
    static const char *const tokens[] = { "<unk>", "<s>", "</s>", "a", "b" };
    struct file f = { .n = 0 };

    put(&f, "GGUF\3\0\0\0", 8);
    put_u64(&f, 0);
    put_u64(&f, 3);
    put_text(&f, "tokenizer.ggml.model");
    put_u32(&f, 8);
    put_text(&f, "llama");
    put_text(&f, "tokenizer.ggml.tokens");
    put_u32(&f, 9);
    put_u32(&f, 8);
    put_u64(&f, 5);
    for (int i = 0; i < 5; i++)
        put_text(&f, tokens[i]);
    put_text(&f, "tokenizer.ggml.scores");
    put_u32(&f, 9);
    put_u32(&f, 6);
    put_u64(&f, 5);
    for (int i = 0; i < 5; i++)
        put_u32(&f, 0);
    return f;
}

static void vocabulary_only(void)
{
    struct file f = vocabulary_file();
    pith_model *m = NULL;
    pith_session *s = NULL;
    int64_t n;

    WORKS(pith_model_open_memory(&m, f.data, (int64_t)f.n, NULL, &e));
    if (!m)
        return;
    CHECK_INT(pith_model_number(m, PITH_MODEL_VOCABULARY), 5);
    for (int32_t key = 0; key < 20; key++)
        if (key != PITH_MODEL_VOCABULARY && key != PITH_MODEL_BOS && key != PITH_MODEL_EOS &&
            key != PITH_MODEL_TIERS && key != PITH_MODEL_EXACT)
            CHECK_INT(pith_model_number(m, key), 0);
    CHECK_INT(pith_model_meta_count(m), 3);
    CHECK_STR(pith_model_arch(m), "");
    WORKS(pith_tokenize(m, "ab", -1, 0, NULL, 0, &n, &e));
    CHECK(n >= 2);
    WORKS(pith_model_verify(m, &e));
    FAILS(pith_model_explain(m, NULL, 0, &n, &e), PITH_E_UNSUPPORTED, "vocabulary");
    FAILS(pith_session_open(&s, m, NULL, &e), PITH_E_UNSUPPORTED, "vocabulary");
    CHECK(!s);
    pith_model_release(m);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(nothing_to_release);
    RUN(options);
    RUN(open_model);
    RUN(vocabulary_only);
    RUN(quantizing);
    if (open_guest(&g, LLAMA, NULL)) {
        RUN(model_facts);
        RUN(tokens);
        RUN(open_session);
        RUN(session_calls);
        RUN(generating);
        RUN(classifying);
        RUN(scoring);
        RUN(measuring);
    }
    close_guest(&g);
    return CHECK_END();
}
