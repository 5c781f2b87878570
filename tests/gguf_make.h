/* gguf_make.h - writes GGUF files in memory, right ones and wrong ones.
 *
 *     struct gguf *g = gguf_new();
 *     gguf_u32(g, "a.key", 7);
 *     gguf_tensor(g, "a.tensor", 0, data, 2, 8, 4);
 *     g->version = 99;                        a lie
 *     gguf_find(g, "a.tensor")->offset = 1;   another
 *     uint8_t *file = gguf_write(g, &size);   malloc of exactly that size
 *     gguf_free(g);
 *
 * A key that is there already is replaced in place; gguf_again allows duplicates. Nothing here
 * knows the library: what it writes comes from the format's specification alone.
 */
#ifndef GGUF_MAKE_H
#define GGUF_MAKE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GGUF_TRUE 0x5EED5EED5EED5EEDu /* a count or offset that is to be right */

enum { GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STR,
       GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64 };

struct gguf_bytes {
    uint8_t *at;
    size_t n, capacity;
};

struct gguf_meta {
    struct gguf_bytes key, value; /* an array's value begins with its type and count */
    uint64_t key_length;          /* as written; GGUF_TRUE */
    uint32_t type;
};

struct gguf_tensor {
    struct gguf_bytes name;
    uint64_t name_length; /* as written; GGUF_TRUE */
    uint32_t dims, type;
    uint64_t ne[8], offset; /* GGUF_TRUE: behind the tensor before */
    struct gguf_bytes data;
};

struct gguf {
    uint8_t magic[4];
    uint32_t version;
    uint64_t n_tensors, n_metas; /* as written; GGUF_TRUE */
    uint64_t alignment;          /* of the data; general.alignment is a key like any other */
    bool again;                  /* keys are added, not replaced */
    struct gguf_meta *metas;
    struct gguf_tensor *tensors;
    size_t metas_n, tensors_n;
};

/* ---- bytes ---- */

static inline void gguf_put(struct gguf_bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->capacity) {
        b->capacity = (b->n + n) * 2 + 16;
        b->at = realloc(b->at, b->capacity);
    }
    if (n)
        memcpy(b->at + b->n, data, n);
    b->n += n;
}

static inline void gguf_put_int(struct gguf_bytes *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);

        gguf_put(b, &byte, 1);
    }
}

static inline void gguf_put_text(struct gguf_bytes *b, const char *text, size_t n)
{
    gguf_put_int(b, n, 8);
    gguf_put(b, text, n);
}

/* ---- the file as a list of keys and a list of tensors ---- */

static inline struct gguf *gguf_new(void)
{
    struct gguf *g = calloc(1, sizeof *g);

    memcpy(g->magic, "GGUF", 4);
    g->version = 3;
    g->n_tensors = g->n_metas = GGUF_TRUE;
    g->alignment = 32;
    return g;
}

static inline void gguf_free(struct gguf *g)
{
    for (size_t i = 0; i < g->metas_n; i++) {
        free(g->metas[i].key.at);
        free(g->metas[i].value.at);
    }
    for (size_t i = 0; i < g->tensors_n; i++) {
        free(g->tensors[i].name.at);
        free(g->tensors[i].data.at);
    }
    free(g->metas);
    free(g->tensors);
    free(g);
}

static inline struct gguf_meta *gguf_meta(struct gguf *g, const char *key)
{
    for (size_t i = 0; i < g->metas_n; i++)
        if (g->metas[i].key.n == strlen(key) && memcmp(g->metas[i].key.at, key, strlen(key)) == 0)
            return &g->metas[i];
    return NULL;
}

/* The key with that type and no value yet. */
static inline struct gguf_bytes *gguf_key(struct gguf *g, const char *key, uint32_t type)
{
    struct gguf_meta *m = g->again ? NULL : gguf_meta(g, key);

    if (!m) {
        g->metas = realloc(g->metas, (g->metas_n + 1) * sizeof *m);
        m = &g->metas[g->metas_n++];
        memset(m, 0, sizeof *m);
        gguf_put(&m->key, key, strlen(key));
        m->key_length = GGUF_TRUE;
    }
    m->type = type;
    m->value.n = 0;
    return &m->value;
}

static inline void gguf_drop(struct gguf *g, const char *key)
{
    struct gguf_meta *m = gguf_meta(g, key);

    if (!m)
        return;
    free(m->key.at);
    free(m->value.at);
    memmove(m, m + 1, (size_t)(g->metas + g->metas_n - m - 1) * sizeof *m);
    g->metas_n--;
}

static inline void gguf_int(struct gguf *g, const char *key, uint32_t type, uint64_t value)
{
    static const int bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    gguf_put_int(gguf_key(g, key, type), value, bytes[type]);
}

static inline void gguf_u32(struct gguf *g, const char *key, uint32_t value)
{
    gguf_int(g, key, GGUF_U32, value);
}

static inline void gguf_f32(struct gguf *g, const char *key, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    gguf_int(g, key, GGUF_F32, bits);
}

static inline void gguf_f64(struct gguf *g, const char *key, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    gguf_int(g, key, GGUF_F64, bits);
}

static inline void gguf_bool(struct gguf *g, const char *key, bool value)
{
    gguf_int(g, key, GGUF_BOOL, value);
}

static inline void gguf_str(struct gguf *g, const char *key, const char *value)
{
    gguf_put_text(gguf_key(g, key, GGUF_STR), value, strlen(value));
}

/* The head of an array; the caller puts the elements behind it. */
static inline struct gguf_bytes *gguf_array(struct gguf *g, const char *key, uint32_t type,
                                            uint64_t count)
{
    struct gguf_bytes *b = gguf_key(g, key, GGUF_ARRAY);

    gguf_put_int(b, type, 4);
    gguf_put_int(b, count, 8);
    return b;
}

static inline void gguf_strings(struct gguf *g, const char *key, int n, const char *const *texts)
{
    struct gguf_bytes *b = gguf_array(g, key, GGUF_STR, (uint64_t)n);

    for (int i = 0; i < n; i++)
        gguf_put_text(b, texts[i], strlen(texts[i]));
}

static inline struct gguf_tensor *gguf_find(struct gguf *g, const char *name)
{
    for (size_t i = 0; i < g->tensors_n; i++)
        if (g->tensors[i].name.n == strlen(name) &&
            memcmp(g->tensors[i].name.at, name, strlen(name)) == 0)
            return &g->tensors[i];
    return NULL;
}

static inline void gguf_drop_tensor(struct gguf *g, const char *name)
{
    struct gguf_tensor *t = gguf_find(g, name);

    if (!t)
        return;
    free(t->name.at);
    free(t->data.at);
    memmove(t, t + 1, (size_t)(g->tensors + g->tensors_n - t - 1) * sizeof *t);
    g->tensors_n--;
}

static inline struct gguf_tensor *gguf_add(struct gguf *g, const char *name, uint32_t type,
                                           const void *data, size_t bytes)
{
    struct gguf_tensor *t;

    g->tensors = realloc(g->tensors, (g->tensors_n + 1) * sizeof *t);
    t = &g->tensors[g->tensors_n++];
    memset(t, 0, sizeof *t);
    gguf_put(&t->name, name, strlen(name) + 1);
    t->name.n--; /* the NUL stays, for the debugger and for tests */
    gguf_put(&t->data, data, bytes);
    t->name_length = t->offset = GGUF_TRUE;
    t->type = type;
    return t;
}

/* ---- writing ---- */

static inline void gguf_write_head(const struct gguf *g, struct gguf_bytes *out)
{
    uint64_t at = 0;

    gguf_put(out, g->magic, 4);
    gguf_put_int(out, g->version, 4);
    gguf_put_int(out, g->n_tensors == GGUF_TRUE ? g->tensors_n : g->n_tensors, 8);
    gguf_put_int(out, g->n_metas == GGUF_TRUE ? g->metas_n : g->n_metas, 8);
    for (size_t i = 0; i < g->metas_n; i++) {
        const struct gguf_meta *m = &g->metas[i];

        gguf_put_int(out, m->key_length == GGUF_TRUE ? m->key.n : m->key_length, 8);
        gguf_put(out, m->key.at, m->key.n);
        gguf_put_int(out, m->type, 4);
        gguf_put(out, m->value.at, m->value.n);
    }
    for (size_t i = 0; i < g->tensors_n; i++) {
        const struct gguf_tensor *t = &g->tensors[i];

        gguf_put_int(out, t->name_length == GGUF_TRUE ? t->name.n : t->name_length, 8);
        gguf_put(out, t->name.at, t->name.n);
        gguf_put_int(out, t->dims, 4);
        for (uint32_t d = 0; d < t->dims && d < 8; d++)
            gguf_put_int(out, t->ne[d], 8);
        gguf_put_int(out, t->type, 4);
        gguf_put_int(out, t->offset == GGUF_TRUE ? at : t->offset, 8);
        at += (t->data.n + g->alignment - 1) / g->alignment * g->alignment;
    }
}

static inline uint8_t *gguf_write(const struct gguf *g, size_t *size)
{
    struct gguf_bytes out = { 0 };
    uint8_t zero = 0, *exact;

    gguf_write_head(g, &out);
    for (size_t i = 0; i < g->tensors_n; i++) {
        while (out.n % g->alignment)
            gguf_put(&out, &zero, 1);
        gguf_put(&out, g->tensors[i].data.at, g->tensors[i].data.n);
    }
    exact = malloc(out.n);
    memcpy(exact, out.at, out.n);
    free(out.at);
    *size = out.n;
    return exact;
}

/* ---- reading a file that is known to be right ---- */

static inline uint64_t gguf_take(const uint8_t **p, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(*p)[i] << 8 * i;
    *p += bytes;
    return value;
}

static inline size_t gguf_value_bytes(const uint8_t *p, uint32_t type)
{
    static const int bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    const uint8_t *start = p;
    uint64_t count = 1;

    if (type == GGUF_ARRAY) {
        type = (uint32_t)gguf_take(&p, 4);
        count = gguf_take(&p, 8);
    }
    for (uint64_t i = 0; i < count; i++)
        if (type == GGUF_STR) {
            uint64_t n = gguf_take(&p, 8);

            p += n;
        } else {
            p += bytes[type];
        }
    return (size_t)(p - start);
}

static inline struct gguf *gguf_parse(const uint8_t *file, size_t size)
{
    struct gguf *g = gguf_new();
    const uint8_t *p = file + 8, *data;
    uint64_t tensors = gguf_take(&p, 8), metas = gguf_take(&p, 8);

    g->again = true;
    for (uint64_t i = 0; i < metas; i++) {
        size_t n = (size_t)gguf_take(&p, 8), bytes;
        char key[256] = { 0 };
        uint32_t type;

        memcpy(key, p, n);
        p += n;
        type = (uint32_t)gguf_take(&p, 4);
        bytes = gguf_value_bytes(p, type);
        gguf_put(gguf_key(g, key, type), p, bytes);
        p += bytes;
    }
    g->again = false;
    for (uint64_t i = 0; i < tensors; i++) {
        size_t n = (size_t)gguf_take(&p, 8);
        char name[256] = { 0 };
        struct gguf_tensor *t;

        memcpy(name, p, n);
        p += n;
        t = gguf_add(g, name, 0, NULL, 0);
        t->dims = (uint32_t)gguf_take(&p, 4);
        for (uint32_t d = 0; d < t->dims; d++)
            t->ne[d] = gguf_take(&p, 8);
        t->type = (uint32_t)gguf_take(&p, 4);
        t->offset = gguf_take(&p, 8);
    }
    data = file + (size_t)(p - file + 31) / 32 * 32;
    /* Tensors lie in the order of the list in the files of tests/golden. */
    for (size_t i = 0; i < g->tensors_n; i++) {
        size_t at = (size_t)g->tensors[i].offset;
        size_t end = i + 1 < g->tensors_n ? (size_t)g->tensors[i + 1].offset
                                          : size - (size_t)(data - file);

        gguf_put(&g->tensors[i].data, data + at, end - at);
    }
    for (size_t i = 0; i < g->tensors_n; i++)
        g->tensors[i].offset = GGUF_TRUE;
    return g;
}

#endif
