/* presplit.c - pre-tokenizers; see presplit.h. Each step reads a list of words and writes another.
 */
#include "presplit.h"

#include "unicode.h"
#include "vocab.h"

void pi_presplit_free(struct presplit_scratch *scratch)
{
    for (int i = 0; i < 2; i++) {
        struct word_list *list = &scratch->lists[i];

        pi_normal_free(&list->text);
        pi_free(list->text.allocator, list->ends, list->capacity * sizeof *list->ends);
        *list = (struct word_list){ .text = list->text };
    }
    pi_regex_free(&scratch->run);
}

/* Ends a word with what the text has got since the one before, if anything. */
static int end_word(struct word_list *list, pith_error *err)
{
    if (list->text.n == (list->n ? list->ends[list->n - 1] : 0))
        return PITH_OK;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        size_t *ends = pi_alloc(list->text.allocator, capacity * sizeof *ends);

        if (!ends)
            return pi_no_memory(err, "words", capacity * sizeof *ends);
        if (list->n)
            memcpy(ends, list->ends, list->n * sizeof *ends);
        pi_free(list->text.allocator, list->ends, list->capacity * sizeof *ends);
        list->ends = ends;
        list->capacity = capacity;
    }
    list->ends[list->n++] = list->text.n;
    return PITH_OK;
}

/* ---- matches and what is between them, in order ---- */

struct cutter {
    const struct presplit_step *step;
    struct word_list *out;
    struct str word;
    size_t start, end; /* what is still open */
    bool open, matched; /* matched: what was fed last, or what is open */
    bool dropped;       /* the word's beginning was removed */
};

static int put_part(struct cutter *c, size_t start, size_t end, pith_error *err)
{
    if (start == end)
        return PITH_OK;
    if (c->out->n == 0 && c->dropped)
        c->out->at_start = false;
    TRY(pi_normal_put(&c->out->text, c->word.at + start, end - start, err));
    return end_word(c->out, err);
}

static int flush_cut(struct cutter *c, pith_error *err)
{
    if (!c->open)
        return PITH_OK;
    c->open = false;
    return put_part(c, c->start, c->end, err);
}

/* The next part of the word: a match of the step, or what is between two. */
static int feed_cut(struct cutter *c, size_t start, size_t end, bool match, pith_error *err)
{
    bool join = false;

    match = match != c->step->invert;
    switch (c->step->matches) {
    case MATCH_ISOLATED: return put_part(c, start, end, err);
    case MATCH_REMOVED:
        c->dropped = c->dropped || (match && end > start);
        return match ? PITH_OK : put_part(c, start, end, err);
    case MATCH_WITH_PREVIOUS: join = match && !c->matched; break;
    case MATCH_WITH_NEXT: join = !match && c->matched; break;
    case MATCH_CONTIGUOUS: join = match == c->matched; break;
    }
    if (!c->open || !join) {
        TRY(flush_cut(c, err));
        c->start = start;
        c->open = true;
    }
    c->end = end;
    c->matched = match;
    return PITH_OK;
}

static int cut_by_regex(struct cutter *c, struct regex_run *run, pith_error *err)
{
    size_t at = 0, start, end;
    bool found;

    pi_regex_start(run, c->step->regex, c->word);
    for (;; at = end) {
        TRY(pi_regex_next(run, &found, &start, &end, err));
        if (!found)
            break;
        if (start > at)
            TRY(feed_cut(c, at, start, false, err));
        TRY(feed_cut(c, start, end, true, err));
    }
    return at < c->word.n ? feed_cut(c, at, c->word.n, false, err) : PITH_OK;
}

/* The scanners match everywhere. */
static int cut_by_rule(struct cutter *c, pith_error *err)
{
    struct split_walk walk = pi_split_start(c->step->known, c->word);
    struct str piece;

    while (pi_split_next(&walk, &piece)) {
        size_t at = (size_t)(piece.at - c->word.at);

        TRY(feed_cut(c, at, at + piece.n, true, err));
    }
    return PITH_OK;
}

static bool step_takes(const struct presplit_step *step, uint32_t code)
{
    switch (step->kind) {
    case PRESPLIT_CODE: return code == step->code;
    case PRESPLIT_WHITE: return pi_unicode_class(code) & UNI_SPACE;
    case PRESPLIT_PUNCTUATION: return pi_unicode_is_punctuation(code);
    default: return pi_unicode_class(code) & UNI_NUMBER;
    }
}

static int cut_by_code(struct cutter *c, pith_error *err)
{
    size_t since = 0, at = 0;
    int n;

    for (; at < c->word.n; at += (size_t)n) {
        uint32_t code = pi_utf8_next(c->word.at + at, c->word.at + c->word.n, &n);

        if (!step_takes(c->step, code))
            continue;
        if (since < at)
            TRY(feed_cut(c, since, at, false, err));
        since = at + (size_t)n;
        TRY(feed_cut(c, at, since, true, err));
    }
    return since < at ? feed_cut(c, since, at, false, err) : PITH_OK;
}

/* ---- the other steps ---- */

/* Spaces become marks, with one in front where there is none; words then begin with them. */
static int cut_meta(const struct presplit_step *step, struct word_list *out, struct str word,
                    bool first, pith_error *err)
{
    bool marked = pi_str_starts(word, step->content) || (word.n && word.at[0] == ' ');
    size_t length = 1;

    if (step->a && (first || !step->b) && !marked)
        TRY(pi_normal_put(&out->text, step->content.at, step->content.n, err));
    for (size_t i = 0; i < word.n; i += length) {
        struct str rest = { word.at + i, word.n - i };
        bool mark = pi_str_starts(rest, step->content), space = rest.at[0] == ' ';

        length = mark ? step->content.n : 1;
        if ((mark || space) && step->cut)
            TRY(end_word(out, err));
        TRY(pi_normal_put(&out->text, space ? step->content.at : rest.at,
                          space ? step->content.n : length, err));
    }
    return end_word(out, err);
}

static int put_mapped_bytes(struct word_list *out, struct str word, pith_error *err)
{
    for (size_t i = 0; i < word.n; i++)
        TRY(pi_normal_put_code(&out->text, pi_vocab_byte_code((uint8_t)word.at[i]), err));
    return end_word(out, err);
}

static int cut_bytes(const struct presplit_step *step, struct normal_text *spare,
                     struct word_list *out, struct str word, pith_error *err)
{
    struct split_walk walk;
    struct str piece;

    if (step->a && word.n && word.at[0] != ' ') {
        spare->n = 0;
        TRY(pi_normal_put(spare, " ", 1, err));
        TRY(pi_normal_put(spare, word.at, word.n, err));
        word = (struct str){ spare->at, spare->n };
    }
    if (!step->b)
        return put_mapped_bytes(out, word, err);
    walk = pi_split_start(step->known, word);
    while (pi_split_next(&walk, &piece))
        TRY(put_mapped_bytes(out, piece, err));
    return PITH_OK;
}

/* SentencePiece's idea of a script: kana goes with Han, spaces with anything. */
static int script_of(uint32_t code)
{
    int script = pi_unicode_script(code), han = pi_unicode_script(0x4E00);

    if (code == ' ' || !pi_unicode_has_script(code))
        return 0;
    return code == 0x30FC || script == pi_unicode_script(0x3042) ||
                   script == pi_unicode_script(0x30A2) ? han : script;
}

static int cut_scripts(struct word_list *out, struct str word, pith_error *err)
{
    int last = 0, n;

    for (size_t at = 0; at < word.n; at += (size_t)n) {
        int script = script_of(pi_utf8_next(word.at + at, word.at + word.n, &n));

        if (script && script != last)
            TRY(end_word(out, err));
        last = script ? script : last;
        if (last) /* what is of no script before all others is lost */
            TRY(pi_normal_put(&out->text, word.at + at, (size_t)n, err));
        else
            out->at_start = false;
    }
    return end_word(out, err);
}

static int cut_lengths(const struct presplit_step *step, struct word_list *out, struct str word,
                       pith_error *err)
{
    uint32_t count = 0;
    int n;

    for (size_t at = 0; at < word.n; at += (size_t)n) {
        (void)pi_utf8_next(word.at + at, word.at + word.n, &n);
        TRY(pi_normal_put(&out->text, word.at + at, (size_t)n, err));
        if (++count == step->code) {
            TRY(end_word(out, err));
            count = 0;
        }
    }
    return end_word(out, err);
}

static int cut_word(const struct presplit_step *step, struct presplit_scratch *scratch,
                    struct word_list *out, struct str word, bool first, pith_error *err)
{
    struct cutter c = { .step = step, .out = out, .word = word };
    struct normal_text spare;
    int status;

    switch (step->kind) {
    case PRESPLIT_BYTES:
        spare = (struct normal_text){ .allocator = out->text.allocator };
        status = cut_bytes(step, &spare, out, word, err);
        pi_normal_free(&spare);
        return status;
    case PRESPLIT_META: return cut_meta(step, out, word, first, err);
    case PRESPLIT_SCRIPTS: return cut_scripts(out, word, err);
    case PRESPLIT_LENGTH: return cut_lengths(step, out, word, err);
    case PRESPLIT_REGEX:
        TRY(step->known ? cut_by_rule(&c, err) : cut_by_regex(&c, &scratch->run, err));
        return flush_cut(&c, err);
    default:
        TRY(cut_by_code(&c, err));
        return flush_cut(&c, err);
    }
}

int pi_presplit(const struct presplitter *p, struct presplit_scratch *scratch, struct str text,
                bool at_start, const struct word_list **words, pith_error *err)
{
    struct word_list *from = &scratch->lists[0], *to;

    from->text.n = from->n = 0;
    from->at_start = at_start;
    TRY(pi_normal_put(&from->text, text.at, text.n, err));
    TRY(end_word(from, err));
    for (int i = 0; i < p->n; i++) {
        size_t start = 0;

        to = &scratch->lists[(i + 1) % 2];
        to->text.n = to->n = 0;
        to->at_start = from->at_start;
        for (size_t k = 0; k < from->n; start = from->ends[k++]) {
            struct str word = { from->text.at + start, from->ends[k] - start };

            TRY(cut_word(&p->steps[i], scratch, to, word, k == 0 && from->at_start, err));
        }
        from = to;
    }
    *words = from;
    return PITH_OK;
}
