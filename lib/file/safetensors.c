/* safetensors.c - reads one safetensors file: a JSON header, then bytes that the tensors tile.
 *
 * The file is untrusted. It refuses headers over 100 MB, names that appear twice, sizes that
 * do not follow from type and shape, and bytes that belong to no tensor or to two.
 * Source: the format's description in github.com/huggingface/safetensors.
 *
 * Before: folder.c.
 */
#include "safetensors.h"

#include "base/json.h"

enum { HEADER_MAX = 100000000, SHAPE_MAX = 64 };

/* Integers without a sign and truth values are bytes of that width to pith. */
static const struct { const char *name; enum dtype dtype; } stored_types[] = {
    { "F32", DTYPE_F32 }, { "BF16", DTYPE_BF16 }, { "F16", DTYPE_F16 }, { "F64", DTYPE_F64 },
    { "I8", DTYPE_I8 },   { "U8", DTYPE_I8 },     { "BOOL", DTYPE_I8 }, { "I16", DTYPE_I16 },
    { "U16", DTYPE_I16 }, { "I32", DTYPE_I32 },   { "U32", DTYPE_I32 }, { "I64", DTYPE_I64 },
    { "U64", DTYPE_I64 },
};

/* One file on its way. */
struct stored_file {
    const uint8_t *data; /* behind the header */
    size_t size;
    const char *name;
    pith_error *err;
};

static int stored_fail(const struct stored_file *f, const struct tensor *t, const char *what)
{
    return pi_fail(f->err, PITH_E_FORMAT, "%s: %.*s: %s", pi_path_tail(f->name),
                   (int)pi_min_size(t->name.n, 80), t->name.at, what);
}

static int read_stored_type(const struct stored_file *f, struct tensor *t, const struct json *type)
{
    struct str name = pi_json_text(type);

    for (size_t i = 0; i < PI_COUNT(stored_types); i++)
        if (pi_str_equal(name, pi_str(stored_types[i].name))) {
            t->dtype = stored_types[i].dtype;
            return PITH_OK;
        }
    if (pi_json_kind(type) != JSON_STRING)
        return stored_fail(f, t, "its dtype is missing");
    return pi_fail(f->err, PITH_E_UNSUPPORTED, "%s: %.*s has dtype %.*s, which is not supported",
                   pi_path_tail(f->name), (int)pi_min_size(t->name.n, 80), t->name.at,
                   (int)pi_min_size(name.n, 20), name.at);
}

/* ne from the shape, whose outermost dimensions are taken as one if they are too many. */
static int read_stored_shape(const struct stored_file *f, struct tensor *t,
                             const struct json *shape)
{
    struct json_walk walk = pi_json_walk(shape);
    int64_t dims[SHAPE_MAX];
    size_t elements = 1;
    int n = 0;

    if (pi_json_kind(shape) != JSON_ARRAY)
        return stored_fail(f, t, "its shape is missing");
    while (pi_json_next(&walk)) {
        if (n == SHAPE_MAX || !pi_json_int(walk.value, &dims[n]) || dims[n] < 0 ||
            (uint64_t)dims[n] > SIZE_MAX || !pi_mul_size(elements, (size_t)dims[n], &elements))
            return stored_fail(f, t, "its shape is impossible");
        n++;
    }
    for (int i = 0; i < PI_MAX_DIMS; i++)
        t->ne[i] = i < n ? dims[n - 1 - i] : 1;
    for (int i = n - 1 - PI_MAX_DIMS; i >= 0; i--) {
        size_t product;

        if (!pi_mul_size((size_t)t->ne[PI_MAX_DIMS - 1], (size_t)dims[i], &product) ||
            product > INT64_MAX)
            return stored_fail(f, t, "its shape is impossible");
        t->ne[PI_MAX_DIMS - 1] = (int64_t)product;
    }
    t->dims = n < 1 ? 1 : n > PI_MAX_DIMS ? PI_MAX_DIMS : n;
    return pi_dtype_bytes(t->dtype, elements, &t->bytes) ? PITH_OK
                                                         : stored_fail(f, t, "it is too large");
}

static int place_stored(const struct stored_file *f, struct tensor *t, const struct json *offsets)
{
    int64_t from = -1, to = -1;

    if (pi_json_kind(offsets) != JSON_ARRAY || offsets->n != 2 ||
        !pi_json_int(pi_json_find(offsets, "0"), &from) ||
        !pi_json_int(pi_json_find(offsets, "1"), &to))
        return stored_fail(f, t, "its data_offsets are missing");
    if (from < 0 || to < from || (uint64_t)to > f->size)
        return pi_fail(f->err, PITH_E_FORMAT, "%s: %.*s: bytes %lld to %lld lie outside the "
                       "file's %zu data bytes: it is cut short or broken", pi_path_tail(f->name),
                       (int)pi_min_size(t->name.n, 80), t->name.at, (long long)from,
                       (long long)to, f->size);
    if ((size_t)(to - from) != t->bytes)
        return pi_fail(f->err, PITH_E_FORMAT, "%s: %.*s: its data_offsets span %lld bytes, its "
                       "shape and dtype need %zu", pi_path_tail(f->name),
                       (int)pi_min_size(t->name.n, 80), t->name.at, (long long)(to - from),
                       t->bytes);
    t->data = f->data + from;
    return PITH_OK;
}

static int read_stored(const struct stored_file *f, struct tensor *t, struct str name,
                       const struct json *v)
{
    const struct json *type = NULL, *shape = NULL, *offsets = NULL;
    struct json_walk walk = pi_json_walk(v);

    t->name = name;
    if (pi_json_kind(v) != JSON_OBJECT)
        return stored_fail(f, t, "it is no object");
    while (pi_json_next(&walk)) {
        const struct json **to = pi_str_equal(walk.key, STR("dtype")) ? &type
                               : pi_str_equal(walk.key, STR("shape")) ? &shape
                               : pi_str_equal(walk.key, STR("data_offsets")) ? &offsets : NULL;

        if (!to || *to)
            return stored_fail(f, t, to ? "a member appears twice" : "it has an unknown member");
        *to = walk.value;
    }
    TRY(read_stored_type(f, t, type));
    TRY(read_stored_shape(f, t, shape));
    return place_stored(f, t, offsets);
}

static int check_metadata(const struct stored_file *f, const struct json *v)
{
    struct json_walk walk = pi_json_walk(v);

    if (pi_json_kind(v) != JSON_OBJECT)
        return pi_fail(f->err, PITH_E_FORMAT, "%s: __metadata__ is no object",
                       pi_path_tail(f->name));
    while (pi_json_next(&walk))
        if (pi_json_kind(walk.value) != JSON_STRING)
            return pi_fail(f->err, PITH_E_FORMAT, "%s: __metadata__: %.*s is no string",
                           pi_path_tail(f->name), (int)pi_min_size(walk.key.n, 80), walk.key.at);
    return PITH_OK;
}

/* Every byte belongs to one tensor. */
static int check_tiling(const struct stored_file *f, const struct tensor *tensors, int64_t count,
                        struct arena *arena)
{
    const struct tensor **order;
    const uint8_t *next = f->data;

    TRY(pi_tensors_by_place(&order, tensors, count, arena, f->err));
    for (int64_t i = 0; i < count; i++) {
        if (order[i]->bytes == 0)
            continue;
        if (order[i]->data != next)
            return stored_fail(f, order[i], order[i]->data < next
                                                ? "it overlaps another tensor"
                                                : "bytes before it belong to no tensor");
        next += order[i]->bytes;
    }
    if (next != f->data + f->size)
        return pi_fail(f->err, PITH_E_FORMAT, "%s: its last %zu bytes belong to no tensor",
                       pi_path_tail(f->name), (size_t)(f->data + f->size - next));
    return PITH_OK;
}

static int read_header(const struct stored_file *f, const struct json *header,
                       struct tensor **tensors, int64_t *count, struct arena *arena)
{
    struct json_walk walk = pi_json_walk(header);
    bool metadata = false;
    int64_t n = 0;

    if (pi_json_kind(header) != JSON_OBJECT)
        return pi_fail(f->err, PITH_E_FORMAT, "%s: its header is no object",
                       pi_path_tail(f->name));
    *tensors = pi_arena_alloc(arena, header->n, sizeof **tensors);
    if (!*tensors)
        return pi_no_memory(f->err, "the tensor list", header->n * sizeof **tensors);
    while (pi_json_next(&walk)) {
        if (!pi_str_equal(walk.key, STR("__metadata__"))) {
            TRY(read_stored(f, &(*tensors)[n++], walk.key, walk.value));
            continue;
        }
        if (metadata)
            return pi_fail(f->err, PITH_E_FORMAT, "%s: __metadata__ appears twice",
                           pi_path_tail(f->name));
        metadata = true;
        TRY(check_metadata(f, walk.value));
    }
    *count = n;
    return check_tiling(f, *tensors, n, arena);
}

int pi_safetensors_read(struct tensor **tensors, int64_t *count, const struct mapping *file,
                        const char *name, struct arena *arena, pith_error *err)
{
    struct stored_file f = { .name = name, .err = err };
    const struct json *header;
    uint64_t n = file->size < 8 ? 0 : pi_le64(file->data);
    struct str text;

    if (n < 2 || n > file->size - 8)
        return pi_fail(err, PITH_E_FORMAT, "%s: a header of %llu bytes in a file of %zu: it is no "
                       "safetensors file, or cut short", pi_path_tail(name),
                       (unsigned long long)n, file->size);
    if (n > HEADER_MAX)
        return pi_fail(err, PITH_E_LIMIT, "%s: a header of %llu bytes, at most %d are possible",
                       pi_path_tail(name), (unsigned long long)n, HEADER_MAX);
    text = (struct str){ (const char *)file->data + 8, (size_t)n };
    if (text.at[0] != '{')
        return pi_fail(err, PITH_E_FORMAT, "%s: its header does not begin with {",
                       pi_path_tail(name));
    f.data = file->data + 8 + n;
    f.size = file->size - 8 - (size_t)n;
    TRY(pi_json_parse(&header, arena, text, pi_path_tail(name), err));
    return read_header(&f, header, tensors, count, arena);
}
