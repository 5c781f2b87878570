/* gemma.c - Gemma: rows of the embedding times sqrt(dim), GELU gates; norms are 1 + w in Hugging
 * Face folders and w in GGUF. Gemma Team 2024, arXiv 2403.08295.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_gemma;

static const struct key gemma_keys[] = {
    { "act", "", "", "gelu_tanh" },
    { "embed_scale", "", "", "sqrt(dim)" },
    { 0 }
};

static const struct weight gemma_weights[] = {
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.input_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.post_attention_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    { "norm", "output_norm.weight", "norm.weight", "dim", .fix = FIX_ADD_ONE },
    { 0 }
};

const struct arch pi_arch_gemma = {
    .name = "gemma", .like = &pi_arch_dense, .keys = gemma_keys, .weights = gemma_weights,
};
