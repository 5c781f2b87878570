/* kinds.c - vocabularies of GGUF that run as a pipeline: BPE of characters, unigram, RWKV, lists of
 * expressions. The expected ids are those of Hugging Face tokenizers and sentencepiece with these
 * very pieces, and for RWKV those of its definition.
 */
#include "check.h"
#include "vocabs.h"

static struct spec spec_of(const char *model, const char *const *tokens, int n, const char *types)
{
    return (struct spec){ .model = model, .tokens = tokens, .n_tokens = n, .tokens_as = META_STR,
                          .types = types, .n_types = n, .bos = -1, .eos = -1, .unk = -1,
                          .add_bos = -1, .add_eos = -1, .add_space_prefix = -1, .lowercase = -1 };
}

static bool open_kind(struct opened *o, struct made *file, const struct spec *s)
{
    *file = made_file(s);
    if (opened_memory(o, file->data, file->n) == PITH_OK && o->t)
        return true;
    CHECK_FAIL("%s", o->err.text);
    return false;
}

static void close_kind(struct opened *o, struct made *file)
{
    opened_close(o);
    free(file->data);
}

/* The ids as text, "1 2 3". */
static const char *ids_of(const struct tokenizer *t, struct str text, int flags)
{
    static char out[512];
    struct id_list ids = { .n = 0 };
    size_t at = 0;

    out[0] = 0;
    CHECK_INT(pi_tokenize(t, text, flags, &ids, NULL), PITH_OK);
    for (size_t i = 0; i < ids.n && at < sizeof out - 16; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, i ? " %d" : "%d", ids.ids[i]);
    pi_id_list_free(&ids);
    return out;
}

static const char *const marked_tokens[] = {
    "<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "<0xC3>", "<0xA9>", "\n", "\n\n",
    "c\u2581", "<eos>",
};
static const char *const marked_merges[] = { "\u2581 a", "a b", "\u2581 ab", "\n \n" };

static void characters(void)
{
    struct spec s = spec_of("gemma4", marked_tokens, 13, "2111111661113");
    struct opened o;
    struct made file;

    s.merges = marked_merges;
    s.n_merges = 4;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab ab a b"), 0), "5 4 3 4 1 3");
        CHECK_STR(ids_of(o.t, STR("\u00e9 a\n\n\nb"), 0), "7 8 4 10 9 3");
        CHECK_STR(ids_of(o.t, STR("xyz abx"), 0), "0 4 3 0");
        CHECK_STR(ids_of(o.t, STR("  ab"), 0), "1 4 3");
        CHECK_STR(ids_of(o.t, STR("a<eos>a"), TOKENIZE_PARSE_SPECIAL), "2 12 2");
        CHECK(pi_str_equal(pi_token_text(o.t, 4, false), STR(" a")));
        CHECK(pi_str_equal(pi_token_text(o.t, 7, false), STR("\xC3")));
        CHECK(!pi_tokenizer_strips_space(o.t));
    }
    close_kind(&o, &file);
}

static const char *const longest_tokens[] = { "<s>", "a", "ab", "\\x00", "\\n\\n", "\\n", "\\'",
                                              "\\xff", "\u4e2d", "\\\\x" };

static void longest(void)
{
    struct spec s = spec_of("rwkv", longest_tokens, 10, "3111111111");
    struct opened o;
    struct made file;

    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("abaab\n\n\n\0"), 0), "2 1 2 4 5 3");
        CHECK_STR(ids_of(o.t, STR("'\xff\u4e2d\\x?a"), 0), "6 7 8 9 1"); /* no unknown token */
        CHECK(pi_str_equal(pi_token_text(o.t, 7, false), STR("\xff")));
        CHECK(pi_str_equal(pi_token_text(o.t, 9, false), STR("\\x")));
    }
    close_kind(&o, &file);
}

static const char *const unigram_tokens[] = { "<pad>", "</s>", "<unk>", "\u2581", "a", "b", "ab",
                                              "\u2581a", "\u2581b", "[T]" };
static const float unigram_scores[] = { 0, 0, 0, -2, -3, -3, -4, -4, -6, 0 };

static void most_probable(void)
{
    struct spec s = spec_of("t5", unigram_tokens, 10, "3321111114");
    struct opened o;
    struct made file;

    s.scores = unigram_scores;
    s.n_scores = 10;
    s.unk = 2;
    s.eos = 1;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab"), TOKENIZE_ADD_SPECIAL), "3 6 1");
        CHECK_STR(ids_of(o.t, STR("  a  b "), 0), "7 3 5");
        CHECK_STR(ids_of(o.t, STR("axyb"), 0), "7 2 5"); /* what is unknown is one token */
        CHECK_STR(ids_of(o.t, STR("   "), 0), "");
        CHECK_STR(ids_of(o.t, STR("a[T]a"), 0), "7 9 7");
        CHECK(pi_tokenizer_strips_space(o.t));
    }
    close_kind(&o, &file);
}

static const char *const bytes_tokens[] = { "a", "b", "ab", "1", "11", "111", "\u0120", "\u0120a" };
static const char *const bytes_merges[] = { "a b", "1 1", "11 1", "\u0120 a" };

static void lists(void)
{
    struct spec s = spec_of("gpt2", bytes_tokens, 8, "11111111");
    struct opened o;
    struct made file;

    s.pre = "afmoe"; /* digits in threes from the right */
    s.merges = bytes_merges;
    s.n_merges = 4;
    if (open_kind(&o, &file, &s)) {
        CHECK_STR(ids_of(o.t, STR("ab1111 ab"), 0), "2 3 5 6 2");
        CHECK_STR(ids_of(o.t, STR("11111a"), 0), "4 5 0");
    }
    close_kind(&o, &file);
    s.pre = "deepseek-v3";
    if (open_kind(&o, &file, &s))
        CHECK_STR(ids_of(o.t, STR("1111 11"), 0), "5 3 6 4");
    close_kind(&o, &file);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(characters);
    RUN(longest);
    RUN(most_probable);
    RUN(lists);
    return CHECK_END();
}
