/* options.c - see options.h and the table in pith.h.
 */
#include "options.h"

static const struct option_row {
    int32_t key;
    const char *name;
    int32_t type, scope;
    double min, max, def;
    const char *text;
} option_rows[] = {
#define X(key, number, name, type, scope, min, max, def, text) \
    { key, name, PITH_TYPE_##type, PITH_SCOPE_##scope, min, max, def, text },
    PITH_OPTION_LIST(X)
#undef X
};

enum { OPTION_ROWS = PI_COUNT(option_rows) };

/* A string option's value; the newest is first. */
struct option_text {
    struct option_text *next;
    size_t size; /* of this block */
    int32_t key;
    size_t n;
    char text[];
};

struct pith_options {
    struct allocator allocator; /* of the model to be opened */
    bool is_set[OPTION_ROWS];
    int64_t integers[OPTION_ROWS];
    double numbers[OPTION_ROWS];
    struct option_text *texts;
};

static const struct allocator plain_allocator;

static int option_row(int key)
{
    int i = 0;

    while (i < OPTION_ROWS && option_rows[i].key != key)
        i++;
    return i;
}

static int find_row(const pith_options *o, int32_t key, int *row, pith_error *err)
{
    if (!o)
        return pi_fail(err, PITH_E_ARGUMENT, "options is NULL");
    *row = option_row(key);
    if (*row == OPTION_ROWS)
        return pi_fail(err, PITH_E_UNSUPPORTED, "there is no option number %d", key);
    return PITH_OK;
}

static int out_of_range(const struct option_row *row, double value, pith_error *err)
{
    char a[32], b[32], c[32];

    if (row->type == PITH_TYPE_I64 && value >= -0x1p62 && value <= 0x1p62)
        return pi_fail(err, PITH_E_ARGUMENT, "option %s is %lld; %lld to %lld is possible",
                       row->name, (long long)value, (long long)row->min, (long long)row->max);
    return pi_fail(err, PITH_E_ARGUMENT, "option %s is %s; %s to %s is possible", row->name,
                   pi_number(value, a), pi_number(row->min, b), pi_number(row->max, c));
}

int32_t pith_options_create(pith_options **out, pith_error *err)
{
    if (!out)
        return pi_fail(err, PITH_E_ARGUMENT, "out is NULL");
    *out = pi_alloc(&plain_allocator, sizeof **out);
    if (!*out)
        return pi_no_memory(err, "options", sizeof **out);
    memset(*out, 0, sizeof **out);
    return PITH_OK;
}

void pith_options_release(pith_options *o)
{
    struct option_text *text = o ? o->texts : NULL;

    while (text) {
        struct option_text *next = text->next;

        pi_free(&plain_allocator, text, text->size);
        text = next;
    }
    pi_free(&plain_allocator, o, sizeof *o);
}

int32_t pith_options_set_i64(pith_options *o, int32_t key, int64_t value, pith_error *err)
{
    int i;

    TRY(find_row(o, key, &i, err));
    if (option_rows[i].type == PITH_TYPE_STR)
        return pi_fail(err, PITH_E_ARGUMENT, "option %s takes text", option_rows[i].name);
    if (!((double)value >= option_rows[i].min && (double)value <= option_rows[i].max))
        return out_of_range(&option_rows[i], (double)value, err);
    o->integers[i] = value;
    o->numbers[i] = (double)value;
    o->is_set[i] = true;
    return PITH_OK;
}

int32_t pith_options_set_f64(pith_options *o, int32_t key, double value, pith_error *err)
{
    int i;

    TRY(find_row(o, key, &i, err));
    if (option_rows[i].type != PITH_TYPE_F64)
        return pi_fail(err, PITH_E_ARGUMENT, "option %s takes %s", option_rows[i].name,
                       option_rows[i].type == PITH_TYPE_STR ? "text" : "an integer");
    if (!(value >= option_rows[i].min && value <= option_rows[i].max))
        return out_of_range(&option_rows[i], value, err);
    o->numbers[i] = value;
    o->is_set[i] = true;
    return PITH_OK;
}

static bool repeats(int32_t key)
{
    return key == PITH_OPT_STOP || key == PITH_OPT_EXAMPLE_TEXT || key == PITH_OPT_EXAMPLE_LABEL;
}

static void remove_text(pith_options *o, int32_t key)
{
    struct option_text **link = &o->texts;

    while (*link) {
        struct option_text *text = *link;

        if (text->key != key) {
            link = &text->next;
            continue;
        }
        *link = text->next;
        pi_free(&plain_allocator, text, text->size);
    }
}

int32_t pith_options_set_str(pith_options *o, int32_t key, const char *text, int64_t length,
                             pith_error *err)
{
    struct option_text *block;
    size_t n, size;
    int i;

    TRY(find_row(o, key, &i, err));
    if (option_rows[i].type != PITH_TYPE_STR)
        return pi_fail(err, PITH_E_ARGUMENT, "option %s takes a number", option_rows[i].name);
    if (length < -1 || (!text && length != 0))
        return pi_fail(err, PITH_E_ARGUMENT, "option %s: the text is NULL or its length %lld",
                       option_rows[i].name, (long long)length);
    n = length < 0 ? strlen(text) : (size_t)length;
    if (!pi_add_size(sizeof *block, n, &size) || !(block = pi_alloc(&plain_allocator, size)))
        return pi_no_memory(err, "an option's text", n);
    if (!repeats(key))
        remove_text(o, key);
    *block = (struct option_text){ .next = o->texts, .size = size, .key = key, .n = n };
    if (n)
        memcpy(block->text, text, n);
    o->texts = block;
    o->is_set[i] = true;
    return PITH_OK;
}

int32_t pith_options_set(pith_options *o, const char *name, const char *value, pith_error *err)
{
    double number;
    int i = 0;

    if (!o || !name || !value)
        return pi_fail(err, PITH_E_ARGUMENT, "options, name or value is NULL");
    while (i < OPTION_ROWS && strcmp(option_rows[i].name, name) != 0)
        i++;
    if (i == OPTION_ROWS)
        return pi_fail(err, PITH_E_UNSUPPORTED, "there is no option called %.60s", name);
    if (option_rows[i].type == PITH_TYPE_STR)
        return pith_options_set_str(o, option_rows[i].key, value, -1, err);
    if (!pi_str_number(pi_str(value), &number))
        return pi_fail(err, PITH_E_ARGUMENT, "option %s: \"%.60s\" is not a number", name, value);
    if (option_rows[i].type == PITH_TYPE_F64)
        return pith_options_set_f64(o, option_rows[i].key, number, err);
    if (!(number >= -0x1p53 && number <= 0x1p53) || number != (double)(int64_t)number)
        return pi_fail(err, PITH_E_ARGUMENT, "option %s: \"%.60s\" is not an integer that fits",
                       name, value);
    return pith_options_set_i64(o, option_rows[i].key, (int64_t)number, err);
}

int32_t pith_options_set_allocator(pith_options *o, pith_alloc_fn *alloc, pith_free_fn *release,
                                   void *user, pith_error *err)
{
    if (!o || !alloc != !release)
        return pi_fail(err, PITH_E_ARGUMENT, "options is NULL, or only one of alloc and free is");
    o->allocator = (struct allocator){ alloc, release, user };
    return PITH_OK;
}

int32_t pith_option_count(void)
{
    return OPTION_ROWS;
}

int32_t pith_option_info(int32_t i, int32_t *key, const char **name, int32_t *type,
                         int32_t *scope, double *min, double *max, double *def,
                         const char **text, pith_error *err)
{
    static const struct option_row none;
    bool found = i >= 0 && i < OPTION_ROWS;
    const struct option_row *row = found ? &option_rows[i] : &none;

    if (key)
        *key = row->key;
    if (name)
        *name = row->name;
    if (type)
        *type = row->type;
    if (scope)
        *scope = row->scope;
    if (min)
        *min = row->min;
    if (max)
        *max = row->max;
    if (def)
        *def = row->def;
    if (text)
        *text = row->text;
    return found ? PITH_OK
                 : pi_fail(err, PITH_E_ARGUMENT, "option %d of %d", i, (int)OPTION_ROWS);
}

struct allocator pi_options_allocator(const pith_options *o)
{
    return o ? o->allocator : plain_allocator;
}

int64_t pi_option_i64(const pith_options *o, enum pith_option key)
{
    int i = option_row((int)key);

    return o && o->is_set[i] ? o->integers[i] : (int64_t)option_rows[i].def;
}

double pi_option_f64(const pith_options *o, enum pith_option key)
{
    int i = option_row((int)key);

    return o && o->is_set[i] ? o->numbers[i] : option_rows[i].def;
}

bool pi_option_str(const pith_options *o, enum pith_option key, int i, struct str *out)
{
    int count = 0;

    if (!o)
        return false;
    for (const struct option_text *t = o->texts; t; t = t->next)
        count += t->key == (int32_t)key;
    if (i >= count)
        return false;
    for (const struct option_text *t = o->texts; t; t = t->next)
        if (t->key == (int32_t)key && --count == i)
            *out = (struct str){ t->text, t->n };
    return true;
}
