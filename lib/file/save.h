/* save.h - writes a GGUF file: metadata, tensor list, then the tensors' bytes as they come.
 */
#ifndef PI_SAVE_H
#define PI_SAVE_H

#include "output.h"
#include "weights.h"

struct save {
    struct output output;
    const struct tensor *tensors;
    int64_t n_tensors, next; /* next: the tensor whose bytes come now */
    size_t left;             /* of its bytes */
    size_t alignment;
};

/* Begins the file: everything in front of the tensors' bytes. The metadata is that of `from`,
 * value for value, but for the keys of a split; those of `edits` replace or follow it. Of a tensor,
 * name, type, shape and bytes count, not data. path, tensors and what they point to must stay.
 * A file at `path` that is neither empty nor begins with "GGUF" is not replaced:
 * PITH_E_ARGUMENT. */
int pi_save_begin(struct save *s, const char *path, const struct weights *from,
                  const struct meta *edits, int n_edits, const struct tensor *tensors,
                  int64_t n_tensors, const struct allocator *allocator, pith_error *err);

/* The next n bytes of the tensors, in the order of the list; a call stays inside one tensor. */
int pi_save_bytes(struct save *s, const void *bytes, size_t n, pith_error *err);

/* Puts the file in its place; PITH_E_STATE if bytes are missing. */
int pi_save_end(struct save *s, pith_error *err);

/* Leaves nothing behind. Safe on a zeroed struct and after pi_save_end. */
void pi_save_cancel(struct save *s);

#endif
