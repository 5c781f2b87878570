/* gptj.c - GPT-J and CodeGen: interleaved rotary positions on a part of each head, attention and
 * feed-forward beside each other behind one norm. Wang and Komatsuzaki 2021; Nijkamp et al. 2022,
 * arXiv 2203.13474.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_gpt2, pi_arch_gptj, pi_arch_codegen;

static const struct key gptj_keys[] = {
    { "learned", "", "", "0" },
    { "parallel", "", "", "1" },
    { "rot", "rope.dimension_count", "rotary_dim", "hd" },
    { "interleaved", "", "", "1" },
    { 0 }
};

static const struct weight gptj_weights[] = {
    { "place" },
    { "q", "blk.%d.attn_q.weight", "h.%d.attn.q_proj.weight", "dim,dim" },
    { "k", "blk.%d.attn_k.weight", "h.%d.attn.k_proj.weight", "dim,dim" },
    { "v", "blk.%d.attn_v.weight", "h.%d.attn.v_proj.weight", "dim,dim" },
    { "q.bias" }, { "k.bias" }, { "v.bias" },
    { "o", "blk.%d.attn_output.weight", "h.%d.attn.out_proj.weight", "dim,dim" },
    { "o.bias" },
    { "norm2" }, { "norm2.bias" },
    { "up", "blk.%d.ffn_up.weight", "h.%d.mlp.fc_in.weight", "ff,dim" },
    { "up.bias", "blk.%d.ffn_up.bias", "h.%d.mlp.fc_in.bias", "ff" },
    { "down", "blk.%d.ffn_down.weight", "h.%d.mlp.fc_out.weight", "dim,ff" },
    { "down.bias", "blk.%d.ffn_down.bias", "h.%d.mlp.fc_out.bias", "dim" },
    { "head", "output.weight", "lm_head.weight", "vocab,dim" },
    { "head.bias?", "output.bias", "lm_head.bias", "vocab" },
    { "masks", NULL, "h.%d.attn.bias", .ignore = true },
    { "masked", NULL, "h.%d.attn.masked_bias", .ignore = true },
    { 0 }
};

const struct arch pi_arch_gptj = {
    .name = "gptj", .like = &pi_arch_gpt2, .keys = gptj_keys, .weights = gptj_weights,
    .gguf = "",
};

/* The fused matrix has four groups of rows (one for each device it was trained on): q, v, k. */
static const struct key codegen_keys[] = {
    { "fused", "", "", "1" },
    { "q_run", "", "", "dim/4" },
    { "kv_run", "", "", "dim/4" },
    { "v_at", "", "", "dim/4" },
    { "k_at", "", "", "dim/2" },
    { 0 }
};

static const struct weight codegen_weights[] = {
    { "qkv", "blk.%d.attn_qkv.weight", "h.%d.attn.qkv_proj.weight", "3*dim,dim" },
    { "q" }, { "k" }, { "v" },
    { "causal", NULL, "h.%d.attn.causal_mask", .ignore = true },
    { 0 }
};

const struct arch pi_arch_codegen = {
    .name = "codegen", .like = &pi_arch_gptj, .keys = codegen_keys, .weights = codegen_weights,
    .gguf = "",
};
