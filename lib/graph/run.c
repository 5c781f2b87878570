/* run.c - program -> numbers: one parallel region runs the list, a barrier after every step (for
 * one token only where it is needed).
 *
 * Before: link.c. Next: op_linear.c.
 */
#include "graph.h"

#define OP(name, inputs, params, manual) extern const struct op pi_op_##name;
#include "ops.def"
#undef OP

const struct op_row pi_ops[OP_COUNT] = {
#define OP(name, inputs, params, manual) \
    [OP_##name] = { #name, inputs, params, manual, &pi_op_##name },
#include "ops.def"
#undef OP
};

struct region {
    const struct run *run;
    atomic_int stop; /* 1 + the step behind which all workers stop; 0: go on */
};

/* The rows of a worker through step i and those chained to it; gives the next whole step. */
static int run_chain(const struct run *run, int i, int part, int parts)
{
    const struct linked *steps = run->program->steps;
    int64_t first, last;
    int end = i;

    while (steps[end].chained)
        end++;
    pi_split(pi_run_rows(run, steps[i].out), PI_MANY_GROUP, part, parts, &first, &last);
    for (int64_t t = first; t < last; t += PI_MANY_GROUP)
        for (int j = i; j <= end; j++)
            steps[j].op->does->rows(run, &steps[j], t, pi_min(t + PI_MANY_GROUP, last));
    return steps[end].op == &pi_ops[OP_LINEAR] ? end : end + 1;
}

/* Worker 0 alone looks at the cancel flag, before a step's barrier, and the others read its
 * verdict behind it: so all stop at the same step. */
static void run_steps(void *arg, int part, int parts)
{
    struct region *region = arg;
    const struct run *run = region->run;
    const struct program *p = run->program;

    for (int i = 0, next; i < p->n_steps; i = next) {
        const struct linked *s = &p->steps[i];
        bool meets = run->n > 1 || s->meet;

        if (meets && part == 0 && run->cancel &&
            atomic_load_explicit(run->cancel, memory_order_relaxed))
            atomic_store_explicit(&region->stop, i + 1, memory_order_relaxed);
        next = i + 1;
        if (pi_run_is_chained(run, s, parts))
            next = run_chain(run, i, part, parts);
        else
            s->op->does->forward(run, s, part, parts);
        if (meets)
            pi_run_barrier(run, part, parts);
        if (atomic_load_explicit(&region->stop, memory_order_relaxed) == i + 1)
            return;
    }
}

int pi_run(struct run *run, pith_error *err)
{
    struct region region = { .run = run };

    pi_pool_run(run->pool, run_steps, &region);
    if (atomic_load(&region.stop))
        return pi_fail(err, PITH_E_CANCELLED, "cancelled");
    return PITH_OK;
}
