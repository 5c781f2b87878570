/* kin.c - decoders that are Llama but for a name or the place of a norm: Seed-OSS, Hunyuan (q and
 * k normalised behind rotation), ERNIE 4.5 (neighbouring pairs).
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_seed_oss, pi_arch_hunyuan, pi_arch_ernie;

static const struct weight seed_oss_weights[] = {
    { "norm2", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { 0 }
};

const struct arch pi_arch_seed_oss = {
    .name = "seed_oss", .like = &pi_arch_dense, .weights = seed_oss_weights,
};

static const struct key hunyuan_keys[] = {
    { "norm_turned", "", "", "1" },
    { "base", "rope.freq_base", "rope_parameters.rope_theta|rope_theta", "10000" },
    { "alpha", "", "rope_parameters.alpha|rope_scaling.alpha", "0" },
    { "theta", "", "", "alpha ? base*exp(log(alpha)*hd/(hd-2)) : base" },
    { 0 }
};

static const struct weight hunyuan_weights[] = {
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.query_layernorm.weight", "hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.key_layernorm.weight", "hd" },
    { 0 }
};

static const struct put hunyuan_puts[] = {
    { "rope.freq_base", "theta" },
    { 0 }
};

const struct arch pi_arch_hunyuan = {
    .name = "hunyuan-dense", .hf = "hunyuan_v1_dense", .like = &pi_arch_dense,
    .keys = hunyuan_keys, .weights = hunyuan_weights, .puts = hunyuan_puts,
};

static const struct key ernie_dense_keys[] = {
    { "interleaved", "", "", "1" },
    { 0 }
};

const struct arch pi_arch_ernie = {
    .name = "ernie4_5", .like = &pi_arch_dense, .keys = ernie_dense_keys,
};
