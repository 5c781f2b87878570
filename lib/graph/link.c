/* link.c - recipe + numbers + weights -> program: strings end here.
 *
 * Unrolls the layers, drops optional steps whose weight the file lacks, gives every name a value,
 * lets each operation check its shapes, and removes what the result does not need. A recipe that
 * names what does not exist fails here, with family, step and name.
 *
 * Before: recipe.h. Next: run.c.
 */
#include "graph.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_VALUE_NAMES = 64 };

struct linker {
    const struct linkage *from;
    struct program *program;
    struct arena *arena;
    pith_error *err;
    /* What each name means at this point of the program. */
    struct { struct str name; int value; } names[MAX_VALUE_NAMES];
    int n_names;
};

int pi_step_fail(const struct linked *s, pith_error *err, const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->layer < 0)
        return pi_fail(err, PITH_E_FORMAT, "%s %s: %s", s->op->name, s->step->out, text);
    return pi_fail(err, PITH_E_FORMAT, "layer %d, %s %s: %s", s->layer, s->op->name,
                   s->step->out, text);
}

int pi_step_floats(const struct shaping *at, const struct matrix *m, const float **out,
                   pith_error *err)
{
    unpack_fn *unpack = at->program->kernels->unpack[m->dtype];
    float *copy;

    *out = (const float *)(const void *)m->data;
    if (m->dtype == DTYPE_F32 && (uintptr_t)m->data % sizeof(float) == 0)
        return PITH_OK;
    if (!unpack)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has type %s, which is not supported yet",
                       m->name, pi_dtype(m->dtype).name);
    copy = pi_arena_alloc(at->arena, (size_t)(m->rows * m->cols), sizeof *copy);
    if (!copy)
        return pi_no_memory(err, m->name, (size_t)(m->rows * m->cols) * sizeof *copy);
    for (int64_t i = 0; i < m->rows; i++)
        unpack(copy + i * m->cols, m->data + i * m->stride, m->cols);
    *out = copy;
    return PITH_OK;
}

/* The weight called name + suffix. Global weights serve every layer. */
static const struct bound *find_bound(const struct linkage *from, struct str name,
                                      const char *suffix, int layer)
{
    size_t n = strlen(suffix);

    for (int i = 0; i < from->n_bounds; i++) {
        const struct bound *b = &from->bounds[i];
        struct str row;

        if (b->layer >= 0 && b->layer != layer)
            continue;
        row = pi_str(b->row->name);
        if (row.n && row.at[row.n - 1] == '?')
            row.n--;
        if (row.n == name.n + n && pi_str_starts(row, name) &&
            memcmp(row.at + name.n, suffix, n) == 0)
            return b;
    }
    return NULL;
}

static int find_name(struct linker *l, struct str name)
{
    int i = 0;

    while (i < l->n_names && !pi_str_equal(l->names[i].name, name))
        i++;
    return i;
}

static int read_inputs(struct linker *l, struct linked *s)
{
    struct str rest = pi_str(s->step->in), name;

    while (pi_str_cut(&rest, ' ', &name)) {
        int i = find_name(l, name);

        if (s->n_in == MAX_INPUTS)
            return pi_step_fail(s, l->err, "more than %d inputs", MAX_INPUTS);
        s->in[s->n_in] = -1;
        if (i < l->n_names)
            s->in[s->n_in] = l->names[i].value;
        else if (!pi_str_equal(name, STR("ids")) && !pi_str_equal(name, STR("pos")))
            return pi_step_fail(s, l->err, "no step before computes %.*s", (int)name.n, name.at);
        s->n_in++;
    }
    return PITH_OK;
}

static int read_params(struct linker *l, struct linked *s)
{
    struct str rest = pi_str(s->step->params ? s->step->params : ""), text;

    for (int i = 0; pi_str_cut(&rest, ',', &text); i++) {
        if (i == MAX_PARAMS)
            return pi_step_fail(s, l->err, "more than %d parameters", MAX_PARAMS);
        TRY(pi_numbers_eval(l->from->numbers, text, s->layer, &s->p[i], l->err));
    }
    return PITH_OK;
}

/* Finds the step's weight; *present = false if the step is to be dropped. */
static int read_weight(struct linker *l, struct linked *s, bool *present)
{
    struct str name = pi_str(s->step->weight ? s->step->weight : "");
    const struct bound *b;
    bool optional = name.n && name.at[name.n - 1] == '?';

    *present = true;
    if (name.n == 0)
        return !s->op->does->needs_weight || s->op->does->weightless
                   ? PITH_OK : pi_step_fail(s, l->err, "no weight is named");
    name.n -= optional;
    b = find_bound(l->from, name, "", s->layer);
    if (b) {
        s->w = b->m;
        b = find_bound(l->from, name, ".bias", s->layer);
        if (b)
            s->bias = b->m;
        b = find_bound(l->from, name, ".long", s->layer);
        if (b)
            s->more = b->m;
    } else if (!optional) {
        return pi_step_fail(s, l->err, "no weight is called %.*s", (int)name.n, name.at);
    } else {
        /* Where an operation can do without, its weight is optional and not the step. */
        *present = !s->op->does->needs_weight;
    }
    return PITH_OK;
}

/* A new value under the step's name, or the input's if the operation works in place. */
static int name_output(struct linker *l, struct linked *s, int64_t width, bool per_output)
{
    struct program *p = l->program;
    struct str name = pi_str(s->step->out);
    int i = find_name(l, name), index = p->n_steps;

    if (s->op->does->in_place && s->in[0] >= 0 && i < l->n_names && l->names[i].value == s->in[0]) {
        s->out = s->in[0];
        return PITH_OK;
    }
    if (i == MAX_VALUE_NAMES)
        return pi_step_fail(s, l->err, "more than %d names", MAX_VALUE_NAMES);
    s->out = p->n_values;
    p->values[p->n_values++] = (struct value){ name, width, per_output, index, index };
    l->names[i].name = name;
    l->names[i].value = s->out;
    l->n_names += i == l->n_names;
    return PITH_OK;
}

static int link_step(struct linker *l, const struct step *step, int layer)
{
    struct program *p = l->program;
    struct linked *s = &p->steps[p->n_steps];
    struct shaping at = { .program = p, .s = s, .arena = l->arena };
    bool present, per_output = false;
    double when = 1;

    *s = (struct linked){ .op = &pi_ops[step->op], .step = step, .layer = layer };
    if (step->when)
        TRY(pi_numbers_eval(l->from->numbers, pi_str(step->when), layer, &when, l->err));
    if (when == 0)
        return PITH_OK;
    TRY(read_weight(l, s, &present));
    if (!present)
        return PITH_OK;
    TRY(read_inputs(l, s));
    TRY(read_params(l, s));
    for (int i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0) {
            at.in[i] = p->values[s->in[i]].width;
            per_output |= p->values[s->in[i]].per_output;
        }
    TRY(s->op->does->shape(&at, l->err));
    TRY(name_output(l, s, at.width, per_output || step->op == OP_PICK));
    p->n_steps++;
    return PITH_OK;
}

static int link_list(struct linker *l, const struct step *list, int layer)
{
    for (; list && list->out; list++)
        TRY(link_step(l, list, layer));
    return PITH_OK;
}

static int count_steps(const struct step *list)
{
    int n = 0;

    while (list && list[n].out)
        n++;
    return n;
}

/* Keeps the steps that the result needs, and notes until when each value is needed. */
static void drop_unused(struct program *p, bool *needed)
{
    int kept = 0;

    memset(needed, 0, (size_t)p->n_values * sizeof *needed);
    needed[p->result] = true;
    for (int i = p->n_steps - 1; i >= 0; i--)
        for (int j = 0; needed[p->steps[i].out] && j < p->steps[i].n_in; j++)
            if (p->steps[i].in[j] >= 0)
                needed[p->steps[i].in[j]] = true;
    for (int i = 0; i < p->n_steps; i++)
        if (needed[p->steps[i].out])
            p->steps[kept++] = p->steps[i];
    p->n_steps = kept;
    for (int i = 0; i < p->n_values; i++)
        p->values[i].first = p->values[i].last = -1;
    for (int i = 0; i < p->n_steps; i++) {
        struct value *out = &p->values[p->steps[i].out];

        if (out->first < 0)
            out->first = i;
        out->last = i;
        for (int j = 0; j < p->steps[i].n_in; j++)
            if (p->steps[i].in[j] >= 0)
                p->values[p->steps[i].in[j]].last = i;
    }
    p->values[p->result].last = p->n_steps;
}

int pi_link(struct program *p, struct arena *arena, const struct linkage *from, pith_error *err)
{
    struct linker l = { .from = from, .program = p, .arena = arena, .err = err };
    const struct part *part = pi_arch_part(from->arch, from->part);
    int64_t layers, most;
    bool *needed;

    *p = (struct program){ .exact = from->exact, .by_count = from->by_count,
                            .kv = from->kv, .kernels = from->kernels };
    if (!part)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s has no part called %s", from->arch->name,
                       from->part);
    TRY(pi_numbers_count(from->numbers, pi_str(part->layers), -1, 1, &layers, err));
    most = count_steps(part->enter) + layers * count_steps(part->block) +
           count_steps(part->leave);
    if (most > INT32_MAX)
        return pi_fail(err, PITH_E_LIMIT, "%lld layers are too many", (long long)layers);
    p->layers = (int)layers;
    p->steps = pi_arena_alloc(arena, (size_t)most, sizeof *p->steps);
    p->values = pi_arena_alloc(arena, (size_t)most, sizeof *p->values);
    needed = pi_arena_alloc(arena, (size_t)most, sizeof *needed);
    if (!p->steps || !p->values || !needed)
        return pi_no_memory(err, "the program", (size_t)most * sizeof *p->steps);
    TRY(link_list(&l, part->enter, -1));
    for (int layer = 0; layer < p->layers; layer++)
        TRY(link_list(&l, part->block, layer));
    TRY(link_list(&l, part->leave, -1));
    p->result = find_name(&l, pi_str(from->result));
    if (p->result == l.n_names)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s computes no %s", from->arch->name,
                       from->result);
    p->result = l.names[p->result].value;
    drop_unused(p, needed);
    return pi_fuse(p, arena, err);
}
