/* rwkv6.c - RWKV-6 Finch: no attention; every input is a mixture of the token and the one before,
 * in shares that depend on both, and each head keeps a matrix that decays by what the token says.
 * Peng et al. 2024, arXiv 2404.05892.
 *
 *     ids -> embed --norm--> x
 *     x --norm--> h, p (of the token before) --> w, k, v, r, g --wkv--> norm --> * silu(g)
 *       --o--> + x
 *     x --norm--> h, p --key--> relu^2 --value--> * sigmoid(receptance) --> + x
 *     x --norm--> head -> logits
 */
#include "rwkv.h"

extern const struct arch pi_arch_rwkv6;

static const struct key rwkv6_keys[] = {
    RWKV_KEYS,
    { "divisor", "", "head_size_divisor", "8" },
    { "ff", "feed_forward_length", "intermediate_size", "floor(dim*3.5/32)*32" },
    { "mixes", "time_mix_extra_dim", "", "dim==4096 ? 64 : 32" },
    { "decays", "time_decay_extra_dim", "", "dim==4096 ? 128 : 64" },
    /* x is halved behind every so many layers, and so is what they add, in GGUF in the weights */
    { "rescale", "rescale_every_n_layers", "rescale_every", "0" },
    { "shrink", "", "", "hf && rescale ? exp(0 - log(2)*floor(layer/rescale)) : 1",
      true },
    { 0 }
};

#define MIX(i, name) "blk.%d.time_mix_lerp_" name ".weight|blk.%d.time_mix_lerp_fused.weight", \
    "blocks.%d.attention.time_maa_" name, "dim", #i "*dim", "5*dim"
#define TIME(gguf, hf) "blk.%d.time_mix_" gguf ".weight", "blocks.%d.attention." hf
#define CHANNEL(gguf, hf) "blk.%d.channel_mix_" gguf ".weight", "blocks.%d.feed_forward." hf

static const struct weight rwkv6_weights[] = {
    { "embed", "token_embd.weight", "embeddings.weight", "vocab,dim" },
    RWKV_NORM("norm0", "token_embd_norm", "blocks.0.pre_ln"),
    RWKV_NORM("norm1", "blk.%d.attn_norm", "blocks.%d.ln1"),
    { "mix", TIME("lerp_x", "time_maa_x"), "dim" },
    { "mix_in", TIME("w1", "time_maa_w1"), "5*mixes,dim", .fix = FIX_TRANSPOSE },
    { "mix_out", TIME("w2", "time_maa_w2"), "5,dim,mixes", .fix = FIX_TRANSPOSE },
    { "mix_w", MIX(0, "w") },
    { "mix_k", MIX(1, "k") },
    { "mix_v", MIX(2, "v") },
    { "mix_r", MIX(3, "r") },
    { "mix_g", MIX(4, "g") },
    { "first", TIME("first", "time_faaaa"), "dim", .as = "dim/size,size" },
    { "decay", TIME("decay", "time_decay"), "dim" },
    { "w_in", TIME("decay_w1", "time_decay_w1"), "decays,dim", .fix = FIX_TRANSPOSE },
    { "w_out", TIME("decay_w2", "time_decay_w2"), "dim,decays", .fix = FIX_TRANSPOSE },
    { "k", TIME("key", "key.weight"), "dim,dim" },
    { "v", TIME("value", "value.weight"), "dim,dim" },
    { "r", TIME("receptance", "receptance.weight"), "dim,dim" },
    { "g", TIME("gate", "gate.weight"), "dim,dim" },
    RWKV_NORM("wkv_norm", "blk.%d.time_mix_ln", "blocks.%d.attention.ln_x"),
    { "o", TIME("output", "output.weight"), "dim,dim", .gain = "shrink" },
    RWKV_NORM("norm2", "blk.%d.attn_norm_2", "blocks.%d.ln2"),
    { "mix_up", CHANNEL("lerp_k", "time_maa_k"), "dim" },
    { "mix_on", CHANNEL("lerp_r", "time_maa_r"), "dim" },
    { "up", CHANNEL("key", "key.weight"), "ff,dim" },
    { "down", CHANNEL("value", "value.weight"), "dim,ff", .gain = "shrink" },
    { "on", CHANNEL("receptance", "receptance.weight"), "dim,dim" },
    RWKV_NORM("norm", "output_norm", "ln_out"),
    { "head", "output.weight", "head.weight", "vocab,dim" },
    { 0 }
};

static const struct step rwkv6_enter[] = {
    RWKV_ENTER,
    { 0 }
};

static const struct step rwkv6_block[] = {
    /* op          out  in           weight      parameters */
    { OP_NORM,     "h", "x",         "norm1",    "eps,layernorm" },
    { OP_SHIFT,    "p", "h" },
    { OP_LERP,     "m", "h p",       "mix" },
    { OP_LINEAR,   "m", "m",         "mix_in" },
    { OP_ACTIVATE, "m", "m",         NULL,       "tanh" },
    { OP_EACH,     "m", "m",         "mix_out" },
    { OP_SLICE,    "w", "m",         NULL,       "0,dim" },
    { OP_SLICE,    "k", "m",         NULL,       "dim,dim" },
    { OP_SLICE,    "v", "m",         NULL,       "2*dim,dim" },
    { OP_SLICE,    "r", "m",         NULL,       "3*dim,dim" },
    { OP_SLICE,    "g", "m",         NULL,       "4*dim,dim" },
    { OP_LERP,     "w", "h p w",     "mix_w" },
    { OP_LERP,     "k", "h p k",     "mix_k" },
    { OP_LERP,     "v", "h p v",     "mix_v" },
    { OP_LERP,     "r", "h p r",     "mix_r" },
    { OP_LERP,     "g", "h p g",     "mix_g" },
    { OP_LINEAR,   "w", "w",         "w_in" },
    { OP_ACTIVATE, "w", "w",         NULL,       "tanh" },
    { OP_LINEAR,   "w", "w",         "w_out" },
    { OP_ADD,      "w", "w",         "decay" },
    { OP_ACTIVATE, "w", "w",         NULL,       "exp" },
    { OP_SCALE,    "w", "w",         NULL,       "0-1" },
    { OP_ACTIVATE, "w", "w",         NULL,       "exp" },
    { OP_LINEAR,   "k", "k",         "k" },
    { OP_LINEAR,   "v", "v",         "v" },
    { OP_LINEAR,   "r", "r",         "r" },
    { OP_LINEAR,   "g", "g",         "g" },
    { OP_WKV,      "a", "r w k v",   "first",    "dim/size" },
    { OP_NORM,     "a", "a",         "wkv_norm", "1e-5*divisor*divisor,layernorm,size" },
    { OP_GATE,     "a", "g a",       NULL,       "silu" },
    { OP_LINEAR,   "o", "a",         "o" },
    { OP_SCALE,    "o", "o",         NULL,       "shrink", "shrink != 1" },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",         "norm2",    "eps,layernorm" },
    { OP_SHIFT,    "p", "h" },
    { OP_LERP,     "u", "h p",       "mix_up" },
    { OP_LERP,     "r", "h p",       "mix_on" },
    { OP_LINEAR,   "u", "u",         "up" },
    { OP_ACTIVATE, "u", "u",         NULL,       "relu2" },
    { OP_LINEAR,   "f", "u",         "down" },
    { OP_LINEAR,   "r", "r",         "on" },
    { OP_GATE,     "f", "r f",       NULL,       "sigmoid" },
    { OP_SCALE,    "f", "f",         NULL,       "shrink", "shrink != 1" },
    { OP_ADD,      "x", "x f" },
    { OP_SCALE,    "x", "x",         NULL,       "0.5", "rescale && (layer+1)%rescale == 0" },
    { 0 }
};

static const struct step rwkv6_leave[] = {
    RWKV_LEAVE,
    { 0 }
};

static const struct put rwkv6_puts[] = {
    RWKV_PUTS,
    { "time_mix_extra_dim", "mixes" },
    { "time_decay_extra_dim", "decays" },
    { 0 }
};

const struct arch pi_arch_rwkv6 = {
    .name = "rwkv6", .prefix = "rwkv.", .keys = rwkv6_keys, .weights = rwkv6_weights,
    .parts = { { "decode", rwkv6_enter, rwkv6_block, rwkv6_leave, "layers" } },
    .puts = rwkv6_puts,
};
