/* rwkv.h - what rwkv6.c and rwkv7.c have in common: the first keys, and the steps before and
 * behind the blocks.
 */
#ifndef PI_ARCH_RWKV_H
#define PI_ARCH_RWKV_H

#include "graph/recipe.h"

/* The context has no bound of its own; `size` is that of a head. */
#define RWKV_KEYS                                                       \
    { "ctx", "context_length", "", "1048576" },                         \
    { "dim", "embedding_length", "hidden_size", NULL },                 \
    { "layers", "block_count", "num_hidden_layers", NULL },             \
    { "vocab", "vocab_size", "vocab_size", "tokens" },                  \
    { "eps", "attention.layer_norm_epsilon", "layer_norm_epsilon|norm_eps", NULL }, \
    { "size", "wkv.head_size", "head_size|head_dim", NULL }

/* What readers of GGUF want to hear. */
#define RWKV_PUTS { "context_length", "ctx" }, { "attention.head_count", "0" }

#define RWKV_NORM(name, gguf, hf)                      \
    { name, gguf ".weight", hf ".weight", "dim" },     \
    { name ".bias", gguf ".bias", hf ".bias", "dim" }

/* Readers of GGUF want blends in the first layer too, which they do not use. */
#define RWKV7_UNUSED                                                                            \
    { "v_in0?", "blk.%d.time_mix_v1.weight", NULL, "rates,dim", .when = "layer == 0",           \
      .of = "a_in:0,rates,rates" },                                                             \
    { "v_out0?", "blk.%d.time_mix_v2.weight", NULL, "dim,rates", .when = "layer == 0",          \
      .of = "a_out:0,dim,dim" },                                                                \
    { "v_out0.bias?", "blk.%d.time_mix_v0.weight", NULL, "dim", .when = "layer == 0",           \
      .of = "a_out.bias:0,dim,dim" }

#define RWKV_ENTER                                           \
    { OP_EMBED,    "x", "ids",       "embed" },              \
    { OP_NORM,     "x", "x",         "norm0", "eps,layernorm" }

#define RWKV_LEAVE                                           \
    { OP_PICK,     "y", "x" },                               \
    { OP_NORM,     "y", "y",         "norm",  "eps,layernorm" }, \
    { OP_LINEAR,   "logits", "y",    "head" }

#endif
