/* regex_parse.h - what the two halves of the compiler share: regex_parse.c and regex_class.c.
 * Internal.
 */
#ifndef PI_REGEX_PARSE_H
#define PI_REGEX_PARSE_H

#include "regex.h"

enum { CODE_MAX = 4096, SETS_MAX = 1024, ITEMS_MAX = 8192, NEST_MAX = 32, REPEAT_MAX = 1000 };

/* Where the compiler is in an expression, and what it has made of it. */
struct regex_parser {
    struct regex *re;
    struct str pattern;
    const char *at, *end;
    int depth;
    bool fold, dot_all;
    pith_error *err;
};

/* PITH_E_UNSUPPORTED with the expression and the place. */
int pi_regex_error(const struct regex_parser *p, const char *what);

/* Whether the expression goes on with z; the second moves behind it. */
bool pi_regex_next_is(const struct regex_parser *p, const char *z);
bool pi_regex_take(struct regex_parser *p, const char *z);

/* An empty set at the end of the list, one more item of that set, and its answers for ASCII. */
int pi_regex_add_set(struct regex_parser *p, int32_t *set);
int pi_regex_add_item(struct regex_parser *p, int32_t set, struct regex_item item);
void pi_regex_finish_set(struct regex *re, int32_t set);

/* An escape that stands for one code point, behind the backslash. */
int pi_regex_take_escaped(struct regex_parser *p, uint32_t *code);

/* A class such as \s or \p{L}, behind the backslash; *known is false for other escapes. */
int pi_regex_take_shorthand(struct regex_parser *p, struct regex_item *item, bool *known);

/* A class whose [ has been taken. */
int pi_regex_parse_class(struct regex_parser *p, int32_t *set);

#endif
