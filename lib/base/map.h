/* map.h - string -> index, open addressing; keys are borrowed and must outlive the map.
 */
#ifndef PI_MAP_H
#define PI_MAP_H

#include "mem.h"
#include "str.h"

struct map {
    struct map_slot *slots;
    size_t mask; /* number of slots - 1 */
    uint64_t seed; /* of the hash */
};

/* A map for up to `count` keys, in the arena. */
int pi_map_init(struct map *map, struct arena *arena, size_t count, pith_error *err);

/* False if the key is there already; its first index stays. */
bool pi_map_add(struct map *map, struct str key, int64_t index);

/* The key's index, or -1. */
int64_t pi_map_find(const struct map *map, struct str key);

#endif
