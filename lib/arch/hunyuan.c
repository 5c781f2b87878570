/* hunyuan.c - Hunyuan, dense and with experts beside a shared one: q and k normalised behind
 * rotation, whose base grows with the context that a model was made for. Tencent 2025.
 *
 *     x --norm--> h --q,k,v--> rope --> norm --> attend --o--> + x
 *     x --norm--> routed experts + shared expert --> + x
 */
#include "moe.h"

extern const struct arch pi_arch_dense, pi_arch_llama, pi_arch_hunyuan, pi_arch_hunyuan_moe;

#define THETA_KEYS                                                                        \
    { "base", "rope.freq_base", "rope_parameters.rope_theta|rope_theta", "10000" },       \
    { "alpha", "", "rope_parameters.alpha|rope_scaling.alpha", "0" },                     \
    { "theta", "", "", "alpha ? base*exp(log(alpha)*hd/(hd-2)) : base" }

#define QK_WEIGHTS                                                                        \
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.query_layernorm.weight", \
      "hd" },                                                                             \
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.key_layernorm.weight", "hd" }

static const struct key hunyuan_keys[] = {
    { "norm_turned", "", "", "1" },
    THETA_KEYS,
    { 0 }
};

static const struct weight hunyuan_weights[] = {
    QK_WEIGHTS,
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

static const struct key hunyuan_moe_keys[] = {
    { "interleaved", "", "", "0" },
    THETA_KEYS,
    { "sff", "expert_shared_feed_forward_length", "", "ff" },
    { 0 }
};

static const struct put hunyuan_moe_puts[] = {
    { "rope.freq_base", "theta" },
    { "expert_feed_forward_length", "eff" },
    { "expert_shared_feed_forward_length", "sff" },
    { "expert_shared_count", "1" },
    { 0 }
};

#define SHARED_MLP(name) "layers.%d.mlp.shared_mlp." name ".weight"

static const struct weight hunyuan_moe_weights[] = {
    QK_WEIGHTS,
    { "router", "blk.%d.ffn_gate_inp.weight", "layers.%d.mlp.gate.wg.weight", "experts,dim" },
    { "s_gate", "blk.%d.ffn_gate_shexp.weight", SHARED_MLP("gate_proj"), "sff,dim" },
    { "s_up", "blk.%d.ffn_up_shexp.weight", SHARED_MLP("up_proj"), "sff,dim" },
    { "s_down", "blk.%d.ffn_down_shexp.weight", SHARED_MLP("down_proj"), "dim,sff" },
    { 0 }
};

static const struct step hunyuan_moe_block[] = {
    { OP_NORM,    "h", "x",         "norm1",   "eps,rms" },
    { OP_LINEAR,  "q", "h",         "q" },
    { OP_LINEAR,  "k", "h",         "k" },
    { OP_LINEAR,  "v", "h",         "v" },
    { OP_ROPE,    "q", "q angles",  NULL,      "hd,interleaved" },
    { OP_ROPE,    "k", "k angles",  NULL,      "hd,interleaved" },
    { OP_NORM,    "q", "q",         "q_norm",  "eps,rms" },
    { OP_NORM,    "k", "k",         "k_norm",  "eps,rms" },
    { OP_ATTEND,  "a", "q k v",     NULL,      "heads,kv" },
    { OP_LINEAR,  "o", "a",         "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",         "norm2",   "eps,rms" },
    MOE_STEPS,
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step hunyuan_moe_enter[] = {
    { OP_EMBED,   "x", "ids",       "embed" },
    { OP_ANGLES,  "angles", "pos",  NULL,      "rot,theta,none,1" },
    { 0 }
};

static const struct step hunyuan_moe_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

const struct arch pi_arch_hunyuan_moe = {
    .name = "hunyuan-moe", .hf = "hunyuan_v1_moe", .like = &pi_arch_llama,
    .keys = hunyuan_moe_keys, .weights = hunyuan_moe_weights, .puts = hunyuan_moe_puts,
    .parts = { { "decode", hunyuan_moe_enter, hunyuan_moe_block, hunyuan_moe_leave, "layers" } },
};
