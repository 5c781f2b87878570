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

/* Many at once wait for memory once, not one by one. Adds keys[i] with index i; false if one is
 * there already. */
bool pi_map_add_all(struct map *map, const struct str *keys, size_t n);

enum { MAP_BATCH = 32 };

/* The indices, or -1, of up to MAP_BATCH keys. */
void pi_map_find_all(const struct map *map, struct str *keys, size_t n, int64_t *indices);

#endif
