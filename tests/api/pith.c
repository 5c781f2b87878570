/* pith.c - version, status, options, models, tokens: what they promise when all is well.
 */
#include "api.h"

#include <fcntl.h>

static void version(void)
{
    char expected[32];

    snprintf(expected, sizeof expected, "%d.%d.%d", PITH_VERSION_MAJOR, PITH_VERSION_MINOR,
             PITH_VERSION_PATCH);
    CHECK_INT(pith_version(), PITH_VERSION);
    CHECK_STR(pith_version_string(), expected);
    WORKS(pith_abi_check(PITH_VERSION, sizeof e, &e));
    WORKS(pith_abi_check(PITH_VERSION, sizeof e, &e));
    FAILS(pith_abi_check(PITH_VERSION + 1, sizeof e, &e), PITH_E_UNSUPPORTED, "version");
    FAILS(pith_abi_check(PITH_VERSION + 10000, sizeof e, &e), PITH_E_UNSUPPORTED, "version");
    FAILS(pith_abi_check(0, sizeof e, &e), PITH_E_UNSUPPORTED, "version");
    FAILS(pith_abi_check(INT32_MIN, sizeof e, &e), PITH_E_UNSUPPORTED, "version");
    /* An error struct of another size is not touched. */
    mark_error();
    CHECK_INT(pith_abi_check(PITH_VERSION, sizeof e - 8, &e), PITH_E_UNSUPPORTED);
    check_untouched("pith_abi_check");
    CHECK_INT(sizeof(pith_error), 256);
}

static void status(void)
{
#define X(name, code, meaning)                      \
    CHECK_INT(name, code);                          \
    CHECK_STR(pith_status_name(code), #name);       \
    CHECK_STR(pith_status_meaning(code), meaning);
    PITH_STATUS_LIST(X)
#undef X
    CHECK_STR(pith_status_name(2), "unknown");
    CHECK_STR(pith_status_meaning(-10), "unknown");
    CHECK_STR(pith_status_name(INT32_MIN), "unknown");
}

static void option_table(void)
{
    static const struct {
        int32_t key;
        const char *name;
        int32_t type, scope;
        double min, max, def;
    } rows[] = {
#define X(key, number, name, type, scope, min, max, def, text) \
    { key, name, PITH_TYPE_##type, PITH_SCOPE_##scope, min, max, def },
        PITH_OPTION_LIST(X)
#undef X
    };
    int32_t n = pith_option_count();

    CHECK_INT(n, sizeof rows / sizeof *rows);
    for (int32_t i = 0; i < n; i++) {
        const char *name = NULL, *text = NULL;
        int32_t key, type, scope;
        double min, max, def;

        WORKS(pith_option_info(i, &key, &name, &type, &scope, &min, &max, &def, &text, &e));
        CHECK_INT(key, rows[i].key);
        CHECK_STR(name, rows[i].name);
        CHECK_INT(type, rows[i].type);
        CHECK_INT(scope, rows[i].scope);
        CHECK_NEAR(min, rows[i].min, 0);
        CHECK_NEAR(max, rows[i].max, 0);
        CHECK_NEAR(def, rows[i].def, 0);
        CHECK(text && *text);
        CHECK(type == PITH_TYPE_STR || (min <= def && def <= max));
        for (int32_t j = 0; j < i; j++)
            CHECK(strcmp(name, rows[j].name) != 0 && key != rows[j].key);
        WORKS(pith_option_info(i, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &e));
    }
}

/* Every option takes its bounds and its default, by key and by name, and nothing beyond. */
static void option_bounds(void)
{
    pith_options *o = new_options();

    for (int32_t i = 0; i < pith_option_count(); i++) {
        const char *name = NULL;
        int32_t key = 0, type = 0;
        double min = 0, max = 0, def = 0;
        char text[40];

        WORKS(pith_option_info(i, &key, &name, &type, NULL, &min, &max, &def, NULL, &e));
        if (type == PITH_TYPE_STR) {
            WORKS(pith_options_set_str(o, key, "text", -1, &e));
            WORKS(pith_options_set_str(o, key, NULL, 0, &e));
            WORKS(pith_options_set(o, name, "text", &e));
            FAILS(pith_options_set_i64(o, key, 1, &e), PITH_E_ARGUMENT, name);
            FAILS(pith_options_set_f64(o, key, 1, &e), PITH_E_ARGUMENT, name);
            continue;
        }
        WORKS(pith_options_set_i64(o, key, (int64_t)ceil(min), &e));
        WORKS(pith_options_set_i64(o, key, (int64_t)max, &e));
        FAILS(pith_options_set_i64(o, key, (int64_t)floor(min) - 1, &e), PITH_E_ARGUMENT, name);
        FAILS(pith_options_set_i64(o, key, (int64_t)max + 1, &e), PITH_E_ARGUMENT, name);
        FAILS(pith_options_set_i64(o, key, INT64_MIN, &e), PITH_E_ARGUMENT, name);
        FAILS(pith_options_set_i64(o, key, INT64_MAX, &e), PITH_E_ARGUMENT, name);
        FAILS(pith_options_set_str(o, key, "1", -1, &e), PITH_E_ARGUMENT, name);
        snprintf(text, sizeof text, "%.17g", def);
        WORKS(pith_options_set(o, name, text, &e));
        snprintf(text, sizeof text, "%.17g", max);
        WORKS(pith_options_set(o, name, text, &e));
        snprintf(text, sizeof text, "%.17g", max * 2 + 1);
        FAILS(pith_options_set(o, name, text, &e), PITH_E_ARGUMENT, name);
        if (type == PITH_TYPE_I64) {
            FAILS(pith_options_set_f64(o, key, 1, &e), PITH_E_ARGUMENT, name);
            FAILS(pith_options_set(o, name, "0.5", &e), PITH_E_ARGUMENT, name);
            FAILS(pith_options_set(o, name, "1e300", &e), PITH_E_ARGUMENT, name);
        } else {
            WORKS(pith_options_set_f64(o, key, min, &e));
            WORKS(pith_options_set_f64(o, key, max, &e));
            FAILS(pith_options_set_f64(o, key, (double)NAN, &e), PITH_E_ARGUMENT, "nan");
            FAILS(pith_options_set_f64(o, key, (double)INFINITY, &e), PITH_E_ARGUMENT, "inf");
            FAILS(pith_options_set_f64(o, key, -(double)INFINITY, &e), PITH_E_ARGUMENT, name);
        }
    }
    pith_options_release(o);
}

static void option_text(void)
{
    static const char *const bad[] = { "", " ", "x", "1x", "0,5", "1e", "--1", "nan", "inf",
                                       "0x10", "1 ", ".", "-", "1e+" };
    pith_options *o = new_options();

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(pith_options_set(o, "temperature", bad[i], &e), PITH_E_ARGUMENT, "temperature");
    WORKS(pith_options_set(o, "temperature", "0.7", &e));
    WORKS(pith_options_set(o, "temperature", "7e-1", &e));
    WORKS(pith_options_set(o, "seed", "9007199254740991", &e));
    FAILS(pith_options_set(o, "temprature", "1", &e), PITH_E_UNSUPPORTED, "temprature");
    FAILS(pith_options_set(o, "", "1", &e), PITH_E_UNSUPPORTED, "option");
    FAILS(pith_options_set(o, NULL, "1", &e), PITH_E_ARGUMENT, "NULL");
    FAILS(pith_options_set(o, "seed", NULL, &e), PITH_E_ARGUMENT, "NULL");
    FAILS(pith_options_set(NULL, "seed", "1", &e), PITH_E_ARGUMENT, "NULL");
    pith_options_release(o);
}

/* A model says the same however it is opened. */
static void check_facts(const pith_model *m)
{
    const char *key, *name, *type;
    int64_t n, shape[4], elements = 0;
    char value[64];
    int32_t dims;

    CHECK_INT(pith_model_number(m, PITH_MODEL_VOCABULARY), 99);
    CHECK_INT(pith_model_number(m, PITH_MODEL_CONTEXT), 256);
    CHECK_INT(pith_model_number(m, PITH_MODEL_WIDTH), 64);
    CHECK_INT(pith_model_number(m, PITH_MODEL_LAYERS), 2);
    CHECK_INT(pith_model_number(m, PITH_MODEL_BOS), 1);
    CHECK_INT(pith_model_number(m, PITH_MODEL_EOS), 2);
    CHECK_INT(pith_model_number(m, PITH_MODEL_EXACT), 1);
    CHECK_INT(pith_model_number(m, 0), 0);
    CHECK_INT(pith_model_number(m, INT32_MAX), 0);
    CHECK_STR(pith_model_arch(m), "llama");
    for (int64_t i = 0; i < pith_model_number(m, PITH_MODEL_TENSORS); i++) {
        WORKS(pith_model_tensor(m, i, &name, &n, &type, shape, &dims, &e));
        CHECK(n > 0 && dims >= 1 && dims <= 4);
        CHECK_STR(type, "F32");
        elements += dims == 1 ? shape[0] : shape[0] * shape[1];
    }
    CHECK_INT(pith_model_number(m, PITH_MODEL_PARAMETERS), elements);
    CHECK_INT(pith_model_number(m, PITH_MODEL_BYTES), elements * 4);
    CHECK(pith_model_meta_count(m) > 5);
    for (int64_t i = 0; i < pith_model_meta_count(m); i++) {
        WORKS(pith_model_meta(m, i, &key, &n, value, sizeof value, &e));
        CHECK(n > 0 && strlen(value) < sizeof value);
        if (n == 20 && memcmp(key, "general.architecture", 20) == 0)
            CHECK_STR(value, "llama");
        WORKS(pith_model_meta(m, i, &key, &n, NULL, 0, &e));
        WORKS(pith_model_meta(m, i, &key, &n, value, 1, &e));
        CHECK_STR(value, "");
    }
    WORKS(pith_model_verify(m, &e));
}

static void open_path(void)
{
    const char path[] = LLAMA "|";
    pith_model *m = NULL;

    WORKS(pith_model_open(&m, path, (int64_t)strlen(LLAMA), NULL, &e));
    check_facts(m);
    pith_model_release(m);
}

static void open_memory(void)
{
    size_t size;
    uint8_t *data = check_read(LLAMA, &size), *moved = malloc(size + 1);
    pith_model *m = NULL;

    WORKS(pith_model_open_memory(&m, data, (int64_t)size, NULL, &e));
    check_facts(m);
    pith_model_release(m);
    /* Alignment does not matter. */
    memcpy(moved + 1, data, size);
    WORKS(pith_model_open_memory(&m, moved + 1, (int64_t)size, NULL, &e));
    check_facts(m);
    pith_model_release(m);
    free(moved);
    free(data);
}

/* The file stands at an odd place in another, and the descriptor stays the caller's. */
static void open_fd(void)
{
    char path[] = "/tmp/pith-api-XXXXXX";
    size_t size;
    uint8_t *data = check_read(LLAMA, &size);
    int fd = mkstemp(path);
    pith_model *m = NULL;

    unlink(path);
    CHECK_INT(write(fd, "some bytes", 10), 10);
    CHECK_INT(write(fd, data, size), size);
    WORKS(pith_model_open_fd(&m, fd, 10, 0, NULL, &e));
    check_facts(m);
    pith_model_release(m);
    CHECK_INT(write(fd, "more", 4), 4);
    WORKS(pith_model_open_fd(&m, fd, 10, (int64_t)size, NULL, &e));
    CHECK_INT(fcntl(fd, F_GETFD) < 0, 0);
    close(fd);
    check_facts(m);
    pith_model_release(m);
    free(data);
}

static void explain(void)
{
    struct guest g;
    int64_t need = -1, length = -1;
    char *text;

    if (!open_guest(&g, LLAMA, NULL))
        return;
    WORKS(pith_model_explain(g.model, NULL, 0, &need, &e));
    CHECK(need > 100);
    text = malloc((size_t)need + 1);
    WORKS(pith_model_explain(g.model, text, need + 1, &length, &e));
    CHECK_INT(length, need);
    CHECK_INT(strlen(text), need);
    CHECK_HAS(text, "layers 0 to 1");
    memset(text, 'x', (size_t)need);
    WORKS(pith_model_explain(g.model, text, 10, &length, &e));
    CHECK_INT(length, need);
    CHECK_INT(strlen(text), 9);
    CHECK(text[10] == 'x');
    free(text);
    close_guest(&g);
}

/* Text -> ids -> the same text, asked for with every capacity. */
static void round_trip(const pith_model *m, const char *text, int64_t n)
{
    int64_t count = -1, some = -1, length = -1;
    int32_t ids[256];
    char back[256];

    WORKS(pith_tokenize(m, text, n, 0, NULL, 0, &count, &e));
    CHECK(count > 0 && count <= 256);
    WORKS(pith_tokenize(m, text, n, 0, ids, 256, &some, &e));
    CHECK_INT(some, count);
    WORKS(pith_detokenize(m, ids, count, 0, NULL, 0, &length, &e));
    CHECK_INT(length, n);
    WORKS(pith_detokenize(m, ids, count, 0, back, sizeof back, &length, &e));
    CHECK(length == n && memcmp(back, text, (size_t)n) == 0);
    for (int64_t cut = 0; cut < n; cut++) {
        memset(back, '#', sizeof back);
        WORKS(pith_detokenize(m, ids, count, 0, back, cut, &length, &e));
        CHECK(length == n && memcmp(back, text, (size_t)cut) == 0 && back[cut] == '#');
    }
    for (int64_t cut = 0; cut < count; cut++) {
        ids[cut] = -5;
        WORKS(pith_tokenize(m, text, n, 0, ids, cut, &some, &e));
        CHECK(some == count && ids[cut] == -5);
    }
}

static void tokens(void)
{
    static const char hello[] = "Once upon a time";
    static const char bytes[] = "h\xC3\xA9llo \xF0\x9F\x99\x82\xFF\0zero";
    struct guest llama, qwen;
    int32_t ids[64];
    int64_t n = 0, m = 0, length;
    const char *text;

    if (!open_guest(&llama, LLAMA, NULL) || !open_guest(&qwen, QWEN, NULL))
        return;
    round_trip(llama.model, hello, (int64_t)strlen(hello));
    round_trip(qwen.model, hello, (int64_t)strlen(hello));
    round_trip(qwen.model, bytes, sizeof bytes - 1);
    WORKS(pith_tokenize(llama.model, hello, -1, PITH_TOKENIZE_BOS, ids, 64, &n, &e));
    WORKS(pith_tokenize(llama.model, hello, -1, PITH_TOKENIZE_PLAIN, NULL, 0, &m, &e));
    CHECK_INT(n, m + 1);
    CHECK_INT(ids[0], pith_model_number(llama.model, PITH_MODEL_BOS));
    WORKS(pith_tokenize(llama.model, "</s>", -1, PITH_TOKENIZE_SPECIAL, ids, 64, &n, &e));
    CHECK_INT(n, 1);
    CHECK_INT(ids[0], pith_model_number(llama.model, PITH_MODEL_EOS));
    WORKS(pith_detokenize(llama.model, ids, 1, PITH_TOKENIZE_SPECIAL, NULL, 0, &n, &e));
    CHECK_INT(n, 4);
    WORKS(pith_detokenize(llama.model, ids, 1, PITH_TOKENIZE_PLAIN, NULL, 0, &n, &e));
    CHECK_INT(n, 0);
    WORKS(pith_tokenize(llama.model, "", -1, 0, NULL, 0, &n, &e));
    CHECK_INT(n, 0);
    WORKS(pith_detokenize(llama.model, NULL, 0, 0, NULL, 0, &n, &e));
    CHECK_INT(n, 0);
    WORKS(pith_token_piece(llama.model, 2, &text, &length, &e));
    CHECK(length == 4 && memcmp(text, "</s>", 4) == 0);
    close_guest(&llama);
    close_guest(&qwen);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(version);
    RUN(status);
    RUN(option_table);
    RUN(option_bounds);
    RUN(option_text);
    RUN(open_path);
    RUN(open_memory);
    RUN(open_fd);
    RUN(explain);
    RUN(tokens);
    return CHECK_END();
}
