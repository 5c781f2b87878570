/* unigram.h - the most probable way to spell a text with the pieces of a vocabulary. Internal to
 * text/.
 */
#ifndef PI_UNIGRAM_H
#define PI_UNIGRAM_H

#include "special.h"
#include "tokenizer.h"

struct unigram {
    const struct vocab *vocab;
    struct special_set pieces; /* what may be used, by spelling */
    double *scores;            /* [vocab->n] */
    double unknown;            /* score of a character that is no piece */
    int32_t unk;               /* its token, or -1: then there must be none */
    bool bytes;                /* unknown characters go by their bytes where all have tokens */
    bool single;               /* sums in float32, as in sentencepiece */
    bool backwards;            /* from the end, of equals the longest piece, as in PLaMo 2 */
};

struct unigram_scratch {
    const struct allocator *allocator;
    struct unigram_node *nodes;
    size_t capacity;
};

/* With u->scores set: collects the pieces whose bit is set in `types`. */
int pi_unigram_open(struct unigram *u, struct arena *arena, unsigned types, pith_error *err);

void pi_unigram_free(struct unigram_scratch *scratch);

/* Appends the ids of a word. With u->backwards every byte must have a token. */
int pi_unigram_word(const struct unigram *u, struct unigram_scratch *scratch, struct str word,
                    struct id_list *out, pith_error *err);

#endif
