/* fuzz.h - what the fuzz targets share: their entry, a counting allocator, a way to give up.
 *
 * A target takes bytes and must return: a signal, a hang, a leak, memory beyond a bound or a broken
 * promise of the library is a find. With FUZZ_ENGINE a target is LLVMFuzzerTestOneInput, one per
 * program; otherwise all of them go into the driver.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pith.h"

#ifdef FUZZ_ENGINE
#define FUZZ_TARGET(name)                                               \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);       \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define FUZZ_TARGET(name)                                               \
    int fuzz_##name(const uint8_t *data, size_t size);                  \
    int fuzz_##name(const uint8_t *data, size_t size)
#endif

#define FUZZ_MOST ((int64_t)64 << 20) /* bytes that no input of these sizes may make pith ask for */

/* A promise is broken. */
#define FUZZ_CHECK(condition)                                                           \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition);    \
            abort();                                                                    \
        }                                                                               \
    } while (0)

struct fuzz_memory {
    int64_t live, peak;
};

static inline void *fuzz_alloc(void *user, int64_t size)
{
    struct fuzz_memory *m = user;
    void *block = NULL;

    FUZZ_CHECK(size > 0);
    if (m->live + size > FUZZ_MOST)
        fprintf(stderr, "%lld bytes are asked for, %lld are live\n", (long long)size,
                (long long)m->live);
    FUZZ_CHECK(m->live + size <= FUZZ_MOST);
    if (posix_memalign(&block, 64, (size_t)size) != 0)
        return NULL;
    m->live += size;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return block;
}

static inline void fuzz_free(void *user, void *block, int64_t size)
{
    ((struct fuzz_memory *)user)->live -= size;
    free(block);
}

/* Every failure has a code and a text of its own. */
static inline void fuzz_status(int32_t status, pith_error *e)
{
    if (status != PITH_OK && status != PITH_END) {
        FUZZ_CHECK(strcmp(pith_status_name(status), "unknown") != 0);
        FUZZ_CHECK(e->code == status && e->text[0] && memchr(e->text, 0, sizeof e->text));
    }
    *e = (pith_error){ 0 };
}

#endif
