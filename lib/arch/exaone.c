/* exaone.c - EXAONE 3: Llama under other names. EXAONE 4: no norm before a branch but one behind
 * it, each head of q and k normalised; with local layers, only those are turned. LG AI Research
 * 2024 and 2025, arXiv 2408.03541 and 2507.11407.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_exaone, pi_arch_exaone4;

const struct arch pi_arch_exaone = { .name = "exaone", .like = &pi_arch_dense };

static const struct key exaone4_keys[] = {
    { "prenorm", "", "", "0" },
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "pattern", "attention.sliding_window_pattern", "layer_types|sliding_window_pattern", "4" },
    { "rope", "", "", "!window || local" },
    { 0 }
};

static const struct weight exaone4_weights[] = {
    { "norm1", NULL, NULL },
    { "norm2", NULL, NULL },
    { "post1", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { "post2", "blk.%d.post_ffw_norm.weight", "layers.%d.post_feedforward_layernorm.weight",
      "dim" },
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd" },
    { 0 }
};

static const struct put exaone4_puts[] = {
    { "attention.sliding_window_pattern", "local", "window" },
    { 0 }
};

const struct arch pi_arch_exaone4 = {
    .name = "exaone4", .like = &pi_arch_dense, .keys = exaone4_keys, .weights = exaone4_weights,
    .puts = exaone4_puts,
};
