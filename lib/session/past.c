/* past.c - going back where the state cannot: a copy of it from before, and the tokens since.
 *
 * Keys and values are addressed by position, so a rewind only has to forget. The state of a
 * recurrence is one sum over all tokens; it goes back to a mark that is early enough, or to
 * nothing, and takes in again what the history says came between.
 */
#include "session.h"

int pi_past_open(pith_session *s, pith_error *err)
{
    size_t state = s->plan.recurrent_bytes, logits = (size_t)s->model->vocabulary * sizeof(float);

    if (state == 0)
        return PITH_OK;
    if (!pi_mul_size(state, 2, &s->past.block_bytes) ||
        !pi_add_size(s->past.block_bytes, logits, &s->past.block_bytes))
        return pi_fail(err, PITH_E_LIMIT, "the marks do not fit the address space");
    s->past.block = pi_alloc(&s->arena.allocator, s->past.block_bytes);
    if (!s->past.block)
        return pi_no_memory(err, "marks of the state", s->past.block_bytes);
    s->past.end.state = s->past.block;
    s->past.fork.state = s->past.block + state;
    s->past.logits = (float *)(void *)(s->past.block + 2 * state);
    return PITH_OK;
}

void pi_past_close(pith_session *s)
{
    if (s->past.block)
        pi_free(&s->arena.allocator, s->past.block, s->past.block_bytes);
}

static void load_mark(pith_session *s, const struct mark *mark)
{
    memcpy(s->run.state, mark->state, s->plan.recurrent_bytes);
    s->past.at = mark->position;
}

static void save_mark(pith_session *s, struct mark *mark)
{
    memcpy(mark->state, s->run.state, s->plan.recurrent_bytes);
    mark->position = s->past.at;
}

int pi_past_settle(pith_session *s, pith_error *err)
{
    struct past *past = &s->past;
    int64_t to = s->position, from;

    if (!past->block)
        return PITH_OK;
    if (past->end.position > to)
        past->end.position = 0;
    if (past->fork.position > to)
        past->fork.position = 0;
    if (past->at == to)
        return PITH_OK;
    from = pi_max(past->end.position, past->fork.position);
    if (past->at < from || past->at > to) {
        past->at = 0;
        if (from > 0)
            load_mark(s, past->end.position == from ? &past->end : &past->fork);
    }
    from = past->at;
    while (past->at < to)
        TRY(pi_session_run(s, s->history + past->at, pi_min(to - past->at, s->plan.batch),
                           past->at, 1, err));
    /* Where more than half had to be computed again, the next time shall be cheaper. */
    if (to - from > to / 2)
        save_mark(s, &past->fork);
    return PITH_OK;
}

void pi_past_mark_end(pith_session *s)
{
    if (!s->past.block)
        return;
    save_mark(s, &s->past.end);
    memcpy(s->past.logits, pi_session_logits(s), (size_t)s->model->vocabulary * sizeof(float));
}

bool pi_past_return(pith_session *s, int64_t position)
{
    struct past *past = &s->past;

    if (!past->block || past->end.position != position)
        return false;
    load_mark(s, &past->end);
    s->run.n_outputs = 1;
    memcpy(pi_run_value(&s->run, s->model->program.result), past->logits,
           (size_t)s->model->vocabulary * sizeof(float));
    s->position = position;
    s->pending = -1;
    s->has_logits = true;
    return true;
}
