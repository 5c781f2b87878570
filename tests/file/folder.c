/* folder.c - Hugging Face folders, sound and broken on purpose: safetensors, their index,
 * config.json, tokenizer.json. What is broken is refused with a text that names it.
 */
#include "folder_make.h"

static void sound_folders(void)
{
    size_t n;
    char *config = (char *)check_read(SOUND "/config.json", &n), *nested = malloc(n + 200);

    fresh_folder();
    open_sound();
    /* a model of several parts */
    sprintf(nested, "{\"model_type\": \"llava\", \"hidden_size\": 7, \"text_config\": %.*s}",
            (int)n, config);
    put_text("config.json", nested);
    open_sound();
    /* as Python writes what it has no JSON for */
    sprintf(nested, "{\"limits\": [0, Infinity, -Infinity], \"name\": \"Infinity\", "
            "\"model_type\": \"llava\", \"text_config\": %.*s}", (int)n, config);
    put_text("config.json", nested);
    open_sound();
    CHECK_INT(pith_quantize(folder, -1, at("out.gguf"), -1, "Q8_0", NULL, NULL, NULL, NULL),
              PITH_E_UNSUPPORTED);
    /* shards; a tensor that is not needed lies in the second */
    fresh_folder();
    unlink(at("model.safetensors"));
    copy_in(SOUND "/model.safetensors", "a.safetensors");
    put_safetensors("b.safetensors", "{\"model.layers.0.self_attn.rotary_emb.inv_freq\":{\"dtype\":"
                    "\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    put_text("model.safetensors.index.json", "{\"metadata\": {\"total_size\": 1}, \"weight_map\": "
             "{\"model.norm.weight\": \"a.safetensors\", "
             "\"model.layers.0.self_attn.rotary_emb.inv_freq\": \"b.safetensors\"}}");
    open_sound();
    free(config);
    free(nested);
}

static void broken_headers(void)
{
    static const struct { const char *header; size_t n; int32_t status; const char *parts; } t[] = {
        { "[]", 0, PITH_E_FORMAT, "does not begin with {" },
        { "{ ", 0, PITH_E_FORMAT, "model.safetensors: line 1" },
        { "{\"a\":1}", 0, PITH_E_FORMAT, "a: it is no object" },
        { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, PITH_E_FORMAT, "a: its dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, PITH_E_FORMAT, "a: its shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, PITH_E_FORMAT, "a: its data_offsets" },
        { "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
          PITH_E_UNSUPPORTED, "a has dtype F8_E4M3" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, PITH_E_FORMAT,
          "a: its shape is impossible" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
          PITH_E_FORMAT, "a: its shape is impossible" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
          PITH_E_FORMAT, "a: it is too large" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,9,9,9,9,9],"
          "\"data_offsets\":[0,0]}}", 0, PITH_E_FORMAT, "a: its shape is impossible" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, PITH_E_FORMAT,
          "span 4 bytes, its shape and dtype need 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, PITH_E_FORMAT,
          "a: bytes 4 to 0 lie outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, PITH_E_FORMAT,
          "a: bytes 0 to 8 lie outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
          PITH_E_FORMAT, "a: it has an unknown member" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, PITH_E_FORMAT, "appears twice" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, PITH_E_FORMAT,
          "bytes before it belong to no tensor" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9, PITH_E_FORMAT,
          "its last 5 bytes belong to no tensor" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, PITH_E_FORMAT,
          "b: it overlaps another tensor" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, PITH_E_FORMAT,
          "tensor a appears twice" },
        { "{\"__metadata__\":{\"format\":1}}", 0, PITH_E_FORMAT, "format is no string" },
        { "{\"__metadata__\":[]}", 0, PITH_E_FORMAT, "__metadata__ is no object" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, PITH_E_FORMAT, "__metadata__ appears" },
    };

    fresh_folder();
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put_safetensors("model.safetensors", t[i].header, t[i].n);
        refuse_folder(t[i].status, t[i].parts);
    }
}

static void broken_files(void)
{
    uint8_t length[8] = { 0 };
    size_t n;
    unsigned char *sound = check_read(SOUND "/model.safetensors", &n);

    fresh_folder();
    for (size_t cut = 1; cut < n; cut += cut < 16 ? 1 : 491) {
        put("model.safetensors", sound, cut);
        refuse_folder(PITH_E_FORMAT, "model.safetensors");
    }
    for (int i = 0; i < 8; i++) {
        memset(length, 0, sizeof length);
        length[i] = 0xFF;
        put("model.safetensors", length, 8);
        refuse_folder(PITH_E_FORMAT, "model.safetensors: a header of");
    }
    free(sound);
}

static void broken_indices(void)
{
    static const struct { const char *index; int32_t status; const char *parts; } t[] = {
        { "[]", PITH_E_FORMAT, "index.json: no object" },
        { "{}", PITH_E_FORMAT, "weight_map is missing" },
        { "{\"weight_map\": []}", PITH_E_FORMAT, "weight_map" },
        { "{\"weight_map\": {}}", PITH_E_FORMAT, "weight_map is empty" },
        { "{\"weight_map\": {\"a\": 1}}", PITH_E_FORMAT, "\"\" is no name" },
        { "{\"weight_map\": {\"a\": \"../a.safetensors\"}}", PITH_E_FORMAT,
          "\"../a.safetensors\" is no name of a file" },
        { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", PITH_E_FORMAT, "\"/etc/passwd\" is no" },
        { "{\"weight_map\": {\"a\": \"x\\\\y\"}}", PITH_E_FORMAT, "is no name" },
        { "{\"weight_map\": {\"a\": \"a\\u0000b\"}}", PITH_E_FORMAT, "is no name" },
        { "{\"weight_map\": {\"a\": \"b.safetensors\"}}", PITH_E_IO, "b.safetensors: cannot be" },
        { "{\"weight_map\": {\"lm.weight\": \"a.safetensors\"}}", PITH_E_FORMAT,
          "lm.weight is not in a.safetensors" },
    };

    fresh_folder();
    unlink(at("model.safetensors"));
    refuse_folder(PITH_E_IO, "neither model.safetensors nor model.safetensors.index.json");
    copy_in(SOUND "/model.safetensors", "a.safetensors");
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put_text("model.safetensors.index.json", t[i].index);
        refuse_folder(t[i].status, t[i].parts);
    }
}

static void configs_that_contradict(void)
{
    static const struct { const char *from, *to; int32_t status; const char *parts; } t[] = {
        { "\"hidden_size\": 32", "\"hidden_size\": 64", PITH_E_FORMAT, "embed_tokens.weight is" },
        { "\"hidden_size\": 32", "\"hidden_size\": 0", PITH_E_FORMAT, "hidden_size is 0" },
        { "\"hidden_size\": 32", "\"hidden_size\": 1e999", PITH_E_FORMAT, "hidden_size" },
        { "\"hidden_size\": 32", "\"hidden_size\": null", PITH_E_FORMAT, "hidden_size is missing" },
        { "\"hidden_size\": 32", "\"hidden_size\": \"many\"", PITH_E_UNSUPPORTED,
          "hidden_size is many" },
        { "\"hidden_size\": 32", "\"hidden_size\": [32, 32, 32]", PITH_E_FORMAT,
          "hidden_size has 3 values for 2 layers" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", PITH_E_FORMAT,
          "layers.2.input_layernorm.weight is missing" },
        { "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", PITH_E_FORMAT,
          "has no use for it" },
        { "\"vocab_size\": 128", "\"vocab_size\": 129", PITH_E_FORMAT, "expected vocab,dim" },
        { "\"model_type\": \"llama\"", "\"model_type\": \"nobodys-net\"", PITH_E_UNSUPPORTED,
          "architecture nobodys-net is not supported" },
        { "\"model_type\": \"llama\"", "\"model_type\": 7", PITH_E_UNSUPPORTED,
          "architecture LlamaForCausalLM is not" },
        { "\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", PITH_E_UNSUPPORTED,
          "rope_type is spiral" },
        { "\"rope_type\": \"default\"", "\"rope_type\": \"yarn\", \"factor\": 0", PITH_E_FORMAT,
          "out of range" },
        { "\"rope_type\": \"default\"", "\"rope_type\": \"longrope\", \"long_factor\": [1], "
          "\"short_factor\": [1, 2, 3, 4]", PITH_E_FORMAT, "long_factor: 1 numbers, expected" },
        { "{", "", PITH_E_FORMAT, "config.json" },
    };

    fresh_folder();
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put_config(t[i].from, t[i].to);
        refuse_folder(t[i].status, t[i].parts);
    }
    unlink(at("config.json"));
    refuse_folder(PITH_E_IO, "without config.json");
}

#define WORDS(more) "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, " \
    "\"pre_tokenizer\": {\"type\": \"Whitespace\"}, \"post_processor\": null, \"decoder\": null, " \
    "\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2" more "}, " \
    "\"unk_token\": \"<unk>\"}}"

static void tokenizers(void)
{
    int32_t ids[8];
    int64_t n = 0;
    pith_model *m;

    fresh_folder();
    put_text("tokenizer.json", WORDS(""));
    put_text("generation_config.json", "{\"eos_token_id\": [1, 2]}");
    put_text("chat_template.jinja", "{{ messages }}");
    m = open_folder(PITH_OK, NULL);
    CHECK_INT(pith_tokenize(m, "b a b", -1, 0, ids, 8, &n, NULL), PITH_OK);
    CHECK(n == 3 && ids[0] == 2 && ids[1] == 1 && ids[2] == 2);
    pith_model_release(m);
    put_text("generation_config.json", "{\"eos_token_id\": 3}");
    refuse_folder(PITH_E_FORMAT, "generation_config.eos_token_id: the id 3 lies beyond the 3");
    put_text("generation_config.json", "{\"eos_token_id\": -1e300}");
    refuse_folder(PITH_E_FORMAT, "the id -1e+300 lies beyond");
    unlink(at("generation_config.json"));
    put_text("tokenizer.json", WORDS(", \"c\": 500"));
    refuse_folder(PITH_E_FORMAT, "tokens|500|vocab");
    put_text("tokenizer.json", "{}");
    refuse_folder(PITH_E_FORMAT, "model|tokenizer.json");
}

/* No byte of the header or of config.json crashes when it is another. */
static void any_byte(void)
{
    size_t n, m;
    unsigned char *file = check_read(SOUND "/model.safetensors", &n);
    unsigned char *config = check_read(SOUND "/config.json", &m);

    fresh_folder();
    for (size_t i = 0; i < 900; i += 3) {
        pith_model *model = NULL;

        file[i] ^= (unsigned char)(1 + i % 255);
        put("model.safetensors", file, n);
        file[i] ^= (unsigned char)(1 + i % 255);
        pith_model_open(&model, folder, -1, NULL, NULL);
        pith_model_release(model);
    }
    put("model.safetensors", file, n);
    for (size_t i = 0; i < m; i++) {
        pith_model *model = NULL;

        config[i] ^= (unsigned char)(1 + i % 255);
        put("config.json", config, m);
        config[i] ^= (unsigned char)(1 + i % 255);
        pith_model_open(&model, folder, -1, NULL, NULL);
        pith_model_release(model);
    }
    free(file);
    free(config);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(sound_folders);
    RUN(broken_headers);
    RUN(broken_files);
    RUN(broken_indices);
    RUN(configs_that_contradict);
    RUN(tokenizers);
    RUN(any_byte);
    remove_folder();
    return CHECK_END();
}
