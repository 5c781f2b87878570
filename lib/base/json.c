/* json.c - see json.h. Two passes: one counts values and the bytes of escaped strings, so that
 * memory is asked for once; one reads. Nesting is a stack of indices, not of calls.
 */
#include "json.h"

enum { DEPTH_MAX = 256 };

#define VALUES_MAX ((size_t)1 << 29)

struct json_parser {
    struct str text;
    const char *at, *end, *name;
    struct json *values;
    size_t n, capacity;
    char *decoded; /* where the next escaped string goes */
    uint32_t open[DEPTH_MAX];
    int depth;
    pith_error *err;
};

static int json_error(const struct json_parser *p, const char *what)
{
    size_t line = 1, column = 1;

    for (const char *c = p->text.at; c < p->at; c++) {
        line += *c == '\n';
        column = *c == '\n' ? 1 : column + 1;
    }
    return pi_fail(p->err, PITH_E_FORMAT, "%s: line %zu, column %zu: %s", p->name, line, column,
                   what);
}

static void skip_json_blank(struct json_parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

/* An upper bound of the values, and of the bytes that escaped strings decode to. */
static void measure_json(struct str text, size_t *values, size_t *bytes)
{
    const char *p = text.at, *end = text.at + text.n;

    *values = 1;
    *bytes = 0;
    while (p < end) {
        char c = *p++;

        *values += c == ',' || c == ':' || c == '[' || c == '{';
        if (c == '"') {
            const char *start = p;
            bool escaped = false;

            for (; p < end && *p != '"'; p++)
                if (*p == '\\') {
                    escaped = true;
                    p++;
                }
            p = p < end ? p : end;
            *bytes += escaped ? (size_t)(p - start) : 0;
            p += p < end;
        }
    }
}

static struct json *add_json(struct json_parser *p, enum json_kind kind)
{
    struct json *v = &p->values[p->n++];

    *v = (struct json){ .kind = (unsigned)kind & 7u, .size = 1 };
    return v;
}

/* Four hexadecimal digits, or -1. */
static int32_t read_json_hex(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];

        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = value * 16 + ((c | 32) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* The code point of \uXXXX at p->at, which stands on the u; moves behind it. */
static int read_json_unicode(struct json_parser *p, uint32_t *code)
{
    int32_t high = read_json_hex(p->at + 1, p->end), low;

    if (high < 0)
        return json_error(p, "\\u is not followed by four hexadecimal digits");
    p->at += 5;
    *code = (uint32_t)high;
    if (high < 0xD800 || high > 0xDFFF)
        return PITH_OK;
    low = p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u'
              ? read_json_hex(p->at + 2, p->end) : -1;
    if (high > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
        return json_error(p, "half of a surrogate pair");
    p->at += 6;
    *code = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return PITH_OK;
}

/* Decodes what stands behind a backslash. */
static int read_json_escape(struct json_parser *p)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;
    uint32_t code = 0;

    p->at++;
    if (p->at < p->end && *p->at == 'u') {
        TRY(read_json_unicode(p, &code));
        p->decoded += pi_utf8_put(code, p->decoded); /* up to 4 bytes, spelled in 6 or 12 */
        return PITH_OK;
    }
    found = p->at < p->end && *p->at ? strchr(from, *p->at) : NULL;
    if (!found)
        return json_error(p, "an escape that does not exist");
    *p->decoded++ = to[found - from];
    p->at++;
    return PITH_OK;
}

/* The rest of a string once it has an escape: [start, p->at) is what came before. */
static int read_json_escaped(struct json_parser *p, const char *start, struct json *v)
{
    char *out = p->decoded;
    size_t plain = (size_t)(p->at - start);
    int length;

    memcpy(p->decoded, start, plain);
    p->decoded += plain;
    while (p->at < p->end && *p->at != '"') {
        if (*p->at == '\\') {
            TRY(read_json_escape(p));
            continue;
        }
        if ((uint8_t)*p->at < 0x20)
            return json_error(p, "a control character in a string");
        if (pi_utf8_next(p->at, p->end, &length) & PI_BAD_UTF8)
            return json_error(p, "a string is not UTF-8");
        memcpy(p->decoded, p->at, (size_t)length);
        p->decoded += length;
        p->at += length;
    }
    v->at = out;
    v->n = (uint32_t)(p->decoded - out);
    if (p->at == p->end)
        return json_error(p, "a string does not end");
    p->at++;
    return PITH_OK;
}

/* A string whose opening quote is at p->at. */
static int read_json_string(struct json_parser *p)
{
    struct json *v = add_json(p, JSON_STRING);
    const char *start = ++p->at;
    int length;

    while (p->at < p->end && *p->at != '"') {
        if (*p->at == '\\')
            return read_json_escaped(p, start, v);
        if ((uint8_t)*p->at < 0x20)
            return json_error(p, "a control character in a string");
        if (pi_utf8_next(p->at, p->end, &length) & PI_BAD_UTF8)
            return json_error(p, "a string is not UTF-8");
        p->at += length;
    }
    v->at = start;
    v->n = (uint32_t)(p->at - start);
    if (p->at == p->end)
        return json_error(p, "a string does not end");
    p->at++;
    return PITH_OK;
}

/* Moves behind digits; false if there are none. */
static bool skip_json_digits(struct json_parser *p)
{
    const char *start = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > start;
}

static int read_json_number(struct json_parser *p)
{
    struct json *v = add_json(p, JSON_NUMBER);
    const char *start = p->at;
    bool good;

    p->at += *p->at == '-';
    if (p->at < p->end && *p->at == '0')
        good = ++p->at == p->end || *p->at < '0' || *p->at > '9';
    else
        good = skip_json_digits(p);
    if (good && p->at < p->end && *p->at == '.') {
        p->at++;
        good = skip_json_digits(p);
    }
    if (good && p->at < p->end && (*p->at | 32) == 'e') {
        p->at++;
        p->at += p->at < p->end && (*p->at == '+' || *p->at == '-');
        good = skip_json_digits(p);
    }
    v->at = start;
    v->n = (uint32_t)(p->at - start);
    return good ? PITH_OK : json_error(p, "a number is broken");
}

static int read_json_word(struct json_parser *p)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } words[] = { { "null", JSON_NULL }, { "false", JSON_FALSE }, { "true", JSON_TRUE } };

    for (size_t i = 0; i < PI_COUNT(words); i++) {
        size_t n = strlen(words[i].word);

        if ((size_t)(p->end - p->at) >= n && memcmp(p->at, words[i].word, n) == 0) {
            add_json(p, words[i].kind);
            p->at += n;
            return PITH_OK;
        }
    }
    return json_error(p, p->at < p->end ? "a value is missing" : "the text ends too early");
}

/* Closes the innermost array or object, whose bracket is at p->at. */
static void close_json(struct json_parser *p)
{
    struct json *v = &p->values[p->open[--p->depth]];

    v->size = (uint32_t)(p->values + p->n - v) & (VALUES_MAX - 1);
    p->at++;
}

/* A key and its colon, inside an object. */
static int read_json_key(struct json_parser *p)
{
    skip_json_blank(p);
    if (p->at == p->end || *p->at != '"')
        return json_error(p, "the name of a member is missing");
    TRY(read_json_string(p));
    skip_json_blank(p);
    if (p->at == p->end || *p->at != ':')
        return json_error(p, "a : is missing");
    p->at++;
    return PITH_OK;
}

/* One value; arrays and objects are only opened. */
static int read_json_value(struct json_parser *p)
{
    skip_json_blank(p);
    if (p->at == p->end)
        return json_error(p, "the text ends too early");
    if (*p->at == '"')
        return read_json_string(p);
    if (*p->at == '-' || (*p->at >= '0' && *p->at <= '9'))
        return read_json_number(p);
    if (*p->at != '[' && *p->at != '{')
        return read_json_word(p);
    if (p->depth == DEPTH_MAX)
        return json_error(p, "nested deeper than 256 levels");
    p->open[p->depth++] = (uint32_t)p->n;
    add_json(p, *p->at++ == '[' ? JSON_ARRAY : JSON_OBJECT);
    return PITH_OK;
}

/* What follows a value, or the opening of one: closes what ends here and moves to where the next
 * value begins, if there is one. */
static int read_json_between(struct json_parser *p, bool opened)
{
    while (p->depth > 0) {
        struct json *v = &p->values[p->open[p->depth - 1]];
        bool object = v->kind == JSON_OBJECT;

        skip_json_blank(p);
        if (p->at < p->end && *p->at == (object ? '}' : ']')) {
            close_json(p);
            opened = false;
            continue;
        }
        if (!opened) {
            if (p->at == p->end || *p->at != ',')
                return json_error(p, object ? "a , or } is missing" : "a , or ] is missing");
            p->at++;
        }
        v->n++;
        return object ? read_json_key(p) : PITH_OK;
    }
    return PITH_OK;
}

static int read_json_document(struct json_parser *p)
{
    do {
        int depth = p->depth;

        TRY(read_json_value(p));
        TRY(read_json_between(p, p->depth > depth));
    } while (p->depth > 0);
    skip_json_blank(p);
    return p->at == p->end ? PITH_OK : json_error(p, "something follows the value");
}

int pi_json_parse(const struct json **out, struct arena *arena, struct str text, const char *name,
                  pith_error *err)
{
    struct json_parser p = { .text = text, .at = text.at, .end = text.at + text.n, .name = name,
                        .err = err };
    size_t bytes;

    if (text.n == 0)
        return pi_fail(err, PITH_E_FORMAT, "%s is empty", name);
    if (text.n >= UINT32_MAX)
        return pi_fail(err, PITH_E_LIMIT, "%s has %zu bytes, at most %u are possible", name,
                       text.n, UINT32_MAX - 1);
    measure_json(text, &p.capacity, &bytes);
    if (p.capacity >= VALUES_MAX)
        return pi_fail(err, PITH_E_LIMIT, "%s has %zu values, at most %zu are possible", name,
                       p.capacity, VALUES_MAX - 1);
    p.values = pi_arena_alloc(arena, p.capacity, sizeof *p.values);
    p.decoded = pi_arena_alloc(arena, bytes, 1);
    if (!p.values || !p.decoded)
        return pi_no_memory(err, name, p.capacity * sizeof *p.values);
    TRY(read_json_document(&p));
    *out = p.values;
    return PITH_OK;
}

struct str pi_json_text(const struct json *v)
{
    return pi_json_kind(v) == JSON_STRING ? (struct str){ v->at, v->n } : STR("");
}

struct json_walk pi_json_walk(const struct json *v)
{
    bool keyed = pi_json_kind(v) == JSON_OBJECT, some = keyed || pi_json_kind(v) == JSON_ARRAY;

    return (struct json_walk){ .index = UINT32_MAX, .n = some ? v->n : 0, .keyed = keyed,
                               .following = some ? v + 1 : NULL };
}

bool pi_json_next(struct json_walk *walk)
{
    if (walk->index + 1 == walk->n)
        return false;
    walk->index++;
    if (walk->keyed) {
        walk->key = pi_json_text(walk->following);
        walk->following++;
    }
    walk->value = walk->following;
    walk->following += walk->following->size;
    return true;
}

const struct json *pi_json_member(const struct json *v, struct str name)
{
    const struct json *found = NULL;

    if (pi_json_kind(v) == JSON_OBJECT)
        for (struct json_walk w = pi_json_walk(v); pi_json_next(&w);)
            if (pi_str_equal(w.key, name))
                found = w.value;
    return found;
}

/* The element of an array whose index the text spells, or NULL. */
static const struct json *json_element(const struct json *v, struct str index)
{
    for (struct json_walk w = pi_json_walk(v); pi_json_next(&w);) {
        double number;

        if (index.n < 10 && pi_str_number(index, &number) && number == w.index)
            return w.value;
    }
    return NULL;
}

const struct json *pi_json_find(const struct json *v, const char *path)
{
    struct str rest = pi_str(path), name;

    while (v && pi_str_cut(&rest, '.', &name))
        v = pi_json_kind(v) == JSON_ARRAY ? json_element(v, name) : pi_json_member(v, name);
    return v;
}

bool pi_json_double(const struct json *v, double *out)
{
    return pi_json_kind(v) == JSON_NUMBER && pi_str_number((struct str){ v->at, v->n }, out);
}

bool pi_json_int(const struct json *v, int64_t *out)
{
    const double limit = 9007199254740992.0; /* 2^53: beyond, fractions were lost in reading */
    bool negative;
    uint64_t value = 0;
    double number;
    uint32_t i;

    if (pi_json_kind(v) != JSON_NUMBER)
        return false;
    negative = v->at[0] == '-';
    for (i = negative; i < v->n && v->at[i] >= '0' && v->at[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(v->at[i] - '0');

        if (value > ((uint64_t)INT64_MAX + negative - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (i == v->n) {
        *out = negative ? (int64_t)(0 - value) : (int64_t)value;
        return true;
    }
    if (!pi_json_double(v, &number) || !(number >= -limit && number <= limit) ||
        number != (double)(int64_t)number)
        return false;
    *out = (int64_t)number;
    return true;
}

static int wrong_json(const struct json *v, const char *path, const char *expected,
                      pith_error *err)
{
    static const char *const kinds[] = { "null", "false", "true", "a number", "a string",
                                         "an array", "an object" };

    if (v->kind == JSON_NUMBER)
        return pi_fail(err, PITH_E_FORMAT, "%s is %.*s, expected %s", path,
                       (int)pi_min_size(v->n, 40), v->at, expected);
    return pi_fail(err, PITH_E_FORMAT, "%s is %s, expected %s", path, kinds[v->kind], expected);
}

int pi_json_get_int(const struct json *v, const char *path, int64_t *out, pith_error *err)
{
    v = pi_json_find(v, path);
    if (pi_json_kind(v) == JSON_NULL || pi_json_int(v, out))
        return PITH_OK;
    return wrong_json(v, path, "a whole number", err);
}

int pi_json_get_double(const struct json *v, const char *path, double *out, pith_error *err)
{
    v = pi_json_find(v, path);
    if (pi_json_kind(v) == JSON_NULL || pi_json_double(v, out))
        return PITH_OK;
    return wrong_json(v, path, "a number", err);
}

int pi_json_get_bool(const struct json *v, const char *path, bool *out, pith_error *err)
{
    v = pi_json_find(v, path);
    if (pi_json_kind(v) == JSON_NULL)
        return PITH_OK;
    if (v->kind != JSON_TRUE && v->kind != JSON_FALSE)
        return wrong_json(v, path, "true or false", err);
    *out = v->kind == JSON_TRUE;
    return PITH_OK;
}

int pi_json_get_str(const struct json *v, const char *path, struct str *out, pith_error *err)
{
    v = pi_json_find(v, path);
    if (pi_json_kind(v) == JSON_NULL)
        return PITH_OK;
    if (v->kind != JSON_STRING)
        return wrong_json(v, path, "a string", err);
    *out = pi_json_text(v);
    return PITH_OK;
}

int pi_json_get(const struct json *v, const char *path, enum json_kind kind,
                const struct json **out, pith_error *err)
{
    v = pi_json_find(v, path);
    *out = NULL;
    if (pi_json_kind(v) == JSON_NULL)
        return PITH_OK;
    if (v->kind != (unsigned)kind)
        return wrong_json(v, path, kind == JSON_ARRAY ? "an array" : "an object", err);
    *out = v;
    return PITH_OK;
}
