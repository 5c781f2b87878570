/* wordpiece.c - see wordpiece.h. Normalisation and splitting as in google-research/bert
 * tokenization.py and the normalizer of that name in Hugging Face tokenizers, which agree but for
 * the characters noted below.
 *
 * Words are collected in a buffer of fixed size: one of more than WORD_CHARACTERS is unknown
 * whatever it says.
 */
#include "wordpiece.h"

#include "unicode.h"

#define WORD_CHARACTERS 100

struct word {
    char text[3 + 4 * WORD_CHARACTERS]; /* U+2581 and the word */
    size_t n;
    int characters; /* may pass WORD_CHARACTERS; text then has the first ones */
};

static void word_start(struct word *word)
{
    memcpy(word->text, SPACE_MARK.at, SPACE_MARK.n);
    word->n = SPACE_MARK.n;
    word->characters = 0;
}

static void word_add(struct word *word, uint32_t code)
{
    if (word->characters < WORD_CHARACTERS)
        word->n += (size_t)pi_utf8_put(code, word->text + word->n);
    word->characters += word->characters <= WORD_CHARACTERS;
}

/* The longest piece at `at`, its length in *n; -1 if there is none. */
static int32_t longest_piece(const struct vocab *v, const struct word *word, size_t at, size_t *n)
{
    size_t length = pi_min_size(word->n - at, v->longest);

    for (; length > 0; length--) {
        int32_t id;

        /* Pieces end where characters do. */
        if (at + length < word->n && (word->text[at + length] & 0xC0) == 0x80)
            continue;
        id = pi_vocab_find_plain(v, (struct str){ word->text + at, length });
        if (id >= 0) {
            *n = length;
            return id;
        }
    }
    return -1;
}

/* Appends the pieces of the word, if it has any characters, and starts the next one. */
static int word_end(const struct vocab *v, struct word *word, struct id_list *out, pith_error *err)
{
    size_t before = out->n;
    bool known = word->characters <= WORD_CHARACTERS;

    if (word->characters == 0)
        return PITH_OK;
    for (size_t at = 0, n = 0; known && at < word->n; at += n) {
        int32_t id = longest_piece(v, word, at, &n);

        /* The mark alone may be a piece; a word does not begin with it. */
        known = id >= 0 && (at > 0 || n > SPACE_MARK.n);
        if (known)
            TRY(pi_id_list_push(out, id, err));
    }
    word_start(word);
    if (known)
        return PITH_OK;
    out->n = before;
    return v->unk >= 0 ? pi_id_list_push(out, v->unk, err) : PITH_OK;
}

/* One code point as it stands after normalisation: part of a word, or a word of its own. */
static int word_take(const struct wordpiece *wp, struct word *word, uint32_t code, bool alone,
                     struct id_list *out, pith_error *err)
{
    uint32_t class = pi_unicode_class(code);

    if (wp->strip_accents && pi_unicode_is_nonspacing(code))
        return PITH_OK;
    if (class & UNI_SPACE)
        return word_end(wp->vocab, word, out, err);
    if (wp->lowercase)
        code = pi_unicode_lower(code);
    alone = alone || pi_unicode_is_punctuation(code);
    if (alone)
        TRY(word_end(wp->vocab, word, out, err));
    word_add(word, code);
    return alone ? word_end(wp->vocab, word, out, err) : PITH_OK;
}

int pi_wordpiece_text(const struct wordpiece *wp, struct str text, struct id_list *out,
                      pith_error *err)
{
    const char *p = text.at, *end = text.at + text.n;
    struct word word;
    int length;

    word_start(&word);
    for (; p < end; p += length) {
        uint32_t code = pi_utf8_next(p, end, &length), class = pi_unicode_class(code), parts[4];
        int n = 1;

        /* Control characters that are white space elsewhere (\v, \f, U+0085) are not here. */
        if ((class & UNI_SPACE) && (class != (UNI_SPACE | UNI(UNI_CC)) || code == '\t' ||
                                    code == '\n' || code == '\r')) {
            TRY(word_end(wp->vocab, &word, out, err));
            continue;
        }
        if ((code & PI_BAD_UTF8) || code == 0 || pi_unicode_is_control(code))
            continue;
        parts[0] = code;
        if (wp->strip_accents)
            n = pi_unicode_decompose(code, parts);
        for (int i = 0; i < n; i++)
            TRY(word_take(wp, &word, parts[i], pi_unicode_is_ideograph(code), out, err));
    }
    return word_end(wp->vocab, &word, out, err);
}
