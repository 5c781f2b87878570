/* special.h - texts that are looked for in a text: special tokens, taken out before anything else
 * is done with it, and the pieces of vocabularies that are matched from left to right. Internal to
 * text/.
 */
#ifndef PI_SPECIAL_H
#define PI_SPECIAL_H

#include "vocab.h"

struct special_entry {
    struct str text;
    int32_t id;
};

/* Sorted by text, so that matching a position costs the length of the match times the logarithm of
 * their number. */
struct special_set {
    struct special_entry *entries;
    int32_t n;
    int32_t first[257]; /* entries[first[c]] to entries[first[c + 1]] begin with byte c */
};

/* The set of n entries, which become the set's: sorted, without empty texts and, of equal texts,
 * with the least id only. */
int pi_special_make(struct special_set *set, struct special_entry *entries, int32_t n,
                    pith_error *err);

/* The set of all tokens of the types, a set of 1 << enum token_type. */
int pi_special_open(struct special_set *set, struct arena *arena, const struct vocab *v,
                    unsigned types, pith_error *err);

/* The leftmost match in the text, the longest there: its id, with its place and length, or -1. */
int32_t pi_special_find(const struct special_set *set, struct str text, size_t *at, size_t *n);

/* The longest match at the start of the text, or -1. */
int32_t pi_special_match(const struct special_set *set, struct str text, size_t *n);

/* All matches at the start of a text, the shortest first: begin with { .depth = 0 }; -1 at the
 * end. */
struct special_walk {
    int32_t low, high;
    size_t depth;
};
int32_t pi_special_next(const struct special_set *set, struct special_walk *walk, struct str text,
                        size_t *n);

#endif
