/* unicode.h - what tokenizers ask of a code point: its class, script, lowercase, parts.
 *
 * As in Hugging Face tokenizers, which mixes versions of Unicode: categories and scripts are those
 * of 16.0, normal forms and the pi_unicode_is_ questions those of 9 and older. The tables are made
 * by tests/golden/unicode.py. Code points beyond U+10FFFF
 * and those that pi_utf8_next marks with PI_BAD_UTF8 count as symbols (So), like U+FFFD.
 */
#ifndef PI_UNICODE_H
#define PI_UNICODE_H

#include "base/str.h"

/* General categories as bits, in the table's order, so that a set of them is one number. */
enum unicode_bit {
    UNI_LU, UNI_LL, UNI_LT, UNI_LM, UNI_LO, UNI_MN, UNI_MC, UNI_ME, UNI_ND, UNI_NL, UNI_NO,
    UNI_PC, UNI_PD, UNI_PS, UNI_PE, UNI_PI, UNI_PF, UNI_PO, UNI_SM, UNI_SC, UNI_SK, UNI_SO,
    UNI_ZS, UNI_ZL, UNI_ZP, UNI_CC, UNI_CF, UNI_CS, UNI_CO, UNI_CN,
    UNI_WHITE /* not a category: the property White_Space, the \s of regular expressions */
};

#define UNI(bit) ((uint32_t)1 << (bit))
#define UNI_LETTER ((uint32_t)0x1f << UNI_LU)
#define UNI_MARK ((uint32_t)0x7 << UNI_MN)
#define UNI_NUMBER ((uint32_t)0x7 << UNI_ND)
#define UNI_PUNCTUATION ((uint32_t)0x7f << UNI_PC)
#define UNI_SYMBOL ((uint32_t)0xf << UNI_SM)
#define UNI_SPACE UNI(UNI_WHITE)

/* UNI(category), and UNI_SPACE if the code point is white space. */
uint32_t pi_unicode_class(uint32_t code);

/* What splitting at punctuation takes for it, ASCII signs included; combining marks; marks of no
 * width; and what cleaning removes: control characters but \t \n \r, private ones and U+FFFD. */
bool pi_unicode_is_punctuation(uint32_t code);
bool pi_unicode_is_mark(uint32_t code);
bool pi_unicode_is_nonspacing(uint32_t code);
bool pi_unicode_is_control(uint32_t code);

/* Ideographs that are words of their own. The sixth block begins at U+2B820 in the Unicode
 * standard; the tokenizers library, which models were trained with, says U+2B920. */
bool pi_unicode_is_ideograph(uint32_t code);

/* The \w of regular expressions, circled letters included. */
bool pi_unicode_is_word(uint32_t code);

/* A number above 0 for each script, 0 for none. */
int pi_unicode_script(uint32_t code);

/* Whether code older than some scripts knows one for it. */
bool pi_unicode_has_script(uint32_t code);

/* The number of the script so named ("Han", "old_italic"), or -1. */
int pi_unicode_find_script(struct str name);

/* Simple lowercase; the code point itself where there is none. */
uint32_t pi_unicode_lower(uint32_t code);

/* A code point whose lowercase it is, or itself. */
uint32_t pi_unicode_upper(uint32_t code);

/* The canonical decomposition (NFD of one code point, marks not reordered): 1 to 4 code points. */
int pi_unicode_decompose(uint32_t code, uint32_t out[4]);

/* The whole compatibility decomposition in UTF-8 where it differs from the canonical one, or "". */
struct str pi_unicode_compat(uint32_t code);

/* The canonical combining class: 0 for a starter. */
int pi_unicode_combining(uint32_t code);

/* The primary composite of two code points, or 0. */
uint32_t pi_unicode_compose(uint32_t first, uint32_t second);

#endif
