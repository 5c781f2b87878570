/* orion.c - Llama with LayerNorms: Orion, 2024, arXiv 2401.12246; Jais 2, 2025, whose feed-forward
 * is without gates under relu^2, with biases everywhere.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_orion, pi_arch_jais2;

static const struct key orion_keys[] = {
    { "ctx", "context_length", "max_sequence_length|max_position_embeddings", NULL },
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "rms_norm_eps", NULL },
    { 0 }
};

const struct arch pi_arch_orion = {
    .name = "orion", .like = &pi_arch_dense, .keys = orion_keys,
};

static const struct key jais2_keys[] = {
    { "kind", "", "", "layernorm" },
    { "eps", "attention.layer_norm_epsilon", "layer_norm_eps", "0.00001" },
    { "gated", "", "", "0" },
    { "act", "", "hidden_act", "relu2" },
    { 0 }
};

static const struct weight jais2_weights[] = {
    { "gate", NULL, NULL },
    { 0 }
};

const struct arch pi_arch_jais2 = {
    .name = "jais2", .like = &pi_arch_dense, .keys = jais2_keys, .weights = jais2_weights,
};
