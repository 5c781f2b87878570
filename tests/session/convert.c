/* convert.c - every tiny folder of tests/golden/tiny becomes a GGUF file: its logits and greedy
 * continuation are those of the golden file, its tensors and keys those of model.gguf, which
 * llama.cpp's converter wrote; or it is refused, naming what GGUF cannot say.
 *
 *     build/tests/session/convert NAME     only this
 */
#include "file/weights.h"

#include "scratch.h"
#include "tiny_run.h"

static const char *current;

/* What no reader of GGUF would take as it is. */
static const struct {
    const char *model, *what;
} refused[] = {
    { "phimoe", "magnitude" },
    { "gptj", "architecture gptj" }, { "codegen", "architecture codegen" },
    { "gpt-neo", "architecture gpt_neo" }, { "opt", "architecture opt" },
    { "persimmon", "architecture persimmon" },
    { "hyperclovax", "architecture hyperclovax" }, { "vaultgemma", "architecture vaultgemma" },
    { "apertus", "plus" }, { "baichuan2", "lm_head.weight" }, { "cwm", "sliding_window" },
    { "falcon-h1-norm", "mamba_norm_before_gate" }, { "falcon-rw", "parallel" },
    { "gemma2-scalar", "scale" }, { "gemma3n-vision", "laurel_rank" },
    { "llama4-vision", "attention_chunk_size" },
    { "ministral", "sliding_window" },
    { "mistral-window", "sliding_window" }, { "rope-yarn-exact", "truncate" },
    { "rope-yarn-scales", "magnitude" },
};

static const char *refusal(const char *model)
{
    for (size_t i = 0; i < PI_COUNT(refused); i++)
        if (strcmp(refused[i].model, model) == 0)
            return refused[i].what;
    return NULL;
}

/* Keys that llama.cpp's converter writes and pith does not, or says otherwise. */
static const struct {
    const char *model, *key, *why;
} differing[] = {
    { "", "general.name", "the folder's, after other rules" },
    { "", "general.basename", "" }, { "", "general.size_label", "" },
    { "", "general.version", "" }, { "", "general.finetune", "" },
    { "cohere", ".rope.scaling.type", "none, which is the default" },
    { "cohere-norm", ".rope.scaling.type", "" }, { "cohere2", ".rope.scaling.type", "" },
    { "nemotron", ".rope.scaling.type", "" },
    { "falcon", ".context_length", "2048 whatever config.json says" },
    { "falcon-40b", ".context_length", "" },
    { "granite4", ".context_length", "2^20 whatever config.json says" },
    { "granite4moe", ".context_length", "" },
    { "granite4", ".expert_used_count", "2 of no experts, at which llama.cpp stops" },
    { "glm4moe", ".block_count", "with a layer that predicts further tokens, which is not kept" },
    { "glm4moe", ".nextn_predict_layers", "" },
    { "mamba", ".ssm.dt_b_c_rms", "false, which is the default" },
    { "nemotron", ".attention.layer_norm_rms_epsilon", "it has other norms" },
    { "stablelm", ".use_parallel_residual", "readers know by the norms" },
    { "stablelm-parallel", ".use_parallel_residual", "" },
    { "qwen35", ".full_attention_interval", "recurrent_layers says it" },
    { "qwen35moe", ".full_attention_interval", "" },
    { "qwen3next", ".full_attention_interval", "" },
    { "gemma3n", ".activation_sparsity_scale", "rounded otherwise; -40 cuts nothing as -inf does" },
    { "phimoe-plain", ".rope.scaling.original_context_length", "nothing is scaled" },
    { "deepseek", ".rope.scaling.type", "none, which is the default" },
    { "deepseek", ".expert_weights_scale", "1, which is the default" },
    { "orion", ".tensor_data_layout", "no reader asks for it" },
    { "phi2", "tokenizer.ggml.add_bos_token", "there is no tokenizer" },
    { "glm", "tokenizer.ggml.add_bos_token", "" },
    { "nemotron-h", ".context_length", "2^20 whatever config.json says" },
    { "nemotron-h", ".attention.layer_norm_epsilon", "it has other norms" },
    { "nemotron-h", ".rope.dimension_count", "nothing turns" },
    { "nemotron-h", ".rope.scaling.finetuned", "" },
    { "nemotron-h", ".attn_q.weight", "ordered for angles that there are not, and so are keys" },
    { "nemotron-h", ".attn_k.weight", "" },
    { "nemotron-h-moe", "", "called nemotron_h as without experts, which llama.cpp reads alike" },
    /* model_type is llama's there, or the text part of a model that sees is one of its own */
    { "exaone", "", "" }, { "qwen2vl", "", "" }, { "qwen3vl", "", "" }, { "qwen3vlmoe", "", "" },
    { "qwen2_5vl", "", "" }, { "rwkv6", ".time_mix_lerp_fused.weight", "is five tensors" },
};

static bool may_differ(struct str name)
{
    for (size_t i = 0; i < PI_COUNT(differing); i++) {
        size_t n = strlen(differing[i].key);

        if ((!differing[i].model[0] || strcmp(differing[i].model, current) == 0) && name.n >= n &&
            memcmp(name.at + name.n - n, differing[i].key, n) == 0)
            return true;
    }
    return false;
}

static void compare_meta(const struct meta *a, const struct meta *b)
{
    int n = (int)a->key.n;

    if (!b)
        CHECK_FAIL("%s: %.*s is missing", current, n, a->key.at);
    else if (a->type != b->type || a->is_array != b->is_array || a->count != b->count ||
             a->end - a->at != b->end - b->at ||
             memcmp(a->at, b->at, (size_t)(a->end - a->at)) != 0)
        CHECK_FAIL("%s: %.*s differs", current, n, a->key.at);
}

/* Bytes; but exp(A_log) and divisors of frequencies are rounded otherwise there. */
static bool same_values(const struct tensor *a, const struct tensor *b)
{
    const float *x = (const float *)(const void *)a->data;
    const float *y = (const float *)(const void *)b->data;
    double most = 0;

    if (a->bytes != b->bytes || memcmp(a->data, b->data, a->bytes) == 0)
        return a->bytes == b->bytes;
    for (int64_t i = 0; a->dtype == DTYPE_F32 && i < elements(a); i++)
        most = fmax(most, fabs((double)x[i] - (double)y[i]) / fabs((double)x[i]));
    return a->dtype == DTYPE_F32 && most <= 1e-6;
}

static void compare_tensor(const struct tensor *a, const struct tensor *b)
{
    int n = (int)a->name.n;

    if (!b)
        CHECK_FAIL("%s: %.*s is missing", current, n, a->name.at);
    else if (a->dtype != b->dtype || memcmp(a->ne, b->ne, sizeof a->ne) != 0)
        CHECK_FAIL("%s: %.*s is %s %" PRId64 "x%" PRId64 "x%" PRId64 ", expected %s %" PRId64
                   "x%" PRId64 "x%" PRId64, current, n, a->name.at, pi_dtype(b->dtype).name,
                   b->ne[0], b->ne[1], b->ne[2], pi_dtype(a->dtype).name, a->ne[0], a->ne[1],
                   a->ne[2]);
    else if (!same_values(a, b))
        CHECK_FAIL("%s: %.*s has other values", current, n, a->name.at);
}

static void compare_files(const char *peer, const char *own)
{
    struct opened a, b;

    if (!open_file(&a, peer) || !open_file(&b, own))
        return;
    for (int64_t i = 0; i < a.w.n_metas; i++)
        if (!may_differ(a.w.metas[i].key))
            compare_meta(&a.w.metas[i], pi_meta_find(&b.w, a.w.metas[i].key));
    for (int64_t i = 0; i < a.w.n_tensors; i++)
        if (!may_differ(a.w.tensors[i].name) &&
            !(strcmp(current, "glm4moe") == 0 &&
              pi_str_starts(a.w.tensors[i].name, STR("blk.2."))))
            compare_tensor(&a.w.tensors[i], pi_weights_find(&b.w, a.w.tensors[i].name));
    for (int64_t i = 0; i < b.w.n_tensors; i++)
        if (!pi_weights_find(&a.w, b.w.tensors[i].name) && !may_differ(STR("")) &&
            strcmp(current, "rwkv6") != 0)
            CHECK_FAIL("%s: %.*s is not in the peer's file", current,
                       (int)b.w.tensors[i].name.n, b.w.tensors[i].name.at);
    close_file(&a);
    close_file(&b);
}

static void convert_tiny(void)
{
    char in[256], path[256];
    const char *out = inside("out.gguf"), *what = refusal(current);
    size_t size;
    char *json;
    int32_t status;

    snprintf(in, sizeof in, FOLDER "/%s", current);
    status = pith_convert(in, -1, out, -1, NULL, NULL, NULL, NULL, &err);
    if (what) {
        CHECK_INT(status, PITH_E_UNSUPPORTED);
        CHECK_HAS(err.text, what);
        CHECK_INT(files_inside(), 0);
        return;
    }
    if (status != PITH_OK) {
        CHECK_FAIL("%s: %s", current, err.text);
        return;
    }
    snprintf(path, sizeof path, FOLDER "/%s/golden.json", current);
    json = (char *)check_read(path, &size);
    check_tiers(out, json, 1, 2);
    free(json);
    snprintf(path, sizeof path, FOLDER "/%s/model.gguf", current);
    if (access(path, R_OK) == 0)
        compare_files(path, out);
    unlink(out);
}

int main(int argc, char **argv)
{
    int n = list_models();

    CHECK_START(argc, argv);
    if (!scratch_make())
        return 1;
    CHECK(n > 90);
    for (int i = 0; i < n; i++) {
        current = names[i];
        check_run(current, convert_tiny);
    }
    rmdir(scratch);
    return CHECK_END();
}
