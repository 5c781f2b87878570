/* internlm2.c - Llama under other names and with q, k and v in one matrix. InternLM2, Cai et al.
 * 2024, arXiv 2403.17297: the heads that share a key, then key and value, group by group.
 * Baichuan, Yang et al. 2023, arXiv 2309.10305: all of q, of k, of v; the large ones, told by
 * their depth, have linear biases instead of rotation; the second generation's head has rows of
 * length 1.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_internlm2, pi_arch_baichuan;

static const struct key internlm2_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "grouped", "", "", "hf", true },
    { 0 }
};

#define ATTENTION(name) "layers.%d.attention." name
#define QKV_ROWS "(heads + 2*kv)*hd"
/* of each group: its first row, how many, all */
#define GROUP_ROWS ",(heads/kv + 2)*hd"
#define Q_ROWS "0,heads/kv*hd" GROUP_ROWS
#define K_ROWS "heads/kv*hd,hd" GROUP_ROWS
#define V_ROWS "(heads/kv + 1)*hd,hd" GROUP_ROWS

static const struct weight internlm2_weights[] = {
    { "embed", "token_embd.weight", "tok_embeddings.weight", "vocab,dim" },
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.attention_norm.weight", "dim" },
    { "qkv", NULL, ATTENTION("wqkv.weight"), QKV_ROWS ",dim" },
    { "qkv.bias?", NULL, ATTENTION("wqkv.bias"), QKV_ROWS },
    { "q", "blk.%d.attn_q.weight", NULL, "heads*hd,dim", .order = ORDER_PAIRS,
      .of = "qkv:" Q_ROWS },
    { "k", "blk.%d.attn_k.weight", NULL, "kv*hd,dim", .order = ORDER_PAIRS, .of = "qkv:" K_ROWS },
    { "v", "blk.%d.attn_v.weight", NULL, "kv*hd,dim", .of = "qkv:" V_ROWS },
    { "q.bias?", "blk.%d.attn_q.bias", NULL, "heads*hd", .order = ORDER_PAIRS,
      .of = "qkv.bias:" Q_ROWS },
    { "k.bias?", "blk.%d.attn_k.bias", NULL, "kv*hd", .order = ORDER_PAIRS,
      .of = "qkv.bias:" K_ROWS },
    { "v.bias?", "blk.%d.attn_v.bias", NULL, "kv*hd", .of = "qkv.bias:" V_ROWS },
    { "o", "blk.%d.attn_output.weight", ATTENTION("wo.weight"), "dim,heads*hd" },
    { "o.bias?", "blk.%d.attn_output.bias", ATTENTION("wo.bias"), "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.ffn_norm.weight", "dim" },
    { "gate", "blk.%d.ffn_gate.weight", "layers.%d.feed_forward.w1.weight", "ff,dim" },
    { "up", "blk.%d.ffn_up.weight", "layers.%d.feed_forward.w3.weight", "ff,dim" },
    { "down", "blk.%d.ffn_down.weight", "layers.%d.feed_forward.w2.weight", "dim,ff" },
    { "head", "output.weight", "output.weight", "vocab,dim" },
    { 0 }
};

const struct arch pi_arch_internlm2 = {
    .name = "internlm2", .like = &pi_arch_dense, .keys = internlm2_keys,
    .weights = internlm2_weights,
};

static const struct key baichuan_keys[] = {
    { "ctx", "context_length", "max_position_embeddings|model_max_length", NULL },
    { "interleaved", "", "", "!hf", true },
    { "alibi", "", "", "blocks == 40 ? 8 : 0" },
    { "rope", "", "", "!alibi" },
    { "second", "", "z_loss_weight", "-1" }, /* which the first generation does not have */
    { 0 }
};

#define PACK_ROWS "dim + hf*2*dim"
#define W_PACK "layers.%d.self_attn.W_pack.weight"

static const struct weight baichuan_weights[] = {
    { "q", "blk.%d.attn_q.weight", W_PACK, "dim,dim", "0", PACK_ROWS,
      .order = ORDER_PAIRS },
    { "k", "blk.%d.attn_k.weight", W_PACK, "dim,dim", "hf*dim", PACK_ROWS,
      .order = ORDER_PAIRS },
    { "v", "blk.%d.attn_v.weight", W_PACK, "dim,dim", "hf*2*dim", PACK_ROWS },
    { "head_lengths", NULL, "lm_head.weight", "vocab,dim", .fix = FIX_LENGTHS,
      .when = "second >= 0" },
    { 0 }
};

static const struct put baichuan_puts[] = { { "attention.head_count_kv", "kv" }, { 0 } };

const struct arch pi_arch_baichuan = {
    .name = "baichuan", .like = &pi_arch_dense, .keys = baichuan_keys,
    .weights = baichuan_weights, .puts = baichuan_puts,
};
