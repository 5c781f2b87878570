/* tokenizer.c - real vocabularies against published ids, against other implementations
 * (golden/tokenizer.py), and back to the text; and what a big or odd text costs.
 */
#include "text/tokenizer.h"

#include <time.h>

#include "check.h"
#include "golden/tokenizer.h"
#include "texts.h"
#include "vocabs.h"

#define MEGABYTE ((size_t)1 << 20)

static const char *const real[] = { "bert-bge", "gpt-2",     "gpt-neox",
                                    "llama-spm", "phi-3", "starcoder" };

static const char *vocabulary_path(const char *name, const char *ending)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/data/vocab/ggml-vocab-%s.gguf%s", SHARED, name, ending);
    return path;
}

static bool have_data(void)
{
    return access(vocabulary_path("gpt-2", ""), R_OK) == 0;
}

static bool open_real(struct opened *o, const char *name)
{
    struct source source = { .path = vocabulary_path(name, ""), .fd = -1 };

    if (opened_from(o, &source, NULL) == PITH_OK && o->t)
        return true;
    CHECK_FAIL("%s: %s", name, o->err.text);
    opened_close(o);
    return false;
}

/* Compares with one line of ids in decimal; moves *line behind it. */
static void check_line(const char *name, int k, const struct id_list *ids, const char **line)
{
    const char *end = *line + strcspn(*line, "\n"), *p = *line;
    size_t i = 0;

    for (; p < end; p += strspn(p, " ")) {
        char *after;
        long id = strtol(p, &after, 10);

        if (after == p) {
            p++;
            continue;
        }
        if (i >= ids->n || ids->ids[i] != id)
            CHECK_FAIL("%s, text %d: id %zu is not %ld", name, k, i, id);
        i++;
        p = after;
    }
    if (i != ids->n)
        CHECK_FAIL("%s, text %d: %zu ids, expected %zu", name, k, ids->n, i);
    *line = *end ? end + 1 : end;
}

/* llama.cpp's own texts and ids, for every vocabulary that has them. */
static void published(void)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";

    if (!have_data())
        SKIP("no " SHARED "/data/vocab");
    for (size_t i = 0; i < PI_COUNT(real); i++) {
        struct opened o;
        size_t n_in, n_out;
        char *in, *out;
        const char *at, *line;
        int k = 0;

        if (strcmp(real[i], "gpt-neox") == 0)
            continue; /* has no texts */
        in = (char *)check_read(vocabulary_path(real[i], ".inp"), &n_in);
        out = (char *)check_read(vocabulary_path(real[i], ".out"), &n_out);
        CHECK(in && out);
        if (in && out && open_real(&o, real[i])) {
            for (at = in, line = out; line < out + n_out; k++) {
                const char *next = strstr(at, mark);
                size_t n = next ? (size_t)(next - at) : (size_t)(in + n_in - at);
                struct id_list ids = { .n = 0 };

                CHECK_INT(pi_tokenize(o.t, (struct str){ at, n }, 0, &ids, NULL), PITH_OK);
                check_line(real[i], k, &ids, &line);
                pi_id_list_free(&ids);
                at = next ? next + sizeof mark - 1 : in + n_in;
            }
            CHECK_INT(k, 46);
            opened_close(&o);
        }
        free(in);
        free(out);
    }
}

/* The file with the value of tokenizer.ggml.pre replaced; NULL if it has none. */
static uint8_t *with_pre(const uint8_t *data, size_t n, const char *pre, size_t *n_out)
{
    static const char key[] = "tokenizer.ggml.pre";
    uint64_t length = strlen(pre);

    for (size_t i = 0; i + sizeof key + 12 < n; i++) {
        size_t value = i + sizeof key - 1 + 4, after;
        uint8_t *copy;

        if (memcmp(data + i, key, sizeof key - 1) != 0)
            continue;
        after = value + 8 + pi_le64(data + value);
        copy = malloc(n + length);
        memcpy(copy, data, value);
        memcpy(copy + value, &length, 8);
        memcpy(copy + value + 8, pre, length);
        memcpy(copy + value + 8 + length, data + after, n - after);
        *n_out = value + 8 + length + n - after;
        return copy;
    }
    return NULL;
}

static void hash_texts(const struct tokenizer *t, size_t row)
{
    struct texts texts = { .state = TEXTS_SEED };
    struct id_list ids = { .n = 0 };
    uint64_t h = TEXTS_HASH;

    for (int k = 0; k < TEXTS_COUNT; k++) {
        ids.n = 0;
        CHECK_INT(pi_tokenize(t, texts_next(&texts), 0, &ids, NULL), PITH_OK);
        for (size_t j = 0; j < ids.n; j++)
            h = texts_hash(h, (uint32_t)ids.ids[j]);
        h = texts_hash(h, TEXTS_END);
        if ((k + 1) % TEXTS_GROUP == 0) {
            if (h != golden_tokenizer[row].hash[k / TEXTS_GROUP])
                CHECK_FAIL("%s %s: ids of texts %d to %d differ", golden_tokenizer[row].vocabulary,
                           golden_tokenizer[row].pre, k + 1 - TEXTS_GROUP, k);
            h = TEXTS_HASH;
        }
    }
    pi_id_list_free(&ids);
}

static void against_others(void)
{
    if (!have_data())
        SKIP("no " SHARED "/data/vocab");
    for (size_t row = 0; row < PI_COUNT(golden_tokenizer); row++) {
        const char *pre = golden_tokenizer[row].pre;
        size_t n, n_changed;
        uint8_t *file = check_read(vocabulary_path(golden_tokenizer[row].vocabulary, ""), &n);
        uint8_t *changed = file && *pre ? with_pre(file, n, pre, &n_changed) : NULL;
        struct opened o;

        CHECK(file && (!*pre || changed));
        if (opened_memory(&o, changed ? changed : file, changed ? n_changed : n) == PITH_OK)
            hash_texts(o.t, row);
        else
            CHECK_FAIL("%s: %s", golden_tokenizer[row].vocabulary, o.err.text);
        opened_close(&o);
        free(changed);
        free(file);
    }
}

/* Whether the tokens spell the text, but for the space put before it. */
static bool spells(const struct tokenizer *t, const struct id_list *ids, struct str text)
{
    size_t at = 0;

    for (size_t i = 0; i < ids->n; i++) {
        struct str piece = pi_token_text(t, ids->ids[i], false);

        if (i == 0 && pi_tokenizer_strips_space(t) && pi_str_starts(piece, STR(" "))) {
            piece.at++;
            piece.n--;
        }
        if (piece.n > text.n - at || (piece.n && memcmp(text.at + at, piece.at, piece.n) != 0))
            return false;
        at += piece.n;
    }
    return at == text.n;
}

/* Lossless kinds give the text back: any bytes where the vocabulary has them all, else UTF-8. */
static void back_again(void)
{
    uint64_t seed = 11;

    if (!have_data())
        SKIP("no " SHARED "/data/vocab");
    for (size_t i = 1; i < PI_COUNT(real); i++) {
        bool all = strcmp(real[i], "starcoder") != 0 && strcmp(real[i], "gpt-neox") != 0;
        struct texts texts = { .state = TEXTS_SEED };
        struct id_list ids = { .n = 0 };
        struct opened o;

        if (!open_real(&o, real[i]))
            continue;
        for (int k = 0; k < 2000; k++) {
            struct str text = texts_next(&texts);

            for (size_t j = 0; all && j < text.n; j++)
                if (check_random(&seed) % 8 == 0)
                    texts.text[j] = (char)check_random(&seed);
            ids.n = 0;
            CHECK_INT(pi_tokenize(o.t, text, 0, &ids, NULL), PITH_OK);
            if (!spells(o.t, &ids, text))
                CHECK_FAIL("%s, text %d is not given back", real[i], k);
        }
        pi_id_list_free(&ids);
        opened_close(&o);
    }
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill_text(char *text, int kind)
{
    static const char *const fills[] = { "a", " ", "\n", "<", "'", "Aa\xC2\xAA", "\xE2\x96\x81",
                                         "The quick brown fox isn't tired, 42 of them. ",
                                         "\xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97", "\xF0\x9F" };
    uint64_t seed = 3;
    size_t n = strlen(fills[(size_t)kind % PI_COUNT(fills)]);

    for (size_t i = 0; i < MEGABYTE; i++)
        text[i] = kind == 10 ? (char)check_random(&seed) : fills[kind][i % n];
}

/* Megabytes that are hard in different ways. The bound holds under sanitizers, too; a plain build
 * stays below 0.3 s. */
static void megabytes(void)
{
    char *text;

    if (!have_data())
        SKIP("no " SHARED "/data/vocab");
    text = malloc(MEGABYTE);
    for (size_t i = 0; i < PI_COUNT(real); i += 1 + i) { /* 0, 1, 3: one of each kind */
        struct opened o;

        if (!open_real(&o, real[i]))
            continue;
        for (int kind = 0; kind <= 10; kind++) {
            struct str whole = { text, MEGABYTE };
            struct id_list ids = { .n = 0 };
            double start;

            fill_text(text, kind);
            start = cpu_seconds();
            CHECK_INT(pi_tokenize(o.t, whole, TOKENIZE_PARSE_SPECIAL, &ids, NULL), PITH_OK);
            if (cpu_seconds() - start > 5)
                CHECK_FAIL("%s, text of kind %d takes %.1f s", real[i], kind,
                           cpu_seconds() - start);
            pi_id_list_free(&ids);
        }
        opened_close(&o);
    }
    free(text);
}

/* What the real files say about their special tokens. */
static void real_specials(void)
{
    struct id_list ids = { .n = 0 };
    struct opened o;

    if (!have_data())
        SKIP("no " SHARED "/data/vocab");
    if (open_real(&o, "phi-3")) {
        CHECK_INT(pi_token_bos(o.t), 1);
        CHECK_INT(pi_token_eos(o.t), 32000);
        CHECK(pi_token_ends(o.t, 32000) && pi_token_ends(o.t, 32007) && pi_token_ends(o.t, 2));
        CHECK(!pi_token_ends(o.t, 1) && !pi_token_ends(o.t, -1) && !pi_token_ends(o.t, 1 << 30));
        CHECK_INT(pi_tokenize(o.t, STR("<|user|>Hello<|end|>"),
                              TOKENIZE_ADD_SPECIAL | TOKENIZE_PARSE_SPECIAL, &ids, NULL), PITH_OK);
        CHECK_INT(ids.n, 4); /* as in Phi-3's own documentation, but for its line break */
        CHECK(ids.n == 4 && ids.ids[0] == 1 && ids.ids[1] == 32010 && ids.ids[2] == 15043 &&
              ids.ids[3] == 32007);
        opened_close(&o);
    }
    ids.n = 0;
    if (open_real(&o, "bert-bge")) {
        CHECK_INT(pi_tokenize(o.t, STR("Hello [MASK]!"), 3, &ids, NULL), PITH_OK);
        CHECK(ids.n == 5 && ids.ids[0] == 101 && ids.ids[1] == 7592 && ids.ids[2] == 103 &&
              ids.ids[3] == 999 && ids.ids[4] == 102);
        CHECK_INT(pi_token_find(o.t, STR("[MASK]")), 103);
        CHECK_INT(pi_token_find(o.t, STR("[MASK")), -1);
        opened_close(&o);
    }
    ids.n = 0;
    if (open_real(&o, "gpt-2")) {
        CHECK_INT(pi_tokenize(o.t, STR("a<|endoftext|>"), TOKENIZE_ADD_SPECIAL, &ids, NULL),
                  PITH_OK);
        CHECK(ids.n > 2 && ids.ids[ids.n - 1] != 50256); /* plain text unless it may be parsed */
        CHECK(pi_token_ends(o.t, 50256) && pi_token_is_control(o.t, 50256));
        CHECK_INT(pi_token_text(o.t, 50256, false).n, 0);
        CHECK_INT(pi_token_text(o.t, 50256, true).n, 13);
        CHECK(pi_str_equal(pi_token_text(o.t, 995, false), STR(" world")));
        CHECK_INT(pi_tokenizer_size(o.t), 50257);
        opened_close(&o);
    }
    pi_id_list_free(&ids);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(published);
    RUN(against_others);
    RUN(back_again);
    RUN(megabytes);
    RUN(real_specials);
    return CHECK_END();
}
