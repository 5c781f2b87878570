/* folder.c - opens a Hugging Face folder. See folder.h.
 *
 * All files are untrusted. It refuses names of shards that are paths, a shard that is not there,
 * and a tensor that is not in the shard that the index names.
 *
 * Before: model/model.c. Next: safetensors.c.
 */
#include "folder.h"

#include "base/json.h"
#include "safetensors.h"

#include <math.h>

enum { SHARDS_MAX = 9999, PATH_DEPTH = 6, KEY_BYTES = 200 };

#define ONE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"

static int join_path(char **out, const struct weights *w, struct str name, struct arena *arena,
                     pith_error *err)
{
    size_t n = strlen(w->folder);

    *out = pi_arena_alloc(arena, n + name.n + 2, 1);
    if (!*out)
        return pi_no_memory(err, "a path", n + name.n + 2);
    memcpy(*out, w->folder, n);
    (*out)[n] = '/';
    memcpy(*out + n + 1, name.at, name.n);
    return PITH_OK;
}

int pi_folder_text(struct weights *w, const char *name, struct str *text, bool *found,
                   struct arena *arena, pith_error *err)
{
    struct mapping *file = &w->files[w->n_files];
    char *path;

    *found = false;
    TRY(join_path(&path, w, pi_str(name), arena, err));
    if (!pi_path_exists(path))
        return PITH_OK;
    if (w->n_files == w->most_files)
        return pi_fail(err, PITH_E_LIMIT, "%s: too many files of the folder are open", name);
    TRY(pi_mmap_path(file, path, err));
    w->n_files++;
    *text = (struct str){ (const char *)file->data, file->size };
    *found = true;
    return PITH_OK;
}

/* Python writes Infinity, which JSON does not know: outside strings it becomes a number too large,
 * in a copy. */
static int spell_infinity(struct str *text, struct arena *arena, pith_error *err)
{
    static const char word[] = "Infinity", number[] = "1e999   ";
    size_t n = sizeof word - 1;
    bool quoted = false;
    char *copy = NULL;

    for (size_t i = 0; i + n <= text->n; i++) {
        if (quoted && text->at[i] == '\\')
            i++;
        else if (text->at[i] == '"')
            quoted = !quoted;
        else if (!quoted && memcmp(text->at + i, word, n) == 0) {
            if (!copy)
                copy = pi_arena_text(arena, text->at, text->n);
            if (!copy)
                return pi_no_memory(err, "a copy of a file", text->n);
            memcpy(copy + i, number, n);
        }
    }
    if (copy)
        text->at = copy;
    return PITH_OK;
}

/* A JSON file of the folder; NULL if it is not there. */
static int read_json(struct weights *w, const char *name, const struct json **out,
                     struct arena *arena, pith_error *err)
{
    struct str text;
    bool found;

    *out = NULL;
    TRY(pi_folder_text(w, name, &text, &found, arena, err));
    if (!found)
        return PITH_OK;
    TRY(spell_infinity(&text, arena, err));
    TRY(pi_json_parse(out, arena, text, name, err));
    if (pi_json_kind(*out) != JSON_OBJECT)
        return pi_fail(err, PITH_E_FORMAT, "%s: no object", name);
    return PITH_OK;
}

/* ---- config.json becomes metadata ---- */

static void put_le64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* The type of a scalar; META_TYPES if it is none. */
static enum meta_type scalar_type(const struct json *v)
{
    switch (pi_json_kind(v)) {
    case JSON_TRUE: case JSON_FALSE: return META_BOOL;
    case JSON_NUMBER: return META_F64;
    case JSON_STRING: return META_STR;
    case JSON_NULL: case JSON_ARRAY: case JSON_OBJECT: break;
    }
    return META_TYPES;
}

/* The bytes of a scalar in GGUF's form; returns their number, to = NULL only counts. */
static size_t put_single(uint8_t *to, const struct json *v)
{
    double number = 0;
    uint64_t bits;

    switch (pi_json_kind(v)) {
    case JSON_STRING:
        if (to) {
            put_le64(to, v->n);
            memcpy(to + 8, v->at, v->n);
        }
        return 8 + (size_t)v->n;
    case JSON_NUMBER:
        if (!pi_json_double(v, &number))
            number = HUGE_VAL; /* too large: whoever needs it will refuse it */
        memcpy(&bits, &number, sizeof bits);
        if (to)
            put_le64(to, bits);
        return 8;
    default:
        if (to)
            *to = pi_json_kind(v) == JSON_TRUE;
        return 1;
    }
}

/* Adds the value; what metadata cannot hold (arrays of arrays or of several kinds) is left out.
 * null has no type. */
static int add_meta(struct weights *w, struct str key, const struct json *v, struct arena *arena,
                    pith_error *err)
{
    struct meta m = { .type = scalar_type(v), .count = 1 };
    struct json_walk walk = pi_json_walk(v);
    int64_t i = pi_map_find(&w->by_key, key);
    size_t n = 0;
    uint8_t *at;

    if (pi_json_kind(v) == JSON_ARRAY) {
        m.is_array = true;
        m.count = v->n;
        m.type = v->n ? scalar_type(v + 1) : META_F64;
        while (pi_json_next(&walk)) {
            if (scalar_type(walk.value) != m.type)
                return PITH_OK;
            n += put_single(NULL, walk.value);
        }
    } else if (m.type < META_TYPES) {
        n = put_single(NULL, v);
    }
    if (m.type == META_TYPES && pi_json_kind(v) != JSON_NULL)
        return PITH_OK;
    m.at = at = pi_arena_alloc(arena, n, 1);
    m.key = (struct str){ pi_arena_text(arena, key.at, key.n), key.n };
    if (!at || !m.key.at)
        return pi_no_memory(err, "the metadata", n + key.n);
    walk = pi_json_walk(v);
    if (!m.is_array && m.type < META_TYPES)
        at += put_single(at, v);
    while (m.is_array && pi_json_next(&walk))
        at += put_single(at, walk.value);
    m.end = at;
    if (i < 0) {
        i = w->n_metas++;
        pi_map_add(&w->by_key, m.key, i);
    } else {
        m.key = w->metas[i].key; /* the map borrows it */
    }
    w->metas[i] = m; /* of members with the same name the last counts */
    return PITH_OK;
}

/* prefix + "a.b.c"; false if it is too long. */
static bool join_key(char key[KEY_BYTES], size_t at, struct str name, size_t *n)
{
    bool dot = at > 0 && key[at - 1] != '.';

    if (at + dot + name.n > KEY_BYTES)
        return false;
    if (dot)
        key[at] = '.';
    memcpy(key + at + dot, name.at, name.n);
    *n = at + dot + name.n;
    return true;
}

/* Adds every value in the object, those of nested objects under their paths. Deeper than PATH_DEPTH
 * nothing is looked for. */
static int add_metas(struct weights *w, const struct json *object, const char *prefix,
                     struct arena *arena, pith_error *err)
{
    struct json_walk walks[PATH_DEPTH];
    size_t length[PATH_DEPTH], n;
    char key[KEY_BYTES];
    int depth = 0;

    walks[0] = pi_json_walk(object);
    length[0] = strlen(prefix);
    memcpy(key, prefix, length[0]);
    while (depth >= 0) {
        struct json_walk *walk = &walks[depth];

        if (!pi_json_next(walk)) {
            depth--;
            continue;
        }
        if (!join_key(key, length[depth], walk->key, &n))
            continue;
        if (pi_json_kind(walk->value) != JSON_OBJECT) {
            TRY(add_meta(w, (struct str){ key, n }, walk->value, arena, err));
        } else if (depth + 1 < PATH_DEPTH) {
            walks[++depth] = pi_json_walk(walk->value);
            length[depth] = n;
        }
    }
    return PITH_OK;
}

/* The template stands in a file of its own, or in tokenizer_config.json: as a string, or as one of
 * several with names. */
static int find_template(struct weights *w, struct json *out, struct arena *arena, pith_error *err)
{
    const struct json *config, *v;
    struct json_walk walk;
    struct str text;
    bool found;

    *out = (struct json){ .kind = JSON_NULL };
    TRY(pi_folder_text(w, "chat_template.jinja", &text, &found, arena, err));
    if (found && text.n <= UINT32_MAX) {
        *out = (struct json){ .at = text.at, .n = (uint32_t)text.n, .kind = JSON_STRING };
        return PITH_OK;
    }
    TRY(read_json(w, "tokenizer_config.json", &config, arena, err));
    v = pi_json_find(config, "chat_template");
    walk = pi_json_walk(v);
    if (pi_json_kind(v) == JSON_STRING)
        *out = *v;
    while (pi_json_kind(v) == JSON_ARRAY && pi_json_next(&walk)) {
        const struct json *one = pi_json_find(walk.value, "template");

        if (pi_json_kind(one) == JSON_STRING &&
            pi_json_is_string(pi_json_find(walk.value, "name"), "default"))
            *out = *one;
    }
    return PITH_OK;
}

static int read_configs(struct weights *w, struct arena *arena, pith_error *err)
{
    const struct json *config, *generation;
    struct json template;
    size_t n;

    TRY(read_json(w, "config.json", &config, arena, err));
    if (!config)
        return pi_fail(err, PITH_E_IO, "%s: a directory without config.json; a GGUF file or a "
                       "model's folder is needed", pi_path_tail(w->folder));
    TRY(read_json(w, "generation_config.json", &generation, arena, err));
    TRY(find_template(w, &template, arena, err));
    n = (size_t)config->size + (generation ? generation->size : 0u) + 1;
    w->metas = pi_arena_alloc(arena, n, sizeof *w->metas);
    if (!w->metas)
        return pi_no_memory(err, "the metadata", n * sizeof *w->metas);
    TRY(pi_map_init(&w->by_key, arena, n, err));
    TRY(add_metas(w, config, "", arena, err));
    TRY(add_metas(w, generation, "generation_config.", arena, err));
    return add_meta(w, STR("tokenizer.chat_template"), &template, arena, err);
}

/* ---- safetensors ---- */

struct shard {
    struct str name;
    struct tensor *tensors;
    int64_t n_tensors;
};

/* A shard's name must be that of a file in this folder. */
static int check_shard_name(struct str name, pith_error *err)
{
    bool plain = name.n > 0 && name.n < 256 && name.at[0] != '.';

    for (size_t i = 0; plain && i < name.n; i++)
        plain = name.at[i] != '/' && name.at[i] != '\\' && name.at[i] != ':' && name.at[i] != 0;
    if (!plain)
        return pi_fail(err, PITH_E_FORMAT, "%s: \"%.*s\" is no name of a file in the folder",
                       INDEX_FILE, (int)pi_min_size(name.n, 80), name.at);
    return PITH_OK;
}

static int list_shards(struct shard **out, int *count, const struct json *weight_map,
                       struct map *by_name, struct arena *arena, pith_error *err)
{
    struct json_walk walk = pi_json_walk(weight_map);
    struct shard *shards;
    size_t most = pi_min_size(weight_map->n, SHARDS_MAX);
    int n = 0;

    shards = pi_arena_alloc(arena, most, sizeof *shards);
    if (!shards)
        return pi_no_memory(err, "the shards", most * sizeof *shards);
    TRY(pi_map_init(by_name, arena, most, err));
    while (pi_json_next(&walk)) {
        struct str name = pi_json_text(walk.value);

        TRY(check_shard_name(name, err));
        if (pi_map_find(by_name, name) >= 0)
            continue;
        if (n == SHARDS_MAX)
            return pi_fail(err, PITH_E_LIMIT, "%s: more than %d files", INDEX_FILE, SHARDS_MAX);
        shards[n].name = name;
        pi_map_add(by_name, name, n++);
    }
    if (n == 0)
        return pi_fail(err, PITH_E_FORMAT, "%s: weight_map is empty", INDEX_FILE);
    *out = shards;
    *count = n;
    return PITH_OK;
}

static int read_shards(struct weights *w, struct shard *shards, int count, struct arena *arena,
                       pith_error *err)
{
    struct mapping *files = pi_arena_alloc(arena, (size_t)count + FOLDER_TEXTS, sizeof *files);
    int64_t total = 0;

    if (!files)
        return pi_no_memory(err, "the shards", (size_t)count * sizeof *files);
    memcpy(files, w->files, (size_t)w->n_files * sizeof *files);
    w->files = files;
    w->most_files = count + FOLDER_TEXTS;
    for (int i = 0; i < count; i++) {
        char *path;

        TRY(join_path(&path, w, shards[i].name, arena, err));
        TRY(pi_mmap_path(&files[w->n_files], path, err));
        w->n_files++;
        TRY(pi_safetensors_read(&shards[i].tensors, &shards[i].n_tensors,
                                &files[w->n_files - 1], path, arena, err));
        total += shards[i].n_tensors;
    }
    w->tensors = pi_arena_alloc(arena, (size_t)total, sizeof *w->tensors);
    if (!w->tensors)
        return pi_no_memory(err, "the tensor list", (size_t)total * sizeof *w->tensors);
    for (int i = 0; i < count; i++) {
        if (shards[i].n_tensors)
            memcpy(w->tensors + w->n_tensors, shards[i].tensors,
                   (size_t)shards[i].n_tensors * sizeof *w->tensors);
        shards[i].tensors = w->tensors + w->n_tensors;
        w->n_tensors += shards[i].n_tensors;
    }
    return pi_weights_index(w, arena, err);
}

/* Every tensor of the index stands in the shard that it names. */
static int check_index(const struct weights *w, const struct shard *shards,
                       const struct map *by_name, const struct json *weight_map, pith_error *err)
{
    struct json_walk walk = pi_json_walk(weight_map);

    while (pi_json_next(&walk)) {
        const struct shard *s = &shards[pi_map_find(by_name, pi_json_text(walk.value))];
        const struct tensor *t = pi_weights_find(w, walk.key);

        if (!t || t < s->tensors || t >= s->tensors + s->n_tensors)
            return pi_fail(err, PITH_E_FORMAT, "%s: %.*s is not in %.*s, where the index has it",
                           INDEX_FILE, (int)pi_min_size(walk.key.n, 80), walk.key.at,
                           (int)pi_min_size(s->name.n, 80), s->name.at);
    }
    return PITH_OK;
}

static int read_tensors_of_folder(struct weights *w, struct arena *arena, pith_error *err)
{
    struct shard one = { .name = STR(ONE_FILE) }, *shards = NULL;
    const struct json *index, *weight_map = NULL;
    struct map by_name;
    char *path;
    int count = 0;

    TRY(join_path(&path, w, STR(ONE_FILE), arena, err));
    if (pi_path_exists(path))
        return read_shards(w, &one, 1, arena, err);
    TRY(read_json(w, INDEX_FILE, &index, arena, err));
    if (!index)
        return pi_fail(err, PITH_E_IO, "%s: neither %s nor %s is there", pi_path_tail(w->folder),
                       ONE_FILE, INDEX_FILE);
    TRY(pi_json_get(index, "weight_map", JSON_OBJECT, &weight_map, err));
    if (!weight_map)
        return pi_fail(err, PITH_E_FORMAT, "%s: weight_map is missing", INDEX_FILE);
    TRY(list_shards(&shards, &count, weight_map, &by_name, arena, err));
    TRY(read_shards(w, shards, count, arena, err));
    return check_index(w, shards, &by_name, weight_map, err);
}

int pi_folder_open(struct weights *w, struct arena *arena, const char *path, pith_error *err)
{
    *w = (struct weights){ .hf = true, .most_files = FOLDER_TEXTS };
    w->folder = pi_arena_text(arena, path, strlen(path));
    w->files = pi_arena_alloc(arena, FOLDER_TEXTS, sizeof *w->files);
    if (!w->folder || !w->files)
        return pi_no_memory(err, "the folder", strlen(path));
    TRY(read_configs(w, arena, err));
    return read_tensors_of_folder(w, arena, err);
}
