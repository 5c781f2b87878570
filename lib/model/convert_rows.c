/* convert_rows.c - the values of a tensor that is written, slab by slab: rows are fetched from
 * where the folder has them, put into GGUF's order, and packed by all workers.
 *
 * Memory is that of a slab and of what a slab is made of. Before: convert_plan.c.
 */
#include "convert.h"

#include "base/thread.h"
#include "file/save.h"
#include "quants.h"

#include <math.h>
#include <stdatomic.h>

int64_t pi_piece_row(const struct piece *p, int64_t r)
{
    if (p->order == ORDER_PAIRS) {
        int64_t i = r % p->head;

        if (i < p->part)
            r += i % 2 * (p->part / 2) + i / 2 - i;
    } else if (p->order == ORDER_TILES) {
        int64_t head = r / p->head;

        r += (head % p->groups * p->part + head / p->groups - head) * p->head;
    }
    return p->of_period ? r / p->of_count * p->of_period + p->of_from + r % p->of_count : r;
}

/* Some rows of one slice on their way. */
struct rows_slab {
    const struct piece *piece;
    struct matrix m;        /* where they are; its first row is `first` of the piece's matrix */
    int64_t first, row, n;
    unpack_fn *unpack;
    quant_fn *quant;        /* NULL: bytes are copied; values are looked at all the same */
    uint8_t *out;
    size_t bytes;           /* of a row that is written */
    float *scratch;
    int64_t longest;
    atomic_bool failed;
};

/* Source values of a head that GGUF has elsewhere in the row. */
static void order_columns(const struct piece *p, float *to, const float *from)
{
    for (int64_t c = 0; c < p->m.cols; c++) {
        int64_t head = c / p->head;

        to[c] = from[c + (head % p->groups * p->part + head / p->groups - head) * p->head];
    }
}

static bool convert_row(const struct rows_slab *s, int64_t i, float *x, float *y)
{
    const struct piece *p = s->piece;
    const uint8_t *in = s->m.data + (pi_piece_row(p, s->row + i) - s->first) * s->m.stride;
    uint8_t *out = s->out + (size_t)i * s->bytes;
    bool finite = true;

    s->unpack(x, in, s->m.cols);
    if (p->order == ORDER_TILED_COLUMNS) {
        order_columns(p, y, x);
        x = y;
    }
    for (int64_t c = 0; c < s->m.cols; c++) {
        x[c] *= p->gain;
        finite &= isfinite(x[c]) != 0;
    }
    if (s->quant)
        return finite && s->quant(out, x, s->m.cols);
    memcpy(out, in, s->bytes);
    return finite;
}

static void convert_rows(void *arg, int part, int parts)
{
    struct rows_slab *s = arg;
    float *x = s->scratch + (int64_t)part * 2 * s->longest;
    int64_t first, last;

    pi_split(s->n, 1, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++)
        if (!convert_row(s, i, x, x + s->longest))
            atomic_store(&s->failed, true);
}

/* What lies otherwise than its rows is copied: those from `first` up to `last` of slice d. */
static int copy_rows(const struct converting *c, const struct piece *p, struct matrix *m,
                     int64_t d, int64_t first, int64_t last, struct arena *arena,
                     pith_error *err)
{
    int64_t blocks = p->m.cols / PI_MXFP4_VALUES;
    struct turned t = p->stored->turned;

    m->rows = last - first;
    m->depth = 1;
    m->slices = NULL;
    if (p->stored->scales) {
        int64_t at = (d * p->m.rows + first) * blocks;

        m->data = p->m.data + at * (PI_MXFP4_VALUES / 2);
        return pi_repack_mxfp4(m, p->stored->scales + at, arena, err);
    }
    t.row += d * t.per_slice;
    t.col += first;
    return pi_repack_turned(m, &t, &c->kernels, arena, err);
}

/* s->m and s->first for the slab's rows. */
static int fetch_rows(const struct converting *c, struct rows_slab *s, int64_t d,
                      struct arena *arena, pith_error *err)
{
    const struct piece *p = s->piece;
    int64_t first = INT64_MAX, last = 0;

    s->m = p->m;
    s->first = 0;
    if (!p->stored || (!p->stored->is_turned && !p->stored->scales)) {
        s->m.data = pi_matrix_slice(&p->m, d);
        return PITH_OK;
    }
    for (int64_t i = 0; i < s->n; i++) {
        int64_t r = pi_piece_row(p, s->row + i);

        first = pi_min(first, r);
        last = pi_max(last, r + 1);
    }
    s->first = first;
    return copy_rows(c, p, &s->m, d, first, last, arena, err);
}

static int report(struct converting *c, size_t bytes, pith_error *err)
{
    c->done += (int64_t)bytes;
    if (c->progress && c->progress(c->user, c->done, c->total) != 0)
        return pi_fail(err, PITH_E_CANCELLED, "cancelled after %lld of %lld bytes",
                       (long long)c->done, (long long)c->total);
    return PITH_OK;
}

static int write_slab(struct converting *c, const struct target *t, struct rows_slab *s,
                      pith_error *err)
{
    enum dtype to = t->tensor->dtype;
    bool same = s->m.dtype == to && s->piece->gain == 1 &&
                s->piece->order != ORDER_TILED_COLUMNS;

    s->unpack = c->kernels.unpack[s->m.dtype];
    s->quant = same ? NULL : pi_quant_find(to);
    if (!same && !s->quant)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s: pith does not write type %s",
                       s->piece->m.name, pi_dtype(to).name);
    pi_pool_run(c->pool, convert_rows, s);
    if (atomic_load(&s->failed))
        return pi_fail(err, PITH_E_NUMERIC, "%s: among rows %lld to %lld is a value that is no "
                       "finite number, or that %s cannot hold", s->piece->m.name,
                       (long long)s->row, (long long)(s->row + s->n - 1), pi_dtype(to).name);
    TRY(pi_save_bytes(c->save, s->out, (size_t)s->n * s->bytes, err));
    return report(c, (size_t)s->n * s->bytes, err);
}

static int write_piece(struct converting *c, const struct target *t, const struct piece *p,
                       int64_t d, pith_error *err)
{
    int64_t some = pi_max(1, c->slab_values / t->cols);

    for (int64_t row = 0; row < p->rows; row += some) {
        struct rows_slab s = { .piece = p, .row = row, .n = pi_min(some, p->rows - row),
                               .out = c->slab, .scratch = c->scratch, .longest = c->longest };
        struct arena arena;
        int status;

        pi_arena_init(&arena, &c->arena.allocator);
        status = pi_dtype_bytes(t->tensor->dtype, (size_t)t->cols, &s.bytes)
                     ? fetch_rows(c, &s, d, &arena, err)
                     : pi_fail(err, PITH_E_UNSUPPORTED, "%s: a row cuts a block", p->m.name);
        if (status == PITH_OK)
            status = write_slab(c, t, &s, err);
        pi_arena_free(&arena);
        TRY(status);
    }
    return PITH_OK;
}

int pi_convert_target(struct converting *c, const struct target *t, pith_error *err)
{
    for (int64_t d = 0; d < t->depth; d++)
        for (const struct piece *p = t->pieces; p; p = p->next)
            TRY(write_piece(c, t, p, d, err));
    return PITH_OK;
}
