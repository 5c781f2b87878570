/* gemma.c - Gemma: rows of the embedding times sqrt(dim), GELU gates; norms are 1 + w in Hugging
 * Face folders and w in GGUF. Gemma 2: norms behind the branches too, softcaps, every second layer
 * local. Gemma 3: q and k normalised instead of capped, five local layers to a global one, with
 * angles of their own. Gemma Team 2024 and 2025, arXiv 2403.08295, 2408.00118, 2503.19786.
 * VaultGemma: Gemma 2 without norms behind the branches, 2025.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_gemma, pi_arch_gemma2, pi_arch_gemma3,
    pi_arch_vaultgemma;

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

/* The largest model scales scores by dim/heads; GGUF says so only by its number of layers. */
#define QUERY_SCALAR(layers_of_largest) \
    { "query_scalar", "", "query_pre_attn_scalar", \
      "layers == " #layers_of_largest " ? dim/heads : hd" }

static const struct key gemma2_keys[] = {
    QUERY_SCALAR(46),
    { "cap", "attn_logit_softcapping", "attn_logit_softcapping", "hf ? 0 : 50" },
    { "logit_cap", "final_logit_softcapping", "final_logit_softcapping", "hf ? 0 : 30" },
    { "window", "attention.sliding_window", "sliding_window", "hf ? 0 : 4096" },
    { "pattern", "attention.sliding_window_pattern", "layer_types", "2" },
    { 0 }
};

static const struct weight gemma2_weights[] = {
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.pre_feedforward_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    { "post1", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim", .fix = FIX_ADD_ONE },
    { "post2", "blk.%d.post_ffw_norm.weight", "layers.%d.post_feedforward_layernorm.weight",
      "dim", .fix = FIX_ADD_ONE },
    { 0 }
};

const struct arch pi_arch_gemma2 = {
    .name = "gemma2", .like = &pi_arch_gemma, .keys = gemma2_keys, .weights = gemma2_weights,
};

static const struct weight vaultgemma_weights[] = { { "post1" }, { "post2" }, { 0 } };

const struct arch pi_arch_vaultgemma = {
    .name = "vaultgemma", .like = &pi_arch_gemma2, .weights = vaultgemma_weights,
    .gguf = "",
};

static const struct key gemma3_keys[] = {
    QUERY_SCALAR(62),
    { "cap", "", "attn_logit_softcapping", "0" },
    { "logit_cap", "final_logit_softcapping", "final_logit_softcapping", "0" },
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "pattern", "attention.sliding_window_pattern",
      "layer_types|sliding_window_pattern|_sliding_window_pattern", "6" },
    { "theta", "rope.freq_base", "rope_parameters.full_attention.rope_theta|rope_theta",
      "1000000" },
    { "theta_local", "rope.freq_base_swa",
      "rope_parameters.sliding_attention.rope_theta|rope_local_base_freq", "10000" },
    { 0 }
};

static const struct weight gemma3_weights[] = {
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd",
      .fix = FIX_ADD_ONE },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd",
      .fix = FIX_ADD_ONE },
    { 0 }
};

const struct arch pi_arch_gemma3 = {
    .name = "gemma3", .hf = "gemma3_text", .like = &pi_arch_gemma2, .keys = gemma3_keys,
    .weights = gemma3_weights,
};
