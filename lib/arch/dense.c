/* dense.c - the decoder of llama.c with every switch that later families turn: what each of them
 * is, is said by its keys and by which of the weights it has.
 *
 *     ids -> embed (* scale) -> x
 *     x --norm--> h --q,k,v--> clamp --> norm --> rope --> attend --o--> norm (* scale) --> + x
 *     x --norm--> h --gate,up--> act --down--> norm (* scale) --> + x
 *     x --norm--> head (* scale) --> softcap -> logits
 *
 * Without the second norm both branches start from the first one's output, side by side; without
 * the first one, from x.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_dense;

static const struct key dense_keys[] = {
    { "interleaved", "", "", "0" },
    { "grouped", "", "", "0" },                 /* 1: q, k, v in one matrix, by groups of heads */
    { "kind", "", "", "rms" },
    { "prenorm", "", "", "1" },                 /* 0: only behind each branch */
    { "bare", "", "", "0" },                    /* 1: norms without weights */
    { "clip", "", "", "0" },                    /* of q, k and v; 0: none */
    { "rope", "", "", "1" },                    /* of the layer */
    { "norm_turned", "", "", "0" },             /* q and k are normalised behind rope */
    { "qk_group", "", "", "0" },                /* values normalised together; 0: the weight's */
    { "query_scalar", "", "", "0" },            /* of the scores: 1/sqrt(this); 0: none */
    { "scale", "", "", "query_scalar ? 1/sqrt(query_scalar) : 0" },
    { "alibi", "", "", "0" },                   /* the largest linear bias; 0: none */
    { "cap", "", "", "0" },                     /* of the scores; 0: none */
    { "beta", "", "", "0" },                    /* q grows with its position; 0: it does not */
    { "window", "", "", "0" },                  /* of local layers; 0: none */
    { "pattern", "attention.sliding_window_pattern",
      "layer_types|sliding_window_pattern|_sliding_window_pattern", "1" },
    { "local", "", "",                          /* the layer is; pattern: its kind or a period */
      "window && (pattern > 1 ? (layer+1) % pattern != 0 : pattern == (hf ? -1 : 1))" },
    { "theta_local", "", "", "0" },             /* 0: as elsewhere */
    { "gated", "", "", "1" },
    { "xielu", "", "", "0" },                   /* in place of act */
    { "plus", "", "", "1" },
    { "minus", "", "", "1" },
    { "beta_act", "", "", "1" },
    { "embed_scale", "", "", "1" },
    { "residual_scale", "", "", "1" },
    { "logit_scale", "", "", "1" },
    { "logit_divisor", "", "", "1" },
    { "logit_cap", "", "", "0" },               /* 0: none */
    { 0 }
};

static const struct weight dense_weights[] = {
    { "norm1.bias?", "blk.%d.attn_norm.bias", "layers.%d.input_layernorm.bias", "dim" },
    { "norm2.bias?", "blk.%d.ffn_norm.bias", "layers.%d.post_attention_layernorm.bias", "dim" },
    { "norm.bias?", "output_norm.bias", "norm.bias", "dim" },
    { 0 }
};

/* Layers that are turned by the angles of most, or by those of local ones. */
#define TURN "hd,interleaved", "rope && !(local && theta_local)"
#define TURN_LOCAL "hd,interleaved", "rope && local && theta_local"

#define GROUP "(heads/kv+2)*hd" /* the heads that share a key, key and value */

static const struct step dense_enter[] = {
    { OP_EMBED,  "x",      "ids",     "embed",   "embed_scale" },
    { OP_ANGLES, "angles", "pos",     "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high,!truncate,"
      "magnitude" },
    { OP_ANGLES, "angles_local", "pos", NULL, "rot,theta_local,none,1", "theta_local" },
    { 0 }
};

static const struct step dense_block[] = {
    /* op         out  in             weight      parameters        when */
    { OP_SCALE,   "h", "x",           NULL,       "1",              "!prenorm" },
    { OP_NORM,    "h", "x",           NULL,       "eps,kind",       "bare" },
    { OP_NORM,    "h", "x",           "norm1?",   "eps,kind" },
    { OP_LINEAR,  "q", "h",           "q",        NULL,             "!grouped" },
    { OP_LINEAR,  "k", "h",           "k",        NULL,             "!grouped" },
    { OP_LINEAR,  "v", "h",           "v",        NULL,             "!grouped" },
    { OP_LINEAR,  "all", "h",         "qkv?",     NULL,             "grouped" },
    { OP_SLICE,   "q", "all",         NULL,       "0,heads/kv*hd," GROUP, "grouped" },
    { OP_SLICE,   "k", "all",         NULL,       "heads/kv*hd,hd," GROUP, "grouped" },
    { OP_SLICE,   "v", "all",         NULL,       "(heads/kv+1)*hd,hd," GROUP, "grouped" },
    { OP_CLAMP,   "q", "q",           NULL,       "clip",           "clip" },
    { OP_CLAMP,   "k", "k",           NULL,       "clip",           "clip" },
    { OP_CLAMP,   "v", "v",           NULL,       "clip",           "clip" },
    { OP_NORM,    "q", "q",           "q_norm?",  "eps,kind,qk_group", "!norm_turned" },
    { OP_NORM,    "k", "k",           "k_norm?",  "eps,kind,qk_group", "!norm_turned" },
    { OP_ROPE,    "q", "q angles",    NULL,       TURN },
    { OP_ROPE,    "k", "k angles",    NULL,       TURN },
    { OP_ROPE,    "q", "q angles_local", NULL,    TURN_LOCAL },
    { OP_ROPE,    "k", "k angles_local", NULL,    TURN_LOCAL },
    { OP_NORM,    "q", "q",           "q_norm?",  "eps,kind,qk_group", "norm_turned" },
    { OP_NORM,    "k", "k",           "k_norm?",  "eps,kind,qk_group", "norm_turned" },
    { OP_TEMPER,  "q", "q",           NULL,       "beta,original",  "beta" },
    { OP_ATTEND,  "a", "q k v",       NULL,       "heads,kv,scale,cap,local ? window : 0,alibi" },
    { OP_LINEAR,  "o", "a",           "o" },
    { OP_NORM,    "o", "o",           "post1?",   "eps,kind" },
    { OP_SCALE,   "o", "o",           NULL,       "residual_scale", "residual_scale != 1" },
    { OP_ADD,     "x", "x o" },
    { OP_SCALE,   "h", "x",           NULL,       "1",              "!prenorm" },
    { OP_NORM,    "h", "x",           NULL,       "eps,kind",       "bare" },
    { OP_NORM,    "h", "x",           "norm2?",   "eps,kind" },
    { OP_LINEAR,  "u", "h",           "up" },
    { OP_LINEAR,  "g", "h",           "gate",     NULL,             "gated" },
    { OP_GATE,    "u", "g u",         NULL,       "act",            "gated" },
    { OP_ACTIVATE, "u", "u",          NULL,       "act",            "!gated && !xielu" },
    { OP_ACTIVATE, "g", "u",          NULL,       "relu2",          "xielu" },
    { OP_SCALE,   "g", "g",           "plus?",    "plus",           "xielu" },
    { OP_BEND,    "n", "u",           NULL,       NULL,             "xielu" },
    { OP_ADD,     "u", "u n",         NULL,       NULL,             "xielu" },
    { OP_SCALE,   "u", "u",           "beta_act?", "beta_act",      "xielu" },
    { OP_SCALE,   "n", "n",           "minus?",   "minus",          "xielu" },
    { OP_ADD,     "g", "g n",         NULL,       NULL,             "xielu" },
    { OP_ADD,     "u", "u g",         NULL,       NULL,             "xielu" },
    { OP_LINEAR,  "f", "u",           "down" },
    { OP_NORM,    "f", "f",           "post2?",   "eps,kind" },
    { OP_SCALE,   "f", "f",           NULL,       "residual_scale", "residual_scale != 1" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step dense_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",           NULL,       "eps,kind",       "bare" },
    { OP_NORM,    "y", "y",           "norm?",    "eps,kind" },
    { OP_LINEAR,  "logits", "y",      "head" },
    { OP_SCALE,   "logits", "logits", "head_lengths?", "1" },
    { OP_SCALE,   "logits", "logits", NULL,       "logit_scale/logit_divisor" },
    { OP_SOFTCAP, "logits", "logits", NULL,       "logit_cap",      "logit_cap" },
    { 0 }
};

/* Most readers know the pattern by the family. */
static const struct put dense_puts[] = {
    { "attention.sliding_window_pattern", NULL },
    { 0 }
};

const struct arch pi_arch_dense = {
    .name = "",
    .like = &pi_arch_llama,
    .keys = dense_keys,
    .weights = dense_weights,
    .parts = { { "decode", dense_enter, dense_block, dense_leave, "layers" } },
    .puts = dense_puts,
};
