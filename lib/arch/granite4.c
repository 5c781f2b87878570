/* granite4.c - Granite 4: the decoder of falcon_h1.c with one of the mixers in each layer and, in
 * larger ones, experts beside the shared feed-forward; and Granite 3 with experts, whose layers all
 * attend. IBM 2024 and 2025.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_falcon_h1, pi_arch_granite4, pi_arch_granitemoe;

static const struct key granite4_keys[] = {
    { "attends", "attention.head_count_kv", "layer_types|layers_block_type", NULL, true },
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads", true },
    { "recurs", "", "", "0" },
    { "norm_first", "", "", "0" },
    { "folds", "", "", "0" },
    { "interleaved", "", "", "!hf", true },
    { "turned", "rope.scaling.finetuned", "position_embedding_type", "!hf" },
    { "sff", "expert_shared_feed_forward_length", "shared_intermediate_size", "0" },
    { "ff", "feed_forward_length", "shared_intermediate_size", NULL, true },
    { "eff", "expert_feed_forward_length|feed_forward_length", "intermediate_size", NULL },
    { 0 }
};

/* In safetensors what gates lies before what is gated, in one matrix. */
#define SHARED(name) "layers.%d.shared_mlp." name "_linear.weight"
#define EXPERTS(name) "layers.%d.block_sparse_moe." name ".weight"

static const struct weight granite4_weights[] = {
    { "gate", "blk.%d.ffn_gate.weight", SHARED("input"), "ff,dim", "0", "ff + hf*ff",
      .when = "!moe" },
    { "up", "blk.%d.ffn_up.weight", SHARED("input"), "ff,dim", "hf*ff", "ff + hf*ff",
      .when = "!moe" },
    { "down", "blk.%d.ffn_down.weight", SHARED("output"), "dim,ff", .when = "!moe" },
    { "router", "blk.%d.ffn_gate_inp.weight", EXPERTS("router.layer"), "experts,dim",
      .when = "moe" },
    { "gates", "blk.%d.ffn_gate_exps.weight", NULL, "experts,eff,dim", .when = "moe",
      .of = "both:0,eff,2*eff" },
    { "ups", "blk.%d.ffn_up_exps.weight", NULL, "experts,eff,dim", .when = "moe",
      .of = "both:eff,eff,2*eff" },
    { "both", NULL, EXPERTS("input_linear"), "experts,2*eff,dim", .when = "moe" },
    { "downs", "blk.%d.ffn_down_exps.weight", EXPERTS("output_linear"), "experts,dim,eff",
      .when = "moe" },
    { "s_gate", "blk.%d.ffn_gate_shexp.weight", SHARED("input"), "sff,dim", "0", "sff + hf*sff",
      .when = "moe && sff" },
    { "s_up", "blk.%d.ffn_up_shexp.weight", SHARED("input"), "sff,dim", "hf*sff", "sff + hf*sff",
      .when = "moe && sff" },
    { "s_down", "blk.%d.ffn_down_shexp.weight", SHARED("output"), "dim,sff",
      .when = "moe && sff" },
    { 0 }
};

static const struct put granite4_puts[] = {
    { "attention.head_count_kv", "attends ? kv : 0" },
    { "feed_forward_length", "experts ? eff : ff" },
    { "expert_feed_forward_length", NULL },
    { "embedding_scale", "embed_scale" },
    { "logit_scale", "logit_divisor" },
    { 0 }
};

const struct arch pi_arch_granite4 = {
    .name = "granitehybrid", .hf = "granitemoehybrid", .like = &pi_arch_falcon_h1,
    .keys = granite4_keys, .weights = granite4_weights, .puts = granite4_puts,
};

static const struct key granitemoe_keys[] = {
    { "attends", "", "", "1" },
    { "turned", "", "", "1" },
    { "ff", "feed_forward_length", "intermediate_size", NULL },
    { "mheads", "", "", "1" },
    { "states", "", "", "1" },
    { 0 }
};

const struct arch pi_arch_granitemoe = {
    .name = "granitemoe", .hf = "granitemoe|granitemoeshared", .like = &pi_arch_granite4,
    .keys = granitemoe_keys,
};
