/* gguf.c - files that are none, broken files, and the broken files that have brought down others:
 * each is refused with the right status and a text that names what is wrong, and leaves nothing
 * behind.
 *
 * Tests of known vulnerabilities carry their ids.
 */
#include "hostile.h"

#include <sys/mman.h>

#define LLAMA "tests/golden/llama.gguf"

static struct gguf *fresh(void) { return tiny_model(&tiny_llama); }

/* ---- what is cut short ---- */

static const char *const short_texts = "cut short|ends inside|cannot fit";

/* Every length, in a heap block of that size, up to `limit`; then behind a page that may not be
 * touched, up to the whole. The file must have no padding at its end. */
static void truncate_everywhere(const uint8_t *file, size_t n, size_t limit)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
    uint8_t *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);
    uint8_t *end = map + room;

    for (size_t i = 0; i < n && i < limit; i++) {
        uint8_t *copy = malloc(i ? i : 1);

        memcpy(copy, file, i);
        refuse_bytes(copy, i, PITH_E_FORMAT, short_texts);
        free(copy);
    }
    CHECK(mprotect(end, page, PROT_NONE) == 0);
    for (size_t i = n; i-- > 0 && check.failures < 5;) {
        pith_model *m = NULL;
        pith_error e = { 0 };

        memcpy(end - i, file, i < limit ? i : limit); /* the data behind is not looked at */
        if (pith_model_open_memory(&m, end - i, (int64_t)i, NULL, &e) != PITH_E_FORMAT || m ||
            !has_one_of(e.text, short_texts))
            CHECK_FAIL("%zu bytes of %zu: \"%s\"", i, n, e.text);
    }
    munmap(map, room + page);
}

static size_t head_bytes(const struct gguf *g)
{
    struct gguf_bytes head = { 0 };

    gguf_write_head(g, &head);
    free(head.at);
    return head.n;
}

static void every_truncation_of_a_real_file(void)
{
    size_t n;
    uint8_t *file = check_read(LLAMA, &n);
    struct gguf *g = gguf_parse(file, n);

    truncate_everywhere(file, n, head_bytes(g) + 256);
    gguf_free(g);
    free(file);
}

static void every_truncation_of_tiny_files(void)
{
    static const struct tiny *const models[] = { &tiny_llama, &tiny_gpt2, &tiny_q8, &tiny_q4,
                                                 &tiny_qwen3 };

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct gguf *g = tiny_model(models[i]);
        size_t n;
        uint8_t *file = gguf_write(g, &n);

        truncate_everywhere(file, n, n);
        free(file);
        gguf_free(g);
    }
}

/* ---- the header ---- */

static void other_formats(void)
{
    static const char *const magics[] = { "GGJT", "ggml", "FUGG", "PK\3\4",
                                          ("\x7F" "ELF"), "gguf" };
    struct gguf *g;

    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        char shown[32];

        g = fresh();
        memcpy(g->magic, magics[i], 4);
        snprintf(shown, sizeof shown, "%02x %02x %02x %02x", g->magic[0], g->magic[1], g->magic[2],
                 g->magic[3]);
        refuse(g, PITH_E_FORMAT, shown);
    }
    refuse_bytes((const uint8_t *)"", 0, PITH_E_FORMAT, "cut short");
    refuse_bytes((const uint8_t *)"GGUF", 4, PITH_E_FORMAT, "ends inside the header");
}

static void versions(void)
{
    static const uint32_t wrong[] = { 0, 1, 4, 99, 0xFFFFFFFF };
    struct opened m;
    struct gguf *g;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char shown[32];

        g = fresh();
        g->version = wrong[i];
        snprintf(shown, sizeof shown, "version %u;", wrong[i]);
        refuse(g, PITH_E_UNSUPPORTED, shown);
    }
    for (uint32_t version = 2; version <= 3; version++) {
        g = fresh();
        g->version = version << 24;
        refuse(g, PITH_E_UNSUPPORTED, "big-endian");
        g = fresh();
        g->version = version;
        open_made(&m, g);
        close_made(&m);
    }
}

static void lie_about_counts(bool tensors, const char *parts)
{
    static const uint64_t counts[] = { 1000, 0xFFFFFFFF, (uint64_t)1 << 32, (uint64_t)1 << 56,
                                       (uint64_t)1 << 58, (uint64_t)1 << 60, (uint64_t)1 << 61,
                                       (uint64_t)1 << 63, UINT64_MAX / 48 + 1, UINT64_MAX / 72 + 1,
                                       UINT64_MAX - 1 };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct gguf *g = fresh();

        *(tensors ? &g->n_tensors : &g->n_metas) = counts[i];
        refuse(g, PITH_E_FORMAT, parts);
    }
}

static void cve_2024_21836_tensor_count(void) { lie_about_counts(true, "tensors cannot fit"); }
static void cve_2024_23605_key_count(void) { lie_about_counts(false, "keys cannot fit"); }

static void counts_that_are_off_by_one(void)
{
    struct gguf *g = fresh();

    g->n_tensors = g->tensors_n + 1;
    refuse(g, PITH_E_FORMAT, "dimension|has tensor type|ends inside|beyond|impossible");
    g = fresh();
    g->n_tensors = g->tensors_n - 1;
    refuse(g, PITH_E_FORMAT, "output_norm.weight is missing");
    g = fresh();
    g->n_metas = g->metas_n + 1;
    refuse(g, PITH_E_FORMAT, "token_embd.weight|ends inside");
    g = fresh();
    g->n_metas = g->metas_n - 1;
    refuse(g, PITH_E_FORMAT, "dimension|value type|cannot fit|impossible");
    g = fresh();
    g->n_metas = 0;
    refuse(g, PITH_E_FORMAT, "dimension|impossible|ends inside");
}

/* ---- metadata ---- */

static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 7, UINT64_MAX - 8,
                                    (uint64_t)1 << 63, INT64_MAX, (uint64_t)1 << 32, 0xFFFFFFFF,
                                    1 << 20 };

static void cve_2024_23496_string_length(void)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct gguf *g = fresh();

        g->metas[2].key_length = lengths[i];
        refuse(g, PITH_E_FORMAT, "ends inside the metadata");
        g = fresh();
        gguf_put_int(gguf_key(g, "a.text", GGUF_STR), lengths[i], 8);
        refuse(g, PITH_E_FORMAT, "a.text");
        g = fresh();
        g->tensors[1].name_length = lengths[i];
        refuse(g, PITH_E_FORMAT, "ends inside the tensor list");
        g = fresh();
        gguf_put_int(gguf_array(g, "a.list", GGUF_STR, 1), lengths[i], 8);
        refuse(g, PITH_E_FORMAT, "a.list");
    }
}

static void cve_2024_21825_array_count(void)
{
    static const uint32_t types[] = { GGUF_U8, GGUF_I16, GGUF_F32, GGUF_STR, GGUF_U64, GGUF_F64 };
    struct gguf *g;

    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            g = fresh();
            gguf_array(g, "a.list", types[t], lengths[i]);
            refuse(g, PITH_E_FORMAT, "a.list");
            g = fresh();
            gguf_array(g, "a.list", types[t], lengths[i] / 8 + 1); /* times 8 it wraps */
            refuse(g, PITH_E_FORMAT, "a.list");
        }
    g = fresh();
    gguf_array(g, "a.list", GGUF_ARRAY, 1);
    refuse(g, PITH_E_FORMAT, "a.list has value type 9, an array of arrays");
}

static void unknown_value_types(void)
{
    static const uint32_t types[] = { 13, 14, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF };
    char shown[64];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct gguf *g = fresh();

        gguf_put_int(gguf_key(g, "a.key", types[i]), 0, 8);
        snprintf(shown, sizeof shown, "a.key has value type %u", types[i]);
        refuse(g, PITH_E_FORMAT, shown);
        g = fresh();
        gguf_array(g, "a.key", types[i], 0);
        refuse(g, PITH_E_FORMAT, shown);
    }
}

static void keys_twice(void)
{
    struct gguf *g = fresh();

    g->again = true;
    gguf_u32(g, "llama.block_count", 1);
    refuse(g, PITH_E_FORMAT, "key llama.block_count appears twice");
    g = fresh();
    g->again = true;
    gguf_str(g, "general.alignment", "a");
    gguf_u32(g, "general.alignment", 32);
    refuse(g, PITH_E_FORMAT, "general.alignment appears twice");
}

static void issue_24884_empty_key(void)
{
    struct gguf *g = fresh();

    gguf_u32(g, "", 1);
    refuse(g, PITH_E_FORMAT, "empty");
}

/* Each key's value in turn breaks off: whatever was read before is given back. */
static void cve_2024_32878_failing_half_way(void)
{
    struct gguf *g = fresh();
    size_t n = g->metas_n;

    gguf_free(g);
    for (size_t i = 0; i < n; i++) {
        g = fresh();
        g->metas[i].type = 77;
        refuse(g, PITH_E_FORMAT, "has value type 77");
        g = fresh();
        gguf_put_int(gguf_array(g, (char[]){ 'z', 0 }, GGUF_STR, 2), UINT64_MAX, 8);
        refuse(g, PITH_E_FORMAT, "key z");
    }
}

/* Empty strings and arrays where something is expected. */
static void cve_2024_41130_odd_metadata(void)
{
    struct gguf *g = fresh();
    size_t n = g->metas_n;

    gguf_free(g);
    for (size_t i = 0; i < n; i++)
        for (int kind = 0; kind < 4; kind++) {
            char key[64] = { 0 };
            size_t size;
            uint8_t *file;
            pith_model *m = NULL;
            pith_error e = { 0 };

            g = fresh();
            memcpy(key, g->metas[i].key.at, g->metas[i].key.n);
            if (kind == 0)
                gguf_str(g, key, "");
            else
                gguf_array(g, key, kind == 1 ? GGUF_STR : kind == 2 ? GGUF_U32 : GGUF_F32, 0);
            file = gguf_write(g, &size);
            if (pith_model_open_memory(&m, file, (int64_t)size, NULL, &e) == PITH_OK)
                CHECK_FAIL("%s may be empty (%d)", key, kind);
            pith_model_release(m);
            free(file);
            gguf_free(g);
        }
}

static void expect_meta(const pith_model *m, const char *expected_key, const char *expected)
{
    for (int64_t i = 0; i < pith_model_meta_count(m); i++) {
        const char *key;
        char value[128];
        int64_t n;

        CHECK_INT(pith_model_meta(m, i, &key, &n, value, sizeof value, NULL), PITH_OK);
        if (n != (int64_t)strlen(expected_key) || memcmp(key, expected_key, (size_t)n) != 0)
            continue;
        CHECK_STR(value, expected);
        return;
    }
    CHECK_FAIL("%s is not there", expected_key);
}

static void every_value_type_is_read(void)
{
    static const char *const texts[] = { "x", "", "yz" };
    struct gguf *g = fresh();
    struct opened m;

    gguf_int(g, "t.u8", GGUF_U8, 255);
    gguf_int(g, "t.i8", GGUF_I8, (uint64_t)-128);
    gguf_int(g, "t.u16", GGUF_U16, 65535);
    gguf_int(g, "t.i16", GGUF_I16, (uint64_t)-2);
    gguf_int(g, "t.u32", GGUF_U32, 123456789);
    gguf_int(g, "t.i32", GGUF_I32, (uint64_t)-3);
    gguf_f32(g, "t.f32", -0.5f);
    gguf_bool(g, "t.bool", true);
    gguf_str(g, "t.str", "a text");
    gguf_int(g, "t.u64", GGUF_U64, 4096);
    gguf_int(g, "t.i64", GGUF_I64, (uint64_t)-5);
    gguf_f64(g, "t.f64", 1e100);
    gguf_strings(g, "t.strs", 3, texts);
    gguf_put_int(gguf_array(g, "t.i16s", GGUF_I16, 2), 0xFFFF0001, 4);
    gguf_array(g, "t.none", GGUF_F64, 0);
    open_made(&m, g);
    expect_meta(m.model, "t.u8", "255");
    expect_meta(m.model, "t.i8", "-128");
    expect_meta(m.model, "t.u16", "65535");
    expect_meta(m.model, "t.i16", "-2");
    expect_meta(m.model, "t.u32", "123456789");
    expect_meta(m.model, "t.i32", "-3");
    expect_meta(m.model, "t.f32", "-0.5");
    expect_meta(m.model, "t.bool", "1");
    expect_meta(m.model, "t.str", "a text");
    expect_meta(m.model, "t.u64", "4096");
    expect_meta(m.model, "t.i64", "-5");
    expect_meta(m.model, "t.f64", "1e+100");
    expect_meta(m.model, "t.strs", "[x, , yz; 3 in all]");
    expect_meta(m.model, "t.i16s", "[1, -1; 2 in all]");
    expect_meta(m.model, "t.none", "[; 0 in all]");
    close_made(&m);
}

static void hf_2026_element_type_confusion(void)
{
    struct gguf *g = fresh();

    gguf_put(gguf_array(g, "tokenizer.ggml.scores", GGUF_I8, TINY_TOKENS), "0123456789abcdef", 16);
    refuse(g, PITH_E_FORMAT, "tokenizer.ggml.scores is an array of i8");
    g = fresh();
    gguf_put(gguf_array(g, "tokenizer.ggml.token_type", GGUF_U8, TINY_TOKENS), "0123456789abcdef",
             16);
    refuse(g, PITH_E_FORMAT, "tokenizer.ggml.token_type is an array of u8");
    g = fresh();
    gguf_put(gguf_array(g, "tokenizer.ggml.tokens", GGUF_U8, TINY_TOKENS), "0123456789abcdef", 16);
    refuse(g, PITH_E_FORMAT, "tokenizer.ggml.tokens is an array of u8");
}

/* ---- alignment ---- */

static void oss_security_2026_05_alignment(void)
{
    static const uint64_t wrong[] = { 0, 3, 31, 33, 48, (uint64_t)1 << 31, 0xFFFFFFFF,
                                      (uint64_t)1 << 32, (uint64_t)1 << 63, UINT64_MAX };
    struct gguf *g;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        g = fresh();
        gguf_int(g, "general.alignment", GGUF_U64, wrong[i]);
        refuse(g, PITH_E_FORMAT, "general.alignment");
        g = fresh();
        gguf_int(g, "general.alignment", GGUF_I64, wrong[i]);
        refuse(g, PITH_E_FORMAT, "general.alignment");
    }
    g = fresh();
    gguf_str(g, "general.alignment", "32");
    refuse(g, PITH_E_FORMAT, "general.alignment is string");
    g = fresh();
    gguf_f32(g, "general.alignment", 32);
    refuse(g, PITH_E_FORMAT, "general.alignment is f32");
    g = fresh();
    gguf_put_int(gguf_array(g, "general.alignment", GGUF_U32, 1), 32, 4);
    refuse(g, PITH_E_FORMAT, "general.alignment is an array");
}

static void alignments_that_are_right(void)
{
    static const uint64_t right[] = { 1, 2, 4, 8, 64, 4096, 1 << 20 };

    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct gguf *g = fresh();
        struct opened m;

        gguf_int(g, "general.alignment", GGUF_U32, right[i]);
        g->alignment = right[i];
        while (right[i] == 1 << 20 && g->tensors_n) /* 12 MB of padding prove no more */
            gguf_drop_tensor(g, (char *)g->tensors[0].name.at);
        open_made(&m, g);
        close_made(&m);
    }
}

static void run_metadata(void)
{
    RUN(cve_2024_21836_tensor_count);
    RUN(cve_2024_23605_key_count);
    RUN(counts_that_are_off_by_one);
    RUN(cve_2024_23496_string_length);
    RUN(cve_2024_21825_array_count);
    RUN(unknown_value_types);
    RUN(keys_twice);
    RUN(issue_24884_empty_key);
    RUN(cve_2024_32878_failing_half_way);
    RUN(cve_2024_41130_odd_metadata);
    RUN(every_value_type_is_read);
    RUN(hf_2026_element_type_confusion);
    RUN(oss_security_2026_05_alignment);
    RUN(alignments_that_are_right);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_truncation_of_a_real_file);
    RUN(every_truncation_of_tiny_files);
    RUN(other_formats);
    RUN(versions);
    run_metadata();
    return CHECK_END();
}
