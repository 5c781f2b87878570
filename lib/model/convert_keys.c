/* convert_keys.c - the numbers of a folder become metadata of GGUF, and are read back to see that
 * nothing was lost.
 *
 * A key is written if config.json has it, if readers need it, or if its default would be another
 * number. Before: convert.c. Next: convert_plan.c.
 */
#include "convert.h"

#include <math.h>

enum key_kind { KEY_WHOLE, KEY_FLOAT, KEY_BOOL, KEY_BOOLS, KEY_WORD };

/* Value types of GGUF's keys by how they end; all others are whole numbers.
 * Source: gguf-py, gguf_writer.py. */
static enum key_kind kind_of(struct str key)
{
    static const struct {
        const char *end;
        enum key_kind kind;
    } kinds[] = {
        { "epsilon", KEY_FLOAT }, { "scale", KEY_FLOAT }, { "freq_base", KEY_FLOAT },
        { "freq_base_swa", KEY_FLOAT }, { "scaling.factor", KEY_FLOAT },
        { "attn_factor", KEY_FLOAT }, { "beta_fast", KEY_FLOAT }, { "beta_slow", KEY_FLOAT },
        { "log_multiplier", KEY_FLOAT }, { "softcapping", KEY_FLOAT },
        { "clamp_kqv", KEY_FLOAT }, { "alibi_bias", KEY_FLOAT },
        { "weights_norm", KEY_BOOL }, { "dt_b_c_rms", KEY_BOOL }, { "finetuned", KEY_BOOL },
        { "parallel_residual", KEY_BOOL }, { "window_pattern", KEY_BOOLS },
        { "recurrent_layers", KEY_BOOLS }, { "scaling.type", KEY_WORD },
    };

    for (size_t i = 0; i < PI_COUNT(kinds); i++) {
        size_t n = strlen(kinds[i].end);

        if (key.n >= n && memcmp(key.at + key.n - n, kinds[i].end, n) == 0)
            return kinds[i].kind;
    }
    return KEY_WHOLE;
}

static int whole_number(double value, const char *key, uint32_t *out, pith_error *err)
{
    char number[32];

    if (!(value >= 0 && value <= UINT32_MAX && value == floor(value)))
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s would be %s, GGUF has whole numbers there",
                       key, pi_number(value, number));
    *out = (uint32_t)value;
    return PITH_OK;
}

static int put_array(struct converting *c, const char *key, const double *values, size_t n,
                     bool flags, pith_error *err)
{
    int32_t *numbers = pi_arena_alloc(&c->arena, n, sizeof *numbers);
    bool *bools = pi_arena_alloc(&c->arena, n, sizeof *bools);

    if (!numbers || !bools)
        return pi_no_memory(err, key, n * sizeof *numbers);
    for (size_t i = 0; i < n; i++) {
        uint32_t value;

        TRY(whole_number(values[i], key, &value, err));
        numbers[i] = (int32_t)value;
        bools[i] = value != 0;
    }
    return flags ? pi_metas_bools(&c->metas, key, bools, n, err)
                 : pi_metas_i32s(&c->metas, key, numbers, n, err);
}

static int put_floats(struct converting *c, const char *key, const double *values, size_t n,
                      pith_error *err)
{
    float *floats = pi_arena_alloc(&c->arena, n, sizeof *floats);

    if (!floats)
        return pi_no_memory(err, key, n * sizeof *floats);
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)values[i];
    return pi_metas_f32s(&c->metas, key, floats, n, err);
}

/* Names of the kinds of scaling, in the order of their constants (numbers.c). */
static int put_scaling(struct converting *c, const char *key, double value, pith_error *err)
{
    static const char *const names[] = { "none", "linear", "yarn", NULL, "longrope" };
    size_t i = (size_t)value;

    if (!(value >= 0 && value < PI_COUNT(names)) || !names[i])
        return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF has no name for the scaling of %s", key);
    return pi_metas_str(&c->metas, key, pi_str(names[i]), err);
}

/* One number, or one a layer. */
static int put_number(struct converting *c, const char *key, const double *values, size_t n,
                      pith_error *err)
{
    enum key_kind kind = kind_of(pi_str(key));
    bool varies = false;
    uint32_t whole;

    for (size_t i = 1; i < n; i++)
        varies = varies || values[i] != values[0];
    if (kind == KEY_BOOLS || (varies && kind == KEY_WHOLE))
        return put_array(c, key, values, n, kind == KEY_BOOLS, err);
    if (kind == KEY_FLOAT && varies)
        return put_floats(c, key, values, n, err);
    if (varies)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s differs from layer to layer, GGUF has one "
                       "number there", key);
    if (kind == KEY_FLOAT)
        return pi_metas_f32(&c->metas, key, (float)values[0], err);
    if (kind == KEY_BOOL)
        return pi_metas_bool(&c->metas, key, values[0] != 0, err);
    if (kind == KEY_WORD)
        return put_scaling(c, key, values[0], err);
    TRY(whole_number(values[0], key, &whole, err));
    return pi_metas_u32(&c->metas, key, whole, err);
}

/* "<arch>." and the first of the alternatives, in the arena. */
static int gguf_key(struct converting *c, const char *alternatives, const char **out,
                    pith_error *err)
{
    struct str rest = pi_str(alternatives), arch = c->says.arch, key;
    char *text;

    pi_str_cut(&rest, '|', &key);
    text = pi_arena_alloc(&c->arena, arch.n + 1 + key.n + 1, 1);
    if (!text)
        return pi_no_memory(err, "a key", key.n);
    memcpy(text, arch.at, arch.n);
    text[arch.n] = '.';
    memcpy(text + arch.n + 1, key.at, key.n);
    *out = text;
    return PITH_OK;
}

/* The values of an expression: one, or one a layer where it needs one. */
static int eval_layers(struct converting *c, const char *expression, const double **values,
                       size_t *n, pith_error *err)
{
    int64_t layers;
    double *out;

    TRY(pi_numbers_count(&c->has, STR("layers"), -1, 1, &layers, err));
    out = pi_arena_alloc(&c->arena, (size_t)layers, sizeof *out);
    if (!out)
        return pi_no_memory(err, expression, (size_t)layers * sizeof *out);
    for (int i = 0; i < (int)layers; i++)
        TRY(pi_numbers_eval(&c->has, pi_str(expression), i, &out[i], err));
    *values = out;
    *n = (size_t)layers;
    return PITH_OK;
}

static const struct put *find_put(const struct put *const *puts, int n, const char *alternatives)
{
    struct str rest = pi_str(alternatives), key;

    pi_str_cut(&rest, '|', &key);
    for (int i = 0; i < n; i++)
        if (pi_str_equal(pi_str(puts[i]->key), key))
            return puts[i];
    return NULL;
}

static const struct number *find_number(const struct numbers *n, const char *name)
{
    for (int i = 0; i < n->n; i++)
        if (strcmp(n->rows[i].name, name) == 0)
            return &n->rows[i];
    return NULL;
}

static int put_key(struct converting *c, const struct key *key, pith_error *err)
{
    const struct number *has = find_number(&c->has, key->name);
    const char *full;

    if (!has)
        return PITH_OK;
    TRY(gguf_key(c, key->gguf, &full, err));
    return has->per_layer ? put_number(c, full, has->per_layer, (size_t)has->n_layers, err)
                          : put_number(c, full, &has->value, 1, err);
}

/* "1,2,3" */
static int put_list(struct converting *c, const char *key, const char *list, pith_error *err)
{
    struct str rest = pi_str(list), one;
    int32_t values[8];
    double value;
    size_t n = 0;

    while (n < PI_COUNT(values) && pi_str_cut(&rest, ',', &one))
        values[n++] = pi_str_number(one, &value) ? (int32_t)value : 0;
    return pi_metas_i32s(&c->metas, key, values, n, err);
}

static int put_put(struct converting *c, const struct put *put, pith_error *err)
{
    const double *values = NULL;
    const char *full;
    double when = 1;
    size_t n = 0;

    if (put->when)
        TRY(pi_numbers_eval(&c->has, pi_str(put->when), -1, &when, err));
    if (when == 0 || !put->value)
        return PITH_OK;
    TRY(gguf_key(c, put->key, &full, err));
    if (put->value[0] == '#')
        return put_list(c, full, put->value + 1, err);
    if (put->value[0] == '=')
        return pi_metas_str(&c->metas, full, pi_str(put->value + 1), err);
    TRY(eval_layers(c, put->value, &values, &n, err));
    return put_number(c, full, values, n, err);
}

/* ---- the way back ---- */

/* Whether the expression has the name in it. */
static bool names(const char *expression, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = expression; at && (at = strstr(at, name)); at++) {
        char before = at > expression ? at[-1] : ' ', behind = at[n];

        if (!(before == '_' || (before >= 'a' && before <= 'z')) &&
            !(behind == '_' || (behind >= 'a' && behind <= 'z')))
            return true;
    }
    return false;
}

static bool steps_name(const struct step *s, const char *name)
{
    for (; s && s->out; s++)
        if (names(s->params, name) || names(s->when, name))
            return true;
    return false;
}

static bool recipe_names(const struct arch *arch, const char *name)
{
    const struct weight *rows[PI_MAX_WEIGHTS];
    int n = pi_arch_weights(arch, false, rows);
    const struct part *part = pi_arch_part(arch, "decode");

    for (int i = 0; i < n; i++)
        if (!rows[i]->ignore && (names(rows[i]->shape, name) || names(rows[i]->when, name)))
            return true;
    return part && (steps_name(part->enter, name) || steps_name(part->block, name) ||
                    steps_name(part->leave, name) || names(part->layers, name));
}

static bool is_compared(const struct converting *c, const struct key *key)
{
    return !key->own && recipe_names(c->arch, key->name);
}

static bool same_number(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

static double number_at(const struct number *n, int layer)
{
    return n->per_layer && layer < n->n_layers ? n->per_layer[layer] : n->value;
}

/* What the key is where the family of the file has no such key. */
static int eval_default(const struct converting *c, const struct key *key, int layer, double *out,
                        pith_error *err)
{
    struct numbers n = c->has;

    n.hf = false;
    if (!key->fallback)
        return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF has no word for %s of this model",
                       key->name);
    return pi_numbers_eval(&n, pi_str(key->fallback), layer, out, err);
}

/* What a reader calls by that name; NULL if the family of the file has no such word, or means
 * something else by it. */
static const struct number *find_said(const struct converting *c, const struct key *key)
{
    const struct key *keys[PI_MAX_KEYS];
    int n = pi_arch_keys(c->gguf, keys);

    for (int i = 0; i < n; i++) {
        const char *fallback = keys[i]->fallback;

        if (strcmp(keys[i]->name, key->name) != 0)
            continue;
        return strcmp(keys[i]->gguf, key->gguf) == 0 &&
                       (key->gguf[0] || fallback == key->fallback ||
                        (fallback && key->fallback && strcmp(fallback, key->fallback) == 0))
                   ? find_number(&c->says, key->name) : NULL;
    }
    return NULL;
}

/* Fails where a reader of the metadata takes another number than the folder has. */
static int check_number(const struct converting *c, const struct key *key, pith_error *err)
{
    const struct number *has = find_number(&c->has, key->name);
    const struct number *says = find_said(c, key);
    int64_t layers = 1;
    char a[32], b[32];

    if (!has)
        return PITH_OK;
    if (has->per_layer || (says && says->per_layer))
        TRY(pi_numbers_count(&c->has, STR("layers"), -1, 1, &layers, err));
    for (int i = 0; i < (int)layers; i++) {
        double here = number_at(has, i), there;

        if (says)
            there = number_at(says, i);
        else
            TRY(eval_default(c, key, layers > 1 ? i : -1, &there, err));
        if (!same_number(here, there))
            return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF cannot carry %s of this model: it is %s "
                           "in layer %d, readers would take %s", has->key ? has->key : key->name,
                           pi_number(here, a), i, pi_number(there, b));
    }
    return PITH_OK;
}

int pi_convert_check(const struct converting *c, pith_error *err)
{
    const struct key *keys[PI_MAX_KEYS];
    int n = pi_arch_keys(c->arch, keys);

    for (int i = 0; i < n; i++)
        if (is_compared(c, keys[i]))
            TRY(check_number(c, keys[i], err));
    return PITH_OK;
}

/* What a reader makes of the metadata so far. */
static int read_back(struct converting *c, pith_error *err)
{
    TRY(pi_metas_view(&c->to, &c->metas, NULL, 0, err));
    return pi_config_read(&c->says, c->gguf, c->says.arch, false, &c->to,
                          c->tokens ? (double)c->tokens : c->has.tokens, &c->arena, err);
}

int pi_convert_keys(struct converting *c, pith_error *err)
{
    const struct key *keys[PI_MAX_KEYS];
    const struct put *puts[PI_MAX_KEYS];
    int n_keys = pi_arch_keys(c->arch, keys), n_puts = pi_arch_puts(c->arch, puts), n = 0;

    for (int i = 0; i < n_puts; i++)
        TRY(put_put(c, puts[i], err));
    for (int i = 0; i < n_keys; i++) {
        const struct number *has = find_number(&c->has, keys[i]->name);

        if (!keys[i]->gguf[0] || find_put(puts, n_puts, keys[i]->gguf))
            continue;
        keys[n++] = keys[i];
        if (!keys[i]->fallback || (has && has->key))
            TRY(put_key(c, keys[i], err));
    }
    TRY(read_back(c, err));
    for (int i = 0; i < n; i++)
        if (is_compared(c, keys[i]) && check_number(c, keys[i], NULL) != PITH_OK) {
            TRY(put_key(c, keys[i], err));
            TRY(read_back(c, err));
        }
    return PITH_OK;
}
