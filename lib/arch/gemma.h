/* gemma.h - rows that Gemma 3n and 4 share: norms with weights as they are, last layers without
 * keys and values of their own, and an embedding for every layer, `ple` wide: a table's row for the
 * token plus what is projected from its embedding x; layer by layer its part gates something.
 *
 *     ids -> table (* sqrt(ple)) + x --> project --> norm -> p, / sqrt(2)
 */
#ifndef PI_ARCH_GEMMA_H
#define PI_ARCH_GEMMA_H

#include "graph/recipe.h"

/* The first layer without keys of its own; it and those behind it use the last two that have. */
#define OWN "layer < first"
#define BACK "layer < first ? 0 : layer - first + (local ? 2 : 1)"

#define POST "layers.%d.post_"
#define PLAIN_WEIGHTS                                                                          \
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.input_layernorm.weight", "dim" },         \
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.pre_feedforward_layernorm.weight", "dim" }, \
    { "post1", "blk.%d.post_attention_norm.weight", POST "attention_layernorm.weight", "dim" }, \
    { "post2", "blk.%d.post_ffw_norm.weight", POST "feedforward_layernorm.weight", "dim" },    \
    { "norm", "output_norm.weight", "norm.weight", "dim" },                                    \
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd" },      \
    { "k_norm?", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd" },     \
    { "k?", "blk.%d.attn_k.weight", "layers.%d.self_attn.k_proj.weight", "kv*hd,dim" },        \
    { "v?", "blk.%d.attn_v.weight", "layers.%d.self_attn.v_proj.weight", "kv*hd,dim" }

#define PLE_KEYS                                                                               \
    { "ple", "embedding_length_per_layer_input", "hidden_size_per_layer_input", "0" },         \
    { "rows", "", "vocab_size_per_layer_input", "vocab", true }

#define PLE_WEIGHTS                                                                            \
    { "ple?", "per_layer_token_embd.weight", "embed_tokens_per_layer.weight",                  \
      "rows,layers*ple" },                                                                     \
    { "ple_in?", "per_layer_model_proj.weight", "per_layer_model_projection.weight",           \
      "layers*ple,dim" },                                                                      \
    { "ple_norm?", "per_layer_proj_norm.weight", "per_layer_projection_norm.weight", "ple" },  \
    { "ple_gate?", "blk.%d.inp_gate.weight", "layers.%d.per_layer_input_gate.weight",          \
      "ple,dim" },                                                                             \
    { "ple_out?", "blk.%d.proj.weight", "layers.%d.per_layer_projection.weight", "dim,ple" },  \
    { "ple_post?", "blk.%d.post_norm.weight", POST "per_layer_input_norm.weight", "dim" }

#define PLE_ENTER                                                                              \
    { OP_EMBED,  "p", "ids", "ple", "sqrt(ple)", "ple" },                                      \
    { OP_LINEAR, "e", "x",   "ple_in", NULL, "ple" },                                          \
    { OP_SCALE,  "e", "e",   NULL, "1/sqrt(dim)", "ple" },                                     \
    { OP_NORM,   "e", "e",   "ple_norm", "eps,rms", "ple" },                                   \
    { OP_ADD,    "p", "p e", NULL, NULL, "ple" },                                              \
    { OP_SCALE,  "p", "p",   NULL, "1/sqrt(2)", "ple" }

/* From the value `from` to f. */
#define PLE_STEPS(from)                                                                        \
    { OP_LINEAR, "e", from,  "ple_gate", NULL,        "ple" },                                 \
    { OP_SLICE,  "pl", "p",  NULL,      "layer*ple,ple", "ple" },                              \
    { OP_GATE,   "e", "e pl", NULL,     "act",        "ple" },                                 \
    { OP_LINEAR, "f", "e",   "ple_out", NULL,         "ple" },                                 \
    { OP_NORM,   "f", "f",   "ple_post", "eps,rms",   "ple" }

#endif
