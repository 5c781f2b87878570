/* metas.c - see metas.h. Values are laid out as GGUF has them, so save.c writes them as they are.
 */
#include "metas.h"

static int64_t find_key_row(const struct metas *m, struct str key)
{
    for (int64_t i = 0; i < m->n; i++)
        if (pi_str_equal(m->rows[i].key, key))
            return i;
    return -1;
}

static int grow_rows(struct metas *m, pith_error *err)
{
    int64_t capacity = m->capacity ? 2 * m->capacity : 64;
    struct meta *rows = pi_arena_alloc(m->arena, (size_t)capacity, sizeof *rows);

    if (!rows)
        return pi_no_memory(err, "the metadata", (size_t)capacity * sizeof *rows);
    if (m->n)
        memcpy(rows, m->rows, (size_t)m->n * sizeof *rows);
    m->rows = rows;
    m->capacity = capacity;
    return PITH_OK;
}

/* Room for the value's `bytes`, into *at. */
static int add_row(struct metas *m, const char *key, enum meta_type type, bool is_array,
                   size_t count, size_t bytes, uint8_t **at, pith_error *err)
{
    struct str name = pi_str(key);
    int64_t i = find_key_row(m, name);

    if (i < 0 && m->n == m->capacity)
        TRY(grow_rows(m, err));
    name.at = pi_arena_text(m->arena, name.at, name.n);
    *at = pi_arena_alloc(m->arena, bytes, 1);
    if (!name.at || !*at)
        return pi_no_memory(err, key, bytes);
    if (i < 0)
        i = m->n++;
    m->rows[i] = (struct meta){ .key = name, .type = type, .is_array = is_array, .count = count,
                                .at = *at, .end = *at + bytes };
    return PITH_OK;
}

static void put_le(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

int pi_metas_u32(struct metas *m, const char *key, uint32_t value, pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_U32, false, 1, 4, &at, err));
    put_le(at, value, 4);
    return PITH_OK;
}

int pi_metas_f32(struct metas *m, const char *key, float value, pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_F32, false, 1, 4, &at, err));
    put_le(at, bits_of(value), 4);
    return PITH_OK;
}

int pi_metas_bool(struct metas *m, const char *key, bool value, pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_BOOL, false, 1, 1, &at, err));
    *at = value;
    return PITH_OK;
}

static uint8_t *put_text(uint8_t *at, struct str value)
{
    put_le(at, value.n, 8);
    if (value.n)
        memcpy(at + 8, value.at, value.n);
    return at + 8 + value.n;
}

int pi_metas_str(struct metas *m, const char *key, struct str value, pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_STR, false, 1, 8 + value.n, &at, err));
    put_text(at, value);
    return PITH_OK;
}

int pi_metas_strs(struct metas *m, const char *key, const struct str *values, size_t n,
                  pith_error *err)
{
    size_t bytes = 0;
    uint8_t *at;

    for (size_t i = 0; i < n; i++)
        bytes += 8 + values[i].n; /* they are in memory */
    TRY(add_row(m, key, META_STR, true, n, bytes, &at, err));
    for (size_t i = 0; i < n; i++)
        at = put_text(at, values[i]);
    return PITH_OK;
}

int pi_metas_i32s(struct metas *m, const char *key, const int32_t *values, size_t n,
                  pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_I32, true, n, 4 * n, &at, err));
    for (size_t i = 0; i < n; i++)
        put_le(at + 4 * i, (uint32_t)values[i], 4);
    return PITH_OK;
}

int pi_metas_f32s(struct metas *m, const char *key, const float *values, size_t n,
                  pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_F32, true, n, 4 * n, &at, err));
    for (size_t i = 0; i < n; i++)
        put_le(at + 4 * i, bits_of(values[i]), 4);
    return PITH_OK;
}

int pi_metas_u8s(struct metas *m, const char *key, const uint8_t *values, size_t n,
                 pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_U8, true, n, n, &at, err));
    if (n)
        memcpy(at, values, n);
    return PITH_OK;
}

int pi_metas_bools(struct metas *m, const char *key, const bool *values, size_t n,
                   pith_error *err)
{
    uint8_t *at;

    TRY(add_row(m, key, META_BOOL, true, n, n, &at, err));
    for (size_t i = 0; i < n; i++)
        at[i] = values[i];
    return PITH_OK;
}

void pi_metas_remove(struct metas *m, const char *key)
{
    int64_t i = find_key_row(m, pi_str(key));

    if (i < 0)
        return;
    for (m->n--; i < m->n; i++)
        m->rows[i] = m->rows[i + 1];
}

int pi_metas_view(struct weights *w, const struct metas *m, struct tensor *tensors,
                  int64_t n_tensors, pith_error *err)
{
    *w = (struct weights){ .tensors = tensors, .n_tensors = n_tensors, .metas = m->rows,
                           .n_metas = m->n, .version = 3 };
    TRY(pi_map_init(&w->by_key, m->arena, (size_t)m->n, err));
    for (int64_t i = 0; i < m->n; i++)
        pi_map_add(&w->by_key, m->rows[i].key, i);
    return pi_weights_index(w, m->arena, err);
}
