/* moe.c - decoders that are Llama or Qwen with experts in place of the feed-forward: Qwen3-MoE,
 * Yang et al. 2025, arXiv 2505.09388.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_qwen3, pi_arch_qwen3moe;

const struct arch pi_arch_qwen3moe = {
    .name = "qwen3moe", .hf = "qwen3_moe", .like = &pi_arch_qwen3,
};
