/* model.c - opens a model: file -> architecture -> numbers -> weights -> program -> tokenizer.
 *
 * Nothing is converted and nothing large is copied; what the file says has been proved by
 * the time this returns.
 *
 * Before: lib/api/pith.c. Next: file/gguf.c.
 */
#include "model.h"

#include "file/folder.h"

static int choose_arch(pith_model *m, pith_error *err)
{
    struct found_arch f;

    TRY(pi_model_find_arch(&f, &m->weights, err));
    m->arch = f.arch;
    m->wrapper = f.wrapper;
    m->arch_name = pi_arena_text(&m->arena, f.name.at, f.name.n);
    return m->arch_name ? PITH_OK : pi_no_memory(err, "a name", f.name.n);
}

/* exact, fast, reproducible, or what suits the file: float32 weights deserve float32 arithmetic. */
static int choose_precision(pith_model *m, const pith_options *options, pith_error *err)
{
    struct str name = STR("auto");

    pi_option_str(options, PITH_OPT_PRECISION, 0, &name);
    m->exact = pi_str_equal(name, STR("exact"));
    m->by_count = pi_str_equal(name, STR("fast"));
    if (m->exact || m->by_count || pi_str_equal(name, STR("reproducible")))
        return PITH_OK;
    if (!pi_str_equal(name, STR("auto")))
        return pi_fail(err, PITH_E_ARGUMENT, "precision is \"%.*s\"; auto, exact, fast and "
                       "reproducible are possible", (int)pi_min_size(name.n, 40), name.at);
    m->exact = true;
    for (int64_t i = 0; i < m->weights.n_tensors; i++)
        m->exact &= m->weights.tensors[i].dtype == DTYPE_F32;
    m->by_count = !m->exact;
    return PITH_OK;
}

/* How sessions keep keys and values. */
static int choose_kv(const pith_model *m, const pith_options *options, enum kv_type *out,
                     pith_error *err)
{
    static const char *const names[KV_COUNT] = { "f32", "f16", "bf16", "q8" };
    struct str name = STR("auto");

    pi_option_str(options, PITH_OPT_KV_TYPE, 0, &name);
    *out = m->exact ? KV_F32 : m->tiers & TIER_BF16 ? KV_BF16 : KV_F16;
    if (pi_str_equal(name, STR("auto")))
        return PITH_OK;
    for (int i = 0; i < KV_COUNT; i++)
        if (pi_str_equal(name, pi_str(names[i]))) {
            *out = (enum kv_type)i;
            return PITH_OK;
        }
    return pi_fail(err, PITH_E_ARGUMENT, "kv_type is \"%.*s\"; auto, f32, f16, bf16 and q8 are "
                   "possible", (int)pi_min_size(name.n, 40), name.at);
}

static int build_program(pith_model *m, const pith_options *options, pith_error *err)
{
    const struct meta *tokens;
    struct linkage linkage = { .part = "decode", .result = "logits" };

    TRY(pi_meta_array(&m->weights, "tokenizer.ggml.tokens", META_STR, &tokens, err));
    TRY(pi_config_read(&m->numbers, m->arch, pi_str(m->arch_name), m->wrapper != NULL,
                       &m->weights, tokens ? (double)tokens->count : 0, &m->arena, err));
    TRY(pi_bind(&m->bounds, NULL, &m->n_bounds, m->arch, m->wrapper ? m->wrapper->beside : "",
                &m->numbers, &m->weights, &m->kernels, &m->arena, err));
    linkage.arch = m->arch;
    linkage.numbers = &m->numbers;
    linkage.bounds = m->bounds;
    linkage.n_bounds = m->n_bounds;
    linkage.kernels = &m->kernels;
    linkage.exact = m->exact;
    TRY(choose_kv(m, options, &linkage.kv, err));
    linkage.by_count = m->by_count;
    TRY(pi_link(&m->program, &m->arena, &linkage, err));
    m->vocabulary = m->program.values[m->program.result].width;
    if (m->vocabulary > INT32_MAX)
        return pi_fail(err, PITH_E_LIMIT, "%lld tokens, at most %d are possible",
                       (long long)m->vocabulary, INT32_MAX);
    return pi_numbers_count(&m->numbers, STR("ctx"), -1, 1, &m->context, err);
}

static int add_ends(pith_model *m, pith_error *err)
{
    const struct meta *ends;

    TRY(pi_tokenizer_folder_ends(&m->weights, pi_tokenizer_size(m->tokenizer), &ends, err));
    for (uint64_t i = 0; ends && i < ends->count; i++)
        TRY(pi_tokenizer_add_end(m->tokenizer, (int64_t)pi_meta_number(ends, i), err));
    return PITH_OK;
}

static int open_tokenizer(pith_model *m, pith_error *err)
{
    struct weights *w = &m->weights;
    struct str text = STR(""), config = STR("");
    bool found;

    if (!w->hf)
        return pi_tokenizer_open(&m->tokenizer, &m->arena, w, err);
    TRY(pi_folder_text(w, "tokenizer.json", &text, &found, &m->arena, err));
    if (!found)
        return PITH_OK;
    TRY(pi_folder_text(w, "tokenizer_config.json", &config, &found, &m->arena, err));
    TRY(pi_tokenizer_open_json(&m->tokenizer, &m->arena, text, config, err));
    return add_ends(m, err);
}

/* Every id that the tokenizer can give must have a row in the embedding. */
static int check_vocabulary(pith_model *m, pith_error *err)
{
    int64_t tokens = m->tokenizer ? pi_tokenizer_size(m->tokenizer) : 0;

    if (!m->arch)
        m->vocabulary = tokens;
    if (tokens > m->vocabulary)
        return pi_fail(err, PITH_E_FORMAT, "the vocabulary has %lld tokens, the model only "
                       "%lld", (long long)tokens, (long long)m->vocabulary);
    if (!m->arch && !m->tokenizer)
        return pi_fail(err, PITH_E_FORMAT, "the file holds neither tensors nor a vocabulary");
    return PITH_OK;
}

static int open_parts(pith_model *m, const struct source *source, const pith_options *options,
                      pith_error *err)
{
    TRY(pi_weights_open(&m->weights, &m->arena, source, err));
    TRY(choose_arch(m, err));
    TRY(choose_precision(m, options, err));
    if (m->arch)
        TRY(build_program(m, options, err));
    TRY(open_tokenizer(m, err));
    return check_vocabulary(m, err);
}

int pi_model_open(pith_model **out, const struct source *source, const pith_options *options,
                  pith_error *err)
{
    struct allocator allocator = pi_options_allocator(options);
    struct arena arena;
    pith_model *m;
    int status;

    pi_arena_init(&arena, &allocator);
    m = pi_arena_alloc(&arena, 1, sizeof *m);
    if (!m)
        return pi_no_memory(err, "a model", sizeof *m);
    m->arena = arena;
    atomic_init(&m->references, 1);
    m->tiers = pi_cpu_tiers() & (uint32_t)pi_option_i64(options, PITH_OPT_TIERS);
    pi_kernels_pick(&m->kernels, m->tiers);
    status = open_parts(m, source, options, err);
    if (status != PITH_OK) {
        pi_model_close(m);
        return status;
    }
    *out = m;
    return PITH_OK;
}

void pi_model_close(pith_model *m)
{
    struct arena arena = m->arena;

    pi_weights_close(&m->weights);
    pi_arena_free(&arena);
}
