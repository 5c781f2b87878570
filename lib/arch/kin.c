/* kin.c - decoders that are Llama but for a name or the place of a norm: Seed-OSS, openPangu
 * Embedded, ERNIE 4.5 and Helium (neighbouring pairs), Arcee (no gates, relu^2), MiniCPM (factors
 * of the embedding, of what branches add, of the logits).
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_seed_oss, pi_arch_pangu, pi_arch_ernie,
    pi_arch_arcee, pi_arch_minicpm;

static const struct weight seed_oss_weights[] = {
    { "norm2", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { 0 }
};

const struct arch pi_arch_seed_oss = {
    .name = "seed_oss", .like = &pi_arch_dense, .weights = seed_oss_weights,
};

const struct arch pi_arch_pangu = {
    .name = "pangu-embedded", .hf = "PanguEmbedded", .like = &pi_arch_dense,
};

static const struct key ernie_dense_keys[] = {
    { "interleaved", "", "", "1" },
    { 0 }
};

const struct arch pi_arch_ernie = {
    .name = "ernie4_5", .hf = "ernie4_5|helium", .like = &pi_arch_dense, .keys = ernie_dense_keys,
};

static const struct key arcee_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "gated", "", "", "0" },
    { "act", "", "hidden_act", "relu2" },
    { 0 }
};

static const struct weight arcee_weights[] = {
    { "gate", NULL, NULL },
    { 0 }
};

const struct arch pi_arch_arcee = {
    .name = "arcee", .like = &pi_arch_dense, .keys = arcee_keys, .weights = arcee_weights,
};

static const struct key minicpm_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "embed_scale", "embedding_scale", "scale_emb", "12" },
    { "depth", "", "scale_depth", "1.4" },
    { "residual_scale", "residual_scale", "", "depth/sqrt(layers)" },
    { "dim_base", "", "dim_model_base", "256" },
    { "logit_divisor", "logit_scale", "", "dim/dim_base" },
    { 0 }
};

const struct arch pi_arch_minicpm = {
    .name = "minicpm", .like = &pi_arch_dense, .keys = minicpm_keys,
};
