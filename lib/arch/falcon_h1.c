/* falcon_h1.c - Mamba-2 mixers and attention in one decoder: both side by side in each layer, with
 * multipliers, which a GGUF file has in its weights. granite4.c has one of them in each layer, and
 * perhaps experts beside the shared feed-forward. Zuo et al. 2025, arXiv 2507.22448.
 *
 *     ids -> embed * scale -> x
 *     x --norm--> h --mamba--> + x                      where recurs
 *               h --q,k,v--> rope --attend--o--> + x    where attends
 *     x --norm--> gate,up --silu*--> down --> + x
 */
#include "mamba.h"

extern const struct arch pi_arch_llama, pi_arch_falcon_h1;

#define FOLD(name) { name "_factor", "", "", "1", true }

static const struct key falcon_h1_keys[] = {
    MAMBA2_KEYS,
    { "norm_first", "", "mamba_norm_before_gate", "hf" },
    { "attends", "", "", "1" },
    { "recurs", "", "", "1" }, /* beside attention too */
    { "turned", "", "", "1" },
    { "sff", "expert_shared_feed_forward_length", "shared_intermediate_size", "0" },
    { "interleaved", "", "", "0" },
    { "folds", "", "", "1" }, /* GGUF has the multipliers in its weights */
    { "ssm_in", "", "ssm_in_multiplier", "1", true },
    { "ssm_out", "", "ssm_out_multiplier", "1", true },
    { "attn_in", "", "attention_in_multiplier", "1", true },
    { "attn_out", "", "attention_out_multiplier", "1", true },
    { "key_factor", "", "key_multiplier", "1", true },
    { "logit_scale", "", "lm_head_multiplier", "1", true },
    { "scale", "attention.scale", "attention_multiplier", "0" },
    { "embed_scale", "embedding_scale", "embedding_multiplier", "1", true },
    { "residual_scale", "residual_scale", "residual_multiplier", "1" },
    { "logit_divisor", "logit_scale", "logits_scaling", "1" },
    FOLD("z"), FOLD("i"), FOLD("b"), FOLD("c"), FOLD("dt"), FOLD("gate"), FOLD("down"),
    { 0 }
};

#define RECURS "recurs || !attends"
#define FACTORED "hf && recurs"
#define FOLDED(factor) "ssm_in*" factor
#define FACTORS(i) NULL, "config:ssm_multipliers", "1", #i, "5"

static const struct weight falcon_h1_weights[] = {
    MAMBA2_WEIGHTS("mamba", RECURS, FOLDED, "ssm_out"),
    { "embed", "token_embd.weight", "embed_tokens.weight", "vocab,dim",
      .gain = "folds ? embed_scale : 1" },
    { "head", "output.weight|token_embd.weight", "lm_head.weight|embed_tokens.weight",
      "vocab,dim", .gain = "folds ? logit_scale : 1" },
    { "z_factor?", FACTORS(0) }, { "i_factor?", FACTORS(1) },
    { "b_factor?", FACTORS(2) }, { "c_factor?", FACTORS(3) },
    { "dt_factor?", FACTORS(4) },
    { "gate_factor?", NULL, "config:mlp_multipliers", "1", "0", "2" },
    { "down_factor?", NULL, "config:mlp_multipliers", "1", "1", "2" },
    { "q", "blk.%d.attn_q.weight", "layers.%d.self_attn.q_proj.weight", "heads*hd,dim",
      .when = "attends", .order = ORDER_PAIRS, .gain = "attn_in" },
    { "k", "blk.%d.attn_k.weight", "layers.%d.self_attn.k_proj.weight", "kv*hd,dim",
      .when = "attends", .order = ORDER_PAIRS, .gain = "attn_in*key_factor" },
    { "v", "blk.%d.attn_v.weight", "layers.%d.self_attn.v_proj.weight", "kv*hd,dim",
      .when = "attends", .gain = "attn_in" },
    { "o", "blk.%d.attn_output.weight", "layers.%d.self_attn.o_proj.weight", "dim,heads*hd",
      .when = "attends", .gain = "attn_out" },
    { "norm2", "blk.%d.ffn_norm.weight|blk.%d.ffn_norm",
      "layers.%d.post_attention_layernorm.weight|layers.%d.pre_ff_layernorm.weight", "dim" },
    { "gate", "blk.%d.ffn_gate.weight", "layers.%d.feed_forward.gate_proj.weight", "ff,dim",
      .when = "!moe", .gain = "gate_factor" },
    { "up", "blk.%d.ffn_up.weight", "layers.%d.feed_forward.up_proj.weight", "ff,dim",
      .when = "!moe" },
    { "down", "blk.%d.ffn_down.weight", "layers.%d.feed_forward.down_proj.weight", "dim,ff",
      .when = "!moe", .gain = "down_factor" },
    { "norm", "output_norm.weight", "final_layernorm.weight|norm.weight", "dim" },
    { 0 }
};

static const struct step falcon_h1_enter[] = {
    { OP_EMBED,  "x",      "ids", "embed", "embed_scale" },
    { OP_ANGLES, "angles", "pos", NULL, "rot,theta,scaling,factor", "turned" },
    { 0 }
};

static const struct step falcon_h1_block[] = {
    /* op         out  in          weight    parameters        where */
    { OP_NORM,    "h", "x",        "norm1",  "eps,rms" },
    MAMBA2_IN_STEPS(RECURS),
    { OP_SCALE,   "z", "z",        "z_factor?", "ssm_in",      FACTORED },
    { OP_SCALE,   "i", "i",        "i_factor?", "ssm_in",      FACTORED },
    { OP_SCALE,   "b", "b",        "b_factor?", "ssm_in",      FACTORED },
    { OP_SCALE,   "c", "c",        "c_factor?", "ssm_in",      FACTORED },
    { OP_SCALE,   "dt", "dt",      "dt_factor?", "ssm_in",     FACTORED },
    MAMBA2_SCAN_STEPS(RECURS),
    { OP_SCALE,   "o", "o",        NULL,     "residual_scale*ssm_out",
      "(" RECURS ") && residual_scale*ssm_out != 1" },
    { OP_ADD,     "x", "x o",      NULL,     NULL,             RECURS },
    { OP_SCALE,   "h", "h",        NULL,     "attn_in",        "attends && attn_in != 1" },
    { OP_LINEAR,  "q", "h",        "q",      NULL,             "attends" },
    { OP_LINEAR,  "k", "h",        "k",      NULL,             "attends" },
    { OP_LINEAR,  "v", "h",        "v",      NULL,             "attends" },
    { OP_SCALE,   "k", "k",        NULL,     "key_factor",     "attends && key_factor != 1" },
    { OP_ROPE,    "q", "q angles", NULL,     "hd,interleaved", "attends && turned" },
    { OP_ROPE,    "k", "k angles", NULL,     "hd,interleaved", "attends && turned" },
    { OP_ATTEND,  "a", "q k v",    NULL,     "heads,kv,scale", "attends" },
    { OP_LINEAR,  "o", "a",        "o",      NULL,             "attends" },
    { OP_SCALE,   "o", "o",        NULL,     "residual_scale*attn_out",
      "attends && residual_scale*attn_out != 1" },
    { OP_ADD,     "x", "x o",      NULL,     NULL,             "attends" },
    { OP_NORM,    "h", "x",        "norm2",  "eps,rms" },
    { OP_LINEAR,  "g", "h",        "gate",   NULL,             "!moe" },
    { OP_SCALE,   "g", "g",        "gate_factor?", NULL,     FACTORED },
    { OP_LINEAR,  "u", "h",        "up",     NULL,             "!moe" },
    { OP_LINEAR,  "r", "h",        "router", NULL,             "moe" },
    { OP_ROUTE,   "r", "r",        NULL,     "used,0,1",       "moe" },
    { OP_EXPERTS, "g", "h r",      "gates",  NULL,             "moe && !hf" },
    { OP_EXPERTS, "u", "h r",      "ups",    NULL,             "moe && !hf" },
    { OP_EXPERTS, "e", "h r",      "both",   NULL,             "moe && hf" },
    { OP_SLICE,   "g", "e",        NULL,     "0,eff,2*eff",    "moe && hf" },
    { OP_SLICE,   "u", "e",        NULL,     "eff,eff,2*eff",  "moe && hf" },
    { OP_GATE,    "g", "g u",      NULL,     "silu" },
    { OP_LINEAR,  "f", "g",        "down",   NULL,             "!moe" },
    { OP_SCALE,   "f", "f",        "down_factor?", NULL,     FACTORED },
    { OP_EXPERTS, "f", "g r",      "downs",  NULL,             "moe" },
    { OP_MIX,     "f", "f r",      NULL,     NULL,             "moe" },
    { OP_LINEAR,  "g", "h",        "s_gate", NULL,             "moe && sff" },
    { OP_LINEAR,  "u", "h",        "s_up",   NULL,             "moe && sff" },
    { OP_GATE,    "g", "g u",      NULL,     "silu",           "moe && sff" },
    { OP_LINEAR,  "s", "g",        "s_down", NULL,             "moe && sff" },
    { OP_ADD,     "f", "f s",      NULL,     NULL,             "moe && sff" },
    { OP_SCALE,   "f", "f",        NULL,     "residual_scale", "residual_scale != 1" },
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step falcon_h1_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",        "norm",   "eps,rms" },
    { OP_LINEAR,  "logits", "y",   "head" },
    { OP_SCALE,   "logits", "logits", NULL,  "logit_scale/logit_divisor",
      "logit_scale != logit_divisor" },
    { 0 }
};

static const struct put falcon_h1_puts[] = {
    { "embedding_scale", NULL }, { "logit_scale", NULL }, { 0 }
};

const struct arch pi_arch_falcon_h1 = {
    .name = "falcon-h1", .hf = "falcon_h1", .like = &pi_arch_llama, .keys = falcon_h1_keys,
    .weights = falcon_h1_weights, .puts = falcon_h1_puts,
    .parts = { { "decode", falcon_h1_enter, falcon_h1_block, falcon_h1_leave, "layers" } },
};
