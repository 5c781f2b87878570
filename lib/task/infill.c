/* infill.c - the prompt that asks a code model for what stands between a prefix and a suffix.
 *
 * Families differ in their three marks and in the order of the parts. The file's own ids of the
 * marks win over their spelling. Sources: the models' own cards and papers.
 *
 * Other files of a repository are the caller's: they go into the prefix, with special tokens
 * parsed, as the family writes them: "<|repo_name|>name\n<|file_sep|>path\ntext" (Qwen2.5-Coder),
 * "<repo_name>name<file_sep>path\ntext" (StarCoder2), "<filename>path\ntext" (Mellum, Seed-Coder).
 *
 * Before: task/generate.c. Next: text/tokenizer.h.
 */
#include "task.h"

enum { MARK_PREFIX, MARK_SUFFIX, MARK_MIDDLE, MARKS };

struct infill_marks {
    int32_t ids[MARKS];
    bool suffix_first;
};

#define BAR "\xEF\xBD\x9C"     /* U+FF5C */
#define LOW "\xE2\x96\x81"     /* U+2581 */

static const struct {
    const char *spelled[MARKS]; /* the last NULL: nothing behind the prefix */
    bool suffix_first;
} known_marks[] = {
    { { "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>" }, false },
    { { "<fim_prefix>", "<fim_suffix>", "<fim_middle>" }, false },
    { { "<fim-prefix>", "<fim-suffix>", "<fim-middle>" }, false },
    { { LOW "<PRE>", LOW "<SUF>", LOW "<MID>" }, false },
    { { "<PRE>", "<SUF>", "<MID>" }, false },
    { { "<" BAR "fim" LOW "begin" BAR ">", "<" BAR "fim" LOW "hole" BAR ">",
        "<" BAR "fim" LOW "end" BAR ">" }, false },
    { { "<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>" }, false },
    { { "<|prefix|>", "<|suffix|>", "<|middle|>" }, false },
    { { "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>" }, true },
    { { "[PREFIX]", "[SUFFIX]", NULL }, true },
};

/* Vocabularies whose marks are another's, but not their order (tokenizer.ggml.pre). */
static const char *const suffix_first_names[] = { "mellum", "mellum2" };

/* At which the middle ends, besides the marks themselves and the model's own ends. */
static const char *const more_ends[] = {
    "<|fim_pad|>", "<fim_pad>", "<fim-pad>", LOW "<EOT>", "<EOT>", "<|repo_name|>", "<repo_name>",
    "<|file_sep|>", "<file_sep>", "<|file_separator|>", "[MIDDLE]", "<reponame>", "<filename>",
};

/* Today's and older names. */
static const char *const mark_keys[MARKS][2] = {
    { "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id" },
    { "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id" },
    { "tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id" },
};

static const char *const end_keys[] = {
    "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
};

/* The id that a key of the file gives, -1 for none. */
static int read_mark(const pith_model *m, const char *key, int32_t *out, pith_error *err)
{
    int64_t id = -1;
    bool found;

    TRY(pi_meta_i64(&m->weights, key, &id, &found, err));
    if (!found || id == UINT32_MAX)
        id = -1;
    if (id < -1 || id >= pi_tokenizer_size(m->tokenizer))
        return pi_fail(err, PITH_E_FORMAT, "%s is %lld; ids from 0 to %d exist", key,
                       (long long)id, pi_tokenizer_size(m->tokenizer) - 1);
    *out = (int32_t)id;
    return PITH_OK;
}

/* The order does not stand in the file: it follows from the spelling, or the vocabulary's name. */
static int find_order(const pith_model *m, struct infill_marks *marks, pith_error *err)
{
    struct str name = STR(""), piece = pi_token_piece(m->tokenizer, marks->ids[MARK_PREFIX]);
    bool found;

    for (size_t k = 0; k < PI_COUNT(known_marks); k++)
        if (pi_str_equal(piece, pi_str(known_marks[k].spelled[MARK_PREFIX])))
            marks->suffix_first = known_marks[k].suffix_first;
    if (!m->weights.hf)
        TRY(pi_meta_str(&m->weights, "tokenizer.ggml.pre", &name, &found, err));
    for (size_t k = 0; k < PI_COUNT(suffix_first_names); k++)
        marks->suffix_first |= pi_str_equal(name, pi_str(suffix_first_names[k]));
    return PITH_OK;
}

/* A middle of -1 means that there is none. */
static int find_marks(const pith_model *m, struct infill_marks *marks, pith_error *err)
{
    const struct tokenizer *t = m->tokenizer;
    int32_t *ids = marks->ids;
    int known = 0;

    *marks = (struct infill_marks){ .suffix_first = false };
    for (int i = 0; i < MARKS; i++) {
        TRY(read_mark(m, mark_keys[i][0], &ids[i], err));
        if (ids[i] < 0)
            TRY(read_mark(m, mark_keys[i][1], &ids[i], err));
        known += ids[i] >= 0;
    }
    for (size_t k = 0; k < PI_COUNT(known_marks) && known < MARKS; k++) {
        const char *const *spelled = known_marks[k].spelled;

        known = 0;
        for (int i = 0; i < MARKS; i++) {
            ids[i] = spelled[i] ? pi_token_find(t, pi_str(spelled[i])) : -1;
            known += ids[i] >= 0 || !spelled[i];
        }
    }
    if (known < MARKS)
        return pi_fail(err, PITH_E_UNSUPPORTED, "%s: its %d tokens have none for filling in "
                       "between a prefix and a suffix, such as <|fim_prefix|>", m->arch_name,
                       pi_tokenizer_size(t));
    return find_order(m, marks, err);
}

/* The ids of a text that goes on where another stopped: without the space that the vocabulary
 * puts before a first word. */
static int add_rest(const struct tokenizer *t, struct str text, int flags, struct id_list *out,
                    pith_error *err)
{
    static const char sign[] = "\xE2\x98\xBA"; /* U+263A joins with nothing */
    struct id_list alone = { .allocator = out->allocator }, joined = alone;
    const struct allocator *a = &out->allocator;
    size_t n = sizeof sign - 1 + text.n;
    char *both;
    int status;

    if (!pi_tokenizer_strips_space(t))
        return pi_tokenize(t, text, flags, out, err);
    both = pi_alloc(a, n);
    if (!both)
        return pi_no_memory(err, "the suffix", n);
    memcpy(both, sign, sizeof sign - 1);
    if (text.n)
        memcpy(both + sizeof sign - 1, text.at, text.n);
    status = pi_tokenize(t, STR(sign), flags, &alone, err);
    if (status == PITH_OK)
        status = pi_tokenize(t, (struct str){ both, n }, flags, &joined, err);
    for (size_t i = alone.n; i < joined.n && status == PITH_OK; i++)
        status = pi_id_list_push(out, joined.ids[i], err);
    pi_free(a, both, n);
    pi_id_list_free(&alone);
    pi_id_list_free(&joined);
    return status;
}

/* The token that begins every text of the model, if it has one. */
static int add_start(const struct tokenizer *t, struct id_list *out, pith_error *err)
{
    size_t before = out->n;

    TRY(pi_tokenize(t, STR(""), TOKENIZE_ADD_SPECIAL, out, err));
    if (out->n > before && out->ids[before] == pi_token_bos(t))
        before++;
    out->n = before;
    return PITH_OK;
}

static void add_end(struct infill_ends *ends, int32_t id)
{
    if (id >= 0 && ends->n < INFILL_ENDS)
        ends->ids[ends->n++] = id;
}

static int list_ends(const pith_model *m, const struct infill_marks *marks,
                     struct infill_ends *ends, pith_error *err)
{
    ends->n = 0;
    for (int i = 0; i < MARKS; i++)
        add_end(ends, marks->ids[i]);
    for (size_t i = 0; i < PI_COUNT(end_keys); i++) {
        int32_t id;

        TRY(read_mark(m, end_keys[i], &id, err));
        add_end(ends, id);
    }
    for (size_t i = 0; i < PI_COUNT(more_ends); i++)
        add_end(ends, pi_token_find(m->tokenizer, pi_str(more_ends[i])));
    return PITH_OK;
}

int pi_infill_ids(const pith_model *m, struct str prefix, struct str suffix, int flags,
                  struct id_list *out, struct infill_ends *ends, pith_error *err)
{
    const struct tokenizer *t = m->tokenizer;
    struct infill_marks marks;

    TRY(find_marks(m, &marks, err));
    if (flags & TOKENIZE_ADD_SPECIAL)
        TRY(add_start(t, out, err));
    flags &= ~TOKENIZE_ADD_SPECIAL;
    if (marks.suffix_first) {
        TRY(pi_id_list_push(out, marks.ids[MARK_SUFFIX], err));
        TRY(add_rest(t, suffix, flags, out, err));
        TRY(pi_id_list_push(out, marks.ids[MARK_PREFIX], err));
        TRY(add_rest(t, prefix, flags, out, err));
    } else {
        TRY(pi_id_list_push(out, marks.ids[MARK_PREFIX], err));
        TRY(pi_tokenize(t, prefix, flags, out, err));
        TRY(pi_id_list_push(out, marks.ids[MARK_SUFFIX], err));
        TRY(add_rest(t, suffix, flags, out, err));
    }
    if (marks.ids[MARK_MIDDLE] >= 0)
        TRY(pi_id_list_push(out, marks.ids[MARK_MIDDLE], err));
    return list_ends(m, &marks, ends, err);
}
