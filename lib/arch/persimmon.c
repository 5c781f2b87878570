/* persimmon.c - Persimmon, Adept 2023: LayerNorms, also of q and k head by head, which one matrix
 * makes together with v; half of each head turns; a feed-forward without gates under relu^2.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_persimmon;

static const struct key persimmon_keys[] = {
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_eps", "0.00001" },
    { "grouped", "", "", "1" },
    { "gated", "", "", "0" },
    { "act", "", "hidden_act", "relu2" },
    { "rot_share", "", "rope_parameters.partial_rotary_factor|partial_rotary_factor", "0.5" },
    { 0 }
};

#define PERSIMMON_ATTN(name) "layers.%d.self_attn." name
#define PERSIMMON_MLP(name) "layers.%d.mlp.dense_" name

static const struct weight persimmon_weights[] = {
    { "q" }, { "k" }, { "v" },
    { "qkv", "blk.%d.attn_qkv.weight", PERSIMMON_ATTN("query_key_value.weight"), "3*dim,dim" },
    { "qkv.bias?", "blk.%d.attn_qkv.bias", PERSIMMON_ATTN("query_key_value.bias"), "3*dim" },
    { "q_norm?", "blk.%d.attn_q_norm.weight", PERSIMMON_ATTN("q_layernorm.weight"), "hd" },
    { "q_norm.bias?", "blk.%d.attn_q_norm.bias", PERSIMMON_ATTN("q_layernorm.bias"), "hd" },
    { "k_norm?", "blk.%d.attn_k_norm.weight", PERSIMMON_ATTN("k_layernorm.weight"), "hd" },
    { "k_norm.bias?", "blk.%d.attn_k_norm.bias", PERSIMMON_ATTN("k_layernorm.bias"), "hd" },
    { "o", "blk.%d.attn_output.weight", PERSIMMON_ATTN("dense.weight"), "dim,dim" },
    { "o.bias?", "blk.%d.attn_output.bias", PERSIMMON_ATTN("dense.bias"), "dim" },
    { "gate" },
    { "up", "blk.%d.ffn_up.weight", PERSIMMON_MLP("h_to_4h.weight"), "ff,dim" },
    { "up.bias?", "blk.%d.ffn_up.bias", PERSIMMON_MLP("h_to_4h.bias"), "ff" },
    { "down", "blk.%d.ffn_down.weight", PERSIMMON_MLP("4h_to_h.weight"), "dim,ff" },
    { "down.bias?", "blk.%d.ffn_down.bias", PERSIMMON_MLP("4h_to_h.bias"), "dim" },
    { "norm", "output_norm.weight", "final_layernorm.weight", "dim" },
    { "norm.bias?", "output_norm.bias", "final_layernorm.bias", "dim" },
    { 0 }
};

const struct arch pi_arch_persimmon = {
    .name = "persimmon", .gguf = "", .like = &pi_arch_dense, .keys = persimmon_keys,
    .weights = persimmon_weights,
};
