/* mem.h - the caller's allocator, and arenas: everything one object owns, freed by one call.
 *
 * malloc and free stand in mem.c and nowhere else in pith.
 */
#ifndef PI_MEM_H
#define PI_MEM_H

#include "base.h"

struct allocator {
    pith_alloc_fn *alloc; /* NULL: the C library's */
    pith_free_fn *free;
    void *user;
};

/* A block aligned to PI_CACHE_LINE, contents unspecified; NULL when memory is out or size is 0. */
void *pi_alloc(const struct allocator *a, size_t size);

/* Gives a block of pi_alloc back; size as asked for; NULL is fine. */
void pi_free(const struct allocator *a, void *block, size_t size);

struct arena {
    struct allocator allocator;
    struct arena_chunk *chunks; /* newest first */
    size_t total;               /* bytes taken from the allocator */
};

void pi_arena_init(struct arena *arena, const struct allocator *allocator);

/* count * size zeroed bytes, aligned to PI_CACHE_LINE if that is asked of at least that many
 * bytes and to 16 otherwise. NULL when memory is out or the product overflows; a request of
 * zero bytes gives a valid pointer. */
void *pi_arena_alloc(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of n bytes; NULL when memory is out. */
char *pi_arena_text(struct arena *arena, const char *text, size_t n);

/* Frees all that the arena gave out. */
void pi_arena_free(struct arena *arena);

/* PITH_E_MEMORY, naming what the memory was for. */
int pi_no_memory(pith_error *err, const char *what, size_t bytes);

#endif
