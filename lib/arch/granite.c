/* granite.c - Granite 3: Llama with four multipliers, of the embedding, the scores, what each
 * branch adds, and (as a divisor) the logits. HyperCLOVA X SEED Think, NAVER 2025: the last one is
 * a factor, and there may be norms behind the branches.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_granite, pi_arch_hyperclovax;

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

static const struct key hyperclovax_keys[] = {
    { "logit_divisor", "", "", "1" },
    { "logit_scale", "logit_scale", "logits_scaling", "1" },
    { 0 }
};

static const struct weight hyperclovax_weights[] = {
    { "post1?", "blk.%d.post_attention_norm.weight", "layers.%d.post_norm1.weight", "dim" },
    { "post2?", "blk.%d.post_ffw_norm.weight", "layers.%d.post_norm2.weight", "dim" },
    { 0 }
};

const struct arch pi_arch_hyperclovax = {
    .name = "hyperclovax", .like = &pi_arch_granite, .keys = hyperclovax_keys,
    .weights = hyperclovax_weights, .gguf = "",
};
