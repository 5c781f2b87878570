/* describe.c - tokenizer.json as metadata of GGUF. GGUF names kinds of tokenizers and
 * pre-tokenizers where tokenizer.json says what is done, so that the name is found by trying:
 * first what the file's own expressions are known as, then the others, until one gives the ids
 * that tokenizer.json gives for texts of many kinds.
 *
 * Not carried, as by the peers' converters: normal forms of Unicode, white space around added
 * tokens, and more than one token in front of or behind a text.
 *
 * Before: model/convert.c. Next: tokenizer_json.c, tokenizer.c.
 */
#include "describe.h"

#include "file/folder.h"
#include "tokenizer.h"
#include "tokenizer_parts.h"

static const char *const probes[] = {
    "Hello World, how are you?", "don't I'LL they'VE we'd it's o'clock 'Ss",
    "1 22 333 4444 1234567 3.14 \u00b2\u00bd 50%",
    "  two  three   four    five\n\n six \t\tseven\r\n",
    "CamelCaseWORDs someIDs XMLHttp2 snake_case_name kebab-case",
    "for (int i = 0; i < n; i++) { x[i] += y->z; } // done!?", "\nline\n\n\nline \n \n end  ",
    "na\u00efve fa\u00e7ade \u00dcber stra\u00dfe \u00c6\u0152 \u0130\u0131",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 "
    "\u4e2d\u6587\uff0c\u6807\u70b9\u3002 \ud55c\uad6d\uc5b4",
    "\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac "
    "\u0639\u0631\u0628\u064a \u05e2\u05d1\u05e8\u05d9\u05ea "
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "https://example.org/a/b?c=d&e=f#g me@example.org $9.99 \u20ac5 (x) [y] {z} <w>",
    "\u3000wide\u00a0hard \u2028 \"quoted\" \u201ccurly\u201d \u2014 dash\u2026 ...",
    "a", " a", "A1b2C3", "'", " '", "!!!", " !!!\n", "/\n//\r\n",
};

struct describing {
    struct metas *m;
    struct weights *w;
    const struct tokenizer *t;
    const struct json *model;
    int64_t n;          /* tokens in the file */
    const char *failed; /* the text on which the last try failed */
    pith_error *err;
};

/* ---- the vocabulary ---- */

static int add_tokens(struct describing *d, bool marked)
{
    const struct vocab *v = &d->t->vocab;
    struct str *pieces = pi_arena_alloc(d->m->arena, (size_t)d->n, sizeof *pieces);
    int32_t *types = pi_arena_alloc(d->m->arena, (size_t)d->n, sizeof *types);

    if (!pieces || !types)
        return pi_no_memory(d->err, "the vocabulary", (size_t)d->n * sizeof *pieces);
    for (int64_t i = 0; i < d->n; i++) {
        bool there = i < v->n && (v->pieces[i].n || v->types[i] != TOKEN_UNUSED);
        char pad[40] = "[PAD", number[32];
        struct str digits;

        types[i] = there ? v->types[i] : TOKEN_UNUSED;
        if (marked && i == v->unk)
            types[i] = TOKEN_UNKNOWN;
        if (marked && there && types[i] == TOKEN_NORMAL && pi_vocab_piece_byte(v->pieces[i]) >= 0)
            types[i] = TOKEN_BYTE;
        pieces[i] = there ? v->pieces[i] : STR("");
        if (there)
            continue;
        digits = pi_str(pi_number((double)i, number));
        memcpy(pad + 4, digits.at, digits.n);
        pad[4 + digits.n] = ']';
        pieces[i].n = digits.n + 5;
        pieces[i].at = pi_arena_text(d->m->arena, pad, pieces[i].n);
        if (!pieces[i].at)
            return pi_no_memory(d->err, "the vocabulary", pieces[i].n);
    }
    TRY(pi_metas_strs(d->m, "tokenizer.ggml.tokens", pieces, (size_t)d->n, d->err));
    return pi_metas_i32s(d->m, "tokenizer.ggml.token_type", types, (size_t)d->n, d->err);
}

/* The two pieces of a merge, which the opened tokenizer has proved. */
static void merge_pieces(const struct json *v, struct str *left, struct str *right)
{
    struct str rest = pi_json_text(v);

    if (pi_json_kind(v) == JSON_ARRAY) {
        *left = pi_json_text(v + 1);
        *right = pi_json_text(v + 1 + v[1].size);
        return;
    }
    pi_str_cut(&rest, ' ', left);
    *right = rest;
}

static int join_pieces(struct describing *d, struct str left, struct str gap, struct str right,
                       struct str *out)
{
    char *text = pi_arena_alloc(d->m->arena, left.n + gap.n + right.n + 1, 1);

    if (!text)
        return pi_no_memory(d->err, "the merges", left.n + right.n);
    memcpy(text, left.at, left.n);
    memcpy(text + left.n, gap.at, gap.n);
    memcpy(text + left.n + gap.n, right.at, right.n);
    *out = (struct str){ text, left.n + gap.n + right.n };
    return PITH_OK;
}

static int add_merges(struct describing *d)
{
    const struct json *merges = pi_json_find(d->model, "merges");
    struct str *texts = pi_arena_alloc(d->m->arena, merges ? merges->n : 0, sizeof *texts);
    size_t n = 0;

    if (!texts)
        return pi_no_memory(d->err, "the merges", merges->n * sizeof *texts);
    for (struct json_walk w = pi_json_walk(merges); pi_json_next(&w);) {
        struct str left, right;

        merge_pieces(w.value, &left, &right);
        TRY(join_pieces(d, left, STR(" "), right, &texts[n++]));
    }
    return pi_metas_strs(d->m, "tokenizer.ggml.merges", texts, n, d->err);
}

/* Pieces that are made by earlier merges win, as in SentencePiece; those that none makes lose. */
static int add_ranks(struct describing *d)
{
    const struct json *merges = pi_json_find(d->model, "merges");
    float *scores = pi_arena_alloc(d->m->arena, (size_t)d->n, sizeof *scores);
    uint32_t count = merges ? merges->n : 0;

    if (!scores)
        return pi_no_memory(d->err, "token scores", (size_t)d->n * sizeof *scores);
    for (int64_t i = 0; i < d->n; i++)
        scores[i] = -(float)count - (float)i;
    for (struct json_walk w = pi_json_walk(merges); pi_json_next(&w);) {
        struct str left, right, whole;
        int32_t id;

        merge_pieces(w.value, &left, &right);
        TRY(join_pieces(d, left, STR(""), right, &whole));
        id = pi_vocab_find(&d->t->vocab, whole);
        if (id >= 0 && scores[id] <= -(float)count)
            scores[id] = -(float)w.index;
    }
    return pi_metas_f32s(d->m, "tokenizer.ggml.scores", scores, (size_t)d->n, d->err);
}

static int add_scores(struct describing *d)
{
    const double *from = d->t->pipeline.unigram.scores;
    float *scores = pi_arena_alloc(d->m->arena, (size_t)d->n, sizeof *scores);

    if (!scores)
        return pi_no_memory(d->err, "token scores", (size_t)d->n * sizeof *scores);
    for (int64_t i = 0; i < d->n && i < d->t->vocab.n; i++)
        scores[i] = (float)from[i];
    return pi_metas_f32s(d->m, "tokenizer.ggml.scores", scores, (size_t)d->n, d->err);
}

/* ---- special tokens ---- */

/* The first number that config.json gives, or -1. */
static int32_t config_id(const struct describing *d, const char *key, const char *inner)
{
    const struct meta *m = pi_meta_find(d->w, pi_str(key));
    double id;

    m = m ? m : pi_meta_find(d->w, pi_str(inner));
    id = m && m->type == META_F64 && m->count ? pi_meta_number(m, 0) : -1;
    return id >= 0 && id < (double)d->n ? (int32_t)id : -1;
}

static int add_id(struct describing *d, const char *key, int32_t id)
{
    return id < 0 ? PITH_OK : pi_metas_u32(d->m, key, (uint32_t)id, d->err);
}

static bool is_repeated_end(const struct meta *ends, uint64_t i)
{
    for (uint64_t j = 0; j < i; j++)
        if (pi_meta_number(ends, j) == pi_meta_number(ends, i))
            return true;
    return false;
}

/* Where generation ends besides EOS. GGUF has two keys for it: first come those that no reader
 * knows by how they are spelled, of the others as many as fit. */
static int add_other_ends(struct describing *d, const struct meta *ends, int32_t eos)
{
    static const char *const keys[] = { "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };
    size_t n = 0;

    for (int known = 0; known < 2; known++)
        for (uint64_t i = 0; ends && i < ends->count; i++) {
            int32_t id = (int32_t)pi_meta_number(ends, i);

            if (id == eos || pi_token_ends(d->t, id) != known || is_repeated_end(ends, i))
                continue;
            if (n < PI_COUNT(keys))
                TRY(add_id(d, keys[n++], id));
            else if (!known)
                return pi_fail(d->err, PITH_E_UNSUPPORTED, "%.*s: the token %d, \"%.*s\", is one "
                               "end of a text more than GGUF has keys for", (int)ends->key.n,
                               ends->key.at, id, (int)pi_min_size(d->t->vocab.pieces[id].n, 40),
                               d->t->vocab.pieces[id].at);
        }
    return PITH_OK;
}

static int add_specials(struct describing *d)
{
    const struct tokenizer *t = d->t;
    const struct vocab *v = &t->vocab;
    int32_t bos = v->bos, eos = v->eos;
    const struct meta *ends;

    TRY(pi_tokenizer_folder_ends(d->w, v->n, &ends, d->err));
    if (bos < 0)
        bos = t->n_before == 1 ? t->before[0]
                               : config_id(d, "bos_token_id", "text_config.bos_token_id");
    if (eos < 0 && t->n_after == 1)
        eos = t->after[0];
    if (eos < 0 && ends && ends->count)
        eos = (int32_t)pi_meta_number(ends, 0);
    TRY(add_id(d, "tokenizer.ggml.bos_token_id", bos));
    TRY(add_id(d, "tokenizer.ggml.eos_token_id", eos));
    TRY(add_other_ends(d, ends, eos));
    TRY(add_id(d, "tokenizer.ggml.unknown_token_id", v->unk));
    TRY(add_id(d, "tokenizer.ggml.seperator_token_id", v->sep));
    TRY(add_id(d, "tokenizer.ggml.cls_token_id", v->cls));
    TRY(add_id(d, "tokenizer.ggml.padding_token_id",
               v->pad >= 0 ? v->pad : config_id(d, "pad_token_id", "text_config.pad_token_id")));
    TRY(pi_metas_bool(d->m, "tokenizer.ggml.add_bos_token",
                      t->n_before == 1 && t->before[0] == bos, d->err));
    return pi_metas_bool(d->m, "tokenizer.ggml.add_eos_token",
                         t->n_after == 1 && t->after[0] == eos, d->err);
}

/* ---- trying ---- */

static int compare_ids(struct describing *d, const struct tokenizer *made, const char *text,
                       bool *same)
{
    struct id_list a = { .allocator = d->m->arena->allocator }, b = a;
    int status = pi_tokenize(d->t, pi_str(text), 0, &a, d->err);

    if (status == PITH_OK)
        status = pi_tokenize(made, pi_str(text), 0, &b, d->err);
    *same = status == PITH_OK && a.n == b.n &&
            (a.n == 0 || memcmp(a.ids, b.ids, a.n * sizeof *a.ids) == 0);
    pi_id_list_free(&a);
    pi_id_list_free(&b);
    return status;
}

/* Whether a reader of the metadata gives the ids that the folder's tokenizer gives. */
static int try_metadata(struct describing *d, bool *fits)
{
    struct tokenizer *made;
    struct weights view;
    struct arena arena;
    pith_error why;
    int status;

    *fits = false;
    TRY(pi_metas_view(&view, d->m, NULL, 0, d->err));
    pi_arena_init(&arena, &d->m->arena->allocator);
    status = pi_tokenizer_open(&made, &arena, &view, &why);
    *fits = status == PITH_OK;
    if (status == PITH_E_MEMORY)
        pi_fail(d->err, status, "%s", why.text);
    else
        status = PITH_OK;
    for (size_t i = 0; i < PI_COUNT(probes) && *fits && status == PITH_OK; i++) {
        status = compare_ids(d, made, probes[i], fits);
        d->failed = probes[i];
    }
    pi_arena_free(&arena);
    return status;
}

static int refuse(const struct describing *d, const char *why)
{
    return pi_fail(d->err, PITH_E_UNSUPPORTED, "tokenizer.json: %s; GGUF has no tokenizer that "
                   "gives the same ids%s%.40s", why, d->failed ? ", as for: " : "",
                   d->failed ? d->failed : "");
}

/* ---- byte-level BPE ---- */

static int try_pre(struct describing *d, const char *name, bool *fits)
{
    TRY(pi_metas_str(d->m, "tokenizer.ggml.pre", pi_str(name), d->err));
    return try_metadata(d, fits);
}

/* Whether an earlier rule cuts the same way. */
static bool is_repeated(int i)
{
    const struct split_rule *rule = pi_split_at(i);

    for (int j = 1; j < i; j++)
        if (pi_split_at(j)->form == rule->form &&
            !((pi_split_at(j)->flags ^ rule->flags) & (SPLIT_WHOLE | SPLIT_EOS)))
            return true;
    return false;
}

static const struct split_rule *known_rule(const struct tokenizer *t)
{
    const struct split_rule *known = NULL;

    for (int i = 0; i < t->pipeline.presplitter.n && !known; i++)
        if (t->pipeline.presplitter.steps[i].kind != PRESPLIT_BYTES ||
            t->pipeline.presplitter.steps[i].b)
            known = t->pipeline.presplitter.steps[i].known;
    return known;
}

/* Rules that cut as the file's expression does, then all others; 0 is "default". */
static int find_pre(struct describing *d, bool *fits)
{
    const struct split_rule *known = known_rule(d->t);
    bool whole = d->t->pipeline.bpe.whole;

    *fits = false;
    for (int others = 0; others < 2; others++)
        for (int i = 1; pi_split_at(i) && !*fits; i++) {
            const struct split_rule *rule = pi_split_at(i);
            bool first = known && rule->form == known->form &&
                         ((rule->flags & SPLIT_WHOLE) != 0) == whole;

            if (first != (others == 0) || (rule->flags & SPLIT_EOS) || is_repeated(i))
                continue;
            TRY(try_pre(d, rule->name, fits));
        }
    for (int i = 0; pi_split_list_at(i) && !*fits; i++)
        if (!(pi_split_list_at(i)->flags & (SPLIT_MARKED | SPLIT_CHARACTERS)))
            TRY(try_pre(d, pi_split_list_at(i)->name, fits));
    return PITH_OK;
}

static bool is_byte_level(const struct pipeline *p)
{
    for (int i = 0; i < p->presplitter.n; i++)
        if (p->presplitter.steps[i].kind == PRESPLIT_BYTES)
            return true;
    for (int i = 0; i < p->normalizer.n; i++)
        if (p->normalizer.steps[i].kind == NORMAL_BYTES)
            return true;
    return false;
}

static int describe_bytes(struct describing *d)
{
    bool fits;

    TRY(pi_metas_str(d->m, "tokenizer.ggml.model", STR("gpt2"), d->err));
    TRY(add_tokens(d, false));
    TRY(add_merges(d));
    TRY(find_pre(d, &fits));
    return fits ? PITH_OK : refuse(d, "byte-level BPE");
}

/* ---- SentencePiece ---- */

static int try_flags(struct describing *d, const char *second, bool *fits)
{
    *fits = false;
    for (int i = 0; i < (second ? 4 : 2) && !*fits; i++) {
        TRY(pi_metas_bool(d->m, "tokenizer.ggml.add_space_prefix", !(i & 1), d->err));
        if (second)
            TRY(pi_metas_bool(d->m, second, !(i & 2), d->err));
        TRY(try_metadata(d, fits));
    }
    return PITH_OK;
}

/* BPE of characters with a fallback to bytes: by scores, or else by merges. */
static int describe_marked(struct describing *d)
{
    bool fits;

    TRY(pi_metas_str(d->m, "tokenizer.ggml.model", STR("llama"), d->err));
    TRY(pi_metas_str(d->m, "tokenizer.ggml.pre", STR("default"), d->err));
    TRY(add_tokens(d, true));
    TRY(add_ranks(d));
    TRY(try_flags(d, NULL, &fits));
    if (fits)
        return PITH_OK;
    pi_metas_remove(d->m, "tokenizer.ggml.add_space_prefix");
    TRY(pi_metas_str(d->m, "tokenizer.ggml.model", STR("gemma4"), d->err));
    TRY(pi_metas_str(d->m, "tokenizer.ggml.pre", STR("gemma4"), d->err));
    TRY(add_merges(d));
    TRY(try_metadata(d, &fits));
    return fits ? PITH_OK : refuse(d, "BPE of characters");
}

static int describe_unigram(struct describing *d)
{
    const struct normalizer *n = &d->t->pipeline.normalizer;
    bool fits;

    TRY(pi_metas_str(d->m, "tokenizer.ggml.model", STR("t5"), d->err));
    TRY(pi_metas_str(d->m, "tokenizer.ggml.pre", STR("default"), d->err));
    TRY(add_tokens(d, true));
    TRY(add_scores(d));
    for (int i = 0; i < n->n; i++) {
        const struct charsmap *map = &n->steps[i].map;

        if (n->steps[i].kind == NORMAL_CHARSMAP && map->n_units) /* behind its own length */
            TRY(pi_metas_u8s(d->m, "tokenizer.ggml.precompiled_charsmap", map->units - 4,
                             4 + 4 * map->n_units + map->texts.n, d->err));
    }
    TRY(try_flags(d, "tokenizer.ggml.remove_extra_whitespaces", &fits));
    return fits ? PITH_OK : refuse(d, "Unigram");
}

/* ---- the door ---- */

static int describe_model(struct describing *d)
{
    const struct pipeline *p = &d->t->pipeline;

    TRY(add_specials(d));
    if (p->model == MODEL_UNIGRAM)
        return describe_unigram(d);
    if (p->model != MODEL_CHARACTERS)
        return refuse(d, "neither BPE nor Unigram");
    if (p->bpe.suffix.n || p->bpe.prefix.n)
        return refuse(d, "BPE with marks at the ends of words");
    return is_byte_level(p) ? describe_bytes(d) : describe_marked(d);
}

int pi_describe_tokenizer(struct metas *m, struct weights *w, int64_t least, int64_t *tokens,
                          pith_error *err)
{
    struct describing d = { .m = m, .w = w, .err = err };
    struct str text, config = STR(""), template;
    struct tokenizer *t;
    const struct json *root;
    bool found;

    *tokens = 0;
    TRY(pi_folder_text(w, "tokenizer.json", &text, &found, m->arena, err));
    if (!found)
        return pi_metas_str(m, "tokenizer.ggml.model", STR("none"), err);
    TRY(pi_folder_text(w, "tokenizer_config.json", &config, &found, m->arena, err));
    TRY(pi_tokenizer_open_json(&t, m->arena, text, config, err));
    TRY(pi_json_parse(&root, m->arena, text, "tokenizer.json", err));
    d.t = t;
    d.model = pi_json_find(root, "model");
    d.n = pi_max(least, t->vocab.n);
    if (t->vocab.n > least)
        return pi_fail(err, PITH_E_FORMAT, "the vocabulary has %d tokens, the model only %lld",
                       t->vocab.n, (long long)least);
    TRY(describe_model(&d));
    *tokens = d.n;
    TRY(pi_meta_str(w, "tokenizer.chat_template", &template, &found, err));
    return found ? pi_metas_str(m, "tokenizer.chat_template", template, err) : PITH_OK;
}
