/* normal.h - normalizers: what is done to a text before it is cut into words. Internal to text/.
 *
 * Bytes that are no UTF-8 pass through all of them.
 */
#ifndef PI_NORMAL_H
#define PI_NORMAL_H

#include "regex.h"

/* A text that grows. */
struct normal_text {
    const struct allocator *allocator;
    char *at;
    size_t n, capacity;
};

int pi_normal_put(struct normal_text *t, const char *bytes, size_t n, pith_error *err);
int pi_normal_put_code(struct normal_text *t, uint32_t code, pith_error *err);
void pi_normal_free(struct normal_text *t);

/* Appends NFD, or NFKD if `compat`, of the text; NFC or NFKC if `compose`. */
int pi_normal_form(struct normal_text *out, struct str text, bool compat, bool compose,
                   pith_error *err);

/* A "precompiled_charsmap" of SentencePiece: replacements by way of a double-array trie. */
struct charsmap {
    const uint8_t *units; /* [n_units] little-endian 32-bit words */
    size_t n_units;
    struct str texts;     /* replacements, each ended by NUL */
};

/* The blob; PITH_E_FORMAT if its parts do not fit. It must outlive the map. */
int pi_charsmap_open(struct charsmap *map, struct str blob, pith_error *err);

/* The replacement of a prefix of the text, of *n bytes; the longest, or the shortest if not.
 * False if there is none. */
bool pi_charsmap_find(const struct charsmap *map, struct str text, bool longest, size_t *n,
                      struct str *replacement);

enum normal_kind {
    NORMAL_FORM,     /* a: compatibility, b: compose */
    NORMAL_LOWERCASE,
    NORMAL_STRIP_ACCENTS,
    NORMAL_STRIP,    /* a: left, b: right */
    NORMAL_REPLACE,  /* regex, content */
    NORMAL_PREPEND,  /* content */
    NORMAL_BYTES,    /* every byte as one printable code point */
    NORMAL_NMT,
    NORMAL_CLEAN,    /* BERT's: control characters go, white space becomes spaces */
    NORMAL_IDEOGRAPHS, /* spaces around them */
    NORMAL_STRIP_NONSPACING,
    NORMAL_CHARSMAP, /* a: as SentencePiece does it, else as tokenizers does */
    NORMAL_SPACES    /* SentencePiece's: a: runs become one, those at the ends go; b: one in front;
                      * written as `content` */
};

struct normal_step {
    enum normal_kind kind;
    bool a, b;
    struct regex *regex;
    struct str content;
    struct charsmap map;
};

struct normalizer {
    struct normal_step *steps;
    int n;
};

/* Scratch of pi_normalize: two texts in turn. */
struct normal_scratch {
    struct normal_text texts[2];
    struct regex_run run;
};

void pi_normal_scratch_free(struct normal_scratch *scratch);

/* The text after all steps, in the scratch or as it was given. */
int pi_normalize(const struct normalizer *normalizer, struct normal_scratch *scratch,
                 struct str text, struct str *out, pith_error *err);

#endif
