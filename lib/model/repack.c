/* repack.c - copies of weights that a file stores in a form no kernel reads where they lie. See
 * model.h.
 */
#include "model.h"

#include <math.h>

enum { TILE = 32 }; /* stored rows that are read side by side */

/* m[..][first..first+some) of a slice: `size` bytes a value, from rows `line` bytes apart. */
static void turn_tile(uint8_t *to, const struct matrix *m, int64_t first, int64_t some,
                      const uint8_t *from, size_t line, size_t size)
{
    for (int64_t r = 0; r < m->rows; r++)
        for (int64_t c = 0; c < some; c++)
            memcpy(to + (size_t)(r * m->cols + first + c) * size,
                   from + (size_t)c * line + (size_t)r * size, size);
}

int pi_repack_turned(struct matrix *m, const struct turned *t, const struct kernels *kernels,
                     struct arena *arena, pith_error *err)
{
    bool floats = pi_dtype(m->dtype).block != 1; /* what is made of quantised values */
    size_t size = floats ? sizeof(float) : (size_t)pi_dtype(m->dtype).bytes, stride, slice;
    size_t line = (size_t)t->length * size;
    uint8_t *copy, *lines = NULL;

    if (!kernels->unpack[m->dtype] || !pi_dtype_bytes(m->dtype, (size_t)t->length, &stride))
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s is stored transposed in type %s", m->name,
                       pi_dtype(m->dtype).name);
    if (!pi_mul_size((size_t)(m->rows * m->cols), size, &slice))
        return pi_fail(err, PITH_E_LIMIT, "%s is too large", m->name);
    copy = pi_arena_alloc(arena, (size_t)m->depth, slice);
    if (floats)
        lines = pi_arena_alloc(arena, TILE, line);
    if (!copy || (floats && !lines))
        return pi_no_memory(err, m->name, slice);
    for (int64_t d = 0; d < m->depth; d++)
        for (int64_t first = 0; first < m->cols; first += TILE) {
            const uint8_t *at = m->data + (size_t)(d * t->per_slice + t->row + first) * stride;
            int64_t some = pi_min(TILE, m->cols - first);

            for (int64_t c = 0; floats && c < some; c++)
                kernels->unpack[m->dtype]((float *)(void *)(lines + (size_t)c * line),
                                          at + (size_t)c * stride, t->length);
            turn_tile(copy + (size_t)d * slice, m, first, some,
                      (floats ? lines : at) + (size_t)t->col * size, floats ? line : stride, size);
        }
    m->data = copy;
    m->dtype = floats ? DTYPE_F32 : m->dtype;
    m->stride = m->cols * (int64_t)size;
    return PITH_OK;
}

int pi_repack_mxfp4(struct matrix *m, const uint8_t *scales, struct arena *arena, pith_error *err)
{
    enum { HALF = PI_MXFP4_VALUES / 2 };
    size_t blocks = (size_t)(m->depth * m->rows * (m->cols / PI_MXFP4_VALUES));
    uint8_t *copy = pi_arena_alloc(arena, blocks, 1 + HALF), *to = copy;
    const uint8_t *from = m->data;

    if (!copy)
        return pi_no_memory(err, m->name, blocks * (1 + HALF));
    for (size_t i = 0; i < blocks; i++, from += HALF, to += 1 + HALF) {
        to[0] = scales[i];
        /* values 2k and 2k + 1 share a byte there; k and k + 16 here */
        for (int k = 0; k < HALF; k += 2) {
            int low = from[k / 2], high = from[HALF / 2 + k / 2];

            to[1 + k] = (uint8_t)((low & 15) | (high & 15) << 4);
            to[2 + k] = (uint8_t)(low >> 4 | (high & 240));
        }
    }
    m->data = copy;
    m->dtype = DTYPE_MXFP4;
    m->stride = m->cols / PI_MXFP4_VALUES * (1 + HALF);
    return PITH_OK;
}

int pi_repack_lengths(struct matrix *m, const struct kernels *kernels, struct arena *arena,
                      pith_error *err)
{
    float *lengths = pi_arena_alloc(arena, (size_t)m->rows, sizeof *lengths);
    float *row = pi_arena_alloc(arena, (size_t)m->cols, sizeof *row);

    if (!lengths || !row)
        return pi_no_memory(err, m->name, (size_t)m->rows * sizeof *lengths);
    if (!kernels->unpack[m->dtype])
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       m->name, pi_dtype(m->dtype).name);
    for (int64_t r = 0; r < m->rows; r++) {
        double squares = 0;

        kernels->unpack[m->dtype](row, m->data + r * m->stride, m->cols);
        for (int64_t c = 0; c < m->cols; c++)
            squares += (double)row[c] * (double)row[c];
        lengths[r] = (float)(1 / sqrt(fmax(squares, 1e-24)));
    }
    *m = (struct matrix){ .data = (const uint8_t *)lengths, .name = m->name, .dtype = DTYPE_F32,
                          .rows = 1, .cols = m->rows, .depth = 1,
                          .stride = m->rows * (int64_t)sizeof *lengths };
    return PITH_OK;
}
