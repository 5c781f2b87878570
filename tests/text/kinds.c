/* kinds.c - vocabularies of GGUF that run as a pipeline: BPE of characters, unigram, RWKV, lists of
 * expressions. The expected ids are those of Hugging Face tokenizers and sentencepiece with these
 * very pieces, and for RWKV those of its definition.
 */
#include "check.h"
#include "vocabs.h"

static struct spec spec_of(const char *model, const char *const *tokens, int n, const char *types)
{
    return (struct spec){ .model = model, .tokens = tokens, .n_tokens = n, .tokens_as = META_STR,
                          .types = types, .n_types = n, .bos = -1, .eos = -1, .unk = -1,
                          .add_bos = -1, .add_eos = -1, .add_space_prefix = -1, .lowercase = -1 };
}

static bool open_kind(struct opened *o, struct made *file, const struct spec *s)
{
    *file = made_file(s);
    if (opened_memory(o, file->data, file->n) == PITH_OK && o->t)
        return true;
    CHECK_FAIL("%s", o->err.text);
    return false;
}

static void close_kind(struct opened *o, struct made *file)
{
    opened_close(o);
    free(file->data);
}

/* The ids as text, "1 2 3". */
static const char *ids_of(const struct tokenizer *t, struct str text, int flags)
{
    static char out[512];
    struct id_list ids = { .n = 0 };
    size_t at = 0;

    out[0] = 0;
    CHECK_INT(pi_tokenize(t, text, flags, &ids, NULL), PITH_OK);
    for (size_t i = 0; i < ids.n && at < sizeof out - 16; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, i ? " %d" : "%d", ids.ids[i]);
    pi_id_list_free(&ids);
    return out;
}

static const char *const marked_tokens[] = {
    "<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "<0xC3>", "<0xA9>", "\n", "\n\n",
    "c\u2581", "<eos>",
};
static const char *const marked_merges[] = { "\u2581 a", "a b", "\u2581 ab", "\n \n" };

static void characters(void)
{
    struct spec s = spec_of("gemma4", marked_tokens, 13, "2111111661113");
    struct opened o;
    struct made file;

    s.merges = marked_merges;
    s.n_merges = 4;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab ab a b"), 0), "5 4 3 4 1 3");
        CHECK_STR(ids_of(o.t, STR("\u00e9 a\n\n\nb"), 0), "7 8 4 10 9 3");
        CHECK_STR(ids_of(o.t, STR("xyz abx"), 0), "0 4 3 0");
        CHECK_STR(ids_of(o.t, STR("  ab"), 0), "1 4 3");
        CHECK_STR(ids_of(o.t, STR("a<eos>a"), TOKENIZE_PARSE_SPECIAL), "2 12 2");
        CHECK(pi_str_equal(pi_token_text(o.t, 4, false), STR(" a")));
        CHECK(pi_str_equal(pi_token_text(o.t, 7, false), STR("\xC3")));
        CHECK(!pi_tokenizer_strips_space(o.t));
    }
    close_kind(&o, &file);
}

static const char *const longest_tokens[] = { "<s>", "a", "ab", "\\x00", "\\n\\n", "\\n", "\\'",
                                              "\\xff", "\u4e2d", "\\\\x" };

static void longest(void)
{
    struct spec s = spec_of("rwkv", longest_tokens, 10, "3111111111");
    struct opened o;
    struct made file;

    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("abaab\n\n\n\0"), 0), "2 1 2 4 5 3");
        CHECK_STR(ids_of(o.t, STR("'\xff\u4e2d\\x?a"), 0), "6 7 8 9 1"); /* no unknown token */
        CHECK(pi_str_equal(pi_token_text(o.t, 7, false), STR("\xff")));
        CHECK(pi_str_equal(pi_token_text(o.t, 9, false), STR("\\x")));
    }
    close_kind(&o, &file);
}

static const char *const unigram_tokens[] = { "<pad>", "</s>", "<unk>", "\u2581", "a", "b", "ab",
                                              "\u2581a", "\u2581b", "[T]" };
static const float unigram_scores[] = { 0, 0, 0, -2, -3, -3, -4, -4, -6, 0 };

static void most_probable(void)
{
    struct spec s = spec_of("t5", unigram_tokens, 10, "3321111114");
    struct opened o;
    struct made file;

    s.scores = unigram_scores;
    s.n_scores = 10;
    s.unk = 2;
    s.eos = 1;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab"), TOKENIZE_ADD_SPECIAL), "3 6 1");
        CHECK_STR(ids_of(o.t, STR("  a  b "), 0), "7 3 5");
        CHECK_STR(ids_of(o.t, STR("axyb"), 0), "7 2 5"); /* what is unknown is one token */
        CHECK_STR(ids_of(o.t, STR("   "), 0), "");
        CHECK_STR(ids_of(o.t, STR("a[T]a"), 0), "7 9 7");
        CHECK(pi_tokenizer_strips_space(o.t));
    }
    close_kind(&o, &file);
}

static const char *const bytes_tokens[] = { "a", "b", "ab", "1", "11", "111", "\u0120", "\u0120a" };
static const char *const bytes_merges[] = { "a b", "1 1", "11 1", "\u0120 a" };

static void lists(void)
{
    struct spec s = spec_of("gpt2", bytes_tokens, 8, "11111111");
    struct opened o;
    struct made file;

    s.pre = "afmoe"; /* digits in threes from the right */
    s.merges = bytes_merges;
    s.n_merges = 4;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab1111 ab"), 0), "2 3 5 6 2");
        CHECK_STR(ids_of(o.t, STR("11111a"), 0), "4 5 0");
    }
    close_kind(&o, &file);
    s.pre = "deepseek-v3";
    if (open_kind(&o, &file, &s))
        CHECK_STR(ids_of(o.t, STR("1111 11"), 0), "5 3 6 4");
    close_kind(&o, &file);
}

/* Every tokenizer.ggml.pre that llama.cpp (2026-08) knows. */
static const char *const pre_names[] = {
    "a.x-4.0", "afmoe", "bailingmoe", "bailingmoe2", "bloom", "chameleon", "chatglm-bpe",
    "codeshell", "cohere2moe", "command-r", "dbrx", "deepseek-coder", "deepseek-llm",
    "deepseek-r1-qwen", "deepseek-v3", "default", "exaone", "exaone-moe", "exaone4", "f2llmv2",
    "falcon", "falcon-h1", "falcon3", "gemma4", "gigachat", "glm4", "gpt-2", "gpt-4o",
    "gpt3-finnish", "granite-docling", "granite-embed-multi-311m", "granite-embed-multi-97m",
    "grok-2", "hunyuan", "hunyuan-dense", "jais", "jais-2", "jina-de", "jina-es", "jina-v1-en",
    "jina-v2-code", "jina-v2-de", "jina-v2-es", "jina-v5-nano", "joyai-llm", "kanana2", "kimi-k2",
    "kormo", "laguna", "lfm2", "llada-moe", "llama-bpe", "llama-v3", "llama3", "llama4", "megrez",
    "mellum", "mellum2", "midm-2.0", "minerva-7b", "minicpm5", "minimax-m2", "modern-bert", "mpt",
    "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35", "refact", "roberta-bpe",
    "sarvam-moe", "seed-coder", "smaug-bpe", "smollm", "solar-open", "stablelm2", "starcoder",
    "superbpe", "talkie", "tekken", "tiny_aya", "trillion", "viking", "whitespace", "youtu",
    "default",
};

static void names(void)
{
    struct spec s = spec_of("gpt2", bytes_tokens, 8, "11111111");

    s.merges = bytes_merges;
    s.n_merges = 4;
    for (size_t i = 0; i < PI_COUNT(pre_names); i++) {
        struct opened o;
        struct made file;

        s.pre = pre_names[i];
        if (open_kind(&o, &file, &s))
            CHECK(strlen(ids_of(o.t, STR("ab 111"), 0)) > 2);
        else
            CHECK_FAIL("%s is not known", s.pre);
        close_kind(&o, &file);
    }
}

static const char *const cheap_tokens[] = { "<|plamo:unk|>", "<|plamo:bos|>", "a", "b", "ab", "ba",
                                            "\u4e2d", " a" };
static const float cheap_scores[] = { 0, 0, -2, -2, -4, -2001, -3.00004f, -1 };

/* Of equals the longest at the left; what costs 2,000 is not used; no mark of order is skipped. */
static void cheapest(void)
{
    const char *tokens[8 + 256];
    static char bytes[256][8];
    float scores[8 + 256] = { 0 };
    char types[] = "23111111";
    char all[8 + 256 + 1];
    struct spec s = spec_of("plamo2", tokens, 8 + 256, all);
    struct opened o;
    struct made file;

    memcpy(tokens, cheap_tokens, sizeof cheap_tokens);
    memcpy(scores, cheap_scores, sizeof cheap_scores);
    memcpy(all, types, 8);
    memset(all + 8, '6', 256);
    for (int i = 0; i < 256; i++) {
        snprintf(bytes[i], sizeof bytes[i], "<0x%02X>", i);
        tokens[8 + i] = bytes[i];
    }
    s.scores = scores;
    s.n_scores = 8 + 256;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("abba a"), 0), "4 3 2 7");
        CHECK_STR(ids_of(o.t, STR("\u4e2d\u6587"), 0), "6 238 158 143");
        CHECK_STR(ids_of(o.t, STR("\xEF\xBB\xBF""a\xFF"), 0), "247 195 199 2 263");
        CHECK_STR(ids_of(o.t, STR("<|plamo:bos|>"), TOKENIZE_PARSE_SPECIAL), "1");
        CHECK_INT(pi_token_bos(o.t), 1);
        CHECK(pi_str_equal(pi_token_text(o.t, 263, false), STR("\xFF")));
    }
    close_kind(&o, &file);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(characters);
    RUN(longest);
    RUN(most_probable);
    RUN(lists);
    RUN(names);
    RUN(cheapest);
    return CHECK_END();
}
