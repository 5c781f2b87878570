/* vocab.h - a vocabulary as the file tells it: pieces, kinds, scores, special ids, and the bytes
 * that each token stands for. Internal to text/.
 */
#ifndef PI_VOCAB_H
#define PI_VOCAB_H

#include "file/weights.h"

/* tokenizer.ggml.token_type; files without it have TOKEN_NORMAL throughout. */
enum token_type {
    TOKEN_UNDEFINED, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED,
    TOKEN_BYTE, TOKEN_TYPES
};

/* How a piece spells bytes. */
enum vocab_spelling {
    SPELL_MARKED, /* as UTF-8 with U+2581 for a space, and <0xHH> for a byte */
    SPELL_MAPPED, /* every byte as one printable code point (byte-level BPE) */
    SPELL_ESCAPED, /* with backslashes: \t \n \r \xHH, and what they stand before */
    SPELL_PLAIN   /* as it is, and <0xHH> for a byte */
};

#define SPACE_MARK STR("\xE2\x96\x81") /* U+2581 */

struct vocab {
    int32_t n;
    struct str *pieces; /* [n], in the mapping */
    uint8_t *types;     /* [n] */
    float *scores;      /* [n], or NULL */
    struct map by_piece;
    size_t longest;     /* bytes of the longest piece */
    bool duplicates;    /* some piece stands there twice */
    char *text;         /* what the tokens stand for, one after the other */
    uint32_t *text_at;  /* [n + 1] offsets in it */
    int32_t bytes[256]; /* the token of a single byte, or -1 */
    int32_t bos, eos, eot, eom, unk, sep, cls, pad; /* or -1 */
};

/* Reads and proves everything but merges. */
int pi_vocab_open(struct vocab *v, struct arena *arena, const struct weights *w,
                  enum vocab_spelling spelling, pith_error *err);

/* The first token spelled so, or -1. */
int32_t pi_vocab_find(const struct vocab *v, struct str piece);

/* Whether running text may become the token: not control, unknown, unused or byte. */
bool pi_vocab_is_plain(const struct vocab *v, int32_t id);

/* pi_vocab_find among such tokens. */
int32_t pi_vocab_find_plain(const struct vocab *v, struct str piece);

/* The printable code point of a byte in SPELL_MAPPED. */
uint32_t pi_vocab_byte_code(uint8_t byte);

/* Its inverse, or -1. */
int pi_vocab_code_byte(uint32_t code);

/* The value of a piece spelled <0xHH>, or -1. */
int pi_vocab_piece_byte(struct str piece);

#endif
