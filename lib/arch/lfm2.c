/* lfm2.c - LFM2: most layers mix tokens by a short gated convolution, some by attention; with
 * experts in the later layers it is LFM2-MoE. Liquid AI 2025, arXiv 2511.23404.
 *
 *     x --norm--> h --b,c,i--> b*i --conv--> c* --out--> + x        where kv = 0
 *     x --norm--> h --q,k,v--> norm --> rope --> attend --o--> + x  elsewhere
 *     x --norm--> gate,up --silu*--> down --> + x
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_lfm2, pi_arch_lfm2moe;

static const struct key lfm2_keys[] = {
    { "attends", "attention.head_count_kv", "layer_types", NULL, true },
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads", true },
    { "taps", "shortconv.l_cache", "conv_L_cache", NULL },
    { "eps", "attention.layer_norm_rms_epsilon", "norm_eps", NULL },
    /* The width that config.json gives is two thirds and a factor off. */
    { "ff_raw", "feed_forward_length", "block_ff_dim|intermediate_size", NULL },
    { "ff_auto", "", "block_auto_adjust_ff_dim", "0" },
    { "ff_factor", "", "block_ffn_dim_multiplier", "1" },
    { "ff_unit", "", "block_multiple_of", "256" },
    { "ff", "", "", "ff_auto ? floor((floor(ff_factor*floor(2*ff_raw/3)) + ff_unit - 1)/ff_unit)"
      "*ff_unit : ff_raw" },
    { "theta", "rope.freq_base", "rope_parameters.rope_theta|rope_theta", "1000000" },
    { "interleaved", "", "", "0" },
    { "moe", "", "", "0" },
    { "dense", "", "", "layers" },
    { "routed", "", "", "1" },
    { 0 }
};

#define HF_FF(w) "layers.%d.feed_forward." w ".weight"
#define HF_SLICE(w) "layers.%d.feed_forward.experts.%e." w ".weight"
#define CONV_IN "blk.%d.shortconv.in_proj.weight", "layers.%d.conv.in_proj.weight"
#define CONV_BIAS "blk.%d.shortconv.in_proj.bias", "layers.%d.conv.in_proj.bias"

static const struct weight lfm2_weights[] = {
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.operator_norm.weight", "dim" },
    { "b", CONV_IN, "dim,dim", "0", "3*dim", .when = "!attends" },
    { "c", CONV_IN, "dim,dim", "dim", "3*dim", .when = "!attends" },
    { "i", CONV_IN, "dim,dim", "2*dim", "3*dim", .when = "!attends" },
    { "b.bias?", CONV_BIAS, "dim", "0", "3*dim" },
    { "c.bias?", CONV_BIAS, "dim", "dim", "3*dim" },
    { "i.bias?", CONV_BIAS, "dim", "2*dim", "3*dim" },
    { "conv", "blk.%d.shortconv.conv.weight", "layers.%d.conv.conv.weight", "dim,taps",
      .when = "!attends" },
    { "conv.bias?", "blk.%d.shortconv.conv.bias", "layers.%d.conv.conv.bias", "dim" },
    { "out", "blk.%d.shortconv.out_proj.weight", "layers.%d.conv.out_proj.weight", "dim,dim",
      .when = "!attends" },
    { "out.bias?", "blk.%d.shortconv.out_proj.bias", "layers.%d.conv.out_proj.bias", "dim" },
    { "q", "blk.%d.attn_q.weight", "layers.%d.self_attn.q_proj.weight", "heads*hd,dim",
      .when = "attends" },
    { "k", "blk.%d.attn_k.weight", "layers.%d.self_attn.k_proj.weight", "kv*hd,dim",
      .when = "attends" },
    { "v", "blk.%d.attn_v.weight", "layers.%d.self_attn.v_proj.weight", "kv*hd,dim",
      .when = "attends" },
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_layernorm.weight", "hd",
      .when = "attends" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_layernorm.weight", "hd",
      .when = "attends" },
    { "o", "blk.%d.attn_output.weight", "layers.%d.self_attn.out_proj.weight", "dim,heads*hd",
      .when = "attends" },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.ffn_norm.weight", "dim" },
    { "gate", "blk.%d.ffn_gate.weight", HF_FF("w1"), "ff,dim", .when = "layer<dense" },
    { "up", "blk.%d.ffn_up.weight", HF_FF("w3"), "ff,dim", .when = "layer<dense" },
    { "down", "blk.%d.ffn_down.weight", HF_FF("w2"), "dim,ff", .when = "layer<dense" },
    { "router", "blk.%d.ffn_gate_inp.weight", HF_FF("gate"), "experts,dim",
      .when = "layer>=dense" },
    { "choice?", "blk.%d.exp_probs_b.bias", "layers.%d.feed_forward.expert_bias", "experts" },
    { "gates", "blk.%d.ffn_gate_exps.weight", HF_SLICE("w1"), "experts,eff,dim",
      .when = "layer>=dense" },
    { "ups", "blk.%d.ffn_up_exps.weight", HF_SLICE("w3"), "experts,eff,dim",
      .when = "layer>=dense" },
    { "downs", "blk.%d.ffn_down_exps.weight", HF_SLICE("w2"), "experts,dim,eff",
      .when = "layer>=dense" },
    { "norm", "token_embd_norm.weight|output_norm.weight", "embedding_norm.weight", "dim" },
    { 0 }
};

static const struct step lfm2_enter[] = {
    { OP_EMBED,  "x",      "ids", "embed" },
    { OP_ANGLES, "angles", "pos", NULL, "hd,theta,scaling,factor" },
    { 0 }
};

static const struct step lfm2_block[] = {
    /* op         out  in         weight     parameters    where */
    { OP_NORM,    "h", "x",       "norm1",   "eps,rms" },
    { OP_LINEAR,  "b", "h",       "b",       NULL,         "!attends" },
    { OP_LINEAR,  "c", "h",       "c",       NULL,         "!attends" },
    { OP_LINEAR,  "i", "h",       "i",       NULL,         "!attends" },
    { OP_MULTIPLY, "i", "i b",    NULL,      NULL,         "!attends" },
    { OP_CONV,    "i", "i",       "conv",    NULL,         "!attends" },
    { OP_MULTIPLY, "i", "i c",    NULL,      NULL,         "!attends" },
    { OP_LINEAR,  "o", "i",       "out",     NULL,         "!attends" },
    { OP_LINEAR,  "q", "h",       "q",       NULL,         "attends" },
    { OP_LINEAR,  "k", "h",       "k",       NULL,         "attends" },
    { OP_LINEAR,  "v", "h",       "v",       NULL,         "attends" },
    { OP_NORM,    "q", "q",       "q_norm",  "eps,rms",    "attends" },
    { OP_NORM,    "k", "k",       "k_norm",  "eps,rms",    "attends" },
    { OP_ROPE,    "q", "q angles", NULL,     "hd",         "attends" },
    { OP_ROPE,    "k", "k angles", NULL,     "hd",         "attends" },
    { OP_ATTEND,  "a", "q k v",   NULL,      "heads,kv",   "attends" },
    { OP_LINEAR,  "o", "a",       "o",       NULL,         "attends" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",       "norm2",   "eps,rms" },
    { OP_LINEAR,  "g", "h",       "gate",    NULL,         "layer<dense" },
    { OP_LINEAR,  "u", "h",       "up",      NULL,         "layer<dense" },
    { OP_LINEAR,  "r", "h",       "router",  NULL,         "layer>=dense" },
    { OP_ROUTE,   "r", "r",       "choice?", "used,1,renorm,routed", "layer>=dense" },
    { OP_EXPERTS, "g", "h r",     "gates",   NULL,         "layer>=dense" },
    { OP_EXPERTS, "u", "h r",     "ups",     NULL,         "layer>=dense" },
    { OP_GATE,    "g", "g u",     NULL,      "silu" },
    { OP_LINEAR,  "f", "g",       "down",    NULL,         "layer<dense" },
    { OP_EXPERTS, "f", "g r",     "downs",   NULL,         "layer>=dense" },
    { OP_MIX,     "f", "f r",     NULL,      NULL,         "layer>=dense" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step lfm2_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",       "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",  "head" },
    { 0 }
};

static const struct put lfm2_puts[] = {
    { "attention.head_count_kv", "attends ? kv : 0" }, { "feed_forward_length", "ff" }, { 0 }
};

const struct arch pi_arch_lfm2 = {
    .name = "lfm2", .like = &pi_arch_llama, .keys = lfm2_keys, .weights = lfm2_weights,
    .parts = { { "decode", lfm2_enter, lfm2_block, lfm2_leave, "layers" } }, .puts = lfm2_puts,
};

static const struct put lfm2moe_puts[] = { { "expert_gating_func", "2" }, { 0 } };

static const struct key lfm2moe_keys[] = {
    { "dense", "leading_dense_block_count", "num_dense_layers", NULL },
    { "routed", "expert_weights_scale", "routed_scaling_factor", "1" },
    { "ff", "feed_forward_length", "intermediate_size", NULL },
    { 0 }
};

const struct arch pi_arch_lfm2moe = {
    .name = "lfm2moe", .hf = "lfm2_moe", .like = &pi_arch_lfm2, .keys = lfm2moe_keys,
    .puts = lfm2moe_puts,
};
