/* apertus.c - Apertus: q and k normalised, a feed-forward without gates under xIELU. Swiss AI 2025,
 * arXiv 2509.14233; Huang and Schlag 2024, arXiv 2411.13010.
 *
 *     xIELU(x) = plus * max(0, x)^2 + minus * (exp(x) - 1 - x where x < 0) + beta * x
 *     minus is beta and more
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_apertus;

#define SOFTPLUS(x) "log(1 + exp(" x "))"
static const struct key apertus_keys[] = {
    { "gated", "", "", "0" },
    { "act", "", "", "silu" }, /* xIELU needs more than one number */
    { "xielu", "", "", "1" },
    { "alpha_p", "xielu.alpha_p", "", "0" },
    { "alpha_n", "xielu.alpha_n", "", "0" },
    { "plus", "", "", "hf ? 1 : " SOFTPLUS("alpha_p") },
    { "minus", "", "", "hf ? 1 : " SOFTPLUS("alpha_n") },
    { "beta_act", "xielu.beta", "", "1" },
    { 0 }
};

#define ACT(name) "layers.%d.mlp.act_fn." name

static const struct weight apertus_weights[] = {
    { "norm1", "blk.%d.attn_norm.weight", "layers.%d.attention_layernorm.weight", "dim" },
    { "norm2", "blk.%d.ffn_norm.weight", "layers.%d.feedforward_layernorm.weight", "dim" },
    { "q_norm", "blk.%d.attn_q_norm.weight", "layers.%d.self_attn.q_norm.weight", "hd" },
    { "k_norm", "blk.%d.attn_k_norm.weight", "layers.%d.self_attn.k_norm.weight", "hd" },
    { "gate", NULL, NULL },
    { "plus", NULL, ACT("alpha_p"), "1", .fix = FIX_SOFTPLUS },
    { "minus", NULL, ACT("alpha_n"), "1", .fix = FIX_SOFTPLUS },
    { "beta_act", NULL, ACT("beta"), "1" },
    { "eps", NULL, ACT("eps"), .ignore = true }, /* as good as 0 */
    { 0 }
};

const struct arch pi_arch_apertus = {
    .name = "apertus", .like = &pi_arch_dense, .keys = apertus_keys,
    .weights = apertus_weights,
};
