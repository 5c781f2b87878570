/* convert_plan.c - the tensors of the GGUF file, and of which rows of the folder's each is made.
 *
 * The recipe is read as for a GGUF file whose numbers are those just written; a row of it is bound
 * in the folder by its name. Complete both ways: every required row finds its weight, every slice
 * of a fused tensor is filled, and every weight of the folder has a place.
 *
 * Before: convert_keys.c. Next: convert_rows.c.
 */
#include "convert.h"

#include <math.h>

static struct str bare_name(const char *name)
{
    struct str s = pi_str(name);

    s.n -= s.n && s.at[s.n - 1] == '?';
    return s;
}

static bool is_bias(struct str name)
{
    return name.n > 5 && memcmp(name.at + name.n - 5, ".bias", 5) == 0;
}

/* "name layer". */
static struct str row_key(struct str name, int layer, char text[PI_NAME_BYTES])
{
    return pi_tensor_name(name, STR(" %d"), layer + 1, 0, text);
}

static int index_bounds(struct converting *c, pith_error *err)
{
    TRY(pi_map_init(&c->by_row, &c->arena, (size_t)c->n_bounds, err));
    c->used = pi_arena_alloc(&c->arena, (size_t)c->n_bounds, sizeof *c->used);
    if (!c->used)
        return pi_no_memory(err, "the weight table", (size_t)c->n_bounds);
    for (int i = 0; i < c->n_bounds; i++) {
        char text[PI_NAME_BYTES];
        struct str key = row_key(bare_name(c->bounds[i].row->name), c->bounds[i].layer, text);
        char *copy = pi_arena_text(&c->arena, key.at, key.n);

        if (!copy)
            return pi_no_memory(err, "the weight table", key.n);
        pi_map_add(&c->by_row, (struct str){ copy, key.n }, i);
    }
    return PITH_OK;
}

/* The folder's weight of that row, of the layer or of none; -1: there is none. */
static int bound_of_row(const struct converting *c, struct str name, int layer)
{
    char text[PI_NAME_BYTES];
    int64_t i = pi_map_find(&c->by_row, row_key(name, layer, text));

    return (int)(i >= 0 ? i : pi_map_find(&c->by_row, row_key(name, -1, text)));
}

static int count_names(const char *alternatives)
{
    int n = 1;

    for (; *alternatives; alternatives++)
        n += *alternatives == '|';
    return n;
}

static bool from_config(const struct bound *b)
{
    return b->row->hf && pi_str_starts(pi_str(b->row->hf), STR("config:"));
}

/* ---- pieces ---- */

/* "row:from,count,period": the name, and the three numbers into the piece. */
static int read_of(struct converting *c, const struct weight *row, int layer, struct str *name,
                   struct piece *p, pith_error *err)
{
    struct str rest = pi_str(row->of), text;
    int64_t *const to[] = { &p->of_from, &p->of_count, &p->of_period };

    pi_str_cut(&rest, ':', name);
    for (int i = 0; i < 3 && pi_str_cut(&rest, ',', &text); i++)
        TRY(pi_numbers_count(&c->has, text, layer, i > 0, to[i], err));
    return PITH_OK;
}

static bool same_value(const struct converting *c, const char *name, int layer)
{
    double a = 0, b = 0;

    pi_numbers_eval(&c->has, pi_str(name), layer, &a, NULL);
    pi_numbers_eval(&c->says, pi_str(name), layer, &b, NULL);
    return a == b;
}

static int read_order(struct converting *c, const struct weight *row, int layer, struct piece *p,
                      pith_error *err)
{
    int64_t heads, values = row->order == ORDER_TILED_COLUMNS ? p->m.cols : p->rows;

    if (row->order == ORDER_PAIRS && !same_value(c, "interleaved", layer)) {
        TRY(pi_numbers_count(&c->has, STR("hd"), layer, 1, &p->head, err));
        TRY(pi_numbers_count(&c->has, STR("rot"), layer, 0, &p->part, err));
        p->order = ORDER_PAIRS;
        if (p->rows % p->head || p->part % 2 || p->part > p->head)
            return pi_fail(err, PITH_E_UNSUPPORTED, "%s: %lld rows are not heads of %lld, of which "
                           "%lld turn", p->m.name, (long long)p->rows, (long long)p->head,
                           (long long)p->part);
    }
    if (row->order < ORDER_TILES || same_value(c, "tiled", layer))
        return PITH_OK;
    TRY(pi_numbers_count(&c->has, STR("hv"), layer, 1, &heads, err));
    TRY(pi_numbers_count(&c->has, STR("hk"), layer, 1, &p->groups, err));
    p->order = row->order;
    p->head = values / heads;
    p->part = heads / p->groups;
    if (values % heads || heads % p->groups)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s: %lld values are not %lld heads of %lld key "
                       "heads", p->m.name, (long long)values, (long long)heads,
                       (long long)p->groups);
    return PITH_OK;
}

/* The matrix with a row for each value of a vector. */
static void make_rows(struct matrix *m, int dims, bool bias)
{
    int64_t bytes = pi_dtype(m->dtype).bytes;

    if (dims == 1 || (dims == 2 && bias)) {
        m->depth = m->rows;
        m->rows = m->cols;
        m->cols = 1;
        m->stride = bytes;
    }
}

static int check_piece(const struct converting *c, const struct piece *p, pith_error *err)
{
    const struct matrix *m = &p->m;
    int64_t rows = p->of_period ? p->rows / p->of_count * p->of_period : p->rows;

    if (!c->kernels.unpack[m->dtype])
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       m->name, pi_dtype(m->dtype).name);
    if (m->rows != rows || (p->of_period && p->rows % p->of_count) ||
        (p->of_period && p->of_from + p->of_count > p->of_period))
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has %lld rows, GGUF wants %lld", m->name,
                       (long long)m->rows, (long long)rows);
    return PITH_OK;
}

/* ---- targets ---- */

/* The row's shape in GGUF, whole if the tensor is fused; returns its dimensions. */
static int gguf_shape(const struct converting *c, const struct weight *row, const char *text,
                      int layer, bool fused, int64_t shape[PI_MAX_DIMS], pith_error *err)
{
    struct str rest = pi_str(text), one;
    int dims = 0;

    for (; dims < PI_MAX_DIMS && pi_str_cut(&rest, ',', &one); dims++)
        TRY(pi_numbers_count(&c->says, one, layer, 1, &shape[dims], err));
    if (fused)
        TRY(pi_numbers_count(&c->says, pi_str(row->whole), layer, 1, &shape[dims > 2], err));
    return dims;
}

static int64_t product(const int64_t *shape, int dims)
{
    int64_t n = 1;

    for (int i = 0; i < dims; i++)
        n = shape[i] > INT64_MAX / n ? INT64_MAX : n * shape[i];
    return n;
}

static int new_target(struct converting *c, struct target **out, const struct weight *row,
                      struct str name, int layer, bool fused, pith_error *err)
{
    int64_t shape[PI_MAX_DIMS] = { 0 }, as[PI_MAX_DIMS] = { 0 };
    int dims = gguf_shape(c, row, row->shape, layer, fused, shape, err), as_dims = dims;
    bool bias = is_bias(bare_name(row->name)) && dims == 2;
    struct target *t = &c->targets[c->n_targets];
    struct tensor *tensor = &c->tensors[c->n_targets];

    TRY(dims < 0 ? dims : PITH_OK);
    memcpy(as, shape, sizeof as);
    if (row->as)
        as_dims = gguf_shape(c, row, row->as, layer, false, as, err);
    TRY(as_dims < 0 ? as_dims : PITH_OK);
    if (product(shape, dims) != product(as, as_dims))
        return pi_fail(err, PITH_E_UNSUPPORTED, "%.*s: %s are not as many as %s", (int)name.n,
                       name.at, row->as ? row->as : row->shape, row->shape);
    *t = (struct target){ .tensor = tensor, .depth = 1, .cols = shape[dims - 1] };
    t->rows = dims == 1 ? shape[0] : bias ? shape[1] : shape[dims - 2];
    if (dims == 1 || bias)
        t->cols = 1;
    if (dims > 2 || bias)
        t->depth = shape[0];
    *tensor = (struct tensor){ .dims = as_dims, .ne = { 1, 1, 1, 1 }, .dtype = DTYPE_COUNT };
    for (int i = 0; i < as_dims; i++)
        tensor->ne[i] = as[as_dims - 1 - i];
    tensor->name = (struct str){ pi_arena_text(&c->arena, name.at, name.n), name.n };
    if (!tensor->name.at)
        return pi_no_memory(err, "a name", name.n);
    pi_map_add(&c->by_name, tensor->name, c->n_targets++);
    *out = t;
    return PITH_OK;
}

/* What the tensor keeps of its type: vectors, and what readers want as they are, are floats. */
static void note_type(struct target *t, const struct piece *p)
{
    struct tensor *tensor = t->tensor;

    if (tensor->dims == 1 || t->cols == 1 || pi_mix_wants_floats(tensor->name))
        tensor->dtype = DTYPE_F32;
    else if (tensor->dtype == DTYPE_COUNT)
        tensor->dtype = p->m.dtype;
    else if (tensor->dtype != p->m.dtype)
        tensor->dtype = DTYPE_F32;
}

/* In its place among the others. */
static void add_piece(struct target *t, struct piece *p)
{
    struct piece **at = &t->pieces;

    while (*at && (*at)->from < p->from)
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    note_type(t, p);
}

/* The piece there that is the same weight, as where embedding and head are one; or NULL. */
static const struct piece *find_twin(const struct target *t, const struct piece *p)
{
    for (const struct piece *q = t->pieces; q; q = q->next)
        if (q->from == p->from && q->m.data == p->m.data)
            return q;
    return NULL;
}

/* The name in GGUF of the same place among the alternatives as the one in the folder. */
static struct str target_name(const struct converting *c, const struct weight *row, int layer,
                              int bound, int which, char text[PI_NAME_BYTES])
{
    const struct bound *b = &c->bounds[bound];
    struct str rest = pi_str(row->gguf), pattern = STR("");
    int i = count_names(row->gguf) == count_names(b->row->hf) && !from_config(b)
                ? c->stored[bound].alternative : 0;

    for (i = which >= 0 ? which : i; i >= 0; i--)
        pi_str_cut(&rest, '|', &pattern);
    return pi_tensor_name(STR(""), pattern, layer, 0, text);
}

static int place_piece(struct converting *c, const struct weight *row, int layer, int bound,
                       struct piece *p, pith_error *err)
{
    bool fused = row->whole && count_names(row->gguf) == 1;
    char text[PI_NAME_BYTES];
    struct target *t;

    if (fused)
        TRY(pi_numbers_count(&c->says, pi_str(row->from), layer, 0, &p->from, err));
    for (int which = -1; which <= 0; which++) {
        struct str name = target_name(c, row, layer, bound, which, text);
        int64_t i = pi_map_find(&c->by_name, name);
        const struct piece *twin = i >= 0 ? find_twin(&c->targets[i], p) : NULL;

        if (twin && twin->gain == p->gain)
            return PITH_OK;
        if (i >= 0 && (twin || !fused))
            continue; /* another tensor of the same origin */
        t = i >= 0 ? &c->targets[i] : NULL;
        if (!t)
            TRY(new_target(c, &t, row, name, layer, fused, err));
        add_piece(t, p);
        return PITH_OK;
    }
    return pi_fail(err, PITH_E_UNSUPPORTED, "%s: GGUF has one tensor for this and another weight",
                   p->m.name);
}

/* The weight that a row of the GGUF file is made of. */
static int plan_row(struct converting *c, const struct weight *row, int layer, pith_error *err)
{
    struct str name = bare_name(row->name);
    struct piece *p = pi_arena_alloc(&c->arena, 1, sizeof *p);
    double when = 1, gain = 1;
    int64_t shape[PI_MAX_DIMS];
    int dims, bound;

    if (!p)
        return pi_no_memory(err, "the plan", sizeof *p);
    if (row->when)
        TRY(pi_numbers_eval(&c->says, pi_str(row->when), layer, &when, err));
    if (when == 0)
        return PITH_OK;
    bound = bound_of_row(c, name, layer);
    if (bound < 0 && row->of) {
        TRY(read_of(c, row, layer, &name, p, err));
        bound = bound_of_row(c, name, layer);
    }
    if (bound < 0 && row->name[strlen(row->name) - 1] == '?')
        return PITH_OK;
    if (bound < 0)
        return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF wants %s, for which the folder has no "
                       "weight", row->gguf);
    if (row->gain)
        TRY(pi_numbers_eval(&c->has, pi_str(row->gain), layer, &gain, err));
    c->used[bound] = true;
    dims = gguf_shape(c, row, row->shape, layer, false, shape, err);
    TRY(dims < 0 ? dims : PITH_OK);
    p->bound = &c->bounds[bound];
    p->stored = &c->stored[bound];
    p->gain = (float)gain;
    p->m = p->bound->m;
    make_rows(&p->m, dims, is_bias(bare_name(row->name)));
    p->rows = p->of_period ? p->m.rows / p->of_period * p->of_count : p->m.rows;
    TRY(check_piece(c, p, err));
    TRY(read_order(c, row, layer, p, err));
    return place_piece(c, row, layer, bound, p, err);
}

/* ---- divisors of rotary frequencies ---- */

/* Some scalings of folders are a vector in GGUF. */
static int plan_divisors(struct converting *c, const struct step *step, pith_error *err)
{
    static const struct weight row = { .name = "divisors", .gguf = "rope_freqs.weight",
                                       .shape = "pairs" };
    struct piece *p = pi_arena_alloc(&c->arena, 1, sizeof *p);
    struct target *t;
    int64_t pairs;
    float *values;

    if (!p)
        return pi_no_memory(err, "the plan", sizeof *p);
    TRY(pi_rope_divisors(&values, &pairs, step, &c->has, &c->arena, err));
    if (!values)
        return PITH_OK;
    c->says.rows[c->says.n++] = (struct number){ .name = "pairs", .value = (double)pairs };
    TRY(new_target(c, &t, &row, STR("rope_freqs.weight"), -1, false, err));
    *p = (struct piece){ .rows = pairs, .gain = 1 };
    p->m = (struct matrix){ .data = (const uint8_t *)values, .name = "rope_freqs.weight",
                            .dtype = DTYPE_F32, .rows = pairs, .cols = 1, .depth = 1,
                            .stride = sizeof *values };
    add_piece(t, p);
    return PITH_OK;
}

/* ---- all of it ---- */

static int check_target(const struct target *t, pith_error *err)
{
    int64_t at = 0;

    for (const struct piece *p = t->pieces; p; p = p->next) {
        if (p->from != at || p->m.depth != t->depth || p->m.cols != t->cols)
            return pi_fail(err, PITH_E_UNSUPPORTED, "%s, rows from %lld on, does not fit %.*s of "
                           "GGUF, which is filled up to row %lld", p->m.name, (long long)p->from,
                           (int)t->tensor->name.n, t->tensor->name.at, (long long)at);
        at += p->rows;
    }
    if (at != t->rows)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%.*s of GGUF has %lld rows, the folder has %lld "
                       "of them", (int)t->tensor->name.n, t->tensor->name.at, (long long)t->rows,
                       (long long)at);
    return PITH_OK;
}

static int check_used(const struct converting *c, pith_error *err)
{
    for (int i = 0; i < c->n_bounds; i++)
        if (!c->used[i] && !from_config(&c->bounds[i]))
            return pi_fail(err, PITH_E_UNSUPPORTED, "GGUF has no place for %s",
                           c->bounds[i].m.name);
    return PITH_OK;
}

/* Keys of the same name as rows of config.json get their number, for `gain`. */
static void add_factors(struct converting *c)
{
    for (int i = 0; i < c->n_bounds; i++) {
        const struct bound *b = &c->bounds[i];
        struct str name = bare_name(b->row->name);

        for (int j = 0; j < c->has.n && from_config(b) && b->m.cols == 1; j++)
            if (pi_str_equal(pi_str(c->has.rows[j].name), name))
                c->has.rows[j].value = (double)*(const float *)(const void *)b->m.data;
    }
}

int pi_convert_plan(struct converting *c, pith_error *err)
{
    const struct weight *rows[PI_MAX_WEIGHTS];
    int n_rows = pi_arch_weights(c->gguf, false, rows);
    const struct part *part = pi_arch_part(c->gguf, "decode");
    int64_t layers;

    TRY(pi_numbers_count(&c->says, STR("layers"), -1, 1, &layers, err));
    c->most_targets = (int64_t)layers * n_rows + 1;
    c->tensors = pi_arena_alloc(&c->arena, (size_t)c->most_targets, sizeof *c->tensors);
    c->targets = pi_arena_alloc(&c->arena, (size_t)c->most_targets, sizeof *c->targets);
    if (!c->tensors || !c->targets)
        return pi_no_memory(err, "the plan", (size_t)c->most_targets * sizeof *c->targets);
    TRY(pi_map_init(&c->by_name, &c->arena, (size_t)c->most_targets, err));
    TRY(index_bounds(c, err));
    add_factors(c);
    for (const struct step *s = part ? part->enter : NULL; s && s->out; s++)
        if (s->op == OP_ANGLES && s->weight)
            TRY(plan_divisors(c, s, err));
    for (int i = 0; i < n_rows; i++)
        for (int layer = 0; !rows[i]->ignore && layer < (strchr(rows[i]->gguf, '%') ? layers : 1);
             layer++)
            TRY(plan_row(c, rows[i], layer, err));
    TRY(check_used(c, err));
    for (int64_t i = 0; i < c->n_targets; i++)
        TRY(check_target(&c->targets[i], err));
    return PITH_OK;
}
