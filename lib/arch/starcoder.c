/* starcoder.c - StarCoder 1 (GPT-2 whose heads share one key and value) and StarCoder 2 (rotary
 * positions, grouped heads, a sliding window). Li et al. 2023, arXiv 2305.06161; Lozhkov et al.
 * 2024, arXiv 2402.19173.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_starcoder, pi_arch_starcoder2;

static const struct key starcoder_keys[] = {
    { "kv", "attention.head_count_kv", "", "1" },
    { "act", "", "activation_function", "gelu_tanh" },
    { 0 }
};

#define QKV "blk.%d.attn_qkv.weight", "h.%d.attn.c_attn.weight"
#define QKV_BIAS "blk.%d.attn_qkv.bias", "h.%d.attn.c_attn.bias"
#define QKV_ROWS "(heads+2*kv)*hd"

static const struct weight starcoder_weights[] = {
    { "q", QKV, "heads*hd,dim", "0", QKV_ROWS },
    { "k", QKV, "kv*hd,dim", "heads*hd", QKV_ROWS },
    { "v", QKV, "kv*hd,dim", "(heads+kv)*hd", QKV_ROWS },
    { "o", "blk.%d.attn_output.weight", "h.%d.attn.c_proj.weight", "dim,dim" },
    { "up", "blk.%d.ffn_up.weight", "h.%d.mlp.c_fc.weight", "ff,dim" },
    { "down", "blk.%d.ffn_down.weight", "h.%d.mlp.c_proj.weight", "dim,ff" },
    { 0 }
};

const struct arch pi_arch_starcoder = {
    .name = "starcoder",
    .hf = "gpt_bigcode",
    .like = &pi_arch_gpt2,
    .keys = starcoder_keys,
    .weights = starcoder_weights,
};

static const struct key starcoder2_keys[] = {
    { "act", "", "hidden_act", "gelu_tanh" },
    { "learned", "", "", "0" },
    { "rot", "rope.dimension_count", "", "hd" },
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { 0 }
};

#define LAYER "layers.%d."

static const struct weight starcoder2_weights[] = {
    { "embed", "token_embd.weight", "embed_tokens.weight", "vocab,dim" },
    { "place" },
    { "norm1", "blk.%d.attn_norm.weight", LAYER "input_layernorm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", LAYER "input_layernorm.bias", "dim" },
    { "q", "blk.%d.attn_q.weight", LAYER "self_attn.q_proj.weight", "dim,dim" },
    { "k", "blk.%d.attn_k.weight", LAYER "self_attn.k_proj.weight", "kv*hd,dim" },
    { "v", "blk.%d.attn_v.weight", LAYER "self_attn.v_proj.weight", "kv*hd,dim" },
    { "q.bias?", "blk.%d.attn_q.bias", LAYER "self_attn.q_proj.bias", "dim" },
    { "k.bias?", "blk.%d.attn_k.bias", LAYER "self_attn.k_proj.bias", "kv*hd" },
    { "v.bias?", "blk.%d.attn_v.bias", LAYER "self_attn.v_proj.bias", "kv*hd" },
    { "o", "blk.%d.attn_output.weight", LAYER "self_attn.o_proj.weight", "dim,dim" },
    { "o.bias?", "blk.%d.attn_output.bias", LAYER "self_attn.o_proj.bias", "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", LAYER "post_attention_layernorm.weight", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", LAYER "post_attention_layernorm.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", LAYER "mlp.c_fc.weight", "ff,dim" },
    { "up.bias?", "blk.%d.ffn_up.bias", LAYER "mlp.c_fc.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", LAYER "mlp.c_proj.weight", "dim,ff" },
    { "down.bias?", "blk.%d.ffn_down.bias", LAYER "mlp.c_proj.bias", "dim" },
    { "norm", "output_norm.weight", "norm.weight", "dim" },
    { "norm.bias", "output_norm.bias", "norm.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim" },
    { 0 }
};

const struct arch pi_arch_starcoder2 = {
    .name = "starcoder2",
    .prefix = "model.",
    .like = &pi_arch_gpt2,
    .keys = starcoder2_keys,
    .weights = starcoder2_weights,
};
