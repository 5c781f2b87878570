/* delta.h - the rows of a mixer that keeps a matrix per head under the gated delta rule: h -> o.
 * Yang et al. 2024, arXiv 2412.06464.
 *
 *     h --q,k,v--> conv --> silu; q, k: of length 1     h --z--> z     h --> beta, g
 *     q, k, v, g, beta --> delta --> norm --> * silu(z) --out--> o
 *
 * hk heads of keys, ck wide, serve hv heads of values. One convolution holds q, k and v. Their
 * matrix does too, in this order; where `fused`, it holds z as well, all of one key head behind all
 * of another. beta and alpha may be `joined` likewise.
 */
#ifndef PI_ARCH_DELTA_H
#define PI_ARCH_DELTA_H

#include "graph/recipe.h"

#define DELTA_SPLIT(where) where " && !fused"
#define DELTA_FUSED(where) where " && fused"
#define DELTA_HF(name) "layers.%d.linear_attn." name
#define DELTA_QKV "blk.%d.attn_qkv.weight", DELTA_HF("in_proj_qkv.weight")
#define DELTA_CONV "blk.%d.ssm_conv1d.weight", DELTA_HF("conv1d.weight")
#define DELTA_ROWS "2*hk*ck + values"
#define DELTA_GROUP "2*ck + 2*values/hk" /* what a key head has of q, k, v and z */

#define DELTA_KEYS                                                                                \
    { "hk", "ssm.group_count", "linear_num_key_heads", NULL },                                    \
    { "hv", "ssm.time_step_rank", "linear_num_value_heads", NULL },                               \
    { "ck", "ssm.state_size", "linear_key_head_dim", NULL },                                      \
    { "cv", "", "linear_value_head_dim", "ck" },                                                  \
    { "values", "ssm.inner_size", "", "hv*cv" },                                                  \
    { "taps", "ssm.conv_kernel", "linear_conv_kernel_dim", "4" },                                 \
    { "fused", "", "", "0", true }, /* q, k, v and z in one matrix, a key head behind another */  \
    { "joined", "", "", "0" }, /* beta and alpha likewise */                                      \
    { "tiled", "", "", "!hf", true }

/* `where`: the layers that have such a mixer. */
#define DELTA_WEIGHTS(where)                                                                      \
    { "dq", DELTA_QKV, "hk*ck,dim", "0", DELTA_ROWS, .when = DELTA_SPLIT(where),                  \
      .of = "qkvz:0,ck," DELTA_GROUP },                                                           \
    { "dk", DELTA_QKV, "hk*ck,dim", "hk*ck", DELTA_ROWS, .when = DELTA_SPLIT(where),              \
      .of = "qkvz:ck,ck," DELTA_GROUP },                                                          \
    { "dv", DELTA_QKV, "values,dim", "2*hk*ck", DELTA_ROWS, .when = DELTA_SPLIT(where),           \
      .order = ORDER_TILES, .of = "qkvz:2*ck,values/hk," DELTA_GROUP },                           \
    { "z", "blk.%d.attn_gate.weight", DELTA_HF("in_proj_z.weight"), "values,dim",                 \
      .when = DELTA_SPLIT(where), .order = ORDER_TILES,                                           \
      .of = "qkvz:2*ck + values/hk,values/hk," DELTA_GROUP },                                     \
    { "qkvz", "blk.%d.ssm_in.weight", DELTA_HF("in_proj_qkvz.weight"), "2*hk*ck + 2*values,dim",  \
      .when = DELTA_FUSED(where) },                                                               \
    { "ba", "blk.%d.ssm_ba.weight", DELTA_HF("in_proj_ba.weight"), "2*hv,dim",                    \
      .when = where " && joined" },                                                               \
    { "beta", "blk.%d.ssm_beta.weight", DELTA_HF("in_proj_b.weight"), "hv,dim",                   \
      .when = where " && !joined", .order = ORDER_TILES },                                        \
    { "alpha", "blk.%d.ssm_alpha.weight", DELTA_HF("in_proj_a.weight"), "hv,dim",                 \
      .when = where " && !joined", .order = ORDER_TILES },                                        \
    { "dt", "blk.%d.ssm_dt.bias", DELTA_HF("dt_bias"), "hv", .when = where,                       \
      .order = ORDER_TILES },                                                                     \
    { "rate", "blk.%d.ssm_a", DELTA_HF("A_log"), "hv", .fix = FIX_NEG_EXP, .when = where,         \
      .order = ORDER_TILES },                                                                     \
    { "conv_q", DELTA_CONV, "hk*ck,taps", "0", DELTA_ROWS, .when = where },                       \
    { "conv_k", DELTA_CONV, "hk*ck,taps", "hk*ck", DELTA_ROWS, .when = where },                   \
    { "conv_v", DELTA_CONV, "values,taps", "2*hk*ck", DELTA_ROWS, .when = where,                  \
      .order = ORDER_TILES },                                                                     \
    { "mix_norm", "blk.%d.ssm_norm.weight", DELTA_HF("norm.weight"), "values/hv",                 \
      .when = where },                                                                            \
    { "out", "blk.%d.ssm_out.weight", DELTA_HF("out_proj.weight"), "dim,values", .when = where,   \
      .order = ORDER_TILED_COLUMNS }

#define DELTA_STEPS(where)                                                                        \
    { OP_LINEAR,   "q", "h",         "dq",     NULL,          DELTA_SPLIT(where) },               \
    { OP_LINEAR,   "k", "h",         "dk",     NULL,          DELTA_SPLIT(where) },               \
    { OP_LINEAR,   "v", "h",         "dv",     NULL,          DELTA_SPLIT(where) },               \
    { OP_LINEAR,   "z", "h",         "z",      NULL,          DELTA_SPLIT(where) },               \
    { OP_LINEAR,   "all", "h",       "qkvz",   NULL,          DELTA_FUSED(where) },               \
    { OP_SLICE,    "q", "all",       NULL,     "0,ck," DELTA_GROUP, DELTA_FUSED(where) },         \
    { OP_SLICE,    "k", "all",       NULL,     "ck,ck," DELTA_GROUP, DELTA_FUSED(where) },        \
    { OP_SLICE,    "v", "all",       NULL,     "2*ck,values/hk," DELTA_GROUP,                     \
      DELTA_FUSED(where) },                                                                       \
    { OP_SLICE,    "z", "all",       NULL,     "2*ck + values/hk,values/hk," DELTA_GROUP,         \
      DELTA_FUSED(where) },                                                                       \
    { OP_LINEAR,   "beta", "h",      "beta",   NULL,          where " && !joined" },              \
    { OP_LINEAR,   "g", "h",         "alpha",  NULL,          where " && !joined" },              \
    { OP_LINEAR,   "ba", "h",        "ba",     NULL,          where " && joined" },               \
    { OP_SLICE,    "beta", "ba",     NULL,     "0,hv/hk,2*hv/hk", where " && joined" },           \
    { OP_SLICE,    "g", "ba",        NULL,     "hv/hk,hv/hk,2*hv/hk", where " && joined" },       \
    { OP_CONV,     "q", "q",         "conv_q", NULL,          where },                            \
    { OP_CONV,     "k", "k",         "conv_k", NULL,          where },                            \
    { OP_CONV,     "v", "v",         "conv_v", NULL,          where },                            \
    { OP_ACTIVATE, "q", "q",         NULL,     "silu",        where },                            \
    { OP_ACTIVATE, "k", "k",         NULL,     "silu",        where },                            \
    { OP_ACTIVATE, "v", "v",         NULL,     "silu",        where },                            \
    { OP_NORM,     "q", "q",         NULL,     "1e-6/ck,rms,ck", where },                         \
    { OP_SCALE,    "q", "q",         NULL,     "1/sqrt(ck)",  where },                            \
    { OP_NORM,     "k", "k",         NULL,     "1e-6/ck,rms,ck", where },                         \
    { OP_SCALE,    "k", "k",         NULL,     "1/sqrt(ck)",  where },                            \
    { OP_ACTIVATE, "beta", "beta",   NULL,     "sigmoid",     where },                            \
    { OP_ADD,      "g", "g",         "dt",     NULL,          where },                            \
    { OP_ACTIVATE, "g", "g",         NULL,     "softplus",    where },                            \
    { OP_SCALE,    "g", "g",         "rate",   NULL,          where },                            \
    { OP_DELTA,    "a", "q k v g beta", NULL,  "hk,0,tiled",  where },                            \
    { OP_NORM,     "a", "a",         "mix_norm", "eps,rms",   where },                            \
    { OP_GATE,     "a", "z a",       NULL,     "silu",        where },                            \
    { OP_LINEAR,   "o", "a",         "out",    NULL,          where }

#endif
