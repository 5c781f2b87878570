/* olmo.c - OLMo: norms without weights, q, k and v clipped. OLMo 2: no norm before a branch but
 * one behind it, and q and k normalised as whole rows. OLMo 3: that with local layers, whose
 * angles are not scaled. Groeneveld et al. 2024, arXiv 2402.00838; OLMo Team 2024, arXiv
 * 2501.00656.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_olmo, pi_arch_olmo2;

static const struct key olmo_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "kind", "", "", "layernorm" },
    { "bare", "", "", "1" },
    { "eps", "attention.layer_norm_epsilon", "", "0.00001" },
    { "clip", "attention.clamp_kqv", "clip_qkv", "0" },
    { 0 }
};

static const struct weight olmo_weights[] = {
    { "norm1", NULL, NULL },
    { "norm2", NULL, NULL },
    { "norm", NULL, NULL },
    { 0 }
};

static const struct put olmo_puts[] = {
    { "attention.layer_norm_epsilon", "eps" },
    { 0 }
};

const struct arch pi_arch_olmo = {
    .name = "olmo", .like = &pi_arch_dense, .keys = olmo_keys, .weights = olmo_weights,
    .puts = olmo_puts,
};

static const struct key olmo2_keys[] = {
    { "prenorm", "", "", "0" },
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "pattern", "attention.sliding_window_pattern", "layer_types", "4" },
    { "theta_local", "rope.freq_base_swa", "rope_parameters.sliding_attention.rope_theta",
      "window ? theta : 0" },
    { 0 }
};

static const struct weight olmo2_weights[] = {
    { "norm1", NULL, NULL },
    { "norm2", NULL, NULL },
    { "post1", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { "post2", "blk.%d.post_ffw_norm.weight", "layers.%d.post_feedforward_layernorm.weight",
      "dim" },
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "heads*hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "kv*hd" },
    { 0 }
};

static const struct put olmo2_puts[] = {
    { "attention.sliding_window_pattern", "local", "window" },
    { 0 }
};

const struct arch pi_arch_olmo2 = {
    .name = "olmo2", .hf = "olmo2|olmo3", .like = &pi_arch_dense, .keys = olmo2_keys,
    .weights = olmo2_weights, .puts = olmo2_puts,
};
