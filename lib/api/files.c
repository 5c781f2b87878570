/* files.c - the public functions that make files of files: check arguments once, do it.
 *
 * Before: include/pith.h. Next: model/quantize.c.
 */
#include "model/convert.h"
#include "model/quantize.h"

/* A path as pointer + length becomes NUL-terminated; *size is what to free. */
static int copy_path(char **out, size_t *size, const char *path, int64_t length,
                     const char *name, const struct allocator *a, pith_error *err)
{
    size_t n;

    *out = NULL;
    *size = 0;
    if (length < -1 || !path)
        return pi_fail(err, PITH_E_ARGUMENT, "%s is NULL or its length %lld", name,
                       (long long)length);
    n = length < 0 ? strlen(path) : (size_t)length;
    if (n == 0 || memchr(path, 0, n))
        return pi_fail(err, PITH_E_ARGUMENT, "%s is empty or holds a NUL byte", name);
    *out = pi_alloc(a, n + 1);
    if (!*out)
        return pi_no_memory(err, "a path", n + 1);
    *size = n + 1;
    memcpy(*out, path, n);
    (*out)[n] = 0;
    return PITH_OK;
}

/* What makes a file of a file. */
typedef int make_fn(const char *in, const char *out, const char *type,
                    const pith_options *options, pith_progress_fn *progress, void *user,
                    pith_error *err);

static int make_file(make_fn *make, const char *in, int64_t in_length, const char *out,
                     int64_t out_length, const char *type, const pith_options *options,
                     pith_progress_fn *progress, void *user, pith_error *err)
{
    struct allocator a = pi_options_allocator(options);
    size_t from_size, to_size = 0;
    char *from, *to = NULL;
    int status;

    TRY(copy_path(&from, &from_size, in, in_length, "in", &a, err));
    status = copy_path(&to, &to_size, out, out_length, "out", &a, err);
    if (status == PITH_OK)
        status = make(from, to, type, options, progress, user, err);
    pi_free(&a, from, from_size);
    pi_free(&a, to, to_size);
    return status;
}

int32_t pith_quantize(const char *in, int64_t in_length, const char *out, int64_t out_length,
                      const char *type, const pith_options *options, pith_progress_fn *progress,
                      void *user, pith_error *err)
{
    if (!type)
        return pi_fail(err, PITH_E_ARGUMENT, "type is NULL");
    return make_file(pi_quantize, in, in_length, out, out_length, type, options, progress, user,
                     err);
}

int32_t pith_convert(const char *in, int64_t in_length, const char *out, int64_t out_length,
                     const char *type, const pith_options *options, pith_progress_fn *progress,
                     void *user, pith_error *err)
{
    return make_file(pi_convert, in, in_length, out, out_length, type, options, progress, user,
                     err);
}

static void set_number(int64_t *out, int64_t value)
{
    if (out)
        *out = value;
}

int32_t pith_quantize_plan(const char *in, int64_t in_length, const char *type,
                           const pith_options *options, int64_t *tensors, int64_t *converted,
                           int64_t *fallbacks, int64_t *in_bytes, int64_t *out_bytes,
                           pith_error *err)
{
    struct allocator a = pi_options_allocator(options);
    struct quantize_totals totals = { 0 };
    char *path;
    size_t size;
    int status = type ? copy_path(&path, &size, in, in_length, "in", &a, err)
                      : pi_fail(err, PITH_E_ARGUMENT, "type is NULL");

    if (status == PITH_OK) {
        status = pi_quantize_plan(&totals, path, type, options, err);
        pi_free(&a, path, size);
    }
    set_number(tensors, totals.tensors);
    set_number(converted, totals.converted);
    set_number(fallbacks, totals.fallbacks);
    set_number(in_bytes, totals.in_bytes);
    set_number(out_bytes, totals.out_bytes);
    return status;
}
