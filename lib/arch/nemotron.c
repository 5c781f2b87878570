/* nemotron.c - Nemotron and Minitron: LayerNorm (1 + w in Hugging Face folders), a feed-forward
 * without gates under relu^2, rotary embedding of half of each head.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_nemotron;

static const struct key nemotron_keys[] = {
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "norm_eps", "0.00001" },
    { "act", "", "hidden_act", "relu2" },
    { "gated", "", "", "0" },
    { "rot_share", "", "rope_parameters.partial_rotary_factor|partial_rotary_factor", "0.5" },
    { 0 }
};

static const struct weight nemotron_weights[] = {
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.input_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.post_attention_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    { "norm", "output_norm.weight", "norm.weight", "dim", .fix = FIX_ADD_ONE },
    { "gate", NULL, NULL },
    { 0 }
};

const struct arch pi_arch_nemotron = {
    .name = "nemotron", .like = &pi_arch_dense, .keys = nemotron_keys,
    .weights = nemotron_weights,
};
