/* scratch.h - a folder of a test's own, and files opened as the library sees them.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "check.h"
#include "file/weights.h"

#include <dirent.h>

static char scratch[64];
static pith_error err;

/* False if no folder can be made. */
static inline bool scratch_make(void)
{
    strcpy(scratch, "/tmp/pith-test-XXXXXX");
    return mkdtemp(scratch) != NULL;
}

/* A path in the folder; the last eight asked for stay valid. */
static inline const char *inside(const char *name)
{
    static char paths[8][256];
    static int next;

    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", scratch, name);
    return paths[next];
}

static inline int files_inside(void)
{
    DIR *dir = opendir(scratch);
    int n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 2; /* . and .. */
}

static inline void write_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
}

/* Both files hold the same bytes, and some. */
static inline void check_same_bytes(const char *path, const char *other)
{
    size_t n, m;
    uint8_t *a = check_read(path, &n), *b = check_read(other, &m);

    CHECK(a && b && n > 0 && n == m && memcmp(a, b, n) == 0);
    free(a);
    free(b);
}

/* A file's metadata and tensors, mapped. */
struct opened {
    struct arena arena;
    struct weights w;
};

static inline bool open_file(struct opened *o, const char *path)
{
    static const struct allocator plain;
    struct source source = { .path = path };

    pi_arena_init(&o->arena, &plain);
    if (pi_weights_open(&o->w, &o->arena, &source, &err) == PITH_OK)
        return true;
    CHECK_FAIL("%s", err.text);
    return false;
}

static inline void close_file(struct opened *o)
{
    pi_weights_close(&o->w);
    pi_arena_free(&o->arena);
}

static inline int64_t elements(const struct tensor *t)
{
    return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
}

#endif
