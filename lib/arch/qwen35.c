/* qwen35.c - Qwen3-Next and Qwen3.5: three layers of four keep a matrix per head under the
 * gated delta rule, the fourth attends, its result gated; feed-forwards with experts beside a
 * shared one, or plain. Qwen team 2025 and 2026; Yang et al. 2024, arXiv 2412.06464.
 *
 *     x --norm--> h --q,k,v--> conv --> silu --> q, k of length 1 --delta--> norm --> * silu(z)
 *       --out--> + x
 *     x --norm--> h --q,k--> norm --> rope --attend--> * sigmoid(gate) --o--> + x
 *     x --norm--> gate,up --silu*--> down --> + x        or experts + sigmoid(s) * shared expert
 */
#include "delta.h"

extern const struct arch pi_arch_llama, pi_arch_qwen35, pi_arch_qwen35moe, pi_arch_qwen3next;

static const struct key qwen35_keys[] = {
    /* 1: attends, 0: does not, 2: the file does not say */
    { "kind", "", "layer_types", "2", true },
    { "recurs", "attention.recurrent_layers", "", "2", true },
    { "interval", "full_attention_interval", "full_attention_interval", "4",
      true },
    { "nextn", "nextn_predict_layers", "", "0" },
    DELTA_KEYS,
    { "shared", "expert_shared_feed_forward_length", "shared_expert_intermediate_size", "0" },
    { "interleaved", "", "", "0" },
    { 0 }
};

#define ATTENDS \
    "(kind<2 ? kind : recurs<2 ? !recurs : (layer+1)%interval==0 || layer>=layers-nextn)"
#define RECURS "!" ATTENDS
#define ATTN(name) "layers.%d.self_attn." name ".weight"
#define SHARED(name) "layers.%d.mlp.shared_expert." name ".weight"

static const struct weight weights[] = {
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.input_layernorm.weight", "dim",
      .fix = FIX_ADD_ONE },
    DELTA_WEIGHTS(RECURS),
    { "q", "blk.%d.attn_q.weight", ATTN("q_proj"), "2*heads*hd,dim", .when = ATTENDS },
    { "k", "blk.%d.attn_k.weight", ATTN("k_proj"), "kv*hd,dim", .when = ATTENDS },
    { "v", "blk.%d.attn_v.weight", ATTN("v_proj"), "kv*hd,dim", .when = ATTENDS },
    { "o", "blk.%d.attn_output.weight", ATTN("o_proj"), "dim,heads*hd", .when = ATTENDS },
    { "q_norm", "blk.%d.attn_q_norm.weight", ATTN("q_norm"), "hd", .fix = FIX_ADD_ONE,
      .when = ATTENDS },
    { "k_norm", "blk.%d.attn_k_norm.weight", ATTN("k_norm"), "hd", .fix = FIX_ADD_ONE,
      .when = ATTENDS },
    { "norm2", "blk.%d.post_attention_norm.weight", "layers.%d.post_attention_layernorm.weight",
      "dim", .fix = FIX_ADD_ONE },
    { "s_on?", "blk.%d.ffn_gate_inp_shexp.weight", "layers.%d.mlp.shared_expert_gate.weight",
      "1,dim" },
    { "s_gate?", "blk.%d.ffn_gate_shexp.weight", SHARED("gate_proj"), "shared,dim" },
    { "s_up?", "blk.%d.ffn_up_shexp.weight", SHARED("up_proj"), "shared,dim" },
    { "s_down?", "blk.%d.ffn_down_shexp.weight", SHARED("down_proj"), "dim,shared" },
    { "norm", "output_norm.weight", "norm.weight", "dim", .fix = FIX_ADD_ONE },
    { "mtp", NULL, "mtp.*", .ignore = true }, /* drafts further tokens */
    { "nextn", "blk.%d.nextn.eh_proj.weight", NULL, .ignore = true },
    { "nextn_e", "blk.%d.nextn.enorm.weight", NULL, .ignore = true },
    { "nextn_h", "blk.%d.nextn.hnorm.weight", NULL, .ignore = true },
    { "nextn_embed", "blk.%d.nextn.embed_tokens.weight", NULL, .ignore = true },
    { "nextn_head", "blk.%d.nextn.shared_head_head.weight", NULL, .ignore = true },
    { "nextn_norm", "blk.%d.nextn.shared_head_norm.weight", NULL, .ignore = true },
    { 0 }
};

static const struct step qwen35_enter[] = {
    { OP_EMBED,  "x",      "ids", "embed" },
    { OP_ANGLES, "angles", "pos", NULL, "rot,theta,scaling,factor,original,beta_fast,beta_slow" },
    { 0 }
};

static const struct step qwen35_block[] = {
    /* op          out  in           weight    parameters     where */
    { OP_NORM,     "h", "x",         "norm1",  "eps,rms" },
    DELTA_STEPS(RECURS),
    { OP_LINEAR,   "all", "h",       "q",      NULL,          ATTENDS },
    { OP_LINEAR,   "k", "h",         "k",      NULL,          ATTENDS },
    { OP_LINEAR,   "v", "h",         "v",      NULL,          ATTENDS },
    { OP_SLICE,    "q", "all",       NULL,     "0,hd,2*hd",   ATTENDS },
    { OP_SLICE,    "z", "all",       NULL,     "hd,hd,2*hd",  ATTENDS },
    { OP_NORM,     "q", "q",         "q_norm", "eps,rms",     ATTENDS },
    { OP_NORM,     "k", "k",         "k_norm", "eps,rms",     ATTENDS },
    { OP_ROPE,     "q", "q angles",  NULL,     "hd",          ATTENDS },
    { OP_ROPE,     "k", "k angles",  NULL,     "hd",          ATTENDS },
    { OP_ATTEND,   "a", "q k v",     NULL,     "heads,kv",    ATTENDS },
    { OP_GATE,     "a", "z a",       NULL,     "sigmoid",     ATTENDS },
    { OP_LINEAR,   "o", "a",         "o",      NULL,          ATTENDS },
    { OP_ADD,      "x", "x o" },
    { OP_NORM,     "h", "x",         "norm2",  "eps,rms" },
    { OP_LINEAR,   "g", "h",         "gate",   NULL,          "!moe" },
    { OP_LINEAR,   "u", "h",         "up",     NULL,          "!moe" },
    { OP_LINEAR,   "r", "h",         "router", NULL,          "moe" },
    { OP_ROUTE,    "r", "r",         NULL,     "used,0,renorm", "moe" },
    { OP_EXPERTS,  "g", "h r",       "gates",  NULL,          "moe" },
    { OP_EXPERTS,  "u", "h r",       "ups",    NULL,          "moe" },
    { OP_GATE,     "g", "g u",       NULL,     "act" },
    { OP_LINEAR,   "f", "g",         "down",   NULL,          "!moe" },
    { OP_EXPERTS,  "f", "g r",       "downs",  NULL,          "moe" },
    { OP_MIX,      "f", "f r",       NULL,     NULL,          "moe" },
    { OP_LINEAR,   "g", "h",         "s_gate", NULL,          "shared" },
    { OP_LINEAR,   "u", "h",         "s_up",   NULL,          "shared" },
    { OP_GATE,     "g", "g u",       NULL,     "act",         "shared" },
    { OP_LINEAR,   "s", "g",         "s_down", NULL,          "shared" },
    { OP_LINEAR,   "g", "h",         "s_on",   NULL,          "shared" },
    { OP_ACTIVATE, "g", "g",         NULL,     "sigmoid",     "shared" },
    { OP_MULTIPLY, "s", "s g",       NULL,     NULL,          "shared" },
    { OP_ADD,      "f", "f s",       NULL,     NULL,          "shared" },
    { OP_ADD,      "x", "x f" },
    { 0 }
};

static const struct step qwen35_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",         "norm",   "eps,rms" },
    { OP_LINEAR,   "logits", "y",    "head" },
    { 0 }
};

static const struct put qwen35_puts[] = {
    { "attention.recurrent_layers", RECURS },
    { "rope.dimension_sections", "#11,11,10,0" }, /* for images only */
    { "ssm.inner_size", "values" },
    { "expert_shared_feed_forward_length", "shared", "shared" },
    { 0 }
};

const struct arch pi_arch_qwen35 = {
    .name = "qwen35", .hf = "qwen3_5_text",
    .like = &pi_arch_llama, .keys = qwen35_keys, .weights = weights,
    .parts = { { "decode", qwen35_enter, qwen35_block, qwen35_leave, "layers-nextn" } },
    .puts = qwen35_puts,
};

const struct arch pi_arch_qwen35moe = {
    .name = "qwen35moe", .hf = "qwen3_5_moe_text", .like = &pi_arch_qwen35,
};

static const struct key next_keys[] = {
    { "fused", "", "", "hf", true },
    { "joined", "", "", "1" },
    { "tiled", "", "", "0" },
    { 0 }
};

const struct arch pi_arch_qwen3next = {
    .name = "qwen3next", .hf = "qwen3_next", .like = &pi_arch_qwen35, .keys = next_keys,
};
