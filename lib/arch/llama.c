/* llama.c - the pre-norm gated decoder that most families are a variation of: Llama 1 to 3,
 * Mistral, SmolLM. Touvron et al. 2023, arXiv 2302.13971.
 *
 *     ids -> embed -> x
 *     x --norm--> h --q,k,v--> rope --> attend --o--> + --norm--> gate,up --silu*--> down --> + x
 *     x --norm--> head -> logits
 *
 * Before: file/gguf.c. Next: graph/ops.def.
 */
#include "graph/recipe.h"

static const struct key llama_keys[] = {
    /* name         behind "<arch>."                        if absent */
    { "ctx",        "context_length",                       NULL },
    { "dim",        "embedding_length",                     NULL },
    { "layers",     "block_count",                          NULL },
    { "heads",      "attention.head_count",                 NULL },
    { "kv",         "attention.head_count_kv",              "heads" },
    { "hd",         "attention.key_length",                 "dim/heads" },
    { "hdv",        "attention.value_length",               "hd" },
    { "ff",         "feed_forward_length",                  NULL },
    { "vocab",      "vocab_size",                           "tokens" },
    { "eps",        "attention.layer_norm_rms_epsilon",     NULL },
    { "act",        "",                                     "silu" },
    { "interleaved", "",                                    "1" },
    { "rot",        "rope.dimension_count",                 "hd" },
    { "theta",      "rope.freq_base",                       "10000" },
    { "scaling",    "rope.scaling.type",                    "none" },
    { "factor",     "rope.scaling.factor",                  "1" },
    { "original",   "rope.scaling.original_context_length", "ctx" },
    { "beta_fast",  "rope.scaling.yarn_beta_fast",          "32" },
    { "beta_slow",  "rope.scaling.yarn_beta_slow",          "1" },
    { "attn_scale", "rope.scaling.attn_factor",             "1" },
    { 0 }
};

static const struct weight llama_weights[] = {
    /* name         in the file                      shape */
    { "embed",      "token_embd.weight",             "vocab,dim" },
    { "divisors?",  "rope_freqs.weight",             "rot/2" },
    { "norm1",      "blk.%d.attn_norm.weight",       "dim" },
    { "q",          "blk.%d.attn_q.weight",          "heads*hd,dim" },
    { "q.bias?",    "blk.%d.attn_q.bias",            "heads*hd" },
    { "k",          "blk.%d.attn_k.weight",          "kv*hd,dim" },
    { "k.bias?",    "blk.%d.attn_k.bias",            "kv*hd" },
    { "v",          "blk.%d.attn_v.weight",          "kv*hdv,dim" },
    { "v.bias?",    "blk.%d.attn_v.bias",            "kv*hdv" },
    { "o",          "blk.%d.attn_output.weight",     "dim,heads*hdv" },
    { "o.bias?",    "blk.%d.attn_output.bias",       "dim" },
    { "norm2",      "blk.%d.ffn_norm.weight",        "dim" },
    { "gate",       "blk.%d.ffn_gate.weight",        "ff,dim" },
    { "gate.bias?", "blk.%d.ffn_gate.bias",          "ff" },
    { "up",         "blk.%d.ffn_up.weight",          "ff,dim" },
    { "up.bias?",   "blk.%d.ffn_up.bias",            "ff" },
    { "down",       "blk.%d.ffn_down.weight",        "dim,ff" },
    { "down.bias?", "blk.%d.ffn_down.bias",          "dim" },
    { "norm",       "output_norm.weight",            "dim" },
    { "head",       "output.weight|token_embd.weight", "vocab,dim" },
    { "rot_embd",   "blk.%d.attn_rot_embd",          .ignore = true },
    { 0 }
};

static const struct step llama_enter[] = {
    { OP_EMBED,  "x",      "ids",      "embed" },
    { OP_ANGLES, "angles", "pos",      "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale" },
    { 0 }
};

static const struct step llama_block[] = {
    /* op         out  in           weight     parameters */
    { OP_NORM,    "h", "x",         "norm1",   "eps,rms" },
    { OP_LINEAR,  "q", "h",         "q" },
    { OP_LINEAR,  "k", "h",         "k" },
    { OP_LINEAR,  "v", "h",         "v" },
    { OP_NORM,    "q", "q",         "q_norm?", "eps,rms" },
    { OP_NORM,    "k", "k",         "k_norm?", "eps,rms" },
    { OP_ROPE,    "q", "q angles",  NULL,      "hd,interleaved" },
    { OP_ROPE,    "k", "k angles",  NULL,      "hd,interleaved" },
    { OP_ATTEND,  "a", "q k v",     NULL,      "heads,kv" },
    { OP_LINEAR,  "o", "a",         "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",         "norm2",   "eps,rms" },
    { OP_LINEAR,  "g", "h",         "gate" },
    { OP_LINEAR,  "u", "h",         "up" },
    { OP_GATE,    "g", "g u",       NULL,      "act" },
    { OP_LINEAR,  "f", "g",         "down" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step llama_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

const struct arch pi_arch_llama = {
    .name = "llama",
    .keys = llama_keys,
    .weights = llama_weights,
    .parts = { { "decode", llama_enter, llama_block, llama_leave, "layers" } },
};
