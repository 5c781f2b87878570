/* qwen.c - Qwen2 (biases on q, k, v) and Qwen3 (each head of q and k normalised); both turn
 * half-split pairs. Yang et al. 2024 and 2025, arXiv 2407.10671 and 2505.09388.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_llama, pi_arch_qwen2, pi_arch_qwen3;

static const struct key qwen_keys[] = {
    { "interleaved", "", "", "0" },
    { 0 }
};

const struct arch pi_arch_qwen2 = {
    .name = "qwen2|qwen2vl", .hf = "qwen2|qwen2_vl_text|qwen2_5_vl_text", .like = &pi_arch_llama,
    .keys = qwen_keys,
};

static const struct weight qwen_weights[] = {
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd" },
    { 0 }
};

const struct arch pi_arch_qwen3 = {
    .name = "qwen3|qwen3vl", .hf = "qwen3|qwen3_vl_text", .like = &pi_arch_llama,
    .keys = qwen_keys, .weights = qwen_weights,
};
