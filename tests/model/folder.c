/* folder.c - folders whose files contradict one another: what is wrong is named, with its numbers.
 * What is wrong within one file stands in tests/file/folder.c.
 */
#include "base/base.h"

#include "folder_make.h"

/* ---- safetensors ---- */

static void add_file(const char *name, const void *bytes, size_t n)
{
    put(name, bytes, n);
}

/* The sound file, renamed tensors and all, with one text in place of another of the same length. */
static void put_renamed(const char *name, const char *from, const char *to)
{
    size_t n, length = strlen(from);
    unsigned char *data = check_read(SOUND "/model.safetensors", &n);
    bool done = false;

    CHECK_INT(strlen(to), length);
    for (size_t i = 0; data && i + length <= n && !done; i++)
        if (memcmp(data + i, from, length) == 0) {
            memcpy(data + i, to, length);
            done = true;
        }
    CHECK(done);
    put(name, data, n);
    free(data);
}

static void names_and_shapes(void)
{
    static const struct { const char *from, *to; int32_t status; const char *parts; } t[] = {
        { "\"lm_head.weight\"", "\"lm_head.wei\xFFht\"", PITH_E_FORMAT, "lm_head|line 1" },
        { "\"lm_head.weight\"", "\"lm_head.wei\\nt\"", PITH_E_FORMAT,
          "lm_head.wei?t is in the file" },
        { "\"lm_head.weight\"", "\"lm_head.Weight\"", PITH_E_FORMAT,
          "lm_head.Weight is in the file" },
        { "\"model.norm.weight\"", "\"model.Norm.weight\"", PITH_E_FORMAT,
          "norm.weight is missing" },
        { "layers.1.mlp.up_proj", "layers.7.mlp.up_proj", PITH_E_FORMAT,
          "layers.1.mlp.up_proj.weight is missing" },
        { "layers.1.mlp.up_proj", "layers.0.mlp.up_proj", PITH_E_FORMAT, "appears twice" },
        { "\"BF16\",\"shape\":[128,32]", "\"BF16\",\"shape\":[32,128]", PITH_E_FORMAT,
          "lm_head.weight is [32,128], expected vocab,dim = [128,32]" },
        { "\"BF16\",\"shape\":[128,32]", "\"I16\",\"shape\":[128,32] ", PITH_E_UNSUPPORTED,
          "lm_head.weight" },
        { "\"BF16\",\"shape\":[128,32]", "\"BF17\",\"shape\":[128,32]", PITH_E_UNSUPPORTED,
          "lm_head.weight has dtype BF17" },
        { "\"BF16\",\"shape\":[128,32]", "\"F4  \",\"shape\":[128,32]", PITH_E_UNSUPPORTED,
          "has dtype F4" },
        { "\"BF16\",\"shape\":[128,32]", "\"BF16\",\"shape\":[1e9,32]", PITH_E_FORMAT,
          "lm_head.weight: its |shape|bytes" },
    };

    fresh_folder();
    for (size_t i = 0; i < PI_COUNT(t); i++) {
        put_renamed("model.safetensors", t[i].from, t[i].to);
        refuse_folder(t[i].status, t[i].parts);
    }
}

static void huge_headers(void)
{
    static const uint64_t lengths[] = { 0x8000000000000000u, 0x7FFFFFFFFFFFFFFFu, UINT64_MAX,
                                        UINT64_MAX - 7, 1u << 31, 0, 1 };
    unsigned char *data;
    size_t n;

    fresh_folder();
    data = check_read(SOUND "/model.safetensors", &n);
    for (size_t i = 0; i < PI_COUNT(lengths); i++) {
        for (int k = 0; k < 8; k++)
            data[k] = (unsigned char)(lengths[i] >> 8 * k);
        add_file("model.safetensors", data, n);
        refuse_folder(PITH_E_FORMAT, "model.safetensors: a header of");
    }
    free(data);
    add_file("model.safetensors", "", 0);
    refuse_folder(PITH_E_FORMAT, "model.safetensors");
}

#define INDEX(map) "{\"weight_map\": {" map "}}"

static void shards(void)
{
    char deep[4096];

    /* a loop of links, a link to nowhere, a folder in a file's place */
    fresh_folder();
    unlink(at("model.safetensors"));
    CHECK(symlink("model.safetensors", at("model.safetensors")) == 0);
    refuse_folder(PITH_E_IO, "model.safetensors|index.json");
    put_text("model.safetensors.index.json", INDEX("\"lm_head.weight\": \"a.safetensors\""));
    CHECK(symlink("a.safetensors", at("a.safetensors")) == 0);
    refuse_folder(PITH_E_IO, "a.safetensors");
    unlink(at("a.safetensors"));
    CHECK(symlink("nowhere", at("a.safetensors")) == 0);
    refuse_folder(PITH_E_IO, "a.safetensors");
    unlink(at("a.safetensors"));
    CHECK(mkdir(at("a.safetensors"), 0700) == 0);
    refuse_folder(PITH_E_IO, "a.safetensors");
    rmdir(at("a.safetensors"));
    /* the same tensor in two shards; a tensor in another shard than the index says */
    copy_in(SOUND "/model.safetensors", "a.safetensors");
    copy_in(SOUND "/model.safetensors", "b.safetensors");
    put_text("model.safetensors.index.json",
             INDEX("\"lm_head.weight\": \"a.safetensors\", "
                   "\"model.norm.weight\": \"b.safetensors\""));
    refuse_folder(PITH_E_FORMAT, "tensor lm_head.weight appears twice");
    put_safetensors("b.safetensors", "{}", 0);
    refuse_folder(PITH_E_FORMAT, "model.norm.weight is not in b.safetensors");
    put_text("model.safetensors.index.json",
             INDEX("\"lm_head.weight\": \"a.safetensors\", \"x\": \"../a.safetensors\""));
    refuse_folder(PITH_E_FORMAT, "\"../a.safetensors\" is no name of a file");
    put_text("model.safetensors.index.json", INDEX("\"x\": \"..\""));
    refuse_folder(PITH_E_FORMAT, "is no name of a file");
    put_text("model.safetensors.index.json", INDEX("\"x\": \"a.safetensors/\""));
    refuse_folder(PITH_E_FORMAT, "is no name of a file");
    put_text("model.safetensors.index.json", INDEX("\"x\": null"));
    refuse_folder(PITH_E_FORMAT, "is no name of a file");
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    put_text("model.safetensors.index.json", deep);
    refuse_folder(PITH_E_FORMAT, "model.safetensors.index.json: line 1, column 257: nested");
}

/* ---- config.json ---- */

static void configs(void)
{
    static const struct { const char *from, *to; int32_t status; const char *parts; } t[] = {
        { "\"hidden_act\": \"silu\"", "\"hidden_act\": \"mystery\"", PITH_E_UNSUPPORTED,
          "hidden_act is mystery" },
        { "\"model_type\": \"llama\"", "\"model_type\": \"\"", PITH_E_UNSUPPORTED,
          "LlamaForCausalLM" },
        { "\"model_type\": \"llama\",", "", PITH_E_UNSUPPORTED, "LlamaForCausalLM" },
        { "\"num_hidden_layers\": 2,", "", PITH_E_FORMAT, "num_hidden_layers is missing" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000", PITH_E_FORMAT,
          "1000000000 layers, but only 21 tensors" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2", PITH_E_FORMAT,
          "num_hidden_layers is -2" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2.5", PITH_E_FORMAT,
          "num_hidden_layers" },
        { "\"num_attention_heads\": 4,", "", PITH_E_FORMAT, "num_attention_heads is missing" },
        { "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", PITH_E_FORMAT,
          "heads*hd is 0" },
        { "\"num_attention_heads\": 4", "\"num_attention_heads\": NaN", PITH_E_FORMAT,
          "config.json" },
        { "\"num_attention_heads\": 4", "\"num_attention_heads\": 8", PITH_E_FORMAT,
          "q_proj.weight is [32,32]" },
        { "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", PITH_E_FORMAT, "3" },
        { "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 4", PITH_E_FORMAT,
          "k_proj.weight is [16,32]" },
        { "\"head_dim\": 8", "\"head_dim\": 7", PITH_E_FORMAT,
          "q_proj.weight is [32,32], expected heads*hd,dim = [28,32]" },
        { "\"head_dim\": 8", "\"head_dim\": 16", PITH_E_FORMAT, "q_proj.weight is [32,32]" },
        { "\"intermediate_size\": 48", "\"intermediate_size\": 49", PITH_E_FORMAT,
          "proj.weight is" },
        { "\"intermediate_size\": 48", "\"intermediate_size\": 9007199254740993", PITH_E_FORMAT,
          "intermediate_size" },
        { "\"rms_norm_eps\": 0.001", "\"rms_norm_eps\": \"small\"", PITH_E_UNSUPPORTED,
          "rms_norm_eps is small" },
        { "\"rms_norm_eps\": 0.001", "\"rms_norm_eps\": -1", PITH_E_FORMAT, "eps is -1" },
        { "\"rope_theta\": 5000.0", "\"rope_theta\": 0", PITH_E_FORMAT, "base 0" },
        { "\"rope_theta\": 5000.0", "\"rope_theta\": -Infinity", PITH_E_FORMAT, "rope_theta" },
        { "\"max_position_embeddings\": 256", "\"max_position_embeddings\": -5", PITH_E_FORMAT,
          "max_position_embeddings is -5" },
        { "\"rope_parameters\": {", "\"rope_scaling\": {\"type\": \"twist\", \"factor\": 2}, "
          "\"ignored\": {", PITH_E_UNSUPPORTED, "twist" },
        { "\"eos_token_id\": null", "\"eos_token_id\": 128", PITH_E_FORMAT, "128" },
        { "\"vocab_size\": 128", "\"vocab_size\": -128", PITH_E_FORMAT, "vocab_size is -128" },
        { "\"vocab_size\": 128", "\"vocab_size\": 1e18", PITH_E_FORMAT, "vocab_size" },
        { "\"attention_bias\": false", "\"attention_bias\": true", PITH_OK, NULL },
        { "\"vocab_size\": 128\n}", "\"vocab_size\": 128\n", PITH_E_FORMAT, "config.json: line" },
        { "\"vocab_size\": 128\n}", "\"vocab_size\": 128\n}}", PITH_E_FORMAT, "config.json: line" },
    };

    fresh_folder();
    put_text("tokenizer.json", "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}}");
    for (size_t i = 0; i < PI_COUNT(t); i++) {
        put_config(t[i].from, t[i].to);
        pith_model_release(open_folder(t[i].status, t[i].parts));
    }
}

/* Any value in any place: refused with a text, or of no importance; in little time and memory. */
static void any_value(void)
{
    static const char *const values[] = { "-1", "0", "1", "3", "1e9", "1e300", "-1e300", "0.5",
                                          "\"x\"", "null", "[]", "{}", "true", "[1,2]", "NaN",
                                          "Infinity", "4294967296", "9223372036854775808" };
    struct ledger ledger = { 0 };
    pith_options *o = ledger_options(&ledger);
    size_t n;
    char *config = (char *)check_read(SOUND "/config.json", &n);
    char text[4096];

    fresh_folder();
    for (char *line = config; line && (line = strstr(line, "\": ")); line++) {
        size_t before = (size_t)(line + 3 - config), length = strcspn(line + 3, ",\n");

        for (size_t i = 0; i < PI_COUNT(values); i++) {
            pith_model *m = NULL;
            pith_error e = { 0 };
            int32_t status;

            ledger.peak = ledger.live;
            snprintf(text, sizeof text, "%.*s%s%.*s", (int)before, config, values[i],
                     (int)(n - before - length), config + before + length);
            put_text("config.json", text);
            status = pith_model_open(&m, folder, -1, o, &e);
            CHECK((status == PITH_OK) == (m != NULL) && (status == PITH_OK || e.text[0]));
            if (ledger.peak > (int64_t)4 << 20)
                CHECK_FAIL("%.20s...: %s takes %" PRId64 " bytes", config + before - 20, values[i],
                           ledger.peak);
            pith_model_release(m);
            CHECK_INT(ledger.live, 0);
        }
    }
    pith_options_release(o);
    free(config);
}

/* ---- tokenizer.json and what goes with it ---- */

/* tokenizer.json of small parts; each may be replaced. */
#define TOKENIZER(added, normalizer, pre, post, decoder, model)                                  \
    "{\"added_tokens\": [" added "], \"normalizer\": " normalizer ", \"pre_tokenizer\": " pre    \
    ", \"post_processor\": " post ", \"decoder\": " decoder ", \"model\": " model "}"
#define BPE(vocab, merges)                                                                       \
    "{\"type\": \"BPE\", \"vocab\": {" vocab "}, \"merges\": [" merges "]}"
#define LETTERS "\"a\": 0, \"b\": 1, \"c\": 2"
#define SIMPLE BPE(LETTERS, "")
#define WITH_ADDED(added) TOKENIZER(added, "null", "null", "null", "null", SIMPLE)
#define WITH_MODEL(model) TOKENIZER("", "null", "null", "null", "null", model)
#define WITH_POST(post) TOKENIZER("", "null", "null", post, "null", SIMPLE)

static const struct { const char *tokenizer; int32_t status; const char *parts; } tokenizers[] = {
    { "", PITH_E_FORMAT, "tokenizer.json" },
    { "[]", PITH_E_FORMAT, "tokenizer.json|model" },
    { "{\"model\": 7}", PITH_E_FORMAT, "model" },
    { WITH_MODEL("{\"type\": \"BPE\"}"), PITH_E_FORMAT, "model.vocab is missing" },
    { WITH_MODEL(BPE("", "")), PITH_E_FORMAT, "model.vocab is empty" },
    { WITH_MODEL("{\"type\": \"Lottery\", \"vocab\": {\"a\": 0}}"), PITH_E_UNSUPPORTED, "Lottery" },
    { TOKENIZER("", "{\"type\": \"Shout\"}", "null", "null", "null", SIMPLE), PITH_E_UNSUPPORTED,
      "Shout" },
    { TOKENIZER("", "null", "{\"type\": \"Scissors\"}", "null", "null", SIMPLE), PITH_E_UNSUPPORTED,
      "Scissors" },
    { TOKENIZER("", "null", "null", "null", "{\"type\": \"Oracle\"}", SIMPLE), PITH_E_UNSUPPORTED,
      "Oracle" },
    { WITH_POST("{\"type\": \"Stamp\"}"), PITH_E_UNSUPPORTED, "Stamp" },
    { TOKENIZER("", "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {}]}", "null",
      "null", "null", SIMPLE), PITH_E_UNSUPPORTED, "normalizer" },
    { TOKENIZER("", "null", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a\"}, \"behavior\": "
      "\"Isolated\"}", "null", "null", SIMPLE), PITH_E_UNSUPPORTED, "(a" },
    { TOKENIZER("", "null", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": "
      "\"Eaten\"}", "null", "null", SIMPLE), PITH_E_UNSUPPORTED, "Eaten" },
    { WITH_ADDED("{\"id\": 5000, \"content\": \"<x>\"}"), PITH_E_FORMAT, "5000" },
    { WITH_ADDED("{\"id\": -1, \"content\": \"<x>\"}"), PITH_E_FORMAT, "-1" },
    { WITH_ADDED("{\"id\": 1e300, \"content\": \"<x>\"}"), PITH_E_FORMAT, "<x>" },
    { WITH_ADDED("{\"id\": \"3\", \"content\": \"<x>\"}"), PITH_E_FORMAT, "<x>" },
    { WITH_ADDED("{\"content\": \"<x>\"}"), PITH_E_FORMAT, "<x>" },
    { WITH_ADDED("{\"id\": 3, \"content\": 3}"), PITH_E_FORMAT, "content" },
    { WITH_ADDED("{\"id\": 3, \"content\": \"<x>\", \"special\": \"no\"}"), PITH_E_FORMAT,
      "special" },
    { WITH_MODEL(BPE(LETTERS ", \"d\": -3", "")), PITH_E_FORMAT, "-3" },
    { WITH_MODEL(BPE(LETTERS ", \"d\": 2.5", "")), PITH_E_FORMAT, "\"d\"" },
    { WITH_MODEL(BPE(LETTERS ", \"d\": 2000000000", "")), PITH_E_FORMAT, "2000000000" },
    { WITH_MODEL(BPE(LETTERS ", \"d\": []", "")), PITH_E_FORMAT, "\"d\"" },
    { WITH_MODEL(BPE(LETTERS ", \"ab\": 3", "\"a b\", \"x y\"")), PITH_E_FORMAT,
      "merges[1] is \"x y\": its left is no token" },
    { WITH_MODEL(BPE(LETTERS ", \"ab\": 3", "\"a z\"")), PITH_E_FORMAT, "its right is no token" },
    { WITH_MODEL(BPE(LETTERS, "\"a b\"")), PITH_E_FORMAT, "its whole is no token" },
    { WITH_MODEL(BPE(LETTERS, "\"ab\"")), PITH_E_FORMAT, "merges[0]" },
    { WITH_MODEL(BPE(LETTERS, "[\"a\"]")), PITH_E_FORMAT, "merges[0]" },
    { WITH_MODEL(BPE(LETTERS, "3")), PITH_E_FORMAT, "merges[0]" },
    { WITH_MODEL("{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": {}}"), PITH_E_FORMAT,
      "merges" },
    { WITH_MODEL("{\"type\": \"BPE\", \"unk_token\": \"<u>\", \"vocab\": {\"a\": 0}, \"merges\": "
      "[]}"), PITH_E_FORMAT, "unk_token is \"<u>\"" },
    { WITH_MODEL("{\"type\": \"Unigram\", \"unk_id\": 9, \"vocab\": [[\"a\", -1]]}"), PITH_E_FORMAT,
      "unk_id is 9, model.vocab has 1" },
    { WITH_MODEL("{\"type\": \"Unigram\", \"vocab\": [[\"a\"]]}"), PITH_E_FORMAT,
      "model.vocab[0]" },
    { WITH_MODEL("{\"type\": \"Unigram\", \"vocab\": [[\"a\", \"b\"]]}"), PITH_E_FORMAT,
      "model.vocab[0]" },
    { WITH_POST("{\"type\": \"BertProcessing\", \"cls\": [\"a\", 3], \"sep\": [\"b\", 1]}"),
      PITH_E_FORMAT, "adds the token 3, the vocabulary has 3" },
    { WITH_POST("{\"type\": \"TemplateProcessing\", \"single\": ["
      "{\"SpecialToken\": {\"id\": \"q\"}}, "
      "{\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {}}"), PITH_E_FORMAT, "\"q\"" },
    { WITH_POST("{\"type\": \"TemplateProcessing\", \"single\": ["
      "{\"SpecialToken\": {\"id\": \"q\"}}, "
      "{\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {\"q\": {\"ids\": [77]}}}"),
      PITH_E_FORMAT, "77" },
    { WITH_POST("{\"type\": \"TemplateProcessing\", \"single\": []}"), PITH_E_UNSUPPORTED,
      "the text 0 times" },
    { TOKENIZER("", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA/w==\"}", "null",
      "null", "null", SIMPLE), PITH_E_FORMAT, "charsmap" },
};

static void bad_tokenizers(void)
{
    fresh_folder();
    for (size_t i = 0; i < PI_COUNT(tokenizers); i++) {
        put_text("tokenizer.json", tokenizers[i].tokenizer);
        refuse_folder(tokenizers[i].status, tokenizers[i].parts);
    }
    /* merges in a circle: each is a merge of known pieces, and a text comes to an end */
    put_text("tokenizer.json", WITH_MODEL(BPE(LETTERS ", \"ab\": 3, \"aba\": 4, \"abab\": 5",
             "\"ab ab\", \"aba b\", \"ab a\", \"a b\", \"a b\"")));
    pith_model_release(open_folder(PITH_OK, NULL));
    /* more tokens than the model has rows */
    put_text("tokenizer.json", WITH_ADDED("{\"id\": 127, \"content\": \"<x>\"}"));
    pith_model_release(open_folder(PITH_OK, NULL));
    put_text("tokenizer.json", WITH_ADDED("{\"id\": 128, \"content\": \"<x>\"}"));
    refuse_folder(PITH_E_FORMAT, "128|129");
}

static void ids_of_other_files(void)
{
    static const struct { const char *name, *text; int32_t status; const char *parts; } t[] = {
        { "generation_config.json", "{\"eos_token_id\": [0, 3]}", PITH_E_FORMAT,
          "generation_config.eos_token_id" },
        { "generation_config.json", "{\"eos_token_id\": \"</s>\"}", PITH_E_FORMAT,
          "generation_config.eos_token_id" },
        { "generation_config.json", "[]", PITH_E_FORMAT, "generation_config.json: no object" },
        { "generation_config.json", "{", PITH_E_FORMAT, "generation_config.json: line 1" },
        { "tokenizer_config.json", "{\"add_bos_token\": 3}", PITH_E_FORMAT, "add_bos_token" },
        { "tokenizer_config.json", "{\"bos_token\"", PITH_E_FORMAT, "tokenizer_config.json: line" },
        { "tokenizer_config.json", "7", PITH_E_FORMAT, "tokenizer_config.json: no object" },
    };

    fresh_folder();
    put_text("tokenizer.json", WITH_MODEL(SIMPLE));
    open_sound();
    for (size_t i = 0; i < PI_COUNT(t); i++) {
        put_text(t[i].name, t[i].text);
        refuse_folder(t[i].status, t[i].parts);
        unlink(at(t[i].name));
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(names_and_shapes);
    RUN(huge_headers);
    RUN(shards);
    RUN(configs);
    RUN(any_value);
    RUN(bad_tokenizers);
    RUN(ids_of_other_files);
    remove_folder();
    return CHECK_END();
}
