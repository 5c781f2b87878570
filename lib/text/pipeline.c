/* pipeline.c - runs what tokenizer.json describes; see pipeline.h. Before: tokenizer.c. Next:
 * normal.c, presplit.c, bpe.c, unigram.c.
 */
#include "pipeline.h"

#include "unicode.h"

void pi_pipeline_start(struct pipeline_scratch *s, const struct allocator *allocator)
{
    *s = (struct pipeline_scratch){ .bpe = { .allocator = allocator },
                                    .unigram = { .allocator = allocator } };
    for (int i = 0; i < 2; i++) {
        s->normal.texts[i].allocator = allocator;
        s->split.lists[i].text.allocator = allocator;
    }
    s->normal.run.allocator = s->split.run.allocator = allocator;
}

void pi_pipeline_free(struct pipeline_scratch *s)
{
    pi_normal_scratch_free(&s->normal);
    pi_presplit_free(&s->split);
    pi_bpe_free(&s->bpe);
    pi_unigram_free(&s->unigram);
}

int pi_pipeline_add(struct pipeline *p, struct arena *arena, pith_error *err)
{
    struct special_entry *entries[2];
    struct normal_scratch scratch = { .run = { .allocator = &arena->allocator } };
    int32_t n[2] = { 0, 0 };
    int status = PITH_OK;

    scratch.texts[0].allocator = scratch.texts[1].allocator = &arena->allocator;
    for (int k = 0; k < 2; k++) {
        entries[k] = pi_arena_alloc(arena, (size_t)p->n_added, sizeof *entries[k]);
        if (!entries[k])
            return pi_no_memory(err, "added tokens", (size_t)p->n_added * sizeof *entries[k]);
    }
    for (int32_t i = 0; i < p->n_added && status == PITH_OK; i++) {
        int k = p->added[i].normalized;
        struct str text = p->added[i].content;

        if (k) {
            status = pi_normalize(&p->normalizer, &scratch, text, &text, err);
            text.at = status == PITH_OK ? pi_arena_text(arena, text.at, text.n) : "";
            if (!text.at)
                status = pi_no_memory(err, "added tokens", text.n);
        }
        p->added[i].spelled = text;
        entries[k][n[k]++] = (struct special_entry){ text, i };
    }
    pi_normal_scratch_free(&scratch);
    TRY(status);
    TRY(pi_special_make(&p->raw, entries[0], n[0], err));
    return pi_special_make(&p->normalized, entries[1], n[1], err);
}

/* ---- models ---- */

static int put_unknown_word(const struct pipeline *p, struct id_list *out, pith_error *err)
{
    if (p->unk < 0)
        return pi_fail(err, PITH_E_ARGUMENT, "the text has a word that is not in the vocabulary, "
                       "which has no unknown token");
    return pi_id_list_push(out, p->unk, err);
}

static size_t count_characters(struct str word)
{
    size_t count = 0;
    int n;

    for (size_t at = 0; at < word.n; at += (size_t)n, count++)
        (void)pi_utf8_next(word.at + at, word.at + word.n, &n);
    return count;
}

/* The longest piece that the word goes on with at `at`, its bytes of the word in *n; or -1. */
static int32_t longest_part(const struct pipeline *p, struct bpe_scratch *s, struct str word,
                            size_t at, size_t *n)
{
    size_t before = at ? p->prefix.n : 0, most = word.n - at;

    if (before > p->vocab->longest)
        return -1;
    most = pi_min_size(most, p->vocab->longest - before);
    if (before)
        memcpy(s->text, p->prefix.at, before);
    memcpy(s->text + before, word.at + at, most);
    for (*n = most; *n > 0; --*n) {
        int32_t id;

        if (at + *n < word.n && (word.at[at + *n] & 0xC0) == 0x80)
            continue;
        id = pi_vocab_find_plain(p->vocab, (struct str){ s->text, before + *n });
        if (id >= 0)
            return id;
    }
    return -1;
}

static int put_wordpieces(const struct pipeline *p, struct bpe_scratch *s, struct str word,
                          struct id_list *out, pith_error *err)
{
    size_t before = out->n;
    bool known = (int64_t)count_characters(word) <= p->longest_word;

    TRY(pi_bpe_reserve_text(s, p->vocab->longest, err));
    for (size_t at = 0, n = 0; known && at < word.n; at += n) {
        int32_t id = longest_part(p, s, word, at, &n);

        known = id >= 0;
        if (known)
            TRY(pi_id_list_push(out, id, err));
    }
    if (known)
        return PITH_OK;
    out->n = before;
    return put_unknown_word(p, out, err);
}

static int put_longest(const struct pipeline *p, struct str word, struct id_list *out,
                       pith_error *err)
{
    while (word.n) {
        size_t n = 1;
        int32_t id = pi_special_match(&p->longest, word, &n);

        if (id >= 0)
            TRY(pi_id_list_push(out, id, err));
        else if (p->unk >= 0)
            TRY(pi_id_list_push(out, p->unk, err));
        n = id >= 0 ? n : 1;
        word.at += n;
        word.n -= n;
    }
    return PITH_OK;
}

static int put_word(const struct pipeline *p, struct pipeline_scratch *s, struct str word,
                    struct id_list *out, pith_error *err)
{
    int32_t id;

    switch (p->model) {
    case MODEL_CHARACTERS: return pi_bpe_characters(&p->bpe, &s->bpe, word, out, err);
    case MODEL_BYTES: return pi_bpe_word(&p->bpe, &s->bpe, word, out, err);
    case MODEL_UNIGRAM: return pi_unigram_word(&p->unigram, &s->unigram, word, out, err);
    case MODEL_WORDPIECE: return put_wordpieces(p, &s->bpe, word, out, err);
    case MODEL_LONGEST: return put_longest(p, word, out, err);
    case MODEL_WORDLEVEL: break;
    }
    id = pi_vocab_find_plain(p->vocab, word);
    return id >= 0 ? pi_id_list_push(out, id, err) : put_unknown_word(p, out, err);
}

static int put_words(const struct pipeline *p, struct pipeline_scratch *s, struct str text,
                     bool at_start, struct id_list *out, pith_error *err)
{
    const struct word_list *words;
    size_t start = 0;

    TRY(pi_presplit(&p->presplitter, &s->split, text, at_start, &words, err));
    for (size_t i = 0; i < words->n; start = words->ends[i++])
        TRY(put_word(p, s, (struct str){ words->text.at + start, words->ends[i] - start }, out,
                     err));
    return PITH_OK;
}

/* ---- added tokens ---- */

/* A walk over the added tokens of a text and what is between them. */
struct added_walk {
    const struct pipeline *p;
    const struct special_set *set;
    struct str text;
    size_t done, at; /* what has been given out; where to search on */
    bool special;
    int32_t waiting; /* the token behind the text given out last, + 1 */
};

static bool joins_word(struct str text, size_t at, bool before)
{
    const char *p = text.at + at, *end = text.at + text.n;
    uint32_t code = 0;
    int n;

    if (before ? at == 0 : at == text.n)
        return false;
    if (!before)
        code = pi_utf8_next(p, end, &n);
    for (size_t back = 1; before && back <= 4 && back <= at; back++) {
        code = pi_utf8_next(p - back, p, &n);
        if ((size_t)n == back && !(code & PI_BAD_UTF8))
            break;
    }
    return pi_unicode_is_word(code) || code == 0x200C || code == 0x200D;
}

/* Where the white space that ends at `at` begins, not before `least`. */
static size_t space_before(struct str text, size_t at, size_t least)
{
    while (at > least) {
        size_t back = 1;
        int n;

        while (back < 4 && back < at - least && (text.at[at - back] & 0xC0) == 0x80)
            back++;
        if (!(pi_unicode_class(pi_utf8_next(text.at + at - back, text.at + at, &n)) & UNI_SPACE))
            break;
        at -= back;
    }
    return at;
}

static size_t space_behind(struct str text, size_t at)
{
    int n;

    while (at < text.n && (pi_unicode_class(pi_utf8_next(text.at + at, text.at + text.n, &n)) &
                           UNI_SPACE))
        at += (size_t)n;
    return at;
}

/* The next part: a text if *id is -1, or a token. False at the end. */
static bool next_part(struct added_walk *w, struct str *part, int32_t *id)
{
    *part = STR("");
    *id = w->waiting - 1;
    w->waiting = 0;
    if (*id >= 0)
        return true;
    while (w->at <= w->text.n) {
        struct str rest = { w->text.at + w->at, w->text.n - w->at };
        size_t at = 0, n = 0, start, end;
        int32_t found = pi_special_find(w->set, rest, &at, &n);
        const struct added_token *token;

        if (found < 0)
            break;
        token = &w->p->added[found];
        start = w->at + at;
        end = start + n;
        w->at = end;
        if ((token->special && !w->special) ||
            (token->single_word && (joins_word(w->text, start, true) ||
                                    joins_word(w->text, end, false))))
            continue;
        if (token->lstrip && start > w->done)
            start = space_before(w->text, start, w->done);
        if (token->rstrip)
            end = space_behind(w->text, end);
        *part = (struct str){ w->text.at + w->done, start > w->done ? start - w->done : 0 };
        w->done = end;
        *id = part->n ? -1 : token->id;
        w->waiting = part->n ? token->id + 1 : 0;
        return true;
    }
    *part = (struct str){ w->text.at + w->done, w->text.n > w->done ? w->text.n - w->done : 0 };
    w->at = w->text.n + 1;
    w->done = w->text.n;
    return part->n > 0;
}

int pi_pipeline_text(const struct pipeline *p, struct pipeline_scratch *s, struct str text,
                     bool special, struct id_list *out, pith_error *err)
{
    struct added_walk raw = { .p = p, .set = &p->raw, .text = text, .special = special };
    struct str part, normal, piece;
    int32_t id;

    while (next_part(&raw, &part, &id)) {
        struct added_walk inner = { .p = p, .set = &p->normalized, .special = special };

        if (id >= 0) {
            TRY(pi_id_list_push(out, id, err));
            continue;
        }
        TRY(pi_normalize(&p->normalizer, &s->normal, part, &normal, err));
        inner.text = normal;
        while (next_part(&inner, &piece, &id))
            TRY(id >= 0 ? pi_id_list_push(out, id, err)
                        : put_words(p, s, piece, part.at == text.at && piece.at == normal.at, out,
                                    err));
    }
    return PITH_OK;
}
