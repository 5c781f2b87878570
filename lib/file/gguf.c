/* gguf.c - reads GGUF, versions 2 and 3, one file or a split: bytes become proved views.
 *
 * The file is untrusted. Every count is bounded by the bytes that remain before anything is
 * allocated for it, every size is checked when multiplied, and no view exists until its bytes
 * have been shown to lie inside the file and apart from all others. It refuses version 1,
 * big-endian files, arrays of arrays, and names that appear twice. Source: the GGUF specification
 * (ggml docs/gguf.md).
 *
 * Before: weights.h. Next: arch/llama.c.
 */
#include "folder.h"

enum {
    MIN_META_BYTES = 8 + 4 + 1,            /* empty key, type, one byte */
    MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8,  /* empty name, one dimension */
    DEFAULT_ALIGNMENT = 32,
    MAX_ALIGNMENT = 1 << 20,
    MAX_SHARDS = 9999,
};

/* A cursor that never passes `end`; once short it stays short and reads zeros. */
struct cursor {
    const uint8_t *at, *end;
    bool is_short;
};

static const struct { const char *name; int bytes; } meta_types[META_TYPES] = {
    [META_U8] = { "u8", 1 },   [META_I8] = { "i8", 1 },       [META_U16] = { "u16", 2 },
    [META_I16] = { "i16", 2 }, [META_U32] = { "u32", 4 },     [META_I32] = { "i32", 4 },
    [META_F32] = { "f32", 4 }, [META_BOOL] = { "bool", 1 },   [META_STR] = { "string", 0 },
    [META_ARRAY] = { "array", 0 }, [META_U64] = { "u64", 8 }, [META_I64] = { "i64", 8 },
    [META_F64] = { "f64", 8 },
};

const char *pi_meta_type_name(enum meta_type type)
{
    return (unsigned)type < META_TYPES ? meta_types[type].name : "unknown";
}

static const uint8_t *take(struct cursor *c, uint64_t n)
{
    static const uint8_t zeros[8];
    const uint8_t *at = c->at;

    if (c->is_short || n > (uint64_t)(c->end - c->at)) {
        c->is_short = true;
        return zeros;
    }
    c->at += n;
    return at;
}

static uint32_t take_u32(struct cursor *c) { return pi_le32(take(c, 4)); }
static uint64_t take_u64(struct cursor *c) { return pi_le64(take(c, 8)); }

static struct str take_str(struct cursor *c)
{
    uint64_t n = take_u64(c);
    const char *at = (const char *)take(c, n);

    return c->is_short ? STR("") : (struct str){ at, (size_t)n };
}

/* ---- metadata ---- */

static int too_short(pith_error *err, const char *where)
{
    return pi_fail(err, PITH_E_FORMAT, "the file ends inside %s: it is cut short or broken",
                   where);
}

/* Moves over the value's elements, proving that they are there. */
static int read_value(struct cursor *c, struct meta *m, pith_error *err)
{
    m->at = c->at;
    if (m->type == META_STR) {
        for (uint64_t i = 0; i < m->count && !c->is_short; i++)
            take_str(c);
    } else {
        uint64_t bytes = (uint64_t)meta_types[m->type].bytes;

        if (m->count > UINT64_MAX / bytes)
            c->is_short = true;
        else
            take(c, m->count * bytes);
    }
    m->end = c->at;
    if (c->is_short)
        return pi_fail(err, PITH_E_FORMAT, "the file ends inside the value of key %.*s (%llu x "
                       "%s)", (int)pi_min_size(m->key.n, 80), m->key.at,
                       (unsigned long long)m->count, pi_meta_type_name(m->type));
    return PITH_OK;
}

static int read_meta(struct cursor *c, struct meta *m, pith_error *err)
{
    uint32_t type;

    m->key = take_str(c);
    type = take_u32(c);
    m->count = 1;
    if (type == META_ARRAY) {
        m->is_array = true;
        type = take_u32(c);
        m->count = take_u64(c);
    }
    if (c->is_short)
        return too_short(err, "the metadata");
    if (m->key.n == 0)
        return pi_fail(err, PITH_E_FORMAT, "a metadata key is empty");
    if (type >= META_TYPES || type == META_ARRAY)
        return pi_fail(err, PITH_E_FORMAT, "key %.*s has value type %u%s",
                       (int)pi_min_size(m->key.n, 80), m->key.at, type,
                       type == META_ARRAY ? ", an array of arrays" : ", which does not exist");
    m->type = (enum meta_type)type;
    return read_value(c, m, err);
}

static int read_metas(struct cursor *c, struct weights *w, uint64_t count, struct arena *arena,
                      pith_error *err)
{
    if (count > (uint64_t)(c->end - c->at) / MIN_META_BYTES)
        return pi_fail(err, PITH_E_FORMAT, "%llu metadata keys cannot fit the file's %llu bytes",
                       (unsigned long long)count, (unsigned long long)(c->end - c->at));
    w->n_metas = (int64_t)count;
    w->metas = pi_arena_alloc(arena, (size_t)count, sizeof *w->metas);
    if (!w->metas)
        return pi_no_memory(err, "the metadata", (size_t)count * sizeof *w->metas);
    TRY(pi_map_init(&w->by_key, arena, (size_t)count, err));
    for (int64_t i = 0; i < w->n_metas; i++) {
        TRY(read_meta(c, &w->metas[i], err));
        if (!pi_map_add(&w->by_key, w->metas[i].key, i))
            return pi_fail(err, PITH_E_FORMAT, "key %.*s appears twice",
                           (int)pi_min_size(w->metas[i].key.n, 80), w->metas[i].key.at);
    }
    return PITH_OK;
}

/* ---- tensors ---- */

/* Everything of a tensor but its place; the offset is left in *offset. */
static int read_tensor(struct cursor *c, struct tensor *t, uint64_t *offset, pith_error *err)
{
    uint32_t dims, type;
    size_t elements = 1;
    struct dtype_info info;

    t->name = take_str(c);
    dims = take_u32(c);
    if (c->is_short)
        return too_short(err, "the tensor list");
    if (dims < 1 || dims > PI_MAX_DIMS)
        return pi_fail(err, PITH_E_FORMAT, "%.*s has %u dimensions, 1 to %d are possible",
                       (int)pi_min_size(t->name.n, 80), t->name.at, dims, PI_MAX_DIMS);
    t->dims = (int)dims;
    for (uint32_t i = 0; i < PI_MAX_DIMS; i++) {
        uint64_t n = i < dims ? take_u64(c) : 1;

        if (!c->is_short &&
            (n == 0 || n > INT64_MAX || !pi_mul_size(elements, (size_t)n, &elements)))
            return pi_fail(err, PITH_E_FORMAT, "%.*s: dimension %u is %llu, which is impossible",
                           (int)pi_min_size(t->name.n, 80), t->name.at, i,
                           (unsigned long long)n);
        t->ne[i] = (int64_t)n;
    }
    type = take_u32(c);
    *offset = take_u64(c);
    if (c->is_short)
        return too_short(err, "the tensor list");
    info = pi_dtype(type);
    if (!info.name)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%.*s has tensor type number %u, which is unknown",
                       (int)pi_min_size(t->name.n, 80), t->name.at, type);
    t->dtype = (enum dtype)type;
    if (t->ne[0] % info.block || !pi_dtype_bytes(t->dtype, elements, &t->bytes))
        return pi_fail(err, PITH_E_FORMAT, "%.*s: rows of %lld do not divide into %s blocks of %d, "
                       "or are too many", (int)pi_min_size(t->name.n, 80), t->name.at,
                       (long long)t->ne[0], info.name, info.block);
    return PITH_OK;
}

/* Gives the tensor its bytes inside data[0..size). */
static int place_tensor(struct tensor *t, uint64_t offset, uint64_t alignment,
                        const uint8_t *data, size_t size, pith_error *err)
{
    if (offset % alignment)
        return pi_fail(err, PITH_E_FORMAT, "%.*s: offset %llu is not a multiple of %llu",
                       (int)pi_min_size(t->name.n, 80), t->name.at, (unsigned long long)offset,
                       (unsigned long long)alignment);
    if (offset > size || t->bytes > size - offset)
        return pi_fail(err, PITH_E_FORMAT, "%.*s: %zu bytes at offset %llu lie beyond the end of "
                       "the file's %zu data bytes: it is cut short or broken",
                       (int)pi_min_size(t->name.n, 80), t->name.at, t->bytes,
                       (unsigned long long)offset, size);
    t->data = data + offset;
    return PITH_OK;
}

/* No two tensors may share bytes. */
static int check_overlap(const struct tensor *tensors, int64_t count, struct arena *arena,
                         pith_error *err)
{
    const struct tensor **order;
    size_t n = (size_t)count;

    TRY(pi_tensors_by_place(&order, tensors, count, arena, err));
    for (size_t i = 1; i < n; i++)
        if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data)
            return pi_fail(err, PITH_E_FORMAT, "%.*s and %.*s overlap in the file",
                           (int)pi_min_size(order[i - 1]->name.n, 80), order[i - 1]->name.at,
                           (int)pi_min_size(order[i]->name.n, 80), order[i]->name.at);
    return PITH_OK;
}

static int read_tensors(struct cursor *c, struct weights *w, uint64_t count,
                        const struct mapping *file, struct arena *arena, pith_error *err)
{
    int64_t alignment = DEFAULT_ALIGNMENT;
    uint64_t *offsets, start;
    bool found;

    TRY(pi_meta_i64(w, "general.alignment", &alignment, &found, err));
    if (alignment < 1 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return pi_fail(err, PITH_E_FORMAT, "general.alignment is %lld; a power of two up to %d "
                       "is possible", (long long)alignment, MAX_ALIGNMENT);
    if (count > (uint64_t)(c->end - c->at) / MIN_TENSOR_BYTES)
        return pi_fail(err, PITH_E_FORMAT, "%llu tensors cannot fit the file's %llu bytes",
                       (unsigned long long)count, (unsigned long long)(c->end - c->at));
    w->n_tensors = (int64_t)count;
    w->tensors = pi_arena_alloc(arena, (size_t)count, sizeof *w->tensors);
    offsets = pi_arena_alloc(arena, (size_t)count, sizeof *offsets);
    if (!w->tensors || !offsets)
        return pi_no_memory(err, "the tensor list", (size_t)count * sizeof *w->tensors);
    for (int64_t i = 0; i < w->n_tensors; i++)
        TRY(read_tensor(c, &w->tensors[i], &offsets[i], err));
    start = (uint64_t)(c->at - file->data);
    start += (uint64_t)-(int64_t)start & (uint64_t)(alignment - 1);
    if (start > file->size)
        start = file->size; /* a vocabulary-only file may end unpadded */
    for (int64_t i = 0; i < w->n_tensors; i++)
        TRY(place_tensor(&w->tensors[i], offsets[i], (uint64_t)alignment, file->data + start,
                         file->size - (size_t)start, err));
    return check_overlap(w->tensors, w->n_tensors, arena, err);
}

/* ---- one file, then all shards ---- */

static int read_file(struct weights *w, const struct mapping *file, struct arena *arena,
                     pith_error *err)
{
    struct cursor c = { file->data, file->data + file->size, false };
    const uint8_t *magic = take(&c, 4);
    uint64_t n_tensors, n_metas;

    if (c.is_short)
        return pi_fail(err, PITH_E_FORMAT, "not a GGUF file: it is cut short at %zu bytes",
                       file->size);
    if (memcmp(magic, "GGUF", 4) != 0)
        return pi_fail(err, PITH_E_FORMAT, "not a GGUF file: it begins with %02x %02x %02x %02x",
                       magic[0], magic[1], magic[2], magic[3]);
    w->version = take_u32(&c);
    n_tensors = take_u64(&c);
    n_metas = take_u64(&c);
    if (c.is_short)
        return too_short(err, "the header");
    if (w->version == 0x02000000 || w->version == 0x03000000)
        return pi_fail(err, PITH_E_UNSUPPORTED, "a big-endian GGUF file; little-endian is needed");
    if (w->version != 2 && w->version != 3)
        return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF version %u; 2 and 3 are supported",
                       w->version);
    TRY(read_metas(&c, w, n_metas, arena, err));
    return read_tensors(&c, w, n_tensors, file, arena, err);
}

/* Reads a shard behind the first; its errors carry its name. */
static int read_shard(struct weights *shard, const struct mapping *file, const char *path,
                      int64_t i, int64_t count, struct arena *arena, pith_error *err)
{
    int64_t number = -1, of = count;
    pith_error inner;
    int status = read_file(shard, file, arena, &inner);
    bool found;

    if (status == PITH_OK)
        status = pi_meta_i64(shard, "split.no", &number, &found, &inner);
    if (status == PITH_OK)
        status = pi_meta_i64(shard, "split.count", &of, &found, &inner);
    if (status != PITH_OK)
        return pi_fail(err, status, "%s: %s", pi_path_tail(path), inner.text);
    if (number != i || of != count)
        return pi_fail(err, PITH_E_FORMAT, "%s: split.no is %lld of %lld, expected %lld of %lld",
                       pi_path_tail(path), (long long)number, (long long)of, (long long)i,
                       (long long)count);
    return PITH_OK;
}

/* Replaces the shard number in "name-00001-of-00003.gguf"; false if the name has another form. */
static bool shard_path(char *path, int64_t shard, int64_t count)
{
    size_t n = strlen(path);
    char *digits;

    if (n < 20 || memcmp(path + n - 5, ".gguf", 5) != 0 || memcmp(path + n - 14, "-of-", 4) != 0 ||
        path[n - 20] != '-')
        return false;
    digits = path + n - 19;
    for (int i = 4; i >= 0; i--, shard /= 10, count /= 10) {
        digits[i] = (char)('0' + shard % 10);
        if (digits[i + 9] != (char)('0' + count % 10))
            return false;
    }
    return true;
}

static int join_shards(struct weights *w, struct weights *shards, int64_t count,
                       struct arena *arena, pith_error *err)
{
    int64_t total = 0, expected, n = 0;
    bool found;

    for (int64_t i = 0; i < count; i++)
        total += shards[i].n_tensors;
    TRY(pi_meta_i64(w, "split.tensors.count", &expected, &found, err));
    if (found && expected != total)
        return pi_fail(err, PITH_E_FORMAT, "split.tensors.count is %lld, the %lld shards hold "
                       "%lld", (long long)expected, (long long)count, (long long)total);
    w->tensors = pi_arena_alloc(arena, (size_t)total, sizeof *w->tensors);
    if (!w->tensors)
        return pi_no_memory(err, "the tensor list", (size_t)total * sizeof *w->tensors);
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < shards[i].n_tensors; j++)
            w->tensors[n++] = shards[i].tensors[j];
    w->n_tensors = total;
    return PITH_OK;
}

static int open_shards(struct weights *w, const char *first, int64_t count, struct arena *arena,
                       pith_error *err)
{
    char *path = pi_arena_text(arena, first, strlen(first));
    struct mapping *files = pi_arena_alloc(arena, (size_t)count, sizeof *files);
    struct weights *shards = pi_arena_alloc(arena, (size_t)count, sizeof *shards);

    if (!path || !files || !shards)
        return pi_no_memory(err, "the shard list", (size_t)count * sizeof *shards);
    files[0] = w->files[0];
    shards[0] = *w;
    w->files = files;
    for (int64_t i = 1; i < count; i++) {
        if (!shard_path(path, i + 1, count))
            return pi_fail(err, PITH_E_FORMAT, "%s: shard 1 of %lld must be called "
                           "...-00001-of-%05lld.gguf", pi_path_tail(first), (long long)count,
                           (long long)count);
        TRY(pi_mmap_path(&files[i], path, err));
        w->n_files++;
        TRY(read_shard(&shards[i], &files[i], path, i, count, arena, err));
    }
    return join_shards(w, shards, count, arena, err);
}

static int map_source(struct mapping *file, const struct source *source, pith_error *err)
{
    if (source->path)
        return pi_mmap_path(file, source->path, err);
    if (!source->memory) {
        pith_error inner = { 0 };
        int status = pi_mmap_fd(file, source->fd, source->offset, source->size, &inner);

        return status == PITH_OK ? PITH_OK
                                 : pi_fail(err, status, "descriptor %d: %s", source->fd,
                                           inner.text);
    }
    *file = (struct mapping){ .data = source->memory, .size = source->size };
    return PITH_OK;
}

int pi_weights_open(struct weights *w, struct arena *arena, const struct source *source,
                    pith_error *err)
{
    int64_t count = 1, number = 0;
    bool found;

    *w = (struct weights){ 0 };
    if (source->path && pi_path_is_folder(source->path))
        return pi_folder_open(w, arena, source->path, err);
    w->files = pi_arena_alloc(arena, 1, sizeof *w->files);
    if (!w->files)
        return pi_no_memory(err, "the file", sizeof *w->files);
    TRY(map_source(&w->files[0], source, err));
    w->n_files = 1;
    TRY(read_file(w, &w->files[0], arena, err));
    TRY(pi_meta_i64(w, "split.count", &count, &found, err));
    TRY(pi_meta_i64(w, "split.no", &number, &found, err));
    if (count > 1) {
        if (count > MAX_SHARDS)
            return pi_fail(err, PITH_E_FORMAT, "split.count is %lld, at most %d are possible",
                           (long long)count, MAX_SHARDS);
        if (!source->path)
            return pi_fail(err, PITH_E_UNSUPPORTED, "a split file of %lld shards can only be "
                           "opened by path", (long long)count);
        if (number != 0)
            return pi_fail(err, PITH_E_ARGUMENT, "this is shard %lld of %lld; open the first",
                           (long long)number + 1, (long long)count);
        TRY(open_shards(w, source->path, count, arena, err));
    }
    return pi_weights_index(w, arena, err);
}

void pi_weights_close(struct weights *w)
{
    for (int i = 0; i < w->n_files; i++)
        pi_mmap_close(&w->files[i]);
    w->n_files = 0;
}
