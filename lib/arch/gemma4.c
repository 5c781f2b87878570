/* gemma4.c - Gemma 4: Gemma 3 whose global layers have heads of their own size and number, and may
 * take the keys for values; whose last layers use keys and values of the last ones that have any;
 * values are normalised, scores are not scaled. The small ones have another embedding for every
 * layer, the sparse one experts beside the feed-forward.
 *
 *     ids -> embed -> x;  ids -> table + project(x) -> p, one part a layer
 *     x --norm--> q,k,v --norm--> rope --> attend --o--> norm --> + x
 *     x --norm--> gate,up --> down (+ experts) --> norm --> + x
 *     x --gate--> act * p --> project --> norm --> + x;  x * scale
 */
#include "gemma.h"

extern const struct arch pi_arch_gemma3, pi_arch_gemma4;

static const struct key gemma4_keys[] = {
    { "hd_global", "attention.key_length", "global_head_dim", "hf ? 512 : hd_local" },
    { "hd_local", "attention.key_length_swa", "head_dim", "256" },
    { "hd", "", "", "local ? hd_local : hd_global" },
    { "hdv", "", "", "hd" },
    { "kv_local", "attention.head_count_kv", "num_key_value_heads", NULL },
    { "kv_global", "", "num_global_key_value_heads", "kv_local" },
    { "same", "", "attention_k_eq_v", "0" },
    { "kv", "", "", "hf && same && !local ? kv_global : kv_local" },
    { "shared", "attention.shared_kv_layers", "num_kv_shared_layers", "0" },
    { "first", "", "", "layers - shared" },
    { "wide", "", "use_double_wide_mlp", "0" },
    { "ff_own", "feed_forward_length", "intermediate_size", NULL },
    { "ff", "", "", "wide && layer >= first ? 2*ff_own : ff_own" },
    { "rot", "rope.dimension_count", "", "hd_global" },
    { "turned", "", "", "hf ? floor(rot*rot_share/2) : 0", true },
    PLE_KEYS,
    { "moe", "", "", "0" }, /* experts stand beside the feed-forward, not in its place */
    { "experts", "expert_count", "num_experts", "0" },
    { "used", "expert_used_count", "top_k_experts", "0" },
    { "eff", "expert_feed_forward_length", "moe_intermediate_size", "0" },
    { 0 }
};

static const struct weight gemma4_weights[] = {
    PLAIN_WEIGHTS,
    PLE_WEIGHTS,
    { "post_ff?", "blk.%d.post_ffw_norm_1.weight", POST "feedforward_layernorm_1.weight", "dim" },
    { "post_moe?", "blk.%d.post_ffw_norm_2.weight", POST "feedforward_layernorm_2.weight", "dim" },
    { "norm_moe?", "blk.%d.pre_ffw_norm_2.weight",
      "layers.%d.pre_feedforward_layernorm_2.weight", "dim" },
    { "router?", "blk.%d.ffn_gate_inp.weight", "layers.%d.router.proj.weight", "experts,dim" },
    { "router_scale?", "blk.%d.ffn_gate_inp.scale", "layers.%d.router.scale", "dim" },
    { "expert_scale?", "blk.%d.ffn_down_exps.scale", "layers.%d.router.per_expert_scale",
      "experts" },
    { "gate_ups?", "blk.%d.ffn_gate_up_exps.weight", "layers.%d.experts.gate_up_proj",
      "experts,2*eff,dim" },
    { "downs?", "blk.%d.ffn_down_exps.weight", "layers.%d.experts.down_proj", "experts,dim,eff" },
    { "out_scale?", "blk.%d.layer_output_scale.weight", "layers.%d.layer_scalar", "1" },
    { 0 }
};

static const struct step gemma4_enter[] = {
    { OP_EMBED,  "x", "ids", "embed", "sqrt(dim)" },
    PLE_ENTER,
    { OP_ANGLES, "angles", "pos", "divisors?", "rot,theta,none,1,0,0,0,0,0,0,0,0,turned" },
    { OP_ANGLES, "angles_local", "pos", NULL, "hd_local,theta_local,none,1" },
    { 0 }
};

static const struct step gemma4_block[] = {
    { OP_NORM,   "h", "x",              "norm1",   "eps,rms" },
    { OP_LINEAR, "q", "h",              "q" },
    { OP_LINEAR, "k", "h",              "k",       NULL,         OWN },
    { OP_SCALE,  "v", "k",              NULL,      "1",          OWN },
    { OP_LINEAR, "v", "h",              "v?",      NULL,         OWN },
    { OP_NORM,   "q", "q",              "q_norm",  "eps,rms" },
    { OP_NORM,   "k", "k",              "k_norm",  "eps,rms",    OWN },
    { OP_NORM,   "v", "v",              NULL,      "eps,rms,hd", OWN },
    { OP_ROPE,   "q", "q angles",       NULL,      "hd",         "!local" },
    { OP_ROPE,   "k", "k angles",       NULL,      "hd",         "!local && " OWN },
    { OP_ROPE,   "q", "q angles_local", NULL,      "hd",         "local" },
    { OP_ROPE,   "k", "k angles_local", NULL,      "hd",         "local && " OWN },
    { OP_ATTEND, "a", "q k v", NULL, "heads,kv,1,0,local ? window : 0,0,0,0," BACK },
    { OP_LINEAR, "o", "a",              "o" },
    { OP_NORM,   "o", "o",              "post1",   "eps,rms" },
    { OP_ADD,    "x", "x o" },
    { OP_NORM,   "h", "x",              "norm2",   "eps,rms" },
    { OP_LINEAR, "g", "h",              "gate" },
    { OP_LINEAR, "u", "h",              "up" },
    { OP_GATE,   "u", "g u",            NULL,      "act" },
    { OP_LINEAR, "f", "u",              "down" },
    { OP_NORM,   "f", "f",              "post_ff", "eps,rms",    "experts" },
    { OP_NORM,   "r", "x",              NULL,      "eps,rms",    "experts" },
    { OP_SCALE,  "r", "r",              "router_scale", "1/sqrt(dim)", "experts" },
    { OP_LINEAR, "r", "r",              "router",  NULL,         "experts" },
    { OP_ROUTE,  "r", "r",              NULL,      "used,0,1",   "experts" },
    { OP_WEIGH,  "r", "r",              "expert_scale", NULL,    "experts" },
    { OP_NORM,   "h", "x",              "norm_moe", "eps,rms", "experts" },
    { OP_EXPERTS, "m", "h r",           "gate_ups", NULL,        "experts" },
    { OP_SLICE,  "g", "m",              NULL,      "0,eff,2*eff", "experts" },
    { OP_SLICE,  "u", "m",              NULL,      "eff,eff,2*eff", "experts" },
    { OP_GATE,   "g", "g u",            NULL,      "act",        "experts" },
    { OP_EXPERTS, "m", "g r",           "downs",   NULL,         "experts" },
    { OP_MIX,    "m", "m r",            NULL,      NULL,         "experts" },
    { OP_NORM,   "m", "m",              "post_moe", "eps,rms", "experts" },
    { OP_ADD,    "f", "f m",            NULL,      NULL,         "experts" },
    { OP_NORM,   "f", "f",              "post2",   "eps,rms" },
    { OP_ADD,    "x", "x f" },
    PLE_STEPS("x"),
    { OP_ADD,    "x", "x f",            NULL,      NULL,         "ple" },
    { OP_SCALE,  "x", "x",              "out_scale?", "1" },
    { 0 }
};

static const struct step gemma4_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",             "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",        "head" },
    { OP_SOFTCAP, "logits", "logits",   NULL,      "logit_cap",  "logit_cap" },
    { 0 }
};

static const struct put gemma4_puts[] = {
    { "attention.sliding_window_pattern", "local" },
    { "attention.head_count_kv", "kv" },
    { "feed_forward_length", "ff" },
    { "attention.key_length", "hd_global" },
    { "attention.value_length", "hd_global" },
    { "attention.value_length_swa", "hd_local" },
    { "rope.dimension_count_swa", "hd_local" },
    { "attention.shared_kv_layers", "shared" },
    { "embedding_length_per_layer_input", "ple" },
    { 0 }
};

const struct arch pi_arch_gemma4 = {
    .name = "gemma4", .hf = "gemma4_text", .like = &pi_arch_gemma3, .keys = gemma4_keys,
    .weights = gemma4_weights, .puts = gemma4_puts,
    .parts = { { "decode", gemma4_enter, gemma4_block, gemma4_leave, "layers" } },
};
