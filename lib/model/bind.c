/* bind.c - weight rows -> tensors, complete both ways: every required row finds its tensor with
 * the expected shape, and every tensor of the file is claimed by a row.
 *
 * Weights stay where they lie. Only short vectors that are not aligned float32 get a copy.
 */
#include "model.h"

enum {
    NAME_BYTES = 160,
    SHAPE_TEXT = 64,
    MAX_LAYERS = 1024, /* the deepest models have a few hundred; bounds what a file can ask for */
};

struct binder {
    const struct arch *arch;
    const struct numbers *numbers;
    const struct weights *w;
    const struct kernels *kernels;
    struct arena *arena;
    bool *claimed; /* [tensors] */
    struct bound *bounds;
    int n_bounds;
    pith_error *err;
};

/* The pattern with the layer in place of %d. */
static struct str layer_name(struct str pattern, int layer, char name[NAME_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < pattern.n && n < NAME_BYTES - 12; i++) {
        char digits[12];
        int length = 0;

        if (pattern.at[i] != '%') {
            name[n++] = pattern.at[i];
            continue;
        }
        for (int rest = layer; length == 0 || rest; rest /= 10)
            digits[length++] = (char)('0' + rest % 10);
        while (length)
            name[n++] = digits[--length];
        i++; /* the d of %d */
    }
    return (struct str){ name, n };
}

static const struct tensor *find_tensor(const struct binder *b, const struct weight *row,
                                        int layer)
{
    struct str rest = pi_str(row->gguf), pattern;
    const struct tensor *t = NULL;
    char name[NAME_BYTES];

    while (!t && pi_str_cut(&rest, '|', &pattern))
        t = pi_weights_find(b->w, layer_name(pattern, layer, name));
    return t;
}

/* "[4096,11008]", outermost dimension first. */
static const char *shape_text(const int64_t *shape, int dims, char text[SHAPE_TEXT])
{
    size_t n = 0;
    char number[32];

    text[n++] = '[';
    for (int i = 0; i < dims; i++) {
        const char *digits = pi_number((double)shape[i], number);
        size_t length = strlen(digits);

        if (n + length + 2 > SHAPE_TEXT)
            break;
        memcpy(text + n, digits, length);
        n += length;
        text[n++] = i + 1 < dims ? ',' : ']';
    }
    text[n] = 0;
    return text;
}

/* Compares the tensor's shape with the row's; whole[0] is the rows of a fused tensor. */
static int check_shape(const struct binder *b, const struct weight *row,
                       const struct tensor *t, int layer, int64_t shape[PI_MAX_DIMS])
{
    int64_t found[PI_MAX_DIMS], expected[PI_MAX_DIMS];
    struct str rest = pi_str(row->shape), text;
    char a[SHAPE_TEXT], e[SHAPE_TEXT];
    int dims = 0, have = t->dims;

    for (; dims < PI_MAX_DIMS && pi_str_cut(&rest, ',', &text); dims++)
        TRY(pi_numbers_count(b->numbers, text, layer, 1, &shape[dims], b->err));
    memcpy(expected, shape, sizeof expected);
    if (row->whole)
        TRY(pi_numbers_count(b->numbers, pi_str(row->whole), layer, 1, &expected[0], b->err));
    while (have > dims && t->ne[have - 1] == 1)
        have--; /* trailing dimensions of one say nothing */
    for (int i = 0; i < have; i++)
        found[i] = t->ne[have - 1 - i];
    if (have == dims && memcmp(found, expected, (size_t)dims * sizeof *found) == 0)
        return dims <= 2 ? PITH_OK : pi_fail(b->err, PITH_E_UNSUPPORTED,
                                             "%.*s has more than two dimensions",
                                             (int)pi_min_size(t->name.n, 80), t->name.at);
    return pi_fail(b->err, PITH_E_FORMAT, "%.*s is %s, expected %s = %s",
                   (int)pi_min_size(t->name.n, 80), t->name.at, shape_text(found, have, a),
                   row->shape, shape_text(expected, dims, e));
}

/* Vectors are read as float *, so one that is stored otherwise is copied: kilobytes a model. */
static int bind_vector(const struct binder *b, struct matrix *m)
{
    float *copy;

    if (m->dtype == DTYPE_F32 && (uintptr_t)m->data % sizeof(float) == 0)
        return PITH_OK;
    if (!b->kernels->unpack[m->dtype])
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       m->name, pi_dtype(m->dtype).name);
    copy = pi_arena_alloc(b->arena, (size_t)m->cols, sizeof *copy);
    if (!copy)
        return pi_no_memory(b->err, m->name, (size_t)m->cols * sizeof *copy);
    b->kernels->unpack[m->dtype](copy, m->data, m->cols);
    m->data = (const uint8_t *)copy;
    m->dtype = DTYPE_F32;
    return PITH_OK;
}

static int bind_tensor(struct binder *b, const struct weight *row, const struct tensor *t,
                       int layer)
{
    struct bound *bound = &b->bounds[b->n_bounds];
    int64_t shape[PI_MAX_DIMS] = { 0 }, from = 0;
    struct matrix *m = &bound->m;
    size_t stride;

    b->claimed[t - b->w->tensors] = true;
    if (row->ignore)
        return PITH_OK;
    TRY(check_shape(b, row, t, layer, shape));
    if (row->from)
        TRY(pi_numbers_count(b->numbers, pi_str(row->from), layer, 0, &from, b->err));
    bound->row = row;
    bound->layer = strchr(row->gguf, '%') ? layer : -1;
    m->name = pi_arena_text(b->arena, t->name.at, t->name.n);
    if (!m->name)
        return pi_no_memory(b->err, "a name", t->name.n);
    m->dtype = t->dtype;
    m->rows = strchr(row->shape, ',') ? shape[0] : 1;
    m->cols = m->rows == shape[0] && strchr(row->shape, ',') ? shape[1] : shape[0];
    if (!strchr(row->shape, ',') && from % pi_dtype(t->dtype).block)
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s: a slice cuts a block", m->name);
    if (!pi_dtype_bytes(t->dtype, (size_t)m->cols, &stride))
        return pi_fail(b->err, PITH_E_UNSUPPORTED, "%s: a slice cuts a block", m->name);
    m->stride = (int64_t)stride;
    m->data = t->data;
    if (from && strchr(row->shape, ','))
        m->data += from * m->stride;
    else if (from)
        m->data += from / pi_dtype(t->dtype).block * pi_dtype(t->dtype).bytes;
    if (m->rows == 1 && !strchr(row->shape, ','))
        TRY(bind_vector(b, m));
    b->n_bounds++;
    return PITH_OK;
}

static int bind_row(struct binder *b, const struct weight *row, int layer)
{
    const struct tensor *t = find_tensor(b, row, layer);
    char name[NAME_BYTES];
    struct str first, rest = pi_str(row->gguf);

    if (t)
        return bind_tensor(b, row, t, layer);
    if (row->ignore || row->name[strlen(row->name) - 1] == '?')
        return PITH_OK;
    pi_str_cut(&rest, '|', &first);
    first = layer_name(first, layer, name);
    return pi_fail(b->err, PITH_E_FORMAT, "tensor %.*s is missing", (int)first.n, first.at);
}

static int check_claims(const struct binder *b)
{
    for (int64_t i = 0; i < b->w->n_tensors; i++)
        if (!b->claimed[i])
            return pi_fail(b->err, PITH_E_FORMAT, "tensor %.*s is in the file, but %s has no "
                           "use for it", (int)pi_min_size(b->w->tensors[i].name.n, 80),
                           b->w->tensors[i].name.at, b->arch->name);
    return PITH_OK;
}

int pi_bind(struct bound **out, int *count, const struct arch *arch, const struct numbers *n,
            const struct weights *w, const struct kernels *k, struct arena *arena,
            pith_error *err)
{
    struct binder b = { .arch = arch, .numbers = n, .w = w, .kernels = k, .arena = arena,
                        .err = err };
    const struct weight *rows[PI_MAX_WEIGHTS];
    int n_rows = pi_arch_weights(arch, rows);
    int64_t layers;

    TRY(pi_numbers_count(n, STR("layers"), -1, 1, &layers, err));
    if (layers > w->n_tensors)
        return pi_fail(err, PITH_E_FORMAT, "%lld layers, but only %lld tensors",
                       (long long)layers, (long long)w->n_tensors);
    if (layers > MAX_LAYERS)
        return pi_fail(err, PITH_E_LIMIT, "%lld layers, at most %d are possible",
                       (long long)layers, MAX_LAYERS);
    b.claimed = pi_arena_alloc(arena, (size_t)w->n_tensors, sizeof *b.claimed);
    b.bounds = pi_arena_alloc(arena, (size_t)(layers * n_rows), sizeof *b.bounds);
    if (!b.claimed || !b.bounds)
        return pi_no_memory(err, "the weight table", (size_t)(layers * n_rows) * sizeof *b.bounds);
    for (int i = 0; i < n_rows; i++)
        for (int layer = 0; layer < (strchr(rows[i]->gguf, '%') ? layers : 1); layer++)
            TRY(bind_row(&b, rows[i], layer));
    *out = b.bounds;
    *count = b.n_bounds;
    return check_claims(&b);
}
