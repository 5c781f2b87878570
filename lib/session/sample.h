/* sample.h - logits -> token.
 */
#ifndef PI_SAMPLE_H
#define PI_SAMPLE_H

#include "base/options.h"
#include "base/rng.h"
#include "kernel/kernel.h"

struct candidate {
    float logit;
    int32_t id;
};

struct sampler {
    int64_t top_k, repeat_last;
    double temperature, top_p, min_p, repeat_penalty;
    struct rng rng;
    struct candidate *candidates; /* [vocabulary], the session's */
};

/* Reads the sampling options. */
void pi_sampler_set(struct sampler *s, const pith_options *options);

/* Chooses a token. recent[0..n_recent) are the tokens so far, newest last. PITH_E_NUMERIC if a
 * logit is NaN or none is finite. */
int pi_sample(struct sampler *s, const float *logits, int64_t vocabulary, const int32_t *recent,
              int64_t n_recent, int32_t *token, pith_error *err);

#endif
