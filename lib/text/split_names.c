/* split_names.c - pre-tokenizers of GGUF (tokenizer.ggml.pre) that no scanner of split.c does: the
 * expressions that cut the text, one after the other. Names as converters write them (llama.cpp,
 * 2026-08), expressions as the models' own tokenizer.json has them.
 */
#include "split.h"

#define ENDING "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SIGNS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SIGNS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define PLAIN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define CASED BEFORE UPPER "*" LOWER "+" ENDING "?|" BEFORE UPPER "+" LOWER "*" ENDING "?"
#define IDEOGRAPHS "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define COMMAS " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
#define ASCII_SIGNS "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK ASCII_SIGNS "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
                 "| ?[\\p{P}\\p{S}]+[\\r\\n]*" SPACES
#define CASED_LETTERS                                                                            \
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af" \
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"         \
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd" \
    "\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d" \
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"        \
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"       \
    "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"   \
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b"  \
    "\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787" \
    "\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"             \
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"       \
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"

static const struct split_list split_lists[] = {
    { "deepseek-llm", 0, { "[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
                           "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                           "\\s+$", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}+" } },
    { "deepseek-coder", 0, { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
                             "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", "\\p{N}" } },
    { "deepseek-v3", 0, { "\\p{N}{1,3}", IDEOGRAPHS, DEEPSEEK } },
    { "hunyuan-dense", 0, { "\\p{N}{1,3}", IDEOGRAPHS, DEEPSEEK } },
    { "joyai-llm", 0, { "\\p{N}{1,3}", IDEOGRAPHS, DEEPSEEK } },
    { "youtu", SPLIT_WHOLE,
      { "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b"
        "\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|" IDEOGRAPHS,
        CASED "|\\p{N}" SIGNS_SLASH SPACES } },
    { "falcon", 0, { "[\\p{P}\\$\\+<=>\\^~\\|`]+", PLAIN "|\\s+", "[0-9][0-9][0-9]" } },
    { "jais-2", 0,
      { ENDING "|" BEFORE "\\p{L}+|\\p{N}{1,3}" SIGNS "|\\s*[\\r\\n]+"
        "|\\s{512}(?!\\S)|\\s{256}(?!\\S)"
        "|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)"
        "|\\s{1,2}(?!\\S)|\\s{1}" } },
    { "poro-chat", 0, { COMMAS } },
    { "bloom", 0, { COMMAS } },
    { "gpt3-finnish", 0, { COMMAS } },
    { "viking", 0, { COMMAS, "\\p{N}" } },
    { "exaone-moe", 0,
      { ENDING "|" BEFORE "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
        "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
    { "chameleon", SPLIT_BOS,
      { "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
        "[\\p{P}!-/:-@\\[-`{-~]", PLAIN "|\\s+" } },
    { "granite-embed-multi-97m", SPLIT_WHOLE, { CASED "|\\p{N}{1,3}" SIGNS_SLASH SPACES } },
    { "tiny_aya", 0, { "\\d{1,3}(?=(?:\\d{3})*\\b)", CASED "|\\p{N}{1,3}" SIGNS_SLASH SPACES } },
    { "cohere2moe", 0, { "\\d{1,3}(?=(?:\\d{3})*\\b)", CASED "|\\p{N}{1,3}" SIGNS_SLASH SPACES } },
    { "superbpe", 0, { "\\p{N}+", "(?=(\\d{3})+(?!\\d))" } },
    { "bailingmoe", 0,
      { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"
        "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
    { "seed-coder", 0,
      { ENDING "|" BEFORE "\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" SPACES } },
    { "kimi-k2", 0,
      { "[\\p{Han}]+|" BEFORE "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*"
        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+" ENDING "?|" BEFORE
        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+"
        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*" ENDING "?|\\p{N}{1,3}" SIGNS SPACES } },
    { "afmoe", 0,
      { "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))",
        "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f"
        "\u2f00-\u2fdf\u0e00-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f"
        "\ua9e0-\ua9ff"
        "\uac00-\ud7af\u1100-\u11ff]+", DEEPSEEK } },
    { "laguna", 0, { "[^\\n]+|[\\n]+", ENDING "|" BEFORE "\\p{L}+|\\p{N}" SIGNS SPACES } },
    { "minicpm5", SPLIT_WHOLE,
      { "\\p{N}{1,3}", ENDING "|" BEFORE "\\p{L}+|\\p{N}+" SIGNS SPACES } },
    { "gemma4", SPLIT_MARKED, { NULL } },
    { "granite-embed-multi-311m", SPLIT_MARKED, { NULL } },
    { "sarvam-moe", SPLIT_MARKED, { NULL } },
    { "whitespace", SPLIT_CHARACTERS, { NULL } },
};

static const char *const split_aliases[][2] = {
    { "bailingmoe2", "bailingmoe" }, { "llada-moe", "bailingmoe" },
};

const struct split_list *pi_split_find_list(struct str name)
{
    for (size_t i = 0; i < PI_COUNT(split_aliases); i++)
        if (pi_str_equal(name, pi_str(split_aliases[i][0])))
            name = pi_str(split_aliases[i][1]);
    for (size_t i = 0; i < PI_COUNT(split_lists); i++)
        if (pi_str_equal(name, pi_str(split_lists[i].name)))
            return &split_lists[i];
    return NULL;
}

const struct split_list *pi_split_list_at(int i)
{
    return (size_t)i < PI_COUNT(split_lists) ? &split_lists[i] : NULL;
}
