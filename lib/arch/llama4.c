/* llama4.c - Llama 4: three layers see chunks of the text and turn q and k, then normalise them;
 * the fourth sees all, does not turn, and its scores grow with the position of the query. A token's
 * input is weighed before its expert, beside which a shared one runs. Meta 2025.
 *
 *     x --norm--> h --q,k,v--> rope --> norm --> attend --o--> + x
 *     x --norm--> h --router--> sigmoid; weight * h --gate,up--> silu*--> down
 *                 h --gate,up--> silu*--> down --> + --> + x
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_llama4;

static const struct key llama4_keys[] = {
    { "interleaved", "", "", "1" },
    /* 0 in GGUF: every layer turns and sees all. The length of chunks is known, not written. */
    { "chunks", "attention.sliding_window", "", "1" },
    { "chunk", "", "attention_chunk_size", "8192" },
    { "interval", "", "no_rope_layer_interval", "4" },
    { "turns", "", "no_rope_layers", "!chunks || (layer+1) % interval != 0" },
    { "sees", "", "layer_types", "chunks && turns ? -1 : 1" }, /* -1: its chunk, 1: all */
    { "normed", "", "use_qk_norm", "experts != 128" },
    { "tuned", "", "attn_temperature_tuning", "1" },
    { "beta", "", "attn_scale", "0.1" },
    { "period", "", "floor_scale", "8192" },
    { "theta", "rope.freq_base", "rope_parameters.rope_theta|rope_theta", "500000" },
    { "ff", "feed_forward_length", "intermediate_size_mlp", NULL },
    { "eff", "expert_feed_forward_length", "intermediate_size", "ff" },
    { "shared", "", "", "1" },
    { 0 }
};

#define HF_FF(name) "layers.%d.feed_forward." name

static const struct weight llama4_weights[] = {
    { "gate", "blk.%d.ffn_gate.weight", HF_FF("gate_proj.weight"), "ff,dim", .when = "!moe" },
    { "up", "blk.%d.ffn_up.weight", HF_FF("up_proj.weight"), "ff,dim", .when = "!moe" },
    { "down", "blk.%d.ffn_down.weight", HF_FF("down_proj.weight"), "dim,ff", .when = "!moe" },
    { "router", "blk.%d.ffn_gate_inp.weight", HF_FF("router.weight"), "experts,dim",
      .when = "moe" },
    { "gates", "blk.%d.ffn_gate_exps.weight", HF_FF("experts.gate_up_proj"), "experts,eff,dim",
      "0", "eff + hf*eff", FIX_PACKED, .when = "moe" },
    { "ups", "blk.%d.ffn_up_exps.weight", HF_FF("experts.gate_up_proj"), "experts,eff,dim",
      "hf*eff", "eff + hf*eff", FIX_PACKED, .when = "moe" },
    { "downs", "blk.%d.ffn_down_exps.weight", HF_FF("experts.down_proj"), "experts,dim,eff",
      .fix = FIX_PACKED, .when = "moe" },
    { "s_gate", "blk.%d.ffn_gate_shexp.weight", HF_FF("shared_expert.gate_proj.weight"),
      "eff,dim", .when = "moe" },
    { "s_up", "blk.%d.ffn_up_shexp.weight", HF_FF("shared_expert.up_proj.weight"), "eff,dim",
      .when = "moe" },
    { "s_down", "blk.%d.ffn_down_shexp.weight", HF_FF("shared_expert.down_proj.weight"),
      "dim,eff", .when = "moe" },
    { 0 }
};

static const struct step llama4_enter[] = {
    { OP_EMBED,  "x",      "ids", "embed" },
    { OP_ANGLES, "angles", "pos", "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high" },
    { 0 }
};

static const struct step llama4_block[] = {
    /* op          out  in           weight    parameters           where */
    { OP_NORM,     "h", "x",         "norm1",  "eps,rms" },
    { OP_LINEAR,   "q", "h",         "q" },
    { OP_LINEAR,   "k", "h",         "k" },
    { OP_LINEAR,   "v", "h",         "v" },
    { OP_ROPE,     "q", "q angles",  NULL,     "hd,interleaved",    "turns" },
    { OP_ROPE,     "k", "k angles",  NULL,     "hd,interleaved",    "turns" },
    { OP_NORM,     "q", "q",         NULL,     "eps,rms,hd",        "turns && normed" },
    { OP_NORM,     "k", "k",         NULL,     "eps,rms,hd",        "turns && normed" },
    { OP_TEMPER,   "q", "q",         NULL,     "beta,period,1",     "tuned && !turns" },
    { OP_ATTEND,   "a", "q k v",     NULL,     "heads,kv,0,0,0,0,sees == -1 ? chunk : 0" },
    { OP_LINEAR,   "o", "a",         "o" },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",         "norm2",  "eps,rms" },
    { OP_LINEAR,   "g", "h",         "gate",   NULL,                "!moe" },
    { OP_LINEAR,   "u", "h",         "up",     NULL,                "!moe" },
    { OP_LINEAR,   "r", "h",         "router", NULL,                "moe" },
    { OP_ROUTE,    "r", "r",         NULL,     "used,1",            "moe" },
    { OP_SPREAD,   "s", "h r",       NULL,     NULL,                "moe" },
    { OP_EXPERTS,  "g", "s r",       "gates",  NULL,                "moe" },
    { OP_EXPERTS,  "u", "s r",       "ups",    NULL,                "moe" },
    { OP_GATE,     "g", "g u",       NULL,     "act" },
    { OP_LINEAR,   "f", "g",         "down",   NULL,                "!moe" },
    { OP_EXPERTS,  "f", "g r",       "downs",  NULL,                "moe" },
    { OP_MIX,      "f", "f r",       NULL,     "1",                 "moe" },
    { OP_LINEAR,   "g", "h",         "s_gate", NULL,                "moe" },
    { OP_LINEAR,   "u", "h",         "s_up",   NULL,                "moe" },
    { OP_GATE,     "g", "g u",       NULL,     "act",               "moe" },
    { OP_LINEAR,   "g", "g",         "s_down", NULL,                "moe" },
    { OP_ADD,      "f", "f g",       NULL,     NULL,                "moe" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step llama4_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",         "norm",   "eps,rms" },
    { OP_LINEAR,   "logits", "y",    "head" },
    { 0 }
};

const struct arch pi_arch_llama4 = {
    .name = "llama4", .hf = "llama4_text", .like = &pi_arch_llama, .keys = llama4_keys,
    .weights = llama4_weights,
    .parts = { { "decode", llama4_enter, llama4_block, llama4_leave, "layers" } },
};
