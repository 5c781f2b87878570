/* classify.c - zero- and few-shot classification by the likelihood of each label.
 *
 *     score(label | text) = log p(label | prompt(text)) - log p(label | prompt(content-free))
 *     probabilities       = softmax over labels
 *
 * The second term removes what the model prefers whatever the text says (contextual calibration,
 * Zhao et al. 2021, arXiv 2102.09690). The session keeps what consecutive prompts have in common,
 * so examples and template are computed once.
 */
#include "task.h"

#include <math.h>

static const struct str default_template = { "Text: {text}\nLabel: {label}", 27 };
static const struct str default_content_free = { "N/A", 3 };

/* The template, cut at its two marks. {label} stands at the end. */
struct prompt_template {
    struct str before, between;
};

struct classification {
    pith_session *s;
    const struct strings *labels;
    const pith_options *options;
    struct prompt_template template;
    char *buffer; /* the prompt being built */
    size_t capacity;
    double *scores, *free_scores; /* [labels] */
    struct continuation *labelled; /* [labels] */
    pith_error *err;
};

static size_t find_mark(struct str text, struct str mark)
{
    for (size_t i = 0; i + mark.n <= text.n; i++)
        if (memcmp(text.at + i, mark.at, mark.n) == 0)
            return i;
    return text.n;
}

static int read_template(struct prompt_template *t, const pith_options *o, pith_error *err)
{
    struct str text = default_template, mark_text = STR("{text}"), mark_label = STR("{label}");
    size_t at, label;

    pi_option_str(o, PITH_OPT_TEMPLATE, 0, &text);
    at = find_mark(text, mark_text);
    label = find_mark(text, mark_label);
    if (at == text.n || label + mark_label.n != text.n || label < at)
        return pi_fail(err, PITH_E_ARGUMENT, "the template must contain {text} and end in "
                       "{label}");
    t->before = (struct str){ text.at, at };
    t->between = (struct str){ text.at + at + mark_text.n, label - at - mark_text.n };
    return PITH_OK;
}

static int check_labels(const struct strings *labels, pith_error *err)
{
    for (int64_t i = 0; i < labels->n; i++)
        for (int64_t j = 0; j < i; j++)
            if (pi_str_equal(pi_strings_at(labels, i), pi_strings_at(labels, j)))
                return pi_fail(err, PITH_E_ARGUMENT, "labels %lld and %lld, counted from 0, are "
                               "the same", (long long)j, (long long)i);
    return PITH_OK;
}

static int check_examples(const pith_options *o, pith_error *err)
{
    struct str text;
    int texts = 0, labels = 0;

    while (pi_option_str(o, PITH_OPT_EXAMPLE_TEXT, texts, &text))
        texts++;
    while (pi_option_str(o, PITH_OPT_EXAMPLE_LABEL, labels, &text))
        labels++;
    if (texts != labels)
        return pi_fail(err, PITH_E_ARGUMENT, "%d example texts are given and %d example labels",
                       texts, labels);
    return PITH_OK;
}

/* One question without its label; writes if `to` is not NULL. Returns its bytes. */
static size_t put_question(const struct prompt_template *t, struct str text, char *to)
{
    if (to) {
        memcpy(to, t->before.at, t->before.n);
        if (text.n)
            memcpy(to + t->before.n, text.at, text.n);
        memcpy(to + t->before.n + text.n, t->between.at, t->between.n);
    }
    return t->before.n + text.n + t->between.n;
}

/* Examples with their labels, a blank line behind each. */
static size_t put_examples(const struct classification *c, char *to)
{
    struct str text, label;
    size_t n = 0;

    for (int i = 0; pi_option_str(c->options, PITH_OPT_EXAMPLE_TEXT, i, &text) &&
                    pi_option_str(c->options, PITH_OPT_EXAMPLE_LABEL, i, &label); i++) {
        n += put_question(&c->template, text, to ? to + n : NULL);
        if (to) {
            if (label.n)
                memcpy(to + n, label.at, label.n);
            memcpy(to + n + label.n, "\n\n", 2);
        }
        n += label.n + 2;
    }
    return n;
}

static int tokenize_labels(struct classification *c, size_t prompt_n, size_t *from)
{
    *from = SIZE_MAX;
    for (int64_t i = 0; i < c->labels->n; i++) {
        struct str label = pi_strings_at(c->labels, i);
        struct str prompt = { c->buffer, prompt_n }, joined = { c->buffer, prompt_n + label.n };

        if (label.n)
            memcpy(c->buffer + prompt_n, label.at, label.n);
        TRY(pi_continuation(c->s, &c->labelled[i], prompt, joined, TOKENIZE_ADD_SPECIAL,
                            c->err));
        if (c->labelled[i].joined.n <= c->labelled[i].from)
            return pi_fail(c->err, PITH_E_ARGUMENT, "label %lld adds no token to the prompt",
                           (long long)i);
        *from = pi_min_size(*from, c->labelled[i].from);
    }
    return *from > 0 ? PITH_OK : pi_fail(c->err, PITH_E_ARGUMENT, "the prompt has no tokens");
}

struct label_sum {
    const pith_session *session;
    const int32_t *ids; /* the label's tokens behind the first */
    double sum;
};

static void add_label_token(void *arg, int64_t i, const float *logits)
{
    struct label_sum *to = arg;

    to->sum += pi_session_logprob(to->session, logits, to->ids[i]);
}

/* log p of joined[from..n) after the prompt's first `from` tokens, which the session holds. */
static int score_label(pith_session *s, const struct id_list *joined, size_t from,
                       double *score, pith_error *err)
{
    struct label_sum to = { s, joined->ids + from + 1, 0 };
    int64_t more = (int64_t)(joined->n - from) - 1;
    int status;

    *score = pi_session_logprob(s, pi_session_logits(s), joined->ids[from]);
    if (more == 0)
        return PITH_OK;
    status = pi_session_evaluate(s, joined->ids + from, more, add_label_token, &to, err);
    *score += to.sum;
    return status;
}

/* Scores all labels of one text into scores[labels]. */
static int score_labels(struct classification *c, struct str text, double *scores)
{
    size_t prompt_n = put_examples(c, c->buffer), from;
    int status;

    memset(c->labelled, 0, (size_t)c->labels->n * sizeof *c->labelled);
    prompt_n += put_question(&c->template, text, c->buffer + prompt_n);
    status = tokenize_labels(c, prompt_n, &from);
    for (int64_t i = 0; status == PITH_OK && i < c->labels->n; i++) {
        const struct id_list *joined = &c->labelled[i].joined;

        status = pi_session_sync(c->s, joined->ids, (int64_t)from, c->err);
        if (status == PITH_OK)
            status = score_label(c->s, joined, from, &scores[i], c->err);
    }
    for (int64_t i = 0; i < c->labels->n; i++)
        pi_continuation_free(&c->labelled[i]);
    return status;
}

static int put_probabilities(const double *scores, int64_t n, int64_t text, float *out,
                             pith_error *err)
{
    double best = scores[0], sum = 0;

    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return pi_fail(err, PITH_E_NUMERIC, "text %lld, label %lld: the score is not finite",
                           (long long)text, (long long)i);
        best = fmax(best, scores[i]);
    }
    for (int64_t i = 0; i < n; i++)
        sum += exp(scores[i] - best);
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(exp(scores[i] - best) / sum);
    return PITH_OK;
}

static int classify_all(struct classification *c, const struct strings *texts, float *out)
{
    struct str content_free = default_content_free;
    int64_t n = c->labels->n;

    pi_option_str(c->options, PITH_OPT_CONTENT_FREE, 0, &content_free);
    if (content_free.n > 0)
        TRY(score_labels(c, content_free, c->free_scores));
    for (int64_t i = 0; i < texts->n; i++) {
        TRY(score_labels(c, pi_strings_at(texts, i), c->scores));
        for (int64_t j = 0; j < n; j++)
            c->scores[j] -= c->free_scores[j];
        TRY(put_probabilities(c->scores, n, i, out + i * n, c->err));
    }
    return PITH_OK;
}

/* Bytes of the longest prompt with its label. */
static size_t longest_prompt(const struct classification *c, const struct strings *texts)
{
    size_t text = default_content_free.n, label = 0;
    struct str content_free;

    if (pi_option_str(c->options, PITH_OPT_CONTENT_FREE, 0, &content_free))
        text = content_free.n;
    for (int64_t i = 0; i < texts->n; i++)
        text = pi_strings_at(texts, i).n > text ? pi_strings_at(texts, i).n : text;
    for (int64_t i = 0; i < c->labels->n; i++)
        label = pi_strings_at(c->labels, i).n > label ? pi_strings_at(c->labels, i).n : label;
    return put_examples(c, NULL) + put_question(&c->template, (struct str){ NULL, text }, NULL) +
           label + 1;
}

int pi_classify(pith_session *s, const struct strings *texts, const struct strings *labels,
                const pith_options *options, float *probabilities, pith_error *err)
{
    struct classification c = { .s = s, .labels = labels, .options = options, .err = err };
    struct arena arena;
    int status;

    TRY(read_template(&c.template, options, err));
    TRY(check_labels(labels, err));
    TRY(check_examples(options, err));
    pi_arena_init(&arena, &s->arena.allocator);
    c.capacity = longest_prompt(&c, texts);
    c.buffer = pi_arena_alloc(&arena, c.capacity, 1);
    c.scores = pi_arena_alloc(&arena, (size_t)labels->n, sizeof *c.scores);
    c.free_scores = pi_arena_alloc(&arena, (size_t)labels->n, sizeof *c.free_scores);
    c.labelled = pi_arena_alloc(&arena, (size_t)labels->n, sizeof *c.labelled);
    if (!c.buffer || !c.scores || !c.free_scores || !c.labelled)
        status = pi_no_memory(err, "prompts", c.capacity);
    else
        status = classify_all(&c, texts, probabilities);
    pi_session_rewind(s, 0);
    pi_arena_free(&arena);
    return status;
}
