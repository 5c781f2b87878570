/* task.c - classification and scores through the public API.
 */
#include "api.h"

static struct guest g; /* LLAMA */

/* Texts and labels as strings, into Arrow's layout. */
struct list {
    char data[512];
    int64_t at[16], n;
};

static struct list list_of(const char *const *items, int n)
{
    struct list list = { .n = n };

    for (int i = 0; i < n; i++) {
        int64_t length = (int64_t)strlen(items[i]);

        memcpy(list.data + list.at[i], items[i], (size_t)length);
        list.at[i + 1] = list.at[i] + length;
    }
    return list;
}

static const char *const texts[] = { "good day", "a bad film", "", "so so", "the very best" };
static const char *const labels[] = { "yes", "no", "perhaps" };
enum { TEXTS = 5, LABELS = 3 };

static void classify(const char *const *some, int n, const pith_options *o, float *out)
{
    struct list t = list_of(some, n), l = list_of(labels, LABELS);

    WORKS(pith_classify(g.session, t.data, t.at, n, l.data, l.at, LABELS, o, out, &e));
    CHECK_INT(pith_session_position(g.session), 0);
    for (int i = 0; i < n; i++) {
        double sum = 0;

        for (int j = 0; j < LABELS; j++) {
            CHECK(out[i * LABELS + j] >= 0 && out[i * LABELS + j] <= 1);
            sum += (double)out[i * LABELS + j];
        }
        CHECK_NEAR(sum, 1, 1e-6);
    }
}

static void sums(void)
{
    float out[TEXTS * LABELS];

    classify(texts, TEXTS, NULL, out);
    for (int i = 1; i < TEXTS; i++)
        CHECK(memcmp(out, out + i * LABELS, LABELS * sizeof *out) != 0);
}

/* A text's answer depends on no other text: not on their order, not on their number. */
static void order(void)
{
    const char *reversed[TEXTS];
    float forth[TEXTS * LABELS], back[TEXTS * LABELS], alone[LABELS];

    for (int i = 0; i < TEXTS; i++)
        reversed[i] = texts[TEXTS - 1 - i];
    classify(texts, TEXTS, NULL, forth);
    classify(reversed, TEXTS, NULL, back);
    for (int i = 0; i < TEXTS; i++) {
        classify(texts + i, 1, NULL, alone);
        for (int j = 0; j < LABELS; j++) {
            CHECK_NEAR(forth[i * LABELS + j], back[(TEXTS - 1 - i) * LABELS + j], 1e-5);
            CHECK_NEAR(forth[i * LABELS + j], alone[j], 1e-5);
        }
    }
}

/* The documented formula, computed from pith_score. */
static void formula(void)
{
    pith_options *o = new_options();
    double score[LABELS], sum = 0;
    float out[LABELS], plain[LABELS];
    char prompt[64];

    WORKS(pith_options_set(o, "template", "<{text}> is {label}", &e));
    WORKS(pith_options_set(o, "content_free", "[]", &e));
    classify(texts, 1, o, out);
    for (int j = 0; j < LABELS; j++) {
        double with, without;

        snprintf(prompt, sizeof prompt, "<%s> is ", texts[0]);
        WORKS(pith_score(g.session, prompt, -1, labels[j], -1, &with, NULL, &e));
        WORKS(pith_score(g.session, "<[]> is ", -1, labels[j], -1, &without, NULL, &e));
        score[j] = exp(with - without);
        sum += score[j];
    }
    for (int j = 0; j < LABELS; j++)
        CHECK_NEAR(out[j], score[j] / sum, 1e-4);
    WORKS(pith_options_set(o, "content_free", "", &e));
    classify(texts, 1, o, plain);
    CHECK(memcmp(plain, out, sizeof out) != 0);
    pith_options_release(o);
}

/* Examples are the template filled in, a blank line behind each. */
static void examples(void)
{
    pith_options *o = new_options(), *spelled = new_options();
    float a[TEXTS * LABELS], b[TEXTS * LABELS];

    WORKS(pith_options_set(o, "template", "T {text} L {label}", &e));
    WORKS(pith_options_set(o, "example_text", "one", &e));
    WORKS(pith_options_set(o, "example_label", "yes", &e));
    WORKS(pith_options_set(o, "example_text", "two", &e));
    WORKS(pith_options_set(o, "example_label", "no", &e));
    WORKS(pith_options_set(spelled, "template",
                           "T one L yes\n\nT two L no\n\nT {text} L {label}", &e));
    classify(texts, TEXTS, o, a);
    classify(texts, TEXTS, spelled, b);
    for (int i = 0; i < TEXTS * LABELS; i++)
        CHECK_NEAR(a[i], b[i], 1e-6);
    pith_options_release(spelled);
    pith_options_release(o);
}

static void too_long(void)
{
    int64_t at[] = { 0, 400 }, label_at[] = { 0, 1 };
    char text[400];
    float out;

    memset(text, 'a', sizeof text);
    FAILS(pith_classify(g.session, text, at, 1, "x", label_at, 1, NULL, &out, &e), PITH_E_LIMIT,
          "256");
    CHECK_INT(pith_session_position(g.session), 0);
}

static void score_is_a_sum(void)
{
    static const char prompt[] = "Once upon", text[] = " a time there was";
    double logprob = 1, logprobs[64], sum = 0;
    int64_t tokens = 0, n = 0, before = 0;
    char joined[64];
    int32_t ids[64];

    snprintf(joined, sizeof joined, "%s%s", prompt, text);
    WORKS(pith_tokenize(g.model, prompt, -1, PITH_TOKENIZE_BOS, NULL, 0, &before, &e));
    WORKS(pith_tokenize(g.model, joined, -1, PITH_TOKENIZE_BOS, ids, 64, &n, &e));
    WORKS(pith_score(g.session, prompt, -1, text, -1, &logprob, &tokens, &e));
    WORKS(pith_score_tokens(g.session, ids, n, logprobs, &e));
    for (int64_t i = before; i < n; i++)
        sum += logprobs[i - 1];
    CHECK_INT(tokens, n - before);
    CHECK_NEAR(logprob, sum, 1e-9);
    CHECK(logprob < 0);
    WORKS(pith_score(g.session, prompt, -1, text, (int64_t)strlen(text), &sum, NULL, &e));
    CHECK_NEAR(logprob, sum, 0);
    WORKS(pith_score(g.session, prompt, -1, "", -1, &logprob, &tokens, &e));
    CHECK(logprob == 0 && tokens == 0);
    WORKS(pith_score(g.session, NULL, 0, text, -1, &logprob, &tokens, &e));
    CHECK(logprob < 0 && tokens > 0);
    WORKS(pith_score(g.session, "", -1, "", -1, &logprob, &tokens, &e));
    CHECK(logprob == 0 && tokens == 0);
    CHECK_INT(pith_session_position(g.session), 0);
}

/* Without BOS nothing predicts the first token: it is not counted. */
static void score_without_bos(void)
{
    struct guest bytes;
    double logprob;
    int64_t tokens, n;

    if (!open_guest(&bytes, QWEN, NULL))
        return;
    WORKS(pith_tokenize(bytes.model, "hello", -1, 0, NULL, 0, &n, &e));
    WORKS(pith_score(bytes.session, "", 0, "hello", -1, &logprob, &tokens, &e));
    CHECK_INT(tokens, n - 1);
    WORKS(pith_score(bytes.session, "", 0, "", 0, &logprob, &tokens, &e));
    CHECK_INT(tokens, 0);
    close_guest(&bytes);
}

/* Every position's logits, fed at once and one by one, and by the scores. */
static void evaluate(void)
{
    const int32_t ids[] = { 1, 12, 88, 62, 44, 5, 98, 0 };
    enum { N = sizeof ids / sizeof *ids };
    float *all = malloc(sizeof *all * N * (size_t)g.vocabulary);
    const float *logits;
    double logprobs[N - 1];

    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_session_evaluate(g.session, ids, N, all, &e));
    CHECK_INT(pith_session_position(g.session), N);
    WORKS(pith_session_logits(g.session, &logits, &e));
    CHECK(memcmp(logits, all + (N - 1) * g.vocabulary, sizeof *all * (size_t)g.vocabulary) == 0);
    WORKS(pith_session_evaluate(g.session, ids, 0, all, &e));
    WORKS(pith_session_feed(g.session, ids, 0, &e));
    WORKS(pith_session_logits(g.session, &logits, &e));
    WORKS(pith_session_rewind(g.session, 0, &e));
    for (int i = 0; i < N; i++) {
        WORKS(pith_session_feed(g.session, ids + i, 1, &e));
        WORKS(pith_session_logits(g.session, &logits, &e));
        for (int64_t j = 0; j < g.vocabulary; j++)
            CHECK_NEAR(logits[j], all[i * g.vocabulary + j], 1e-3);
    }
    WORKS(pith_score_tokens(g.session, ids, N, logprobs, &e));
    CHECK_INT(pith_session_position(g.session), 0);
    for (int i = 0; i + 1 < N; i++) {
        const float *row = all + i * g.vocabulary;
        double sum = 0;

        for (int64_t j = 0; j < g.vocabulary; j++)
            sum += exp((double)row[j] - (double)row[ids[i + 1]]);
        CHECK_NEAR(logprobs[i], -log(sum), 1e-4);
    }
    free(all);
}

static void measure(void)
{
    double bytes = 0, operations = 0;

    WORKS(pith_machine_measure(g.model, 1, 1 << 20, &bytes, &operations, &e));
    CHECK(bytes > 1e8 && operations > 1e8);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    if (!open_guest(&g, LLAMA, NULL))
        return 1;
    RUN(sums);
    RUN(order);
    RUN(formula);
    RUN(examples);
    RUN(too_long);
    RUN(score_is_a_sum);
    RUN(score_without_bos);
    RUN(evaluate);
    RUN(measure);
    close_guest(&g);
    return CHECK_END();
}
