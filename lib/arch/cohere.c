/* cohere.c - Command R: LayerNorm without bias, one for both branches, which run side by side;
 * neighbouring pairs turned; logits scaled; Command R+ normalises q and k, each head with weights
 * of its own. Command R7B and A: three local layers to a global one, which is not turned.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_cohere, pi_arch_cohere2;

static const struct key cohere_keys[] = {
    { "interleaved", "", "", "1" },
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_eps", "0.00001" },
    { "qk_group", "", "", "hd" },
    { "logit_scale", "logit_scale", "logit_scale", "0.0625" },
    { 0 }
};

static const struct weight cohere_weights[] = {
    { "norm2", NULL, NULL },
    { "q_norm?", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "heads*hd",
      .as = "heads,hd" },
    { "k_norm?", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "kv*hd",
      .as = "kv,hd" },
    { 0 }
};

const struct arch pi_arch_cohere = {
    .name = "command-r", .hf = "cohere", .like = &pi_arch_dense, .keys = cohere_keys,
    .weights = cohere_weights,
};

static const struct key cohere2_keys[] = {
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "pattern", "attention.sliding_window_pattern", "layer_types|sliding_window_pattern", "4" },
    { "rope", "", "", "local" },
    { 0 }
};

const struct arch pi_arch_cohere2 = {
    .name = "cohere2", .like = &pi_arch_cohere, .keys = cohere2_keys,
};
