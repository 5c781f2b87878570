/* op_experts.c - EXPERTS and EACH: matrix products with slices of a three-dimensional weight.
 *
 *     EXPERTS  y[t][s] = W[index of (t, s)] x[t] + bias[index], or x[t][s] if x has a row a slot
 *     EACH     y[t][s] = W[s] x[t][s]
 *
 * The (token, slot) pairs are grouped by slice, so that each slice's rows stream once for all of
 * its tokens. Their activations are packed once into rows that lie in the order of the groups, or,
 * for groups large enough for another engine, into its operand; results go through a tile to where
 * they belong. Workers share the rows of all groups by what they cost. What one pair gets depends
 * on nothing but its activations, its slice, and the engine for its group.
 *
 * Before: op_route.c. Next: product.h.
 */
#include "product.h"

enum {
    TILE_PAIRS = 128,  /* results of so many pairs for a block of rows wait in L1 */
    TILE_FLOATS = 1 << 17, /* results of an engine that blocks rows itself wait in L2 */
    STREAM_COST = 4,   /* reading a row costs as much as multiplying it with so many tokens */
    MAX_SLICES = 4096, /* of a weight */
    ENGINE_PAIRS = 16, /* of a group, at least, for another engine: for fewer its operand, which
                          comes in groups of 32, would not fit into what they have */
};

/* What a program's step asks for. */
struct shares {
    int64_t slots; /* of a token */
    bool spread;   /* x has a row for every slot */
    enum operand kind;
    size_t bytes;  /* of an operand row */
    bool many, some; /* whether there are such engines */
    size_t place;    /* bytes that each pair has: an operand row, or its share of an engine's */
};

static struct shares shares_of(const struct program *program, const struct linked *s)
{
    enum operand kind = pi_product_operand(program, &s->w);
    int64_t slots = program->values[s->out].width / s->w.rows;
    size_t bytes = pi_operand_bytes(kind, s->w.cols);
    size_t engine = pi_many_bytes(PI_MANY_GROUP, s->w.cols) / ENGINE_PAIRS;
    bool many = pi_product_engine(program, &s->w, INT64_MAX);
    bool some = pi_product_engine(program, &s->w, program->kernels->some_tokens);

    return (struct shares){
        slots, program->values[s->in[0]].width != s->w.cols, kind, bytes, many, some,
        (many || some) && engine > bytes ? engine : bytes };
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
    size_t pairs, index, total, tile = TILE_PAIRS * PI_ROW_BLOCK;
    size_t scratch = pi_product_scratch(program, &s->w), gather;

    if (!pi_mul_size((size_t)batch, (size_t)x.slots, &pairs) ||
        !pi_mul_size(pairs, sizeof(int32_t), &index) || pairs > INT32_MAX)
        return false;
    l->first = 0;
    l->place = PI_PAD64(((size_t)s->w.depth + 2) * sizeof(int32_t));
    l->pair = l->place + PI_PAD64(index);
    l->tile = l->pair + PI_PAD64(index);
    if (batch >= ENGINE_PAIRS && (x.many || x.some)) {
        if (!pi_mul_size((size_t)s->w.cols, PI_MANY_GROUP * sizeof(float), &gather))
            return false;
        tile = (size_t)pi_max(TILE_FLOATS, PI_MANY_GROUP * batch);
        scratch = pi_many_scratch(s->w.rows, batch);
        scratch = scratch > gather ? scratch : gather;
    }
    l->rows = l->tile + tile * sizeof(float);
    /* The operand rows of a single token are each worker's own. */
    if (!pi_mul_size(x.place, (size_t)x.slots, &total))
        return false;
    l->product = l->rows + total;
    l->bytes = l->product + scratch;
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
    return pi_mul_size(rows, x.place, &needs->shared);
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

/* The engine for a slice's group; NULL: the one for any number. */
static dot_many_fn *engine_for(const struct run *run, const struct linked *s,
                               const struct groups *g, int64_t slice)
{
    int64_t m = g->first[slice + 1] - g->first[slice];

    return m < ENGINE_PAIRS ? NULL : pi_product_engine(run->program, &s->w, m);
}

/* Whether the step before left this one's operands where they are wanted: those of gate and up
 * are the same. */
static bool has_packed_rows(const struct run *run, const struct linked *s, const struct shares *of,
                            int64_t n)
{
    const struct linked *before = s - 1;
    struct shares x;

    if (n == 1 || s == run->program->steps || before->op != s->op || s->n_in != before->n_in ||
        before->in[0] != s->in[0] || (s->n_in > 1 && before->in[1] != s->in[1]) ||
        before->w.depth != s->w.depth || before->w.cols != s->w.cols)
        return false;
    x = shares_of(run->program, before);
    return x.kind == of->kind && x.many == of->many && x.some == of->some;
}

/* The operand rows of tokens [first, last), each at its pair's place, but those of groups with an
 * engine. */
static void pack_pairs(const struct run *run, const struct linked *s, const struct shares *of,
                       const struct groups *g, int64_t first, int64_t last, uint8_t *rows)
{
    int64_t stride = pi_row_stride(run->program->values[s->in[0]].width);

    for (int64_t t = first; t < last; t++) {
        const float *x = pi_run_value(run, s->in[0]) + t * stride; /* [slots or 1][cols] */
        const uint8_t *done = NULL;

        for (int64_t i = 0; i < of->slots; i++) {
            uint8_t *to = rows + (size_t)g->place[t * of->slots + i] * of->place;

            if (engine_for(run, s, g, slice_of(run, s, t, i)))
                continue;
            if (done)
                memcpy(to, done, of->bytes);
            else
                pi_product_pack(run, of->kind, to, x + (of->spread ? i * s->w.cols : 0),
                                s->w.cols);
            done = of->spread ? NULL : to;
        }
    }
}

/* The operands of groups with an engine, 32 pairs at a time: unit after unit, each `parts`th. */
static void pack_groups(const struct run *run, const struct linked *s, const struct shares *of,
                        const struct groups *g, int part, int parts, uint8_t *rows, float *gather)
{
    int64_t stride = pi_row_stride(run->program->values[s->in[0]].width), cols = s->w.cols;
    const float *x = pi_run_value(run, s->in[0]);
    const struct kernels *k = run->kernels;
    int unit = 0;

    for (int64_t slice = 0; slice < s->w.depth; slice++) {
        int64_t m = g->first[slice + 1] - g->first[slice], from = g->first[slice];
        uint8_t *to = rows + (size_t)from * of->place;

        for (int64_t i = 0; i < m && engine_for(run, s, g, slice); i += PI_MANY_GROUP) {
            int64_t last = pi_min(m, i + PI_MANY_GROUP);

            if (unit++ % parts != part)
                continue;
            for (int64_t j = i; j < last; j++) {
                int64_t pair = g->pair[from + j], slot = of->spread ? pair % of->slots : 0;

                memcpy(gather + (j - i) * cols, x + pair / of->slots * stride + slot * cols,
                       (size_t)cols * sizeof *x);
            }
            if (pi_product_many(k, m))
                k->pack_many[pi_many_operand(k, s->w.dtype)](to, i, last, m, cols, gather, cols);
            else
                k->pack_some(to, 0, cols, m, cols, gather, cols);
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

/* Results y [m][y_stride] of rows [row, row + count) and pairs from `from` on, to where they
 * belong, if they are not there. */
static void hand_out(const struct run *run, const struct linked *s, const struct shares *of,
                     const struct share *a, int64_t row, int64_t count, int64_t from, int64_t m,
                     const float *y, int64_t y_stride)
{
    const float *bias = (const float *)(const void *)s->bias.data;

    for (int64_t i = 0; i < m; i++, y += y_stride) {
        float *to = pair_row(run, s, of->slots, a->pair[from + i]) + row;

        if (bias)
            run->kernels->add(to, y, bias + a->slice * s->w.rows + row, count);
        else if (to != y)
            memcpy(to, y, (size_t)count * sizeof *to);
    }
}

/* Rows [row, row + count) for up to TILE_PAIRS pairs; a single one is written where it belongs. */
static void multiply_pairs(const struct run *run, const struct linked *s, const struct shares *of,
                           const struct share *a, int64_t row, int64_t count, int64_t from,
                           int64_t m)
{
    const uint8_t *at = pi_matrix_slice(&s->w, a->slice) + row * s->w.stride;
    float *y = m == 1 ? pair_row(run, s, of->slots, a->pair[from]) + row : a->tile;

    pi_product(run, &s->w, at, count, m, a->rows + (size_t)from * of->place, (int64_t)of->place,
               y, PI_ROW_BLOCK, a->scratch);
    hand_out(run, s, of, a, row, count, from, m, y, PI_ROW_BLOCK);
}

/* All pairs at once, as many rows as the tile has room for. */
static void multiply_group(dot_many_fn *engine, const struct run *run, const struct linked *s,
                          const struct shares *of, const struct share *a)
{
    const uint8_t *w = pi_matrix_slice(&s->w, a->slice);
    int64_t most = pi_max(TILE_FLOATS / a->m / PI_MANY_GROUP, 1) * PI_MANY_GROUP;

    for (int64_t row = a->row; row < a->last; row += most) {
        int64_t count = pi_min(most, a->last - row);

        engine(count, s->w.cols, w + row * s->w.stride, s->w.stride, a->m,
               a->rows + (size_t)a->first * of->place, a->tile, count, a->scratch);
        hand_out(run, s, of, a, row, count, a->first, a->m, a->tile, count);
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
 * cost of all, whole panels of an engine. */
static void multiply_groups(const struct run *run, const struct linked *s,
                            const struct shares *of, const struct groups *g, struct share *a,
                            int part, int parts)
{
    int64_t grains = (s->w.rows + PI_ROW_GRAIN - 1) / PI_ROW_GRAIN, total = 0, base = 0;

    for (int64_t i = 0; i < s->w.depth; i++)
        if (g->first[i + 1] > g->first[i])
            total += grains * (g->first[i + 1] - g->first[i] + STREAM_COST);
    for (int64_t i = 0; i < s->w.depth; i++) {
        int64_t m = g->first[i + 1] - g->first[i], cost = m + STREAM_COST, from, to, grain;
        dot_many_fn *engine;

        if (m == 0)
            continue;
        engine = engine_for(run, s, g, i);
        grain = engine ? PI_MANY_GROUP : PI_ROW_GRAIN;
        from = units_before(base, cost, total * part / parts) * PI_ROW_GRAIN;
        to = units_before(base, cost, total * (part + 1) / parts) * PI_ROW_GRAIN;
        base += grains * cost;
        a->slice = i;
        a->row = (from + grain - 1) / grain * grain;
        a->last = pi_min(s->w.rows, (to + grain - 1) / grain * grain);
        a->first = g->first[i];
        a->m = m;
        if (a->row < a->last && engine)
            multiply_group(engine, run, s, of, a);
        else if (a->row < a->last)
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
    } else if (!has_packed_rows(run, s, &of, n)) {
        pi_split(n, 1, part, parts, &first, &last);
        pack_pairs(run, s, &of, &g, first, last, rows);
        pack_groups(run, s, &of, &g, part, parts, rows, (float *)(void *)(scratch + l.product));
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
