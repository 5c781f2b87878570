/* tokenizer.h - strings <-> token ids: the one door to every vocabulary kind.
 *
 * A tokenizer is immutable after open and may be used by any number of threads.
 */
#ifndef PI_TOKENIZER_H
#define PI_TOKENIZER_H

#include "file/weights.h"

struct tokenizer;

enum {
    TOKENIZE_ADD_SPECIAL = 1,   /* add BOS, EOS, CLS, SEP as the vocabulary asks */
    TOKENIZE_PARSE_SPECIAL = 2, /* text that spells a control token becomes that token */
};

/* Reads tokenizer.ggml.*; all memory in the arena, strings borrowed from the mapping.
 * *out is NULL, with PITH_OK, when the file has no vocabulary. An unknown model or
 * pre-tokenizer is PITH_E_UNSUPPORTED and named. Special ids outside the vocabulary (but -1:
 * none), arrays of different lengths, and a BPE merge of unknown pieces are PITH_E_FORMAT. Of
 * duplicate pieces the first is used. */
int pi_tokenizer_open(struct tokenizer **out, struct arena *arena, const struct weights *w,
                      pith_error *err);

/* The same from the bytes of tokenizer.json and tokenizer_config.json, which may be empty; both
 * must outlive the tokenizer. A component of a type that is not known is PITH_E_UNSUPPORTED and
 * named; what contradicts itself (ids beyond the file, merges of unknown pieces) PITH_E_FORMAT. */
int pi_tokenizer_open_json(struct tokenizer **out, struct arena *arena, struct str tokenizer_json,
                           struct str tokenizer_config_json, pith_error *err);

/* What a folder's generation_config.json, or else config.json, calls the ends of a text: NULL, or
 * ids below `tokens`. */
int pi_tokenizer_folder_ends(const struct weights *w, int32_t tokens, const struct meta **ends,
                             pith_error *err);

/* Marks one more token at which generation ends, before the tokenizer is shared. */
int pi_tokenizer_add_end(struct tokenizer *t, int64_t id, pith_error *err);

/* The file's chat template, or "". */
struct str pi_tokenizer_template(const struct tokenizer *t);

int32_t pi_tokenizer_size(const struct tokenizer *t);

/* Scratch that grows: owned by the caller, freed by pi_id_list_free. One per thread. */
struct id_list {
    struct allocator allocator;
    int32_t *ids;
    size_t n, capacity;
};
void pi_id_list_free(struct id_list *list);
int pi_id_list_push(struct id_list *list, int32_t id, pith_error *err);

/* Appends the ids of the text to `out`, which is as before on failure. Any bytes are valid input;
 * the time is O(n log n). Scratch comes from the list's allocator: 44 to 88 bytes per byte of the
 * longest word. Matched specials are as spelled: no space is stripped around them. */
int pi_tokenize(const struct tokenizer *t, struct str text, int flags, struct id_list *out,
                pith_error *err);

/* The bytes that token `id` stands for in running text (a piece of a code point possibly), in
 * the tokenizer's memory. Control and unknown tokens give nothing unless `special`. The space
 * that the vocabulary puts before the first word is part of the piece; see
 * pi_tokenizer_strips_space. Id out of range gives the empty string. */
struct str pi_token_text(const struct tokenizer *t, int32_t id, bool special);

/* The piece as the vocabulary spells it (with its marks for spaces and bytes). */
struct str pi_token_piece(const struct tokenizer *t, int32_t id);

/* Whether detokenising drops one leading space of a whole text (SentencePiece's dummy prefix). */
bool pi_tokenizer_strips_space(const struct tokenizer *t);

/* The id of the token whose piece is spelled exactly so, of any type, or -1. */
int32_t pi_token_find(const struct tokenizer *t, struct str piece);

/* Special ids, -1 where the vocabulary has none. */
int32_t pi_token_bos(const struct tokenizer *t);
int32_t pi_token_eos(const struct tokenizer *t);

/* True for every token at which generation ends: EOS, EOT, and control tokens that are spelled
 * like an end of turn. */
bool pi_token_ends(const struct tokenizer *t, int32_t id);

/* True for control tokens, and for unknown ones, which have no text either. */
bool pi_token_is_control(const struct tokenizer *t, int32_t id);

#endif
