/* tokenizer.c - vocabularies against published ids, against other implementations
 * (golden/tokenizer.py), and back to the text; and what a big or odd text costs.
 */
#include "text/tokenizer_parts.h"

#include <time.h>

#include "check.h"
#include "golden/tokenizer.inc"
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

static bool is_users_token(const struct tokenizer *t, int32_t id)
{
    return t->vocab.types[id] == TOKEN_USER;
}

/* Whether the tokens spell the text, but for the space put before it, and behind a token that the
 * vocabulary names as the user's: there a text starts anew. */
static bool spells(const struct tokenizer *t, const struct id_list *ids, struct str text)
{
    size_t at = 0;

    for (size_t i = 0; i < ids->n; i++) {
        struct str piece = pi_token_text(t, ids->ids[i], false);

        bool starts = i == 0 || is_users_token(t, ids->ids[i - 1]);

        if (starts && pi_tokenizer_strips_space(t) && pi_str_starts(piece, STR(" "))) {
            piece.at++;
            piece.n--;
        }
        if (piece.n > text.n - at || (piece.n && memcmp(text.at + at, piece.at, piece.n) != 0))
            return false;
        at += piece.n;
    }
    return at == text.n;
}

/* Shows what can be shown of the bytes so far, as generation does, and keeps the rest. */
struct stream {
    char held[8200], shown[3 * 8200];
    size_t n_held, n_shown;
};

static void stream_put(struct stream *s, struct str bytes)
{
    size_t whole;

    memcpy(s->held + s->n_held, bytes.at, bytes.n);
    s->n_held += bytes.n;
    whole = pi_utf8_whole(s->held, s->n_held);
    s->n_shown += pi_utf8_clean(s->held, whole, s->shown + s->n_shown);
    memmove(s->held, s->held + whole, s->n_held - whole);
    s->n_held -= whole;
}

static bool stream_shows(struct stream *s, struct str clean)
{
    s->n_shown += pi_utf8_clean(s->held, s->n_held, s->shown + s->n_shown);
    return s->n_shown == clean.n && memcmp(s->shown, clean.at, clean.n) == 0;
}

/* Token by token, and cut in two at every byte, a text streams as it is at once. */
static bool streams(const struct tokenizer *t, const struct id_list *ids, struct str text)
{
    static struct stream whole, s;
    struct str clean = { whole.shown, pi_utf8_clean(text.at, text.n, whole.shown) };
    bool same = true;

    s.n_held = s.n_shown = 0;
    for (size_t i = 0; i < ids->n; i++)
        stream_put(&s, pi_token_text(t, ids->ids[i], false));
    if (pi_tokenizer_strips_space(t))
        same = s.n_shown + s.n_held > 0 || text.n == 0;
    else
        same = stream_shows(&s, clean);
    for (size_t cut = 0; same && cut <= text.n; cut++) {
        s.n_held = s.n_shown = 0;
        stream_put(&s, (struct str){ text.at, cut });
        stream_put(&s, (struct str){ text.at + cut, text.n - cut });
        same = stream_shows(&s, clean);
    }
    return same;
}

/* Vocabularies that spell any bytes, and those that lack some that are no UTF-8. */
static bool is_lossless(const char *name, int k)
{
    static const char *const all[] = { "bytes", "gpt-2", "gemma4", "llama", "plamo2", "rwkv",
                                       "llama-spm", "phi-3" };

    for (size_t i = 0; i < PI_COUNT(all); i++)
        if (strcmp(name, all[i]) == 0)
            return true;
    return k % 4 != 3 && (strcmp(name, "gpt-neox") == 0 || strcmp(name, "starcoder") == 0);
}

static void hash_texts(const struct tokenizer *t, size_t row)
{
    const char *name = golden_tokenizer[row].vocabulary, *pre = golden_tokenizer[row].pre;
    bool stream = strcmp(pre, "") == 0 || strcmp(pre, "gpt-2") == 0;
    struct texts texts = { .state = TEXTS_SEED ^ 1 };
    struct id_list ids = { .n = 0 };
    uint64_t h = TEXTS_HASH;

    for (int k = 0; k < texts_mixed_count(); k++) {
        struct str text = texts_next_mixed(&texts);

        ids.n = 0;
        CHECK_INT(pi_tokenize(t, text, 0, &ids, NULL), PITH_OK);
        if (is_lossless(name, k) && !spells(t, &ids, text))
            CHECK_FAIL("%s %s: text %d is not given back", name, pre, k);
        if (is_lossless(name, k) && stream && k % 8 == 3 && !streams(t, &ids, text))
            CHECK_FAIL("%s %s: text %d streams otherwise", name, pre, k);
        for (size_t j = 0; j < ids.n; j++)
            h = texts_hash(h, (uint32_t)ids.ids[j]);
        h = texts_hash(h, TEXTS_END);
        if ((k + 1) % MIXED_GROUP == 0) {
            if (h != golden_tokenizer[row].hash[k / MIXED_GROUP])
                CHECK_FAIL("%s %s: ids of texts %d to %d differ", name, pre, k + 1 - MIXED_GROUP,
                           k);
            h = TEXTS_HASH;
        }
    }
    pi_id_list_free(&ids);
}

/* The file of a vocabulary: one of the project's own, or a real one; NULL without SHARED. */
static uint8_t *read_vocabulary(const char *name, size_t *n)
{
    char path[64];
    uint8_t *file;

    snprintf(path, sizeof path, "tests/golden/vocabs/%s.gguf", name);
    file = check_read(path, n);
    return file ? file : check_read(vocabulary_path(name, ""), n);
}

static void against_others(void)
{
    bool absent = false;

    for (size_t row = 0; row < PI_COUNT(golden_tokenizer); row++) {
        const char *pre = golden_tokenizer[row].pre;
        size_t n, n_changed;
        uint8_t *file = read_vocabulary(golden_tokenizer[row].vocabulary, &n);
        uint8_t *changed = file && *pre ? with_pre(file, n, pre, &n_changed) : NULL;
        struct opened o;

        if (!file && !have_data()) {
            absent = true;
            continue;
        }
        CHECK(file && (!*pre || changed));
        if (opened_memory(&o, changed ? changed : file, changed ? n_changed : n) == PITH_OK)
            hash_texts(o.t, row);
        else
            CHECK_FAIL("%s: %s", golden_tokenizer[row].vocabulary, o.err.text);
        opened_close(&o);
        free(changed);
        free(file);
    }
    if (absent && check.failures == 0)
        SKIP("no " SHARED "/data/vocab: the project's own vocabularies only");
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
    RUN(megabytes);
    RUN(real_specials);
    return CHECK_END();
}
