/* phi3.c - Phi-3, Phi-4 and Phi-4-mini: q, k and v in one matrix, gate and up in another.
 * Abdin et al. 2024, arXiv 2404.14219.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_phi3;

#define QKV "blk.%d.attn_qkv.weight", "layers.%d.self_attn.qkv_proj.weight"
#define QKV_ROWS "(heads+2*kv)*hd"
#define GATE_UP "blk.%d.ffn_up.weight", "layers.%d.mlp.gate_up_proj.weight"

static const struct key phi3_keys[] = {
    { "window", "attention.sliding_window", "sliding_window", "0" },
    { "local", "", "", "1" },
    { 0 }
};

static const struct weight phi3_weights[] = {
    { "q", QKV, "heads*hd,dim", "0", QKV_ROWS },
    { "k", QKV, "kv*hd,dim", "heads*hd", QKV_ROWS },
    { "v", QKV, "kv*hd,dim", "(heads+kv)*hd", QKV_ROWS },
    { "gate", GATE_UP, "ff,dim", "0", "2*ff" },
    { "up", GATE_UP, "ff,dim", "ff", "2*ff" },
    { 0 }
};

static const struct put phi3_puts[] = {
    { "attention.sliding_window", "window" },
    { 0 }
};

const struct arch pi_arch_phi3 = {
    .name = "phi3", .like = &pi_arch_dense, .keys = phi3_keys,
    .weights = phi3_weights, .puts = phi3_puts,
};
