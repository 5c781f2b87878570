/* list.c - every architecture, one row each.
 */
#include "arch.h"

#define FAMILIES(ROW) \
    ROW(llama) \
    ROW(qwen2) \
    ROW(qwen3) \
    ROW(gpt2) \
    ROW(llama4) \
    ROW(phimoe) \
    ROW(arcee) \
    ROW(minicpm) \
    ROW(deepseek) \
    ROW(hunyuan_moe) \
    ROW(internlm2) \
    ROW(baichuan) \
    ROW(apertus) \
    ROW(qwen2moe) \
    ROW(qwen3moe) \
    ROW(qwen3vlmoe) \
    ROW(olmoe) \
    ROW(dots1) \
    ROW(glm4moe) \
    ROW(ernie_moe) \
    ROW(minimax_m2) \
    ROW(gptneox) \
    ROW(phi2) \
    ROW(starcoder) \
    ROW(starcoder2) \
    ROW(opt) \
    ROW(gpt_neo) \
    ROW(gptj) \
    ROW(codegen) \
    ROW(falcon) \
    ROW(bloom) \
    ROW(mpt) \
    ROW(lfm2) \
    ROW(lfm2moe) \
    ROW(gemma) \
    ROW(granite) \
    ROW(hyperclovax) \
    ROW(smollm3) \
    ROW(stablelm) \
    ROW(cohere) \
    ROW(olmo) \
    ROW(olmo2) \
    ROW(nemotron) \
    ROW(persimmon) \
    ROW(orion) \
    ROW(jais2) \
    ROW(chatglm) \
    ROW(glm4) \
    ROW(phi3) \
    ROW(seed_oss) \
    ROW(pangu) \
    ROW(hunyuan) \
    ROW(ernie) \
    ROW(mamba) \
    ROW(falcon_mamba) \
    ROW(mamba2) \
    ROW(gemma2) \
    ROW(vaultgemma) \
    ROW(gemma3) \
    ROW(gemma3n) \
    ROW(cohere2) \
    ROW(exaone) \
    ROW(exaone4) \
    ROW(mistral3) \
    ROW(ministral) \
    ROW(deepseek2) \
    ROW(deepseek3) \
    ROW(qwen35) \
    ROW(qwen35moe) \
    ROW(qwen3next) \
    ROW(falcon_h1) \
    ROW(granite4) \
    ROW(granitemoe) \
    ROW(gemma4) \
    ROW(gptoss) \
    ROW(rwkv6) \
    ROW(rwkv7) \
    ROW(nemotron_h) \
    /* rows end here */

#define DECLARED(name) extern const struct arch pi_arch_##name;
FAMILIES(DECLARED)

#define LISTED(name) &pi_arch_##name,
static const struct arch *const families[] = { FAMILIES(LISTED) };

const struct arch *pi_arch_at(int i)
{
    return (size_t)i < PI_COUNT(families) ? families[i] : NULL;
}

const struct arch *pi_arch_find(struct str name, bool hf)
{
    for (size_t i = 0; i < PI_COUNT(families); i++)
        if (pi_str_listed(name, hf && families[i]->hf ? families[i]->hf : families[i]->name))
            return families[i];
    return NULL;
}

const char *pi_arch_word(struct str word)
{
    static const char *const words[][2] = {
        { "gelu_new", "gelu_tanh" }, { "gelu_pytorch_tanh", "gelu_tanh" },
        { "gelu_fast", "gelu_tanh" }, { "swish", "silu" }, { "sqrelu", "relu2" },
        /* Kinds of rotary embedding. Within the context that a model was trained for, dynamic
         * changes nothing; the sections of mrope differ for images only. */
        { "default", "none" }, { "dynamic", "none" }, { "mrope", "none" }, { "llama3", "bands" },
        { "proportional", "none" },
        { "su", "longrope" },
        { "global", "full_attention" }, { "local", "sliding_attention" },
    };

    for (size_t i = 0; i < PI_COUNT(words); i++)
        if (pi_str_equal(word, pi_str(words[i][0])))
            return words[i][1];
    return NULL;
}
