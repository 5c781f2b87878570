/* output.h - a file that appears whole or not at all. Operating-system code.
 *
 * Bytes go to a temporary file beside the target; commit makes them durable and puts them in the
 * target's place in one step. Until then the target is as it was.
 */
#ifndef PI_OUTPUT_H
#define PI_OUTPUT_H

#include "base/mem.h"
#include "base/str.h"

struct output {
    struct allocator allocator;
    const char *path; /* borrowed, NUL-terminated */
    char *temporary;
    size_t temporary_size;
    uint8_t *buffer;
    size_t used;      /* of the buffer */
    uint64_t written; /* bytes so far, the buffer's included */
    int fd;           /* meaningful if temporary is not NULL */
};

/* Begins a file at `path`, which must stay valid. A path that exists and is no regular file is
 * refused, and so is a file that is not empty and does not begin with `magic`: PITH_E_ARGUMENT.
 * PITH_E_IO names the path, here and below. */
int pi_output_open(struct output *o, const char *path, struct str magic,
                   const struct allocator *allocator, pith_error *err);

int pi_output_write(struct output *o, const void *bytes, size_t n, pith_error *err);

/* Flushes, waits for the disk, renames. Whether it fails or not, the output is closed. */
int pi_output_commit(struct output *o, pith_error *err);

/* Removes what was written. Safe on a zeroed struct and after commit. */
void pi_output_discard(struct output *o);

#endif
