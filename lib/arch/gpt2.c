/* gpt2.c - GPT-2: learned positions, LayerNorm with bias, q, k and v fused in one matrix, a
 * plain GELU feed-forward, the head tied to the embedding. Radford et al. 2019.
 *
 *     ids, pos -> embed + -> x
 *     x --norm--> h --q,k,v--> attend --o--> + --norm--> up --gelu--> down --> + x
 *     x --norm--> head -> logits
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2;

static const struct key gpt2_keys[] = {
    /* name, key behind "<arch>.", key in config.json, what it is if absent */
    { "ctx", "context_length", "n_positions", NULL },
    { "dim", "embedding_length", "n_embd", NULL },
    { "layers", "block_count", "n_layer", NULL },
    { "heads", "attention.head_count", "n_head", NULL },
    { "ff", "feed_forward_length", "n_inner", "4*dim" },
    { "vocab", "vocab_size", "vocab_size", "tokens" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_epsilon", NULL },
    { "act", "", "activation_function", "gelu_tanh" },
    { 0 }
};

#define QKV "blk.%d.attn_qkv.weight", "h.%d.attn.c_attn.weight"
#define QKV_BIAS "blk.%d.attn_qkv.bias", "h.%d.attn.c_attn.bias"

static const struct weight gpt2_weights[] = {
    /* name, in GGUF, in safetensors, shape, first row, of rows, fix */
    { "embed", "token_embd.weight", "wte.weight", "vocab,dim" },
    { "place", "position_embd.weight", "wpe.weight", "ctx,dim" },
    { "norm1", "blk.%d.attn_norm.weight", "h.%d.ln_1.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", "h.%d.ln_1.bias", "dim" },
    { "q", QKV, "dim,dim", "0", "3*dim", FIX_TRANSPOSE },
    { "k", QKV, "dim,dim", "dim", "3*dim", FIX_TRANSPOSE },
    { "v", QKV, "dim,dim", "2*dim", "3*dim", FIX_TRANSPOSE },
    { "q.bias", QKV_BIAS, "dim", "0", "3*dim" },
    { "k.bias", QKV_BIAS, "dim", "dim", "3*dim" },
    { "v.bias", QKV_BIAS, "dim", "2*dim", "3*dim" },
    { "o", "blk.%d.attn_output.weight", "h.%d.attn.c_proj.weight", "dim,dim",
      .fix = FIX_TRANSPOSE },
    { "o.bias", "blk.%d.attn_output.bias", "h.%d.attn.c_proj.bias", "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", "h.%d.ln_2.weight", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", "h.%d.ln_2.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", "h.%d.mlp.c_fc.weight", "ff,dim", .fix = FIX_TRANSPOSE },
    { "up.bias", "blk.%d.ffn_up.bias", "h.%d.mlp.c_fc.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", "h.%d.mlp.c_proj.weight", "dim,ff", .fix = FIX_TRANSPOSE },
    { "down.bias", "blk.%d.ffn_down.bias", "h.%d.mlp.c_proj.bias", "dim" },
    { "norm", "output_norm.weight", "ln_f.weight", "dim" },
    { "norm.bias", "output_norm.bias", "ln_f.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|wte.weight", "vocab,dim" },
    { "mask", NULL, "h.%d.attn.bias", .ignore = true },
    { "masked", NULL, "h.%d.attn.masked_bias", .ignore = true },
    { 0 }
};

static const struct step gpt2_enter[] = {
    { OP_EMBED,    "x", "ids",   "embed" },
    { OP_EMBED,    "p", "pos",   "place" },
    { OP_ADD,      "x", "x p" },
    { 0 }
};

static const struct step gpt2_block[] = {
    /* op          out  in       weight     parameters */
    { OP_NORM,     "h", "x",     "norm1",   "eps,layernorm" },
    { OP_LINEAR,   "q", "h",     "q" },
    { OP_LINEAR,   "k", "h",     "k" },
    { OP_LINEAR,   "v", "h",     "v" },
    { OP_ATTEND,   "a", "q k v", NULL,      "heads,heads" },
    { OP_LINEAR,   "o", "a",     "o" },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",     "norm2",   "eps,layernorm" },
    { OP_LINEAR,   "u", "h",     "up" },
    { OP_ACTIVATE, "u", "u",     NULL,      "act" },
    { OP_LINEAR,   "f", "u",     "down" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step gpt2_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",     "norm",    "eps,layernorm" },
    { OP_LINEAR,   "logits", "y", "head" },
    { 0 }
};

const struct arch pi_arch_gpt2 = {
    .name = "gpt2",
    .prefix = "transformer.",
    .keys = gpt2_keys,
    .weights = gpt2_weights,
    .parts = { { "decode", gpt2_enter, gpt2_block, gpt2_leave, "layers" } },
};
