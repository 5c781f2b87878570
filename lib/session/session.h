/* session.h - one timeline of tokens: its memory of them, and what follows them.
 */
#ifndef PI_SESSION_H
#define PI_SESSION_H

#include "model/model.h"
#include "sample.h"

struct generation; /* task/generate.c */

struct pith_session {
    pith_model *model; /* holds a reference */
    struct arena arena; /* the plan, this struct included */
    struct plan plan;
    struct run run;
    size_t scratch_bytes;
    struct pool *pool;
    atomic_int cancel;
    int32_t *history;    /* [capacity] the tokens held */
    int64_t position;    /* how many */
    bool has_logits;     /* of the last of them, in the first output row */
    int32_t pending;     /* sampled and not fed yet; -1: none */
    struct sampler sampler;
    struct generation *generation; /* NULL: none was begun */
};

int pi_session_open(pith_session **out, pith_model *model, const pith_options *options,
                    pith_error *err);
void pi_session_close(pith_session *s);

/* Appends tokens; afterwards pi_session_logits gives those of the last. On failure the
 * session holds what it held before. */
int pi_session_feed(pith_session *s, const int32_t *ids, int64_t n, pith_error *err);

/* Appends tokens and hands the logits of each position, in order, to a function. */
typedef void each_logits_fn(void *arg, int64_t i, const float *logits);
int pi_session_evaluate(pith_session *s, const int32_t *ids, int64_t n, each_logits_fn *each,
                        void *arg, pith_error *err);

/* Makes the session hold exactly these n >= 1 tokens, computing only what differs from what it
 * holds; afterwards their logits are there. */
int pi_session_sync(pith_session *s, const int32_t *ids, int64_t n, pith_error *err);

/* [vocabulary]; only after feed or sync. */
const float *pi_session_logits(const pith_session *s);

void pi_session_rewind(pith_session *s, int64_t position);

/* log softmax(logits)[id], in double. */
double pi_session_logprob(const pith_session *s, const float *logits, int32_t id);

#endif
