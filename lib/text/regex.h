/* regex.h - regular expressions as tokenizer.json uses them: Oniguruma's syntax and its choice
 * among matches (the leftmost, and there the first alternative), on UTF-8. Internal to text/.
 *
 * No captures and no references to them: PITH_E_UNSUPPORTED, like all that is not understood.
 */
#ifndef PI_REGEX_H
#define PI_REGEX_H

#include "base/mem.h"
#include "base/str.h"

enum regex_op {
    RE_SET,    /* one code point of set x */
    RE_STAR,   /* as many of set x as possible; y: an enum regex_greed */
    RE_SPLIT,  /* goes on at x, or else at y */
    RE_JUMP,   /* to x */
    RE_LOOK,   /* what follows, to its RE_DONE, must match (y: must not); then x */
    RE_ATOMIC, /* what follows, to RE_DONE, matches in its first way only */
    RE_DONE,
    RE_BEHIND, /* the code point before is (y: is not) in set x */
    RE_ASSERT, /* x: an enum regex_place */
    RE_MATCH
};

enum regex_greed { GREEDY, LAZY, POSSESSIVE };
enum regex_place { TEXT_START, TEXT_END, TEXT_END_LINE, LINE_START, LINE_END, WORD_EDGE,
                   WORD_INSIDE };

struct regex_inst { /* targets are relative */
    uint8_t op;
    int32_t x, y;
    int32_t branch; /* number among RE_SPLIT and RE_STAR */
};

enum regex_kind { SET_RANGE, SET_CLASS, SET_SCRIPT, SET_WORD, SET_SET };

struct regex_item {
    uint8_t kind;
    bool negated;
    uint32_t a, b; /* a range; a mask of unicode classes; a script; 1: outside brackets; a set */
};

struct regex_set {
    uint32_t ascii[4]; /* the answers below 0x80 */
    int32_t first, n;  /* items, one of which must match */
    int32_t also;      /* a set that must match too, or -1 */
    bool negated, folded;
};

struct regex {
    struct regex_inst *code;
    struct regex_set *sets;
    struct regex_item *items;
    int32_t n_code, n_sets, n_items, n_branches;
    uint32_t first[8]; /* bytes that a match can begin with */
};

int pi_regex_open(struct regex **out, struct arena *arena, struct str pattern, pith_error *err);

/* The same for a text to be found as it stands. */
int pi_regex_open_text(struct regex **out, struct arena *arena, struct str text, pith_error *err);

bool pi_regex_set_has(const struct regex *re, int32_t set, uint32_t code);

/* The search through one text; its memory stays for the next one. */
struct regex_run {
    const struct allocator *allocator;
    const struct regex *re;
    struct str text;
    size_t at, last; /* where to search on; the end of the last match, or SIZE_MAX */
    uint64_t steps;
    struct regex_frame *frames;
    struct regex_trail *trail;
    size_t n_frames, n_trail, frames_capacity, trail_capacity;
    uint64_t *memo; /* two bits per branch and place, once a search takes long */
    size_t memo_words;
    bool slow;
};

void pi_regex_start(struct regex_run *run, const struct regex *re, struct str text);
void pi_regex_free(struct regex_run *run);

/* The next match; *found is false at the end. The time is bounded by the text's length times the
 * expression's; past that, PITH_E_LIMIT. */
int pi_regex_next(struct regex_run *run, bool *found, size_t *start, size_t *end, pith_error *err);

#endif
