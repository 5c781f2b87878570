/* output.c - see output.h. Operating-system code.
 */
#include "output.h"

#include "mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OUTPUT_BUFFER = 1 << 16,  /* bytes; longer writes pass it by */
    OUTPUT_AT_ONCE = 1 << 30, /* of one write(), which takes less than 2 GiB */
    OUTPUT_NAMES = 100,       /* temporary names tried */
};

/* strerror() is neither thread-safe nor free of the locale; these are what writing meets. */
static const char *output_reason(int code)
{
    switch (code) {
    case ENOSPC: return "the disk is full";
    case EDQUOT: return "the quota is used up";
    case EFBIG: return "larger than a file may be here";
    case EROFS: return "a read-only file system";
    case EACCES: case EPERM: return "permission denied";
    case ENOENT: return "no such folder";
    case ENOTDIR: return "a part of the path is not a folder";
    case EISDIR: return "is a folder";
    case ENAMETOOLONG: return "the name is too long";
    case EMFILE: case ENFILE: return "too many open files";
    case EEXIST: return "all temporary names are taken";
    case EIO: return "the device fails";
    }
    return "the system refuses";
}

static int output_fail(const struct output *o, int code, pith_error *err)
{
    return pi_fail(err, PITH_E_IO, "%s: cannot be written: %s (%d)", pi_path_tail(o->path),
                   output_reason(code), code);
}

/* Appends a number in decimal; returns one past it. */
static char *put_decimal(char *at, unsigned long value)
{
    char digits[24];
    int n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        *at++ = digits[--n];
    return at;
}

/* Creates PATH.PID-N.part for the first free N. */
static int create_temporary(struct output *o, pith_error *err)
{
    size_t n = strlen(o->path);

    memcpy(o->temporary, o->path, n);
    for (unsigned long i = 0; i < OUTPUT_NAMES; i++) {
        char *at = o->temporary + n;

        *at++ = '.';
        at = put_decimal(at, (unsigned long)getpid());
        *at++ = '-';
        at = put_decimal(at, i);
        memcpy(at, ".part", sizeof ".part");
        o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0)
            return PITH_OK;
        if (errno != EEXIST)
            break;
    }
    return output_fail(o, errno, err);
}

static void close_output(struct output *o)
{
    pi_free(&o->allocator, o->buffer, OUTPUT_BUFFER);
    pi_free(&o->allocator, o->temporary, o->temporary_size);
    o->buffer = NULL;
    o->temporary = NULL;
}

/* What stands at the path already may be replaced only if it is a file that begins so. */
static int check_replaced(const struct output *o, struct str magic, pith_error *err)
{
    struct mapping old;
    struct stat st;
    bool same;

    if (stat(o->path, &st) != 0)
        return PITH_OK;
    if (S_ISDIR(st.st_mode))
        return output_fail(o, EISDIR, err);
    if (!S_ISREG(st.st_mode))
        return pi_fail(err, PITH_E_IO, "%s: is not a regular file", pi_path_tail(o->path));
    same = st.st_size == 0; /* as mkstemp leaves it */
    if (st.st_size >= (off_t)magic.n) {
        TRY(pi_mmap_path(&old, o->path, err));
        same = pi_str_starts((struct str){ (const char *)old.data, old.size }, magic);
        pi_mmap_close(&old);
    }
    if (!same)
        return pi_fail(err, PITH_E_ARGUMENT, "%s: is there already and no %.*s file; it is not "
                       "replaced", pi_path_tail(o->path), (int)magic.n, magic.at);
    return PITH_OK;
}

int pi_output_open(struct output *o, const char *path, struct str magic,
                   const struct allocator *allocator, pith_error *err)
{
    int status;

    *o = (struct output){ .allocator = *allocator, .path = path };
    TRY(check_replaced(o, magic, err));
    o->temporary_size = strlen(path) + 64;
    o->temporary = pi_alloc(allocator, o->temporary_size);
    o->buffer = pi_alloc(allocator, OUTPUT_BUFFER);
    status = o->temporary && o->buffer ? create_temporary(o, err)
                                       : pi_no_memory(err, "an output buffer", OUTPUT_BUFFER);
    if (status != PITH_OK)
        close_output(o);
    return status;
}

static int write_through(struct output *o, const uint8_t *bytes, size_t n, pith_error *err)
{
    while (n > 0) {
        ssize_t some = write(o->fd, bytes, pi_min_size(n, OUTPUT_AT_ONCE));

        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return output_fail(o, some < 0 ? errno : ENOSPC, err);
        bytes += some;
        n -= (size_t)some;
    }
    return PITH_OK;
}

static int flush_output(struct output *o, pith_error *err)
{
    size_t n = o->used;

    o->used = 0;
    return write_through(o, o->buffer, n, err);
}

int pi_output_write(struct output *o, const void *bytes, size_t n, pith_error *err)
{
    o->written += n;
    if (n > OUTPUT_BUFFER - o->used)
        TRY(flush_output(o, err));
    if (n >= OUTPUT_BUFFER)
        return write_through(o, bytes, n, err);
    if (n > 0)
        memcpy(o->buffer + o->used, bytes, n);
    o->used += n;
    return PITH_OK;
}

/* The new name is durable once its folder is; where folders cannot be synced, that is all that can
 * be done. */
static void sync_folder(struct output *o)
{
    char *slash = strrchr(o->temporary, '/');
    int fd;

    if (slash == o->temporary)
        slash++;
    if (slash)
        *slash = 0;
    fd = open(slash ? o->temporary : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int pi_output_commit(struct output *o, pith_error *err)
{
    int status = flush_output(o, err);

    if (status == PITH_OK && fsync(o->fd) != 0)
        status = output_fail(o, errno, err);
    if (close(o->fd) != 0 && status == PITH_OK) /* NFS reports a full disk here */
        status = output_fail(o, errno, err);
    if (status == PITH_OK && rename(o->temporary, o->path) != 0)
        status = output_fail(o, errno, err);
    if (status == PITH_OK)
        sync_folder(o);
    else
        unlink(o->temporary);
    close_output(o);
    return status;
}

void pi_output_discard(struct output *o)
{
    if (!o->temporary)
        return;
    close(o->fd);
    unlink(o->temporary);
    close_output(o);
}
