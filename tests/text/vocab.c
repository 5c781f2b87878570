/* vocab.c - small vocabularies made on the spot: special tokens and flags, what is refused and
 * with which words, broken bytes, failing memory, and the cost of a big vocabulary.
 */
#include <time.h>

#include "check.h"
#include "vocabs.h"

/* SentencePiece: ids 0 to 10, scores as ranks. */
static const char *const sentence_tokens[] = { "<unk>", "<s>",  "</s>",     "<0x41>",
                                               "\u2581", "a", "b", "ab", "\u2581ab",
                                               "<|im_end|>", "[T]" };
static const char sentence_types[] = "23361111134";
static const float sentence_scores[] = { 0, 0, 0, 0, -4, -5, -6, -1, -2, 0, 0 };

static struct spec sentence(void)
{
    return (struct spec){
        .model = "llama", .tokens = sentence_tokens, .n_tokens = 11, .tokens_as = META_STR,
        .types = sentence_types, .n_types = 11, .scores = sentence_scores, .n_scores = 11,
        .bos = 1, .eos = 2, .unk = 0, .add_bos = -1, .add_eos = -1, .add_space_prefix = -1,
        .lowercase = -1,
    };
}

/* Byte-level BPE; U+0120 spells the space. */
static const char *const bytes_tokens[] = { "a", "b", "c", "\u0120", "ab", "bc", "abc",
                                            "\u0120ab", "<|x|>", "<|x|>y", "  ", "<|eot_id|>" };
static const char bytes_types[] = "111111113343";
static const char *const bytes_merges[] = { "a b", "\u0120 ab", "b c", "a bc" };

static struct spec bytes(void)
{
    return (struct spec){
        .model = "gpt2", .pre = "gpt-2", .tokens = bytes_tokens, .n_tokens = 12,
        .tokens_as = META_STR, .types = bytes_types, .n_types = 12, .merges = bytes_merges,
        .n_merges = 4, .bos = -1, .eos = -1, .unk = -1, .add_bos = -1, .add_eos = -1,
        .add_space_prefix = -1, .lowercase = -1,
    };
}

static const char *const words_tokens[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                            "\u2581caf", "e", "\u2581!",
                                            "\u2581a", "a", "\u2581",
                                            "\u2581\u4e2d", "\u2581E" };

static struct spec words(void)
{
    return (struct spec){
        .model = "bert", .tokens = words_tokens, .n_tokens = 12, .tokens_as = META_STR,
        .types = "333311111111", .n_types = 12, .bos = -1, .eos = -1, .unk = -1, .add_bos = -1,
        .add_eos = -1, .add_space_prefix = -1, .lowercase = -1,
    };
}

static bool open_spec(struct opened *o, struct made *file, const struct spec *s)
{
    *file = made_file(s);
    if (opened_memory(o, file->data, file->n) == PITH_OK && o->t)
        return true;
    CHECK_FAIL("%s", o->err.text);
    return false;
}

static void close_spec(struct opened *o, struct made *file)
{
    opened_close(o);
    free(file->data);
}

/* The ids as text, "1 2 3". */
static const char *ids_of(const struct tokenizer *t, const char *text, int flags)
{
    static char out[512];
    struct id_list ids = { .n = 0 };
    size_t at = 0;

    out[0] = 0;
    CHECK_INT(pi_tokenize(t, pi_str(text), flags, &ids, NULL), PITH_OK);
    for (size_t i = 0; i < ids.n && at < sizeof out - 16; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, i ? " %d" : "%d", ids.ids[i]);
    pi_id_list_free(&ids);
    return out;
}

static void sentence_pieces(void)
{
    struct spec s = sentence();
    struct opened o;
    struct made file;

    if (open_spec(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, "ab", 0), "8");
        CHECK_STR(ids_of(o.t, "", 0), "");
        CHECK_STR(ids_of(o.t, "", TOKENIZE_ADD_SPECIAL), "1");
        CHECK_STR(ids_of(o.t, "ab ab", TOKENIZE_ADD_SPECIAL), "1 8 8");
        CHECK_STR(ids_of(o.t, "A\xFF", 0), "4 3 0");             /* byte token, then unknown */
        CHECK_STR(ids_of(o.t, "ab[T]ab", 0), "8 10 8");          /* a space after specials too */
        CHECK_STR(ids_of(o.t, "ab</s>ab", TOKENIZE_PARSE_SPECIAL), "8 2 8");
        CHECK_STR(ids_of(o.t, "a</s>", 0), "4 5 0 0 0 0");       /* not even by way of merges */
        CHECK(pi_token_ends(o.t, 9) && pi_token_ends(o.t, 2) && !pi_token_ends(o.t, 5));
        CHECK(pi_tokenizer_strips_space(o.t));
        CHECK(pi_str_equal(pi_token_text(o.t, 8, false), STR(" ab")));
        CHECK(pi_str_equal(pi_token_piece(o.t, 8), STR("\u2581ab")));
        CHECK(pi_str_equal(pi_token_text(o.t, 3, false), STR("A")));
    }
    close_spec(&o, &file);
    s.add_space_prefix = 0;
    s.add_eos = 1;
    s.add_bos = 0;
    if (open_spec(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, "ab", TOKENIZE_ADD_SPECIAL), "7 2");
        CHECK(!pi_tokenizer_strips_space(o.t));
    }
    close_spec(&o, &file);
}

/* Pieces that go on over the start of a word: the text is merged as one. */
static void spanning_pieces(void)
{
    static const char *const tokens[] = { "<unk>", "\u2581", "a", "b", "\u2581a", "b\u2581a",
                                          "  " };
    static const float scores[] = { 0, -9, -9, -9, -0.2f, -0.5f, 0 };
    struct spec s = sentence();
    struct opened o;
    struct made file;

    s.tokens = tokens;
    s.scores = scores;
    s.types = "2111114";
    s.n_tokens = s.n_types = s.n_scores = 7;
    s.bos = s.eos = -1;
    if (open_spec(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, "ab ab", 0), "4 5 3");
        CHECK_STR(ids_of(o.t, "ab  ab", 0), "4 3 6 4 3"); /* a user-defined token comes first */
        CHECK_INT(pi_token_bos(o.t), -1);
    }
    close_spec(&o, &file);
}

static void byte_pairs(void)
{
    struct spec s = bytes();
    struct opened o;
    struct made file;

    if (open_spec(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, "abc", 0), "4 2"); /* "a b" has the lower rank */
        CHECK_STR(ids_of(o.t, "bc ab", 0), "5 7");
        CHECK_STR(ids_of(o.t, "a?b", 0), "0 1"); /* no token for ?, none that is unknown */
        CHECK_STR(ids_of(o.t, "a  b", 0), "0 10 1");
        CHECK_STR(ids_of(o.t, "<|x|>y<|x|>b", TOKENIZE_PARSE_SPECIAL), "9 8 1");
        CHECK_STR(ids_of(o.t, "a<|x|>", 0), "0");
        CHECK_STR(ids_of(o.t, "a", TOKENIZE_ADD_SPECIAL), "0");
        CHECK_INT(pi_token_bos(o.t), -1);
        CHECK(pi_token_ends(o.t, 11));
    }
    close_spec(&o, &file);
    s.pre = "llama-bpe"; /* whole words first, BOS by default */
    s.bos = 8;
    if (open_spec(&o, &file, &s))
        CHECK_STR(ids_of(o.t, "abc", TOKENIZE_ADD_SPECIAL), "8 6");
    close_spec(&o, &file);
    s.add_bos = 0;
    if (open_spec(&o, &file, &s))
        CHECK_STR(ids_of(o.t, "abc", TOKENIZE_ADD_SPECIAL), "6");
    close_spec(&o, &file);
    s = bytes();
    s.pre = "roberta-bpe";
    s.bos = 8;
    s.eos = 11;
    if (open_spec(&o, &file, &s))
        CHECK_STR(ids_of(o.t, "ab", TOKENIZE_ADD_SPECIAL), "8 4 11");
    close_spec(&o, &file);
}

static void word_pieces(void)
{
    struct spec s = words();
    struct opened o;
    struct made file;
    char longer[104];

    memset(longer, 'a', sizeof longer);
    longer[101] = 0;
    if (open_spec(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, " Caf\xC3\xA9! ", TOKENIZE_ADD_SPECIAL), "2 4 5 6 3");
        CHECK_STR(ids_of(o.t, "cafe\xCC\x81", 0), "4 5"); /* the accent by itself */
        CHECK_STR(ids_of(o.t, "cafx a", 0), "1 7");
        CHECK_STR(ids_of(o.t, "a\xE4\xB8\xAD" "a", 0), "7 10 7");
        CHECK_STR(ids_of(o.t, "\xFF" "a\xC3", 0), "7");
        CHECK_STR(ids_of(o.t, longer, 0), "1");
        CHECK_STR(ids_of(o.t, "[SEP]", TOKENIZE_PARSE_SPECIAL), "3");
        CHECK_STR(ids_of(o.t, "b", 0), "1"); /* not the mark and an unknown b */
    }
    close_spec(&o, &file);
    s.lowercase = 0;
    if (open_spec(&o, &file, &s))
        CHECK_STR(ids_of(o.t, "E e caf\xC3\xA9", 0), "11 1 1");
    close_spec(&o, &file);
}

static void without_vocabulary(void)
{
    static const char *const models[] = { NULL, "none", "no_vocab" };

    for (size_t i = 0; i < PI_COUNT(models); i++) {
        struct spec s = sentence();
        struct made file;
        struct opened o;

        s.model = models[i];
        file = made_file(&s);
        CHECK_INT(opened_memory(&o, file.data, file.n), PITH_OK);
        CHECK(o.t == NULL);
        close_spec(&o, &file);
    }
}

static void is_refused(const struct spec *s, int code, const char *words_of_it)
{
    struct made file = made_file(s);
    struct opened o;

    CHECK_INT(opened_memory(&o, file.data, file.n), code);
    CHECK(o.t == NULL);
    CHECK_HAS(o.err.text, words_of_it);
    close_spec(&o, &file);
}

/* A copy of a sound spec with one field changed. */
#define REFUSED(base, change, code, text) \
    do {                                  \
        struct spec s = base();           \
        s.change;                         \
        is_refused(&s, code, text);       \
    } while (0)

static void refused(void)
{
    static const float nan_scores[11] = { [4] = NAN };
    static const char *const one_byte[] = { "<0x4G>", "<s>" };
    static const char *const pairs[] = { "a b", "ab" }, *const lefts[] = { "d b" };
    static const char *const rights[] = { "a d" }, *const wholes[] = { "a c" };

    REFUSED(sentence, model = "hybriddna", PITH_E_UNSUPPORTED, "hybriddna");
    REFUSED(sentence, model_as_number = true, PITH_E_FORMAT, "tokenizer.ggml.model");
    REFUSED(bytes, pre = "gpt-5", PITH_E_UNSUPPORTED, "gpt-5");
    REFUSED(sentence, tokens = NULL, PITH_E_FORMAT, "tokenizer.ggml.tokens is missing");
    REFUSED(sentence, n_tokens = 0, PITH_E_FORMAT, "tokenizer.ggml.tokens is empty");
    REFUSED(sentence, tokens_as = META_U32, PITH_E_FORMAT, "tokenizer.ggml.tokens");
    REFUSED(sentence, n_types = 10, PITH_E_FORMAT, "token_type has 10 elements");
    REFUSED(sentence, types_as_float = true, PITH_E_FORMAT, "tokenizer.ggml.token_type");
    REFUSED(sentence, types = "23361711134", PITH_E_FORMAT, "token_type[5] is 7");
    REFUSED(sentence, types = "233611/1134", PITH_E_FORMAT, "token_type[6] is -1");
    REFUSED(sentence, n_scores = 9, PITH_E_FORMAT, "scores has 9 elements");
    REFUSED(sentence, scores = nan_scores, PITH_E_FORMAT, "scores[4]");
    REFUSED(sentence, scores = NULL, PITH_E_FORMAT, "scores is missing");
    REFUSED(sentence, bos = 11, PITH_E_FORMAT, "bos_token_id is 11, the vocabulary has 11");
    REFUSED(sentence, eos = -2, PITH_E_FORMAT, "eos_token_id is -2");
    REFUSED(sentence, bos_as_text = true, PITH_E_FORMAT, "bos_token_id");
    REFUSED(bytes, add_bos = 1, PITH_E_FORMAT, "add_bos_token");
    REFUSED(bytes, add_eos = 1, PITH_E_FORMAT, "add_eos_token");
    REFUSED(bytes, merges = NULL, PITH_E_FORMAT, "merges is missing");
    REFUSED(bytes, merges = pairs; s.n_merges = 2, PITH_E_FORMAT, "merges[1] is \"ab\"");
    REFUSED(bytes, merges = lefts; s.n_merges = 1, PITH_E_FORMAT, "merges[0] is \"d b\"");
    REFUSED(bytes, merges = rights; s.n_merges = 1, PITH_E_FORMAT, "right is no token");
    REFUSED(bytes, merges = wholes; s.n_merges = 1, PITH_E_FORMAT, "whole is no token");
    REFUSED(sentence, tokens = one_byte; s.n_tokens = s.n_types = s.n_scores = 2; s.types = "63";
            s.bos = s.eos = -1, PITH_E_FORMAT, "<0x4G>");
    REFUSED(words, types = "111111111111"; s.tokens = sentence_tokens; s.n_tokens = s.n_types = 3,
            PITH_E_FORMAT, "unknown_token_id");
}

/* Every cut and thousands of flipped bytes: an error or a tokenizer that works, never a crash. */
static void broken_bytes(void)
{
    struct spec specs[3] = { sentence(), bytes(), words() };
    uint64_t seed = 5;

    for (size_t i = 0; i < PI_COUNT(specs); i++) {
        struct made file = made_file(&specs[i]);

        for (size_t k = 0; k < file.n + 20000; k++) {
            size_t n = k < file.n ? k : file.n, at = (size_t)check_random(&seed) % file.n;
            uint8_t *copy = malloc(n + 1);
            struct opened o;

            if (n)
                memcpy(copy, file.data, n);
            if (k >= file.n)
                copy[at] = (uint8_t)check_random(&seed);
            if (opened_memory(&o, copy, n) == PITH_OK && o.t)
                ids_of(o.t, "<|x|>ab c\xFF[T] cafe <s>", 3);
            opened_close(&o);
            free(copy);
        }
        free(file.data);
    }
}

struct counted {
    int64_t until_failure, held;
};

static void *counted_alloc(void *user, int64_t size)
{
    struct counted *c = user;
    void *block = c->until_failure-- > 0 ? aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63)
                                         : NULL;

    c->held += block ? size : 0;
    return block;
}

static void counted_free(void *user, void *block, int64_t size)
{
    struct counted *c = user;

    c->held -= size;
    free(block);
}

/* Each allocation fails once, at open and while tokenizing; all memory comes back. */
static void failing_memory(void)
{
    struct spec specs[3] = { sentence(), bytes(), words() };
    static char text[5000];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "ab c"[i * i % 4];
    for (size_t i = 0; i < PI_COUNT(specs); i++) {
        struct made file = made_file(&specs[i]);
        struct source source = { .memory = file.data, .size = file.n, .fd = -1 };
        int status = PITH_E_MEMORY;

        for (int64_t k = 0; status != PITH_OK && k < 1000; k++) {
            struct counted c = { .until_failure = k };
            struct allocator a = { counted_alloc, counted_free, &c };
            struct id_list ids = { .allocator = a };
            struct opened o;

            status = opened_from(&o, &source, &a);
            if (status == PITH_OK)
                status = pi_tokenize(o.t, (struct str){ text, sizeof text }, 3, &ids, &o.err);
            CHECK(status == PITH_OK || status == PITH_E_MEMORY);
            CHECK_INT(o.err.code, status);
            CHECK(status == PITH_OK || ids.n == 0);
            pi_id_list_free(&ids);
            opened_close(&o);
            CHECK_INT(c.held, 0);
        }
        CHECK_INT(status, PITH_OK);
        free(file.data);
    }
}

#define BIG 150000

/* 150 000 tokens, nearly as many merges of them, and special tokens that share beginnings. */
static void big_vocabulary(void)
{
    static char pieces[BIG][16], merges[BIG][16], types[BIG + 1];
    static const char *tokens[BIG], *lines[BIG];
    struct spec s = bytes();
    struct made file;
    struct opened o;
    clock_t start;
    int n = 0, m = 0;

    for (int i = 0; i < 26; i++)
        snprintf(pieces[n++], sizeof pieces[0], "%c", 'a' + i);
    for (int i = 0; n < BIG - 5000; i++) { /* every token so far, and one letter more */
        size_t length = strlen(pieces[i]);

        for (char c = 'a'; c <= 'z' && n < BIG - 5000; c++) {
            memcpy(merges[m], pieces[i], length);
            memcpy(merges[m++] + length, (char[]){ ' ', c, 0 }, 3);
            memcpy(pieces[n], pieces[i], length);
            memcpy(pieces[n++] + length, (char[]){ c, 0 }, 2);
        }
    }
    memset(types, '1', BIG);
    memset(types + n, '3', (size_t)(BIG - n));
    for (; n < BIG; n++)
        snprintf(pieces[n], sizeof pieces[0], "<<<<%d>", n % 5000);
    for (int i = 0; i < BIG; i++) {
        tokens[i] = pieces[i];
        lines[i] = merges[i];
    }
    s.tokens = tokens;
    s.merges = lines;
    s.types = types;
    s.n_tokens = s.n_types = BIG;
    s.n_merges = m;
    file = made_file(&s);
    start = clock();
    CHECK_INT(opened_memory(&o, file.data, file.n), PITH_OK);
    CHECK(clock() - start < CLOCKS_PER_SEC); /* plain build: 0.04 s; the rest is for sanitizers */
    if (o.t) {
        static char text[1 << 20];
        struct id_list ids = { .n = 0 };

        memset(text, '<', sizeof text);
        start = clock();
        CHECK_INT(pi_tokenize(o.t, (struct str){ text, sizeof text }, 3, &ids, NULL), PITH_OK);
        CHECK(clock() - start < 3 * CLOCKS_PER_SEC);
        pi_id_list_free(&ids);
        CHECK_STR(ids_of(o.t, "<<<<<<17>", 3), "145017");
        CHECK_STR(ids_of(o.t, "abca", 3), "27 78");
    }
    close_spec(&o, &file);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(sentence_pieces);
    RUN(spanning_pieces);
    RUN(byte_pairs);
    RUN(word_pieces);
    RUN(without_vocabulary);
    RUN(refused);
    RUN(broken_bytes);
    RUN(failing_memory);
    RUN(big_vocabulary);
    return CHECK_END();
}
