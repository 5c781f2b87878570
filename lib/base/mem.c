/* mem.c - the only file that names malloc. See mem.h.
 */
#include "mem.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 * 1024) /* what an arena asks for when little is needed */

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* bytes, this header included */
};

/* Large enough for the header and a whole number of cache lines. */
#define HEADER_BYTES ((size_t)PI_CACHE_LINE)
_Static_assert(sizeof(struct arena_chunk) <= PI_CACHE_LINE, "the header fits its line");

void *pi_alloc(const struct allocator *a, size_t size)
{
    void *block = NULL;

    if (size == 0 || size > INT64_MAX)
        return NULL;
    if (a->alloc)
        return a->alloc(a->user, (int64_t)size);
    return posix_memalign(&block, PI_CACHE_LINE, size) == 0 ? block : NULL;
}

void pi_free(const struct allocator *a, void *block, size_t size)
{
    if (!block)
        return;
    if (a->alloc)
        a->free(a->user, block, (int64_t)size);
    else
        free(block);
}

void pi_arena_init(struct arena *arena, const struct allocator *allocator)
{
    *arena = (struct arena){ .allocator = *allocator };
}

static struct arena_chunk *new_chunk(struct arena *arena, size_t bytes)
{
    struct arena_chunk *chunk;
    size_t size;

    if (!pi_add_size(bytes, HEADER_BYTES, &size))
        return NULL;
    if (size < CHUNK_BYTES)
        size = CHUNK_BYTES;
    chunk = pi_alloc(&arena->allocator, size);
    if (!chunk)
        return NULL;
    *chunk = (struct arena_chunk){ .next = arena->chunks, .size = size, .used = HEADER_BYTES };
    arena->chunks = chunk;
    arena->total += size;
    return chunk;
}

void *pi_arena_alloc(struct arena *arena, size_t count, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    size_t bytes, align, at = 0;
    uint8_t *block;

    if (!pi_mul_size(count, size, &bytes))
        return NULL;
    align = bytes >= PI_CACHE_LINE ? PI_CACHE_LINE : 16;
    if (chunk)
        at = (chunk->used + align - 1) & ~(align - 1);
    if (!chunk || at > chunk->size || bytes > chunk->size - at) {
        chunk = new_chunk(arena, bytes);
        if (!chunk)
            return NULL;
        at = chunk->used;
    }
    block = (uint8_t *)chunk + at;
    chunk->used = at + bytes;
    memset(block, 0, bytes);
    return block;
}

char *pi_arena_text(struct arena *arena, const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? pi_arena_alloc(arena, n + 1, 1) : NULL;

    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}

void pi_arena_free(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk) {
        struct arena_chunk *next = chunk->next;

        pi_free(&arena->allocator, chunk, chunk->size);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->total = 0;
}

int pi_no_memory(pith_error *err, const char *what, size_t bytes)
{
    return pi_fail(err, PITH_E_MEMORY, "out of memory: %s needs %zu bytes", what, bytes);
}
