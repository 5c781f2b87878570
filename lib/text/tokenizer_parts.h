/* tokenizer_parts.h - what a tokenizer is made of, for the two doors that make one: tokenizer.c
 * from GGUF, tokenizer_json.c from tokenizer.json. Internal to text/.
 */
#ifndef PI_TOKENIZER_PARTS_H
#define PI_TOKENIZER_PARTS_H

#include "pipeline.h"
#include "wordpiece.h"

enum vocab_kind {
    KIND_SENTENCE,  /* SentencePiece BPE: pieces with scores */
    KIND_BYTES,     /* byte-level BPE: a pre-tokenizer and merges */
    KIND_WORDPIECE,
    KIND_PIPELINE   /* anything else, as data */
};

struct tokenizer {
    enum vocab_kind kind;
    struct vocab vocab;
    struct bpe bpe;
    struct wordpiece wordpiece;
    struct pipeline pipeline;
    const struct split_rule *split;
    int flags;             /* of the rule or list: SPLIT_BOS, SPLIT_EOS */
    struct special_set always, parsed; /* matched in any text; matched where allowed */
    struct map added;      /* of tokens that the model's vocabulary lacks, by content */
    bool space_prefix, strips_space;
    int32_t *before, *after; /* what TOKENIZE_ADD_SPECIAL adds */
    int32_t n_before, n_after;
    uint8_t *ends;         /* bitmap over ids */
    struct str chat_template;
};

/* Open the vocabularies of GGUF that run as a pipeline: byte-level BPE by expressions, or BPE of
 * characters; unigram; RWKV's; PLaMo 2's. */
int pi_tokenizer_open_list(struct tokenizer *t, struct arena *arena, const struct weights *w,
                           const struct split_list *list, pith_error *err);
int pi_tokenizer_open_unigram(struct tokenizer *t, struct arena *arena, const struct weights *w,
                              pith_error *err);
int pi_tokenizer_open_longest(struct tokenizer *t, struct arena *arena, const struct weights *w,
                              pith_error *err);

int pi_tokenizer_open_cheapest(struct tokenizer *t, struct arena *arena, const struct weights *w,
                               pith_error *err);

/* Marks the ends of generation that are known by their spelling or the vocabulary's ids. */
int pi_tokenizer_find_ends(struct tokenizer *t, struct arena *arena, pith_error *err);

/* Appends a token to one of the lists around a text. */
int pi_tokenizer_affix(struct arena *arena, int32_t **list, int32_t *n, int32_t id,
                       pith_error *err);

/* Reads a decoder: the bytes that each token stands for, in v->text, and whether the space in front
 * of a text is to go. */
int pi_decoder_open(struct vocab *v, struct arena *arena, const struct json *decoder,
                    bool *strips_space, pith_error *err);

/* Read the parts of tokenizer.json; NULL or null for none. */
int pi_normalizer_open(struct normalizer *n, struct arena *arena, const struct json *v,
                       pith_error *err);
int pi_presplit_open(struct presplitter *p, struct arena *arena, const struct json *v,
                     pith_error *err);

/* A pattern, {"String": ...} or {"Regex": ...}. */
int pi_pattern_open(struct regex **out, struct arena *arena, const struct json *pattern,
                    struct str *expression, pith_error *err);

/* The code point that a member, a string, consists of. */
int pi_json_code(const struct json *v, const char *path, uint32_t *code, pith_error *err);

/* A walk over a component of tokenizer.json: itself, or the members of a sequence, of which some
 * may be sequences. Begin with what, members and only set; *out is NULL at the end. */
enum { STEPS_MAX = 64, SEQUENCES_MAX = 8 };
struct steps {
    const char *what, *members; /* "normalizer", "normalizers" */
    struct json_walk open[SEQUENCES_MAX];
    int depth, n;
    const struct json *only;
};
int pi_next_step(struct steps *s, const struct json **out, pith_error *err);

/* PITH_E_UNSUPPORTED, naming the type and what has it. */
int pi_unknown_type(const struct json *v, const char *what, pith_error *err);

#endif
