/* str.h - text as pointer + length, UTF-8 stepping, and numbers without the locale.
 */
#ifndef PI_STR_H
#define PI_STR_H

#include "base.h"

/* Borrowed bytes; not NUL-terminated. */
struct str {
    const char *at;
    size_t n;
};

#define STR(literal) ((struct str){ literal, sizeof(literal) - 1 })

static inline struct str pi_str(const char *z) { return (struct str){ z, strlen(z) }; }

static inline bool pi_str_equal(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

static inline bool pi_str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && memcmp(s.at, prefix.at, prefix.n) == 0;
}

/* Splits off what stands before the first `mark` (all, if there is none), moving *rest behind
 * it. False once nothing is left. */
bool pi_str_cut(struct str *rest, char mark, struct str *piece);

/* Whether the name is one of the alternatives "a|b". */
bool pi_str_listed(struct str name, const char *alternatives);

/* The code point at `at` (at < end) and its length in bytes. An invalid or truncated sequence
 * gives its first byte's value | PI_BAD_UTF8 and length 1, so that bytes can be kept. */
#define PI_BAD_UTF8 0x80000000u
uint32_t pi_utf8_next(const char *at, const char *end, int *length);

/* Writes the code point's 1 to 4 bytes, returns how many. Surrogates are written as they come. */
int pi_utf8_put(uint32_t code, char out[4]);

/* How many of the n bytes form whole, valid-so-far code points: what may be shown now while a
 * code point's tail is still to come. Bytes that can never become valid count as whole. */
size_t pi_utf8_whole(const char *text, size_t n);

/* Writes the n bytes with U+FFFD in place of each that is no UTF-8, 3n at most: returns how
 * many. */
size_t pi_utf8_clean(const char *text, size_t n, char *out);

/* Reads a decimal number ("-1.5e3") that fills the whole text; false otherwise. */
bool pi_str_number(struct str text, double *out);

/* Writes a number in decimal, at most 9 significant digits, '.' whatever the locale. */
const char *pi_number(double value, char buffer[32]);

#endif
