/* bpe.h - byte-pair encoding: merges the best neighbours of a word until none are left.
 *
 * Two vocabularies of it share one loop: by rank (byte-level BPE, a list of merges) and by
 * score (SentencePiece, any two neighbours that spell a piece). Internal to text/.
 */
#ifndef PI_BPE_H
#define PI_BPE_H

#include "merges.h"
#include "tokenizer.h"

struct bpe {
    const struct vocab *vocab;
    struct merges merges; /* without slots: by score */
    bool whole; /* a word that is a token is not merged */
    bool cuts;  /* by score: no piece continues over the start of a word */
    /* Words of characters (pi_bpe_characters): */
    struct str prefix, suffix; /* of all characters but the first; of the last */
    bool bytes;                /* what is no token goes by its bytes, if all of them are */
    bool fuse;                 /* unknown characters side by side are one token */
    int32_t unk;               /* or -1: they are left out */
    int32_t *codes;            /* tokens of the code points below BPE_CODES, or -1 */
};

enum { BPE_CODES = 512 };

/* Memory of one call of pi_tokenize. Grows; nothing is kept between words. */
struct bpe_scratch {
    const struct allocator *allocator;
    struct bpe_symbol *symbols;
    uint64_t *heap;
    char *text;
    size_t capacity, text_capacity;
};

/* Reads tokenizer.ggml.merges. */
int pi_bpe_open_ranks(struct bpe *b, struct arena *arena, const struct weights *w,
                      const struct vocab *v, bool whole, pith_error *err);

/* By score; the vocabulary must have scores. */
int pi_bpe_open_scores(struct bpe *b, const struct vocab *v, pith_error *err);

/* By rank, from the "merges" of tokenizer.json; the members from `prefix` on must be set. */
int pi_bpe_open_json(struct bpe *b, struct arena *arena, const struct json *merges,
                     const struct vocab *v, pith_error *err);

/* Readies b for pi_bpe_characters; pi_bpe_open_json has done so. */
int pi_bpe_open_codes(struct bpe *b, struct arena *arena, pith_error *err);

void pi_bpe_free(struct bpe_scratch *scratch);

/* At least n bytes in scratch->text. */
int pi_bpe_reserve_text(struct bpe_scratch *scratch, size_t n, pith_error *err);

/* By rank: appends the ids of one pre-tokenized word of any bytes. A byte that the vocabulary
 * cannot spell becomes the unknown token, or nothing where there is none. */
int pi_bpe_word(const struct bpe *b, struct bpe_scratch *scratch, struct str word,
                struct id_list *out, pith_error *err);

/* By rank: appends the ids of one word of characters, each a token of its own at first. */
int pi_bpe_characters(const struct bpe *b, struct bpe_scratch *scratch, struct str word,
                      struct id_list *out, pith_error *err);

/* By score: appends the ids of a text, behind a space if `space`. Characters that are no piece go
 * by their bytes. */
int pi_bpe_text(const struct bpe *b, struct bpe_scratch *scratch, struct str text, bool space,
                struct id_list *out, pith_error *err);

#endif
