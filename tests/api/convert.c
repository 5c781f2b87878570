/* convert.c - pith_convert: what it refuses, and that nothing is left then; types, threads, memory
 * that runs out, a caller who cancels; and tokenizers of five models, whose ids are the same from
 * the folder and from the file.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "base/json.h"
#include "hostile.h"
#include "model/model.h"
#include "text/texts.h"
#include "text/vocab.h"

#define QWEN "tests/golden/tiny/qwen3"
#define TOKENIZERS SHARED "/data/tokenizers/"

static char scratch[64];
static pith_error err;

static const char *inside(const char *name)
{
    static char paths[8][256];
    static int next;

    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", scratch, name);
    return paths[next];
}

static void write_bytes(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static void copy_file(const char *from, const char *to)
{
    size_t n;
    uint8_t *data = check_read(from, &n);

    if (data)
        write_bytes(to, data, n);
    else
        CHECK_FAIL("%s is missing", from);
    free(data);
}

/* Whether the folder has a file whose name begins with "out". */
static bool has_output(void)
{
    DIR *dir = opendir(scratch);
    struct dirent *entry;
    bool found = false;

    while (dir && (entry = readdir(dir)))
        found = found || strstr(entry->d_name, "out");
    if (dir)
        closedir(dir);
    return found;
}

static int32_t convert(const char *in, const char *type, const pith_options *o)
{
    err.text[0] = 0;
    return pith_convert(in, -1, inside("out.gguf"), -1, type, o, NULL, NULL, &err);
}

static void check_refused(const char *in, const char *type, int32_t status, const char *what)
{
    CHECK_INT(convert(in, type, NULL), status);
    CHECK_HAS(err.text, what);
    CHECK(!has_output());
}

static uint64_t hash_file(const char *path)
{
    uint64_t h = TEXTS_HASH;
    size_t n;
    uint8_t *data = check_read(path, &n);

    for (size_t i = 0; data && i < n; i++)
        h = texts_hash(h, data[i]);
    free(data);
    return h;
}

/* ---- folders ---- */

/* A copy of a tiny folder with another config.json. */
static const char *make_folder(const char *config)
{
    const char *folder = inside("in");

    mkdir(folder, 0700);
    copy_file(QWEN "/model.safetensors", inside("in/model.safetensors"));
    write_text(inside("in/config.json"), config);
    return folder;
}

static void remove_folder(void)
{
    unlink(inside("in/config.json"));
    unlink(inside("in/model.safetensors"));
    unlink(inside("in/tokenizer.json"));
    unlink(inside("in/tokenizer_config.json"));
    rmdir(inside("in"));
    unlink(inside("out.gguf"));
}

/* The config of the tiny folder with one member more, or another one. */
static const char *with(const char *member)
{
    static char text[4096];
    size_t n;
    char *json = (char *)check_read(QWEN "/config.json", &n), *end;

    end = json ? strrchr(json, '}') : NULL;
    if (end)
        *end = 0;
    snprintf(text, sizeof text, "%s, %s}", json ? json : "{", member);
    free(json);
    return text;
}

static void refused(void)
{
    check_refused("tests/golden/llama.gguf", NULL, PITH_E_UNSUPPORTED, "no folder");
    check_refused("/nonexistent", NULL, PITH_E_IO, "nonexistent");
    check_refused("tests/golden", NULL, PITH_E_IO, "config.json");
    check_refused(QWEN, "Q9", PITH_E_ARGUMENT, "Q9");
    check_refused(make_folder("{}"), NULL, PITH_E_FORMAT, "model_type");
    check_refused(make_folder(with("\"model_type\": \"x\"")), NULL, PITH_E_UNSUPPORTED, "x");
    check_refused(make_folder(with("\"quantization_config\": {\"quant_method\": \"gptq\"}")), NULL,
                  PITH_E_UNSUPPORTED, "gptq");
    check_refused(make_folder(with("\"hidden_act\": \"relu\"")), NULL, PITH_E_UNSUPPORTED,
                  "hidden_act");
    check_refused(make_folder(with("\"num_hidden_layers\": 3")), NULL, PITH_E_FORMAT, "missing");
    check_refused(make_folder(with("\"vocab_size\": 100")), NULL, PITH_E_FORMAT, "embed_tokens");
    check_refused(make_folder(with("\"rope_theta\": -1, \"rope_parameters\": {\"rope_type\": "
                                   "\"yarn\", \"truncate\": false, \"factor\": 2}")), NULL,
                  PITH_E_UNSUPPORTED, "truncate");
    make_folder(with("\"x\": 0"));
    write_text(inside("in/tokenizer.json"), "{\"model\":{\"type\":\"WordLevel\",\"vocab\":"
                                            "{\"a\":0,\"b\":1},\"unk_token\":\"a\"}}");
    check_refused(inside("in"), NULL, PITH_E_UNSUPPORTED, "tokenizer.json");
    remove_folder();
    CHECK_INT(pith_convert(QWEN, -1, "/nonexistent/out.gguf", -1, NULL, NULL, NULL, NULL, &err),
              PITH_E_IO);
    CHECK_INT(pith_convert(NULL, -1, "x", -1, NULL, NULL, NULL, NULL, &err), PITH_E_ARGUMENT);
    CHECK_INT(pith_convert(QWEN, -1, NULL, -1, NULL, NULL, NULL, NULL, &err), PITH_E_ARGUMENT);
}

/* No file of the folder is replaced, nor another one that is no GGUF file. */
static void own_files(void)
{
    static const char *const names[] = { "model.safetensors", "config.json", "chat_template.jinja",
                                         "README.md" };

    make_folder(with("\"x\": 0"));
    write_text(inside("in/chat_template.jinja"), "GGUF");
    write_text(inside("in/README.md"), "read me");
    for (size_t i = 0; i < PI_COUNT(names); i++) {
        char name[64];
        uint64_t hash;

        snprintf(name, sizeof name, "in/%s", names[i]);
        hash = hash_file(inside(name));
        CHECK_INT(pith_convert(inside("in"), -1, inside(name), -1, NULL, NULL, NULL, NULL, &err),
                  PITH_E_ARGUMENT);
        CHECK_HAS(err.text, names[i]);
        CHECK(hash_file(inside(name)) == hash);
    }
    CHECK_INT(pith_convert(inside("in"), -1, inside("in/new.gguf"), -1, NULL, NULL, NULL, NULL,
                           &err), PITH_OK);
    CHECK_INT(pith_convert(inside("in"), -1, inside("in/new.gguf"), -1, "F16", NULL, NULL, NULL,
                           &err), PITH_OK);
    unlink(inside("in/new.gguf"));
    unlink(inside("in/chat_template.jinja"));
    unlink(inside("in/README.md"));
    remove_folder();
}

/* A value that is no number is found in what is copied, too. */
static void no_numbers(void)
{
    static const char *const names[] = { "model.norm.weight",
                                         "model.layers.0.self_attn.q_proj.weight" };

    for (size_t i = 0; i < PI_COUNT(names); i++) {
        size_t n, begin;
        uint8_t *file;
        char *at;

        make_folder(with("\"x\": 0"));
        file = check_read(inside("in/model.safetensors"), &n);
        at = strstr(strstr((char *)file + 8, names[i]), "data_offsets");
        at = strchr(at, '[') + 1;
        begin = 8 + (size_t)pi_le64(file) + strtoul(at, NULL, 10);
        memcpy(file + begin + 6, "\xC0\x7F", 2);
        write_bytes(inside("in/model.safetensors"), file, n);
        free(file);
        check_refused(inside("in"), NULL, PITH_E_NUMERIC, names[i]);
        check_refused(inside("in"), "BF16", PITH_E_NUMERIC, names[i]);
        check_refused(inside("in"), "Q8_0", PITH_E_NUMERIC, names[i]);
    }
    remove_folder();
}

static int32_t stop_at_half(void *user, int64_t done, int64_t total)
{
    ++*(int *)user;
    return 2 * done >= total;
}

static void cancelled(void)
{
    int calls = 0;

    CHECK_INT(pith_convert(QWEN, -1, inside("out.gguf"), -1, NULL, NULL, stop_at_half, &calls,
                           &err), PITH_E_CANCELLED);
    CHECK(calls > 1);
    CHECK(!has_output());
}

/* ---- what comes out ---- */

/* The type of a tensor that the mix decides on; rows of 32 have no blocks of 256. */
static void types(void)
{
    static const char *const rows[][2] = {
        { NULL, "BF16" }, { "F32", "F32" }, { "F16", "F16" }, { "BF16", "BF16" },
        { "q8_0", "Q8_0" }, { "Q4_K_M", "Q5_0" }, { "Q4_0", "Q4_0" },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        const char *name, *type = "";
        pith_model *model;
        int64_t length, shape[4];
        int32_t dims;

        CHECK_INT(convert(QWEN, rows[i][0], NULL), PITH_OK);
        if (pith_model_open(&model, inside("out.gguf"), -1, NULL, &err) != PITH_OK) {
            CHECK_FAIL("%s", err.text);
            continue;
        }
        for (int64_t t = 0; t < pith_model_number(model, PITH_MODEL_TENSORS); t++) {
            pith_model_tensor(model, t, &name, &length, &type, shape, &dims, NULL);
            if (strncmp(name, "blk.0.attn_q.weight", (size_t)length) == 0)
                CHECK_STR(type, rows[i][1]);
            if (strncmp(name, "blk.0.attn_norm.weight", (size_t)length) == 0)
                CHECK_STR(type, "F32");
        }
        CHECK_INT(pith_model_verify(model, &err), PITH_OK);
        pith_model_release(model);
    }
    unlink(inside("out.gguf"));
}

static void same_for_any_threads(void)
{
    uint64_t hash[2];

    for (int i = 0; i < 2; i++) {
        pith_options *o;

        pith_options_create(&o, NULL);
        pith_options_set_i64(o, PITH_OPT_THREADS, 1 + 2 * i, NULL);
        CHECK_INT(convert(QWEN, "Q8_0", o), PITH_OK);
        hash[i] = hash_file(inside("out.gguf"));
        pith_options_release(o);
    }
    CHECK(hash[0] == hash[1] && hash[0] != TEXTS_HASH);
    unlink(inside("out.gguf"));
}

static void memory_runs_out(void)
{
    int failed = 0;

    for (int64_t at = 1; at < 2000; at++) {
        struct ledger ledger = { .fail_at = at };
        pith_options *o = ledger_options(&ledger);
        int32_t status = convert(QWEN, NULL, o);

        pith_options_release(o);
        CHECK_INT(ledger.live, 0);
        if (status == PITH_OK)
            break;
        CHECK_INT(status, PITH_E_MEMORY);
        CHECK(!has_output());
        failed++;
    }
    CHECK(failed > 5);
    unlink(inside("out.gguf"));
}

/* ---- tokenizers ---- */

/* One past the highest id. */
static int count_tokens(const char *path)
{
    static const struct allocator plain;
    struct arena arena;
    const struct json *root = NULL, *vocab;
    int64_t most = -1, id = 0;
    size_t n;
    char *text = (char *)check_read(path, &n);

    pi_arena_init(&arena, &plain);
    if (text)
        CHECK_INT(pi_json_parse(&root, &arena, (struct str){ text, n }, path, &err), PITH_OK);
    vocab = pi_json_find(root, "model.vocab");
    if (pi_json_kind(vocab) == JSON_ARRAY)
        most = (int64_t)vocab->n - 1;
    for (struct json_walk w = pi_json_walk(vocab); pi_json_next(&w) && w.keyed;)
        if (pi_json_int(w.value, &id) && id > most)
            most = id;
    for (struct json_walk w = pi_json_walk(pi_json_find(root, "added_tokens")); pi_json_next(&w);)
        if (pi_json_int(pi_json_find(w.value, "id"), &id) && id > most)
            most = id;
    pi_arena_free(&arena);
    free(text);
    return (int)most + 1;
}

/* A one-layer model of that vocabulary, eight wide, all weights zero. */
static void make_model(int tokens)
{
    static const struct {
        const char *name;
        int rows, cols; /* cols 0: a vector; rows 0: the vocabulary */
    } rows[] = {
        { "model.embed_tokens.weight", 0, 8 }, { "model.norm.weight", 8, 0 },
        { "model.layers.0.input_layernorm.weight", 8, 0 },
        { "model.layers.0.post_attention_layernorm.weight", 8, 0 },
        { "model.layers.0.self_attn.q_proj.weight", 8, 8 },
        { "model.layers.0.self_attn.k_proj.weight", 8, 8 },
        { "model.layers.0.self_attn.v_proj.weight", 8, 8 },
        { "model.layers.0.self_attn.o_proj.weight", 8, 8 },
        { "model.layers.0.mlp.gate_proj.weight", 8, 8 },
        { "model.layers.0.mlp.up_proj.weight", 8, 8 },
        { "model.layers.0.mlp.down_proj.weight", 8, 8 },
    };
    static char header[4096], config[1024];
    size_t n = 8, at = 0;
    uint8_t *file;

    header[n++] = '{';
    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        int count = rows[i].rows ? rows[i].rows : tokens;
        size_t bytes = 2 * (size_t)count * (size_t)(rows[i].cols ? rows[i].cols : 1);
        char shape[40];

        snprintf(shape, sizeof shape, rows[i].cols ? "%d,%d" : "%d", count, rows[i].cols);
        n += (size_t)snprintf(header + n, sizeof header - n, "%s\"%s\":{\"dtype\":\"BF16\","
                              "\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
                              rows[i].name, shape, at, at + bytes);
        at += bytes;
    }
    header[n++] = '}';
    for (int i = 0; i < 8; i++)
        header[i] = (char)((n - 8) >> 8 * i);
    file = calloc(1, n + at);
    memcpy(file, header, n);
    write_bytes(inside("in/model.safetensors"), file, n + at);
    free(file);
    snprintf(config, sizeof config, "{\"model_type\":\"llama\",\"hidden_size\":8,"
             "\"num_hidden_layers\":1,\"num_attention_heads\":1,\"intermediate_size\":8,"
             "\"vocab_size\":%d,\"rms_norm_eps\":1e-5,\"max_position_embeddings\":64}", tokens);
    write_text(inside("in/config.json"), config);
}

static void compare_ids(const pith_model *a, const pith_model *b, struct str text, int32_t flags)
{
    static int32_t x[16384], y[16384];
    int64_t n = -1, m = -1;

    CHECK_INT(pith_tokenize(a, text.at, (int64_t)text.n, flags, x, 16384, &n, &err), PITH_OK);
    CHECK_INT(pith_tokenize(b, text.at, (int64_t)text.n, flags, y, 16384, &m, &err), PITH_OK);
    if (n != m || memcmp(x, y, (size_t)n * sizeof *x) != 0)
        CHECK_FAIL("%" PRId64 " and %" PRId64 " ids for \"%.*s\"", n, m, (int)text.n, text.at);
}

static bool has_text(struct str text, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= text.n; i++)
        if (memcmp(text.at + i, part, n) == 0)
            return true;
    return false;
}

static void compare_tokenizers(int32_t flags, const char *const without[2])
{
    struct texts texts = { .state = TEXTS_SEED };
    pith_model *a = NULL, *b = NULL;

    if (pith_model_open(&a, inside("in"), -1, NULL, &err) ||
        pith_model_open(&b, inside("out.gguf"), -1, NULL, &err))
        CHECK_FAIL("%s", err.text);
    for (int i = 0; a && b && i < 2000; i++) {
        struct str text = texts_next(&texts);

        if (!(without[0] && has_text(text, without[0])) &&
            !(without[1] && has_text(text, without[1])))
            compare_ids(a, b, text, flags);
    }
    pith_model_release(a);
    pith_model_release(b);
}

static void tokenizers(void)
{
    static const struct {
        const char *name, *what; /* what: refused, naming this */
        int32_t flags;
        const char *without[2];
    } rows[] = {
        { "phi-2", NULL, PITH_TOKENIZE_BOS, { NULL } },
        { "roberta-base", NULL, PITH_TOKENIZE_BOS, { NULL } },
        /* as in the peers: U+0085 is white space to tokenizer.json alone, which also looks for
         * characters with their marks, from U+0300 on, where SentencePiece takes them apart */
        { "t5-small", NULL, PITH_TOKENIZE_BOS, { "\xC2\x85", "\xCC" } },
        /* its two tokens in front of a text are not carried */
        { "whisper.tiny", NULL, PITH_TOKENIZE_PLAIN, { NULL } },
        { "clip", "ends of words", 0, { NULL } },
    };

    if (access(TOKENIZERS, R_OK) != 0)
        SKIP("no " TOKENIZERS);
    mkdir(inside("in"), 0700);
    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        char path[256];

        snprintf(path, sizeof path, TOKENIZERS "%s__tokenizer.json", rows[i].name);
        copy_file(path, inside("in/tokenizer.json"));
        make_model(count_tokens(path));
        if (rows[i].what) {
            check_refused(inside("in"), NULL, PITH_E_UNSUPPORTED, rows[i].what);
            continue;
        }
        if (convert(inside("in"), NULL, NULL) == PITH_OK)
            compare_tokenizers(rows[i].flags, rows[i].without);
        else
            CHECK_FAIL("%s: %s", rows[i].name, err.text);
        unlink(inside("out.gguf"));
    }
    remove_folder();
}

/* All bytes, and three tokens behind them with holes between; 262 ends texts by its spelling. */
static void make_tokenizer(void)
{
    static char text[8192];
    size_t n = (size_t)sprintf(text, "{\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{");

    for (int i = 0; i < 256; i++) {
        char code[5] = { 0 };

        code[pi_utf8_put(pi_vocab_byte_code((uint8_t)i), code)] = 0;
        n += (size_t)sprintf(text + n, "%s\"%s%s\":%d", i ? "," : "",
                             i == '"' || i == '\\' ? "\\" : "", code, i);
    }
    n += (size_t)sprintf(text + n, "}},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                         "\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},"
                         "\"added_tokens\":[");
    for (int i = 256; i < 264; i += 2)
        n += (size_t)sprintf(text + n, "%s{\"id\":%d,\"content\":\"%s%d%s\",\"special\":true}",
                             i > 256 ? "," : "", i, i == 262 ? "<|im_end|>\",\"was\":\"" : "<", i,
                             i == 262 ? "" : ">");
    strcpy(text + n, "]}");
    write_text(inside("in/tokenizer.json"), text);
}

/* Ids without a token and the ends of texts are in the file what they are in the folder. */
static void compare_tokens(int64_t eos, int64_t eot, int64_t eom)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id",
                                        "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };
    const int64_t ids[] = { eos, eot, eom };
    pith_model *a = NULL, *b = NULL;

    if (pith_model_open(&a, inside("in"), -1, NULL, &err) || convert(inside("in"), NULL, NULL) ||
        pith_model_open(&b, inside("out.gguf"), -1, NULL, &err)) {
        CHECK_FAIL("%s", err.text);
        pith_model_release(a);
        return;
    }
    for (int32_t id = 0; id < 263; id++)
        for (int flags = 0; flags <= PITH_TOKENIZE_SPECIAL; flags += PITH_TOKENIZE_SPECIAL) {
            char x[40] = "", y[40] = "";
            int64_t n = -1, m = -1;

            CHECK(pi_token_ends(a->tokenizer, id) == pi_token_ends(b->tokenizer, id));
            CHECK_INT(pith_detokenize(a, &id, 1, flags, x, sizeof x, &n, &err), PITH_OK);
            CHECK_INT(pith_detokenize(b, &id, 1, flags, y, sizeof y, &m, &err), PITH_OK);
            CHECK(n == m && memcmp(x, y, sizeof x) == 0);
        }
    for (size_t i = 0; i < PI_COUNT(keys); i++) {
        int64_t id = -1;
        bool found;

        CHECK_INT(pi_meta_i64(&b->weights, keys[i], &id, &found, &err), PITH_OK);
        CHECK_INT(id, ids[i]);
    }
    pith_model_release(a);
    pith_model_release(b);
}

static void ends_and_holes(void)
{
    static const struct {
        const char *generation, *config; /* eos_token_id; "": none */
        int64_t eos, eot, eom;           /* eos -2: refused */
    } rows[] = {
        { "", "", -1, -1, -1 }, { "", "5", 5, -1, -1 }, { "7", "", 7, -1, -1 },
        { "7", "5", 7, -1, -1 }, { "[256]", "256", 256, -1, -1 },
        { "[256, 9]", "", 256, 9, -1 }, { "[256, 9, 260, 9, 256]", "256", 256, 9, 260 },
        { "", "[1, 2, 3]", 1, 2, 3 }, { "[256, 262, 9, 260]", "", 256, 9, 260 },
        { "[256, 262, 9]", "", 256, 9, 262 }, { "[256, 9, 260, 258]", "", -2, 0, 0 },
    };

    mkdir(inside("in"), 0700);
    make_tokenizer();
    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        char text[128];

        make_model(266);
        if (rows[i].config[0]) {
            size_t n;
            char *json = (char *)check_read(inside("in/config.json"), &n);

            json[n - 1] = 0;
            snprintf(text, sizeof text, ",\"eos_token_id\":%s}", rows[i].config);
            json = realloc(json, n + sizeof text);
            strcat(json, text);
            write_text(inside("in/config.json"), json);
            free(json);
        }
        snprintf(text, sizeof text, "{\"eos_token_id\":%s}",
                 rows[i].generation[0] ? rows[i].generation : "null");
        write_text(inside("in/generation_config.json"), text);
        if (rows[i].eos == -2)
            check_refused(inside("in"), NULL, PITH_E_UNSUPPORTED, "the token 258, \"<258>\"");
        else
            compare_tokens(rows[i].eos, rows[i].eot, rows[i].eom);
        unlink(inside("out.gguf"));
    }
    write_text(inside("in/generation_config.json"), "{\"eos_token_id\":263}");
    check_refused(inside("in"), NULL, PITH_E_FORMAT, "the id 263");
    unlink(inside("in/generation_config.json"));
    remove_folder();
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    strcpy(scratch, "/tmp/pith-test-XXXXXX");
    if (!mkdtemp(scratch))
        return 1;
    RUN(refused);
    RUN(own_files);
    RUN(no_numbers);
    RUN(cancelled);
    RUN(types);
    RUN(same_for_any_threads);
    RUN(memory_runs_out);
    RUN(tokenizers);
    RUN(ends_and_holes);
    rmdir(scratch);
    return CHECK_END();
}
