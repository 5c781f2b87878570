/* score.c - the log-probability of a given text or of given tokens.
 */
#include "task.h"

struct scoring {
    const pith_session *session;
    const int32_t *ids;
    int64_t n;
    double *logprobs;
};

/* The logits of position i say how likely token i + 1 is. */
static void score_next(void *arg, int64_t i, const float *logits)
{
    const struct scoring *to = arg;

    if (i + 1 < to->n)
        to->logprobs[i] = pi_session_logprob(to->session, logits, to->ids[i + 1]);
}

int pi_score_tokens(pith_session *s, const int32_t *ids, int64_t n, double *logprobs,
                    pith_error *err)
{
    struct scoring to = { s, ids, n, logprobs };
    int status;

    if (n < 2)
        return pi_fail(err, PITH_E_ARGUMENT, "%lld tokens; scoring needs two or more",
                       (long long)n);
    if (n > s->plan.capacity)
        return pi_fail(err, PITH_E_LIMIT, "%lld tokens, the session holds at most %lld",
                       (long long)n, (long long)s->plan.capacity);
    if (ids[n - 1] < 0 || ids[n - 1] >= s->model->vocabulary)
        return pi_fail(err, PITH_E_ARGUMENT, "token %lld is %d; ids from 0 to %lld exist",
                       (long long)n - 1, ids[n - 1], (long long)s->model->vocabulary - 1);
    pi_session_rewind(s, 0);
    status = pi_session_evaluate(s, ids, n - 1, score_next, &to, err);
    pi_session_rewind(s, 0);
    for (int64_t i = 0; status == PITH_OK && i < n - 1; i++)
        if (logprobs[i] != logprobs[i])
            return pi_fail(err, PITH_E_NUMERIC, "the score of token %lld is not a number",
                           (long long)i + 1);
    return status;
}

int pi_continuation(const pith_session *s, struct continuation *c, struct str prompt,
                    struct str joined, int flags, pith_error *err)
{
    *c = (struct continuation){ { .allocator = s->arena.allocator },
                                { .allocator = s->arena.allocator }, 0 };
    TRY(pi_tokenize(s->model->tokenizer, prompt, flags, &c->prompt, err));
    TRY(pi_tokenize(s->model->tokenizer, joined, flags, &c->joined, err));
    while (c->from < c->prompt.n && c->from < c->joined.n &&
           c->prompt.ids[c->from] == c->joined.ids[c->from])
        c->from++;
    return PITH_OK;
}

void pi_continuation_free(struct continuation *c)
{
    pi_id_list_free(&c->prompt);
    pi_id_list_free(&c->joined);
}

/* Sums the log-probabilities of the tokens from `from` on. */
static int sum_scores(pith_session *s, const struct continuation *c, double *logprob,
                      pith_error *err)
{
    size_t n = c->joined.n, size = n * sizeof(double);
    double *logprobs = pi_alloc(&s->arena.allocator, size);
    int status;

    if (!logprobs)
        return pi_no_memory(err, "log-probabilities", size);
    status = pi_score_tokens(s, c->joined.ids, (int64_t)n, logprobs, err);
    for (size_t i = c->from; status == PITH_OK && i < n; i++)
        *logprob += logprobs[i - 1];
    pi_free(&s->arena.allocator, logprobs, size);
    return status;
}

int pi_score(pith_session *s, struct str prompt, struct str text, double *logprob,
             int64_t *tokens, pith_error *err)
{
    const struct allocator *a = &s->arena.allocator;
    struct str joined = { NULL, prompt.n + text.n };
    char *both = pi_alloc(a, joined.n + 1);
    struct continuation c;
    int status;

    *logprob = 0;
    *tokens = 0;
    if (!both)
        return pi_no_memory(err, "the joined text", joined.n);
    if (prompt.n)
        memcpy(both, prompt.at, prompt.n);
    if (text.n)
        memcpy(both + prompt.n, text.at, text.n);
    joined.at = both;
    status = pi_continuation(s, &c, prompt, joined, TOKENIZE_ADD_SPECIAL, err);
    /* Nothing predicts the first token. */
    if (status == PITH_OK && c.from == 0 && c.joined.n > 0)
        c.from = 1;
    if (status == PITH_OK && c.from < c.joined.n)
        status = sum_scores(s, &c, logprob, err);
    if (status == PITH_OK)
        *tokens = (int64_t)(c.joined.n > c.from ? c.joined.n - c.from : 0);
    pi_continuation_free(&c);
    pi_free(a, both, joined.n + 1);
    return status;
}
