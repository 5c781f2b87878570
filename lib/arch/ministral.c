/* ministral.c - Ministral 3: Llama with scores that grow with the position of the query. Ministral
 * of 2024 and Mistral 7B of 2023: with local layers.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_mistral3, pi_arch_ministral;

static const struct key mistral3_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "beta", "attention.temperature_scale", "rope_parameters.llama_4_scaling_beta", "0" },
    { 0 }
};

const struct arch pi_arch_mistral3 = {
    .name = "mistral3", .hf = "ministral3", .like = &pi_arch_dense, .keys = mistral3_keys,
};

/* Without layer_types every layer is local. */
static const struct key ministral_keys[] = {
    { "interleaved", "", "", "0", true },
    { "window", "", "sliding_window", "0" },
    { "pattern", "", "layer_types", "-1" },
    { 0 }
};

const struct arch pi_arch_ministral = {
    .name = "ministral", .hf = "ministral|mistral|cwm", .gguf = "llama", .like = &pi_arch_dense,
    .keys = ministral_keys,
};
