/* gptoss.c - gpt-oss: experts in MXFP4 with biases and a limited SwiGLU, every second layer's
 * attention in a window, and a sink per head. OpenAI 2025, arXiv 2508.10925.
 *
 * Folders store an expert's gate and up rows in turns, so their products are told apart behind the
 * matrix. GGUF does not say that the range of YaRN is not rounded to whole pairs.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_gptoss;

static const struct key gptoss_keys[] = {
    { "interleaved", "", "", "0" },
    { "truncate", "", "rope_parameters.truncate|rope_scaling.truncate", "0" },
    { "window", "attention.sliding_window", "sliding_window", NULL },
    { "kinds", "", "layer_types", "layer%2" },
    { "full", "", "", "kinds > 0" },
    { "eff", "expert_feed_forward_length", "intermediate_size", "ff" },
    { "limit", "", "swiglu_limit", "7" },
    { "gain", "", "swiglu_alpha", "1.702" },
    { 0 }
};

#define EXPERTS_HF(name) "layers.%d.mlp.experts." name

static const struct weight gptoss_weights[] = {
    { "sinks", "blk.%d.attn_sinks.weight", "layers.%d.self_attn.sinks", "heads" },
    { "norm2", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { "router", "blk.%d.ffn_gate_inp.weight", "layers.%d.mlp.router.weight", "experts,dim" },
    { "router.bias", "blk.%d.ffn_gate_inp.bias", "layers.%d.mlp.router.bias", "experts" },
    { "gates", "blk.%d.ffn_gate_exps.weight", NULL, "experts,eff,dim",
      .of = "both:0,1,2" },
    { "gates.bias", "blk.%d.ffn_gate_exps.bias", NULL, "experts,eff",
      .of = "both.bias:0,1,2" },
    { "ups", "blk.%d.ffn_up_exps.weight", NULL, "experts,eff,dim", .of = "both:1,1,2" },
    { "ups.bias", "blk.%d.ffn_up_exps.bias", NULL, "experts,eff",
      .of = "both.bias:1,1,2" },
    { "both", NULL, EXPERTS_HF("gate_up_proj_blocks") "|" EXPERTS_HF("gate_up_proj"),
      "experts,2*eff,dim", .fix = FIX_PACKED },
    { "both.bias", NULL, EXPERTS_HF("gate_up_proj_bias"), "experts,2*eff" },
    { "downs", "blk.%d.ffn_down_exps.weight",
      EXPERTS_HF("down_proj_blocks") "|" EXPERTS_HF("down_proj"), "experts,dim,eff",
      .fix = FIX_PACKED },
    { "downs.bias", "blk.%d.ffn_down_exps.bias", EXPERTS_HF("down_proj_bias"), "experts,dim" },
    { 0 }
};

static const struct step gptoss_enter[] = {
    { OP_EMBED,  "x",      "ids",      "embed" },
    { OP_ANGLES, "angles", "pos",      NULL,
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high,!truncate,"
      "magnitude" },
    { 0 }
};

static const struct step gptoss_block[] = {
    /* op         out  in           weight     parameters        when */
    { OP_NORM,    "h", "x",         "norm1",   "eps,rms" },
    { OP_LINEAR,  "q", "h",         "q" },
    { OP_LINEAR,  "k", "h",         "k" },
    { OP_LINEAR,  "v", "h",         "v" },
    { OP_ROPE,    "q", "q angles",  NULL,      "hd,interleaved" },
    { OP_ROPE,    "k", "k angles",  NULL,      "hd,interleaved" },
    { OP_ATTEND,  "a", "q k v",     "sinks",   "heads,kv,0,0,full ? 0 : window" },
    { OP_LINEAR,  "o", "a",         "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",         "norm2",   "eps,rms" },
    { OP_LINEAR,  "r", "h",         "router" },
    { OP_ROUTE,   "r", "r",         NULL,      "used,0,1" },
    { OP_EXPERTS, "g", "h r",       "gates",   NULL,             "!hf" },
    { OP_EXPERTS, "u", "h r",       "ups",     NULL,             "!hf" },
    { OP_EXPERTS, "g", "h r",       "both",    NULL,             "hf" },
    { OP_SLICE,   "u", "g",         NULL,      "1,1,2",          "hf" },
    { OP_SLICE,   "g", "g",         NULL,      "0,1,2",          "hf" },
    { OP_GATE,    "g", "g u",       NULL,      "silu,limit,1,gain" },
    { OP_EXPERTS, "f", "g r",       "downs" },
    { OP_MIX,     "f", "f r" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step gptoss_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

const struct arch pi_arch_gptoss = {
    .name = "gpt-oss",
    .hf = "gpt_oss",
    .like = &pi_arch_llama,
    .keys = gptoss_keys,
    .weights = gptoss_weights,
    .parts = { { "decode", gptoss_enter, gptoss_block, gptoss_leave, "layers" } },
};
