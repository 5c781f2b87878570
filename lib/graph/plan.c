/* plan.c - lays out a session's memory: values in one slab, state, scratch.
 *
 * Values whose lifetimes do not meet may lie in the same place: each is put at the lowest offset
 * that no value alive at the same time covers.
 */
#include "graph.h"

/* Bytes of a value for the plan's batch; false on overflow. */
static bool value_bytes(const struct plan *plan, const struct value *v, size_t *bytes)
{
    size_t rows = (size_t)(v->per_output ? plan->outputs : plan->batch);

    return pi_mul_size((size_t)pi_row_stride(v->width) * sizeof(float), rows, bytes);
}

static bool lives_with(const struct value *a, const struct value *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset for value `i` beside those placed before it; false on overflow. */
static bool place_value(struct plan *plan, const struct program *program, int i)
{
    const struct value *v = &program->values[i];
    size_t bytes, other = 0, end;
    bool moved = true;

    if (!value_bytes(plan, v, &bytes))
        return false;
    plan->value_at[i] = 0;
    while (moved) {
        moved = false;
        for (int j = 0; j < i; j++) {
            size_t at = plan->value_at[j];

            if (program->values[j].first < 0 || !lives_with(v, &program->values[j]))
                continue;
            value_bytes(plan, &program->values[j], &other);
            if (plan->value_at[i] < at + other && at < plan->value_at[i] + bytes) {
                plan->value_at[i] = at + other;
                moved = true;
            }
        }
    }
    if (!pi_add_size(plan->value_at[i], bytes, &end))
        return false;
    if (end > plan->slab_bytes)
        plan->slab_bytes = end;
    return true;
}

/* State behind state, in the order of the steps; scratch as large as the greediest step needs. */
static bool place_state(struct plan *plan, const struct program *program, bool recurrent)
{
    for (int i = 0; i < program->n_steps; i++) {
        const struct linked *s = &program->steps[i];
        struct needs needs = { 0 };

        if (s->op->does->recurrent != recurrent)
            continue;
        plan->state_at[i] = plan->state_bytes;
        if (!s->op->does->need)
            continue;
        if (!s->op->does->need(program, s, plan, &needs) ||
            !pi_align_size(needs.state, PI_CACHE_LINE, &needs.state) ||
            !pi_align_size(needs.shared, PI_CACHE_LINE, &needs.shared) ||
            !pi_align_size(needs.thread, PI_CACHE_LINE, &needs.thread) ||
            !pi_add_size(plan->state_bytes, needs.state, &plan->state_bytes))
            return false;
        if (needs.shared > plan->shared_bytes)
            plan->shared_bytes = needs.shared;
        if (needs.thread > plan->thread_bytes)
            plan->thread_bytes = needs.thread;
    }
    return true;
}

static bool place_steps(struct plan *plan, const struct program *program)
{
    if (!place_state(plan, program, true))
        return false;
    plan->recurrent_bytes = plan->state_bytes;
    return place_state(plan, program, false);
}

int pi_plan(struct plan *plan, const struct program *program, struct arena *arena,
            int64_t batch, int64_t outputs, int64_t capacity, int threads, pith_error *err)
{
    bool fits = true;

    *plan = (struct plan){ .batch = batch, .outputs = outputs, .capacity = capacity,
                           .threads = threads };
    plan->value_at = pi_arena_alloc(arena, (size_t)program->n_values, sizeof *plan->value_at);
    plan->state_at = pi_arena_alloc(arena, (size_t)program->n_steps, sizeof *plan->state_at);
    if (!plan->value_at || !plan->state_at)
        return pi_no_memory(err, "the memory plan",
                            (size_t)program->n_values * sizeof *plan->value_at);
    for (int i = 0; fits && i < program->n_values; i++)
        if (program->values[i].first >= 0)
            fits = place_value(plan, program, i);
    if (!fits || !place_steps(plan, program))
        return pi_fail(err, PITH_E_LIMIT, "a session of %lld tokens does not fit the address "
                       "space", (long long)capacity);
    return PITH_OK;
}
