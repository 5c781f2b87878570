/* describe.h - a folder's tokenizer as metadata of GGUF.
 */
#ifndef PI_DESCRIBE_H
#define PI_DESCRIBE_H

#include "file/metas.h"

/* Adds tokenizer.ggml.* and the chat template of the folder w; "none" where it has no
 * tokenizer.json. The vocabulary is filled up to `least` tokens; *tokens is their number, 0 if
 * there are none. PITH_E_UNSUPPORTED names what GGUF's tokenizers cannot do (what is written has
 * been tried on texts), and an end of texts for which GGUF has no key left. */
int pi_describe_tokenizer(struct metas *m, struct weights *w, int64_t least, int64_t *tokens,
                          pith_error *err);

#endif
