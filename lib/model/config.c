/* config.c - key rows -> named numbers: the file's hyper-parameters, each read once.
 */
#include "model.h"

#include <math.h>

/* prefix + "." + key in the arena, or the key alone; NULL when memory is out. */
static char *full_key(struct arena *arena, struct str prefix, struct str key)
{
    char *full = pi_arena_alloc(arena, prefix.n + key.n + 2, 1);
    size_t n = 0;

    if (full && prefix.n) {
        memcpy(full, prefix.at, prefix.n);
        full[prefix.n] = '.';
        n = prefix.n + 1;
    }
    if (full)
        memcpy(full + n, key.at, key.n);
    return full;
}

/* The first of the alternatives that the file has; *name is its full key, or the first
 * alternative's if none is there. In GGUF keys stand behind the architecture's name; in
 * config.json the numbers of a model's text part may stand in an object of their own. *none: the
 * file says that it has none. */
static int find_key(const struct numbers *n, const struct key *row, const struct weights *w,
                    struct arena *arena, const struct meta **found, const char **name, bool *none,
                    pith_error *err)
{
    const struct str prefixes[] = { w->hf ? STR("text_config") : n->arch, STR("") };

    *found = NULL;
    *name = NULL;
    *none = false;
    for (int i = 0; i < 2 && !*found; i++) {
        struct str rest = pi_str(w->hf ? row->config : row->gguf), key;

        while (!*found && pi_str_cut(&rest, '|', &key)) {
            char *full = full_key(arena, prefixes[i], key);

            if (!full)
                return pi_no_memory(err, "a key", key.n);
            *found = pi_meta_find(w, pi_str(full));
            if (w->hf && *found && (*found)->is_array && (*found)->count == 0)
                *found = NULL; /* as if it were not there */
            *none |= pi_meta_is_null(w, pi_str(full));
            if (*found || (!*name && i == (int)w->hf))
                *name = full;
        }
    }
    return PITH_OK;
}

/* A string stands for the number of the constant of that name. */
static int read_word(double *out, struct str text, bool hf, const char *key, pith_error *err)
{
    const char *word = hf ? pi_arch_word(text) : NULL;

    return pi_constant(word ? pi_str(word) : text, out) ? PITH_OK
        : pi_fail(err, PITH_E_UNSUPPORTED, "%s is %.*s, which is not supported", key,
                  (int)pi_min_size(text.n, 60), text.at);
}

static int read_array(struct number *row, const struct meta *m, bool hf, const char *key,
                      struct arena *arena, pith_error *err)
{
    const uint8_t *cursor = m->at;
    double *values;

    if (m->count == 0)
        return pi_fail(err, PITH_E_FORMAT, "key %s is an empty array", key);
    values = pi_arena_alloc(arena, (size_t)m->count, sizeof *values);
    if (!values)
        return pi_no_memory(err, key, (size_t)m->count * sizeof *values);
    for (uint64_t i = 0; i < m->count; i++) {
        if (m->type == META_STR)
            TRY(read_word(&values[i], pi_meta_next_str(&cursor), hf, key, err));
        else
            values[i] = pi_meta_number(m, i);
    }
    row->value = values[0];
    row->per_layer = values;
    row->n_layers = (int64_t)m->count;
    return PITH_OK;
}

/* Whether the string is no word, but one letter a layer, each of which is a word. */
static bool is_letters(struct str text)
{
    double value;
    bool all = text.n > 1 && !pi_arch_word(text) && !pi_constant(text, &value);

    for (size_t i = 0; all && i < text.n; i++)
        all = pi_constant((struct str){ text.at + i, 1 }, &value);
    return all;
}

static int read_letters(struct number *row, struct str text, const char *key, struct arena *arena,
                        pith_error *err)
{
    double *values = pi_arena_alloc(arena, text.n, sizeof *values);

    if (!values)
        return pi_no_memory(err, key, text.n * sizeof *values);
    for (size_t i = 0; i < text.n; i++)
        pi_constant((struct str){ text.at + i, 1 }, &values[i]);
    row->value = values[0];
    row->per_layer = values;
    row->n_layers = (int64_t)text.n;
    return PITH_OK;
}

/* Whether the formula names `layer`, or a number that has one value a layer. */
static bool varies(const struct numbers *n, const char *formula)
{
    while (*formula) {
        struct str word = { formula, 0 };

        while ((formula[word.n] >= 'a' && formula[word.n] <= 'z') || formula[word.n] == '_')
            word.n++;
        if (pi_str_equal(word, STR("layer")))
            return true;
        for (int i = 0; i < n->n; i++)
            if (n->rows[i].per_layer && pi_str_equal(word, pi_str(n->rows[i].name)))
                return true;
        formula += word.n ? word.n : 1;
    }
    return false;
}

/* What the key is where the file has none: one number, or one a layer. */
static int use_fallback(const struct numbers *n, struct number *row, const char *formula,
                        struct arena *arena, pith_error *err)
{
    bool each = varies(n, formula) && strcmp(row->name, "layers") != 0;
    double *values;

    TRY(pi_numbers_eval(n, pi_str(formula), each ? 0 : -1, &row->value, err));
    if (!each)
        return PITH_OK;
    TRY(pi_numbers_count(n, STR("layers"), -1, 1, &row->n_layers, err));
    if (row->n_layers > PI_MAX_LAYERS)
        return PITH_OK; /* bind.c says so */
    values = pi_arena_alloc(arena, (size_t)row->n_layers, sizeof *values);
    if (!values)
        return pi_no_memory(err, row->name, (size_t)row->n_layers * sizeof *values);
    for (int i = 0; i < (int)row->n_layers; i++)
        TRY(pi_numbers_eval(n, pi_str(formula), i, &values[i], err));
    row->per_layer = values;
    return PITH_OK;
}

/* Where numbers come from. */
struct reading {
    const struct weights *w;
    bool nested;
};

/* *derived: the file has no such key, and what stands in for it is at fault. */
static int read_key(struct numbers *n, const struct key *key, const struct reading *from,
                    struct arena *arena, bool *derived, pith_error *err)
{
    const struct weights *w = from->w;
    struct str usual = from->nested ? pi_arch_usual(n->arch, key->name) : STR("");
    struct number *row = &n->rows[n->n];
    const struct meta *m;
    const char *name;
    char number[32];
    bool none;

    *row = (struct number){ .name = key->name };
    *derived = false;
    TRY(find_key(n, key, w, arena, &m, &name, &none, err));
    if (!m && usual.n && !none) {
        n->n++;
        return pi_numbers_eval(n, usual, -1, &row->value, err);
    }
    if (!m && !key->fallback)
        return pi_fail(err, PITH_E_FORMAT, "key %s is missing", name);
    if (!name)
        name = key->name;
    *derived = !m;
    if (m)
        row->key = name;
    if (!m) {
        pith_error why;

        if (use_fallback(n, row, key->fallback, arena, &why) != PITH_OK)
            return pi_fail(err, why.code, "key %s is missing, and its default cannot be "
                           "computed: %s", name, why.text);
    } else if (m->is_array) {
        TRY(read_array(row, m, w->hf, name, arena, err));
    } else if (m->type == META_STR) {
        const uint8_t *cursor = m->at;
        struct str text = pi_meta_next_str(&cursor);

        TRY(is_letters(text) ? read_letters(row, text, name, arena, err)
                             : read_word(&row->value, text, w->hf, name, err));
    } else {
        row->value = pi_meta_number(m, 0);
    }
    if (!isfinite(row->value))
        return pi_fail(err, PITH_E_FORMAT, "key %s is not a finite number", name);
    /* Defaults come layer by layer, so their number is looked at first. */
    if (m && strcmp(key->gguf, "block_count") == 0 &&
        !(row->value >= 0 && row->value == floor(row->value)))
        return pi_fail(err, PITH_E_FORMAT, "key %s is %s; a whole number is needed", name,
                       pi_number(row->value, number));
    n->n++;
    return PITH_OK;
}

/* Reads the keys in any order in which every default comes behind what it is computed from. An
 * error is about a key of the file rather than about a default that lacks it. */
static int read_keys(struct numbers *n, const struct key *const *keys, int count,
                     const struct reading *from, struct arena *arena, pith_error *err)
{
    bool done[PI_MAX_KEYS] = { false }, derived;
    int first = -1;

    for (int before = -1; before < n->n;) {
        before = n->n;
        for (int i = 0; i < count; i++)
            if (!done[i])
                done[i] = read_key(n, keys[i], from, arena, &derived, NULL) == PITH_OK;
    }
    for (int i = 0; i < count; i++) {
        if (done[i])
            continue;
        if (first < 0)
            first = i;
        read_key(n, keys[i], from, arena, &derived, NULL);
        if (!derived) {
            first = i;
            break;
        }
    }
    return first < 0 ? PITH_OK : read_key(n, keys[first], from, arena, &derived, err);
}

int pi_config_read(struct numbers *n, const struct arch *arch, struct str arch_name, bool nested,
                   const struct weights *w, double tokens, struct arena *arena, pith_error *err)
{
    const struct reading from = { w, nested };
    const struct key *keys[PI_MAX_KEYS];
    int count = pi_arch_keys(arch, keys);
    int64_t layers;

    *n = (struct numbers){ .tokens = tokens, .layer = -1, .arch = arch_name, .hf = w->hf };
    TRY(read_keys(n, keys, count, &from, arena, err));
    TRY(pi_numbers_count(n, STR("layers"), -1, 1, &layers, err));
    for (int i = 0; i < n->n; i++)
        if (n->rows[i].per_layer && n->rows[i].n_layers != layers)
            return pi_fail(err, PITH_E_FORMAT, "key %s has %lld values for %lld layers",
                           n->rows[i].key, (long long)n->rows[i].n_layers, (long long)layers);
    return PITH_OK;
}
