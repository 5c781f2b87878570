/* folder.h - a Hugging Face folder as `struct weights`: config.json as metadata, safetensors as
 * tensors.
 *
 * Metadata keys are the paths in config.json ("rope_scaling.factor"; numbers become F64, an array
 * must hold scalars of one kind), behind "generation_config." those in generation_config.json; what
 * is null is not there. "tokenizer.chat_template" is the template, wherever it stood.
 */
#ifndef PI_FOLDER_H
#define PI_FOLDER_H

#include "weights.h"

int pi_folder_open(struct weights *w, struct arena *arena, const char *path, pith_error *err);

/* The bytes of another file of the folder, mapped until the weights are closed; *found = false
 * if it is not there. At most FOLDER_TEXTS of them. */
enum { FOLDER_TEXTS = 8 };
int pi_folder_text(struct weights *w, const char *name, struct str *text, bool *found,
                   struct arena *arena, pith_error *err);

#endif
