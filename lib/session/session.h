/* session.h - one timeline of tokens: its memory of them, and what follows them.
 */
#ifndef PI_SESSION_H
#define PI_SESSION_H

#include "model/model.h"
#include "sample.h"

struct generation; /* task/generate.c */

/* The recurrent state as it was behind a token. */
struct mark {
    int64_t position; /* 0: none */
    uint8_t *state;
};

/* What programs need whose state cannot go back: how far it has come, and two places to go back
 * to. `end` is behind the last tokens that were fed several at once, with the logits there; `fork`
 * is where much had to be computed again. Without such steps all is empty. */
struct past {
    int64_t at; /* tokens that the state has taken in; -1: unknown */
    struct mark end, fork;
    float *logits; /* [vocabulary] behind `end` */
    uint8_t *block;
    size_t block_bytes;
};

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
    struct past past;
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

/* Costs nothing; where the state cannot go back, what comes next computes again what it must. */
void pi_session_rewind(pith_session *s, int64_t position);

/* Runs n <= batch tokens at a position and asks for the last `outputs`. */
int pi_session_run(pith_session *s, const int32_t *ids, int64_t n, int64_t at, int64_t outputs,
                   pith_error *err);

/* ---- past.c ---- */

int pi_past_open(pith_session *s, pith_error *err);
void pi_past_close(pith_session *s);

/* Brings the state to the session's position; what marks a later one is dropped. */
int pi_past_settle(pith_session *s, pith_error *err);

/* Marks the position as the end of a prompt. */
void pi_past_mark_end(pith_session *s);

/* Goes back to that end if it is at `position`, logits included; false: it is not. */
bool pi_past_return(pith_session *s, int64_t position);

/* log softmax(logits)[id], in double. */
double pi_session_logprob(const pith_session *s, const float *logits, int32_t id);

#endif
