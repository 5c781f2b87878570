/* falcon.c - Falcon: no biases, grouped heads fused with their key and value, attention and
 * feed-forward beside each other behind one norm (7B) or two (40B); the first ones (RW) with ALiBi
 * and one behind the other. Almazrouei et al. 2023, arXiv 2311.16867.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_falcon;

static const struct key falcon_keys[] = {
    { "act", "", "activation", "gelu" },
    { "ff", "feed_forward_length", "ffn_hidden_size", "4*dim" },
    { "new", "", "new_decoder_architecture", "0" },
    { "shared", "", "multi_query", "1" },
    { "groups", "", "num_kv_heads", "heads" },
    { "kv", "attention.head_count_kv", "", "new ? groups : shared ? 1 : heads" },
    { "ctx", "context_length", "max_position_embeddings", "2048" },
    { "learned", "", "", "0" },
    { "beside", "", "parallel_attn", "1" },
    { "parallel", "", "", "new || beside" },
    { "biased", "", "alibi", "0" },
    { "alibi", "", "", "8*biased" },
    { "steep", "", "", "1/sqrt(hd)" }, /* they are scaled like the scores */
    { "rot", "rope.dimension_count", "", "biased ? 0 : hd" },
    { "fused", "", "", "hf", true },
    { 0 }
};

#define LAYER "h.%d."
#define QKV "blk.%d.attn_qkv.weight"
#define QKV_HF LAYER "self_attention.query_key_value"
#define QKV_ROWS "(heads+2*kv)*hd"

/* GGUF calls the one norm of 7B, and the feed-forward's of 40B, attn_norm. */
static const struct weight falcon_weights[] = {
    { "embed", "token_embd.weight", "word_embeddings.weight", "vocab,dim" },
    { "place" },
    { "norm1", "blk.%d.attn_norm_2.weight|blk.%d.attn_norm.weight",
      LAYER "ln_attn.weight|" LAYER "input_layernorm.weight", "dim" },
    { "norm1.bias", "blk.%d.attn_norm_2.bias|blk.%d.attn_norm.bias",
      LAYER "ln_attn.bias|" LAYER "input_layernorm.bias", "dim" },
    { "norm2?", "blk.%d.attn_norm.weight",
      LAYER "ln_mlp.weight|" LAYER "post_attention_layernorm.weight", "dim" },
    { "norm2.bias?", "blk.%d.attn_norm.bias",
      LAYER "ln_mlp.bias|" LAYER "post_attention_layernorm.bias", "dim" },
    { "qkv", NULL, QKV_HF ".weight", QKV_ROWS ",dim" },
    { "qkv.bias?", NULL, QKV_HF ".bias", QKV_ROWS },
    { "q", QKV, NULL, "heads*hd,dim", "0", QKV_ROWS,
      .of = "qkv:0,q_run,q_run+2*kv_run" },
    { "k", QKV, NULL, "kv*hd,dim", "heads*hd", QKV_ROWS,
      .of = "qkv:k_at,kv_run,q_run+2*kv_run" },
    { "v", QKV, NULL, "kv*hd,dim", "(heads+kv)*hd", QKV_ROWS,
      .of = "qkv:v_at,kv_run,q_run+2*kv_run" },
    { "q.bias" }, { "k.bias" }, { "v.bias" },
    { "o", "blk.%d.attn_output.weight", LAYER "self_attention.dense.weight", "dim,dim" },
    { "o.bias?", NULL, LAYER "self_attention.dense.bias", "dim" },
    { "up", "blk.%d.ffn_up.weight", LAYER "mlp.dense_h_to_4h.weight", "ff,dim" },
    { "up.bias?", NULL, LAYER "mlp.dense_h_to_4h.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", LAYER "mlp.dense_4h_to_h.weight", "dim,ff" },
    { "down.bias?", NULL, LAYER "mlp.dense_4h_to_h.bias", "dim" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|word_embeddings.weight",
      "vocab,dim" },
    { 0 }
};

static const struct put falcon_puts[] = {
    { "tensor_data_layout", "=jploski" },
    { 0 }
};

const struct arch pi_arch_falcon = {
    .name = "falcon", .like = &pi_arch_gpt2, .keys = falcon_keys, .weights = falcon_weights,
    .puts = falcon_puts,
};
