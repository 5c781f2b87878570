/* quantize.c - a model file becomes one of another number format, tensor by tensor.
 *
 * The file is taken for what it is, tensors with names: no architecture is needed. Weights pass
 * through in slabs, each unpacked to float32 and packed again by all workers; slabs are cut by
 * position alone, so the result is the same for any number of threads. It refuses to quantise
 * what is quantised already.
 *
 * Before: lib/api/files.c. Next: mix.c, quants.c, file/save.c.
 */
#include "quantize.h"

#include "base/thread.h"
#include "file/save.h"
#include "kernel/kernel.h"
#include "mix.h"
#include "quants.h"

#include <math.h>
#include <stdatomic.h>

enum {
    SLAB = 1 << 20,   /* values between two writes, and two calls of the progress function */
    PORTION = 1 << 12, /* values of a worker's buffer; a multiple of every block */
    QUANTIZATION_VERSION = 2, /* GGML_QNT_VERSION: Q4_0 and others as they are since 2023-05 */
};

struct quantizing {
    struct arena arena;
    struct weights from;
    struct tensor *to;       /* like from.tensors, with the new types */
    struct quantize_totals totals;
    const struct mix *mix;
    struct kernels kernels;
    struct pool *pool;
    struct save save;
    uint8_t *slab;           /* [SLAB] values as they are written */
    pith_progress_fn *progress;
    void *user;
    int64_t done;            /* bytes of the input */
};

/* ---- what to do ---- */

/* The new tensor for an old one: type and bytes. */
static int plan_tensor(struct quantizing *q, const struct mix_facts *facts, struct tensor *t,
                       pith_error *err)
{
    struct dtype_info old = pi_dtype(t->dtype), new;
    bool fallback;
    enum dtype type = pi_mix_choose(q->mix, facts, t, &fallback);

    q->totals.tensors++;
    q->totals.in_bytes += (int64_t)t->bytes;
    if (type != t->dtype) {
        new = pi_dtype(type);
        if (old.block > 1)
            return pi_fail(err, PITH_E_UNSUPPORTED, "%.*s is %s already, and %s from it would be "
                           "worse than from F32, F16 or BF16; start from such a file",
                           (int)pi_min_size(t->name.n, 80), t->name.at, old.name, new.name);
        t->bytes = t->bytes / (size_t)old.bytes / (size_t)new.block * (size_t)new.bytes;
        t->dtype = type;
        q->totals.converted++;
    }
    q->totals.fallbacks += fallback;
    q->totals.out_bytes += (int64_t)t->bytes;
    return PITH_OK;
}

static int plan_file(struct quantizing *q, const char *in, const char *type,
                     const pith_options *options, pith_error *err)
{
    struct allocator allocator = pi_options_allocator(options);
    struct source source = { .path = in };
    struct mix_facts facts;
    size_t n;

    pi_arena_init(&q->arena, &allocator);
    TRY(pi_mix_find(&q->mix, type, err));
    TRY(pi_weights_open(&q->from, &q->arena, &source, err));
    if (q->from.hf)
        return pi_fail(err, PITH_E_UNSUPPORTED, "it is a folder; a GGUF file is needed");
    facts = pi_mix_facts(&q->from);
    n = (size_t)q->from.n_tensors;
    q->to = pi_arena_alloc(&q->arena, n, sizeof *q->to);
    if (!q->to)
        return pi_no_memory(err, "the tensor list", n * sizeof *q->to);
    for (size_t i = 0; i < n; i++) {
        q->to[i] = q->from.tensors[i];
        TRY(plan_tensor(q, &facts, &q->to[i], err));
    }
    return PITH_OK;
}

static void end_quantizing(struct quantizing *q)
{
    pi_save_cancel(&q->save);
    pi_pool_close(q->pool);
    pi_weights_close(&q->from);
    pi_arena_free(&q->arena);
}

int pi_quantize_plan(struct quantize_totals *totals, const char *in, const char *type,
                     const pith_options *options, pith_error *err)
{
    struct quantizing q = { 0 };
    int status = plan_file(&q, in, type, options, err);

    *totals = status == PITH_OK ? q.totals : (struct quantize_totals){ 0 };
    end_quantizing(&q);
    return status;
}

/* ---- doing it ---- */

/* One slab of one tensor on its way. */
struct slab {
    unpack_fn *unpack;
    quant_fn *quant; /* NULL: values are only looked at */
    struct dtype_info old, new;
    const uint8_t *in;
    uint8_t *out;
    int64_t n;
    atomic_bool failed;
};

static bool all_finite(const float *x, int64_t n)
{
    bool finite = true;

    for (int64_t i = 0; i < n; i++)
        finite &= isfinite(x[i]) != 0;
    return finite;
}

/* Converts n values from the i-th on; false if one is no number or does not fit. Integers are
 * numbers always. */
static bool convert_portion(const struct slab *s, float *x, int64_t i, int64_t n)
{
    if (!s->unpack)
        return true;
    s->unpack(x, s->in + i / s->old.block * s->old.bytes, n);
    return all_finite(x, n) &&
           (!s->quant || s->quant(s->out + i / s->new.block * s->new.bytes, x, n));
}

static void convert_region(void *arg, int part, int parts)
{
    struct slab *s = arg;
    float x[PORTION];
    int64_t first, last;

    pi_split(s->n, PORTION, part, parts, &first, &last);
    for (int64_t i = first; i < last; i += PORTION)
        if (!convert_portion(s, x, i, pi_min(PORTION, last - i)))
            atomic_store(&s->failed, true);
}

/* Names the first value that cannot be converted; `before` values of the tensor lie in front. */
static int explain_failure(const struct slab *s, const struct tensor *t, int64_t before,
                           pith_error *err)
{
    float x[PORTION], peak = 0;
    char number[32];
    int64_t i = 0, n = 0;

    for (; i < s->n; i += PORTION) {
        n = pi_min(PORTION, s->n - i);
        if (!convert_portion(s, x, i, n))
            break;
    }
    for (int64_t j = 0; j < n; j++) {
        if (!isfinite(x[j]))
            return pi_fail(err, PITH_E_NUMERIC, "%.*s: value %lld is not a finite number",
                           (int)pi_min_size(t->name.n, 80), t->name.at,
                           (long long)(before + i + j));
        peak = fabsf(x[j]) > fabsf(peak) ? x[j] : peak;
    }
    return pi_fail(err, PITH_E_NUMERIC, "%.*s: %s does not fit %s, among values %lld to %lld",
                   (int)pi_min_size(t->name.n, 80), t->name.at, pi_number((double)peak, number),
                   s->new.name, (long long)(before + i), (long long)(before + i + n - 1));
}

static int report_progress(struct quantizing *q, size_t bytes, pith_error *err)
{
    q->done += (int64_t)bytes;
    if (q->progress && q->progress(q->user, q->done, q->totals.in_bytes) != 0)
        return pi_fail(err, PITH_E_CANCELLED, "cancelled after %lld of %lld bytes",
                       (long long)q->done, (long long)q->totals.in_bytes);
    return PITH_OK;
}

static int convert_tensor(struct quantizing *q, const struct tensor *from,
                          const struct tensor *to, pith_error *err)
{
    int64_t n = from->ne[0] * from->ne[1] * from->ne[2] * from->ne[3];
    bool same = from->dtype == to->dtype;
    struct slab s = { .unpack = q->kernels.unpack[from->dtype],
                      .quant = same ? NULL : pi_quant_find(to->dtype),
                      .old = pi_dtype(from->dtype), .new = pi_dtype(to->dtype), .out = q->slab };

    for (int64_t i = 0; i < n; i += SLAB) {
        size_t in_bytes, out_bytes;

        s.n = pi_min(SLAB, n - i);
        in_bytes = (size_t)(s.n / s.old.block * s.old.bytes);
        out_bytes = (size_t)(s.n / s.new.block * s.new.bytes);
        s.in = from->data + i / s.old.block * s.old.bytes;
        pi_pool_run(q->pool, convert_region, &s);
        if (atomic_load(&s.failed))
            return explain_failure(&s, from, i, err);
        TRY(pi_save_bytes(&q->save, same ? s.in : s.out, out_bytes, err));
        TRY(report_progress(q, in_bytes, err));
    }
    return PITH_OK;
}

/* An u32 key as it will stand in the file. */
static struct meta u32_meta(struct str key, uint32_t value, uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return (struct meta){ .key = key, .type = META_U32, .count = 1, .at = bytes,
                          .end = bytes + 4 };
}

static int write_tensors(struct quantizing *q, const char *out, pith_error *err)
{
    uint8_t file_type[4], version[4];
    struct meta edits[2] = {
        u32_meta(STR("general.file_type"), pi_mix_file_type(q->mix), file_type),
        u32_meta(STR("general.quantization_version"), QUANTIZATION_VERSION, version),
    };

    TRY(pi_save_begin(&q->save, out, &q->from, edits, PI_COUNT(edits), q->to, q->from.n_tensors,
                      &q->arena.allocator, err));
    TRY(report_progress(q, 0, err));
    for (int64_t i = 0; i < q->from.n_tensors; i++)
        TRY(convert_tensor(q, &q->from.tensors[i], &q->to[i], err));
    return pi_save_end(&q->save, err);
}

static int convert_file(struct quantizing *q, const char *in, const char *out, const char *type,
                        const pith_options *options, pith_error *err)
{
    int64_t threads = pi_option_i64(options, PITH_OPT_THREADS);

    TRY(plan_file(q, in, type, options, err));
    if (pi_weights_hold(&q->from, out))
        return pi_fail(err, PITH_E_ARGUMENT, "%s is both input and output", pi_path_tail(out));
    pi_kernels_pick(&q->kernels, pi_cpu_tiers() & (uint32_t)pi_option_i64(options, PITH_OPT_TIERS));
    q->slab = pi_arena_alloc(&q->arena, SLAB, sizeof(float));
    if (!q->slab)
        return pi_no_memory(err, "a slab of weights", SLAB * sizeof(float));
    TRY(pi_pool_open(&q->pool, threads ? (int)threads : pi_cpu_count(), &q->arena.allocator,
                     err));
    return write_tensors(q, out, err);
}

int pi_quantize(const char *in, const char *out, const char *type, const pith_options *options,
                pith_progress_fn *progress, void *user, pith_error *err)
{
    struct quantizing q = { .progress = progress, .user = user };
    int status = convert_file(&q, in, out, type, options, err);

    end_quantizing(&q);
    return status;
}
