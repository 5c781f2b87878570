/* weights.c - finding tensors and typed metadata in an open file. See weights.h.
 */
#include "weights.h"

static void sift_down(const struct tensor **heap, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        const struct tensor *moved = heap[root];

        if (child >= n)
            return;
        if (child + 1 < n && heap[child + 1]->data > heap[child]->data)
            child++;
        if (moved->data >= heap[child]->data)
            return;
        heap[root] = heap[child];
        heap[child] = moved;
        root = child;
    }
}

int pi_tensors_by_place(const struct tensor ***out, const struct tensor *tensors, int64_t count,
                        struct arena *arena, pith_error *err)
{
    size_t n = (size_t)count;
    const struct tensor **order = pi_arena_alloc(arena, n, sizeof *order);

    if (!order)
        return pi_no_memory(err, "the tensor order", n * sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = &tensors[i];
    for (size_t i = n / 2; i-- > 0;)
        sift_down(order, i, n);
    for (size_t i = n; i-- > 1;) {
        const struct tensor *last = order[0];

        order[0] = order[i];
        order[i] = last;
        sift_down(order, 0, i);
    }
    *out = order;
    return PITH_OK;
}

int pi_weights_index(struct weights *w, struct arena *arena, pith_error *err)
{
    TRY(pi_map_init(&w->by_name, arena, (size_t)w->n_tensors, err));
    for (int64_t i = 0; i < w->n_tensors; i++)
        if (!pi_map_add(&w->by_name, w->tensors[i].name, i))
            return pi_fail(err, PITH_E_FORMAT, "tensor %.*s appears twice",
                           (int)pi_min_size(w->tensors[i].name.n, 80), w->tensors[i].name.at);
    return PITH_OK;
}

bool pi_weights_hold(const struct weights *w, const char *path)
{
    bool held = false;

    for (int i = 0; i < w->n_files; i++)
        held = held || pi_mmap_is(&w->files[i], path);
    return held;
}

const struct tensor *pi_weights_find(const struct weights *w, struct str name)
{
    int64_t i = pi_map_find(&w->by_name, name);

    return i < 0 ? NULL : &w->tensors[i];
}

const struct meta *pi_meta_find(const struct weights *w, struct str key)
{
    int64_t i = pi_map_find(&w->by_key, key);

    return i < 0 || w->metas[i].type == META_TYPES ? NULL : &w->metas[i];
}

bool pi_meta_is_null(const struct weights *w, struct str key)
{
    return pi_map_find(&w->by_key, key) >= 0 && !pi_meta_find(w, key);
}

static int wrong_type(const struct meta *m, const char *expected, pith_error *err)
{
    return pi_fail(err, PITH_E_FORMAT, "key %.*s is %s%s, expected %s",
                   (int)pi_min_size(m->key.n, 80), m->key.at, m->is_array ? "an array of " : "",
                   pi_meta_type_name(m->type), expected);
}

/* An integer or bool; false for other types and for u64 values beyond int64. */
static bool read_integer(const struct meta *m, uint64_t i, int64_t *out)
{
    uint64_t raw;

    switch (m->type) {
    case META_U8: case META_BOOL: *out = m->at[i]; return true;
    case META_I8: *out = (int8_t)m->at[i]; return true;
    case META_U16: *out = pi_le16(m->at + 2 * i); return true;
    case META_I16: *out = (int16_t)pi_le16(m->at + 2 * i); return true;
    case META_U32: *out = pi_le32(m->at + 4 * i); return true;
    case META_I32: *out = (int32_t)pi_le32(m->at + 4 * i); return true;
    case META_U64: case META_I64:
        raw = pi_le64(m->at + 8 * i);
        *out = (int64_t)raw;
        return m->type == META_I64 || raw <= INT64_MAX;
    case META_F32: case META_F64: case META_STR: case META_ARRAY: case META_TYPES: break;
    }
    return false;
}

double pi_meta_number(const struct meta *m, uint64_t i)
{
    int64_t integer;
    uint64_t bits;
    double value;

    if (m->type == META_F32)
        return (double)pi_f32_from_bits(pi_le32(m->at + 4 * i));
    if (m->type == META_F64) {
        bits = pi_le64(m->at + 8 * i);
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (m->type == META_U64)
        return (double)pi_le64(m->at + 8 * i);
    return read_integer(m, i, &integer) ? (double)integer : 0;
}

int pi_meta_i64(const struct weights *w, const char *key, int64_t *out, bool *found,
                pith_error *err)
{
    const struct meta *m = pi_meta_find(w, pi_str(key));

    *found = m != NULL;
    if (!m)
        return PITH_OK;
    return !m->is_array && read_integer(m, 0, out) ? PITH_OK : wrong_type(m, "an integer", err);
}

int pi_meta_f64(const struct weights *w, const char *key, double *out, bool *found,
                pith_error *err)
{
    const struct meta *m = pi_meta_find(w, pi_str(key));

    *found = m != NULL;
    if (!m)
        return PITH_OK;
    if (m->is_array || m->type == META_STR)
        return wrong_type(m, "a number", err);
    *out = pi_meta_number(m, 0);
    return PITH_OK;
}

int pi_meta_str(const struct weights *w, const char *key, struct str *out, bool *found,
                pith_error *err)
{
    const struct meta *m = pi_meta_find(w, pi_str(key));
    const uint8_t *cursor;

    *found = m != NULL;
    if (!m)
        return PITH_OK;
    if (m->is_array || m->type != META_STR)
        return wrong_type(m, "a string", err);
    cursor = m->at;
    *out = pi_meta_next_str(&cursor);
    return PITH_OK;
}

int pi_meta_array(const struct weights *w, const char *key, enum meta_type type,
                  const struct meta **out, pith_error *err)
{
    const struct meta *m = pi_meta_find(w, pi_str(key));

    *out = NULL;
    if (!m)
        return PITH_OK;
    if (!m->is_array || m->type != type) {
        char expected[32] = "an array of ";

        strncat(expected, pi_meta_type_name(type), 16);
        return wrong_type(m, expected, err);
    }
    *out = m;
    return PITH_OK;
}

struct str pi_meta_next_str(const uint8_t **cursor)
{
    size_t n = (size_t)pi_le64(*cursor);
    struct str s = { (const char *)*cursor + 8, n };

    *cursor += 8 + n;
    return s;
}
