/* merges.h - the merges of byte-pair encoding by rank: two tokens -> what they become.
 */
#ifndef PI_MERGES_H
#define PI_MERGES_H

#include "base/json.h"
#include "vocab.h"

struct merge {
    int32_t left, right; /* token ids */
    uint32_t rank;
    int32_t result;      /* id + 1, so that 0 is a free slot */
};

/* A hash of pairs, in the arena. */
struct merges {
    struct merge *slots;
    size_t mask; /* number of slots - 1 */
};

/* Reads tokenizer.ggml.merges; of equal pairs the first counts. Refuses pieces that are not in
 * the vocabulary. */
int pi_merges_open(struct merges *merges, struct arena *arena, const struct weights *w,
                   const struct vocab *v, pith_error *err);

/* The same from the "merges" of tokenizer.json, where the last counts. Right pieces lose as
 * many bytes as the prefix has. */
int pi_merges_open_json(struct merges *merges, struct arena *arena, const struct json *list,
                        const struct vocab *v, struct str prefix, pith_error *err);

/* Where a pair belongs: under the table's address, which a file's author cannot know, so that
 * no vocabulary can be made to collide. The finaliser of splitmix64. */
static inline size_t pi_merges_slot(const struct merges *m, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^
                 (uint64_t)(uintptr_t)m->slots * 0x9e3779b97f4a7c15u;

    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return (size_t)(h ^ h >> 31) & m->mask;
}

/* The merge of two tokens; its result is 0 if there is none. */
static inline struct merge *pi_merges_find(const struct merges *m, int32_t left, int32_t right)
{
    size_t i = pi_merges_slot(m, left, right);

    while (m->slots[i].result && (m->slots[i].left != left || m->slots[i].right != right))
        i = (i + 1) & m->mask;
    return &m->slots[i];
}

#endif
