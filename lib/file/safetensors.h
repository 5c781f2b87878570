/* safetensors.h - the tensors of one safetensors file.
 */
#ifndef PI_SAFETENSORS_H
#define PI_SAFETENSORS_H

#include "weights.h"

/* Proves the file and lists its tensors, ne reversed so that ne[0] is contiguous. Names are
 * borrowed from the file or lie in the arena. `name` is what errors call the file. */
int pi_safetensors_read(struct tensor **tensors, int64_t *count, const struct mapping *file,
                        const char *name, struct arena *arena, pith_error *err);

#endif
