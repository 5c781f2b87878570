/* mix.h - which number format each tensor of a quantised model gets.
 */
#ifndef PI_MIX_H
#define PI_MIX_H

#include "file/weights.h"

struct mix;

/* The mix that users know by this name, in either case. PITH_E_ARGUMENT lists the names. */
int pi_mix_find(const struct mix **out, const char *name, pith_error *err);

/* What GGUF's key general.file_type says of it. */
uint32_t pi_mix_file_type(const struct mix *mix);

/* Facts of a whole file that the choice depends on. */
struct mix_facts {
    bool has_output;    /* false: the embedding is the output too */
    int64_t layers;
    int64_t shared_by;  /* query heads on one value head */
    int64_t experts;
};

struct mix_facts pi_mix_facts(const struct weights *w);

/* The format of the tensor: its own where it is to stay, and where its rows do not divide into the
 * blocks of what is wanted, the next one that fits, *fallback being set. */
enum dtype pi_mix_choose(const struct mix *mix, const struct mix_facts *facts,
                         const struct tensor *t, bool *fallback);

/* Whether a tensor of that name is float32 in a GGUF file, whatever the others are. */
bool pi_mix_wants_floats(struct str name);

#endif
