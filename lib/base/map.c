/* map.c - see map.h.
 */
#include "map.h"

struct map_slot {
    struct str key; /* at == NULL: free */
    int64_t index;
};

static uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn(v[1], 13) ^ v[0];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] = turn(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = turn(v[3], 21) ^ v[0];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein 2012): whoever could choose names that collide could make a
 * file take minutes to open. The key need only be unknown to whoever wrote the file. */
static uint64_t hash_bytes(struct str key, uint64_t seed)
{
    uint64_t v[4] = { seed ^ 0x736f6d6570736575u, seed ^ 0x646f72616e646f6du,
                      seed ^ 0x6c7967656e657261u, seed ^ 0x7465646279746573u };
    size_t i = 0;

    for (; i + 8 <= key.n; i += 8) {
        uint64_t word = pi_le64(key.at + i);

        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (uint64_t word = (uint64_t)key.n << 56, shift = 0;; i++, shift += 8) {
        if (i < key.n) {
            word |= (uint64_t)(uint8_t)key.at[i] << shift;
            continue;
        }
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
        break;
    }
    v[2] ^= 0xFF;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int pi_map_init(struct map *map, struct arena *arena, size_t count, pith_error *err)
{
    size_t slots = 16;

    while (slots < SIZE_MAX / 4 && slots < count + count / 2 + 1)
        slots *= 2;
    map->mask = slots - 1;
    map->slots = pi_arena_alloc(arena, slots, sizeof *map->slots);
    if (!map->slots)
        return pi_no_memory(err, "a table of names", slots * sizeof *map->slots);
    /* Addresses are the randomness there is; no result depends on the order of slots. */
    map->seed = (uint64_t)(uintptr_t)map->slots * 0x9e3779b97f4a7c15u ^ (uintptr_t)&slots;
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
