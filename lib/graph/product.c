/* product.c - rows of a matrix times activations. See product.h.
 */
#include "product.h"

enum {
    UNPACK_ROWS = 32,      /* unpacked to float32 at once: what an engine of many tokens takes */
    UNPACK_FEW = 8,        /* for few tokens, which pass before these leave the cache */
    UNPACK_TOKENS = 8,     /* from which on they are many */
    FETCH_BYTES = 6 * 1024 /* of the next weight; kernels fetch the rest ahead of its use */
};

int pi_product_check(const struct program *program, const struct matrix *w, pith_error *err)
{
    if (!program->kernels->dot[w->dtype] || !program->kernels->unpack[w->dtype])
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       w->name, pi_dtype(w->dtype).name);
    return PITH_OK;
}

enum operand pi_product_operand(const struct program *program, const struct matrix *w)
{
    return program->exact ? OPERAND_F32 : pi_operand_of(w->dtype);
}

/* Weights that meet integers by their nature meet float32. */
static bool unpacks(const struct program *program, const struct matrix *w)
{
    return pi_product_operand(program, w) != pi_operand_of(w->dtype);
}

void pi_product_pack(const struct run *run, enum operand kind, void *to, const float *x,
                     int64_t cols)
{
    if (kind == OPERAND_F32)
        memcpy(to, x, (size_t)cols * sizeof *x);
    else
        run->kernels->pack[kind](to, x, cols);
}

size_t pi_product_scratch(const struct program *program, const struct matrix *w)
{
    return unpacks(program, w) ? UNPACK_ROWS * pi_operand_bytes(OPERAND_F32, w->cols) : 0;
}

size_t pi_product_bytes(const struct program *program, const struct matrix *w)
{
    enum operand kind = pi_product_operand(program, w);

    return kind == OPERAND_F32 ? PI_PAD64(pi_product_scratch(program, w))
                               : pi_operand_bytes(kind, w->cols);
}

void pi_product(const struct run *run, const struct matrix *w, const uint8_t *at, int64_t rows,
                int64_t m, const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride,
                void *scratch)
{
    int64_t bytes = (int64_t)pi_operand_bytes(OPERAND_F32, w->cols);

    if (!unpacks(run->program, w)) {
        run->kernels->dot[w->dtype](rows, w->cols, at, w->stride, m, x, x_stride, y, y_stride);
        return;
    }
    for (int64_t done = 0, some; done < rows; done += some) {
        some = pi_min(m < UNPACK_TOKENS ? UNPACK_FEW : UNPACK_ROWS, rows - done);
        for (int64_t i = 0; i < some; i++)
            run->kernels->unpack[w->dtype]((float *)(void *)((uint8_t *)scratch + i * bytes),
                                           at + (done + i) * w->stride, w->cols);
        run->kernels->dot[DTYPE_F32](some, w->cols, scratch, bytes, m, x, x_stride, y + done,
                                     y_stride);
    }
}

dot_many_fn *pi_product_engine(const struct program *program, const struct matrix *w, int64_t m)
{
    const struct kernels *k = program->kernels;

    if (!program->by_count)
        return NULL;
    if (pi_product_many(k, m))
        return k->dot_many[w->dtype];
    return k->some_tokens && m >= k->some_tokens && m <= PI_MANY_GROUP ? k->dot_some[w->dtype]
                                                                       : NULL;
}

void pi_product_fetch(const struct run *run, const struct linked *s, int part, int parts)
{
    const struct linked *end = run->program->steps + run->program->n_steps, *next = s + 1;
    int64_t first, last;

    while (next < end && next->op != s->op)
        next++;
    if (next == end)
        return;
    pi_split(next->w.rows, PI_ROW_GRAIN, part, parts, &first, &last);
    for (int64_t i = 0; i < pi_min(FETCH_BYTES, (last - first) * next->w.stride); i += 64)
        __builtin_prefetch(next->w.data + first * next->w.stride + i);
}
