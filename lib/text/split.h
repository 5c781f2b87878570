/* split.h - pre-tokenizers: where text is cut before byte-level BPE merges bytes.
 *
 * Each is published as a regular expression and chosen by name (tokenizer.ggml.pre). Here they are
 * scanners over code points, linear in the text; a name that is not in the list is refused.
 */
#ifndef PI_SPLIT_H
#define PI_SPLIT_H

#include "base/str.h"

struct split_rule {
    const char *name;
    const struct split_form *form;
    int flags; /* SPLIT_ below */
};

enum {
    SPLIT_WHOLE = 1, /* a piece that is a token is taken without merging (ignore_merges) */
    SPLIT_BOS = 2,   /* texts begin with BOS unless the file says otherwise */
    SPLIT_EOS = 4,   /* and end with EOS */
    SPLIT_MARKED = 8, /* not cut: characters with U+2581 for a space, not bytes */
    SPLIT_CHARACTERS = 16 /* cut at white space, which is lost: characters, not bytes */
};

/* The rule of that name, or NULL. */
const struct split_rule *pi_split_find(struct str name);

/* The i-th rule, and below the i-th list; NULL behind the last. */
const struct split_rule *pi_split_at(int i);

/* Expressions, each applied to what the ones before have cut. */
struct split_list {
    const char *name;
    int flags;
    const char *expressions[7]; /* the last is NULL */
};

/* The list of that name, or NULL. */
const struct split_list *pi_split_find_list(struct str name);
const struct split_list *pi_split_list_at(int i);

/* A rule that cuts as the expression does, or NULL. */
const struct split_rule *pi_split_find_expression(struct str expression);

/* A walk over the pieces of a text; every byte is in exactly one of them. */
struct split_walk {
    const struct split_form *form;
    const char *at, *end;
    const char *segment; /* end of what is scanned now: digits may cut the text first */
};

struct split_walk pi_split_start(const struct split_rule *rule, struct str text);

/* The next piece; false at the end. */
bool pi_split_next(struct split_walk *walk, struct str *piece);

#endif
