/* llama.c - the pre-norm gated decoder that most families are a variation of: Llama 1 to 3,
 * Mistral, SmolLM. Touvron et al. 2023, arXiv 2302.13971. With experts it is Mixtral, Jiang et al.
 * 2024, arXiv 2401.04088.
 *
 *     ids -> embed -> x
 *     x --norm--> h --q,k,v--> rope --> attend --o--> + --norm--> gate,up --silu*--> down --> + x
 *     x --norm--> head -> logits
 *
 * Before: file/gguf.c. Next: graph/ops.def.
 */
#include "moe.h"

extern const struct arch pi_arch_rotary;

static const struct key llama_keys[] = {
    /* name, key behind "<arch>.", key in config.json, what it is if absent */
    { "ctx", "context_length", "max_position_embeddings", NULL },
    { "dim", "embedding_length", "hidden_size", NULL },
    { "blocks", "block_count", "num_hidden_layers", NULL },
    { "nextn", "nextn_predict_layers", "num_nextn_predict_layers", "0" }, /* not used */
    { "layers", "", "", "hf ? blocks : blocks-nextn" },
    { "heads", "attention.head_count", "num_attention_heads", NULL },
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads" },
    { "hd", "attention.key_length", "head_dim", "dim/heads" },
    { "hdv", "attention.value_length", "", "hd" },
    { "ff", "feed_forward_length", "intermediate_size", NULL },
    { "vocab", "vocab_size", "vocab_size", "tokens" },
    { "eps", "attention.layer_norm_rms_epsilon", "rms_norm_eps", NULL },
    { "act", "", "hidden_act", "silu" },
    MOE_KEYS,
    { "interleaved", "", "", "!hf", true },
    { 0 }
};

static const struct weight llama_weights[] = {
    /* name         in GGUF                       in safetensors                shape */
    { "embed",      "token_embd.weight",          "embed_tokens.weight",        "vocab,dim" },
    { "norm1",      "blk.%d.attn_norm.weight",    "layers.%d.input_layernorm.weight", "dim" },
    { "q",          "blk.%d.attn_q.weight",       "layers.%d.self_attn.q_proj.weight",
      "heads*hd,dim", .order = ORDER_PAIRS },
    { "q.bias?",    "blk.%d.attn_q.bias",         "layers.%d.self_attn.q_proj.bias", "heads*hd",
      .order = ORDER_PAIRS },
    { "k",          "blk.%d.attn_k.weight",       "layers.%d.self_attn.k_proj.weight",
      "kv*hd,dim", .order = ORDER_PAIRS },
    { "k.bias?",    "blk.%d.attn_k.bias",         "layers.%d.self_attn.k_proj.bias", "kv*hd",
      .order = ORDER_PAIRS },
    { "v",          "blk.%d.attn_v.weight",       "layers.%d.self_attn.v_proj.weight",
      "kv*hdv,dim" },
    { "v.bias?",    "blk.%d.attn_v.bias",         "layers.%d.self_attn.v_proj.bias", "kv*hdv" },
    { "o",          "blk.%d.attn_output.weight",  "layers.%d.self_attn.o_proj.weight",
      "dim,heads*hdv" },
    { "o.bias?",    "blk.%d.attn_output.bias",    "layers.%d.self_attn.o_proj.bias", "dim" },
    { "norm2",      "blk.%d.ffn_norm.weight",     "layers.%d.post_attention_layernorm.weight",
      "dim" },
    MOE_WEIGHTS,
    { "norm",       "output_norm.weight",         "norm.weight",                "dim" },
    { "head",       "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim" },
    { "next",       "blk.%d.*",                   "layers.%d.*",
      .ignore = true, .when = "layer>=layers" },
    { "rot_embd",   "blk.%d.attn_rot_embd",       "layers.%d.self_attn.rotary_emb.inv_freq",
      .ignore = true },
    { 0 }
};

static const struct step llama_enter[] = {
    { OP_EMBED,  "x",      "ids",      "embed" },
    { OP_ANGLES, "angles", "pos",      "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high,!truncate,"
      "magnitude" },
    { 0 }
};

static const struct step llama_block[] = {
    /* op         out  in           weight     parameters */
    { OP_NORM,    "h", "x",         "norm1",   "eps,rms" },
    { OP_LINEAR,  "q", "h",         "q" },
    { OP_LINEAR,  "k", "h",         "k" },
    { OP_LINEAR,  "v", "h",         "v" },
    { OP_NORM,    "q", "q",         "q_norm?", "eps,rms" },
    { OP_NORM,    "k", "k",         "k_norm?", "eps,rms" },
    { OP_ROPE,    "q", "q angles",  NULL,      "hd,interleaved" },
    { OP_ROPE,    "k", "k angles",  NULL,      "hd,interleaved" },
    { OP_ATTEND,  "a", "q k v",     NULL,      "heads,kv" },
    { OP_LINEAR,  "o", "a",         "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",         "norm2",   "eps,rms" },
    MOE_STEPS,
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step llama_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

static const struct put llama_puts[] = {
    { "block_count", "layers" },
    { "attention.key_length", "hd" },
    { "attention.value_length", "hdv" },
    { "rope.dimension_count", "rot" },
    { "expert_used_count", "used", "experts" },
    { "expert_gating_func", "gating", "experts && gating != 1" },
    { "nextn_predict_layers", NULL },
    { 0 }
};

const struct arch pi_arch_llama = {
    .name = "llama|xverse",
    .like = &pi_arch_rotary,
    .hf = "llama|mixtral|yi|Yi|aquila|internlm|internlm3|xverse",
    .keys = llama_keys,
    .weights = llama_weights,
    .parts = { { "decode", llama_enter, llama_block, llama_leave, "layers" } },
    .puts = llama_puts,
};
