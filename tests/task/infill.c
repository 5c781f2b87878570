/* infill.c - the prompts that ask for what stands between a prefix and a suffix, in each family's
 * marks and order. The expected ids follow from the families' own documentation: prefix first for
 * most, suffix first for [SUFFIX] and [PREFIX], and no space before the suffix where a vocabulary
 * puts one before a text (as Hugging Face's tokenizer for such models does).
 */
#include "gguf_tiny.h"
#include "task/task.h"

#include "check.h"

enum { PRE = 13, SUF = 14, MID = 15 };

static pith_model *model;
static uint8_t *bytes;

/* A model whose last three tokens are spelled so; NULL: an ordinary word. */
static struct gguf *with_marks(const struct tiny *t, const char *pre, const char *suf,
                               const char *mid)
{
    struct gguf *g = tiny_model(t);
    bool mapped = strcmp(t->arch, "gpt2") == 0;
    const char *pieces[TINY_TOKENS] = {
        "<unk>", "<s>", "</s>", "<0x0A>", "\xE2\x96\x81", "a", "b", "c", "\xE2\x96\x81""a", "ab",
        "bc", "abc", "\xE2\x96\x81""abc",
    };
    struct gguf_bytes *types;

    if (mapped)
        for (int i = 0; i < 13; i++)
            pieces[i] = (const char *[]){ "a", "b", "c", "\xC4\xA0", "ab", "bc", "abc",
                                          "\xC4\xA0""a", "\xC4\xA0""abc", "\xC4\x8A", "d", "e",
                                          "1" }[i];
    pieces[PRE] = pre ? pre : "x";
    pieces[SUF] = suf ? suf : "y";
    pieces[MID] = mid ? mid : "z";
    gguf_strings(g, "tokenizer.ggml.tokens", TINY_TOKENS, pieces);
    types = gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, TINY_TOKENS);
    for (int i = 0; i < TINY_TOKENS; i++)
        gguf_put_int(types, i >= PRE || (!mapped && i > 0 && i < 3) ? 3
                            : !mapped && i == 3 ? 6 : !mapped && i == 0 ? 2 : 1, 4);
    if (mapped)
        gguf_drop(g, "tokenizer.ggml.eos_token_id");
    return g;
}

static int32_t open_it(struct gguf *g)
{
    pith_error e = { 0 };
    size_t size;
    int32_t status;

    bytes = gguf_write(g, &size);
    status = pith_model_open_memory(&model, bytes, (int64_t)size, NULL, &e);
    if (status)
        CHECK_FAIL("%s", e.text);
    gguf_free(g);
    return status;
}

static void close_it(void)
{
    pith_model_release(model);
    free(bytes);
    model = NULL;
}

/* The prompt for prefix "ab" and suffix "abc" has these ids. */
static void expect(struct gguf *g, int flags, int n, const int32_t *expected)
{
    struct id_list ids = { 0 };
    struct infill_ends ends;
    pith_error e = { 0 };

    if (open_it(g) == PITH_OK) {
        CHECK_INT(pi_infill_ids(model, STR("ab"), STR("abc"), flags, &ids, &ends, &e), PITH_OK);
        CHECK_INT((int)ids.n, n);
        for (int i = 0; i < n && i < (int)ids.n; i++)
            CHECK_INT(ids.ids[i], expected[i]);
        CHECK(ends.n >= 2);
    }
    pi_id_list_free(&ids);
    close_it();
}

#define IDS(...) (int)(sizeof (int32_t[]){ __VA_ARGS__ } / 4), (int32_t[]){ __VA_ARGS__ }

static void prefix_first(void)
{
    static const char *const spelled[][3] = {
        { "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>" },
        { "<fim_prefix>", "<fim_suffix>", "<fim_middle>" },
        { "<fim-prefix>", "<fim-suffix>", "<fim-middle>" },
        { "<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>" },
        { "<\xEF\xBD\x9C""fim\xE2\x96\x81""begin\xEF\xBD\x9C>",
          "<\xEF\xBD\x9C""fim\xE2\x96\x81hole\xEF\xBD\x9C>",
          "<\xEF\xBD\x9C""fim\xE2\x96\x81""end\xEF\xBD\x9C>" },
        { "<PRE>", "<SUF>", "<MID>" },
        { "<|prefix|>", "<|suffix|>", "<|middle|>" },
    };

    for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++)
        expect(with_marks(&tiny_gpt2, spelled[i][0], spelled[i][1], spelled[i][2]),
               TOKENIZE_ADD_SPECIAL, IDS(PRE, 4, SUF, 6, MID));
}

/* The space in front of a text belongs to the prefix alone. */
static void sentence_pieces(void)
{
    const char *pre = "\xE2\x96\x81<PRE>", *suf = "\xE2\x96\x81<SUF>", *mid = "\xE2\x96\x81<MID>";

    expect(with_marks(&tiny_llama, pre, suf, mid), TOKENIZE_ADD_SPECIAL,
           IDS(1, PRE, 8, 6, SUF, 11, MID));
    expect(with_marks(&tiny_llama, pre, suf, mid), 0, IDS(PRE, 8, 6, SUF, 11, MID));
}

static void suffix_first(void)
{
    expect(with_marks(&tiny_llama, "[PREFIX]", "[SUFFIX]", NULL), TOKENIZE_ADD_SPECIAL,
           IDS(1, SUF, 11, PRE, 9));
}

/* Seed-Coder: the suffix first, and a middle; Mellum: StarCoder's marks in that order. */
static void suffix_first_with_middle(void)
{
    struct gguf *g = with_marks(&tiny_gpt2, "<fim_prefix>", "<fim_suffix>", "<fim_middle>");

    expect(with_marks(&tiny_gpt2, "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"), 0,
           IDS(SUF, 6, PRE, 4, MID));
    gguf_str(g, "tokenizer.ggml.pre", "mellum");
    expect(g, 0, IDS(SUF, 6, PRE, 4, MID));
    g = with_marks(&tiny_gpt2, "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>");
    gguf_u32(g, "tokenizer.ggml.fim_pre_token_id", PRE);
    gguf_u32(g, "tokenizer.ggml.fim_suf_token_id", SUF);
    gguf_u32(g, "tokenizer.ggml.fim_mid_token_id", MID);
    expect(g, 0, IDS(SUF, 6, PRE, 4, MID));
}

/* The names of the keys in 2024; the file's own end; a key that says -1. */
static void older_keys(void)
{
    struct gguf *g = with_marks(&tiny_gpt2, NULL, NULL, NULL);

    gguf_u32(g, "tokenizer.ggml.fim_pre_token_id", 0xFFFFFFFF);
    gguf_u32(g, "tokenizer.ggml.prefix_token_id", SUF);
    gguf_u32(g, "tokenizer.ggml.suffix_token_id", MID);
    gguf_u32(g, "tokenizer.ggml.middle_token_id", PRE);
    gguf_u32(g, "tokenizer.ggml.fim_pad_token_id", 12);
    expect(g, 0, IDS(SUF, 4, MID, 6, PRE));
}

static void ids_of_the_file(void)
{
    struct gguf *g = with_marks(&tiny_gpt2, NULL, NULL, NULL);

    gguf_u32(g, "tokenizer.ggml.fim_pre_token_id", MID);
    gguf_u32(g, "tokenizer.ggml.fim_suf_token_id", PRE);
    gguf_u32(g, "tokenizer.ggml.fim_mid_token_id", SUF);
    expect(g, 0, IDS(MID, 4, PRE, 6, SUF));
}

static void what_cannot_be(void)
{
    struct gguf *g = with_marks(&tiny_gpt2, "<fim_prefix>", "<fim_suffix>", NULL);
    pith_session *s = NULL;
    pith_error e = { 0 };

    if (open_it(g) == PITH_OK) {
        CHECK_INT(pith_session_open(&s, model, NULL, &e), PITH_OK);
        CHECK_INT(pith_infill(s, "a", -1, "b", -1, NULL, &e), PITH_E_UNSUPPORTED);
        CHECK_HAS(e.text, "gpt2: its 16 tokens");
        CHECK_INT((int)pith_session_position(s), 0);
        CHECK_INT(pith_infill(NULL, "a", -1, "b", -1, NULL, &e), PITH_E_ARGUMENT);
        CHECK_INT(pith_infill(s, NULL, -1, "b", -1, NULL, &e), PITH_E_ARGUMENT);
        CHECK_INT(pith_infill(s, "a", -1, NULL, -1, NULL, &e), PITH_E_ARGUMENT);
        pith_session_release(s);
    }
    close_it();
    g = with_marks(&tiny_gpt2, NULL, NULL, NULL);
    gguf_u32(g, "tokenizer.ggml.fim_pre_token_id", TINY_TOKENS);
    if (open_it(g) == PITH_OK) {
        CHECK_INT(pith_session_open(&s, model, NULL, &e), PITH_OK);
        CHECK_INT(pith_infill(s, "a", -1, "b", -1, NULL, &e), PITH_E_FORMAT);
        CHECK_HAS(e.text, "fim_pre_token_id is 16");
        pith_session_release(s);
    }
    close_it();
}

/* A generation is fed these ids, and ends at a mark, of which it shows nothing. */
static void generation(void)
{
    pith_session *s = NULL;
    pith_options *o;
    const pith_event *event;
    const float *logits;
    pith_error e = { 0 };
    int32_t finish = 0, token = -1, ids[] = { PRE, 4, SUF, 6, MID };

    if (open_it(with_marks(&tiny_gpt2, "<fim_prefix>", "<fim_suffix>", "<fim_middle>")))
        return;
    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 1, NULL);
    CHECK_INT(pith_session_open(&s, model, NULL, &e), PITH_OK);
    CHECK_INT(pith_infill(s, "ab", -1, "abc", -1, o, &e), PITH_OK);
    CHECK_INT((int)pith_session_position(s), 5);
    CHECK_INT(pith_generate_next(s, &event, &e), PITH_OK);
    token = pith_event_token(event);
    finish = pith_event_finish(event);
    CHECK_INT(finish, token >= PRE ? PITH_FINISH_EOS : PITH_FINISH_LENGTH);
    pith_session_rewind(s, 0, NULL);
    CHECK_INT(pith_session_feed(s, ids, 5, &e), PITH_OK);
    CHECK_INT(pith_session_logits(s, &logits, &e), PITH_OK);
    for (int i = 0; i < TINY_TOKENS; i++)
        CHECK(logits[i] <= logits[token]);
    pith_options_release(o);
    pith_session_release(s);
    close_it();
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(prefix_first);
    RUN(sentence_pieces);
    RUN(suffix_first);
    RUN(suffix_first_with_middle);
    RUN(older_keys);
    RUN(ids_of_the_file);
    RUN(what_cannot_be);
    RUN(generation);
    return CHECK_END();
}
