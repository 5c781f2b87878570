/* tokenizer_kinds.c - vocabularies of GGUF that run as a pipeline: byte-level BPE cut by
 * expressions, BPE of characters, SentencePiece's unigram, RWKV's longest match, PLaMo 2's cheapest
 * way. Before: tokenizer.c. Next: pipeline.c.
 */
#include "tokenizer_parts.h"

#include <math.h>

static int get_flag(const struct weights *w, const char *key, bool *flag, pith_error *err)
{
    int64_t value = *flag;
    bool found;

    TRY(pi_meta_i64(w, key, &value, &found, err));
    *flag = value != 0;
    return PITH_OK;
}

static void guess_id(const struct vocab *v, int32_t *id, const char *piece)
{
    if (*id < 0)
        *id = pi_vocab_find(v, pi_str(piece));
}

/* Room for a few steps of both kinds. */
static int new_steps(struct pipeline *p, struct arena *arena, size_t n, pith_error *err)
{
    p->normalizer.steps = pi_arena_alloc(arena, n, sizeof *p->normalizer.steps);
    p->presplitter.steps = pi_arena_alloc(arena, n, sizeof *p->presplitter.steps);
    if (!p->normalizer.steps || !p->presplitter.steps)
        return pi_no_memory(err, "a tokenizer", n * sizeof *p->normalizer.steps);
    return PITH_OK;
}

/* BPE of characters: with marks for spaces and not cut, or cut at white space. */
static int open_characters(struct tokenizer *t, struct arena *arena, const struct weights *w,
                           int flags, pith_error *err)
{
    struct pipeline *p = &t->pipeline;
    struct vocab *v = &t->vocab;

    TRY(pi_vocab_open(v, arena, w, SPELL_MARKED, err));
    guess_id(v, &v->unk, "<unk>");
    TRY(pi_bpe_open_ranks(&p->bpe, arena, w, v, false, err));
    p->model = MODEL_CHARACTERS;
    p->bpe.bytes = p->bpe.fuse = true;
    if (flags & SPLIT_MARKED) {
        struct normal_step *step = &p->normalizer.steps[p->normalizer.n++];

        *step = (struct normal_step){ .kind = NORMAL_REPLACE, .content = SPACE_MARK };
        TRY(pi_regex_open_text(&step->regex, arena, STR(" "), err));
    } else {
        bool lowercase = false;

        TRY(get_flag(w, "tokenizer.ggml.normalizer.lowercase", &lowercase, err));
        if (lowercase)
            p->normalizer.steps[p->normalizer.n++].kind = NORMAL_LOWERCASE;
        p->presplitter.steps[p->presplitter.n++] =
            (struct presplit_step){ .kind = PRESPLIT_WHITE, .matches = MATCH_REMOVED };
    }
    return pi_bpe_open_codes(&p->bpe, arena, err);
}

int pi_tokenizer_open_list(struct tokenizer *t, struct arena *arena, const struct weights *w,
                           const struct split_list *list, pith_error *err)
{
    struct pipeline *p = &t->pipeline;

    t->kind = KIND_PIPELINE;
    t->flags = list->flags;
    p->vocab = &t->vocab;
    p->unk = -1;
    TRY(new_steps(p, arena, PI_COUNT(list->expressions), err));
    if (list->flags & (SPLIT_MARKED | SPLIT_CHARACTERS))
        return open_characters(t, arena, w, list->flags, err);
    p->model = MODEL_BYTES;
    for (int i = 0; list->expressions[i]; i++) {
        struct str expression = pi_str(list->expressions[i]);
        struct presplit_step *step = &p->presplitter.steps[p->presplitter.n++];

        step->known = pi_split_find_expression(expression);
        TRY(pi_regex_open(&step->regex, arena, expression, err));
    }
    TRY(pi_vocab_open(&t->vocab, arena, w, SPELL_MAPPED, err));
    return pi_bpe_open_ranks(&p->bpe, arena, w, &t->vocab, list->flags & SPLIT_WHOLE, err);
}

static int read_charsmap(struct charsmap *map, const struct weights *w, pith_error *err)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    const struct meta *m = pi_meta_find(w, STR("tokenizer.ggml.precompiled_charsmap"));

    if (!m || (m->is_array && m->count == 0))
        return PITH_OK;
    if (!m->is_array || (m->type != META_U8 && m->type != META_I8))
        return pi_fail(err, PITH_E_FORMAT, "%s is not an array of bytes", key);
    return pi_charsmap_open(map, (struct str){ (const char *)m->at, (size_t)m->count }, err);
}

int pi_tokenizer_open_unigram(struct tokenizer *t, struct arena *arena, const struct weights *w,
                              pith_error *err)
{
    struct pipeline *p = &t->pipeline;
    struct unigram *u = &p->unigram;
    struct vocab *v = &t->vocab;
    struct normal_step *map, *spaces;
    bool prefix = true, merge = true;

    t->kind = KIND_PIPELINE;
    t->flags = SPLIT_EOS;
    TRY(pi_vocab_open(v, arena, w, SPELL_MARKED, err));
    guess_id(v, &v->unk, "<unk>");
    guess_id(v, &v->eos, "</s>");
    if (!v->scores)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.scores is missing");
    TRY(new_steps(p, arena, 2, err));
    map = &p->normalizer.steps[0];
    spaces = &p->normalizer.steps[1];
    p->normalizer.n = 2;
    TRY(get_flag(w, "tokenizer.ggml.add_space_prefix", &prefix, err));
    TRY(get_flag(w, "tokenizer.ggml.remove_extra_whitespaces", &merge, err));
    *map = (struct normal_step){ .kind = NORMAL_CHARSMAP, .a = true };
    *spaces = (struct normal_step){ .kind = NORMAL_SPACES, .a = merge, .b = prefix,
                                    .content = SPACE_MARK };
    TRY(read_charsmap(&map->map, w, err));
    t->space_prefix = prefix;
    *u = (struct unigram){ .vocab = v, .unk = v->unk, .bytes = true, .single = true };
    u->scores = pi_arena_alloc(arena, (size_t)v->n, sizeof *u->scores);
    if (!u->scores)
        return pi_no_memory(err, "token scores", (size_t)v->n * sizeof *u->scores);
    for (int32_t i = 0; i < v->n; i++)
        u->scores[i] = (double)v->scores[i];
    p->model = MODEL_UNIGRAM;
    p->vocab = v;
    return pi_unigram_open(u, arena, 1u << TOKEN_NORMAL | 1u << TOKEN_UNDEFINED, err);
}

int pi_tokenizer_open_longest(struct tokenizer *t, struct arena *arena, const struct weights *w,
                              pith_error *err)
{
    struct pipeline *p = &t->pipeline;
    struct vocab *v = &t->vocab;
    struct special_entry *entries;
    int32_t n = 0;

    t->kind = KIND_PIPELINE;
    TRY(pi_vocab_open(v, arena, w, SPELL_ESCAPED, err));
    entries = pi_arena_alloc(arena, (size_t)v->n, sizeof *entries);
    if (!entries)
        return pi_no_memory(err, "the vocabulary", (size_t)v->n * sizeof *entries);
    for (int32_t i = 0; i < v->n; i++)
        if (pi_vocab_is_plain(v, i))
            entries[n++] = (struct special_entry){
                { v->text + v->text_at[i], v->text_at[i + 1] - v->text_at[i] }, i };
    p->model = MODEL_LONGEST;
    p->vocab = v;
    p->unk = v->unk;
    return pi_special_make(&p->longest, entries, n, err);
}

/* As in PLaMo 2's tokenization_plamo.py: scores count in units of 1e-4, an unknown character costs
 * a thousand, and what costs two thousand or more is not used. */
int pi_tokenizer_open_cheapest(struct tokenizer *t, struct arena *arena, const struct weights *w,
                               pith_error *err)
{
    struct pipeline *p = &t->pipeline;
    struct unigram *u = &p->unigram;
    struct vocab *v = &t->vocab;
    struct special_entry *entries;
    int32_t n = 0;

    t->kind = KIND_PIPELINE;
    TRY(pi_vocab_open(v, arena, w, SPELL_PLAIN, err));
    guess_id(v, &v->bos, "<|plamo:bos|>");
    guess_id(v, &v->eos, "<|plamo:eos|>");
    if (!v->scores)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.scores is missing");
    for (int i = 0; i < 256; i++)
        if (v->bytes[i] < 0)
            return pi_fail(err, PITH_E_FORMAT, "the vocabulary has no token of type byte for "
                           "<0x%02X>", (unsigned)i);
    *u = (struct unigram){ .vocab = v, .unk = -1, .unknown = -1e7, .backwards = true };
    u->scores = pi_arena_alloc(arena, (size_t)v->n, sizeof *u->scores);
    entries = pi_arena_alloc(arena, (size_t)v->n, sizeof *entries);
    if (!u->scores || !entries)
        return pi_no_memory(err, "token scores", (size_t)v->n * sizeof *entries);
    for (int32_t i = 0; i < v->n; i++) {
        u->scores[i] = round((double)v->scores[i] * 1e4);
        if (pi_vocab_is_plain(v, i) && isfinite(u->scores[i]) && u->scores[i] > -2e7)
            entries[n++] = (struct special_entry){ v->pieces[i], i };
    }
    p->model = MODEL_UNIGRAM;
    p->vocab = v;
    p->unk = -1;
    return pi_special_make(&u->pieces, entries, n, err);
}
