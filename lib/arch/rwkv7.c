/* rwkv7.c - RWKV-7 Goose: each head's matrix decays and has what a key finds there replaced, both
 * at rates of each channel; layers behind the first blend its values into theirs.
 * Peng et al. 2025, arXiv 2503.14456.
 *
 *     ids -> embed --norm--> x
 *     x --norm--> h, p (of the token before) --> r, w, k, v, a, g --wkv--> norm
 *       --> + (sum of r * k * bonus) v --> * g --o--> + x
 *     x --norm--> h, p --key--> relu^2 --value--> + x
 *     x --norm--> head -> logits
 */
#include "rwkv.h"

extern const struct arch pi_arch_rwkv7;

static const struct key rwkv7_keys[] = {
    RWKV_KEYS,
    { "wkv_eps", "", "", "hf ? size*eps : 64e-5" },
    { "act", "", "hidden_act", "relu2" },
    { "ff", "feed_forward_length", "intermediate_size", "4*dim" },
    { "decays", "attention.decay_lora_rank", "decay_low_rank_dim|lora_rank_decay", NULL },
    { "rates", "attention.iclr_lora_rank", "a_low_rank_dim|lora_rank_iclr", NULL },
    { "blends", "attention.value_residual_mix_lora_rank",
      "v_low_rank_dim|lora_rank_value_residual_mix", NULL },
    { "gates", "attention.gate_lora_rank", "gate_low_rank_dim|lora_rank_gate", NULL },
    { 0 }
};

#define MIX(i, name) "blk.%d.time_mix_lerp_fused.weight", \
    "layers.%d.attn.x_" name "|layers.%d.attn.x_x", "dim", #i "*dim", "6*dim", \
    .as = "6,1,1,dim"
#define TIME(gguf, hf) "blk.%d.time_mix_" gguf ".weight", "layers.%d.attn." hf
#define LOW(name, i, end) TIME(name #i, name "_lora.lora." end)
#define LATER "layer > 0"

static const struct weight rwkv7_weights[] = {
    { "embed", "token_embd.weight", "embeddings.weight", "vocab,dim" },
    RWKV_NORM("norm0", "token_embd_norm", "layers.0.pre_norm"),
    RWKV_NORM("norm1", "blk.%d.attn_norm", "layers.%d.attn_norm"),
    { "mix_r", MIX(0, "r") },
    { "mix_w", MIX(1, "w") },
    { "mix_k", MIX(2, "k") },
    { "mix_v", MIX(3, "v") },
    { "mix_a", MIX(4, "a") },
    { "mix_g", MIX(5, "g") },
    { "r", TIME("receptance", "r_proj.weight"), "dim,dim" },
    { "k", TIME("key", "k_proj.weight"), "dim,dim" },
    { "v", TIME("value", "v_proj.weight"), "dim,dim" },
    { "w_in", LOW("w", 1, "0.weight"), "decays,dim" },
    { "w_out", LOW("w", 2, "2.weight"), "dim,decays" },
    { "w_out.bias", LOW("w", 0, "2.bias"), "dim" },
    { "a_in", LOW("a", 1, "0.weight"), "rates,dim" },
    { "a_out", LOW("a", 2, "2.weight"), "dim,rates" },
    { "a_out.bias", LOW("a", 0, "2.bias"), "dim" },
    { "v_in", LOW("v", 1, "0.weight"), "blends,dim", .when = LATER },
    { "v_out", LOW("v", 2, "2.weight"), "dim,blends", .when = LATER },
    { "v_out.bias", LOW("v", 0, "2.bias"), "dim", .when = LATER },
    RWKV7_UNUSED,
    { "v0", "blk.%d.time_mix_v0*|blk.%d.time_mix_v1*|blk.%d.time_mix_v2*", "layers.%d.attn.v_lora*",
      .ignore = true, .when = "layer == 0" },
    { "g_in", LOW("g", 1, "0.weight"), "gates,dim" },
    { "g_out", LOW("g", 2, "2.weight"), "dim,gates" },
    { "k_k", TIME("k_k", "k_k"), "dim" },
    { "k_a", TIME("k_a", "k_a"), "dim" },
    { "r_k", TIME("r_k", "r_k"), "dim" },
    RWKV_NORM("wkv_norm", "blk.%d.time_mix_ln", "layers.%d.attn.g_norm"),
    { "o", TIME("output", "o_proj.weight"), "dim,dim" },
    RWKV_NORM("norm2", "blk.%d.attn_norm_2", "layers.%d.ffn_norm"),
    { "mix_up", "blk.%d.channel_mix_lerp_k.weight", "layers.%d.ffn.x_k", "dim" },
    { "up", "blk.%d.channel_mix_key.weight", "layers.%d.ffn.key.weight", "ff,dim" },
    { "down", "blk.%d.channel_mix_value.weight", "layers.%d.ffn.value.weight", "dim,ff" },
    RWKV_NORM("norm", "output_norm", "norm"),
    { "head", "output.weight", "lm_head.weight|embeddings.weight", "vocab,dim" },
    { 0 }
};

static const struct step rwkv7_enter[] = {
    RWKV_ENTER,
    { 0 }
};

static const struct step rwkv7_block[] = {
    /* op          out  in             weight      parameters, where */
    { OP_NORM,     "h", "x",           "norm1",    "eps,layernorm" },
    { OP_SHIFT,    "p", "h" },
    { OP_LERP,     "r", "h p",         "mix_r" },
    { OP_LINEAR,   "r", "r",           "r" },
    { OP_LERP,     "w", "h p",         "mix_w" },
    { OP_LINEAR,   "w", "w",           "w_in" },
    { OP_ACTIVATE, "w", "w",           NULL,       "tanh" },
    { OP_LINEAR,   "w", "w",           "w_out" },
    { OP_ACTIVATE, "w", "w",           NULL,       "sigmoid" },
    { OP_SCALE,    "w", "w",           NULL,       "0 - exp(0-0.5)" },
    { OP_ACTIVATE, "w", "w",           NULL,       "exp" },
    { OP_LERP,     "k", "h p",         "mix_k" },
    { OP_LINEAR,   "k", "k",           "k" },
    { OP_LERP,     "m", "h p",         "mix_v" },
    { OP_LINEAR,   "v", "m",           "v" },
    { OP_SCALE,    "v_first", "v",     NULL,       NULL,      "layer == 0" },
    { OP_LINEAR,   "m", "m",           "v_in",     NULL,      LATER },
    { OP_LINEAR,   "m", "m",           "v_out",    NULL,      LATER },
    { OP_ACTIVATE, "m", "m",           NULL,       "sigmoid", LATER },
    { OP_LERP,     "v", "v v_first m", NULL,       NULL,      LATER },
    { OP_LERP,     "a", "h p",         "mix_a" },
    { OP_LINEAR,   "a", "a",           "a_in" },
    { OP_LINEAR,   "a", "a",           "a_out" },
    { OP_ACTIVATE, "a", "a",           NULL,       "sigmoid" },
    { OP_LERP,     "g", "h p",         "mix_g" },
    { OP_LINEAR,   "g", "g",           "g_in" },
    { OP_ACTIVATE, "g", "g",           NULL,       "sigmoid" },
    { OP_LINEAR,   "g", "g",           "g_out" },
    { OP_SCALE,    "c", "k",           "k_k" },
    { OP_NORM,     "c", "c",           NULL,       "1e-24/size,rms,size" },
    { OP_SCALE,    "c", "c",           NULL,       "1/sqrt(size)" },
    { OP_MULTIPLY, "b", "c a" },
    { OP_SCALE,    "c", "c",           NULL,       "0-1" },
    { OP_MULTIPLY, "a", "a k" },
    { OP_LERP,     "k", "k a",         "k_a" },
    { OP_WKV,      "y", "r w k v c b", NULL,       "dim/size" },
    { OP_NORM,     "y", "y",           "wkv_norm", "wkv_eps,layernorm,size" },
    { OP_MULTIPLY, "r", "r k" },
    { OP_SCALE,    "r", "r",           "r_k" },
    { OP_SUM,      "r", "r",           NULL,       "size" },
    { OP_MULTIPLY, "v", "v r" },
    { OP_ADD,      "y", "y v" },
    { OP_MULTIPLY, "y", "y g" },
    { OP_LINEAR,   "o", "y",           "o" },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",           "norm2",    "eps,layernorm" },
    { OP_SHIFT,    "p", "h" },
    { OP_LERP,     "u", "h p",         "mix_up" },
    { OP_LINEAR,   "u", "u",           "up" },
    { OP_ACTIVATE, "u", "u",           NULL,       "act" },
    { OP_LINEAR,   "f", "u",           "down" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step rwkv7_leave[] = {
    RWKV_LEAVE,
    { 0 }
};

static const struct put rwkv7_puts[] = { RWKV_PUTS, { 0 } };

const struct arch pi_arch_rwkv7 = {
    .name = "rwkv7", .prefix = "model.", .keys = rwkv7_keys, .weights = rwkv7_weights,
    .parts = { { "decode", rwkv7_enter, rwkv7_block, rwkv7_leave, "layers" } },
    .puts = rwkv7_puts,
};
