/* moe.h - rows of the feed-forward half of a decoder: dense, or a mixture of experts with or
 * without a shared one, layer by layer. They belong into a family's tables, behind those of the
 * sizes `dim` and `ff` and the activation `act`.
 *
 *     h --gate,up--> act*--> down --> f                                dense
 *     h --router--> routes; gates, ups, downs of the chosen --mix--> f    a mixture, and
 *     h --gate,up--> act*--> down --(* sigmoid of h)--> + f               its shared expert
 */
#ifndef PI_ARCH_MOE_H
#define PI_ARCH_MOE_H

#include "graph/recipe.h"

#define MOE_KEYS                                                                           \
    { "experts", "expert_count",                                                           \
      "num_local_experts|num_experts|n_routed_experts|moe_num_experts", "0" },             \
    { "used", "expert_used_count", "num_experts_per_tok|moe_k|moe_topk", "0", true },      \
    { "eff", "expert_feed_forward_length", "moe_intermediate_size", "ff" },                \
    { "lead", "leading_dense_block_count", "first_k_dense_replace|moe_layer_start_index",  \
      "0" },                                                                               \
    { "every", "interleave_moe_layer_step",                                                \
      "decoder_sparse_step|interleave_moe_layer_step|moe_layer_interval", "1" },           \
    { "moe", "", "", "experts>0 && layer>=lead && (layer+1)%every==0" },                   \
    { "gating", "expert_gating_func", "", "1" },                                           \
    { "sigmoidal", "", "", "gating==2" },                                                  \
    { "renorm", "expert_weights_norm", "norm_topk_prob", "1" },                            \
    { "factor_moe", "expert_weights_scale", "routed_scaling_factor", "1" },                \
    { "groups", "expert_group_count", "n_group", "1" },                                    \
    { "groups_used", "expert_group_used_count", "topk_group", "groups" },                  \
    { "shared", "expert_shared_count",                                                     \
      "n_shared_experts|num_shared_experts|moe_num_shared_experts", "0" },                 \
    { "sff", "expert_shared_feed_forward_length",                                          \
      "shared_expert_intermediate_size|shared_intermediate_size", "shared*eff" },          \
    { "gated", "", "", "0" } /* the shared expert has a gate of its own */

#define HF_MOE(name) "layers.%d.mlp." name "|layers.%d.block_sparse_moe." name
#define HF_EXPERT(name, w) HF_MOE("experts.%e." name ".weight") \
    "|layers.%d.block_sparse_moe.experts.%e." w ".weight"
#define GGUF_FUSED "blk.%d.ffn_gate_up_exps.weight" /* each expert's gate, then its up */
#define HF_FUSED "layers.%d.mlp.experts.gate_up_proj"
#define HF_DOWNS "layers.%d.mlp.experts.down_proj"
#define HF_SHARED(name) HF_MOE("shared_experts." name ".weight") \
    "|layers.%d.mlp.shared_expert." name ".weight"

#define MOE_WEIGHTS                                                                        \
    { "gate", "blk.%d.ffn_gate.weight", "layers.%d.mlp.gate_proj.weight", "ff,dim",        \
      .when = "!moe" },                                                                    \
    { "gate.bias?", "blk.%d.ffn_gate.bias", "layers.%d.mlp.gate_proj.bias", "ff" },        \
    { "up", "blk.%d.ffn_up.weight", "layers.%d.mlp.up_proj.weight", "ff,dim",              \
      .when = "!moe" },                                                                    \
    { "up.bias?", "blk.%d.ffn_up.bias", "layers.%d.mlp.up_proj.bias", "ff" },              \
    { "down", "blk.%d.ffn_down.weight", "layers.%d.mlp.down_proj.weight", "dim,ff",        \
      .when = "!moe" },                                                                    \
    { "down.bias?", "blk.%d.ffn_down.bias", "layers.%d.mlp.down_proj.bias", "dim" },       \
    { "router", "blk.%d.ffn_gate_inp.weight", HF_MOE("gate.weight"), "experts,dim",        \
      .when = "moe" },                                                                     \
    { "choice?", "blk.%d.exp_probs_b.bias|blk.%d.exp_probs_b",                             \
      HF_MOE("gate.e_score_correction_bias") "|" HF_MOE("e_score_correction_bias")         \
      "|" HF_MOE("moe_statics.e_score_correction_bias"),                                   \
      "experts", .when = "moe" },                                                          \
    { "gates", "blk.%d.ffn_gate_exps.weight|blk.%d.ffn_gate.%e.weight|" GGUF_FUSED,        \
      HF_EXPERT("gate_proj", "w1") "|" HF_FUSED, "experts,eff,dim", "0", "2*eff",          \
      .when = "moe" },                                                                     \
    { "ups", "blk.%d.ffn_up_exps.weight|blk.%d.ffn_up.%e.weight|" GGUF_FUSED,              \
      HF_EXPERT("up_proj", "w3") "|" HF_FUSED, "experts,eff,dim", "eff", "2*eff",          \
      .when = "moe" },                                                                     \
    { "downs", "blk.%d.ffn_down_exps.weight|blk.%d.ffn_down.%e.weight",                    \
      HF_EXPERT("down_proj", "w2") "|" HF_DOWNS, "experts,dim,eff", .when = "moe" },       \
    { "s_gate", "blk.%d.ffn_gate_shexp.weight", HF_SHARED("gate_proj"), "sff,dim",         \
      .when = "moe && sff>0" },                                                            \
    { "s_up", "blk.%d.ffn_up_shexp.weight", HF_SHARED("up_proj"), "sff,dim",               \
      .when = "moe && sff>0" },                                                            \
    { "s_down", "blk.%d.ffn_down_shexp.weight", HF_SHARED("down_proj"), "dim,sff",         \
      .when = "moe && sff>0" },                                                            \
    { "s_router", "blk.%d.ffn_gate_inp_shexp.weight", HF_MOE("shared_expert_gate.weight"), \
      "dim", .when = "moe && gated" }

/* From h to f. Their names are free again behind them. */
#define MOE_STEPS                                                                          \
    { OP_LINEAR,   "g", "h",   "gate",     NULL, "!moe" },                                 \
    { OP_LINEAR,   "u", "h",   "up",       NULL, "!moe" },                                 \
    { OP_LINEAR,   "r", "h",   "router",   NULL, "moe" },                                  \
    { OP_ROUTE,    "r", "r",   "choice?",                                                  \
      "used,sigmoidal,renorm,factor_moe,groups,groups_used,1+sigmoidal", "moe" },          \
    { OP_EXPERTS,  "g", "h r", "gates",    NULL, "moe" },                                  \
    { OP_EXPERTS,  "u", "h r", "ups",      NULL, "moe" },                                  \
    { OP_GATE,     "g", "g u", NULL,       "act" },                                        \
    { OP_LINEAR,   "f", "g",   "down",     NULL, "!moe" },                                 \
    { OP_EXPERTS,  "f", "g r", "downs",    NULL, "moe" },                                  \
    { OP_MIX,      "f", "f r", NULL,       NULL, "moe" },                                  \
    { OP_LINEAR,   "g", "h",   "s_gate",   NULL, "moe && sff>0" },                         \
    { OP_LINEAR,   "u", "h",   "s_up",     NULL, "moe && sff>0" },                         \
    { OP_GATE,     "g", "g u", NULL,       "act", "moe && sff>0" },                        \
    { OP_LINEAR,   "g", "g",   "s_down",   NULL, "moe && sff>0" },                         \
    { OP_LINEAR,   "s", "h",   "s_router", NULL, "moe && gated" },                         \
    { OP_ACTIVATE, "s", "s",   NULL,       "sigmoid", "moe && gated" },                    \
    { OP_MULTIPLY, "g", "g s", NULL,       NULL, "moe && gated" },                         \
    { OP_ADD,      "f", "f g", NULL,       NULL, "moe && sff>0" }

#endif
