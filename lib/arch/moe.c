/* moe.c - decoders that are Llama or Qwen with experts in the feed-forward: Qwen2-MoE and
 * Qwen3-MoE, Yang et al. 2024 and 2025, arXiv 2407.10671 and 2505.09388; OLMoE, Muennighoff et al.
 * 2024, arXiv 2409.02060; dots.llm1, arXiv 2506.05767; GLM-4.5, arXiv 2508.06471; Solar
 * Open; ERNIE 4.5; MiniMax-M2; DeepSeekMoE, Dai et al. 2024, arXiv 2401.06066.
 */
#include "moe.h"

extern const struct arch pi_arch_llama, pi_arch_qwen2, pi_arch_qwen3, pi_arch_qwen2moe,
    pi_arch_qwen3moe, pi_arch_qwen3vlmoe, pi_arch_olmoe, pi_arch_dots1, pi_arch_glm4moe,
    pi_arch_ernie_moe, pi_arch_minimax_m2, pi_arch_deepseek;

const struct arch pi_arch_qwen3moe = {
    .name = "qwen3moe", .hf = "qwen3_moe", .like = &pi_arch_qwen3,
};

/* The text part of Qwen3-VL: experts lie in one tensor, which is stored transposed. */
static const struct weight turned_experts[] = {
    { "gates", "blk.%d.ffn_gate_exps.weight", HF_FUSED, "experts,eff,dim", "0",
      "eff + hf*eff", FIX_PACKED, .when = "moe" },
    { "ups", "blk.%d.ffn_up_exps.weight", HF_FUSED, "experts,eff,dim", "hf*eff",
      "eff + hf*eff", FIX_PACKED, .when = "moe" },
    { "downs", "blk.%d.ffn_down_exps.weight", HF_DOWNS, "experts,dim,eff", .fix = FIX_PACKED,
      .when = "moe" },
    { 0 }
};

const struct arch pi_arch_qwen3vlmoe = {
    .name = "qwen3vlmoe", .hf = "qwen3_vl_moe_text", .gguf = "qwen3moe",
    .like = &pi_arch_qwen3moe,
    .weights = turned_experts,
};

static const struct key qwen2moe_keys[] = {
    { "renorm", "expert_weights_norm", "norm_topk_prob", "0" },
    { "gated", "", "", "1" },
    { 0 }
};

const struct arch pi_arch_qwen2moe = {
    .name = "qwen2moe", .hf = "qwen2_moe", .like = &pi_arch_qwen2, .keys = qwen2moe_keys,
};

static const struct key olmoe_keys[] = {
    { "renorm", "expert_weights_norm", "norm_topk_prob", "0" },
    { 0 }
};

/* All heads of q, and of k, are normalised as one. */
static const struct weight whole_norms[] = {
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "heads*hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "kv*hd" },
    { 0 }
};

const struct arch pi_arch_olmoe = {
    .name = "olmoe", .like = &pi_arch_qwen2, .keys = olmoe_keys, .weights = whole_norms,
};

/* The router of DeepSeek-V3. */
static const struct key sigmoid_keys[] = {
    { "gating", "expert_gating_func", "", "2" },
    { "renorm", "expert_weights_norm", "norm_topk_prob", "hf" },
    { 0 }
};

const struct arch pi_arch_dots1 = {
    .name = "dots1", .like = &pi_arch_qwen3, .keys = sigmoid_keys,
};

/* Solar Open has no dense layers. */
static const struct key glm4moe_keys[] = {
    { "ff", "feed_forward_length", "intermediate_size", "eff" },
    { "eff", "expert_feed_forward_length", "moe_intermediate_size", NULL },
    { 0 }
};

static const struct weight glm4moe_weights[] = {
    { "norm2", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { "q_norm?", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd" },
    { "k_norm?", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd" },
    { 0 }
};

const struct arch pi_arch_glm4moe = {
    .name = "glm4moe", .hf = "glm4_moe|solar_open", .like = &pi_arch_dots1, .keys = glm4moe_keys,
    .weights = glm4moe_weights,
};

static const struct key ernie_keys[] = {
    { "interleaved", "", "", "1" },
    { 0 }
};

static const struct put ernie_puts[] = {
    { "expert_shared_feed_forward_length", "sff" },
    { 0 }
};

const struct arch pi_arch_ernie_moe = {
    .name = "ernie4_5-moe", .hf = "ernie4_5_moe", .like = &pi_arch_llama, .keys = ernie_keys,
    .puts = ernie_puts,
};

static const struct key minimax_keys[] = {
    { "gating", "expert_gating_func", "", "2" },
    { "interleaved", "", "", "0" },
    { 0 }
};

static const struct put minimax_puts[] = {
    { "expert_feed_forward_length", "eff" },
    { 0 }
};

const struct arch pi_arch_minimax_m2 = {
    .name = "minimax-m2", .hf = "minimax_m2", .like = &pi_arch_llama, .keys = minimax_keys,
    .weights = whole_norms, .puts = minimax_puts,
};

static const struct key deepseek_moe_keys[] = {
    { "renorm", "", "norm_topk_prob", "0" },
    { 0 }
};

const struct arch pi_arch_deepseek = {
    .name = "deepseek", .like = &pi_arch_llama, .keys = deepseek_moe_keys,
};
