/* phimoe.c - Phi-3.5-MoE: LayerNorms and biases, two experts a token, each weighed among those that
 * are nearly as good. Abdin et al. 2024, arXiv 2404.14219; Liu et al. 2024, arXiv 2409.12136.
 *
 *     x --norm--> h --q,k,v--> rope --> attend --o--> + x
 *     x --norm--> h --router--> routes; gates, ups, downs of the chosen --mix--> + x
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_phimoe;

static const struct key phimoe_keys[] = {
    { "eps", "attention.layer_norm_rms_epsilon", "rms_norm_eps", NULL },
    { "interleaved", "", "", "0", true },
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "jitter", "", "router_jitter_noise", "0.01" },
    { "mscale_short", "", "rope_parameters.short_mscale|rope_scaling.short_mscale", "0" },
    { "magnitude", "", "", "mscale_short ? mscale_short : attn_total" },
    { 0 }
};

static const struct weight phimoe_weights[] = {
    { "norm1.bias", "blk.%d.attn_norm.bias", "layers.%d.input_layernorm.bias", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", "layers.%d.post_attention_layernorm.bias", "dim" },
    { "norm.bias", "output_norm.bias", "norm.bias", "dim" },
    { "head.bias?", "output.bias", "lm_head.bias", "vocab" },
    { 0 }
};

static const struct step phimoe_enter[] = {
    { OP_EMBED,   "x", "ids",      "embed" },
    { OP_ANGLES,  "angles", "pos", "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high,!truncate,"
      "magnitude" },
    { 0 }
};

static const struct step phimoe_block[] = {
    { OP_NORM,    "h", "x",        "norm1",  "eps,layernorm" },
    { OP_LINEAR,  "q", "h",        "q" },
    { OP_LINEAR,  "k", "h",        "k" },
    { OP_LINEAR,  "v", "h",        "v" },
    { OP_ROPE,    "q", "q angles", NULL,     "hd" },
    { OP_ROPE,    "k", "k angles", NULL,     "hd" },
    { OP_ATTEND,  "a", "q k v",    NULL,     "heads,kv,0,0,window" },
    { OP_LINEAR,  "o", "a",        "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",        "norm2",  "eps,layernorm" },
    { OP_LINEAR,  "r", "h",        "router" },
    { OP_ROUTE,   "r", "r",        NULL,     "used,0,0,0,0,0,0,2*jitter" },
    { OP_EXPERTS, "g", "h r",      "gates" },
    { OP_EXPERTS, "u", "h r",      "ups" },
    { OP_GATE,    "g", "g u",      NULL,     "act" },
    { OP_EXPERTS, "f", "g r",      "downs" },
    { OP_MIX,     "f", "f r" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step phimoe_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",        "norm",   "eps,layernorm" },
    { OP_LINEAR,  "logits", "y",   "head" },
    { 0 }
};

const struct arch pi_arch_phimoe = {
    .name = "phimoe", .like = &pi_arch_llama, .keys = phimoe_keys, .weights = phimoe_weights,
    .parts = { { "decode", phimoe_enter, phimoe_block, phimoe_leave, "layers" } },
};
