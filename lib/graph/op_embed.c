/* op_embed.c - EMBED: rows of a table, by token id or position; PICK: the rows that are asked for.
 */
#include "graph.h"

static bool by_position(const struct linked *s)
{
    return strcmp(s->step->in, "pos") == 0;
}

static int embed_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;

    if (s->in[0] >= 0)
        return pi_step_fail(s, err, "the index must be ids or pos");
    if (!at->program->kernels->unpack[s->w.dtype])
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       s->w.name, pi_dtype(s->w.dtype).name);
    at->width = s->w.cols;
    return PITH_OK;
}

static void embed_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    float *y = pi_run_value(run, s->out); /* [n][cols] */
    float scale = s->p[0] == 0 ? 1 : (float)s->p[0];
    int64_t first, last;

    pi_split(run->n, 1, part, parts, &first, &last);
    for (int64_t t = first; t < last; t++) {
        int64_t index = by_position(s) ? run->position + t : run->ids[t];
        int64_t row = index < s->w.rows ? index : 0; /* tables of added rows may be shorter */
        float *to = y + t * pi_row_stride(s->w.cols);

        run->kernels->unpack[s->w.dtype](to, s->w.data + row * s->w.stride, s->w.cols);
        for (int64_t i = 0; scale != 1 && i < s->w.cols; i++)
            to[i] *= scale;
    }
}

const struct op pi_op_EMBED = {
    .needs_weight = true,
    .shape = embed_shape,
    .forward = embed_forward,
};

static int pick_shape(struct shaping *at, pith_error *err)
{
    (void)err;
    at->width = at->in[0];
    return PITH_OK;
}

static void pick_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    int64_t stride = pi_row_stride(run->program->values[s->out].width);
    const float *x = pi_run_value(run, s->in[0]); /* [n][width] */
    float *y = pi_run_value(run, s->out);         /* [n_outputs][width] */

    (void)parts;
    if (part == 0)
        memcpy(y, x + (run->n - run->n_outputs) * stride,
               (size_t)(run->n_outputs * stride) * sizeof *y);
}

const struct op pi_op_PICK = { .shape = pick_shape, .forward = pick_forward };
