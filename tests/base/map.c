/* map.c - the table of names against a list, and against someone who knows how it hashes.
 */
#include "check.h"
#include "base/map.h"

#include <time.h>

static const struct allocator plain;

struct keys {
    struct arena arena;
    struct str *at;
    int n;
};

static struct keys make_keys(int n, uint64_t seed)
{
    struct keys k = { .n = n };

    pi_arena_init(&k.arena, &plain);
    k.at = pi_arena_alloc(&k.arena, (size_t)n, sizeof *k.at);
    for (int i = 0; i < n; i++) {
        char text[64];
        uint64_t r = check_random(&seed);
        size_t length = (size_t)snprintf(text, sizeof text, "%d.%.*s", i, (int)(r % 30),
                                         "blk.attn_norm.weight.and.more");

        k.at[i] = (struct str){ pi_arena_text(&k.arena, text, length), length };
    }
    return k;
}

static void every_key_is_found(void)
{
    for (int n = 0; n < 3000; n = n * 2 + 1) {
        struct keys k = make_keys(n, 7), other = make_keys(n + 10, 8);
        struct map map;

        CHECK_INT(pi_map_init(&map, &k.arena, (size_t)n, NULL), PITH_OK);
        for (int i = 0; i < n; i++) {
            CHECK_INT(pi_map_find(&map, k.at[i]), -1);
            CHECK(pi_map_add(&map, k.at[i], i * 3));
        }
        for (int i = 0; i < n; i++) {
            CHECK(!pi_map_add(&map, k.at[i], 99));
            CHECK_INT(pi_map_find(&map, k.at[i]), i * 3);
        }
        CHECK_INT(pi_map_find(&map, other.at[n + 9]), -1);
        CHECK_INT(pi_map_find(&map, STR("")), -1);
        pi_arena_free(&k.arena);
        pi_arena_free(&other.arena);
    }
}

static void odd_keys(void)
{
    struct arena arena;
    struct map map = { 0 };

    CHECK_INT(pi_map_find(&map, STR("nothing was added")), -1);
    pi_arena_init(&arena, &plain);
    CHECK_INT(pi_map_init(&map, &arena, 4, NULL), PITH_OK);
    CHECK(pi_map_add(&map, (struct str){ NULL, 0 }, 5));
    CHECK_INT(pi_map_find(&map, STR("")), 5);
    CHECK(!pi_map_add(&map, STR(""), 6));
    CHECK(pi_map_add(&map, (struct str){ "a\0b", 3 }, 7));
    CHECK_INT(pi_map_find(&map, STR("a")), -1);
    CHECK_INT(pi_map_find(&map, (struct str){ "a\0b", 3 }), 7);
    CHECK(pi_map_add(&map, (struct str){ "a\0c", 3 }, 8));
    CHECK_INT(pi_map_find(&map, (struct str){ "a\0c", 3 }), 8);
    pi_arena_free(&arena);
}

static void too_many_keys_are_refused(void)
{
    struct arena arena;
    struct map map;
    pith_error e;

    pi_arena_init(&arena, &plain);
    CHECK_INT(pi_map_init(&map, &arena, SIZE_MAX / 8, &e), PITH_E_MEMORY);
    CHECK_HAS(e.text, "table of names");
    pi_arena_free(&arena);
}

/* FNV-1a as it is published, with the multiplication that spreads it: what an attacker who has read
 * an older version of this library would make collide in the low bits. */
static uint64_t fnv(const char *text, size_t n, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* Names that a fixed hash would put side by side must not make a file slow to open. */
static void crafted_names_do_not_collide(void)
{
    enum { N = 20000, SLOTS = 32768, WINDOW = SLOTS / 32 };
    char *text = malloc(N * 12);
    struct arena arena;
    struct map map;
    clock_t start;
    int n = 0;

    for (uint64_t i = 0; n < N; i++) {
        char *to = text + n * 12;
        int length = snprintf(to, 12, "%07" PRIx64, i);

        n += (fnv(to, (size_t)length, SLOTS) & (SLOTS - 1)) < WINDOW;
    }
    pi_arena_init(&arena, &plain);
    CHECK_INT(pi_map_init(&map, &arena, N, NULL), PITH_OK);
    start = clock();
    for (int i = 0; i < N; i++)
        CHECK(pi_map_add(&map, pi_str(text + i * 12), i));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 0.1);
    for (int i = 0; i < N; i += 97)
        CHECK_INT(pi_map_find(&map, pi_str(text + i * 12)), i);
    pi_arena_free(&arena);
    free(text);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_key_is_found);
    RUN(odd_keys);
    RUN(too_many_keys_are_refused);
    RUN(crafted_names_do_not_collide);
    return CHECK_END();
}
