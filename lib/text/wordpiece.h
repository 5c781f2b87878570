/* wordpiece.h - words cut greedily into the longest pieces of the vocabulary. Internal to text/.
 *
 * In GGUF a piece that begins a word begins with U+2581 and one that continues it is bare.
 */
#ifndef PI_WORDPIECE_H
#define PI_WORDPIECE_H

#include "tokenizer.h"
#include "vocab.h"

struct wordpiece {
    const struct vocab *vocab;
    bool lowercase, strip_accents;
};

/* Appends the ids of a text. Invalid UTF-8 is dropped, like U+FFFD. */
int pi_wordpiece_text(const struct wordpiece *wp, struct str text, struct id_list *out,
                      pith_error *err);

#endif
