/* neox.c - GPT-NeoX (Pythia) and Phi-1 to 2: rotary positions on a part of each head, attention and
 * feed-forward beside each other. Black et al. 2022, arXiv 2204.06745; Li et al. 2023, arXiv
 * 2309.05463.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_gptneox, pi_arch_phi2;

static const struct key neox_keys[] = {
    { "act", "", "hidden_act", "gelu" },
    { "learned", "", "", "0" },
    { "parallel", "use_parallel_residual", "use_parallel_residual", "1" },
    { "share", "", "rope_parameters.partial_rotary_factor|rotary_pct", "0.25" },
    { "rot", "rope.dimension_count", "", "floor(share*hd)" },
    { "theta", "rope.freq_base", "rope_parameters.rope_theta|rope_theta|rotary_emb_base", "10000" },
    { "fused", "", "", "hf", true },
    { 0 }
};

#define LAYER "layers.%d."

static const struct weight neox_weights[] = {
    { "embed", "token_embd.weight", "embed_in.weight", "vocab,dim" },
    { "place" },
    { "norm1", "blk.%d.attn_norm.weight", LAYER "input_layernorm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", LAYER "input_layernorm.bias", "dim" },
    { "qkv", NULL, LAYER "attention.query_key_value.weight", "3*dim,dim" },
    { "qkv.bias?", NULL, LAYER "attention.query_key_value.bias", "3*dim" },
    { "q", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "0", "3*dim",
      .of = "qkv:0,q_run,q_run+2*kv_run" },
    { "k", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "dim", "3*dim",
      .of = "qkv:k_at,kv_run,q_run+2*kv_run" },
    { "v", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "2*dim", "3*dim",
      .of = "qkv:v_at,kv_run,q_run+2*kv_run" },
    { "q.bias?", "blk.%d.attn_qkv.bias", NULL, "dim", "0", "3*dim",
      .of = "qkv.bias:0,q_run,q_run+2*kv_run" },
    { "k.bias?", "blk.%d.attn_qkv.bias", NULL, "dim", "dim", "3*dim",
      .of = "qkv.bias:k_at,kv_run,q_run+2*kv_run" },
    { "v.bias?", "blk.%d.attn_qkv.bias", NULL, "dim", "2*dim", "3*dim",
      .of = "qkv.bias:v_at,kv_run,q_run+2*kv_run" },
    { "o", "blk.%d.attn_output.weight", LAYER "attention.dense.weight", "dim,dim" },
    { "o.bias?", "blk.%d.attn_output.bias", LAYER "attention.dense.bias", "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", LAYER "post_attention_layernorm.weight", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", LAYER "post_attention_layernorm.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", LAYER "mlp.dense_h_to_4h.weight", "ff,dim" },
    { "up.bias", "blk.%d.ffn_up.bias", LAYER "mlp.dense_h_to_4h.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", LAYER "mlp.dense_4h_to_h.weight", "dim,ff" },
    { "down.bias", "blk.%d.ffn_down.bias", LAYER "mlp.dense_4h_to_h.bias", "dim" },
    { "norm", "output_norm.weight", "final_layer_norm.weight", "dim" },
    { "norm.bias", "output_norm.bias", "final_layer_norm.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "embed_out.weight|embed_in.weight", "vocab,dim" },
    { "mask", NULL, LAYER "attention.bias", .ignore = true },
    { "masked", NULL, LAYER "attention.masked_bias", .ignore = true },
    { "inv_freq", NULL, LAYER "attention.rotary_emb.inv_freq", .ignore = true },
    { 0 }
};

const struct arch pi_arch_gptneox = {
    .name = "gptneox",
    .hf = "gpt_neox",
    .prefix = "gpt_neox.",
    .like = &pi_arch_gpt2,
    .keys = neox_keys,
    .weights = neox_weights,
};

static const struct key phi2_keys[] = {
    { "act", "", "hidden_act", "gelu_tanh" },
    { "learned", "", "", "0" },
    { "parallel", "", "", "1" },
    { "share", "", "rope_parameters.partial_rotary_factor|partial_rotary_factor", "0.5" },
    { "rot", "rope.dimension_count", "", "floor(share*hd)" },
    { 0 }
};

static const struct weight phi2_weights[] = {
    { "embed", "token_embd.weight", "embed_tokens.weight", "vocab,dim" },
    { "place" },
    { "norm1", "blk.%d.attn_norm.weight", LAYER "input_layernorm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", LAYER "input_layernorm.bias", "dim" },
    { "q", "blk.%d.attn_q.weight", LAYER "self_attn.q_proj.weight", "dim,dim" },
    { "k", "blk.%d.attn_k.weight", LAYER "self_attn.k_proj.weight", "kv*hd,dim" },
    { "v", "blk.%d.attn_v.weight", LAYER "self_attn.v_proj.weight", "kv*hd,dim" },
    { "q.bias", "blk.%d.attn_q.bias", LAYER "self_attn.q_proj.bias", "dim" },
    { "k.bias", "blk.%d.attn_k.bias", LAYER "self_attn.k_proj.bias", "kv*hd" },
    { "v.bias", "blk.%d.attn_v.bias", LAYER "self_attn.v_proj.bias", "kv*hd" },
    { "o", "blk.%d.attn_output.weight", LAYER "self_attn.dense.weight", "dim,dim" },
    { "o.bias", "blk.%d.attn_output.bias", LAYER "self_attn.dense.bias", "dim" },
    { "norm2" },
    { "norm2.bias" },
    { "up", "blk.%d.ffn_up.weight", LAYER "mlp.fc1.weight", "ff,dim" },
    { "up.bias", "blk.%d.ffn_up.bias", LAYER "mlp.fc1.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", LAYER "mlp.fc2.weight", "dim,ff" },
    { "down.bias", "blk.%d.ffn_down.bias", LAYER "mlp.fc2.bias", "dim" },
    { "norm", "output_norm.weight", "final_layernorm.weight", "dim" },
    { "norm.bias", "output_norm.bias", "final_layernorm.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim" },
    { "head.bias?", "output.bias", "lm_head.bias", "vocab" },
    { 0 }
};

const struct arch pi_arch_phi2 = {
    .name = "phi2",
    .hf = "phi",
    .prefix = "model.",
    .like = &pi_arch_gpt2,
    .keys = phi2_keys,
    .weights = phi2_weights,
};
