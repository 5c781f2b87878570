/* map.c - see map.h.
 */
#include "map.h"

struct map_slot {
    struct str key; /* at == NULL: free */
    int64_t index;
};

static inline uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

struct sip {
    uint64_t a, b, c, d;
};

static inline struct sip sip_round(struct sip v)
{
    v.a += v.b;
    v.c += v.d;
    v.b = turn(v.b, 13) ^ v.a;
    v.d = turn(v.d, 16) ^ v.c;
    v.a = turn(v.a, 32) + v.d;
    v.c += v.b;
    v.d = turn(v.d, 21) ^ v.a;
    v.b = turn(v.b, 17) ^ v.c;
    v.c = turn(v.c, 32);
    return v;
}

static inline struct sip sip_word(struct sip v, uint64_t word)
{
    v.d ^= word;
    v = sip_round(v);
    v.a ^= word;
    return v;
}

/* SipHash-1-3 (Aumasson and Bernstein 2012): whoever could choose names that collide could make a
 * file take minutes to open. The key need only be unknown to whoever wrote the file. */
static uint64_t hash_bytes(struct str key, uint64_t seed)
{
    struct sip v = { seed ^ 0x736f6d6570736575u, seed ^ 0x646f72616e646f6du,
                     seed ^ 0x6c7967656e657261u, seed ^ 0x7465646279746573u };
    uint64_t last = (uint64_t)key.n << 56;
    size_t i = 0;

    for (; i + 8 <= key.n; i += 8)
        v = sip_word(v, pi_le64(key.at + i));
    for (int shift = 0; i < key.n; i++, shift += 8)
        last |= (uint64_t)(uint8_t)key.at[i] << shift;
    v = sip_word(v, last);
    v.c ^= 0xFF;
    v = sip_round(sip_round(sip_round(v)));
    return v.a ^ v.b ^ v.c ^ v.d;
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
static struct map_slot *slot_from(const struct map *map, size_t i, struct str key)
{
    while (map->slots[i].key.at && !pi_str_equal(map->slots[i].key, key))
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

static struct map_slot *slot_of(const struct map *map, struct str key)
{
    return slot_from(map, (size_t)hash_bytes(key, map->seed) & map->mask, key);
}

static bool fill_slot(struct map_slot *slot, struct str key, int64_t index)
{
    if (slot->key.at)
        return false;
    *slot = (struct map_slot){ key, index };
    return true;
}

bool pi_map_add(struct map *map, struct str key, int64_t index)
{
    if (!key.at)
        key.at = "";
    return fill_slot(slot_of(map, key), key, index);
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

/* Hashes a batch; its slots, and then the keys in them, are on their way from memory before the
 * first is compared. */
static void fetch_slots(const struct map *map, struct str *keys, size_t n, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        if (!keys[i].at)
            keys[i].at = "";
        at[i] = (size_t)hash_bytes(keys[i], map->seed) & map->mask;
        __builtin_prefetch(&map->slots[at[i]]);
    }
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(map->slots[at[i]].key.at);
}

bool pi_map_add_all(struct map *map, const struct str *keys, size_t n)
{
    struct str batch[MAP_BATCH];
    size_t at[MAP_BATCH];
    bool new = true;

    for (size_t done = 0, part; done < n; done += part) {
        part = pi_min_size(n - done, MAP_BATCH);
        memcpy(batch, keys + done, part * sizeof *batch);
        fetch_slots(map, batch, part, at);
        for (size_t i = 0; i < part; i++)
            new &= fill_slot(slot_from(map, at[i], batch[i]), batch[i], (int64_t)(done + i));
    }
    return new;
}

void pi_map_find_all(const struct map *map, struct str *keys, size_t n, int64_t *indices)
{
    size_t at[MAP_BATCH];

    fetch_slots(map, keys, n, at);
    for (size_t i = 0; i < n; i++) {
        const struct map_slot *slot = slot_from(map, at[i], keys[i]);

        indices[i] = slot->key.at ? slot->index : -1;
    }
}
