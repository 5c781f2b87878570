/* mem.c - arenas: alignment, zeros, no block in another, every byte given back; checked arithmetic.
 */
#include "check.h"
#include "base/mem.h"

struct ledger {
    int64_t live, peak, calls, fail_at; /* fail_at: the call that fails, 0: none */
};

static void *take(void *user, int64_t size)
{
    struct ledger *l = user;
    void *block = NULL;

    if (++l->calls == l->fail_at || posix_memalign(&block, 64, (size_t)size) != 0)
        return NULL;
    memset(block, 0xA5, (size_t)size);
    l->live += size;
    l->peak = l->live > l->peak ? l->live : l->peak;
    return block;
}

static void give(void *user, void *block, int64_t size)
{
    ((struct ledger *)user)->live -= size;
    free(block);
}

static void blocks_are_aligned_zeroed_and_apart(void)
{
    enum { N = 2000 };
    struct ledger ledger = { 0 };
    struct allocator a = { take, give, &ledger };
    static struct { uint8_t *at; size_t n; } blocks[N];
    struct arena arena;
    uint64_t seed = 3;

    pi_arena_init(&arena, &a);
    for (int i = 0; i < N; i++) {
        uint64_t r = check_random(&seed);
        size_t n = (size_t)(r >> 8) % (i % 50 ? 300 : 200000), zeros = 0;

        blocks[i].at = pi_arena_alloc(&arena, n, 1);
        blocks[i].n = n;
        CHECK(blocks[i].at != NULL);
        CHECK_INT((uintptr_t)blocks[i].at % (n >= 64 ? 64 : 16), 0);
        for (size_t j = 0; j < n; j++)
            zeros += blocks[i].at[j] == 0;
        CHECK_INT(zeros, n);
        memset(blocks[i].at, i & 0xFF, n);
    }
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < blocks[i].n; j++)
            if (blocks[i].at[j] != (i & 0xFF)) {
                CHECK_FAIL("block %d was overwritten", i);
                break;
            }
    CHECK_INT(arena.total, ledger.live);
    pi_arena_free(&arena);
    CHECK_INT(ledger.live, 0);
    CHECK_INT(arena.total, 0);
}

static void what_overflows_is_refused(void)
{
    struct ledger ledger = { 0 };
    struct allocator a = { take, give, &ledger };
    struct arena arena;

    pi_arena_init(&arena, &a);
    CHECK(pi_arena_alloc(&arena, SIZE_MAX, 2) == NULL);
    CHECK(pi_arena_alloc(&arena, (size_t)1 << 33, (size_t)1 << 33) == NULL);
    CHECK(pi_arena_alloc(&arena, SIZE_MAX, 1) == NULL);
    CHECK(pi_arena_alloc(&arena, SIZE_MAX - 63, 1) == NULL);
    CHECK(pi_arena_alloc(&arena, SIZE_MAX - 64, 1) == NULL);
    CHECK(pi_arena_text(&arena, "a", SIZE_MAX) == NULL);
    CHECK(pi_alloc(&a, SIZE_MAX) == NULL);
    CHECK(pi_alloc(&a, (size_t)INT64_MAX + 1) == NULL);
    CHECK(pi_alloc(&a, 0) == NULL);
    CHECK_INT(ledger.calls, 0);
    CHECK(pi_arena_alloc(&arena, 0, 8) != NULL);
    CHECK_STR(pi_arena_text(&arena, "text and more", 4), "text");
    CHECK_STR(pi_arena_text(&arena, NULL, 0), "");
    pi_arena_free(&arena);
    CHECK_INT(ledger.live, 0);
    pi_free(&a, NULL, 5);
    CHECK_INT(ledger.live, 0);
}

static void a_failing_allocator_leaves_the_arena_usable(void)
{
    struct ledger ledger = { .fail_at = 2 };
    struct allocator a = { take, give, &ledger };
    struct arena arena;

    pi_arena_init(&arena, &a);
    CHECK(pi_arena_alloc(&arena, 100000, 1) != NULL);
    CHECK(pi_arena_alloc(&arena, 100000, 1) == NULL);
    CHECK(pi_arena_alloc(&arena, 100000, 1) != NULL);
    pi_arena_free(&arena);
    pi_arena_free(&arena);
    CHECK_INT(ledger.live, 0);
}

/* Against the same in 128 bits, at every edge. */
static void sizes_are_checked(void)
{
    static const size_t edges[] = { 0, 1, 2, 3, 63, 64, 65, 0xFFFFFFFF, (size_t)1 << 32,
                                    ((size_t)1 << 32) + 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1,
                                    SIZE_MAX - 64, SIZE_MAX - 63, SIZE_MAX - 1, SIZE_MAX };
    for (size_t i = 0; i < PI_COUNT(edges); i++)
        for (size_t j = 0; j < PI_COUNT(edges); j++) {
            __extension__ unsigned __int128 product = edges[i], sum = edges[i];
            size_t out = 0;
            bool fits;

            product *= edges[j];
            sum += edges[j];
            fits = pi_mul_size(edges[i], edges[j], &out);
            CHECK(fits == (product <= SIZE_MAX) && (!fits || out == (size_t)product));
            fits = pi_add_size(edges[i], edges[j], &out);
            CHECK(fits == (sum <= SIZE_MAX) && (!fits || out == (size_t)sum));
        }
    for (size_t i = 0; i < PI_COUNT(edges); i++) {
        size_t out = 0;
        bool fits = pi_align_size(edges[i], 64, &out);

        CHECK(fits == (edges[i] <= SIZE_MAX - 63));
        CHECK(!fits || (out % 64 == 0 && out >= edges[i] && out - edges[i] < 64));
    }
}

/* Shares cover all items once, in order, whatever the number of workers. */
static void shares_cover_everything(void)
{
    for (int64_t count = 0; count < 200; count += 1 + count / 20)
        for (int64_t grain = 1; grain < 70; grain = grain * 2 + 1)
            for (int parts = 1; parts < 20; parts++) {
                int64_t at = 0, first, last;

                for (int part = 0; part < parts; part++) {
                    pi_split(count, grain, part, parts, &first, &last);
                    CHECK(first == at && last >= first);
                    CHECK(last == count || last % grain == 0);
                    at = last;
                }
                CHECK_INT(at, count);
            }
}

static void little_endian_from_any_address(void)
{
    uint8_t bytes[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 0x88 };

    CHECK_INT(pi_le16(bytes + 1), 0x0201);
    CHECK_INT(pi_le32(bytes + 1), 0x04030201);
    CHECK(pi_le64(bytes + 1) == 0x8807060504030201u);
    bytes[4] = 0xFF;
    CHECK(pi_le32(bytes + 1) == 0xFF030201u);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(blocks_are_aligned_zeroed_and_apart);
    RUN(what_overflows_is_refused);
    RUN(a_failing_allocator_leaves_the_arena_usable);
    RUN(sizes_are_checked);
    RUN(shares_cover_everything);
    RUN(little_endian_from_any_address);
    return CHECK_END();
}
