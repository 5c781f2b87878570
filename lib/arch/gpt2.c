/* gpt2.c - GPT-2: learned positions, LayerNorm with bias, q, k and v fused in one matrix, a
 * plain GELU feed-forward, the head tied to the embedding. Radford et al. 2019.
 *
 *     ids, pos -> embed + -> x
 *     x --norm--> h --q,k,v--> attend --o--> + --norm--> up --gelu--> down --> + x
 *     x --norm--> head -> logits
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2;

static const struct key gpt2_keys[] = {
    /* name     behind "<arch>."                  if absent */
    { "ctx",    "context_length",                 NULL },
    { "dim",    "embedding_length",               NULL },
    { "layers", "block_count",                    NULL },
    { "heads",  "attention.head_count",           NULL },
    { "ff",     "feed_forward_length",            NULL },
    { "vocab",  "vocab_size",                     "tokens" },
    { "eps",    "attention.layer_norm_epsilon",   NULL },
    { 0 }
};

static const struct weight gpt2_weights[] = {
    /* name         in the file                  shape        first row  of rows */
    { "embed",      "token_embd.weight",         "vocab,dim" },
    { "place",      "position_embd.weight",      "ctx,dim" },
    { "norm1",      "blk.%d.attn_norm.weight",   "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias",     "dim" },
    { "q",          "blk.%d.attn_qkv.weight",    "dim,dim",   "0",       "3*dim" },
    { "k",          "blk.%d.attn_qkv.weight",    "dim,dim",   "dim",     "3*dim" },
    { "v",          "blk.%d.attn_qkv.weight",    "dim,dim",   "2*dim",   "3*dim" },
    { "q.bias",     "blk.%d.attn_qkv.bias",      "dim",       "0",       "3*dim" },
    { "k.bias",     "blk.%d.attn_qkv.bias",      "dim",       "dim",     "3*dim" },
    { "v.bias",     "blk.%d.attn_qkv.bias",      "dim",       "2*dim",   "3*dim" },
    { "o",          "blk.%d.attn_output.weight", "dim,dim" },
    { "o.bias",     "blk.%d.attn_output.bias",   "dim" },
    { "norm2",      "blk.%d.ffn_norm.weight",    "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias",      "dim" },
    { "up",         "blk.%d.ffn_up.weight",      "ff,dim" },
    { "up.bias",    "blk.%d.ffn_up.bias",        "ff" },
    { "down",       "blk.%d.ffn_down.weight",    "dim,ff" },
    { "down.bias",  "blk.%d.ffn_down.bias",      "dim" },
    { "norm",       "output_norm.weight",        "dim" },
    { "norm.bias",  "output_norm.bias",          "dim" },
    { "head",       "output.weight|token_embd.weight", "vocab,dim" },
    { 0 }
};

static const struct step gpt2_enter[] = {
    { OP_EMBED,    "x", "ids",   "embed" },
    { OP_EMBED,    "p", "pos",   "place" },
    { OP_ADD,      "x", "x p" },
    { 0 }
};

static const struct step gpt2_block[] = {
    /* op          out  in       weight     parameters */
    { OP_NORM,     "h", "x",     "norm1",   "eps,layernorm" },
    { OP_LINEAR,   "q", "h",     "q" },
    { OP_LINEAR,   "k", "h",     "k" },
    { OP_LINEAR,   "v", "h",     "v" },
    { OP_ATTEND,   "a", "q k v", NULL,      "heads,heads" },
    { OP_LINEAR,   "o", "a",     "o" },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",     "norm2",   "eps,layernorm" },
    { OP_LINEAR,   "u", "h",     "up" },
    { OP_ACTIVATE, "u", "u",     NULL,      "gelu_tanh" },
    { OP_LINEAR,   "f", "u",     "down" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step gpt2_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",     "norm",    "eps,layernorm" },
    { OP_LINEAR,   "logits", "y", "head" },
    { 0 }
};

const struct arch pi_arch_gpt2 = {
    .name = "gpt2",
    .keys = gpt2_keys,
    .weights = gpt2_weights,
    .parts = { { "decode", gpt2_enter, gpt2_block, gpt2_leave, "layers" } },
};
