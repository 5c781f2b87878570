/* opt.c - GPT-2 with matrices of their own for q, k and v: OPT, Zhang et al. 2022, arXiv
 * 2205.01068, ReLU, positions from the third row on; GPT-Neo, Black et al. 2021, scores as they
 * are, every second layer local. An OPT with norms behind the branches (350M) has other tensors.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_opt, pi_arch_gpt_neo;

static const struct key opt_keys[] = {
    { "ff", "feed_forward_length", "ffn_dim", NULL },
    { "eps", "attention.layer_norm_epsilon", "", "0.00001" },
    { "act", "", "activation_function", "relu" },
    { 0 }
};

#define OPT_ATTN(name) "layers.%d.self_attn." name

static const struct weight opt_weights[] = {
    { "embed", "token_embd.weight", "embed_tokens.weight", "vocab,dim" },
    { "place", "position_embd.weight", "embed_positions.weight", "ctx,dim", "2*hf", "ctx + 2*hf" },
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.self_attn_layer_norm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", "layers.%d.self_attn_layer_norm.bias", "dim" },
    { "q", "blk.%d.attn_q.weight", OPT_ATTN("q_proj.weight"), "dim,dim" },
    { "k", "blk.%d.attn_k.weight", OPT_ATTN("k_proj.weight"), "dim,dim" },
    { "v", "blk.%d.attn_v.weight", OPT_ATTN("v_proj.weight"), "dim,dim" },
    { "q.bias?", "blk.%d.attn_q.bias", OPT_ATTN("q_proj.bias"), "dim" },
    { "k.bias?", "blk.%d.attn_k.bias", OPT_ATTN("k_proj.bias"), "dim" },
    { "v.bias?", "blk.%d.attn_v.bias", OPT_ATTN("v_proj.bias"), "dim" },
    { "o", "blk.%d.attn_output.weight", OPT_ATTN("out_proj.weight"), "dim,dim" },
    { "o.bias?", "blk.%d.attn_output.bias", OPT_ATTN("out_proj.bias"), "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.final_layer_norm.weight", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", "layers.%d.final_layer_norm.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", "layers.%d.fc1.weight", "ff,dim" },
    { "up.bias?", "blk.%d.ffn_up.bias", "layers.%d.fc1.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", "layers.%d.fc2.weight", "dim,ff" },
    { "down.bias?", "blk.%d.ffn_down.bias", "layers.%d.fc2.bias", "dim" },
    { "norm", "output_norm.weight", "final_layer_norm.weight", "dim" },
    { "norm.bias", "output_norm.bias", "final_layer_norm.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim" },
    { 0 }
};

const struct arch pi_arch_opt = {
    .name = "opt", .prefix = "model.decoder.|decoder.", .like = &pi_arch_gpt2, .keys = opt_keys,
    .weights = opt_weights, .gguf = "",
};

static const struct key gpt_neo_keys[] = {
    { "layers", "block_count", "num_layers", NULL },
    { "heads", "attention.head_count", "num_heads", NULL },
    { "scale", "", "", "1" },
    { "width", "attention.sliding_window", "window_size", "256" },
    { "pattern", "attention.sliding_window_pattern", "attention_layers", NULL },
    { "window", "", "", "pattern == (hf ? -1 : 1) ? width : 0" },
    { 0 }
};

#define NEO_ATTN(name) "h.%d.attn.attention." name

static const struct weight gpt_neo_weights[] = {
    { "q", "blk.%d.attn_q.weight", NEO_ATTN("q_proj.weight"), "dim,dim" },
    { "k", "blk.%d.attn_k.weight", NEO_ATTN("k_proj.weight"), "dim,dim" },
    { "v", "blk.%d.attn_v.weight", NEO_ATTN("v_proj.weight"), "dim,dim" },
    { "q.bias" }, { "k.bias" }, { "v.bias" },
    { "o", "blk.%d.attn_output.weight", NEO_ATTN("out_proj.weight"), "dim,dim" },
    { "o.bias", "blk.%d.attn_output.bias", NEO_ATTN("out_proj.bias"), "dim" },
    { "up", "blk.%d.ffn_up.weight", "h.%d.mlp.c_fc.weight", "ff,dim" },
    { "down", "blk.%d.ffn_down.weight", "h.%d.mlp.c_proj.weight", "dim,ff" },
    { "mask", NULL, NEO_ATTN("bias"), .ignore = true },
    { "masked", NULL, NEO_ATTN("masked_bias"), .ignore = true },
    { 0 }
};

const struct arch pi_arch_gpt_neo = {
    .name = "gptneo", .hf = "gpt_neo", .like = &pi_arch_gpt2, .keys = gpt_neo_keys,
    .weights = gpt_neo_weights, .gguf = "",
};
