/* vocabs.h - small GGUF files with a vocabulary, made in memory, sound or broken on purpose.
 */
#ifndef VOCABS_H
#define VOCABS_H

#include "text/tokenizer.h"

#include "check.h"

struct spec { /* what the file says; NULL and negative numbers: no such key */
    const char *model, *pre;
    const char *const *tokens;
    int n_tokens, tokens_as; /* tokens_as: an enum meta_type other than META_STR breaks it */
    const char *types;       /* one digit per token */
    int n_types;
    const float *scores;
    int n_scores;
    const char *const *merges;
    int n_merges;
    int64_t bos, eos, unk;
    int add_bos, add_eos, add_space_prefix, lowercase;
    bool model_as_number, types_as_float, bos_as_text;
};

struct made {
    uint8_t *data;
    size_t n, capacity;
    uint64_t keys;
};

static inline void made_bytes(struct made *m, const void *bytes, size_t n)
{
    if (m->n + n > m->capacity) {
        m->capacity = (m->n + n) * 2 + 1024;
        m->data = realloc(m->data, m->capacity);
    }
    if (n)
        memcpy(m->data + m->n, bytes, n);
    m->n += n;
}

static inline void made_u32(struct made *m, uint32_t v) { made_bytes(m, &v, 4); }
static inline void made_u64(struct made *m, uint64_t v) { made_bytes(m, &v, 8); }

static inline void made_text(struct made *m, const char *z)
{
    made_u64(m, strlen(z));
    made_bytes(m, z, strlen(z));
}

static inline void made_key(struct made *m, const char *key, uint32_t type)
{
    char full[96] = "tokenizer.ggml.";

    strcat(full, key);
    made_text(m, full);
    made_u32(m, type);
    m->keys++;
}

static inline void made_array(struct made *m, const char *key, uint32_t type, uint64_t n)
{
    made_key(m, key, META_ARRAY);
    made_u32(m, type);
    made_u64(m, n);
}

static inline void made_id(struct made *m, const char *key, int64_t id)
{
    if (id == -1)
        return;
    made_key(m, key, META_I32);
    made_u32(m, (uint32_t)id);
}

static inline void made_flag(struct made *m, const char *key, int flag)
{
    uint8_t byte = flag > 0;

    if (flag < 0)
        return;
    made_key(m, key, META_BOOL);
    made_bytes(m, &byte, 1);
}

static inline void made_strings(struct made *m, const char *key, const char *const *z, int n)
{
    if (!z)
        return;
    made_array(m, key, META_STR, (uint64_t)n);
    for (int i = 0; i < n; i++)
        made_text(m, z[i]);
}

static inline void made_model(struct made *m, const struct spec *s)
{
    if (s->model_as_number) {
        made_id(m, "model", 7);
    } else if (s->model) {
        made_key(m, "model", META_STR);
        made_text(m, s->model);
    }
    if (s->pre) {
        made_key(m, "pre", META_STR);
        made_text(m, s->pre);
    }
}

static inline void made_lists(struct made *m, const struct spec *s)
{
    if (s->tokens_as == META_STR) {
        made_strings(m, "tokens", s->tokens, s->n_tokens);
    } else {
        made_array(m, "tokens", META_U32, 1);
        made_u32(m, 1);
    }
    if (s->types) {
        made_array(m, "token_type", s->types_as_float ? META_F32 : META_I32, (uint64_t)s->n_types);
        for (int i = 0; i < s->n_types; i++)
            made_u32(m, (uint32_t)(s->types[i] - '0'));
    }
    if (s->scores) {
        made_array(m, "scores", META_F32, (uint64_t)s->n_scores);
        made_bytes(m, s->scores, 4 * (size_t)s->n_scores);
    }
    made_strings(m, "merges", s->merges, s->n_merges);
}

/* The file; free its data. */
static inline struct made made_file(const struct spec *s)
{
    struct made m = { .data = NULL };

    made_bytes(&m, "GGUF", 4);
    made_u32(&m, 3);
    made_u64(&m, 0); /* tensors */
    made_u64(&m, 0); /* keys, counted below */
    made_model(&m, s);
    made_lists(&m, s);
    if (s->bos_as_text) {
        made_key(&m, "bos_token_id", META_STR);
        made_text(&m, "1");
    } else {
        made_id(&m, "bos_token_id", s->bos);
    }
    made_id(&m, "eos_token_id", s->eos);
    made_id(&m, "unknown_token_id", s->unk);
    made_flag(&m, "add_bos_token", s->add_bos);
    made_flag(&m, "add_eos_token", s->add_eos);
    made_flag(&m, "add_space_prefix", s->add_space_prefix);
    made_flag(&m, "normalizer.lowercase", s->lowercase);
    memcpy(m.data + 16, &m.keys, 8);
    return m;
}

/* A tokenizer with all that it lives in. */
struct opened {
    struct arena arena;
    struct weights weights;
    struct tokenizer *t;
    pith_error err;
};

static inline int opened_from(struct opened *o, const struct source *source,
                              const struct allocator *allocator)
{
    struct allocator none = { .alloc = NULL };
    int status;

    memset(o, 0, sizeof *o);
    pi_arena_init(&o->arena, allocator ? allocator : &none);
    status = pi_weights_open(&o->weights, &o->arena, source, &o->err);
    return status ? status : pi_tokenizer_open(&o->t, &o->arena, &o->weights, &o->err);
}

static inline int opened_memory(struct opened *o, const void *data, size_t n)
{
    struct source source = { .memory = data, .size = n, .fd = -1 };

    return opened_from(o, &source, NULL);
}

static inline void opened_close(struct opened *o)
{
    pi_weights_close(&o->weights);
    pi_arena_free(&o->arena);
}

#endif
