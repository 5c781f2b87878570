/* save.c - writes GGUF, version 3, little-endian on any machine. See save.h.
 *
 * Source: the GGUF specification (ggml docs/gguf.md). gguf.c reads what this writes.
 */
#include "save.h"

#define SAVE_MAGIC "GGUF"

enum { SAVE_VERSION = 3, SAVE_ALIGNMENT = 32 };

static int put_u32(struct save *s, uint32_t value, pith_error *err)
{
    uint8_t bytes[4];

    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return pi_output_write(&s->output, bytes, sizeof bytes, err);
}

static int put_u64(struct save *s, uint64_t value, pith_error *err)
{
    TRY(put_u32(s, (uint32_t)value, err));
    return put_u32(s, (uint32_t)(value >> 32), err);
}

static int put_str(struct save *s, struct str text, pith_error *err)
{
    TRY(put_u64(s, text.n, err));
    return pi_output_write(&s->output, text.at, text.n, err);
}

/* Zeros up to the next multiple of the alignment. */
static int put_padding(struct save *s, pith_error *err)
{
    static const uint8_t zeros[64];
    size_t n = (size_t)-(int64_t)s->output.written & (s->alignment - 1);

    for (; n > 0; n -= pi_min_size(n, sizeof zeros))
        TRY(pi_output_write(&s->output, zeros, pi_min_size(n, sizeof zeros), err));
    return PITH_OK;
}

static int put_meta(struct save *s, const struct meta *m, pith_error *err)
{
    TRY(put_str(s, m->key, err));
    if (m->is_array) {
        TRY(put_u32(s, META_ARRAY, err));
        TRY(put_u32(s, m->type, err));
        TRY(put_u64(s, m->count, err));
    } else {
        TRY(put_u32(s, m->type, err));
    }
    return pi_output_write(&s->output, m->at, (size_t)(m->end - m->at), err);
}

/* The edit of that key, or NULL. */
static const struct meta *find_edit(const struct meta *edits, int n_edits, struct str key)
{
    for (int i = 0; i < n_edits; i++)
        if (pi_str_equal(edits[i].key, key))
            return &edits[i];
    return NULL;
}

/* All metadata, or its count alone if s is NULL: what is replaced stays in its place. */
static int put_metas(struct save *s, const struct weights *from, const struct meta *edits,
                     int n_edits, uint64_t *count, pith_error *err)
{
    *count = 0;
    for (int64_t i = 0; i < from->n_metas; i++) {
        const struct meta *m = &from->metas[i], *edit = find_edit(edits, n_edits, m->key);

        if (pi_str_starts(m->key, STR("split.")))
            continue;
        ++*count;
        if (s)
            TRY(put_meta(s, edit ? edit : m, err));
    }
    for (int i = 0; i < n_edits; i++) {
        if (pi_meta_find(from, edits[i].key))
            continue;
        ++*count;
        if (s)
            TRY(put_meta(s, &edits[i], err));
    }
    return PITH_OK;
}

static int put_tensors(struct save *s, pith_error *err)
{
    uint64_t offset = 0;

    for (int64_t i = 0; i < s->n_tensors; i++) {
        const struct tensor *t = &s->tensors[i];

        TRY(put_str(s, t->name, err));
        TRY(put_u32(s, (uint32_t)t->dims, err));
        for (int j = 0; j < t->dims; j++)
            TRY(put_u64(s, (uint64_t)t->ne[j], err));
        TRY(put_u32(s, t->dtype, err));
        TRY(put_u64(s, offset, err));
        offset += t->bytes;
        offset += (uint64_t)-(int64_t)offset & (s->alignment - 1);
    }
    return put_padding(s, err);
}

static int put_header(struct save *s, const struct weights *from, const struct meta *edits,
                      int n_edits, pith_error *err)
{
    uint64_t count;

    TRY(put_metas(NULL, from, edits, n_edits, &count, err));
    TRY(pi_output_write(&s->output, SAVE_MAGIC, sizeof SAVE_MAGIC - 1, err));
    TRY(put_u32(s, SAVE_VERSION, err));
    TRY(put_u64(s, (uint64_t)s->n_tensors, err));
    TRY(put_u64(s, count, err));
    TRY(put_metas(s, from, edits, n_edits, &count, err));
    return put_tensors(s, err);
}

int pi_save_begin(struct save *s, const char *path, const struct weights *from,
                  const struct meta *edits, int n_edits, const struct tensor *tensors,
                  int64_t n_tensors, const struct allocator *allocator, pith_error *err)
{
    int64_t alignment = SAVE_ALIGNMENT;
    bool found;
    int status;

    *s = (struct save){ .tensors = tensors, .n_tensors = n_tensors };
    TRY(pi_meta_i64(from, "general.alignment", &alignment, &found, err));
    s->alignment = (size_t)alignment;
    s->left = n_tensors > 0 ? tensors[0].bytes : 0;
    TRY(pi_output_open(&s->output, path, STR(SAVE_MAGIC), allocator, err));
    status = put_header(s, from, edits, n_edits, err);
    if (status != PITH_OK)
        pi_save_cancel(s);
    return status;
}

int pi_save_bytes(struct save *s, const void *bytes, size_t n, pith_error *err)
{
    if (s->next >= s->n_tensors || n > s->left)
        return pi_fail(err, PITH_E_STATE, "%zu bytes are given, tensor %lld lacks %zu", n,
                       (long long)s->next, s->left);
    TRY(pi_output_write(&s->output, bytes, n, err));
    s->left -= n;
    if (s->left > 0)
        return PITH_OK;
    if (++s->next < s->n_tensors)
        s->left = s->tensors[s->next].bytes;
    return put_padding(s, err);
}

int pi_save_end(struct save *s, pith_error *err)
{
    if (s->next < s->n_tensors) {
        pi_save_cancel(s);
        return pi_fail(err, PITH_E_STATE, "tensor %lld of %lld lacks %zu bytes",
                       (long long)s->next, (long long)s->n_tensors, s->left);
    }
    return pi_output_commit(&s->output, err);
}

void pi_save_cancel(struct save *s)
{
    pi_output_discard(&s->output);
}
