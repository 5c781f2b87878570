/* task.h - what people came for, as functions of a session.
 */
#ifndef PI_TASK_H
#define PI_TASK_H

#include "session/session.h"

/* ---- generate.c ---- */

struct pith_event {
    const char *text; /* valid UTF-8, whole code points */
    size_t n;
    int32_t token;
    double logprob;
    int32_t finish;
};

int pi_generate_begin(pith_session *s, struct str prompt, const pith_options *options,
                      pith_error *err);
int pi_infill_begin(pith_session *s, struct str prefix, struct str suffix,
                    const pith_options *options, pith_error *err);
int pi_generate_next(pith_session *s, const pith_event **event, pith_error *err);
void pi_generate_free(pith_session *s);

/* ---- infill.c ---- */

/* Tokens at which a middle ends. */
enum { INFILL_ENDS = 24 };
struct infill_ends {
    int32_t ids[INFILL_ENDS];
    int n;
};

/* Appends the prompt that asks for what stands between the two, flags as in pi_tokenize.
 * PITH_E_UNSUPPORTED if the vocabulary has no tokens for that. */
int pi_infill_ids(const pith_model *m, struct str prefix, struct str suffix, int flags,
                  struct id_list *out, struct infill_ends *ends, pith_error *err);

/* ---- score.c ---- */

/* logprobs[n - 1]: of each token but the first, from an empty session. */
int pi_score_tokens(pith_session *s, const int32_t *ids, int64_t n, double *logprobs,
                    pith_error *err);

/* Tokens of `prompt` and of prompt + text; *from is where the two begin to differ. */
struct continuation {
    struct id_list prompt, joined;
    size_t from;
};
int pi_continuation(const pith_session *s, struct continuation *c, struct str prompt,
                    struct str joined, int flags, pith_error *err);
void pi_continuation_free(struct continuation *c);

int pi_score(pith_session *s, struct str prompt, struct str text, double *logprob,
             int64_t *tokens, pith_error *err);

/* ---- classify.c ---- */

/* Strings in Arrow's layout: item i is data[offsets[i] .. offsets[i + 1]). */
struct strings {
    const char *data;
    const int64_t *offsets;
    int64_t n;
};

static inline struct str pi_strings_at(const struct strings *s, int64_t i)
{
    return (struct str){ s->data + s->offsets[i], (size_t)(s->offsets[i + 1] - s->offsets[i]) };
}

int pi_classify(pith_session *s, const struct strings *texts, const struct strings *labels,
                const pith_options *options, float *probabilities, pith_error *err);

/* ---- measure.c ---- */

/* Bytes per second of a streaming read of `bytes`, and operations per second of the widest
 * multiply-add, with that many threads. */
int pi_measure(const struct kernels *kernels, const struct allocator *allocator, int threads,
               int64_t bytes, double *stream_bytes, double *peak_operations, pith_error *err);

#endif
