/* facts.c - numbers about a model, and the check that all its weights are numbers.
 */
#include "model.h"

#include <math.h>

/* A key of the architecture as a whole number, 0 if there is none. */
static int64_t key_number(const pith_model *m, const char *name)
{
    int64_t value = 0;

    if (m->arch)
        pi_numbers_count(&m->numbers, pi_str(name), -1, 0, &value, NULL);
    return value;
}

static int64_t tensor_elements(const struct tensor *t)
{
    return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
}

static int64_t sum_tensors(const pith_model *m, bool bytes)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < m->weights.n_tensors; i++)
        sum += bytes ? (int64_t)m->weights.tensors[i].bytes
                     : tensor_elements(&m->weights.tensors[i]);
    return sum;
}

/* How many slices of its weight a matrix product uses for a token; 0 for other steps. */
static int64_t slices_used(const pith_model *m, const struct linked *s)
{
    bool product = s->step->op == OP_LINEAR || s->step->op == OP_EXPERTS || s->step->op == OP_EACH;

    return product ? m->program.values[s->out].width / s->w.rows : 0;
}

/* Bytes, or operations, of the matrix products that run once per token, or once per output. */
static int64_t sum_products(const pith_model *m, bool per_output, bool bytes)
{
    int64_t sum = 0;

    for (int i = 0; i < m->program.n_steps; i++) {
        const struct linked *s = &m->program.steps[i];

        if (m->program.values[s->out].per_output == per_output)
            sum += slices_used(m, s) * s->w.rows * (bytes ? s->w.stride : 2 * s->w.cols);
    }
    return sum;
}

/* What a session of that many positions keeps. */
static int64_t kept_bytes(const pith_model *m, int64_t capacity)
{
    struct plan plan = { .batch = 1, .outputs = 1, .capacity = capacity, .threads = 1 };
    int64_t sum = 0;

    for (int i = 0; i < m->program.n_steps; i++) {
        const struct linked *s = &m->program.steps[i];
        struct needs needs = { 0 };

        if (s->op->does->need && s->op->does->need(&m->program, s, &plan, &needs))
            sum += (int64_t)needs.state;
    }
    return sum;
}

/* What it keeps for one more position; steps may keep them in blocks. */
static int64_t state_bytes(const pith_model *m)
{
    enum { SOME = 1024 };

    return (kept_bytes(m, 2 * SOME) - kept_bytes(m, SOME)) / SOME;
}

int64_t pi_model_number(const pith_model *m, int32_t key)
{
    switch (key) {
    case PITH_MODEL_VOCABULARY: return m->vocabulary;
    case PITH_MODEL_CONTEXT: return m->context;
    case PITH_MODEL_WIDTH: return key_number(m, "dim");
    case PITH_MODEL_LAYERS: return m->program.layers;
    case PITH_MODEL_PARAMETERS: return sum_tensors(m, false);
    case PITH_MODEL_BYTES: return sum_tensors(m, true);
    case PITH_MODEL_TENSORS: return m->weights.n_tensors;
    case PITH_MODEL_BOS: return m->tokenizer ? pi_token_bos(m->tokenizer) : -1;
    case PITH_MODEL_EOS: return m->tokenizer ? pi_token_eos(m->tokenizer) : -1;
    case PITH_MODEL_TIERS: return m->tiers;
    case PITH_MODEL_EXACT: return m->exact;
    case PITH_MODEL_TOKEN_BYTES: return sum_products(m, false, true);
    case PITH_MODEL_TOKEN_OPERATIONS: return sum_products(m, false, false);
    case PITH_MODEL_OUTPUT_BYTES: return sum_products(m, true, true);
    case PITH_MODEL_OUTPUT_OPERATIONS: return sum_products(m, true, false);
    case PITH_MODEL_STATE_BYTES: return state_bytes(m);
    }
    return 0;
}

/* The first weight of the tensor that is no finite number, or -1. */
static int64_t find_broken(const struct tensor *t, unpack_fn *unpack)
{
    enum { AT_ONCE = 256 };
    float values[AT_ONCE];
    int64_t n = tensor_elements(t);
    struct dtype_info info = pi_dtype(t->dtype);

    for (int64_t i = 0; i < n; i += AT_ONCE) {
        int64_t some = pi_min(AT_ONCE, n - i);

        unpack(values, t->data + i / info.block * info.bytes, some);
        for (int64_t j = 0; j < some; j++)
            if (!isfinite(values[j]))
                return i + j;
    }
    return -1;
}

int pi_model_verify(const pith_model *m, pith_error *err)
{
    for (int64_t i = 0; i < m->weights.n_tensors; i++) {
        const struct tensor *t = &m->weights.tensors[i];
        unpack_fn *unpack = m->kernels.unpack[t->dtype];
        int64_t broken = -1;

        if (unpack && !(m->wrapper && pi_is_beside(m->wrapper->beside, t->name)))
            broken = find_broken(t, unpack);
        if (broken >= 0)
            return pi_fail(err, PITH_E_NUMERIC, "%.*s: value %lld is not a finite number",
                           (int)pi_min_size(t->name.n, 80), t->name.at, (long long)broken);
    }
    return PITH_OK;
}
