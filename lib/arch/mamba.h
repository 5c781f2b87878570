/* mamba.h - the rows of a Mamba-2 mixer, which hybrids have beside attention: h -> o.
 *
 *     h --z--> z     h --i,b,c--> conv --> silu     h --dt--> softplus
 *     i, dt, b, c --> scan --> * silu(z) --> norm, if there is one --out--> o
 *
 * Where norm_first, the norm comes before silu(z).
 *
 * One matrix holds the rows of z, i, b, c and dt, in this order, and one convolution i, b and c.
 */
#ifndef PI_ARCH_MAMBA_H
#define PI_ARCH_MAMBA_H

#include "graph/recipe.h"

/* mheads heads of inner/mheads channels and `states` states; heads of a group share b and c. */
#define MAMBA2_KEYS                                                                               \
    { "mheads", "ssm.time_step_rank", "mamba_n_heads|mamba_num_heads|num_heads", NULL },          \
    { "mhd", "", "mamba_d_head|mamba_head_dim|head_dim", "1" },                                   \
    { "inner", "ssm.inner_size", "mamba_d_ssm", "mheads*mhd" },                                   \
    { "states", "ssm.state_size", "mamba_d_state|ssm_state_size|state_size", NULL },              \
    { "groups", "ssm.group_count", "mamba_n_groups|n_groups", "1" },                              \
    { "taps", "ssm.conv_kernel", "mamba_d_conv|conv_kernel", "4" },                               \
    { "norm_first", "", "", "0" }

/* `at` is the mixer's place in safetensors, `where` an expression: the layers that have one.
 * folded(factor) and out_gain: what GGUF has multiplied into the matrices. */
#define MAMBA2_PLAIN(factor) NULL
#define MAMBA2_IN(at) "blk.%d.ssm_in.weight", "layers.%d." at ".in_proj.weight"
#define MAMBA2_CONV(at) "blk.%d.ssm_conv1d.weight", "layers.%d." at ".conv1d.weight"
#define MAMBA2_BIAS(at) "blk.%d.ssm_conv1d.bias", "layers.%d." at ".conv1d.bias"
#define MAMBA2_ROWS "2*inner + 2*groups*states + mheads"
#define MAMBA2_CHANNELS "inner + 2*groups*states"

#define MAMBA2_WEIGHTS(at, where, folded, out_gain)                                               \
    { "z", MAMBA2_IN(at), "inner,dim", "0", MAMBA2_ROWS, .when = where,                           \
      .gain = folded("z_factor") },                                                               \
    { "i", MAMBA2_IN(at), "inner,dim", "inner", MAMBA2_ROWS, .when = where,                       \
      .gain = folded("i_factor") },                                                               \
    { "b", MAMBA2_IN(at), "groups*states,dim", "2*inner", MAMBA2_ROWS, .when = where,             \
      .gain = folded("b_factor") },                                                               \
    { "c", MAMBA2_IN(at), "groups*states,dim", "2*inner + groups*states", MAMBA2_ROWS,            \
      .when = where, .gain = folded("c_factor") },                                                \
    { "dt", MAMBA2_IN(at), "mheads,dim", "2*inner + 2*groups*states", MAMBA2_ROWS,                \
      .when = where, .gain = folded("dt_factor") },                                               \
    { "dt_bias", "blk.%d.ssm_dt.bias", "layers.%d." at ".dt_bias", "mheads", .when = where },     \
    { "conv_i", MAMBA2_CONV(at), "inner,taps", "0", MAMBA2_CHANNELS, .when = where },             \
    { "conv_b", MAMBA2_CONV(at), "groups*states,taps", "inner", MAMBA2_CHANNELS,                  \
      .when = where },                                                                            \
    { "conv_c", MAMBA2_CONV(at), "groups*states,taps", "inner + groups*states",                   \
      MAMBA2_CHANNELS, .when = where },                                                           \
    { "conv_i.bias?", MAMBA2_BIAS(at), "inner", "0", MAMBA2_CHANNELS },                           \
    { "conv_b.bias?", MAMBA2_BIAS(at), "groups*states", "inner", MAMBA2_CHANNELS },               \
    { "conv_c.bias?", MAMBA2_BIAS(at), "groups*states", "inner + groups*states",                  \
      MAMBA2_CHANNELS },                                                                          \
    { "rate", "blk.%d.ssm_a", "layers.%d." at ".A_log", "mheads", .fix = FIX_NEG_EXP,             \
      .when = where, .as = "mheads,1" },                                                          \
    { "rate.bias", "blk.%d.ssm_d", "layers.%d." at ".D", "mheads", .when = where,                 \
      .as = "mheads,1" },                                                                         \
    { "mix_norm?", "blk.%d.ssm_norm.weight", "layers.%d." at ".norm.weight", "inner",             \
      .as = "groups,inner/groups" },                                                              \
    { "out", "blk.%d.ssm_out.weight", "layers.%d." at ".out_proj.weight", "dim,inner",            \
      .when = where, .gain = out_gain }

#define MAMBA2_IN_STEPS(where)                                                                    \
    { OP_LINEAR,   "z", "h",        "z",      NULL, where },                                      \
    { OP_LINEAR,   "i", "h",        "i",      NULL, where },                                      \
    { OP_LINEAR,   "b", "h",        "b",      NULL, where },                                      \
    { OP_LINEAR,   "c", "h",        "c",      NULL, where },                                      \
    { OP_LINEAR,   "dt", "h",       "dt",     NULL, where }

#define MAMBA2_SCAN_STEPS(where)                                                                  \
    { OP_CONV,     "i", "i",        "conv_i", NULL, where },                                      \
    { OP_CONV,     "b", "b",        "conv_b", NULL, where },                                      \
    { OP_CONV,     "c", "c",        "conv_c", NULL, where },                                      \
    { OP_ACTIVATE, "i", "i",        NULL,     "silu", where },                                    \
    { OP_ACTIVATE, "b", "b",        NULL,     "silu", where },                                    \
    { OP_ACTIVATE, "c", "c",        NULL,     "silu", where },                                    \
    { OP_ADD,      "dt", "dt",      "dt_bias", NULL, where },                                     \
    { OP_ACTIVATE, "dt", "dt",      NULL,     "softplus", where },                                \
    { OP_SCAN,     "s", "i dt b c", "rate",   "groups", where },                                  \
    { OP_NORM,     "s", "s",        "mix_norm?", "eps,rms,inner/groups",                          \
      "norm_first && (" where ")" },                                                              \
    { OP_GATE,     "s", "z s",      NULL,     "silu", where },                                    \
    { OP_NORM,     "s", "s",        "mix_norm?", "eps,rms,inner/groups",                          \
      "!norm_first && (" where ")" },                                                             \
    { OP_LINEAR,   "o", "s",        "out",    NULL, where }

#endif
