/* mmap.c - see mmap.h. Operating-system code.
 */
#include "mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SHOWN = 120 }; /* bytes of a path in an error, so that the reason fits too */

/* strerror() is neither thread-safe nor free of the locale; these are what opening meets. */
static const char *reason(int code)
{
    switch (code) {
    case ENOENT: return "no such file";
    case EACCES: return "permission denied";
    case ENOTDIR: return "a part of the path is not a directory";
    case ELOOP: return "too many symbolic links";
    case EMFILE: case ENFILE: return "too many open files";
    case ENAMETOOLONG: return "the name is too long";
    case ENXIO: return "not a regular file";
    case ENOMEM: return "out of address space";
    case EBADF: return "not an open descriptor";
    }
    return "the system refuses";
}

int pi_mmap_fd(struct mapping *m, int fd, uint64_t offset, size_t size, pith_error *err)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), head = offset % page, rest;
    struct stat st;
    void *base;

    *m = (struct mapping){ 0 };
    if (fstat(fd, &st) != 0)
        return pi_fail(err, PITH_E_IO, "cannot read: %s (%d)", reason(errno), errno);
    if (S_ISDIR(st.st_mode))
        return pi_fail(err, PITH_E_IO, "is a directory; a GGUF file is needed");
    if (!S_ISREG(st.st_mode))
        return pi_fail(err, PITH_E_IO, "is not a regular file");
    if (st.st_size == 0)
        return pi_fail(err, PITH_E_FORMAT, "is empty");
    if (offset >= (uint64_t)st.st_size)
        return pi_fail(err, PITH_E_ARGUMENT, "offset %llu is beyond the file's %llu bytes",
                       (unsigned long long)offset, (unsigned long long)st.st_size);
    rest = (uint64_t)st.st_size - offset;
    if (size > rest)
        return pi_fail(err, PITH_E_ARGUMENT, "%llu bytes from offset %llu are asked for, the "
                       "file has %llu", (unsigned long long)size, (unsigned long long)offset,
                       (unsigned long long)st.st_size);
    if (rest > SIZE_MAX - page)
        return pi_fail(err, PITH_E_LIMIT, "%llu bytes do not fit this address space",
                       (unsigned long long)rest);
    if (size == 0)
        size = (size_t)rest;
    base = mmap(NULL, size + (size_t)head, PROT_READ, MAP_SHARED, fd, (off_t)(offset - head));
    if (base == MAP_FAILED)
        return pi_fail(err, errno == ENOMEM ? PITH_E_MEMORY : PITH_E_IO,
                       "cannot be mapped: %s (%d)", reason(errno), errno);
    *m = (struct mapping){ .data = (const uint8_t *)base + head, .size = size, .base = base,
                           .base_size = size + (size_t)head, .device = (uint64_t)st.st_dev,
                           .inode = (uint64_t)st.st_ino };
    return PITH_OK;
}

bool pi_path_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool pi_path_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *pi_path_tail(const char *path)
{
    size_t n = strlen(path);

    return n > PATH_SHOWN ? path + n - PATH_SHOWN : path;
}

int pi_mmap_path(struct mapping *m, const char *path, pith_error *err)
{
    pith_error inner = { 0 };
    int fd, status;

    *m = (struct mapping){ 0 };
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return pi_fail(err, PITH_E_IO, "%s: cannot be opened: %s (%d)",
                       pi_path_tail(path), reason(errno), errno);
    status = pi_mmap_fd(m, fd, 0, 0, &inner);
    close(fd);
    if (status != PITH_OK)
        return pi_fail(err, status, "%s: %s", pi_path_tail(path), inner.text);
    return PITH_OK;
}

void pi_mmap_close(struct mapping *m)
{
    if (m->base)
        munmap(m->base, m->base_size);
    *m = (struct mapping){ 0 };
}

bool pi_mmap_is(const struct mapping *m, const char *path)
{
    struct stat st;

    return m->base && stat(path, &st) == 0 && m->device == (uint64_t)st.st_dev &&
           m->inode == (uint64_t)st.st_ino;
}
