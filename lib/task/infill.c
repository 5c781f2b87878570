/* infill.c - the prompt that asks a code model for what stands between a prefix and a suffix.
 *
 * Families differ in their three marks and in the order of the parts. The file's own ids of the
 * marks win over their spelling.
 *
 * Before: task/generate.c. Next: text/tokenizer.h.
 */
#include "task.h"

enum { MARK_PREFIX, MARK_SUFFIX, MARK_MIDDLE, MARKS };

#define BAR "\xEF\xBD\x9C"     /* U+FF5C */
#define LOW "\xE2\x96\x81"     /* U+2581 */

static const struct marks {
    const char *spelled[MARKS]; /* the last NULL: suffix first, and nothing behind the prefix */
} known_marks[] = {
    { { "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>" } },
    { { "<fim_prefix>", "<fim_suffix>", "<fim_middle>" } },
    { { "<fim-prefix>", "<fim-suffix>", "<fim-middle>" } },
    { { LOW "<PRE>", LOW "<SUF>", LOW "<MID>" } },
    { { "<PRE>", "<SUF>", "<MID>" } },
    { { "<" BAR "fim" LOW "begin" BAR ">", "<" BAR "fim" LOW "hole" BAR ">",
        "<" BAR "fim" LOW "end" BAR ">" } },
    { { "<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>" } },
    { { "[PREFIX]", "[SUFFIX]", NULL } },
};

/* At which the middle ends, besides the marks themselves and the model's own ends. */
static const char *const more_ends[] = {
    "<|fim_pad|>", "<fim_pad>", "<fim-pad>", LOW "<EOT>", "<EOT>", "<|repo_name|>", "<repo_name>",
    "<|file_sep|>", "<file_sep>", "<|file_separator|>", "[MIDDLE]",
};

static const char *const mark_keys[MARKS] = {
    "tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.fim_mid_token_id",
};

/* The ids of the marks; a middle of -1 means that there is none. */
static int find_marks(const pith_model *m, int32_t ids[MARKS], pith_error *err)
{
    const struct tokenizer *t = m->tokenizer;
    int known = 0;

    for (int i = 0; i < MARKS; i++) {
        int64_t id = -1;
        bool found;

        TRY(pi_meta_i64(&m->weights, mark_keys[i], &id, &found, err));
        if (found && (id < -1 || id >= pi_tokenizer_size(t)))
            return pi_fail(err, PITH_E_FORMAT, "%s is %lld; ids from 0 to %d exist", mark_keys[i],
                           (long long)id, pi_tokenizer_size(t) - 1);
        ids[i] = (int32_t)id;
        known += id >= 0;
    }
    for (size_t k = 0; k < PI_COUNT(known_marks) && known < MARKS; k++) {
        const char *const *spelled = known_marks[k].spelled;

        known = 0;
        for (int i = 0; i < MARKS; i++) {
            ids[i] = spelled[i] ? pi_token_find(t, pi_str(spelled[i])) : -1;
            known += ids[i] >= 0 || !spelled[i];
        }
    }
    return known == MARKS ? PITH_OK
        : pi_fail(err, PITH_E_UNSUPPORTED, "the vocabulary has no tokens for filling in between a "
                  "prefix and a suffix");
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

int pi_infill_ids(const pith_model *m, struct str prefix, struct str suffix, int flags,
                  struct id_list *out, struct infill_ends *ends, pith_error *err)
{
    const struct tokenizer *t = m->tokenizer;
    int32_t marks[MARKS];

    TRY(find_marks(m, marks, err));
    if (flags & TOKENIZE_ADD_SPECIAL)
        TRY(add_start(t, out, err));
    flags &= ~TOKENIZE_ADD_SPECIAL;
    if (marks[MARK_MIDDLE] < 0) {
        TRY(pi_id_list_push(out, marks[MARK_SUFFIX], err));
        TRY(add_rest(t, suffix, flags, out, err));
        TRY(pi_id_list_push(out, marks[MARK_PREFIX], err));
        TRY(add_rest(t, prefix, flags, out, err));
    } else {
        TRY(pi_id_list_push(out, marks[MARK_PREFIX], err));
        TRY(pi_tokenize(t, prefix, flags, out, err));
        TRY(pi_id_list_push(out, marks[MARK_SUFFIX], err));
        TRY(add_rest(t, suffix, flags, out, err));
        TRY(pi_id_list_push(out, marks[MARK_MIDDLE], err));
    }
    ends->n = 0;
    for (int i = 0; i < MARKS; i++)
        if (marks[i] >= 0)
            ends->ids[ends->n++] = marks[i];
    for (size_t i = 0; i < PI_COUNT(more_ends) && ends->n < INFILL_ENDS; i++) {
        int32_t id = pi_token_find(t, pi_str(more_ends[i]));

        if (id >= 0)
            ends->ids[ends->n++] = id;
    }
    return PITH_OK;
}
