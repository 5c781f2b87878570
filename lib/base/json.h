/* json.h - reads JSON (RFC 8259) from untrusted bytes into a flat array of values.
 *
 * A value is followed by what it contains, in the order of the text: an array by its elements, an
 * object by key, value, key, value. Strings without escapes are borrowed from the text, which must
 * outlive the values; the others are decoded into the arena. 16 to 24 bytes a value.
 */
#ifndef PI_JSON_H
#define PI_JSON_H

#include "mem.h"
#include "str.h"

enum json_kind {
    JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT
};

struct json {
    const char *at; /* of strings and numbers: the bytes */
    uint32_t n;     /* bytes; of arrays the number of elements, of objects of members */
    uint32_t kind : 3;
    uint32_t size : 29; /* values from here to the next one beside it */
};

/* The value of the text. `name` is what errors call it ("config.json"). Refused, with line and
 * column: what the RFC does not allow, bytes that are no UTF-8, lone surrogates, more than 256
 * levels; PITH_E_LIMIT: more than 2^29 values, or 4 GiB of text. */
int pi_json_parse(const struct json **out, struct arena *arena, struct str text, const char *name,
                  pith_error *err);

/* All that take a value take NULL for one that is not there, and are then empty-handed. */
static inline enum json_kind pi_json_kind(const struct json *v)
{
    return v ? (enum json_kind)v->kind : JSON_NULL;
}

static inline bool pi_json_is_string(const struct json *v, const char *z)
{
    return pi_json_kind(v) == JSON_STRING && v->n == strlen(z) && memcmp(v->at, z, v->n) == 0;
}

/* The bytes of a string, "" for all others. They may contain NUL. */
struct str pi_json_text(const struct json *v);

/* What stands at a path of member names and array indices, "a.b.0.c", in an object; NULL if
 * there is nothing. Of members with the same name the last counts. Linear in their number. */
const struct json *pi_json_find(const struct json *v, const char *path);

/* The same for one name, in which a dot is a dot. */
const struct json *pi_json_member(const struct json *v, struct str name);

/* Elements of an array, or members of an object, one by one:
 *     for (struct json_walk w = pi_json_walk(v); pi_json_next(&w);) ... w.key, w.value, w.index */
struct json_walk {
    const struct json *value;
    struct str key;    /* of objects */
    uint32_t index, n; /* of value; of all */
    const struct json *following;
    bool keyed;
};
struct json_walk pi_json_walk(const struct json *v);
bool pi_json_next(struct json_walk *walk);

/* The number; false for what is none, or not a whole one in 64 bits (1e3 and 4.0 are whole). */
bool pi_json_double(const struct json *v, double *out);
bool pi_json_int(const struct json *v, int64_t *out);

/* Typed getters by path: PITH_E_FORMAT, naming the path, if something of another kind stands
 * there. Where there is nothing, or null, *out stays as it was. */
int pi_json_get_int(const struct json *v, const char *path, int64_t *out, pith_error *err);
int pi_json_get_double(const struct json *v, const char *path, double *out, pith_error *err);
int pi_json_get_bool(const struct json *v, const char *path, bool *out, pith_error *err);
int pi_json_get_str(const struct json *v, const char *path, struct str *out, pith_error *err);

/* The same for an array or an object, NULL where there is none. */
int pi_json_get(const struct json *v, const char *path, enum json_kind kind,
                const struct json **out, pith_error *err);

#endif
