/* session.c - feed tokens, read logits, rewind.
 *
 * All memory is taken when the session opens. A position counts only once its run has
 * succeeded, so a failed or cancelled call leaves the session as it was.
 *
 * Before: kernel/scalar/dot.c. Next: sample.c.
 */
#include "session.h"

#include <math.h>

enum {
    DEFAULT_CONTEXT = 4096,      /* tokens, where the model was trained for more */
    OUTPUT_BYTES = 8 << 20,      /* of logits kept at once */
    THREAD_BYTES = 8 << 20,      /* of weights that make another thread worth its while */
};

/* As many as there are processors, as long as each has enough to read per token to make up for the
 * meetings; on a busy machine those are what a small model would mostly wait for. */
static int64_t useful_threads(const pith_model *m)
{
    int64_t bytes = pi_model_number(m, PITH_MODEL_TOKEN_BYTES) +
                    pi_model_number(m, PITH_MODEL_OUTPUT_BYTES);

    return pi_min(pi_cpu_count(), 1 + bytes / THREAD_BYTES);
}

/* Sizes from the options, bounded by what the model knows. */
static int choose_sizes(const pith_model *m, const pith_options *o, struct plan *plan,
                        pith_error *err)
{
    int64_t context = pi_option_i64(o, PITH_OPT_CONTEXT);
    int64_t threads = pi_option_i64(o, PITH_OPT_THREADS);

    if (context > m->context)
        return pi_fail(err, PITH_E_LIMIT, "a context of %lld is asked for, the model has %lld",
                       (long long)context, (long long)m->context);
    plan->capacity = context ? context : pi_min(m->context, DEFAULT_CONTEXT);
    plan->batch = pi_min(pi_option_i64(o, PITH_OPT_BATCH), plan->capacity);
    plan->outputs = pi_max(1, pi_min(plan->batch, OUTPUT_BYTES / (m->vocabulary * 4)));
    plan->threads = (int)(threads ? threads : useful_threads(m));
    return PITH_OK;
}

static int take_block(pith_session *s, uint8_t **out, size_t size, const char *what,
                      pith_error *err)
{
    *out = size ? pi_alloc(&s->arena.allocator, size) : NULL;
    return *out || !size ? PITH_OK : pi_no_memory(err, what, size);
}

/* Rows are padded to whole cache lines; what pads them must be numbers. */
static void clear_padding(pith_session *s)
{
    const struct program *p = &s->model->program;

    for (int i = 0; i < p->n_values; i++) {
        int64_t rows = p->values[i].per_output ? s->plan.outputs : s->plan.batch;
        int64_t stride = pi_row_stride(p->values[i].width);

        if (p->values[i].first >= 0 && p->values[i].width != stride)
            memset(s->run.slab + s->plan.value_at[i], 0, (size_t)(rows * stride) * sizeof(float));
    }
}

static int open_memory(pith_session *s, const pith_options *options, pith_error *err)
{
    const pith_model *m = s->model;
    struct plan want = { 0 };

    TRY(choose_sizes(m, options, &want, err));
    TRY(pi_plan(&s->plan, &m->program, &s->arena, want.batch, want.outputs, want.capacity,
                want.threads, err));
    s->run = (struct run){ .program = &m->program, .plan = &s->plan, .kernels = &m->kernels,
                           .cancel = &s->cancel };
    if (!pi_mul_size(s->plan.thread_bytes, (size_t)want.threads, &s->scratch_bytes))
        return pi_fail(err, PITH_E_LIMIT, "the scratch memory does not fit the address space");
    s->history = pi_arena_alloc(&s->arena, (size_t)want.capacity, sizeof *s->history);
    s->sampler.candidates = pi_arena_alloc(&s->arena, (size_t)m->vocabulary,
                                           sizeof *s->sampler.candidates);
    if (!s->history || !s->sampler.candidates)
        return pi_no_memory(err, "the token history", (size_t)want.capacity * 4);
    TRY(take_block(s, &s->run.slab, s->plan.slab_bytes, "the values of a batch", err));
    TRY(take_block(s, &s->run.state, s->plan.state_bytes, "keys and values", err));
    TRY(take_block(s, &s->run.shared, s->plan.shared_bytes, "shared scratch", err));
    TRY(take_block(s, &s->run.scratch, s->scratch_bytes, "scratch", err));
    TRY(pi_past_open(s, err));
    clear_padding(s);
    TRY(pi_pool_open(&s->pool, want.threads, &s->arena.allocator, err));
    s->run.pool = s->pool;
    return PITH_OK;
}

int pi_session_open(pith_session **out, pith_model *model, const pith_options *options,
                    pith_error *err)
{
    struct arena arena;
    pith_session *s;
    int status;

    if (!model->arch)
        return pi_fail(err, PITH_E_UNSUPPORTED, "the model is a vocabulary without weights");
    pi_arena_init(&arena, &model->arena.allocator);
    s = pi_arena_alloc(&arena, 1, sizeof *s);
    if (!s)
        return pi_no_memory(err, "a session", sizeof *s);
    s->arena = arena;
    s->model = model;
    s->pending = -1;
    atomic_fetch_add(&model->references, 1);
    status = open_memory(s, options, err);
    if (status != PITH_OK) {
        pi_session_close(s);
        return status;
    }
    *out = s;
    return PITH_OK;
}

void pi_session_close(pith_session *s)
{
    struct arena arena = s->arena;
    pith_model *model = s->model;

    pi_pool_close(s->pool);
    pi_free(&arena.allocator, s->run.slab, s->plan.slab_bytes);
    pi_free(&arena.allocator, s->run.state, s->plan.state_bytes);
    pi_free(&arena.allocator, s->run.shared, s->plan.shared_bytes);
    pi_free(&arena.allocator, s->run.scratch, s->scratch_bytes);
    pi_past_close(s);
    pi_arena_free(&arena);
    pith_model_release(model);
}

static int check_ids(const pith_session *s, const int32_t *ids, int64_t n, pith_error *err)
{
    if (n > s->plan.capacity - s->position)
        return pi_fail(err, PITH_E_LIMIT, "%lld tokens do not fit: the session holds %lld of "
                       "at most %lld", (long long)n, (long long)s->position,
                       (long long)s->plan.capacity);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= s->model->vocabulary)
            return pi_fail(err, PITH_E_ARGUMENT, "token %lld is %d; ids from 0 to %lld exist",
                           (long long)i, ids[i], (long long)s->model->vocabulary - 1);
    return PITH_OK;
}

int pi_session_run(pith_session *s, const int32_t *ids, int64_t n, int64_t at, int64_t outputs,
                   pith_error *err)
{
    int status;

    s->has_logits = false;
    s->run.ids = ids;
    s->run.n = n;
    s->run.position = at;
    s->run.n_outputs = outputs;
    s->past.at = -1;
    status = pi_run(&s->run, err);
    if (status == PITH_E_CANCELLED)
        atomic_store(&s->cancel, 0);
    if (status == PITH_OK)
        s->past.at = at + n;
    return status;
}

static void commit(pith_session *s, const int32_t *ids, int64_t n)
{
    memmove(s->history + s->position, ids, (size_t)n * sizeof *ids);
    s->position += n;
    s->has_logits = true;
}

int pi_session_feed(pith_session *s, const int32_t *ids, int64_t n, pith_error *err)
{
    TRY(check_ids(s, ids, n, err));
    if (n == 0)
        return PITH_OK;
    TRY(pi_past_settle(s, err));
    for (int64_t done = 0; done < n;) {
        int64_t some = pi_min(n - done, s->plan.batch);

        /* A chunk that is not the last needs no logits, but per-output rows must exist. */
        TRY(pi_session_run(s, ids + done, some, s->position + done, done + some == n, err));
        done += some;
    }
    commit(s, ids, n);
    if (n > 1)
        pi_past_mark_end(s);
    return PITH_OK;
}

const float *pi_session_logits(const pith_session *s)
{
    return pi_run_value(&s->run, s->model->program.result) +
           (s->run.n_outputs - 1) * pi_row_stride(s->model->vocabulary);
}

int pi_session_evaluate(pith_session *s, const int32_t *ids, int64_t n, each_logits_fn *each,
                        void *arg, pith_error *err)
{
    int64_t stride = pi_row_stride(s->model->vocabulary);

    TRY(check_ids(s, ids, n, err));
    if (n == 0)
        return PITH_OK;
    TRY(pi_past_settle(s, err));
    for (int64_t done = 0; done < n;) {
        int64_t some = pi_min(n - done, s->plan.outputs);

        TRY(pi_session_run(s, ids + done, some, s->position + done, some, err));
        for (int64_t i = 0; i < some; i++)
            each(arg, done + i, pi_run_value(&s->run, s->model->program.result) + i * stride);
        done += some;
    }
    commit(s, ids, n);
    return PITH_OK;
}

int pi_session_sync(pith_session *s, const int32_t *ids, int64_t n, pith_error *err)
{
    int64_t same = 0;

    while (same < n && same < s->position && s->history[same] == ids[same])
        same++;
    if (same == n && same == s->position && s->has_logits)
        return PITH_OK;
    if (same == n && pi_past_return(s, n))
        return PITH_OK;
    pi_session_rewind(s, pi_min(same, n - 1)); /* the last token's logits are wanted */
    return pi_session_feed(s, ids + s->position, n - s->position, err);
}

void pi_session_rewind(pith_session *s, int64_t position)
{
    if (position != s->position)
        s->has_logits = false;
    s->position = position;
    s->pending = -1;
}

double pi_session_logprob(const pith_session *s, const float *logits, int32_t id)
{
    float max = logits[0];

    for (int64_t i = 1; i < s->model->vocabulary; i++)
        max = logits[i] > max ? logits[i] : max;
    return (double)logits[id] - (double)max -
           log(s->model->kernels.exp_sum(logits, s->model->vocabulary, max));
}
