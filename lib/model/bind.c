/* bind.c - weight rows -> tensors, complete both ways: every required row finds its tensor with
 * the expected shape, and every tensor of the file is claimed by a row.
 *
 * Weights stay where they lie. Only short vectors that are not aligned float32, and what a Hugging
 * Face folder stores in another form (enum fix), get a copy.
 */
#include "model.h"

#include <math.h>

enum {
    NAME_BYTES = PI_NAME_BYTES,
    SHAPE_TEXT = PI_SHAPE_TEXT,
};

struct binder {
    const struct arch *arch;
    const char *beside; /* see pi_bind */
    const struct numbers *numbers;
    const struct weights *w;
    const struct kernels *kernels;
    struct arena *arena;
    bool *claimed; /* [tensors] */
    struct bound *bounds;
    struct stored *stored; /* beside bounds; NULL: what lies otherwise is copied */
    int n_bounds;
    pith_error *err;
};

/* Whether the pattern names one slice. */
static bool has_slices(struct str pattern)
{
    for (size_t i = 1; i < pattern.n; i++)
        if (pattern.at[i - 1] == '%' && pattern.at[i] == 'e')
            return true;
    return false;
}

/* The first alternative that the file has; behind each prefix, then alone. *sliced: it is one
 * slice of the weight. */
static const struct tensor *find_tensor(struct binder *b, const struct weight *row, int layer,
                                        int64_t slice, bool *sliced)
{
    struct str rest = pi_str(pi_weight_pattern(row, b->w->hf)), pattern;
    const struct tensor *t = NULL;
    char name[NAME_BYTES];

    for (int i = 0; !t && pi_str_cut(&rest, '|', &pattern); i++) {
        struct str prefixes = pi_str(b->w->hf ? pi_arch_prefix(b->arch) : ""), prefix;

        if (b->stored)
            b->stored[b->n_bounds].alternative = i;

        while (!t && pi_str_cut(&prefixes, '|', &prefix))
            t = pi_weights_find(b->w, pi_tensor_name(prefix, pattern, layer, slice, name));
        if (!t)
            t = pi_weights_find(b->w, pi_tensor_name(STR(""), pattern, layer, slice, name));
    }
    *sliced = t && has_slices(pattern);
    return t;
}

/* The row's own shape; returns its dimensions, or a status below 0. */
static int row_shape(const struct binder *b, const struct weight *row, int layer,
                     int64_t shape[PI_MAX_DIMS])
{
    struct str rest = pi_str(row->shape), text;
    int dims = 0;

    for (; dims < PI_MAX_DIMS && pi_str_cut(&rest, ',', &text); dims++)
        TRY(pi_numbers_count(b->numbers, text, layer, 1, &shape[dims], b->err));
    return dims;
}

static void swap(int64_t *a, int64_t *b)
{
    int64_t t = *a;

    *a = *b;
    *b = t;
}

static int64_t count_values(const struct tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < PI_MAX_DIMS; i++)
        n *= t->ne[i]; /* at most a few times its bytes */
    return n;
}

/* Whether the tensor is not fused: it has the very shape of a row that may be a slice of one. */
static bool is_alone(const struct weight *row, const struct tensor *t, const int64_t *shape,
                     int dims, bool sliced)
{
    if (!row->whole || row->fix == FIX_TRANSPOSE)
        return false;
    if (dims == 1 && !sliced)
        return count_values(t) == shape[0]; /* a vector lies the same way in any shape */
    if (dims - sliced != t->dims)
        return false;
    for (int i = sliced; i < dims; i++)
        if (t->ne[dims - 1 - i] != shape[i])
            return false;
    return true;
}

static bool is_mxfp4(const struct binder *b, const struct weight *row, const struct tensor *t)
{
    return b->w->hf && row->fix == FIX_PACKED && t->dtype == DTYPE_I8;
}

/* Whether the values of the tensor, of `whole` rows, are stored [inputs][outputs]. Packed ones may
 * be either way; where that does not show, they are. */
static bool is_turned(const struct binder *b, const struct weight *row, const struct tensor *t,
                      int64_t whole, int64_t cols)
{
    if (!b->w->hf || is_mxfp4(b, row, t))
        return false;
    return row->fix == FIX_TRANSPOSE ||
           (row->fix == FIX_PACKED && (whole == cols || t->ne[0] != cols || t->ne[1] != whole));
}

/* Compares the tensor's shape with the row's: of the whole, if the tensor is fused, and of one
 * slice, if each lies by itself. Slices may be stored as one long matrix. */
static int check_shape(const struct binder *b, const struct weight *row, const struct tensor *t,
                       int layer, const int64_t *shape, int dims, bool sliced)
{
    int64_t found[PI_MAX_DIMS], expected[PI_MAX_DIMS];
    char a[SHAPE_TEXT], e[SHAPE_TEXT];
    bool packed = is_mxfp4(b, row, t);
    int have = t->dims;

    memcpy(expected, shape, PI_MAX_DIMS * sizeof *shape);
    if (is_alone(row, t, shape, dims, sliced))
        return PITH_OK;
    if (row->fix == FIX_CUT_TRANSPOSE)
        swap(&expected[dims - 1], &expected[dims - 2]);
    if (row->whole)
        TRY(pi_numbers_count(b->numbers, pi_str(row->whole), layer, 1, &expected[dims > 2],
                             b->err));
    if (dims > 1 && is_turned(b, row, t, expected[dims - 2], expected[dims - 1]))
        swap(&expected[dims - 1], &expected[dims - 2]);
    if (sliced)
        memmove(expected, expected + 1, (size_t)--dims * sizeof *expected);
    if (dims == 3 && t->dims == 2 && expected[0] <= INT64_MAX / expected[1]) {
        expected[0] *= expected[1];
        expected[1] = expected[2];
        dims = 2;
    }
    if (packed) {
        expected[dims - 1] /= PI_MXFP4_VALUES;
        expected[dims++] = PI_MXFP4_VALUES / 2;
    }
    if (dims == 1 && count_values(t) == expected[0])
        return PITH_OK; /* a vector lies the same way in any shape */
    for (int i = 0; i < have; i++)
        found[i] = t->ne[have - 1 - i];
    if (pi_same_shape(found, have, expected, dims))
        return PITH_OK;
    return pi_fail(b->err, PITH_E_FORMAT, "%.*s is %s, expected %s = %s",
                   (int)pi_min_size(t->name.n, 80), t->name.at, pi_shape_text(found, have, a),
                   row->shape, pi_shape_text(expected, dims, e));
}

static bool changes_values(const struct binder *b, const struct weight *row)
{
    return b->w->hf && (row->fix == FIX_ADD_ONE || row->fix == FIX_NEG_EXP ||
                        row->fix == FIX_SOFTPLUS);
}

static float fixed(float x, enum fix fix)
{
    return fix == FIX_ADD_ONE ? 1 + x : fix == FIX_NEG_EXP ? -expf(x)
         : fix == FIX_SOFTPLUS ? log1pf(expf(x)) : x;
}

/* Vectors are read as float *, so one that is stored otherwise is copied: kilobytes a model. */
static int bind_vector(const struct binder *b, struct matrix *m, enum fix fix)
{
    float *copy;
    int64_t n = m->rows * m->cols;

    if (m->dtype == DTYPE_F32 && (uintptr_t)m->data % sizeof(float) == 0 && !fix)
        return PITH_OK;
    if (!b->kernels->unpack[m->dtype])
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       m->name, pi_dtype(m->dtype).name);
    copy = pi_arena_alloc(b->arena, (size_t)n, sizeof *copy);
    if (!copy)
        return pi_no_memory(b->err, m->name, (size_t)n * sizeof *copy);
    b->kernels->unpack[m->dtype](copy, m->data, n);
    for (int64_t i = 0; fix && i < n; i++)
        copy[i] = fixed(copy[i], fix);
    m->data = (const uint8_t *)copy;
    m->dtype = DTYPE_F32;
    m->stride = m->cols * (int64_t)sizeof *copy;
    return PITH_OK;
}

/* Each slice of a three-dimensional weight lies in a tensor of its own. */
static int bind_slices(struct binder *b, const struct weight *row, struct matrix *m, int layer,
                       const int64_t *shape)
{
    const uint8_t **slices = pi_arena_alloc(b->arena, (size_t)m->depth, sizeof *slices);

    if (!slices)
        return pi_no_memory(b->err, m->name, (size_t)m->depth * sizeof *slices);
    for (int64_t i = 0; i < m->depth; i++) {
        bool sliced;
        const struct tensor *t = find_tensor(b, row, layer, i, &sliced);

        if (!t || !sliced)
            return pi_fail(b->err, PITH_E_FORMAT, "slice %lld of %lld, beside %s, is missing",
                           (long long)i, (long long)m->depth, m->name);
        TRY(check_shape(b, row, t, layer, shape, 3, true));
        if (t->dtype != m->dtype)
            return pi_fail(b->err, PITH_E_UNSUPPORTED, "%.*s is %s, but %s is %s",
                           (int)pi_min_size(t->name.n, 80), t->name.at, pi_dtype(t->dtype).name,
                           m->name, pi_dtype(m->dtype).name);
        b->claimed[t - b->w->tensors] = true;
        slices[i] = t->data;
    }
    m->slices = slices;
    return PITH_OK;
}

/* A vector whose parts lie in tensors of their own, as floats. */
static int bind_joined(struct binder *b, const struct weight *row, struct matrix *m, int layer)
{
    float *values = pi_arena_alloc(b->arena, (size_t)m->cols, sizeof *values);
    int64_t n = 0;

    if (!values)
        return pi_no_memory(b->err, m->name, (size_t)m->cols * sizeof *values);
    for (int64_t i = 0; n < m->cols; i++) {
        bool sliced;
        const struct tensor *t = find_tensor(b, row, layer, i, &sliced);
        int64_t some = t ? count_values(t) : 0;

        if (!t || !sliced || some < 1 || some > m->cols - n)
            return pi_fail(b->err, PITH_E_FORMAT, "slice %lld, beside %s, is missing or too long: "
                           "%lld of %lld values", (long long)i, m->name, (long long)(n + some),
                           (long long)m->cols);
        if (!b->kernels->unpack[t->dtype])
            return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported "
                           "yet", m->name, pi_dtype(t->dtype).name);
        b->claimed[t - b->w->tensors] = true;
        b->kernels->unpack[t->dtype](values + n, t->data, some);
        n += some;
    }
    m->data = (const uint8_t *)values;
    m->dtype = DTYPE_F32;
    m->stride = m->cols * (int64_t)sizeof *values;
    return PITH_OK;
}

/* The exponents of the MXFP4 blocks that lie in t: "..._blocks" and "..._scales". */
static int bind_packed(struct binder *b, const struct tensor *t, struct matrix *m)
{
    static const char blocks[] = "blocks", scales[] = "scales";
    const int64_t expected[] = { m->depth, m->rows, m->cols / PI_MXFP4_VALUES };
    char name[NAME_BYTES], a[SHAPE_TEXT];
    size_t stem = t->name.n - pi_min_size(t->name.n, sizeof blocks - 1);
    const struct tensor *beside = NULL;
    int64_t found[PI_MAX_DIMS];

    if (stem + sizeof scales < NAME_BYTES && memcmp(t->name.at + stem, blocks, 6) == 0) {
        memcpy(name, t->name.at, stem);
        memcpy(name + stem, scales, sizeof scales);
        beside = pi_weights_find(b->w, pi_str(name));
    }
    if (!beside || beside->dtype != DTYPE_I8)
        return pi_fail(b->err, PITH_E_FORMAT, "%s has no scales beside it", m->name);
    for (int i = 0; i < beside->dims; i++)
        found[i] = beside->ne[beside->dims - 1 - i];
    if (m->cols % PI_MXFP4_VALUES || !pi_same_shape(found, beside->dims, expected, 3))
        return pi_fail(b->err, PITH_E_FORMAT, "%s does not fit the scales beside it: %s", m->name,
                       pi_shape_text(found, beside->dims, a));
    b->claimed[beside - b->w->tensors] = true;
    if (!b->stored)
        return pi_repack_mxfp4(m, beside->data, b->arena, b->err);
    b->stored[b->n_bounds].scales = beside->data;
    m->dtype = DTYPE_MXFP4;
    return PITH_OK;
}

/* The other way round, of which m is the part that begins at row, col. */
static int bind_turned(struct binder *b, struct matrix *m, const struct turned *turned)
{
    if (!b->stored)
        return pi_repack_turned(m, turned, b->kernels, b->arena, b->err);
    b->stored[b->n_bounds].is_turned = true;
    b->stored[b->n_bounds].turned = *turned;
    return PITH_OK;
}

/* Slices of `whole` rows, of which those from `from` on are wanted. */
static int bind_cut(const struct binder *b, struct matrix *m, int64_t from, int64_t whole)
{
    const uint8_t **slices = pi_arena_alloc(b->arena, (size_t)m->depth, sizeof *slices);

    if (!slices)
        return pi_no_memory(b->err, m->name, (size_t)m->depth * sizeof *slices);
    for (int64_t i = 0; i < m->depth; i++)
        slices[i] = m->data + (i * whole + from) * m->stride;
    m->slices = slices;
    return PITH_OK;
}

/* The bytes of the row's part of the tensor: all of it, or rows from `from` on. */
static int bind_data(struct binder *b, const struct weight *row, const struct tensor *t,
                     struct matrix *m, int layer, const int64_t *shape, int dims, bool sliced)
{
    bool vector = dims == 1, alone = is_alone(row, t, shape, dims, sliced);
    int64_t from = 0, rows = row->fix == FIX_CUT_TRANSPOSE || vector ? m->cols : m->rows;
    int64_t whole = rows;
    size_t stride;

    if (row->from && !alone)
        TRY(pi_numbers_count(b->numbers, pi_str(row->from), layer, 0, &from, b->err));
    if (row->whole && !alone)
        TRY(pi_numbers_count(b->numbers, pi_str(row->whole), layer, 1, &whole, b->err));
    if (from > whole - rows)
        return pi_fail(b->err, PITH_E_FORMAT, "%s: a slice from %lld on passes its %lld rows",
                       m->name, (long long)from, (long long)whole);
    if (is_mxfp4(b, row, t))
        return bind_packed(b, t, m);
    if (is_turned(b, row, t, whole, m->cols))
        return bind_turned(b, m, &(struct turned){ whole, m->cols, 0, from });
    if (row->fix == FIX_CUT_TRANSPOSE && !alone)
        return bind_turned(b, m, &(struct turned){ m->rows, whole, from, 0 });
    if (!pi_dtype_bytes(m->dtype, (size_t)m->cols, &stride))
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s: a slice cuts a block", m->name);
    m->stride = (int64_t)stride;
    if (m->depth > 1 && whole != rows)
        return bind_cut(b, m, from, whole);
    from *= vector ? 1 : m->cols;
    if (from % pi_dtype(m->dtype).block)
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s: a slice cuts a block", m->name);
    m->data += from / pi_dtype(m->dtype).block * pi_dtype(m->dtype).bytes;
    return PITH_OK;
}

/* Vectors, and biases of slices, are read as floats. */
static bool is_floats(const struct weight *row, int dims)
{
    struct str name = pi_str(row->name);

    name.n -= name.at[name.n - 1] == '?';
    return dims == 1 || (name.n > 5 && memcmp(name.at + name.n - 5, ".bias", 5) == 0);
}

static int bind_tensor(struct binder *b, const struct weight *row, const struct tensor *t,
                       int layer, bool sliced)
{
    struct bound *bound = &b->bounds[b->n_bounds];
    const char *pattern = pi_weight_pattern(row, b->w->hf);
    int64_t shape[PI_MAX_DIMS] = { 0 };
    struct matrix *m = &bound->m;
    int dims;

    b->claimed[t - b->w->tensors] = true;
    if (row->ignore)
        return PITH_OK;
    dims = row_shape(b, row, layer, shape);
    TRY(dims < 0 ? dims : PITH_OK);
    if (!sliced || dims > 1)
        TRY(check_shape(b, row, t, layer, shape, dims, sliced));
    bound->row = row;
    bound->layer = strstr(pattern, "%d") ? layer : -1;
    *m = (struct matrix){ .data = t->data, .dtype = t->dtype, .rows = 1, .depth = 1 };
    m->name = pi_arena_text(b->arena, t->name.at, t->name.n);
    if (!m->name)
        return pi_no_memory(b->err, "a name", t->name.n);
    if (dims > 3)
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s has more than three dimensions", m->name);
    m->cols = shape[dims - 1];
    m->rows = dims > 1 ? shape[dims - 2] : 1;
    m->depth = dims > 2 ? shape[0] : 1;
    if (sliced && dims == 1)
        TRY(bind_joined(b, row, m, layer));
    else
        TRY(bind_data(b, row, t, m, layer, shape, dims, sliced));
    if (sliced && dims > 1)
        TRY(bind_slices(b, row, m, layer, shape));
    if (is_floats(row, dims) || changes_values(b, row))
        TRY(bind_vector(b, m, changes_values(b, row) ? row->fix : FIX_NONE));
    if (row->fix == FIX_LENGTHS)
        TRY(pi_repack_lengths(m, b->kernels, b->arena, b->err));
    b->n_bounds++;
    return PITH_OK;
}

/* The array of numbers in config.json that a pattern "config:a.b|..." names, or NULL. */
static const struct meta *find_values(const struct binder *b, const struct weight *row)
{
    struct str rest = pi_str(pi_weight_pattern(row, b->w->hf)), pattern, prefix = STR("config:");
    const struct meta *m = NULL;
    char name[NAME_BYTES];

    while (!m && b->w->hf && pi_str_cut(&rest, '|', &pattern)) {
        if (!pi_str_starts(pattern, prefix))
            continue;
        pattern = (struct str){ pattern.at + prefix.n, pattern.n - prefix.n };
        m = pi_meta_find(b->w, pi_tensor_name(STR("text_config."), pattern, 0, 0, name));
        if (!m)
            m = pi_meta_find(b->w, pattern);
    }
    return m;
}

/* A vector, or a part of one, whose values stand in config.json. */
static int bind_values(struct binder *b, const struct weight *row, const struct meta *m)
{
    struct bound *bound = &b->bounds[b->n_bounds];
    const char *name = pi_arena_text(b->arena, m->key.at, m->key.n);
    int64_t n, from = 0, whole;
    float *values;

    if (!name)
        return pi_no_memory(b->err, "a name", m->key.n);
    TRY(pi_numbers_count(b->numbers, pi_str(row->shape), -1, 1, &n, b->err));
    whole = n;
    if (row->whole) {
        TRY(pi_numbers_count(b->numbers, pi_str(row->from), -1, 0, &from, b->err));
        TRY(pi_numbers_count(b->numbers, pi_str(row->whole), -1, from + n, &whole, b->err));
    }
    if (!m->is_array || m->type != META_F64 || m->count != (uint64_t)whole)
        return pi_fail(b->err, PITH_E_FORMAT, "key %s: %lld numbers, expected %s = %lld", name,
                       m->type == META_F64 ? (long long)m->count : 0,
                       row->whole ? row->whole : row->shape, (long long)whole);
    values = pi_arena_alloc(b->arena, (size_t)n, sizeof *values);
    if (!values)
        return pi_no_memory(b->err, name, (size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)pi_meta_number(m, (uint64_t)(from + i));
    bound->row = row;
    bound->layer = -1;
    bound->m = (struct matrix){ .data = (const uint8_t *)values, .name = name, .dtype = DTYPE_F32,
                                .rows = 1, .cols = n, .depth = 1,
                                .stride = n * (int64_t)sizeof *values };
    b->n_bounds++;
    return PITH_OK;
}

/* A row of names that end in '*': claims all tensors that begin so. */
static bool claim_prefix(const struct binder *b, const struct weight *row, int layer)
{
    struct str rest = pi_str(pi_weight_pattern(row, b->w->hf)), pattern;
    char name[NAME_BYTES];

    while (pi_str_cut(&rest, '|', &pattern)) {
        struct str prefixes = pi_str(b->w->hf ? pi_arch_prefix(b->arch) : ""), prefix = STR("");

        if (pattern.at[--pattern.n] != '*')
            return false;
        do {
            struct str begin = pi_tensor_name(prefix, pattern, layer, 0, name);

            for (int64_t i = 0; i < b->w->n_tensors; i++)
                b->claimed[i] |= pi_str_starts(b->w->tensors[i].name, begin);
        } while (pi_str_cut(&prefixes, '|', &prefix));
    }
    return true;
}

static int bind_row(struct binder *b, const struct weight *row, int layer)
{
    struct str first, rest = pi_str(pi_weight_pattern(row, b->w->hf));
    const struct tensor *t;
    const struct meta *values;
    char name[NAME_BYTES];
    double when = 1;
    bool sliced;

    if (row->when)
        TRY(pi_numbers_eval(b->numbers, pi_str(row->when), layer, &when, b->err));
    if (when == 0 || (row->ignore && claim_prefix(b, row, layer)))
        return PITH_OK;
    t = find_tensor(b, row, layer, 0, &sliced);
    if (t)
        return bind_tensor(b, row, t, layer, sliced);
    values = find_values(b, row);
    if (values)
        return bind_values(b, row, values);
    if (row->ignore || row->name[strlen(row->name) - 1] == '?')
        return PITH_OK;
    pi_str_cut(&rest, '|', &first);
    first = pi_tensor_name(STR(""), first, layer, 0, name);
    return pi_fail(b->err, PITH_E_FORMAT, "tensor %.*s is missing", (int)first.n, first.at);
}

bool pi_is_beside(const char *beside, struct str name)
{
    struct str rest = pi_str(beside), begin, model = STR("model.");

    if (pi_str_starts(name, model))
        name = (struct str){ name.at + model.n, name.n - model.n };
    while (pi_str_cut(&rest, '|', &begin))
        if (pi_str_starts(name, begin))
            return true;
    return false;
}

static int check_claims(const struct binder *b)
{
    for (int64_t i = 0; i < b->w->n_tensors; i++) {
        struct str name = b->w->tensors[i].name;

        if (!b->claimed[i] && !pi_is_beside(b->beside, name))
            return pi_fail(b->err, PITH_E_FORMAT, "tensor %.*s is in the file, but %.*s has "
                           "no use for it", (int)pi_min_size(name.n, 80), name.at,
                           (int)pi_min_size(b->numbers->arch.n, 60), b->numbers->arch.at);
    }
    return PITH_OK;
}

int pi_bind(struct bound **out, struct stored **stored, int *count, const struct arch *arch,
            const char *beside, const struct numbers *n, const struct weights *w,
            const struct kernels *k, struct arena *arena, pith_error *err)
{
    struct binder b = { .arch = arch, .beside = beside, .numbers = n, .w = w, .kernels = k,
                        .arena = arena, .err = err };
    const struct weight *rows[PI_MAX_WEIGHTS];
    int n_rows = pi_arch_weights(arch, w->hf, rows);
    int64_t layers, more = 0;

    TRY(pi_numbers_count(n, STR("layers"), -1, 1, &layers, err));
    pi_numbers_count(n, STR("nextn"), -1, 0, &more, NULL);
    if (layers > w->n_tensors)
        return pi_fail(err, PITH_E_FORMAT, "%lld layers, but only %lld tensors",
                       (long long)layers, (long long)w->n_tensors);
    if (layers > PI_MAX_LAYERS)
        return pi_fail(err, PITH_E_LIMIT, "%lld layers, at most %d are possible",
                       (long long)layers, PI_MAX_LAYERS);
    b.claimed = pi_arena_alloc(arena, (size_t)w->n_tensors, sizeof *b.claimed);
    b.bounds = pi_arena_alloc(arena, (size_t)(layers * n_rows), sizeof *b.bounds);
    if (stored)
        *stored = b.stored = pi_arena_alloc(arena, (size_t)(layers * n_rows) + 1,
                                            sizeof *b.stored);
    if (!b.claimed || !b.bounds || (stored && !b.stored))
        return pi_no_memory(err, "the weight table", (size_t)(layers * n_rows) * sizeof *b.bounds);
    for (int i = 0; i < n_rows; i++)
        for (int layer = 0; layer < (!strstr(pi_weight_pattern(rows[i], w->hf), "%d") ? 1
                                     : rows[i]->ignore ? layers + pi_min(more, PI_MAX_LAYERS)
                                     : layers); layer++)
            TRY(bind_row(&b, rows[i], layer));
    *out = b.bounds;
    *count = b.n_bounds;
    return check_claims(&b);
}
