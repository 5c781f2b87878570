/* arch.h - the families that pith knows. Data only.
 */
#ifndef PI_ARCH_H
#define PI_ARCH_H

#include "graph/recipe.h"

/* The architecture that a GGUF file (general.architecture), or a Hugging Face folder (model_type in
 * config.json), calls by this name; or NULL. */
const struct arch *pi_arch_find(struct str name, bool hf);

/* The constant (numbers.c) for what config.json calls by another word, or NULL. */
const char *pi_arch_word(struct str word);

/* The i-th architecture, NULL behind the last. */
const struct arch *pi_arch_at(int i);

#endif
