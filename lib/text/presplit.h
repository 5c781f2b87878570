/* presplit.h - pre-tokenizers of tokenizer.json: a text is cut into words step by step, and some
 * steps change it. Internal to text/.
 */
#ifndef PI_PRESPLIT_H
#define PI_PRESPLIT_H

#include "normal.h"
#include "split.h"

enum presplit_kind {
    PRESPLIT_REGEX,  /* what `regex` or `known` matches */
    PRESPLIT_CODE,   /* `code` */
    PRESPLIT_WHITE,
    PRESPLIT_PUNCTUATION,
    PRESPLIT_DIGITS,
    PRESPLIT_BYTES,  /* bytes become printable; a: a space before, b: cut by the first expression */
    PRESPLIT_META,   /* spaces become `content`; a: in front too, b: of the whole text only */
    PRESPLIT_SCRIPTS,
    PRESPLIT_LENGTH  /* `code` code points each */
};

/* What becomes of the matches between the rest. */
enum presplit_matches {
    MATCH_ISOLATED, MATCH_REMOVED, MATCH_WITH_PREVIOUS, MATCH_WITH_NEXT, MATCH_CONTIGUOUS
};

struct presplit_step {
    enum presplit_kind kind;
    enum presplit_matches matches;
    bool invert, a, b, cut; /* cut: PRESPLIT_META cuts before each mark */
    uint32_t code;
    struct regex *regex;
    const struct split_rule *known; /* the scanner that does what the expression says, or NULL */
    struct str content;
};

struct presplitter {
    struct presplit_step *steps;
    int n;
};

/* Words, none of them empty, one after the other. */
struct word_list {
    struct normal_text text;
    size_t *ends; /* of each word, in the text */
    size_t n, capacity;
    bool at_start; /* the first begins where the text does */
};

struct presplit_scratch {
    struct word_list lists[2];
    struct regex_run run;
};

void pi_presplit_free(struct presplit_scratch *scratch);

/* Cuts the text; *words is in the scratch. at_start: nothing is before it. */
int pi_presplit(const struct presplitter *p, struct presplit_scratch *scratch, struct str text,
                bool at_start, const struct word_list **words, pith_error *err);

#endif
