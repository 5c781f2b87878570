/* pipeline.h - what tokenizer.json describes, as data: normalizer, pre-tokenizer, model; and the
 * tokens that are found in the text before them. Internal to text/.
 */
#ifndef PI_PIPELINE_H
#define PI_PIPELINE_H

#include "bpe.h"
#include "presplit.h"
#include "unigram.h"

enum model_kind {
    MODEL_CHARACTERS, /* BPE that begins with characters */
    MODEL_BYTES,      /* BPE that begins with bytes, of words as they are */
    MODEL_UNIGRAM,
    MODEL_WORDPIECE,
    MODEL_WORDLEVEL,
    MODEL_LONGEST     /* the longest token at each place */
};

struct added_token {
    struct str content, spelled; /* as it stands in the text; after normalizing, if it is */
    int32_t id;
    bool special, lstrip, rstrip, single_word, normalized;
};

struct pipeline {
    struct normalizer normalizer;
    struct presplitter presplitter;
    enum model_kind model;
    const struct vocab *vocab;
    struct bpe bpe;
    struct unigram unigram;
    struct special_set longest;
    struct str prefix;     /* of pieces that continue a word (WordPiece) */
    int64_t longest_word;  /* characters; more are unknown */
    int32_t unk;           /* or -1 */
    struct added_token *added;
    int32_t n_added;
    struct special_set raw, normalized; /* by content, by normalized content: indices of added */
};

struct pipeline_scratch {
    struct normal_scratch normal;
    struct presplit_scratch split;
    struct bpe_scratch bpe;
    struct unigram_scratch unigram;
};

void pi_pipeline_start(struct pipeline_scratch *scratch, const struct allocator *allocator);
void pi_pipeline_free(struct pipeline_scratch *scratch);

/* Sorts p->added into its sets; the normalizer must be ready. */
int pi_pipeline_add(struct pipeline *p, struct arena *arena, pith_error *err);

/* Appends the ids of a text, of which special tokens are found if `special`. */
int pi_pipeline_text(const struct pipeline *p, struct pipeline_scratch *scratch, struct str text,
                     bool special, struct id_list *out, pith_error *err);

#endif
