/* wrap.c - models of several parts, in one Hugging Face folder: what their text part is, and what
 * stands beside it. Listed are those whose text part, given text alone, computes what the family
 * of that name does by itself; PaliGemma, which sees its whole prompt at once, is not.
 */
#include "arch.h"

#define TOWER "vision_tower.|multi_modal_projector.|image_newline"
#define HEARS "audio_tower.|multi_modal_projector."
#define MODEL "vision_model.|connector.|aligner.|projector.|multi_modal_projector."

/* Their order has no meaning. */
static const struct wrapper wrappers[] = {
    { "llava|llava_next|llava_next_video|vipllava", "llama", TOWER },
    { "llava_onevision|internvl|got_ocr2", "qwen2", TOWER },
    { "ovis2", "qwen2", TOWER "|visual_embeddings_table." },
    { "video_llama_3", "qwen2", MODEL },
    { "video_llava", "llama", TOWER "|video_tower.|image_tower." },
    { "aya_vision|cohere2_vision", "cohere2", TOWER },
    { "gemma3", "gemma3_text", TOWER },
    { "gemma3n", "gemma3n_text", TOWER "|audio_tower.|embed_vision.|embed_audio." },
    { "gemma4", "gemma4_text", TOWER "|audio_tower.|embed_vision.|embed_audio." },
    { "mistral3", "mistral", TOWER },
    { "llama4", "llama4_text", MODEL },
    { "idefics2", "mistral", MODEL },
    { "idefics3|smolvlm", "llama", MODEL },
    { "deepseek_vl|deepseek_vl_hybrid", "llama", MODEL "|high_res_vision_" },
    { "janus", "llama", MODEL "|vqmodel.|generation_" },
    { "lfm2_vl", "lfm2", TOWER },
    { "lighton_ocr", "qwen3", "vision_encoder.|vision_projection." },
    { "qianfan_ocr", "qwen3", TOWER },
    { "qwen2_vl", "qwen2_vl_text", "visual." },
    { "qwen2_5_vl", "qwen2_5_vl_text", "visual." },
    { "qwen3_vl", "qwen3_vl_text", "visual." },
    { "qwen3_vl_moe", "qwen3_vl_moe_text", "visual." },
    { "qwen3_5", "qwen3_5_text", "visual.|mtp." },
    { "qwen3_5_moe", "qwen3_5_moe_text", "visual.|mtp." },
    { "exaone4_5", "exaone4", "visual.|mtp." },
    { "qwen2_audio|audioflamingo3|musicflamingo", "qwen2", HEARS },
    { "qwen3_asr", "qwen3", HEARS },
    { "voxtral|glmasr", "llama", HEARS },
    { "granite_speech", "granite", "encoder.|projector." },
};

/* What transformers takes for a number that a text_config leaves out: it writes there only what
 * differs from this. Numbers by the names that the families' keys have. */
static const struct usual {
    const char *names, *numbers;
} usual_numbers[] = {
    { "llama", "ctx 2048, dim 4096, blocks 32, heads 32, ff 11008, vocab 32000, eps 1e-6" },
    { "mistral", "ctx 131072, dim 4096, blocks 32, heads 32, kv 8, ff 14336, vocab 32000, "
      "eps 1e-6, window 4096" },
    { "ministral3", "ctx 262144, dim 4096, blocks 34, heads 32, kv 8, hd 128, ff 14336, "
      "vocab 131072, eps 1e-5" },
    { "qwen2", "ctx 32768, dim 4096, blocks 32, heads 32, kv 32, ff 22016, vocab 151936, "
      "eps 1e-6" },
    { "qwen3", "ctx 32768, dim 4096, blocks 32, heads 32, kv 32, hd 128, ff 22016, "
      "vocab 151936, eps 1e-6" },
    { "qwen2_vl_text|qwen2_5_vl_text", "ctx 32768, dim 8192, blocks 80, heads 64, kv 8, "
      "ff 29568, vocab 152064, eps 1e-5, theta 1000000" },
    { "qwen3_vl_text", "ctx 128000, dim 4096, blocks 32, heads 32, kv 32, hd 128, ff 22016, "
      "vocab 151936, eps 1e-6, theta 500000" },
    { "qwen3_vl_moe_text", "ctx 128000, dim 2048, blocks 24, heads 16, kv 16, hd 128, ff 5632, "
      "vocab 151936, eps 1e-6, theta 500000, experts 60, used 4, eff 1408" },
    { "gemma3_text", "ctx 131072, dim 2304, blocks 26, heads 8, kv 4, hd 256, ff 9216, "
      "vocab 262208, eps 1e-6, window 4096, query_scalar 256" },
    { "gemma3n_text", "ctx 32768, dim 2048, blocks 35, heads 8, kv 2, hd 256, ff 16384, "
      "vocab 262400, eps 1e-6, window 512, rows 262144, ple 256" },
    { "gemma4_text", "ctx 131072, dim 2304, blocks 30, heads 8, kv_local 4, hd_local 256, "
      "hd_global 512, ff_own 9216, vocab 262144, eps 1e-6, window 512, rows 262144, ple 256, "
      "rot_share 0.25" },
    { "cohere2", "ctx 8192, dim 8192, blocks 40, heads 64, ff 22528, vocab 256000, "
      "eps 1e-5, window 4096, logit_scale 0.0625" },
    { "lfm2", "ctx 128000, dim 2560, blocks 32, heads 32, kv 8, ff_raw 12288, ff_auto 1, "
      "taps 3, vocab 65536, eps 1e-5" },
    { "granite", "ctx 2048, dim 4096, blocks 32, heads 32, ff 11008, vocab 32000, eps 1e-6, "
      "scale 1" },
    { "llama4_text", "ctx 131072, dim 5120, blocks 48, heads 40, kv 8, hd 128, ff 16384, "
      "eff 8192, experts 16, used 1, vocab 202048, eps 1e-5" },
    { "exaone4", "ctx 2048, dim 4096, blocks 32, heads 32, kv 32, ff 16384, vocab 102400, "
      "eps 1e-5, window 4096" },
};

const struct wrapper *pi_arch_wrapper(struct str name)
{
    for (size_t i = 0; i < PI_COUNT(wrappers); i++)
        if (pi_str_listed(name, wrappers[i].names))
            return &wrappers[i];
    return NULL;
}

struct str pi_arch_usual(struct str name, const char *key)
{
    for (size_t i = 0; i < PI_COUNT(usual_numbers); i++) {
        struct str rest = pi_str(usual_numbers[i].numbers), number, word;

        while (pi_str_listed(name, usual_numbers[i].names) && pi_str_cut(&rest, ',', &number)) {
            while (number.n && *number.at == ' ')
                number = (struct str){ number.at + 1, number.n - 1 };
            if (pi_str_cut(&number, ' ', &word) && pi_str_equal(word, pi_str(key)))
                return number;
        }
    }
    return STR("");
}
