/* special.h - finds tokens that are matched in the text before anything else is done with it:
 * user-defined ones always, control ones where the caller allows it. Internal to text/.
 */
#ifndef PI_SPECIAL_H
#define PI_SPECIAL_H

#include "vocab.h"

/* Tokens of some types, sorted by spelling, so that matching a position costs the length of the
 * match times the logarithm of their number. */
struct special_set {
    int32_t *ids;
    int32_t n;
    int32_t first[257]; /* ids[first[c]] to ids[first[c + 1]] begin with byte c */
};

/* The set of all tokens of the types, a set of 1 << enum token_type. */
int pi_special_open(struct special_set *set, struct arena *arena, const struct vocab *v,
                    unsigned types, pith_error *err);

/* The leftmost match in the text, the longest there: its id, with its place, or -1. */
int32_t pi_special_find(const struct special_set *set, const struct vocab *v, struct str text,
                        size_t *at);

#endif
