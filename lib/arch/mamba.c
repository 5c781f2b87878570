/* mamba.c - Mamba (each channel has states with rates of their own), Falcon-Mamba, which
 * normalises what drives them, and Mamba-2. No attention: the context has no bound of its own.
 * Gu and Dao 2023, arXiv 2312.00752; Zuo et al. 2024, arXiv 2410.05355; Dao and Gu 2024,
 * arXiv 2405.21060.
 *
 *     ids -> embed -> x
 *     x --norm--> h --i,z--> i --conv--> silu --dt,b,c--> scan --> * silu(z) --out--> + x
 *     x --norm--> head -> logits
 */
#include "mamba.h"

extern const struct arch pi_arch_mamba, pi_arch_mamba2;

#define COMMON_KEYS                                                                   \
    { "ctx", "context_length", "max_position_embeddings", "1048576" },               \
    { "dim", "embedding_length", "hidden_size", NULL },                               \
    { "layers", "block_count", "num_hidden_layers", NULL },                           \
    { "vocab", "vocab_size", "vocab_size", "tokens" },                                \
    { "eps", "attention.layer_norm_rms_epsilon", "layer_norm_epsilon", NULL }

static const struct key mamba_keys[] = {
    COMMON_KEYS,
    { "inner", "ssm.inner_size", "intermediate_size", "2*dim" },
    { "states", "ssm.state_size", "state_size", NULL },
    { "rank", "ssm.time_step_rank", "time_step_rank", NULL },
    { "taps", "ssm.conv_kernel", "conv_kernel", "4" },
    { "normed", "ssm.dt_b_c_rms", "", "0" },
    { "normed_eps", "", "mixer_rms_eps", "eps" },
    { 0 }
};

#define COMMON_WEIGHTS                                                                \
    { "embed", "token_embd.weight", "embeddings.weight", "vocab,dim" },              \
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.norm.weight", "dim" },          \
    { "norm", "output_norm.weight", "norm_f.weight", "dim" },                         \
    { "head", "output.weight|token_embd.weight", "lm_head.weight|embeddings.weight",  \
      "vocab,dim" }

#define IN "blk.%d.ssm_in.weight", "layers.%d.mixer.in_proj.weight"
#define DRIVE "blk.%d.ssm_x.weight", "layers.%d.mixer.x_proj.weight"

static const struct weight mamba_weights[] = {
    COMMON_WEIGHTS,
    { "i", IN, "inner,dim", "0", "2*inner" },
    { "z", IN, "inner,dim", "inner", "2*inner" },
    { "conv", "blk.%d.ssm_conv1d.weight", "layers.%d.mixer.conv1d.weight", "inner,taps" },
    { "conv.bias?", "blk.%d.ssm_conv1d.bias", "layers.%d.mixer.conv1d.bias", "inner" },
    { "low", DRIVE, "rank,inner", "0", "rank + 2*states" },
    { "b", DRIVE, "states,inner", "rank", "rank + 2*states" },
    { "c", DRIVE, "states,inner", "rank + states", "rank + 2*states" },
    { "dt", "blk.%d.ssm_dt.weight", "layers.%d.mixer.dt_proj.weight", "inner,rank" },
    { "dt.bias", "blk.%d.ssm_dt.bias", "layers.%d.mixer.dt_proj.bias", "inner" },
    { "rate", "blk.%d.ssm_a", "layers.%d.mixer.A_log", "inner,states", .fix = FIX_NEG_EXP },
    { "rate.bias", "blk.%d.ssm_d", "layers.%d.mixer.D", "inner" },
    { "out", "blk.%d.ssm_out.weight", "layers.%d.mixer.out_proj.weight", "dim,inner" },
    { 0 }
};

static const struct step mamba_enter[] = {
    { OP_EMBED,    "x", "ids",        "embed" },
    { 0 }
};

static const struct step mamba_block[] = {
    /* op          out  in            weight   parameters */
    { OP_NORM,     "h", "x",          "norm1", "eps,rms" },
    { OP_LINEAR,   "i", "h",          "i" },
    { OP_LINEAR,   "z", "h",          "z" },
    { OP_CONV,     "i", "i",          "conv" },
    { OP_ACTIVATE, "i", "i",          NULL,    "silu" },
    { OP_LINEAR,   "dt", "i",         "low" },
    { OP_LINEAR,   "b", "i",          "b" },
    { OP_LINEAR,   "c", "i",          "c" },
    { OP_NORM,     "dt", "dt",        NULL,    "normed_eps,rms", "normed" },
    { OP_NORM,     "b", "b",          NULL,    "normed_eps,rms", "normed" },
    { OP_NORM,     "c", "c",          NULL,    "normed_eps,rms", "normed" },
    { OP_LINEAR,   "dt", "dt",        "dt" },
    { OP_ACTIVATE, "dt", "dt",        NULL,    "softplus" },
    { OP_SCAN,     "s", "i dt b c",   "rate" },
    { OP_GATE,     "s", "z s",        NULL,    "silu" },
    { OP_LINEAR,   "o", "s",          "out" },
    { OP_ADD,      "x", "x o" },
    { 0 }
};

static const struct step mamba_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",          "norm",  "eps,rms" },
    { OP_LINEAR,   "logits", "y",     "head" },
    { 0 }
};

static const struct put mamba_puts[] = {
    { "context_length", "ctx" },
    { "feed_forward_length", "0" },
    { "attention.head_count", "0" },
    { 0 }
};

const struct arch pi_arch_mamba = {
    .name = "mamba", .prefix = "backbone.", .keys = mamba_keys, .weights = mamba_weights,
    .puts = mamba_puts,
    .parts = { { "decode", mamba_enter, mamba_block, mamba_leave, "layers" } },
};

/* In GGUF it is a mamba with a flag. */
static const struct key falcon_mamba_keys[] = {
    { "normed", "ssm.dt_b_c_rms", "", "hf" },
    { 0 }
};

const struct arch pi_arch_falcon_mamba = {
    .name = "falcon_mamba", .gguf = "mamba", .like = &pi_arch_mamba,
    .keys = falcon_mamba_keys,
};

static const struct key mamba2_keys[] = { COMMON_KEYS, MAMBA2_KEYS, { 0 } };

static const struct weight mamba2_weights[] = {
    COMMON_WEIGHTS,
    MAMBA2_WEIGHTS("mixer", NULL, MAMBA2_PLAIN, NULL),
    { 0 }
};

static const struct step mamba2_block[] = {
    { OP_NORM,     "h", "x",          "norm1", "eps,rms" },
    MAMBA2_IN_STEPS(NULL),
    MAMBA2_SCAN_STEPS("1"),
    { OP_ADD,      "x", "x o" },
    { 0 }
};

const struct arch pi_arch_mamba2 = {
    .name = "mamba2", .prefix = "backbone.", .keys = mamba2_keys, .weights = mamba2_weights,
    .puts = mamba_puts,
    .parts = { { "decode", mamba_enter, mamba2_block, mamba_leave, "layers" } },
};
