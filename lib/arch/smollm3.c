/* smollm3.c - SmolLM 3: Llama without rotary embedding in every fourth layer.
 */
#include "graph/recipe.h"

extern const struct arch pi_arch_dense, pi_arch_smollm3;

static const struct key smollm3_keys[] = {
    { "interleaved", "", "", "!hf", true },
    { "rope", "", "no_rope_layers", "(layer+1) % 4 != 0" },
    { 0 }
};

const struct arch pi_arch_smollm3 = {
    .name = "smollm3", .like = &pi_arch_dense, .keys = smollm3_keys,
};
