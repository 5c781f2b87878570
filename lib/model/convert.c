/* convert.c - a Hugging Face folder becomes a GGUF file, as the peers' converters write it.
 *
 * The recipe knows both names of everything: the folder is bound as for opening, its numbers become
 * metadata, and these, read back as any reader would, say which tensors the file has to have and
 * where in the folder each of their rows lies. What does not come back as it was is refused by
 * name. Values pass through in slabs.
 *
 * Before: lib/api/files.c. Next: convert_keys.c, convert_plan.c, convert_rows.c, text/describe.c.
 */
#include "convert.h"

#include "base/thread.h"
#include "file/folder.h"
#include "file/save.h"
#include "text/describe.h"

enum {
    SLAB_VALUES = 1 << 20,
    FILE_QUANTIZATION = 2, /* GGML_QNT_VERSION, since 2023-05 */
};

/* Folders that others have quantised have weights that no row of a recipe means. */
static int check_quantization(const struct weights *w, pith_error *err)
{
    struct str method = STR("");
    bool found;

    TRY(pi_meta_str(w, "quantization_config.quant_method", &method, &found, err));
    if (!found || pi_str_equal(method, STR("mxfp4")))
        return PITH_OK;
    return pi_fail(err, PITH_E_UNSUPPORTED, "config.json: quantization_config says %.*s; convert "
                   "the folder of the original weights", (int)pi_min_size(method.n, 40),
                   method.at);
}

static int open_folder(struct converting *c, const char *in, const pith_options *options,
                       pith_error *err)
{
    struct source source = { .path = in };
    struct found_arch found;

    pi_kernels_pick(&c->kernels,
                    pi_cpu_tiers() & (uint32_t)pi_option_i64(options, PITH_OPT_TIERS));
    TRY(pi_weights_open(&c->from, &c->arena, &source, err));
    if (!c->from.hf)
        return pi_fail(err, PITH_E_UNSUPPORTED, "it is no folder; quantize takes GGUF files");
    TRY(check_quantization(&c->from, err));
    TRY(pi_model_find_arch(&found, &c->from, err));
    c->arch = found.arch;
    TRY(pi_config_read(&c->has, c->arch, found.name, found.wrapper != NULL, &c->from, 0, &c->arena,
                       err));
    return pi_bind(&c->bounds, &c->stored, &c->n_bounds, c->arch,
                   found.wrapper ? found.wrapper->beside : "", &c->has, &c->from, &c->kernels,
                   &c->arena, err);
}

/* A folder that does not open as a model is not converted either. */
static int check_program(struct converting *c, pith_error *err)
{
    struct linkage linkage = { .arch = c->arch, .numbers = &c->has, .bounds = c->bounds,
                               .n_bounds = c->n_bounds, .kernels = &c->kernels, .exact = true,
                               .part = "decode", .result = "logits" };
    struct program program;

    return pi_link(&program, &c->arena, &linkage, err);
}

/* The last part of the path, without slashes behind it. */
static struct str folder_name(const char *path)
{
    size_t end = strlen(path), start;

    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    return (struct str){ path + start, end - start };
}

static int choose_name(struct converting *c, pith_error *err)
{
    struct str rest = pi_str(c->arch->gguf ? c->arch->gguf : c->arch->name), name;

    if (!pi_str_cut(&rest, '|', &name))
        name = STR("");
    c->gguf = name.n ? pi_arch_find(name, false) : NULL;
    if (!c->gguf)
        return pi_fail(err, PITH_E_UNSUPPORTED, "no other reader of GGUF knows the architecture "
                       "%.*s", (int)c->has.arch.n, c->has.arch.at);
    c->says.arch = name;
    return PITH_OK;
}

static int write_metadata(struct converting *c, const char *in, pith_error *err)
{
    struct str name = folder_name(in);
    int64_t vocabulary = 0;

    c->metas.arena = &c->arena;
    TRY(choose_name(c, err));
    TRY(pi_metas_str(&c->metas, "general.architecture", c->says.arch, err));
    TRY(pi_metas_str(&c->metas, "general.type", STR("model"), err));
    TRY(pi_metas_str(&c->metas, "general.name", name, err));
    TRY(pi_numbers_count(&c->has, STR("vocab"), -1, 1, &vocabulary, err));
    TRY(pi_describe_tokenizer(&c->metas, &c->from, vocabulary, &c->tokens, err));
    TRY(pi_convert_keys(c, err));
    return pi_convert_check(c, err);
}

/* Of the mix asked for, or what most of the folder is. */
static int choose_types(struct converting *c, const struct mix *asked, uint32_t *file_type,
                        pith_error *err)
{
    static const char *const stored[][2] = {
        { "MXFP4", NULL }, { "BF16", "BF16" }, { "F16", "F16" }, { "F32", "F32" },
    };
    enum { FILE_MXFP4 = 38 };
    const struct mix *mix = asked;
    struct mix_facts facts;
    bool fallback;

    TRY(pi_metas_view(&c->to, &c->metas, c->tensors, c->n_targets, err));
    facts = pi_mix_facts(&c->to);
    for (size_t i = 0; i < PI_COUNT(stored) && !mix; i++)
        for (int64_t t = 0; t < c->n_targets && !mix; t++)
            if (strcmp(pi_dtype(c->tensors[t].dtype).name, stored[i][0]) == 0) {
                if (!stored[i][1]) {
                    *file_type = FILE_MXFP4;
                    return PITH_OK;
                }
                TRY(pi_mix_find(&mix, stored[i][1], err));
            }
    *file_type = mix ? pi_mix_file_type(mix) : 0;
    for (int64_t t = 0; t < c->n_targets && asked; t++)
        if (pi_dtype(c->tensors[t].dtype).block == 1 &&
            !pi_mix_wants_floats(c->tensors[t].name))
            c->tensors[t].dtype = pi_mix_choose(mix, &facts, &c->tensors[t], &fallback);
    return PITH_OK;
}

static int size_tensors(struct converting *c, pith_error *err)
{
    for (int64_t i = 0; i < c->n_targets; i++) {
        struct tensor *t = &c->tensors[i];
        size_t row, rows = (size_t)(t->ne[1] * t->ne[2] * t->ne[3]);

        if (!pi_dtype_bytes(t->dtype, (size_t)t->ne[0], &row) ||
            !pi_mul_size(row, rows, &t->bytes))
            return pi_fail(err, PITH_E_UNSUPPORTED, "%.*s: rows of %lld values do not divide into "
                           "blocks of %s", (int)t->name.n, t->name.at, (long long)t->ne[0],
                           pi_dtype(t->dtype).name);
        c->total += (int64_t)t->bytes;
        for (const struct piece *p = c->targets[i].pieces; p; p = p->next)
            c->longest = pi_max(c->longest, p->m.cols);
    }
    return PITH_OK;
}

static int write_file(struct converting *c, const char *out, const pith_options *options,
                      pith_error *err)
{
    int64_t asked = pi_option_i64(options, PITH_OPT_THREADS);
    int threads = asked ? (int)asked : pi_cpu_count();
    size_t values = (size_t)pi_max(SLAB_VALUES, c->longest);

    if (pi_weights_hold(&c->from, out))
        return pi_fail(err, PITH_E_ARGUMENT, "%s is a file of the folder that is converted",
                       pi_path_tail(out));
    c->slab_values = SLAB_VALUES;
    c->slab = pi_arena_alloc(&c->arena, values, sizeof(float));
    c->scratch = pi_arena_alloc(&c->arena, (size_t)threads * 2 * (size_t)c->longest,
                                sizeof *c->scratch);
    if (!c->slab || !c->scratch)
        return pi_no_memory(err, "a slab of weights", values * sizeof(float));
    TRY(pi_pool_open(&c->pool, threads, &c->arena.allocator, err));
    TRY(pi_save_begin(c->save, out, &c->to, NULL, 0, c->tensors, c->n_targets,
                      &c->arena.allocator, err));
    for (int64_t i = 0; i < c->n_targets; i++)
        TRY(pi_convert_target(c, &c->targets[i], err));
    return pi_save_end(c->save, err);
}

static int convert_folder(struct converting *c, const char *in, const char *out, const char *type,
                          const pith_options *options, pith_error *err)
{
    const struct mix *asked = NULL;
    uint32_t file_type;

    if (type)
        TRY(pi_mix_find(&asked, type, err));
    TRY(open_folder(c, in, options, err));
    TRY(check_program(c, err));
    TRY(write_metadata(c, in, err));
    TRY(pi_convert_plan(c, err));
    TRY(choose_types(c, asked, &file_type, err));
    TRY(size_tensors(c, err));
    TRY(pi_metas_u32(&c->metas, "general.file_type", file_type, err));
    TRY(pi_metas_u32(&c->metas, "general.quantization_version", FILE_QUANTIZATION, err));
    TRY(pi_metas_view(&c->to, &c->metas, c->tensors, c->n_targets, err));
    return write_file(c, out, options, err);
}

int pi_convert(const char *in, const char *out, const char *type, const pith_options *options,
               pith_progress_fn *progress, void *user, pith_error *err)
{
    struct allocator allocator = pi_options_allocator(options);
    struct save save = { .next = 0 };
    struct converting c = { .save = &save, .progress = progress, .user = user };
    int status;

    pi_arena_init(&c.arena, &allocator);
    status = convert_folder(&c, in, out, type, options, err);
    pi_save_cancel(&save);
    pi_pool_close(c.pool);
    pi_weights_close(&c.from);
    pi_arena_free(&c.arena);
    return status;
}
