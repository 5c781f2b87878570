/* tiny.c - the model that comes with pith against numbers of an independent implementation:
 * tokens, continuations, label likelihoods and calibrated probabilities.
 *
 * tests/golden/pith-tiny.py made them, with torch.
 */
#include "golden.h"
#include "pith.h"

#define MODEL "examples/models/pith-tiny.gguf"

static pith_model *model;
static pith_session *session;

static void open_tiny(const char *precision)
{
    pith_options *o;
    pith_error err = { 0 };

    pith_options_create(&o, NULL);
    pith_options_set_str(o, PITH_OPT_PRECISION, precision, -1, NULL);
    if (pith_model_open(&model, MODEL, -1, o, &err) ||
        pith_session_open(&session, model, o, &err))
        CHECK_FAIL("%s", err.text);
    pith_options_release(o);
}

static void close_tiny(void)
{
    pith_session_release(session);
    pith_model_release(model);
    session = NULL;
    model = NULL;
}

static char *golden_file(void)
{
    size_t size;
    char *json = (char *)check_read("tests/golden/pith-tiny.json", &size);

    if (!json)
        CHECK_FAIL("tests/golden/pith-tiny.json is missing");
    return json;
}

static void check_story(const char *at)
{
    char *prompt = golden_text(golden_key(at, "prompt")), *text = malloc(1 << 16);
    char *expected = golden_text(golden_key(at, "greedy_text"));
    int64_t n_prompt, n_greedy, count, length = 0, i = 0;
    int32_t *prompt_ids = golden_ids(golden_key(at, "prompt_ids"), &n_prompt), ids[512];
    int32_t *greedy = golden_ids(golden_key(at, "greedy_ids"), &n_greedy);
    const pith_event *event;
    pith_options *o;

    CHECK_INT(pith_tokenize(model, prompt, -1, PITH_TOKENIZE_BOS, ids, 512, &count, NULL), 0);
    CHECK_INT(count, n_prompt);
    CHECK_INT(memcmp(ids, prompt_ids, (size_t)n_prompt * sizeof *ids), 0);
    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, n_greedy, NULL);
    CHECK_INT(pith_session_rewind(session, 0, NULL), PITH_OK);
    CHECK_INT(pith_generate(session, prompt, -1, o, NULL), PITH_OK);
    while (pith_generate_next(session, &event, NULL) == PITH_OK && i < n_greedy) {
        const char *piece;
        int64_t n;

        CHECK_INT(pith_event_token(event), greedy[i++]);
        pith_event_text(event, &piece, &n);
        memcpy(text + length, piece, (size_t)n);
        length += n;
    }
    text[length] = 0;
    CHECK_INT(i, n_greedy);
    CHECK_STR(text, expected);
    pith_options_release(o);
    free(prompt);
    free(text);
    free(expected);
    free(prompt_ids);
    free(greedy);
}

static void stories(void)
{
    char *json = golden_file();
    const char *at = golden_key(json, "cases"), *end = golden_key(json, "classify");
    int n = 0;

    open_tiny("exact");
    for (; session && at && (at = golden_key(at, "prompt")) && at < end; n++)
        check_story(at - strlen("\"prompt\":"));
    CHECK(n >= 3);
    close_tiny();
    free(json);
}

/* One text and its labels; `bound` for probabilities, a tenth of it for log-likelihoods. */
static void check_classes(const char *at, double bound)
{
    char *text = golden_text(golden_key(at, "text")), prompt[2048], joined[64] = "";
    const char *labels = strchr(golden_key(at, "labels"), '[');
    int64_t n, offsets[9] = { 0 }, text_offsets[2] = { 0, (int64_t)strlen(text) };
    double *logprobs = golden_array(golden_key(at, "logprobs"), &n);
    double *expected = golden_array(golden_key(at, "probabilities"), &n), sum = 0;
    float p[8];

    snprintf(prompt, sizeof prompt, "Text: %s\nLabel:", text);
    for (int64_t i = 0; i < n; i++) {
        char *label = golden_text(labels), continuation[64];
        int64_t tokens;
        double score;

        snprintf(continuation, sizeof continuation, " %s", label);
        CHECK_INT(pith_score(session, prompt, -1, continuation, -1, &score, &tokens, NULL), 0);
        CHECK_NEAR(score, logprobs[i], bound < 0.01 ? 2e-4 : 0.2);
        strcat(joined, label);
        offsets[i + 1] = (int64_t)strlen(joined);
        labels = strchr(labels, ',') + 1;
        free(label);
    }
    CHECK_INT(pith_classify(session, text, text_offsets, 1, joined, offsets, n, NULL, p, NULL),
              PITH_OK);
    for (int64_t i = 0; i < n; i++) {
        CHECK_NEAR(p[i], expected[i], bound);
        sum += (double)p[i];
    }
    CHECK_NEAR(sum, 1, 1e-6);
    free(text);
    free(logprobs);
    free(expected);
}

static void classify_as(const char *precision, double bound)
{
    char *json = golden_file();
    const char *at = golden_key(json, "classify");
    int n = 0;

    open_tiny(precision);
    for (; session && at && (at = golden_key(at, "text")); n++)
        check_classes(at - strlen("\"text\":"), bound);
    CHECK(n >= 8);
    close_tiny();
    free(json);
}

static void classes_exact(void)
{
    classify_as("exact", 1e-4);
}

static void classes_fast(void)
{
    classify_as("fast", 0.05);
}

/* A prompt template, examples shown first, and no calibration: probabilities still sum to one, and
 * without calibration they are the softmax of the scores. */
static void templates(void)
{
    static const char text[] = "I like it.", labels[] = "positivenegative";
    int64_t text_offsets[] = { 0, 10 }, offsets[] = { 0, 8, 16 }, tokens;
    double score[2];
    pith_options *o;
    float p[2];

    open_tiny("exact");
    pith_options_create(&o, NULL);
    pith_options_set_str(o, PITH_OPT_TEMPLATE, "Q: {text} A: {label}", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_TEXT, "Bad food.", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_LABEL, "negative", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_TEXT, "Good food.", -1, NULL);
    pith_options_set_str(o, PITH_OPT_EXAMPLE_LABEL, "positive", -1, NULL);
    pith_options_set_str(o, PITH_OPT_CONTENT_FREE, "", -1, NULL);
    CHECK_INT(pith_classify(session, text, text_offsets, 1, labels, offsets, 2, o, p, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pith_score(session, "Q: Bad food. A: negative\n\nQ: Good food. A: positive\n\n"
                             "Q: I like it. A:", -1, i ? " negative" : " positive", -1,
                             &score[i], &tokens, NULL), PITH_OK);
    CHECK_NEAR(p[0], exp(score[0]) / (exp(score[0]) + exp(score[1])), 1e-5);
    CHECK_NEAR((double)p[0] + (double)p[1], 1, 1e-6);
    pith_options_release(o);
    close_tiny();
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(stories);
    RUN(classes_exact);
    RUN(classes_fast);
    RUN(templates);
    return CHECK_END();
}
