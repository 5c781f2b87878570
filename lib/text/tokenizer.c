/* tokenizer.c - the door: reads which kind of vocabulary a file has, takes special tokens out of
 * the text, and hands the rest to byte-pair encoding or WordPiece. Refuses models and
 * pre-tokenizers it does not know, by name.
 *
 * Before: model/model.c. Next: bpe.c, split.c, wordpiece.c.
 */
#include "tokenizer_parts.h"

/* Ends of turn that files do not name by key. */
static const char *const end_pieces[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
    "<|return|>", "<|call|>", "<|eom_id|>", "</s>", "<eos>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<end_of_utterance>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
};

static int read_flag(const struct weights *w, const char *key, bool *flag, bool *found,
                     pith_error *err)
{
    int64_t value = 0;

    TRY(pi_meta_i64(w, key, &value, found, err));
    if (*found)
        *flag = value != 0;
    return PITH_OK;
}

static void mark_end(struct tokenizer *t, int32_t id)
{
    if (id >= 0)
        t->ends[id / 8] |= (uint8_t)(1 << id % 8);
}

int pi_tokenizer_find_ends(struct tokenizer *t, struct arena *arena, pith_error *err)
{
    const struct vocab *v = &t->vocab;
    size_t bytes = (size_t)v->n / 8 + 1;
    bool returns = pi_token_find(t, STR("<|return|>")) >= 0 &&
                   pi_token_find(t, STR("<|call|>")) >= 0;

    t->ends = pi_arena_alloc(arena, bytes, 1);
    if (!t->ends)
        return pi_no_memory(err, "the ends of generation", bytes);
    for (size_t i = 0; i < PI_COUNT(end_pieces); i++) {
        struct str piece = pi_str(end_pieces[i]);
        int32_t id = pi_token_find(t, piece);

        /* In the harmony format <|end|> ends a message; a turn ends by <|return|> or <|call|>. */
        if (returns && pi_str_equal(piece, STR("<|end|>")))
            continue;
        if (id >= 0 && (v->types[id] == TOKEN_CONTROL || v->types[id] == TOKEN_USER))
            mark_end(t, id);
    }
    mark_end(t, v->eos);
    mark_end(t, v->eot);
    mark_end(t, v->eom);
    return PITH_OK;
}

/* Fills an id that the file does not give by the spelling usual for the kind. */
static void default_id(const struct vocab *v, int32_t *id, const char *piece)
{
    if (*id < 0)
        *id = pi_vocab_find(v, pi_str(piece));
}

int pi_tokenizer_affix(struct arena *arena, int32_t **list, int32_t *n, int32_t id,
                       pith_error *err)
{
    int32_t *ids = pi_arena_alloc(arena, (size_t)*n + 1, sizeof *ids);

    if (!ids)
        return pi_no_memory(err, "special tokens", ((size_t)*n + 1) * sizeof *ids);
    if (*n)
        memcpy(ids, *list, (size_t)*n * sizeof *ids);
    ids[(*n)++] = id;
    *list = ids;
    return PITH_OK;
}

/* One token, or none, before a text and after it. */
static int set_affixes(struct tokenizer *t, struct arena *arena, int32_t before, int32_t after,
                       pith_error *err)
{
    if (before >= 0)
        TRY(pi_tokenizer_affix(arena, &t->before, &t->n_before, before, err));
    return after >= 0 ? pi_tokenizer_affix(arena, &t->after, &t->n_after, after, err) : PITH_OK;
}

/* What stands before and after a text, by kind, and by the file's keys where it has them. */
static int read_affixes(struct tokenizer *t, struct arena *arena, const struct weights *w,
                        pith_error *err)
{
    const struct vocab *v = &t->vocab;
    bool bos = t->kind == KIND_SENTENCE || (t->flags & SPLIT_BOS), eos = t->flags & SPLIT_EOS;
    bool found;

    if (t->kind == KIND_WORDPIECE)
        return set_affixes(t, arena, v->cls >= 0 ? v->cls : v->bos, v->sep, err);
    TRY(read_flag(w, "tokenizer.ggml.add_bos_token", &bos, &found, err));
    if (found && bos && v->bos < 0)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.add_bos_token is true without "
                       "tokenizer.ggml.bos_token_id");
    TRY(read_flag(w, "tokenizer.ggml.add_eos_token", &eos, &found, err));
    if (found && eos && v->eos < 0)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.add_eos_token is true without "
                       "tokenizer.ggml.eos_token_id");
    return set_affixes(t, arena, bos ? v->bos : -1, eos ? v->eos : -1, err);
}

static int open_sentence(struct tokenizer *t, struct arena *arena, const struct weights *w,
                         pith_error *err)
{
    struct vocab *v = &t->vocab;
    bool found;

    TRY(pi_vocab_open(v, arena, w, SPELL_MARKED, err));
    default_id(v, &v->bos, "<s>");
    default_id(v, &v->eos, "</s>");
    default_id(v, &v->unk, "<unk>");
    t->space_prefix = true;
    TRY(read_flag(w, "tokenizer.ggml.add_space_prefix", &t->space_prefix, &found, err));
    return pi_bpe_open_scores(&t->bpe, v, err);
}

static int open_bytes(struct tokenizer *t, struct arena *arena, const struct weights *w,
                      pith_error *err)
{
    struct vocab *v = &t->vocab;
    struct str name = STR("default");
    bool found;

    TRY(pi_meta_str(w, "tokenizer.ggml.pre", &name, &found, err));
    t->split = pi_split_find(name);
    if (!t->split && pi_split_find_list(name))
        return pi_tokenizer_open_list(t, arena, w, pi_split_find_list(name), err);
    if (!t->split)
        return pi_fail(err, PITH_E_UNSUPPORTED, "tokenizer.ggml.pre is \"%.*s\", a pre-tokenizer "
                       "that is not known here", (int)pi_min_size(name.n, 60), name.at);
    TRY(pi_vocab_open(v, arena, w, SPELL_MAPPED, err));
    t->flags = t->split->flags;
    if (t->flags & SPLIT_EOS) {
        default_id(v, &v->bos, "<s>");
        default_id(v, &v->eos, "</s>");
    }
    return pi_bpe_open_ranks(&t->bpe, arena, w, v, t->split->flags & SPLIT_WHOLE, err);
}

static int open_wordpiece(struct tokenizer *t, struct arena *arena, const struct weights *w,
                          pith_error *err)
{
    struct wordpiece *wp = &t->wordpiece;
    struct vocab *v = &t->vocab;
    bool found;

    TRY(pi_vocab_open(v, arena, w, SPELL_MARKED, err));
    default_id(v, &v->unk, "[UNK]");
    default_id(v, &v->cls, "[CLS]");
    default_id(v, &v->sep, "[SEP]");
    if (v->unk < 0)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.unknown_token_id is missing");
    *wp = (struct wordpiece){ .vocab = v, .lowercase = true };
    TRY(read_flag(w, "tokenizer.ggml.normalizer.lowercase", &wp->lowercase, &found, err));
    wp->strip_accents = wp->lowercase;
    return read_flag(w, "tokenizer.ggml.normalizer.strip_accents", &wp->strip_accents, &found,
                     err);
}

int pi_tokenizer_open(struct tokenizer **out, struct arena *arena, const struct weights *w,
                      pith_error *err)
{
    struct str model;
    struct tokenizer *t;
    bool found;

    *out = NULL;
    TRY(pi_meta_str(w, "tokenizer.ggml.model", &model, &found, err));
    if (!found || pi_str_equal(model, STR("none")) || pi_str_equal(model, STR("no_vocab")))
        return PITH_OK;
    t = pi_arena_alloc(arena, 1, sizeof *t);
    if (!t)
        return pi_no_memory(err, "a tokenizer", sizeof *t);
    if (pi_str_equal(model, STR("llama"))) {
        t->kind = KIND_SENTENCE;
        TRY(open_sentence(t, arena, w, err));
    } else if (pi_str_equal(model, STR("gpt2"))) {
        t->kind = KIND_BYTES;
        TRY(open_bytes(t, arena, w, err));
    } else if (pi_str_equal(model, STR("bert"))) {
        t->kind = KIND_WORDPIECE;
        TRY(open_wordpiece(t, arena, w, err));
    } else if (pi_str_equal(model, STR("gemma4")) || pi_str_equal(model, STR("whitespace"))) {
        TRY(pi_tokenizer_open_list(t, arena, w, pi_split_find_list(model), err));
    } else if (pi_str_equal(model, STR("t5"))) {
        TRY(pi_tokenizer_open_unigram(t, arena, w, err));
    } else if (pi_str_equal(model, STR("rwkv"))) {
        TRY(pi_tokenizer_open_longest(t, arena, w, err));
    } else if (pi_str_equal(model, STR("plamo2"))) {
        TRY(pi_tokenizer_open_cheapest(t, arena, w, err));
    } else {
        return pi_fail(err, PITH_E_UNSUPPORTED, "tokenizer.ggml.model is \"%.*s\", expected "
                       "llama, gpt2, gemma4, whitespace, bert, t5, rwkv or plamo2",
                       (int)pi_min_size(model.n, 60), model.at);
    }
    TRY(pi_meta_str(w, "tokenizer.chat_template", &t->chat_template, &found, err));
    TRY(read_affixes(t, arena, w, err));
    t->strips_space = t->space_prefix || t->kind == KIND_WORDPIECE;
    TRY(pi_special_open(&t->always, arena, &t->vocab, 1u << TOKEN_USER, err));
    TRY(pi_special_open(&t->parsed, arena, &t->vocab,
                        1u << TOKEN_USER | 1u << TOKEN_CONTROL | 1u << TOKEN_UNKNOWN, err));
    TRY(pi_tokenizer_find_ends(t, arena, err));
    *out = t;
    return PITH_OK;
}

int32_t pi_tokenizer_size(const struct tokenizer *t) { return t->vocab.n; }

void pi_id_list_free(struct id_list *list)
{
    pi_free(&list->allocator, list->ids, list->capacity * sizeof *list->ids);
    *list = (struct id_list){ .allocator = list->allocator };
}

int pi_id_list_push(struct id_list *list, int32_t id, pith_error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256, bytes;
        int32_t *ids = NULL;

        if (pi_mul_size(capacity, sizeof *ids, &bytes))
            ids = pi_alloc(&list->allocator, bytes);
        if (!ids)
            return pi_no_memory(err, "token ids", capacity * sizeof *ids);
        if (list->n)
            memcpy(ids, list->ids, list->n * sizeof *ids);
        pi_free(&list->allocator, list->ids, list->capacity * sizeof *ids);
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
    return PITH_OK;
}

/* Text at the start or between special tokens. */
static int tokenize_plain(const struct tokenizer *t, struct pipeline_scratch *all,
                          struct str text, bool special, struct id_list *out, pith_error *err)
{
    struct bpe_scratch *scratch = &all->bpe;
    struct split_walk walk;
    struct str word;

    if (t->kind == KIND_PIPELINE)
        return pi_pipeline_text(&t->pipeline, all, text, special, out, err);
    if (t->kind == KIND_SENTENCE)
        return pi_bpe_text(&t->bpe, scratch, text, t->space_prefix, out, err);
    if (t->kind == KIND_WORDPIECE)
        return pi_wordpiece_text(&t->wordpiece, text, out, err);
    walk = pi_split_start(t->split, text);
    while (pi_split_next(&walk, &word))
        TRY(pi_bpe_word(&t->bpe, scratch, word, out, err));
    return PITH_OK;
}

/* Text with the special tokens of a set in it; tokenizer.json has its own way with them. */
static int tokenize_special(const struct tokenizer *t, struct pipeline_scratch *scratch,
                            struct str text, bool special, struct id_list *out, pith_error *err)
{
    const struct special_set *set = special ? &t->parsed : &t->always;

    while (text.n) {
        size_t at = text.n, n = 0;
        int32_t id = pi_special_find(set, text, &at, &n);

        if (at)
            TRY(tokenize_plain(t, scratch, (struct str){ text.at, at }, special, out, err));
        if (id < 0)
            break;
        TRY(pi_id_list_push(out, id, err));
        at += n;
        text = (struct str){ text.at + at, text.n - at };
    }
    return PITH_OK;
}

static int tokenize_text(const struct tokenizer *t, struct pipeline_scratch *scratch,
                         struct str text, int flags, struct id_list *out, pith_error *err)
{
    bool add = flags & TOKENIZE_ADD_SPECIAL, special = flags & TOKENIZE_PARSE_SPECIAL;

    for (int32_t i = 0; add && i < t->n_before; i++)
        TRY(pi_id_list_push(out, t->before[i], err));
    TRY(tokenize_special(t, scratch, text, special, out, err));
    for (int32_t i = 0; add && i < t->n_after; i++)
        TRY(pi_id_list_push(out, t->after[i], err));
    return PITH_OK;
}

int pi_tokenize(const struct tokenizer *t, struct str text, int flags, struct id_list *out,
                pith_error *err)
{
    struct pipeline_scratch scratch;
    size_t before = out->n;
    int status;

    pi_pipeline_start(&scratch, &out->allocator);
    status = tokenize_text(t, &scratch, text, flags, out, err);
    pi_pipeline_free(&scratch);
    if (status != PITH_OK)
        out->n = before;
    return status;
}

struct str pi_token_text(const struct tokenizer *t, int32_t id, bool special)
{
    const struct vocab *v = &t->vocab;

    if (id < 0 || id >= v->n || (!special && pi_token_is_control(t, id)))
        return STR("");
    return (struct str){ v->text + v->text_at[id], v->text_at[id + 1] - v->text_at[id] };
}

struct str pi_token_piece(const struct tokenizer *t, int32_t id)
{
    return id < 0 || id >= t->vocab.n ? STR("") : t->vocab.pieces[id];
}

int32_t pi_token_find(const struct tokenizer *t, struct str piece)
{
    int64_t id = pi_map_find(&t->added, piece);

    return id >= 0 ? (int32_t)id : pi_vocab_find(&t->vocab, piece);
}

bool pi_tokenizer_strips_space(const struct tokenizer *t)
{
    return t->strips_space;
}

int32_t pi_token_bos(const struct tokenizer *t)
{
    return t->kind != KIND_WORDPIECE ? t->vocab.bos : t->n_before ? t->before[0] : -1;
}

int32_t pi_token_eos(const struct tokenizer *t) { return t->vocab.eos; }

bool pi_token_ends(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n && (t->ends[id / 8] >> id % 8 & 1);
}

bool pi_token_is_control(const struct tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n &&
           (t->vocab.types[id] == TOKEN_CONTROL || t->vocab.types[id] == TOKEN_UNKNOWN);
}

int pi_tokenizer_folder_ends(const struct weights *w, int32_t tokens, const struct meta **ends,
                             pith_error *err)
{
    static const char *const keys[] = { "generation_config.eos_token_id", "eos_token_id",
                                        "text_config.eos_token_id" };
    const struct meta *m = NULL;
    char number[32];

    for (size_t i = 0; i < PI_COUNT(keys) && !m; i++)
        m = pi_meta_find(w, pi_str(keys[i]));
    if (m && m->type != META_F64)
        return pi_fail(err, PITH_E_FORMAT, "key %.*s is not a number", (int)m->key.n, m->key.at);
    for (uint64_t i = 0; m && i < m->count; i++) {
        double id = pi_meta_number(m, i);

        if (!(id >= 0 && id < (double)tokens))
            return pi_fail(err, PITH_E_FORMAT, "key %.*s: the id %s lies beyond the %d tokens of "
                           "the vocabulary", (int)m->key.n, m->key.at, pi_number(id, number),
                           tokens);
    }
    *ends = m;
    return PITH_OK;
}

int pi_tokenizer_add_end(struct tokenizer *t, int64_t id, pith_error *err)
{
    if (id < 0 || id >= t->vocab.n)
        return pi_fail(err, PITH_E_FORMAT, "the token %lld ends generation, the vocabulary has %d",
                       (long long)id, t->vocab.n);
    mark_end(t, (int32_t)id);
    if (t->vocab.eos < 0)
        t->vocab.eos = (int32_t)id;
    return PITH_OK;
}

struct str pi_tokenizer_template(const struct tokenizer *t) { return t->chat_template; }
