/* glm.c - GLM-4: gate and up in one matrix, neighbouring pairs of half of each head turned. The
 * releases from April 2025 on also normalise behind each branch. Team GLM 2024, arXiv 2406.12793.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_chatglm, pi_arch_glm4;

#define GATE_UP "blk.%d.ffn_up.weight", "layers.%d.mlp.gate_up_proj.weight"

static const struct key glm_keys[] = {
    { "interleaved", "", "", "1" },
    { "rot_share", "", "rope_parameters.partial_rotary_factor|partial_rotary_factor", "0.5" },
    { 0 }
};

static const struct weight glm_dense_weights[] = {
    { "q?", "blk.%d.attn_q.weight", "layers.%d.self_attn.q_proj.weight", "heads*hd,dim" },
    { "gate", GATE_UP, "ff,dim", "0", "2*ff" },
    { "up", GATE_UP, "ff,dim", "ff", "2*ff" },
    { 0 }
};

const struct arch pi_arch_chatglm = {
    .name = "chatglm", .hf = "glm", .like = &pi_arch_dense, .keys = glm_keys,
    .weights = glm_dense_weights,
};

static const struct weight glm4_weights[] = {
    { "post1", "blk.%d.post_attention_norm.weight",
      "layers.%d.post_self_attn_layernorm.weight", "dim" },
    { "post2", "blk.%d.post_ffw_norm.weight", "layers.%d.post_mlp_layernorm.weight", "dim" },
    { 0 }
};

const struct arch pi_arch_glm4 = {
    .name = "glm4", .like = &pi_arch_chatglm, .weights = glm4_weights,
};
