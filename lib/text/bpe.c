/* bpe.c - see bpe.h.
 *
 * Symbols form a linked list; a heap holds the pairs that may merge, best first and, among
 * equals, leftmost first. Entries are not removed when a neighbour changes: each symbol remembers
 * the key of its pair with the next one, and an entry with another key is stale. O(n log n).
 */
#include "bpe.h"

struct bpe_symbol {
    int32_t id;          /* token, or -1 if it is none */
    int32_t prev, next;  /* in the list, -1 at its ends */
    uint32_t at, n;      /* bytes of the text (by score) */
    uint32_t key;        /* order of the pair with `next`: lower merges first */
    int32_t result;      /* what that pair becomes, -1 if it does not merge */
};

#define SYMBOLS_MIN 256            /* so that few words need a second allocation */
#define SYMBOLS_MAX ((size_t)1 << 26) /* of one word; keeps all sizes below 4 GiB */

int pi_bpe_open_ranks(struct bpe *b, struct arena *arena, const struct weights *w,
                      const struct vocab *v, bool whole, pith_error *err)
{
    *b = (struct bpe){ .vocab = v, .whole = whole, .unk = v->unk };
    return pi_merges_open(&b->merges, arena, w, v, err);
}

int pi_bpe_open_codes(struct bpe *b, struct arena *arena, pith_error *err)
{
    b->codes = pi_arena_alloc(arena, BPE_CODES, sizeof *b->codes);
    if (!b->codes)
        return pi_no_memory(err, "characters", BPE_CODES * sizeof *b->codes);
    for (uint32_t c = 0; c < BPE_CODES; c++) {
        char spelled[4];
        int n = pi_utf8_put(c, spelled);

        b->codes[c] = pi_vocab_find_plain(b->vocab, (struct str){ spelled, (size_t)n });
    }
    return PITH_OK;
}

int pi_bpe_open_json(struct bpe *b, struct arena *arena, const struct json *merges,
                     const struct vocab *v, pith_error *err)
{
    b->vocab = v;
    TRY(pi_merges_open_json(&b->merges, arena, merges, v, b->prefix, err));
    return pi_bpe_open_codes(b, arena, err);
}

/* Whether a space mark follows something else in the piece: it spans two words. */
static bool spans_words(struct str piece)
{
    bool word = false;

    while (piece.n) {
        if (pi_str_starts(piece, SPACE_MARK)) {
            if (word)
                return true;
            piece.at += SPACE_MARK.n;
            piece.n -= SPACE_MARK.n;
        } else {
            word = true;
            piece.at++;
            piece.n--;
        }
    }
    return false;
}

int pi_bpe_open_scores(struct bpe *b, const struct vocab *v, pith_error *err)
{
    *b = (struct bpe){ .vocab = v, .cuts = true };
    if (!v->scores)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.scores is missing");
    for (int32_t i = 0; i < v->n && b->cuts; i++)
        b->cuts = !pi_vocab_is_plain(v, i) || !spans_words(v->pieces[i]);
    return PITH_OK;
}

void pi_bpe_free(struct bpe_scratch *s)
{
    pi_free(s->allocator, s->symbols, s->capacity * sizeof *s->symbols);
    pi_free(s->allocator, s->heap, s->capacity * 2 * sizeof *s->heap);
    pi_free(s->allocator, s->text, s->text_capacity);
    *s = (struct bpe_scratch){ .allocator = s->allocator };
}

/* Room for n symbols and their pairs: at most n - 1 at first, and one more per merge. */
static int reserve_symbols(struct bpe_scratch *s, size_t n, pith_error *err)
{
    size_t capacity = s->capacity ? s->capacity : SYMBOLS_MIN;

    if (n <= s->capacity)
        return PITH_OK;
    if (n > SYMBOLS_MAX)
        return pi_fail(err, PITH_E_LIMIT, "a word of %zu bytes, at most %zu", n, SYMBOLS_MAX);
    while (capacity < n)
        capacity *= 2;
    pi_free(s->allocator, s->symbols, s->capacity * sizeof *s->symbols);
    pi_free(s->allocator, s->heap, s->capacity * 2 * sizeof *s->heap);
    s->capacity = capacity;
    s->symbols = pi_alloc(s->allocator, capacity * sizeof *s->symbols);
    s->heap = pi_alloc(s->allocator, capacity * 2 * sizeof *s->heap);
    if (!s->symbols || !s->heap)
        return pi_no_memory(err, "tokenizing", capacity * sizeof *s->symbols);
    return PITH_OK;
}

int pi_bpe_reserve_text(struct bpe_scratch *s, size_t n, pith_error *err)
{
    size_t capacity = s->text_capacity ? s->text_capacity : SYMBOLS_MIN;

    if (n <= s->text_capacity)
        return PITH_OK;
    while (capacity < n)
        capacity *= 2;
    pi_free(s->allocator, s->text, s->text_capacity);
    s->text_capacity = capacity;
    s->text = pi_alloc(s->allocator, capacity);
    return s->text ? PITH_OK : pi_no_memory(err, "tokenizing", capacity);
}

static void heap_add(uint64_t *heap, size_t *n, uint64_t entry)
{
    size_t i = (*n)++;

    for (size_t up; i > 0 && heap[up = (i - 1) / 2] > entry; i = up)
        heap[i] = heap[up];
    heap[i] = entry;
}

static uint64_t heap_take(uint64_t *heap, size_t *n)
{
    uint64_t least = heap[0], entry = heap[--*n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < *n) {
        child += child + 1 < *n && heap[child + 1] < heap[child];
        if (heap[child] >= entry)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = entry;
    return least;
}

/* A number that orders finite and infinite floats the other way round: the best score first. */
static uint32_t score_key(float score)
{
    uint32_t bits;

    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

/* Looks up what symbol i and the next one merge to, and puts the pair on the heap. */
static void offer_pair(const struct bpe *b, struct bpe_scratch *s, size_t *pairs, int32_t i)
{
    struct bpe_symbol *left = &s->symbols[i], *right;

    left->result = -1;
    if (left->next < 0)
        return;
    right = &s->symbols[left->next];
    if (b->merges.slots) {
        const struct merge *m = pi_merges_find(&b->merges, left->id, right->id);

        left->result = m->result - 1;
        left->key = m->rank;
    } else {
        struct str both = { s->text + left->at, (size_t)left->n + right->n };

        left->result = pi_vocab_find_plain(b->vocab, both);
        left->key = left->result < 0 ? 0 : score_key(b->vocab->scores[left->result]);
    }
    if (left->result >= 0)
        heap_add(s->heap, pairs, (uint64_t)left->key << 32 | (uint32_t)i);
}

/* Merges symbols[0..n), n >= 1, in place; what is left is the list from symbol 0. */
static void merge_symbols(const struct bpe *b, struct bpe_scratch *s, int32_t n)
{
    size_t pairs = 0;

    for (int32_t i = 0; i < n; i++) {
        s->symbols[i].prev = i - 1;
        s->symbols[i].next = i + 1 < n ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < n; i++)
        offer_pair(b, s, &pairs, i);
    s->symbols[n - 1].result = -1;
    while (pairs) {
        uint64_t entry = heap_take(s->heap, &pairs);
        struct bpe_symbol *left = &s->symbols[(uint32_t)entry], *right;

        if (left->result < 0 || left->key != entry >> 32)
            continue;
        right = &s->symbols[left->next];
        left->id = left->result;
        left->n += right->n;
        left->next = right->next;
        right->result = -1; /* no entry may find it any more */
        if (left->next >= 0)
            s->symbols[left->next].prev = (int32_t)(uint32_t)entry;
        offer_pair(b, s, &pairs, (int32_t)(uint32_t)entry);
        if (left->prev >= 0)
            offer_pair(b, s, &pairs, left->prev);
    }
}

/* The printable spelling of a word in s->text, if it is no longer than any piece. */
static int spell_word(const struct bpe *b, struct bpe_scratch *s, struct str word,
                      struct str *spelled, pith_error *err)
{
    *spelled = (struct str){ NULL, 0 };
    if (word.n > b->vocab->longest)
        return PITH_OK;
    TRY(pi_bpe_reserve_text(s, 2 * word.n, err)); /* the code points are below U+0800 */
    for (size_t i = 0; i < word.n; i++)
        spelled->n += (size_t)pi_utf8_put(pi_vocab_byte_code((uint8_t)word.at[i]),
                                          s->text + spelled->n);
    spelled->at = s->text;
    return PITH_OK;
}

int pi_bpe_word(const struct bpe *b, struct bpe_scratch *s, struct str word, struct id_list *out,
                pith_error *err)
{
    const struct vocab *v = b->vocab;

    if (word.n == 0)
        return PITH_OK;
    if (b->whole && word.n > 1) {
        struct str spelled;
        int32_t id;

        TRY(spell_word(b, s, word, &spelled, err));
        id = spelled.n ? pi_vocab_find_plain(v, spelled) : -1;
        if (id >= 0)
            return pi_id_list_push(out, id, err);
    }
    TRY(reserve_symbols(s, word.n, err));
    for (size_t i = 0; i < word.n; i++)
        s->symbols[i] = (struct bpe_symbol){ .id = v->bytes[(uint8_t)word.at[i]], .n = 1 };
    merge_symbols(b, s, (int32_t)word.n);
    for (int32_t i = 0; i >= 0; i = s->symbols[i].next) {
        int32_t id = s->symbols[i].id;

        /* An id of a control token must not come out of stray bytes. */
        if (id < 0 && v->unk >= 0 && v->types[v->unk] == TOKEN_UNKNOWN)
            id = v->unk;
        if (id >= 0)
            TRY(pi_id_list_push(out, id, err));
    }
    return PITH_OK;
}

/* The token of a character of a word, with what the vocabulary puts around it, or -1. */
static int32_t find_character(const struct bpe *b, char *text, struct str c, bool first, bool last)
{
    bool before = b->prefix.n && !first, behind = b->suffix.n && last;
    size_t n = 0;

    if (!before && !behind)
        return pi_vocab_find_plain(b->vocab, c);
    if (before) {
        memcpy(text, b->prefix.at, b->prefix.n);
        n = b->prefix.n;
    }
    memcpy(text + n, c.at, c.n);
    n += c.n;
    if (behind) {
        memcpy(text + n, b->suffix.at, b->suffix.n);
        n += b->suffix.n;
    }
    return pi_vocab_find_plain(b->vocab, (struct str){ text, n });
}

/* Adds the tokens of a character's bytes, if there are tokens for all. */
static bool add_bytes(const struct bpe *b, struct bpe_scratch *s, struct str c, size_t *symbols)
{
    for (size_t i = 0; i < c.n; i++)
        if (!b->bytes || b->vocab->bytes[(uint8_t)c.at[i]] < 0)
            return false;
    for (size_t i = 0; i < c.n; i++)
        s->symbols[(*symbols)++] =
            (struct bpe_symbol){ .id = b->vocab->bytes[(uint8_t)c.at[i]], .n = 1 };
    return true;
}

/* Fills the symbols of a word. An unknown character waits for the next token, so that those beside
 * it may join it; bytes overtake it, as they do in tokenizers. */
static size_t spell_characters(const struct bpe *b, struct bpe_scratch *s, struct str word)
{
    size_t symbols = 0;
    bool unknown = false;
    int length;

    for (size_t at = 0; at < word.n; at += (size_t)length) {
        uint32_t code = pi_utf8_next(word.at + at, word.at + word.n, &length);
        struct str c = { word.at + at, (size_t)length };
        bool last = at + c.n == word.n;
        int32_t id;

        if (code < BPE_CODES && !b->prefix.n && !(last && b->suffix.n))
            id = b->codes[code];
        else
            id = find_character(b, s->text, c, at == 0, last);
        if (id < 0 && add_bytes(b, s, c, &symbols))
            continue;
        if (unknown && (id >= 0 || !b->fuse))
            s->symbols[symbols++] = (struct bpe_symbol){ .id = b->unk, .n = 1 };
        unknown = id < 0 && b->unk >= 0;
        if (id >= 0)
            s->symbols[symbols++] = (struct bpe_symbol){ .id = id, .n = 1 };
    }
    if (unknown)
        s->symbols[symbols++] = (struct bpe_symbol){ .id = b->unk, .n = 1 };
    return symbols;
}

int pi_bpe_characters(const struct bpe *b, struct bpe_scratch *s, struct str word,
                      struct id_list *out, pith_error *err)
{
    int32_t id = b->whole ? pi_vocab_find_plain(b->vocab, word) : -1;
    size_t n;

    if (id >= 0)
        return pi_id_list_push(out, id, err);
    TRY(reserve_symbols(s, word.n + 1, err));
    TRY(pi_bpe_reserve_text(s, b->prefix.n + 4 + b->suffix.n, err));
    n = spell_characters(b, s, word);
    if (n == 0)
        return PITH_OK;
    merge_symbols(b, s, (int32_t)n);
    for (int32_t i = 0; i >= 0; i = s->symbols[i].next)
        TRY(pi_id_list_push(out, s->symbols[i].id, err));
    return PITH_OK;
}

/* Appends symbol by symbol: the token, or those of its bytes, or the unknown token. */
static int emit_symbols(const struct bpe *b, struct bpe_scratch *s, struct id_list *out,
                        pith_error *err)
{
    const struct vocab *v = b->vocab;

    for (int32_t i = 0; i >= 0; i = s->symbols[i].next) {
        const struct bpe_symbol *symbol = &s->symbols[i];

        if (symbol->id >= 0) {
            TRY(pi_id_list_push(out, symbol->id, err));
            continue;
        }
        for (uint32_t k = 0; k < symbol->n; k++) {
            int32_t id = v->bytes[(uint8_t)s->text[symbol->at + k]];

            if (id < 0)
                id = v->unk;
            if (id >= 0)
                TRY(pi_id_list_push(out, id, err));
        }
    }
    return PITH_OK;
}

/* The bytes of text from `at` that are merged together: all, or up to the next start of a word. */
static size_t word_length(const struct bpe *b, struct str text, size_t at)
{
    bool word = false;
    size_t i = at;

    if (!b->cuts)
        return text.n - at;
    while (i < text.n) {
        struct str rest = { text.at + i, text.n - i };
        bool mark = pi_str_starts(rest, SPACE_MARK), space = mark || text.at[i] == ' ';

        if (space && word)
            break;
        word = !space;
        i += mark ? SPACE_MARK.n : 1;
    }
    return i - at;
}

/* Puts a word in s->text with its spaces as marks, behind one more if `space`. */
static int mark_spaces(struct bpe_scratch *s, struct str word, bool space, size_t *bytes,
                       pith_error *err)
{
    size_t n = 0;

    if (word.n > SYMBOLS_MAX)
        return pi_fail(err, PITH_E_LIMIT, "a word of %zu bytes, at most %zu", word.n, SYMBOLS_MAX);
    TRY(pi_bpe_reserve_text(s, SPACE_MARK.n * (word.n + 1), err));
    for (size_t i = 0; i < word.n + space; i++) {
        char c = i < space ? ' ' : word.at[i - space];

        if (c == ' ') {
            memcpy(s->text + n, SPACE_MARK.at, SPACE_MARK.n);
            n += SPACE_MARK.n;
        } else {
            s->text[n++] = c;
        }
    }
    *bytes = n;
    return PITH_OK;
}

int pi_bpe_text(const struct bpe *b, struct bpe_scratch *s, struct str text, bool space,
                struct id_list *out, pith_error *err)
{
    for (size_t at = 0, n; at < text.n; at += n) {
        size_t bytes = 0, symbols = 0;
        int length;

        n = word_length(b, text, at);
        TRY(mark_spaces(s, (struct str){ text.at + at, n }, at == 0 && space, &bytes, err));
        TRY(reserve_symbols(s, bytes, err));
        for (size_t i = 0; i < bytes; i += (size_t)length) {
            (void)pi_utf8_next(s->text + i, s->text + bytes, &length);
            s->symbols[symbols++] = (struct bpe_symbol){
                .at = (uint32_t)i, .n = (uint32_t)length,
                .id = pi_vocab_find_plain(b->vocab, (struct str){ s->text + i, (size_t)length }),
            };
        }
        merge_symbols(b, s, (int32_t)symbols);
        TRY(emit_symbols(b, s, out, err));
    }
    return PITH_OK;
}
