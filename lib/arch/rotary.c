/* rotary.c - the numbers and weights of a rotary position embedding with every kind of scaling, for
 * families to inherit. They have `ctx` and `hd` themselves.
 *
 * config.json has rope_parameters since transformers 5, and rope_scaling before; where local
 * layers have an embedding of their own, this is the one of the others.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_rotary;

#define ROPE_KEY(key) \
    "rope_parameters." key "|rope_parameters.full_attention." key "|rope_scaling." key

static const struct key rotary_keys[] = {
    { "rot_share", "", ROPE_KEY("partial_rotary_factor") "|partial_rotary_factor", "1" },
    { "rot", "rope.dimension_count", "", "floor(hd*rot_share)" },
    { "theta", "rope.freq_base", ROPE_KEY("rope_theta") "|rope_theta", "10000" },
    { "scaling", "rope.scaling.type", ROPE_KEY("rope_type") "|rope_scaling.type", "none",
      true },
    { "original", "rope.scaling.original_context_length",
      ROPE_KEY("original_max_position_embeddings") "|original_max_position_embeddings", "ctx" },
    { "factor", "rope.scaling.factor", ROPE_KEY("factor"), "hf ? ctx/original : 1", true },
    { "beta_fast", "rope.scaling.yarn_beta_fast", ROPE_KEY("beta_fast"), "32" },
    { "beta_slow", "rope.scaling.yarn_beta_slow", ROPE_KEY("beta_slow"), "1" },
    { "truncate", "", ROPE_KEY("truncate"), "1" },
    { "low", "", ROPE_KEY("low_freq_factor"), "1", true },
    { "high", "", ROPE_KEY("high_freq_factor"), "4", true },
    { "attn_scale", "rope.scaling.attn_factor", "", "1", true },
    { "attn_total", "rope.scaling.yarn_attn_factor", ROPE_KEY("attention_factor"), "0" },
    { "mscale", "", ROPE_KEY("mscale"), "!hf" },
    { "mscale_all", "rope.scaling.yarn_log_multiplier", ROPE_KEY("mscale_all_dim"), "0" },
    { "magnitude", "", "", "attn_total ? attn_total : mscale && mscale_all && factor > 1 ? "
      "attn_scale*(1 + 0.1*mscale*log(factor)) / (1 + 0.1*mscale_all*log(factor)) : 0" },
    { 0 }
};

static const struct weight rotary_weights[] = {
    { "divisors?",  "rope_factors_short.weight|rope_freqs.weight",
      "config:rope_parameters.short_factor|config:rope_scaling.short_factor", "rot/2" },
    { "divisors.long?", "rope_factors_long.weight",
      "config:rope_parameters.long_factor|config:rope_scaling.long_factor", "rot/2" },
    { 0 }
};

/* Bands are rope_freqs.weight in GGUF, and longrope is its two vectors and a factor. */
static const struct put rotary_puts[] = {
    { "rope.scaling.type", "scaling", "scaling==linear || scaling==yarn" },
    { "rope.scaling.factor", "factor", "scaling==linear || scaling==yarn" },
    { "rope.scaling.attn_factor",
      "attn_total ? attn_total : factor>1 ? sqrt(1 + log(factor)/log(original)) : 1",
      "scaling==longrope" },
    { 0 }
};

const struct arch pi_arch_rotary = {
    .keys = rotary_keys, .weights = rotary_weights, .puts = rotary_puts,
};
