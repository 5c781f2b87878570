/* llama.c - the pre-norm gated decoder that most families are a variation of: Llama 1 to 3,
 * Mistral, SmolLM. Touvron et al. 2023, arXiv 2302.13971. With experts it is Mixtral, Jiang et al.
 * 2024, arXiv 2401.04088.
 *
 *     ids -> embed -> x
 *     x --norm--> h --q,k,v--> rope --> attend --o--> + --norm--> gate,up --silu*--> down --> + x
 *     x --norm--> head -> logits
 *     experts: h --router--> routes; gate, up and down of the chosen ones --> mix
 *
 * Before: file/gguf.c. Next: graph/ops.def.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_rotary;

static const struct key llama_keys[] = {
    /* name, key behind "<arch>.", key in config.json, what it is if absent */
    { "ctx", "context_length", "max_position_embeddings", NULL },
    { "dim", "embedding_length", "hidden_size", NULL },
    { "layers", "block_count", "num_hidden_layers", NULL },
    { "heads", "attention.head_count", "num_attention_heads", NULL },
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads" },
    { "hd", "attention.key_length", "head_dim", "dim/heads" },
    { "hdv", "attention.value_length", "", "hd" },
    { "ff", "feed_forward_length", "intermediate_size", NULL },
    { "experts", "expert_count", "num_local_experts|num_experts", "0" },
    { "used", "expert_used_count", "num_experts_per_tok", "0" },
    { "eff", "expert_feed_forward_length", "moe_intermediate_size", "ff" },
    { "moe", "", "", "experts>0" }, /* whether the layer has experts */
    { "renorm", "expert_weights_norm", "norm_topk_prob", "1" },
    { "vocab", "vocab_size", "vocab_size", "tokens" },
    { "eps", "attention.layer_norm_rms_epsilon", "rms_norm_eps", NULL },
    { "act", "", "hidden_act", "silu" },
    { "interleaved", "", "", "!hf" },
    { 0 }
};

#define HF_MOE(name) "layers.%d.mlp." name "|layers.%d.block_sparse_moe." name
#define HF_EXPERT(w, name) "layers.%d.mlp.experts.%e." name ".weight|" \
                           "layers.%d.block_sparse_moe.experts.%e." w ".weight"

static const struct weight llama_weights[] = {
    /* name         in GGUF                       in safetensors                shape */
    { "embed",      "token_embd.weight",          "embed_tokens.weight",        "vocab,dim" },
    { "norm1",      "blk.%d.attn_norm.weight",    "layers.%d.input_layernorm.weight", "dim" },
    { "q",          "blk.%d.attn_q.weight",       "layers.%d.self_attn.q_proj.weight",
      "heads*hd,dim" },
    { "q.bias?",    "blk.%d.attn_q.bias",         "layers.%d.self_attn.q_proj.bias", "heads*hd" },
    { "k",          "blk.%d.attn_k.weight",       "layers.%d.self_attn.k_proj.weight",
      "kv*hd,dim" },
    { "k.bias?",    "blk.%d.attn_k.bias",         "layers.%d.self_attn.k_proj.bias", "kv*hd" },
    { "v",          "blk.%d.attn_v.weight",       "layers.%d.self_attn.v_proj.weight",
      "kv*hdv,dim" },
    { "v.bias?",    "blk.%d.attn_v.bias",         "layers.%d.self_attn.v_proj.bias", "kv*hdv" },
    { "o",          "blk.%d.attn_output.weight",  "layers.%d.self_attn.o_proj.weight",
      "dim,heads*hdv" },
    { "o.bias?",    "blk.%d.attn_output.bias",    "layers.%d.self_attn.o_proj.bias", "dim" },
    { "norm2",      "blk.%d.ffn_norm.weight",     "layers.%d.post_attention_layernorm.weight",
      "dim" },
    { "gate",       "blk.%d.ffn_gate.weight",     "layers.%d.mlp.gate_proj.weight", "ff,dim",
      .when = "!moe" },
    { "gate.bias?", "blk.%d.ffn_gate.bias",       "layers.%d.mlp.gate_proj.bias", "ff" },
    { "up",         "blk.%d.ffn_up.weight",       "layers.%d.mlp.up_proj.weight", "ff,dim",
      .when = "!moe" },
    { "up.bias?",   "blk.%d.ffn_up.bias",         "layers.%d.mlp.up_proj.bias", "ff" },
    { "down",       "blk.%d.ffn_down.weight",     "layers.%d.mlp.down_proj.weight", "dim,ff",
      .when = "!moe" },
    { "down.bias?", "blk.%d.ffn_down.bias",       "layers.%d.mlp.down_proj.bias", "dim" },
    { "router",     "blk.%d.ffn_gate_inp.weight", HF_MOE("gate.weight"), "experts,dim",
      .when = "moe" },
    { "gates",      "blk.%d.ffn_gate_exps.weight|blk.%d.ffn_gate.%e.weight",
      HF_EXPERT("w1", "gate_proj"), "experts,eff,dim", .when = "moe" },
    { "ups",        "blk.%d.ffn_up_exps.weight|blk.%d.ffn_up.%e.weight",
      HF_EXPERT("w3", "up_proj"), "experts,eff,dim", .when = "moe" },
    { "downs",      "blk.%d.ffn_down_exps.weight|blk.%d.ffn_down.%e.weight",
      HF_EXPERT("w2", "down_proj"), "experts,dim,eff", .when = "moe" },
    { "norm",       "output_norm.weight",         "norm.weight",                "dim" },
    { "head",       "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim" },
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
    { OP_LINEAR,  "g", "h",         "gate",    NULL, "!moe" },
    { OP_LINEAR,  "u", "h",         "up",      NULL, "!moe" },
    { OP_LINEAR,  "r", "h",         "router",  NULL, "moe" },
    { OP_ROUTE,   "r", "r",         NULL,      "used,0,renorm", "moe" },
    { OP_EXPERTS, "g", "h r",       "gates",   NULL, "moe" },
    { OP_EXPERTS, "u", "h r",       "ups",     NULL, "moe" },
    { OP_GATE,    "g", "g u",       NULL,      "act" },
    { OP_LINEAR,  "f", "g",         "down",    NULL, "!moe" },
    { OP_EXPERTS, "f", "g r",       "downs",   NULL, "moe" },
    { OP_MIX,     "f", "f r",       NULL,      NULL, "moe" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step llama_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

const struct arch pi_arch_llama = {
    .name = "llama",
    .like = &pi_arch_rotary,
    .hf = "llama|mistral|mixtral",
    .keys = llama_keys,
    .weights = llama_weights,
    .parts = { { "decode", llama_enter, llama_block, llama_leave, "layers" } },
};
