/* fuse.c - what a run of one token spares: meetings of the workers, and norms of one worker.
 *
 * Behind a step the workers meet because the next may read what another worker wrote. With one
 * row, a product with a matrix and what follows element by element give each worker the same
 * columns, and steps that do not touch one another's values need no meeting at all. A norm whose
 * readers all are products is computed by every worker for itself, as it quantises the row.
 *
 * Runs of many tokens go through steps that compute row by row, and through the packing of the
 * product behind them, with a few rows at a time, which stay in the cache.
 *
 * Before: link.c. Next: run.c.
 */
#include "graph.h"

/* What was done with a value since the workers met. */
enum touched { UNTOUCHED, COLUMNS, ANYHOW };

struct use {
    uint8_t read, written; /* enum touched */
};

/* The last step that reads value v after step i, before another step writes it anew; -1 if one of
 * the readers is no product. */
static int last_product(const struct program *p, int i, int v)
{
    int last = -1;

    for (int j = i + 1; j <= p->values[v].last && j < p->n_steps; j++) {
        const struct linked *s = &p->steps[j];
        bool reads = false;

        for (int k = 0; k < s->n_in; k++)
            reads |= s->in[k] == v;
        if (reads && s->op != &pi_ops[OP_LINEAR])
            return -1;
        if (reads)
            last = j;
        if (s->out == v)
            break;
    }
    return v == p->result ? -1 : last;
}

/* Leaves a norm of whole rows to its readers. */
static void leave_norm(struct program *p, int i)
{
    struct linked *s = &p->steps[i];
    int last = last_product(p, i, s->out), from = s->in[0];

    if (s->op != &pi_ops[OP_NORM] || last < 0 || !pi_norm_is_whole(s, p->values[s->out].width))
        return;
    for (int j = i + 1; from != s->out && j < last; j++)
        if (p->steps[j].out == from)
            return;
    s->left = true;
    for (int j = i + 1; j <= last; j++)
        if (p->steps[j].op == &pi_ops[OP_LINEAR] && p->steps[j].in[0] == s->out)
            p->steps[j].norm = s;
    if (p->values[from].last < last)
        p->values[from].last = last;
}

/* Element by element: reads and writes the worker's own columns only. */
static bool is_by_columns(const struct program *p, const struct linked *s)
{
    bool same = s->op->does->single == SINGLE_COLUMNS;

    for (int k = 0; k < s->n_in; k++)
        same &= s->in[k] >= 0 && p->values[s->in[k]].width == p->values[s->out].width;
    return same;
}

static bool clashes(uint8_t before, enum touched now)
{
    return before != UNTOUCHED && (before != COLUMNS || now != COLUMNS);
}

/* Whether the workers must meet before the step; if they need not, notes what it touches. */
static bool touch(const struct program *p, const struct linked *s, struct use *uses, bool check)
{
    bool by_columns = is_by_columns(p, s);
    enum touched reads = by_columns ? COLUMNS : ANYHOW;
    enum touched writes = by_columns || s->op->does->single == SINGLE_PRODUCT ? COLUMNS : ANYHOW;

    for (int k = 0; k < s->n_in; k++) {
        int v = k == 0 && s->norm ? s->norm->in[0] : s->in[k];

        if (v >= 0 && check && clashes(uses[v].written, reads))
            return true;
        if (v >= 0 && !check && uses[v].read < reads)
            uses[v].read = (uint8_t)reads;
    }
    if (check)
        return clashes(uses[s->out].written, writes) || clashes(uses[s->out].read, writes);
    uses[s->out].written = (uint8_t)writes;
    return false;
}

/* Steps whose rows need no others, and a product behind them, which packs its rows. */
static void chain(struct program *p)
{
    for (int i = 0; i + 1 < p->n_steps; i++) {
        struct linked *s = &p->steps[i], *next = s + 1;

        s->chained = s->op != &pi_ops[OP_LINEAR] && s->op->does->rows && next->op->does->rows &&
                     p->values[s->out].per_output == p->values[next->out].per_output;
    }
}

/* Workers may be at different steps when one is here. */
static bool is_met(const struct linked *s) { return s->meet && !s->chained; }

/* Values of steps between two meetings live until the second, and from the first on. */
static void stretch(struct program *p)
{
    for (int i = 0; i < p->n_values; i++) {
        struct value *v = &p->values[i];

        while (v->first > 0 && !is_met(&p->steps[v->first - 1]))
            v->first--;
        while (v->first >= 0 && v->last < p->n_steps - 1 && !is_met(&p->steps[v->last]))
            v->last++;
    }
}

int pi_fuse(struct program *p, struct arena *arena, pith_error *err)
{
    struct use *uses = pi_arena_alloc(arena, (size_t)p->n_values, sizeof *uses);
    bool alone = true; /* the step before was one behind which workers always meet */

    if (!uses)
        return pi_no_memory(err, "the program", (size_t)p->n_values * sizeof *uses);
    for (int i = 0; i < p->n_steps; i++)
        leave_norm(p, i);
    for (int i = 0; i < p->n_steps; i++) {
        struct linked *s = &p->steps[i];
        bool any = s->op->does->single == SINGLE_ANYHOW;

        if (s->left)
            continue;
        if (i > 0 && (any || alone || touch(p, s, uses, true))) {
            p->steps[i - 1].meet = true;
            memset(uses, 0, (size_t)p->n_values * sizeof *uses);
        }
        touch(p, s, uses, false);
        alone = any;
    }
    if (p->n_steps)
        p->steps[p->n_steps - 1].meet = true;
    chain(p);
    stretch(p);
    return PITH_OK;
}
