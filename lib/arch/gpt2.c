/* gpt2.c - the decoder of LayerNorms and a plain feed-forward, which GPT-2 is and many families are
 * a variation of: rotary or ALiBi positions instead of learned ones, attention and feed-forward
 * beside each other (parallel), q, k and v fused. Radford et al. 2019.
 *
 *     ids, pos -> embed + -> x
 *     x --norm--> h --q,k,v--> rope --> attend --o--> + --norm--> up --act--> down --> + x
 *     x --norm--> head -> logits
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2;

static const struct key gpt2_keys[] = {
    /* name, key behind "<arch>.", key in config.json, what it is if absent */
    { "ctx", "context_length", "n_positions|max_position_embeddings", NULL },
    { "dim", "embedding_length", "n_embd|hidden_size", NULL },
    { "layers", "block_count", "n_layer|num_hidden_layers", NULL },
    { "heads", "attention.head_count", "n_head|num_attention_heads", NULL },
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads" },
    { "hd", "", "", "dim/heads" },
    { "ff", "feed_forward_length", "n_inner|intermediate_size", "4*dim" },
    { "vocab", "vocab_size", "vocab_size", "tokens" },
    { "eps", "attention.layer_norm_epsilon",
      "layer_norm_epsilon|layer_norm_eps|norm_epsilon", NULL },
    { "act", "", "activation_function|hidden_act", "gelu_tanh" },
    { "learned", "", "", "1" },     /* a table of positions */
    { "parallel", "", "", "0" },    /* attention and feed-forward both read the block's input */
    { "alibi", "", "", "0" },       /* largest bias; 0: none */
    { "steep", "", "", "0" },       /* times all biases; 0: 1 */
    { "window", "", "", "0" },
    { "scale", "", "", "0" },       /* of the scores; 0: as usual */
    { "clip", "", "", "0" },        /* of q, k and v; 0: none */
    { "rot", "", "", "0" },         /* dimensions of a head that are turned */
    { "interleaved", "", "", "0" },
    { "theta", "rope.freq_base", "rope_parameters.rope_theta|rope_theta", "10000" },
    /* A fused matrix's rows, in groups of the heads that share keys: q, then k, then v. */
    { "fused", "", "", "0" },
    { "q_run", "", "", "heads/kv*hd" },
    { "kv_run", "", "", "hd" },
    { "k_at", "", "", "q_run" },
    { "v_at", "", "", "k_at+kv_run" },
    { 0 }
};

#define QKV "blk.%d.attn_qkv.weight", "h.%d.attn.c_attn.weight"
#define QKV_BIAS "blk.%d.attn_qkv.bias", "h.%d.attn.c_attn.bias"
#define QKV_ROWS "(heads+2*kv)*hd"

static const struct weight gpt2_weights[] = {
    /* name, in GGUF, in safetensors, shape, first row, of rows, fix */
    { "embed", "token_embd.weight", "wte.weight", "vocab,dim" },
    { "place", "position_embd.weight", "wpe.weight", "ctx,dim" },
    { "norm1", "blk.%d.attn_norm.weight", "h.%d.ln_1.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", "h.%d.ln_1.bias", "dim" },
    { "q", QKV, "heads*hd,dim", "0", QKV_ROWS, FIX_TRANSPOSE },
    { "k", QKV, "kv*hd,dim", "heads*hd", QKV_ROWS, FIX_TRANSPOSE },
    { "v", QKV, "kv*hd,dim", "(heads+kv)*hd", QKV_ROWS, FIX_TRANSPOSE },
    { "q.bias", QKV_BIAS, "heads*hd", "0", QKV_ROWS },
    { "k.bias", QKV_BIAS, "kv*hd", "heads*hd", QKV_ROWS },
    { "v.bias", QKV_BIAS, "kv*hd", "(heads+kv)*hd", QKV_ROWS },
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
    { OP_NORM,     "x", "x",     "embed_norm?", "eps,layernorm" },
    { OP_EMBED,    "p", "pos",   "place",   NULL, "learned" },
    { OP_ADD,      "x", "x p",   NULL,      NULL, "learned" },
    { OP_ANGLES,   "angles", "pos", NULL,   "rot,theta,none,1", "rot" },
    { 0 }
};

static const struct step gpt2_block[] = {
    /* op          out  in       weight     parameters, where */
    { OP_NORM,     "h", "x",     "norm1",   "eps,layernorm" },
    { OP_LINEAR,   "qkv", "h",   "qkv?" },
    { OP_SLICE,    "q", "qkv",   NULL,      "0,q_run,q_run+2*kv_run", "fused" },
    { OP_SLICE,    "k", "qkv",   NULL,      "k_at,kv_run,q_run+2*kv_run", "fused" },
    { OP_SLICE,    "v", "qkv",   NULL,      "v_at,kv_run,q_run+2*kv_run", "fused" },
    { OP_LINEAR,   "q", "h",     "q?" },
    { OP_LINEAR,   "k", "h",     "k?" },
    { OP_LINEAR,   "v", "h",     "v?" },
    { OP_CLAMP,    "q", "q",     NULL,      "clip", "clip" },
    { OP_CLAMP,    "k", "k",     NULL,      "clip", "clip" },
    { OP_CLAMP,    "v", "v",     NULL,      "clip", "clip" },
    { OP_ROPE,     "q", "q angles", NULL,   "hd,interleaved", "rot" },
    { OP_ROPE,     "k", "k angles", NULL,   "hd,interleaved", "rot" },
    { OP_ATTEND,   "a", "q k v", NULL,      "heads,kv,scale,0,window,alibi,0,0,0,steep" },
    { OP_LINEAR,   "o", "a",     "o" },
    { OP_ADD,      "x", "x o",   NULL,      NULL, "!parallel" },
    { OP_NORM,     "h", "x",     "norm2?",  "eps,layernorm" },
    { OP_LINEAR,   "u", "h",     "up" },
    { OP_ACTIVATE, "u", "u",     NULL,      "act" },
    { OP_LINEAR,   "f", "u",     "down" },
    { OP_ADD,      "x", "x o",   NULL,      NULL, "parallel" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step gpt2_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",     "norm",    "eps,layernorm" },
    { OP_LINEAR,   "logits", "y", "head" },
    { 0 }
};

static const struct put gpt2_puts[] = {
    { "feed_forward_length", "ff" },
    { "attention.head_count_kv", "kv" },
    { "rope.dimension_count", "rot", "rot" },
    { 0 }
};

const struct arch pi_arch_gpt2 = {
    .name = "gpt2",
    .prefix = "transformer.",
    .keys = gpt2_keys,
    .weights = gpt2_weights,
    .parts = { { "decode", gpt2_enter, gpt2_block, gpt2_leave, "layers" } },
    .puts = gpt2_puts,
};
