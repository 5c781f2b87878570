/* gemma3n.c - Gemma 3n: a token has four streams (altup.h). Beside attention runs a narrow product
 * of the normalised input (LAuReL, Menghani et al. 2024, arXiv 2411.07501); in some layers only
 * what stands out passes the gate; every layer has another embedding; the last layers use keys and
 * values of the last ones that have any.
 *
 *     ids -> embed -> x -> s
 *     s -> x --norm--> h --q,k,v--> norm --> rope --> attend --o--> norm --> + x
 *     h --narrow--> widen --> norm --> + h;  (both) / sqrt(2) -> x
 *     x --norm--> gate,up --> down --> norm --> + x -> s
 *     one of s --gate--> act * p --> project --> norm --> + s but its first
 */
#include "altup.h"
#include "gemma.h"

extern const struct arch pi_arch_gemma3, pi_arch_gemma3n;

#define HF_LAUREL(name) "layers.%d.laurel." name ".weight"

static const struct key gemma3n_keys[] = {
    { "pattern", "attention.sliding_window_pattern", "layer_types", "5" },
    { "logit_cap", "final_logit_softcapping", "final_logit_softcapping", "30" },
    { "shared", "attention.shared_kv_layers", "num_kv_shared_layers", "15" },
    { "first", "", "", "layers - shared" },
    PLE_KEYS,
    ALTUP_KEYS,
    { "rank", "", "laurel_rank", "64" },
    { "sparsity", "", "activation_sparsity_pattern", "layer < 10 ? 0.95 : 0" },
    { "deviations", "activation_sparsity_scale", "", "probit(sparsity)" },
    { 0 }
};

static const struct weight gemma3n_weights[] = {
    PLAIN_WEIGHTS,
    PLE_WEIGHTS,
    ALTUP_WEIGHTS,
    { "narrow", "blk.%d.laurel_l.weight", HF_LAUREL("linear_left"), "rank,dim" },
    { "widen", "blk.%d.laurel_r.weight", HF_LAUREL("linear_right"), "dim,rank" },
    { "laurel_norm", "blk.%d.laurel_post_norm.weight", HF_LAUREL("post_laurel_norm"), "dim" },
    { 0 }
};

static const struct step gemma3n_enter[] = {
    { OP_EMBED,  "x", "ids",   "embed",  "embed_scale" },
    PLE_ENTER,
    ALTUP_ENTER,
    { OP_ANGLES, "angles", "pos", NULL, "hd,theta,none,1" },
    { OP_ANGLES, "angles_local", "pos", NULL, "hd,theta_local,none,1" },
    { 0 }
};

static const struct step gemma3n_block[] = {
    ALTUP_GUESS,
    { OP_NORM,     "h", "x",   "norm1",  "eps,rms" },
    { OP_LINEAR,   "q", "h",   "q" },
    { OP_LINEAR,   "k", "h",   "k",      NULL,         OWN },
    { OP_LINEAR,   "v", "h",   "v",      NULL,         OWN },
    { OP_NORM,     "q", "q",   "q_norm", "eps,rms" },
    { OP_NORM,     "k", "k",   "k_norm", "eps,rms",    OWN },
    { OP_NORM,     "v", "v",   NULL,     "eps,rms,hd", OWN },
    { OP_ROPE,     "q", "q angles", NULL, "hd",        "!local" },
    { OP_ROPE,     "k", "k angles", NULL, "hd",        "!local && " OWN },
    { OP_ROPE,     "q", "q angles_local", NULL, "hd",  "local" },
    { OP_ROPE,     "k", "k angles_local", NULL, "hd",  "local && " OWN },
    { OP_ATTEND,   "a", "q k v", NULL, "heads,kv,1,0,local ? window : 0,0,0,0," BACK },
    { OP_LINEAR,   "o", "a",   "o" },
    { OP_NORM,     "o", "o",   "post1",  "eps,rms" },
    { OP_ADD,      "x", "x o" },
    { OP_LINEAR,   "l", "h",   "narrow" },
    { OP_LINEAR,   "l", "l",   "widen" },
    { OP_NORM,     "l", "l",   "laurel_norm", "eps,rms" },
    { OP_ADD,      "l", "l h" },
    { OP_ADD,      "x", "x l" },
    { OP_SCALE,    "x", "x",   NULL,     "1/sqrt(2)" },
    { OP_NORM,     "h", "x",   "norm2",  "eps,rms" },
    { OP_LINEAR,   "g1", "h",  "gate" },
    { OP_EXCEED,   "g1", "g1", NULL,     "deviations", "deviations > -30" },
    { OP_LINEAR,   "u", "h",   "up" },
    { OP_GATE,     "u", "g1 u", NULL,    "act" },
    { OP_LINEAR,   "f", "u",   "down" },
    { OP_NORM,     "f", "f",   "post2",  "eps,rms" },
    { OP_ADD,      "x", "x f" },
    ALTUP_CORRECT,
    PLE_STEPS("y"),
    ALTUP_ADD,
    { 0 }
};

static const struct step gemma3n_leave[] = {
    { OP_PICK,     "s", "s" },
    ALTUP_LEAVE,
    { OP_NORM,     "y", "y",   "norm",   "eps,rms" },
    { OP_LINEAR,   "logits", "y", "head" },
    { OP_SOFTCAP,  "logits", "logits", NULL, "logit_cap", "logit_cap" },
    { 0 }
};

static const struct put gemma3n_puts[] = {
    { "attention.sliding_window_pattern", "local" },
    { 0 }
};

const struct arch pi_arch_gemma3n = {
    .name = "gemma3n", .hf = "gemma3n_text", .like = &pi_arch_gemma3, .keys = gemma3n_keys,
    .weights = gemma3n_weights,
    .parts = { { "decode", gemma3n_enter, gemma3n_block, gemma3n_leave, "layers" } },
    .puts = gemma3n_puts,
};
