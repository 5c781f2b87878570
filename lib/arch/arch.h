/* arch.h - the families that pith knows. Data only.
 */
#ifndef PI_ARCH_H
#define PI_ARCH_H

#include "graph/recipe.h"

/* The architecture that a file calls by this name, or NULL. */
const struct arch *pi_arch_find(struct str name);

/* The i-th architecture, NULL behind the last. */
const struct arch *pi_arch_at(int i);

#endif
