/* op_experts.c - EXPERTS and EACH: matrix products with slices of a three-dimensional weight.
 *
 *     EXPERTS  y[t][s] = W[index of (t, s)] x[t] + bias[index], or x[t][s] if x has a row a slot
 *     EACH     y[t][s] = W[s] x[t][s]
 *
 * The (token, slot) pairs are grouped by slice, so that each slice's rows stream once for all of
 * its tokens. Their activations are packed once into rows that lie in the order of the groups;
 * results go through a small tile to where they belong. Workers share the rows of all groups by
 * what they cost. What one pair gets depends on nothing but its activations and slice.
 *
 * Before: op_route.c. Next: product.h.
 */
#include "product.h"

enum {
    TILE_PAIRS = 128,  /* results of so many pairs for a block of rows wait in L1 */
    STREAM_COST = 4,   /* reading a row costs as much as multiplying it with so many tokens */
    MAX_SLICES = 4096, /* of a weight */
};

/* What a program's step asks for. */
struct shares {
    int64_t slots; /* of a token */
    bool spread;   /* x has a row for every slot */
    enum operand kind;
    size_t bytes;  /* of an operand row */
};

static struct shares shares_of(const struct program *program, const struct linked *s)
{
    enum operand kind = pi_product_operand(program, &s->w);
    int64_t slots = program->values[s->out].width / s->w.rows;

    return (struct shares){ slots, program->values[s->in[0]].width != s->w.cols, kind,
                            pi_operand_bytes(kind, s->w.cols) };
}

static int slices_shape(struct shaping *at, int64_t slots, pith_error *err)
{
    const struct linked *s = at->s;

    if (at->in[0] != s->w.cols * slots && (s->n_in == 1 || at->in[0] != s->w.cols))
        return pi_step_fail(s, err, "%s has rows of %lld, the input has %lld for %lld slots",
                            s->w.name, (long long)s->w.cols, (long long)at->in[0],
                            (long long)slots);
    if (s->w.depth > MAX_SLICES)
        return pi_step_fail(s, err, "%s has %lld slices, at most %d are possible", s->w.name,
                            (long long)s->w.depth, MAX_SLICES);
    if (s->bias.data && (s->bias.rows != s->w.depth || s->bias.cols != s->w.rows))
        return pi_step_fail(s, err, "%s is [%lld,%lld], the weight has %lld slices of %lld rows",
                            s->bias.name, (long long)s->bias.rows, (long long)s->bias.cols,
                            (long long)s->w.depth, (long long)s->w.rows);
    at->width = slots * s->w.rows;
    return pi_product_check(at->program, &s->w, err);
}

static int experts_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s, *from;

    if (s->n_in != 2 || s->in[1] < 0)
        return pi_step_fail(s, err, "no routes are given");
    from = &at->program->steps[at->program->values[s->in[1]].first];
    if (from->step->op != OP_ROUTE || at->program->values[from->in[0]].width != s->w.depth)
        return pi_step_fail(s, err, "%s has %lld slices, and %s is no choice of them",
                            s->w.name, (long long)s->w.depth, from->step->out);
    return slices_shape(at, at->in[1] / 2, err);
}

static int each_shape(struct shaping *at, pith_error *err)
{
    return slices_shape(at, at->s->w.depth, err);
}

/* ---- memory ---- */

/* Where each worker's scratch has what. */
struct layout {
    size_t first, place, pair, tile, rows, product, bytes;
};

static bool layout_of(struct layout *l, const struct program *program, const struct linked *s,
                      int64_t batch)
{
    struct shares x = shares_of(program, s);
    size_t pairs, index, total;

    if (!pi_mul_size((size_t)batch, (size_t)x.slots, &pairs) ||
        !pi_mul_size(pairs, sizeof(int32_t), &index) || pairs > INT32_MAX)
        return false;
    l->first = 0;
    l->place = PI_PAD64(((size_t)s->w.depth + 2) * sizeof(int32_t));
    l->pair = l->place + PI_PAD64(index);
    l->tile = l->pair + PI_PAD64(index);
    l->rows = l->tile + TILE_PAIRS * PI_ROW_BLOCK * sizeof(float);
    /* The operand rows of a single token are each worker's own. */
    if (!pi_mul_size(x.bytes, (size_t)x.slots, &total))
        return false;
    l->product = l->rows + total;
    l->bytes = l->product + pi_product_scratch(program, &s->w);
    return l->bytes >= l->product && l->product >= l->rows && l->rows >= pairs;
}

static bool experts_need(const struct program *program, const struct linked *s,
                         const struct plan *plan, struct needs *needs)
{
    struct shares x = shares_of(program, s);
    struct layout l;
    size_t rows;

    if (!layout_of(&l, program, s, plan->batch) ||
        !pi_mul_size((size_t)plan->batch, (size_t)x.slots, &rows))
        return false;
    needs->thread = l.bytes;
    return pi_mul_size(rows, x.bytes, &needs->shared);
}

/* ---- grouping ---- */

/* Pairs (token t, slot s) are numbered t * slots + s. Every worker finds out for itself. */
struct groups {
    int32_t *first; /* [slices + 1]: where the slice's group begins */
    int32_t *place; /* [pairs]: where the pair is in the order of the groups */
    int32_t *pair;  /* [pairs]: which pair is there */
};

static int64_t slice_of(const struct run *run, const struct linked *s, int64_t t, int64_t slot)
{
    const float *routes;

    if (s->n_in == 1)
        return slot;
    routes = pi_run_value(run, s->in[1]); /* [n][indices, weights] */
    return (int64_t)routes[t * pi_row_stride(run->program->values[s->in[1]].width) + slot];
}

static void group_pairs(const struct run *run, const struct linked *s, int64_t n, int64_t slots,
                        struct groups *g)
{
    int64_t slices = s->w.depth;

    memset(g->first, 0, ((size_t)slices + 2) * sizeof *g->first);
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < slots; i++)
            g->first[slice_of(run, s, t, i) + 2]++;
    for (int64_t i = 2; i <= slices + 1; i++)
        g->first[i] += g->first[i - 1];
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < slots; i++) {
            int32_t at = g->first[slice_of(run, s, t, i) + 1]++;

            g->place[t * slots + i] = at;
            g->pair[at] = (int32_t)(t * slots + i);
        }
}

/* The operand rows of tokens [first, last), each at its pair's place. */
static void pack_pairs(const struct run *run, const struct linked *s, const struct shares *of,
                       const struct groups *g, int64_t first, int64_t last, uint8_t *rows)
{
    int64_t stride = pi_row_stride(run->program->values[s->in[0]].width);

    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * stride; /* [slots or 1][cols] */
        const uint8_t *done = NULL;

        for (int64_t i = 0; i < of->slots; i++) {
            uint8_t *to = rows + (size_t)g->place[t * of->slots + i] * of->bytes;

            if (done)
                memcpy(to, done, of->bytes);
            else
                pi_product_pack(run, of->kind, to, x + (of->spread ? i * s->w.cols : 0),
                                s->w.cols);
            done = of->spread ? NULL : to;
        }
    }
}

/* ---- products ---- */

/* One group's share: rows [row, last) of a slice. */
struct share {
    int64_t slice, row, last;
    int64_t first, m;    /* its pairs, in the order of the groups */
    const uint8_t *rows; /* operand rows of all pairs */
    const int32_t *pair;
    float *tile;
    void *scratch;
};

static float *pair_row(const struct run *run, const struct linked *s, int64_t slots, int64_t pair)
{
    return pi_run_value(run, s->out) + pair / slots * pi_row_stride(slots * s->w.rows) +
           pair % slots * s->w.rows;
}

/* Rows [row, row + count) for up to TILE_PAIRS pairs; a single one is written where it belongs. */
static void multiply_pairs(const struct run *run, const struct linked *s, const struct shares *of,
                           const struct share *a, int64_t row, int64_t count, int64_t from,
                           int64_t m)
{
    const uint8_t *at = pi_matrix_slice(&s->w, a->slice) + row * s->w.stride;
    const float *bias = (const float *)(const void *)s->bias.data;
    float *y = m == 1 ? pair_row(run, s, of->slots, a->pair[from]) + row : a->tile;
    const float *b = bias ? bias + a->slice * s->w.rows + row : NULL;

    pi_product(run, &s->w, at, count, m, a->rows + (size_t)from * of->bytes, (int64_t)of->bytes,
               y, PI_ROW_BLOCK, a->scratch);
    for (int64_t i = 0; i < m; i++) {
        float *to = m == 1 ? y : pair_row(run, s, of->slots, a->pair[from + i]) + row;

        if (b)
            run->kernels->add(to, y + i * PI_ROW_BLOCK, b, count);
        else if (m > 1)
            memcpy(to, y + i * PI_ROW_BLOCK, (size_t)count * sizeof *to);
    }
}

static void multiply_share(const struct run *run, const struct linked *s, const struct shares *of,
                           const struct share *a)
{
    int64_t block = a->m == 1 ? a->last - a->row : PI_ROW_BLOCK;

    for (int64_t row = a->row; row < a->last; row += block)
        for (int64_t i = 0; i < a->m; i += TILE_PAIRS) {
            int64_t some = pi_min(TILE_PAIRS, a->m - i), count = pi_min(block, a->last - row);

            /* A last single pair of several still has rows in blocks: it is written alike. */
            multiply_pairs(run, s, of, a, row, count, a->first + i, some);
        }
}

/* The smallest u >= 0 with base + u * cost >= limit. */
static int64_t units_before(int64_t base, int64_t cost, int64_t limit)
{
    return limit <= base ? 0 : (limit - base + cost - 1) / cost;
}

/* A unit is a grain of rows of a group; worker `part` takes those that begin in its share of the
 * cost of all. */
static void multiply_groups(const struct run *run, const struct linked *s,
                            const struct shares *of, const struct groups *g, struct share *a,
                            int part, int parts)
{
    int64_t grains = (s->w.rows + PI_ROW_GRAIN - 1) / PI_ROW_GRAIN, total = 0, base = 0;

    for (int64_t i = 0; i < s->w.depth; i++)
        if (g->first[i + 1] > g->first[i])
            total += grains * (g->first[i + 1] - g->first[i] + STREAM_COST);
    for (int64_t i = 0; i < s->w.depth; i++) {
        int64_t m = g->first[i + 1] - g->first[i], cost = m + STREAM_COST, from, to;

        if (m == 0)
            continue;
        from = units_before(base, cost, total * part / parts);
        to = pi_min(grains, units_before(base, cost, total * (part + 1) / parts));
        base += grains * cost;
        if (from >= to)
            continue;
        a->slice = i;
        a->row = from * PI_ROW_GRAIN;
        a->last = pi_min(s->w.rows, to * PI_ROW_GRAIN);
        a->first = g->first[i];
        a->m = m;
        multiply_share(run, s, of, a);
    }
}

static void experts_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct shares of = shares_of(run->program, s);
    int64_t n = pi_run_rows(run, s->out), first, last;
    uint8_t *scratch = pi_run_scratch(run, part), *rows = run->shared;
    struct layout l;
    struct groups g;
    struct share a;

    layout_of(&l, run->program, s, run->plan->batch);
    g.first = (int32_t *)(void *)(scratch + l.first);
    g.place = (int32_t *)(void *)(scratch + l.place);
    g.pair = (int32_t *)(void *)(scratch + l.pair);
    group_pairs(run, s, n, of.slots, &g);
    if (n == 1) { /* to pack it several times is cheaper than to meet */
        rows = scratch + l.rows;
        pack_pairs(run, s, &of, &g, 0, 1, rows);
    } else {
        pi_split(n, 1, part, parts, &first, &last);
        pack_pairs(run, s, &of, &g, first, last, rows);
        pi_run_barrier(run, part, parts);
    }
    a = (struct share){ .rows = rows, .pair = g.pair,
                        .tile = (float *)(void *)(scratch + l.tile),
                        .scratch = scratch + l.product };
    multiply_groups(run, s, &of, &g, &a, part, parts);
}

const struct op pi_op_EXPERTS = {
    .needs_weight = true,
    .shape = experts_shape,
    .need = experts_need,
    .forward = experts_forward,
};

const struct op pi_op_EACH = {
    .needs_weight = true,
    .shape = each_shape,
    .need = experts_need,
    .forward = experts_forward,
};
