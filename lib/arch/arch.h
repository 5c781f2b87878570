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

/* A model of several parts in one folder, one of which is a text model. */
struct wrapper {
    const char *names;  /* model_type in config.json; alternatives a|b */
    const char *text;   /* what the text part is, where text_config does not say */
    const char *beside; /* tensors of the other parts begin so, or so behind "model.": a|b */
};

/* The model of several parts of that name, or NULL. */
const struct wrapper *pi_arch_wrapper(struct str name);

/* What an architecture's key is where a text_config of that model_type leaves it out: a formula;
 * empty: not known. */
struct str pi_arch_usual(struct str name, const char *key);

/* The i-th architecture, NULL behind the last. */
const struct arch *pi_arch_at(int i);

#endif
