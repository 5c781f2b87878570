/* stablelm.c - StableLM: LayerNorm, rotary embedding of a part of each head; the larger ones
 * normalise q and k (each head with weights of its own) and run both branches side by side.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_stablelm;

static const struct key stablelm_keys[] = {
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_eps|norm_eps", "0.00001" },
    { "rot_share", "", "rope_parameters.partial_rotary_factor|partial_rotary_factor|rope_pct",
      "0.25" },
    { "qk_group", "", "", "hd" },
    { 0 }
};

static const struct weight stablelm_weights[] = {
    { "norm2?", "blk.%d.ffn_norm.weight", "layers.%d.post_attention_layernorm.weight", "dim" },
    { "q_norm?", "blk.%d.attn_q_norm.weight",
      "layers.%d.self_attn.q_layernorm.norms.%e.weight", "heads*hd", .as = "heads,hd" },
    { "k_norm?", "blk.%d.attn_k_norm.weight",
      "layers.%d.self_attn.k_layernorm.norms.%e.weight", "kv*hd", .as = "kv,hd" },
    { 0 }
};

const struct arch pi_arch_stablelm = {
    .name = "stablelm", .like = &pi_arch_dense, .keys = stablelm_keys,
    .weights = stablelm_weights,
};
