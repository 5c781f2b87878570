/* bloom.c - BLOOM (a norm behind the embedding, ALiBi) and MPT (ALiBi, no biases at all).
 * Le Scao et al. 2022, arXiv 2211.05100; MosaicML 2023.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_bloom, pi_arch_mpt;

static const struct key bloom_keys[] = {
    { "ctx", "context_length", "seq_length", "2048" },
    { "act", "", "", "gelu_tanh" },
    { "learned", "", "", "0" },
    { "alibi", "", "", "8" },
    { "fused", "", "", "hf", true },
    { 0 }
};

#define LAYER "h.%d."

static const struct weight bloom_weights[] = {
    { "embed", "token_embd.weight", "word_embeddings.weight", "vocab,dim" },
    { "embed_norm", "token_embd_norm.weight", "word_embeddings_layernorm.weight", "dim" },
    { "embed_norm.bias", "token_embd_norm.bias", "word_embeddings_layernorm.bias", "dim" },
    { "place" },
    { "norm1", "blk.%d.attn_norm.weight", LAYER "input_layernorm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm.bias", LAYER "input_layernorm.bias", "dim" },
    { "qkv", NULL, LAYER "self_attention.query_key_value.weight", "3*dim,dim" },
    { "qkv.bias", NULL, LAYER "self_attention.query_key_value.bias", "3*dim" },
    { "q", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "0", "3*dim",
      .of = "qkv:0,q_run,q_run+2*kv_run" },
    { "k", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "dim", "3*dim",
      .of = "qkv:k_at,kv_run,q_run+2*kv_run" },
    { "v", "blk.%d.attn_qkv.weight", NULL, "dim,dim", "2*dim", "3*dim",
      .of = "qkv:v_at,kv_run,q_run+2*kv_run" },
    { "q.bias", "blk.%d.attn_qkv.bias", NULL, "dim", "0", "3*dim",
      .of = "qkv.bias:0,q_run,q_run+2*kv_run" },
    { "k.bias", "blk.%d.attn_qkv.bias", NULL, "dim", "dim", "3*dim",
      .of = "qkv.bias:k_at,kv_run,q_run+2*kv_run" },
    { "v.bias", "blk.%d.attn_qkv.bias", NULL, "dim", "2*dim", "3*dim",
      .of = "qkv.bias:v_at,kv_run,q_run+2*kv_run" },
    { "o", "blk.%d.attn_output.weight", LAYER "self_attention.dense.weight", "dim,dim" },
    { "o.bias", "blk.%d.attn_output.bias", LAYER "self_attention.dense.bias", "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", LAYER "post_attention_layernorm.weight", "dim" },
    { "norm2.bias", "blk.%d.ffn_norm.bias", LAYER "post_attention_layernorm.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", LAYER "mlp.dense_h_to_4h.weight", "ff,dim" },
    { "up.bias", "blk.%d.ffn_up.bias", LAYER "mlp.dense_h_to_4h.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", LAYER "mlp.dense_4h_to_h.weight", "dim,ff" },
    { "down.bias", "blk.%d.ffn_down.bias", LAYER "mlp.dense_4h_to_h.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|word_embeddings.weight",
      "vocab,dim" },
    { 0 }
};

const struct arch pi_arch_bloom = {
    .name = "bloom", .like = &pi_arch_gpt2, .keys = bloom_keys, .weights = bloom_weights,
};

static const struct key mpt_keys[] = {
    { "ctx", "context_length", "max_seq_len", NULL },
    { "dim", "embedding_length", "d_model", NULL },
    { "layers", "block_count", "n_layers", NULL },
    { "heads", "attention.head_count", "n_heads", NULL },
    { "expansion", "", "expansion_ratio", "4" },
    { "ff", "feed_forward_length", "", "expansion*dim" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_epsilon", "0.00001" },
    { "act", "", "", "gelu" },
    { "learned", "", "", "0" },
    { "alibi", "attention.max_alibi_bias", "attn_config.alibi_bias_max", "8" },
    { "clip", "attention.clamp_kqv", "attn_config.clip_qkv", "0" },
    { 0 }
};

#define BLOCK "blocks.%d."

static const struct weight mpt_weights[] = {
    { "place" },
    { "norm1", "blk.%d.attn_norm.weight", BLOCK "norm_1.weight", "dim" },
    { "q", "blk.%d.attn_qkv.weight", BLOCK "attn.Wqkv.weight", "dim,dim", "0", "3*dim" },
    { "k", "blk.%d.attn_qkv.weight", BLOCK "attn.Wqkv.weight", "dim,dim", "dim", "3*dim" },
    { "v", "blk.%d.attn_qkv.weight", BLOCK "attn.Wqkv.weight", "dim,dim", "2*dim", "3*dim" },
    { "o", "blk.%d.attn_output.weight", BLOCK "attn.out_proj.weight", "dim,dim" },
    { "norm2", "blk.%d.ffn_norm.weight", BLOCK "norm_2.weight", "dim" },
    { "up", "blk.%d.ffn_up.weight", BLOCK "ffn.up_proj.weight", "ff,dim" },
    { "down", "blk.%d.ffn_down.weight", BLOCK "ffn.down_proj.weight", "dim,ff" },
    { "norm", "output_norm.weight", "norm_f.weight", "dim" },
    { "norm1.bias" }, { "q.bias" }, { "k.bias" }, { "v.bias" }, { "o.bias" },
    { "norm2.bias" }, { "up.bias" }, { "down.bias" }, { "norm.bias" },
    { 0 }
};

const struct arch pi_arch_mpt = {
    .name = "mpt", .like = &pi_arch_gpt2, .keys = mpt_keys, .weights = mpt_weights,
};
