/* map.c - see map.h.
 */
#include "map.h"

struct map_slot {
    struct str key; /* at == NULL: free */
    int64_t index;
};

/* FNV-1a with a final mix; the seed only separates maps. An attacker who crafts collisions makes
 * opening a file slow, at worst quadratic in names that fit the file. */
static uint64_t hash_bytes(struct str key, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (uint8_t)key.at[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

int pi_map_init(struct map *map, struct arena *arena, size_t count, pith_error *err)
{
    size_t slots = 16;

    while (slots < SIZE_MAX / 4 && slots < count + count / 2 + 1)
        slots *= 2;
    map->seed = slots;
    map->mask = slots - 1;
    map->slots = pi_arena_alloc(arena, slots, sizeof *map->slots);
    if (!map->slots)
        return pi_no_memory(err, "a table of names", slots * sizeof *map->slots);
    return PITH_OK;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *slot_of(const struct map *map, struct str key)
{
    size_t i = (size_t)hash_bytes(key, map->seed) & map->mask;

    while (map->slots[i].key.at && !pi_str_equal(map->slots[i].key, key))
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

bool pi_map_add(struct map *map, struct str key, int64_t index)
{
    struct map_slot *slot;

    if (!key.at)
        key.at = "";
    slot = slot_of(map, key);
    if (slot->key.at)
        return false;
    *slot = (struct map_slot){ key, index };
    return true;
}

int64_t pi_map_find(const struct map *map, struct str key)
{
    const struct map_slot *slot;

    if (!map->slots)
        return -1;
    if (!key.at)
        key.at = "";
    slot = slot_of(map, key);
    return slot->key.at ? slot->index : -1;
}
