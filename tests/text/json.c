/* json.c - tokenizer.json: every component against Hugging Face tokenizers, five real files,
 * files that are wrong, and texts that would like to take long.
 */
#include <time.h>

#include "base/json.h"
#include "text/tokenizer.h"

#include "check.h"
#include "hostile.h"
#include "golden/token_files.h"
#include "texts.h"

#define SEVERAL 3 /* groups of the real files that every run compares; TEXTS_ALL=1: all */

struct made {
    struct arena arena;
    struct tokenizer *t;
    pith_error err;
    int status;
};

static bool make_with(struct made *m, struct str json, struct str config)
{
    struct allocator none = { .alloc = NULL };

    memset(m, 0, sizeof *m);
    pi_arena_init(&m->arena, &none);
    m->status = pi_tokenizer_open_json(&m->t, &m->arena, json, config, &m->err);
    return m->status == PITH_OK;
}

static bool make(struct made *m, struct str json)
{
    return make_with(m, json, STR(""));
}

static void unmake(struct made *m)
{
    pi_arena_free(&m->arena);
}

/* U+FFFD for what is no UTF-8, one for the longest start of a code point, as Rust does. */
static uint64_t hash_lossy(uint64_t h, const char *text, size_t n)
{
    static const char replacement[] = "\uFFFD";
    int length;

    for (size_t at = 0; at < n; at += (size_t)length) {
        bool bad = pi_utf8_next(text + at, text + n, &length) & PI_BAD_UTF8;

        if (bad) {
            size_t rest = n - at, k = 1;

            while (k < rest && k < 4 && pi_utf8_whole(text + at, k + 1) == 0)
                k++;
            length = (int)(pi_utf8_whole(text + at, k) == 0 ? k : 1);
        }
        for (int i = 0; i < (bad ? 3 : length); i++)
            h = texts_hash(h, (uint8_t)(bad ? replacement[i] : text[at + (size_t)i]));
    }
    return texts_hash(h, TEXTS_END);
}

/* Text as pith_detokenize gives it, control tokens included. */
static uint64_t hash_text(uint64_t h, const struct tokenizer *t, const struct id_list *ids)
{
    bool strip = pi_tokenizer_strips_space(t);
    size_t n = 0, at = 0;
    char *text;

    for (size_t i = 0; i < ids->n; i++)
        n += pi_token_text(t, ids->ids[i], true).n;
    text = malloc(n + 1);
    n = 0;
    for (size_t i = 0; i < ids->n; i++) {
        struct str piece = pi_token_text(t, ids->ids[i], true);

        memcpy(text + n, piece.at, piece.n);
        n += piece.n;
    }
    at = strip && n && text[0] == ' ';
    h = hash_lossy(h, text + at, n - at);
    free(text);
    return h;
}

static uint64_t hash_ids(uint64_t h, const struct id_list *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        h = texts_hash(h, (uint32_t)ids->ids[i]);
    return texts_hash(h, TEXTS_END);
}

/* The byte offset of a code point. */
static size_t offset_of(struct str text, size_t codes)
{
    size_t at = 0;
    int n;

    while (codes-- && at < text.n) {
        (void)pi_utf8_next(text.at + at, text.at + text.n, &n);
        at += (size_t)n;
    }
    return at;
}

static size_t count_codes(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += (text.at[i] & 0xC0) != 0x80;
    return n;
}

/* text with `put` at a code point: with_tokens and with_added of the scripts. */
static struct str text_with(struct str text, size_t code, const char *put, char out[16384])
{
    size_t at = offset_of(text, code), n = strlen(put);

    memcpy(out, text.at, at);
    memcpy(out + at, put, n);
    memcpy(out + at + n, text.at + at, text.n - at);
    return (struct str){ out, text.n + n };
}

static void one_case(const struct json *v, int count)
{
    static const char *const spaces[] = { "", " ", "  ", "\n", "\u3000" };
    static const char *const tokens[] = { "<unk>", "<tool>", "<end>", "hello", "and", "É", "<S>",
                                          "<to", "  " };
    static const char *const behind[] = { "", " ", "a" };
    uint64_t ids_hash = TEXTS_HASH, text_hash = TEXTS_HASH;
    struct texts texts = { .state = TEXTS_SEED };
    struct id_list ids = { .n = 0 };
    struct str name = STR(""), json = STR(""), expected[2];
    static char buffer[16384];
    struct made m;

    CHECK_INT(pi_json_get_str(v, "name", &name, NULL), PITH_OK);
    CHECK_INT(pi_json_get_str(v, "tokenizer", &json, NULL), PITH_OK);
    expected[0] = pi_json_text(pi_json_find(v, "ids"));
    expected[1] = pi_json_text(pi_json_find(v, "text"));
    if (!make(&m, json))
        CHECK_FAIL("%.*s: %s", (int)name.n, name.at, m.err.text);
    for (int i = 0; m.t && i < count; i++) {
        struct str text = texts_next(&texts);
        char put[64];

        snprintf(put, sizeof put, "%s%s%s", spaces[i % 5], tokens[i % 9], behind[i % 3]);
        text = text_with(text, (size_t)i * 7 % (count_codes(text) + 1), put, buffer);
        ids.n = 0;
        CHECK_INT(pi_tokenize(m.t, text,
                              TOKENIZE_PARSE_SPECIAL | (i % 2 ? TOKENIZE_ADD_SPECIAL : 0), &ids,
                              NULL), PITH_OK);
        ids_hash = hash_ids(ids_hash, &ids);
        text_hash = hash_text(text_hash, m.t, &ids);
    }
    if (ids_hash != strtoull(expected[0].at, NULL, 16))
        CHECK_FAIL("%.*s: other ids", (int)name.n, name.at);
    if (strtoull(expected[1].at, NULL, 16) && text_hash != strtoull(expected[1].at, NULL, 16))
        CHECK_FAIL("%.*s: decoded to another text", (int)name.n, name.at);
    pi_id_list_free(&ids);
    unmake(&m);
}

static void every_component(void)
{
    struct allocator none = { .alloc = NULL };
    const struct json *root;
    struct arena arena;
    size_t n;
    char *file = (char *)check_read("tests/golden/token_parts.json", &n);
    int64_t count = 0;

    pi_arena_init(&arena, &none);
    CHECK(file != NULL);
    CHECK_INT(pi_json_parse(&root, &arena, (struct str){ file, n }, "it", NULL), PITH_OK);
    CHECK_INT(pi_json_get_int(root, "count", &count, NULL), PITH_OK);
    for (struct json_walk w = pi_json_walk(pi_json_find(root, "cases")); pi_json_next(&w);)
        one_case(w.value, (int)count);
    pi_arena_free(&arena);
    free(file);
}

/* ---- real files ---- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The added tokens' contents, sorted as Python sorts ids. */
static int added_contents(const char *json, size_t n, char **out, int most)
{
    struct allocator none = { .alloc = NULL };
    const struct json *root;
    struct arena arena;
    int count = 0;

    pi_arena_init(&arena, &none);
    CHECK_INT(pi_json_parse(&root, &arena, (struct str){ json, n }, "it", NULL), PITH_OK);
    for (struct json_walk w = pi_json_walk(pi_json_find(root, "added_tokens"));
         pi_json_next(&w) && count < most; count++) {
        struct str content = pi_json_text(pi_json_find(w.value, "content"));
        int64_t id = 0;

        pi_json_get_int(w.value, "id", &id, NULL);
        out[count] = malloc(content.n + 16);
        sprintf(out[count], "%010d%.*s", (int)id, (int)content.n, content.at);
    }
    qsort(out, (size_t)count, sizeof *out, compare_text);
    pi_arena_free(&arena);
    return count;
}

static void one_file(size_t k)
{
    static char buffer[16384];
    char path[256], *added[2000];
    struct texts texts = { .state = TEXTS_SEED };
    uint64_t h = TEXTS_HASH, text_hash = TEXTS_HASH;
    int most = getenv("TEXTS_ALL") ? FILES_COUNT : SEVERAL * FILES_GROUP, n_added;
    struct id_list ids = { .n = 0 };
    struct made m;
    size_t n;
    char *json;

    snprintf(path, sizeof path, SHARED "/data/tokenizers/%s__tokenizer.json", golden_files[k].name);
    json = (char *)check_read(path, &n);
    if (!json || !make(&m, (struct str){ json, n })) {
        CHECK_FAIL("%s: %s", path, json ? m.err.text : "missing");
        return;
    }
    n_added = added_contents(json, n, added, 2000);
    for (int i = 0; i < most; i++) {
        struct str text = texts_next(&texts);
        char put[256];

        if (i % 4 == 0 && n_added) {
            snprintf(put, sizeof put, "%s%s", i % 8 ? " " : "", added[i / 4 % n_added] + 10);
            text = text_with(text, (size_t)i / 4 % (count_codes(text) + 1), put, buffer);
        }
        ids.n = 0;
        CHECK_INT(pi_tokenize(m.t, text, TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL, &ids, NULL),
                  PITH_OK);
        h = hash_ids(h, &ids);
        if (i < FILES_GROUP)
            text_hash = hash_text(text_hash, m.t, &ids);
        if ((i + 1) % FILES_GROUP == 0) {
            if (h != golden_files[k].hash[i / FILES_GROUP])
                CHECK_FAIL("%s: texts %d to %d", golden_files[k].name, i + 1 - FILES_GROUP, i);
            h = TEXTS_HASH;
        }
    }
    CHECK(text_hash == golden_files[k].text);
    for (int i = 0; i < n_added; i++)
        free(added[i]);
    pi_id_list_free(&ids);
    unmake(&m);
    free(json);
}

static void real_files(void)
{
    if (access(SHARED "/data/tokenizers", R_OK) != 0)
        SKIP("no " SHARED "/data/tokenizers");
    for (size_t k = 0; k < PI_COUNT(golden_files); k++)
        one_file(k);
}

/* ---- what is wrong ---- */

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define BPE(more) "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\"]" more "}"

static const struct {
    const char *json;
    int status;
    const char *what;
} wrong[] = {
    { "", PITH_E_FORMAT, "tokenizer.json is empty" },
    { "[]", PITH_E_FORMAT, "model is missing" },
    { "{\"model\":3}", PITH_E_FORMAT, "model is 3" },
    { "{\"model\":{}}", PITH_E_FORMAT, "model.vocab" },
    { "{\"model\":{\"vocab\":{}}}", PITH_E_FORMAT, "empty" },
    { "{\"model\":{\"type\":\"Quantum\"," VOCAB "}}", PITH_E_UNSUPPORTED, "Quantum" },
    { "{\"model\":{\"type\":\"BPE\"," VOCAB "}}", PITH_E_FORMAT, "merges" },
    { "{\"model\":{\"vocab\":{\"a\":-1}}}", PITH_E_FORMAT, "id -1" },
    { "{\"model\":{\"vocab\":{\"a\":4000000000}}}", PITH_E_FORMAT, "id 4000000000" },
    { "{\"model\":{\"vocab\":{\"a\":1.5}}}", PITH_E_FORMAT, "has no id" },
    { "{\"model\":{\"vocab\":[[\"a\"]]}}", PITH_E_FORMAT, "model.vocab[0]" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",0]]}}", PITH_E_FORMAT,
      "unk_id is 7" },
    { "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"ab\"]}}", PITH_E_FORMAT,
      "not a pair" },
    { "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"b\",\"a\"]]}}", PITH_E_FORMAT,
      "no token" },
    { "{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a c\"]}}", PITH_E_FORMAT,
      "its right is no token" },
    { BPE(",\"dropout\":0.1}"), PITH_E_UNSUPPORTED, "dropout" },
    { BPE(",\"unk_token\":\"?\"}"), PITH_E_FORMAT, "model.unk_token" },
    { BPE("},\"normalizer\":{\"type\":\"Shout\"}"), PITH_E_UNSUPPORTED, "Shout" },
    { BPE("},\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}"),
      PITH_E_FORMAT, "base64" },
    { BPE("},\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"),
      PITH_E_FORMAT, "trie" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"Guess\"}"), PITH_E_UNSUPPORTED, "Guess" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"}}"),
      PITH_E_UNSUPPORTED, "a ) is missing" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a)\\\\1\"}}"),
      PITH_E_UNSUPPORTED, "an escape" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":"
          "\"((a{1000}){1000}){1000}\"}}"), PITH_E_UNSUPPORTED, "too long a program" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"x\"},"
          "\"behavior\":\"Sideways\"}"), PITH_E_UNSUPPORTED, "Sideways" },
    { BPE("},\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}"), PITH_E_FORMAT, "0" },
    { BPE("},\"decoder\":{\"type\":\"Mirror\"}"), PITH_E_UNSUPPORTED, "Mirror" },
    { BPE("},\"post_processor\":{\"type\":\"Sign\"}"), PITH_E_UNSUPPORTED, "Sign" },
    { BPE("},\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"x\",9],"
          "\"sep\":[\"a\",0]}"),
      PITH_E_FORMAT, "token 9" },
    { BPE("},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
          "{\"SpecialToken\":{\"id\":\"x\"}}]}"), PITH_E_FORMAT, "\"x\"" },
    { BPE("},\"added_tokens\":[{\"id\":99999,\"content\":\"x\"}]"), PITH_E_FORMAT, "99999" },
    { BPE("},\"added_tokens\":[{\"id\":\"one\",\"content\":\"x\"}]"), PITH_E_FORMAT, "no id" },
};

static void refused(void)
{
    for (size_t i = 0; i < PI_COUNT(wrong); i++) {
        struct made m;

        CHECK(!make(&m, pi_str(wrong[i].json)));
        if (m.status != wrong[i].status || !strstr(m.err.text, wrong[i].what))
            CHECK_FAIL("%s: %d, \"%s\", expected \"%s\"", wrong[i].json, m.status, m.err.text,
                       wrong[i].what);
        CHECK(m.t == NULL);
        unmake(&m);
    }
}

/* Merges in a circle end, like all others: every one of them makes a word shorter. */
static void circles(void)
{
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"continuing_subword_prefix\":\"##\",\"vocab\":{\"a\":0,"
        "\"##a\":1,\"##\":2,\"##b\":3},\"merges\":[[\"##\",\"##a\"],[\"##a\",\"##\"],"
        "[\"##\",\"##b\"]]}}";
    struct id_list ids = { .n = 0 };
    struct made m;

    CHECK(make(&m, pi_str(json)));
    CHECK_INT(pi_tokenize(m.t, STR("aaaabbbb"), 0, &ids, NULL), PITH_OK);
    pi_id_list_free(&ids);
    unmake(&m);
}

static void configuration(void)
{
    static const char json[] = BPE("},\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":"
                                   "true},{\"id\":4,\"content\":\"</s>\",\"special\":true}]");
    static const char config[] =
        "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"add_bos_token\":true,"
        "\"add_eos_token\":true,\"chat_template\":[{\"name\":\"tools\",\"template\":\"T\"},"
        "{\"name\":\"default\",\"template\":\"{{ x }}\"}]}";
    struct id_list ids = { .n = 0 };
    struct made m;

    if (!make_with(&m, pi_str(json), pi_str(config))) {
        CHECK_FAIL("%s", m.err.text);
        return;
    }
    CHECK_INT(pi_token_bos(m.t), 3);
    CHECK_INT(pi_token_eos(m.t), 4);
    CHECK_INT(pi_token_find(m.t, STR("</s>")), 4);
    CHECK_INT(pi_token_find(m.t, STR("ab")), 2);
    CHECK(pi_str_equal(pi_tokenizer_template(m.t), STR("{{ x }}")));
    CHECK(pi_token_ends(m.t, 4) && !pi_token_ends(m.t, 2));
    CHECK_INT(pi_tokenizer_add_end(m.t, 2, NULL), PITH_OK);
    CHECK(pi_token_ends(m.t, 2));
    CHECK_INT(pi_tokenizer_add_end(m.t, 5, &m.err), PITH_E_FORMAT);
    CHECK_INT(pi_tokenize(m.t, STR("ab<s>a"), TOKENIZE_ADD_SPECIAL | TOKENIZE_PARSE_SPECIAL, &ids,
                          NULL), PITH_OK);
    CHECK(ids.n == 5 && ids.ids[0] == 3 && ids.ids[1] == 2 && ids.ids[2] == 3 &&
          ids.ids[3] == 0 && ids.ids[4] == 4);
    ids.n = 0;
    CHECK_INT(pi_tokenize(m.t, STR("<s>a"), 0, &ids, NULL), PITH_OK);
    CHECK(ids.n == 1 && ids.ids[0] == 0); /* no control token out of plain text */
    CHECK(pi_token_is_control(m.t, 3) && pi_token_text(m.t, 3, false).n == 0);
    pi_id_list_free(&ids);
    unmake(&m);
}

/* Texts of 256 KiB that make expressions go back far, and that have no words at all. */
static void long_texts(void)
{
    static const struct {
        const char *expression, *unit;
    } rows[] = {
        { "\\\\d{1,3}(?=(?:\\\\d{3})*\\\\b)", "1" }, { "\\\\s+(?!\\\\S)|\\\\s+", " " },
        { "(a|a)*b", "a" }, { "(a*)*b", "a" }, { "a*a*a*c", "a" }, { "(?=(a|aa)+$)b", "a" },
        { "(\\\\p{L}+\\\\s?)+\\\\d", "ab " }, { "(?:a?){20}a{20}", "a" }, { "a+?b|(?>a+)c", "a" },
        { "(?!(a|b)*c)a", "ab" },
    };
    size_t n = (size_t)1 << (SANITIZED ? 15 : 18);
    char *text = malloc(n), json[512];

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        struct id_list ids = { .n = 0 };
        clock_t start = clock();
        struct made m;
        double seconds;

        for (size_t k = 0; k < n; k++)
            text[k] = rows[i].unit[k % strlen(rows[i].unit)];
        snprintf(json, sizeof json, BPE("},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
                 "{\"Regex\":\"%s\"},\"behavior\":\"Isolated\"}"), rows[i].expression);
        if (!make(&m, pi_str(json))) {
            CHECK_FAIL("%s", m.err.text);
            continue;
        }
        m.status = pi_tokenize(m.t, (struct str){ text, n }, 0, &ids, &m.err);
        CHECK(m.status == PITH_OK || m.status == PITH_E_LIMIT);
        seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (seconds > 20)
            CHECK_FAIL("%s takes %.1f s", rows[i].expression, seconds);
        pi_id_list_free(&ids);
        unmake(&m);
    }
    free(text);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_component);
    RUN(real_files);
    RUN(refused);
    RUN(circles);
    RUN(configuration);
    RUN(long_texts);
    return CHECK_END();
}
