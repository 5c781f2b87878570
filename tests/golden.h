/* golden.h - reads the golden numbers of a model: enough JSON for files that we write ourselves.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "check.h"

/* Behind `"key":` at or after `at`; NULL if there is none. */
static inline const char *golden_key(const char *at, const char *key)
{
    char quoted[64];

    if (!at)
        return NULL;
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    at = strstr(at, quoted);
    return at ? at + strlen(quoted) : NULL;
}

/* The numbers of the array at `at` (malloc), their count in *n. */
static inline double *golden_array(const char *at, int64_t *n)
{
    double *values = NULL;

    *n = 0;
    if (!at || !(at = strchr(at, '[')))
        return NULL;
    for (at++; *at && *at != ']'; ) {
        char *end;
        double value = strtod(at, &end);

        if (end == at) {
            at++;
            continue;
        }
        values = realloc(values, (size_t)(*n + 1) * sizeof *values);
        values[(*n)++] = value;
        at = end;
    }
    return values;
}

static inline int32_t *golden_ids(const char *at, int64_t *n)
{
    double *values = golden_array(at, n);
    int32_t *ids = malloc((size_t)(*n + 1) * sizeof *ids);

    for (int64_t i = 0; i < *n; i++)
        ids[i] = (int32_t)values[i];
    free(values);
    return ids;
}

/* The string at `at` with its escapes resolved (malloc); \u below 0x80 only. */
static inline char *golden_text(const char *at)
{
    char *out = at ? malloc(strlen(at) + 1) : NULL, *to = out;

    if (!out || !(at = strchr(at, '"')))
        return out;
    for (at++; *at && *at != '"'; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at == 'u') {
            unsigned code = 0;

            sscanf(at + 1, "%4x", &code);
            *to++ = (char)code;
            at += 4;
        } else {
            *to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at == 'r' ? '\r' : *at;
        }
    }
    *to = 0;
    return out;
}

#endif
