/* mmap.h - a file's bytes in memory, read-only. Operating-system code.
 */
#ifndef PI_MMAP_H
#define PI_MMAP_H

#include "base/mem.h"

struct mapping {
    const uint8_t *data;
    size_t size;
    void *base;       /* what to unmap; NULL if the bytes are the caller's */
    size_t base_size;
    uint64_t device, inode; /* of the file; 0: the caller's bytes */
};

/* Maps a regular file; directories, FIFOs, devices and empty files are refused by name. */
int pi_mmap_path(struct mapping *m, const char *path, pith_error *err);

/* Maps `size` bytes of an open file from `offset` (0: to its end). The descriptor stays the
 * caller's and may be closed afterwards. */
int pi_mmap_fd(struct mapping *m, int fd, uint64_t offset, size_t size, pith_error *err);

/* Whether there is something, or a directory, of that name. */
bool pi_path_exists(const char *path);
bool pi_path_is_folder(const char *path);

/* The end of a path, short enough to leave an error text room for its reason. */
const char *pi_path_tail(const char *path);

/* Whether the path leads to the mapped file. */
bool pi_mmap_is(const struct mapping *m, const char *path);

void pi_mmap_close(struct mapping *m);

#endif
