/* granite.c - Granite 3: Llama with four multipliers, of the embedding, the scores, what each
 * branch adds, and (as a divisor) the logits.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_granite;

static const struct key granite_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "embed_scale", "embedding_scale", "embedding_multiplier", "1" },
    { "scale", "attention.scale", "attention_multiplier", "0" },
    { "residual_scale", "residual_scale", "residual_multiplier", "1" },
    { "logit_divisor", "logit_scale", "logits_scaling", "1" },
    { 0 }
};

const struct arch pi_arch_granite = {
    .name = "granite", .like = &pi_arch_dense, .keys = granite_keys,
};
