/* tokenizer_json.c - the door to tokenizer.json: vocabulary, model, added tokens, post-processor,
 * and what tokenizer_config.json says about them. Refuses component types that it does not know, by
 * name, and ids that are beyond what the file can hold.
 *
 * Before: model/model.c. Next: steps_json.c, decode_json.c, pipeline.c.
 */
#include "tokenizer_parts.h"

struct opening {
    struct tokenizer *t;
    struct arena *arena;
    const struct json *root, *model, *vocab, *config;
    size_t bytes; /* of the file: bounds ids */
    pith_error *err;
};

/* ---- vocabulary ---- */

static int check_id(const struct opening *o, struct str piece, const struct json *v, int64_t *id)
{
    if (!pi_json_int(v, id))
        return pi_fail(o->err, PITH_E_FORMAT, "the token \"%.*s\" has no id",
                       (int)pi_min_size(piece.n, 60), piece.at);
    if (*id < 0 || *id >= (int64_t)pi_min_size(o->bytes, INT32_MAX))
        return pi_fail(o->err, PITH_E_FORMAT, "the token \"%.*s\" has the id %lld, in a file "
                       "of %zu bytes", (int)pi_min_size(piece.n, 60), piece.at,
                       (long long)*id, o->bytes);
    return PITH_OK;
}

/* A score, rounded as the reader of Hugging Face tokenizers does: the digits to a double, and that
 * divided by a power of ten. The last bit decides between ways to spell a word that are equal. */
static bool read_score(const struct json *v, double *out)
{
    uint64_t digits = 0;
    int places = 0;
    bool fraction = false, plain = pi_json_kind(v) == JSON_NUMBER;
    double power = 1;

    for (uint32_t i = 0; plain && i < v->n; i++) {
        char c = v->at[i];

        fraction = fraction || c == '.';
        plain = digits < UINT64_MAX / 10 - 1 && ((c >= '0' && c <= '9') || c == '.' || c == '-');
        if (c >= '0' && c <= '9') {
            digits = digits * 10 + (uint64_t)(c - '0');
            places += fraction;
        }
    }
    if (!plain || places > 22) /* 10^22 is the last one that is a double */
        return pi_json_double(v, out);
    while (places--)
        power *= 10;
    *out = v->at[0] == '-' ? -((double)digits / power) : (double)digits / power;
    return true;
}

/* The piece and id of an entry of the model's vocabulary: a member, or a pair with a score. */
static int read_entry(const struct opening *o, const struct json_walk *w, struct str *piece,
                      int64_t *id, double *score)
{
    if (w->keyed) {
        *piece = w->key;
        return check_id(o, *piece, w->value, id);
    }
    *id = w->index;
    if (pi_json_kind(w->value) != JSON_ARRAY || w->value->n != 2 ||
        pi_json_kind(w->value + 1) != JSON_STRING ||
        !read_score(w->value + 1 + w->value[1].size, score))
        return pi_fail(o->err, PITH_E_FORMAT, "model.vocab[%u] is not a piece with a score",
                       w->index);
    *piece = pi_json_text(w->value + 1);
    return PITH_OK;
}

static int read_added(struct opening *o)
{
    struct pipeline *p = &o->t->pipeline;
    const struct json *list;

    TRY(pi_json_get(o->root, "added_tokens", JSON_ARRAY, &list, o->err));
    p->added = pi_arena_alloc(o->arena, list ? list->n : 0, sizeof *p->added);
    if (!p->added)
        return pi_no_memory(o->err, "added tokens", list->n * sizeof *p->added);
    for (struct json_walk w = pi_json_walk(list); pi_json_next(&w);) {
        struct added_token *a = &p->added[p->n_added];
        int64_t id;

        TRY(pi_json_get_str(w.value, "content", &a->content, o->err));
        TRY(check_id(o, a->content, pi_json_find(w.value, "id"), &id));
        a->id = (int32_t)id;
        TRY(pi_json_get_bool(w.value, "special", &a->special, o->err));
        TRY(pi_json_get_bool(w.value, "lstrip", &a->lstrip, o->err));
        TRY(pi_json_get_bool(w.value, "rstrip", &a->rstrip, o->err));
        TRY(pi_json_get_bool(w.value, "single_word", &a->single_word, o->err));
        TRY(pi_json_get_bool(w.value, "normalized", &a->normalized, o->err));
        p->n_added += a->content.n > 0;
    }
    return PITH_OK;
}

/* One past the highest id. */
static int count_ids(struct opening *o)
{
    int64_t most = -1;

    for (struct json_walk w = pi_json_walk(o->vocab); pi_json_next(&w);) {
        struct str piece;
        int64_t id;
        double score;

        TRY(read_entry(o, &w, &piece, &id, &score));
        most = pi_max(most, id);
    }
    for (int32_t i = 0; i < o->t->pipeline.n_added; i++)
        most = pi_max(most, o->t->pipeline.added[i].id);
    if (most < 0)
        return pi_fail(o->err, PITH_E_FORMAT, "model.vocab is empty");
    o->t->vocab.n = (int32_t)most + 1;
    return PITH_OK;
}

static int fill_vocab(struct opening *o)
{
    struct vocab *v = &o->t->vocab;
    double *scores = NULL;

    v->pieces = pi_arena_alloc(o->arena, (size_t)v->n, sizeof *v->pieces);
    v->types = pi_arena_alloc(o->arena, (size_t)v->n, 1);
    if (pi_json_kind(o->vocab) == JSON_ARRAY)
        scores = pi_arena_alloc(o->arena, (size_t)v->n, sizeof *scores);
    if (!v->pieces || !v->types || (!scores && pi_json_kind(o->vocab) == JSON_ARRAY))
        return pi_no_memory(o->err, "the vocabulary", (size_t)v->n * sizeof *v->pieces);
    memset(v->types, TOKEN_UNUSED, (size_t)v->n);
    TRY(pi_map_init(&v->by_piece, o->arena, o->vocab->n, o->err));
    for (struct json_walk w = pi_json_walk(o->vocab); pi_json_next(&w);) {
        struct str piece;
        int64_t id;
        double score = 0;
        int byte;

        TRY(read_entry(o, &w, &piece, &id, &score));
        v->pieces[id] = piece;
        v->types[id] = TOKEN_NORMAL;
        v->longest = piece.n > v->longest ? piece.n : v->longest;
        if (!pi_map_add(&v->by_piece, piece, id))
            v->duplicates = true;
        if (scores)
            scores[id] = score;
        byte = pi_vocab_piece_byte(piece);
        if (byte >= 0)
            v->bytes[byte] = (int32_t)id;
    }
    o->t->pipeline.unigram.scores = scores;
    return PITH_OK;
}

/* Tokens that are looked for in the text; the model may know some of them under an id of its own.
 * */
static int fill_added(struct opening *o)
{
    struct pipeline *p = &o->t->pipeline;
    struct vocab *v = &o->t->vocab;

    TRY(pi_map_init(&o->t->added, o->arena, (size_t)p->n_added, o->err));
    for (int32_t i = 0; i < p->n_added; i++) {
        struct added_token *a = &p->added[i];
        int32_t known = pi_vocab_find(v, a->content);

        a->id = known >= 0 ? known : a->id;
        v->pieces[a->id] = a->content;
        v->types[a->id] = a->special ? TOKEN_CONTROL : TOKEN_USER;
        pi_map_add(&o->t->added, a->content, a->id);
    }
    return PITH_OK;
}

static int open_vocab(struct opening *o)
{
    struct vocab *v = &o->t->vocab;

    o->vocab = pi_json_find(o->model, "vocab");
    if (pi_json_kind(o->vocab) != JSON_OBJECT && pi_json_kind(o->vocab) != JSON_ARRAY)
        return pi_fail(o->err, PITH_E_FORMAT, "model.vocab is missing");
    v->bos = v->eos = v->eot = v->eom = v->unk = v->sep = v->cls = v->pad = -1;
    for (int i = 0; i < 256; i++)
        v->bytes[i] = -1;
    TRY(read_added(o));
    TRY(count_ids(o));
    TRY(fill_vocab(o));
    return fill_added(o);
}

/* ---- model ---- */

/* The id of the piece that a member of the model names, or -1. */
static int get_piece_id(const struct opening *o, const char *name, int32_t *id)
{
    struct str piece = STR("");

    TRY(pi_json_get_str(o->model, name, &piece, o->err));
    *id = piece.n ? pi_vocab_find(&o->t->vocab, piece) : -1;
    if (piece.n && *id < 0)
        return pi_fail(o->err, PITH_E_FORMAT, "model.%s is \"%.*s\", which is not in model.vocab",
                       name, (int)pi_min_size(piece.n, 40), piece.at);
    return PITH_OK;
}

static int open_bpe(struct opening *o)
{
    struct bpe *b = &o->t->pipeline.bpe;
    double dropout = 0;

    TRY(pi_json_get_double(o->model, "dropout", &dropout, o->err));
    if (dropout != 0)
        return pi_fail(o->err, PITH_E_UNSUPPORTED, "model.dropout is not 0: tokens would be left "
                       "to chance");
    TRY(get_piece_id(o, "unk_token", &b->unk));
    TRY(pi_json_get_str(o->model, "continuing_subword_prefix", &b->prefix, o->err));
    TRY(pi_json_get_str(o->model, "end_of_word_suffix", &b->suffix, o->err));
    TRY(pi_json_get_bool(o->model, "fuse_unk", &b->fuse, o->err));
    TRY(pi_json_get_bool(o->model, "byte_fallback", &b->bytes, o->err));
    TRY(pi_json_get_bool(o->model, "ignore_merges", &b->whole, o->err));
    return pi_bpe_open_json(b, o->arena, pi_json_find(o->model, "merges"), &o->t->vocab, o->err);
}

static int open_unigram(struct opening *o)
{
    struct unigram *u = &o->t->pipeline.unigram;
    int64_t unk = -1;

    if (pi_json_kind(o->vocab) != JSON_ARRAY)
        return pi_fail(o->err, PITH_E_FORMAT, "model.vocab of a Unigram model is not an array");
    TRY(pi_json_get_int(o->model, "unk_id", &unk, o->err));
    if (unk < -1 || unk >= (int64_t)o->vocab->n)
        return pi_fail(o->err, PITH_E_FORMAT, "model.unk_id is %lld, model.vocab has %u pieces",
                       (long long)unk, o->vocab->n);
    u->vocab = &o->t->vocab;
    u->unk = (int32_t)unk;
    TRY(pi_json_get_bool(o->model, "byte_fallback", &u->bytes, o->err));
    return pi_unigram_open(u, o->arena, 1u << TOKEN_NORMAL | 1u << TOKEN_USER, o->err);
}

static int open_words(struct opening *o, bool pieces)
{
    struct pipeline *p = &o->t->pipeline;

    p->prefix = STR("##");
    p->longest_word = 100;
    if (pieces) {
        TRY(pi_json_get_str(o->model, "continuing_subword_prefix", &p->prefix, o->err));
        TRY(pi_json_get_int(o->model, "max_input_chars_per_word", &p->longest_word, o->err));
    }
    return get_piece_id(o, "unk_token", &p->unk);
}

/* The type, or what files from before there were types look like. */
static struct str model_type(const struct json *model)
{
    struct str type = pi_json_text(pi_json_find(model, "type"));

    if (type.n)
        return type;
    if (pi_json_find(model, "merges"))
        return STR("BPE");
    if (pi_json_kind(pi_json_find(model, "vocab")) == JSON_ARRAY)
        return STR("Unigram");
    return pi_json_find(model, "max_input_chars_per_word") ? STR("WordPiece") : STR("WordLevel");
}

static int open_model(struct opening *o)
{
    struct pipeline *p = &o->t->pipeline;
    struct str type = model_type(o->model);

    p->vocab = &o->t->vocab;
    p->unk = -1;
    if (pi_str_equal(type, STR("Unigram"))) {
        p->model = MODEL_UNIGRAM;
        TRY(open_unigram(o));
        p->unk = p->unigram.unk;
    } else if (pi_json_kind(o->vocab) != JSON_OBJECT) {
        return pi_fail(o->err, PITH_E_FORMAT, "model.vocab is not an object");
    } else if (pi_str_equal(type, STR("BPE"))) {
        p->model = MODEL_CHARACTERS;
        TRY(open_bpe(o));
        p->unk = p->bpe.unk;
    } else if (pi_str_equal(type, STR("WordPiece"))) {
        p->model = MODEL_WORDPIECE;
        TRY(open_words(o, true));
    } else if (pi_str_equal(type, STR("WordLevel"))) {
        p->model = MODEL_WORDLEVEL;
        TRY(open_words(o, false));
    } else {
        return pi_unknown_type(o->model, "model", o->err);
    }
    o->t->vocab.unk = p->unk;
    return PITH_OK;
}

/* ---- post-processor ---- */

static int add_affix(struct opening *o, bool before, const struct json *id)
{
    struct tokenizer *t = o->t;
    int64_t value = -1;

    if (!pi_json_int(id, &value) || value < 0 || value >= t->vocab.n)
        return pi_fail(o->err, PITH_E_FORMAT, "the post_processor adds the token %lld, the "
                       "vocabulary has %d", (long long)value, t->vocab.n);
    return pi_tokenizer_affix(o->arena, before ? &t->before : &t->after,
                              before ? &t->n_before : &t->n_after, (int32_t)value, o->err);
}

/* {"single": [{"SpecialToken": {"id": name}}, {"Sequence": {"id": "A"}}], "special_tokens": ...} */
static int open_template(struct opening *o, const struct json *v)
{
    const struct json *single, *tokens = pi_json_find(v, "special_tokens");
    int texts = 0;

    TRY(pi_json_get(v, "single", JSON_ARRAY, &single, o->err));
    for (struct json_walk w = pi_json_walk(single); pi_json_next(&w);) {
        const struct json *name = pi_json_find(w.value, "SpecialToken.id");
        const struct json *ids = pi_json_find(pi_json_member(tokens, pi_json_text(name)), "ids");

        if (pi_json_find(w.value, "Sequence")) {
            texts++;
            continue;
        }
        if (pi_json_kind(ids) != JSON_ARRAY)
            return pi_fail(o->err, PITH_E_FORMAT, "the post_processor's template has the token "
                           "\"%.*s\", which it does not define",
                           (int)pi_min_size(pi_json_text(name).n, 40), pi_json_text(name).at);
        for (struct json_walk k = pi_json_walk(ids); pi_json_next(&k);)
            TRY(add_affix(o, texts == 0, k.value));
    }
    if (texts != 1)
        return pi_fail(o->err, PITH_E_UNSUPPORTED, "the post_processor's template has the text %d "
                       "times", texts);
    return PITH_OK;
}

static int open_postprocessor(struct opening *o)
{
    struct steps s = { .what = "post_processor", .members = "processors",
                       .only = pi_json_find(o->root, "post_processor") };
    const struct json *v;

    for (;;) {
        const struct json *type;

        TRY(pi_next_step(&s, &v, o->err));
        if (!v)
            return PITH_OK;
        type = pi_json_find(v, "type");
        if (pi_json_is_string(type, "TemplateProcessing")) {
            TRY(open_template(o, v));
        } else if (pi_json_is_string(type, "BertProcessing") ||
                   pi_json_is_string(type, "RobertaProcessing")) {
            TRY(add_affix(o, true, pi_json_find(v, "cls.1")));
            TRY(add_affix(o, false, pi_json_find(v, "sep.1")));
        } else if (!pi_json_is_string(type, "ByteLevel")) {
            return pi_unknown_type(v, "post_processor", o->err);
        }
    }
}

/* ---- tokenizer_config.json ---- */

/* The id of a token that the configuration names, as a string or as {"content": ...}; -1 if it
 * names none. */
static int get_config_id(const struct opening *o, const char *name, int32_t *id)
{
    const struct json *v = pi_json_find(o->config, name);
    struct str piece = pi_json_text(v);

    if (pi_json_kind(v) == JSON_OBJECT)
        piece = pi_json_text(pi_json_find(v, "content"));
    if (piece.n == 0)
        return PITH_OK;
    *id = pi_token_find(o->t, piece);
    return PITH_OK;
}

/* add_bos_token and add_eos_token have the last word on what is around a text. */
static int apply_flag(struct opening *o, const char *name, bool before, int32_t id)
{
    int32_t **list = before ? &o->t->before : &o->t->after;
    int32_t *n = before ? &o->t->n_before : &o->t->n_after, at = before ? 0 : *n - 1;
    bool there = id >= 0 && *n > 0 && (*list)[at] == id, wanted = there;

    TRY(pi_json_get_bool(o->config, name, &wanted, o->err));
    if (wanted == there || id < 0)
        return PITH_OK;
    if (!wanted) {
        --*n;
        if (before)
            memmove(*list, *list + 1, (size_t)*n * sizeof **list);
        return PITH_OK;
    }
    TRY(pi_tokenizer_affix(o->arena, list, n, id, o->err));
    if (before) {
        memmove(*list + 1, *list, (size_t)(*n - 1) * sizeof **list);
        (*list)[0] = id;
    }
    return PITH_OK;
}

/* A template, or the one called "default" of a list of named ones. */
static struct str chosen_template(const struct json *config)
{
    const struct json *v = pi_json_find(config, "chat_template");
    struct str text = pi_json_text(v);

    if (pi_json_kind(v) == JSON_ARRAY)
        for (struct json_walk w = pi_json_walk(v); pi_json_next(&w);)
            if (pi_json_is_string(pi_json_find(w.value, "name"), "default"))
                text = pi_json_text(pi_json_find(w.value, "template"));
    return text;
}

static int open_config(struct opening *o)
{
    struct vocab *v = &o->t->vocab;
    int32_t unk = -1;

    TRY(get_config_id(o, "bos_token", &v->bos));
    TRY(get_config_id(o, "eos_token", &v->eos));
    TRY(get_config_id(o, "sep_token", &v->sep));
    TRY(get_config_id(o, "cls_token", &v->cls));
    TRY(get_config_id(o, "pad_token", &v->pad));
    TRY(get_config_id(o, "unk_token", &unk));
    v->unk = v->unk < 0 ? unk : v->unk;
    if (v->bos < 0 && v->cls >= 0)
        v->bos = v->cls;
    TRY(apply_flag(o, "add_bos_token", true, v->bos));
    TRY(apply_flag(o, "add_eos_token", false, v->eos));
    o->t->chat_template = chosen_template(o->config);
    return PITH_OK;
}

/* Added tokens are decoded from what they were normalized to. */
static void set_spellings(struct tokenizer *t, bool normalized)
{
    for (int32_t i = 0; i < t->pipeline.n_added; i++) {
        const struct added_token *a = &t->pipeline.added[i];

        t->vocab.pieces[a->id] = normalized ? a->spelled : a->content;
    }
}

static int open_json_parts(struct opening *o)
{
    struct tokenizer *t = o->t;

    TRY(pi_json_get(o->root, "model", JSON_OBJECT, &o->model, o->err));
    if (!o->model)
        return pi_fail(o->err, PITH_E_FORMAT, "model is missing");
    TRY(open_vocab(o));
    TRY(open_model(o));
    TRY(pi_normalizer_open(&t->pipeline.normalizer, o->arena, pi_json_find(o->root, "normalizer"),
                           o->err));
    TRY(pi_presplit_open(&t->pipeline.presplitter, o->arena,
                         pi_json_find(o->root, "pre_tokenizer"), o->err));
    TRY(pi_pipeline_add(&t->pipeline, o->arena, o->err));
    set_spellings(t, true);
    TRY(pi_decoder_open(&t->vocab, o->arena, pi_json_find(o->root, "decoder"), &t->strips_space,
                        o->err));
    set_spellings(t, false);
    return open_postprocessor(o);
}

int pi_tokenizer_open_json(struct tokenizer **out, struct arena *arena, struct str tokenizer_json,
                           struct str tokenizer_config_json, pith_error *err)
{
    pith_error inner = { 0 };
    struct opening o = { .arena = arena, .bytes = tokenizer_json.n, .err = &inner };
    int status;

    *out = NULL;
    TRY(pi_json_parse(&o.root, arena, tokenizer_json, "tokenizer.json", err));
    if (tokenizer_config_json.n)
        TRY(pi_json_parse(&o.config, arena, tokenizer_config_json, "tokenizer_config.json", err));
    o.t = pi_arena_alloc(arena, 1, sizeof *o.t);
    if (!o.t)
        return pi_no_memory(err, "a tokenizer", sizeof *o.t);
    o.t->kind = KIND_PIPELINE;
    status = open_json_parts(&o);
    if (status != PITH_OK)
        return pi_fail(err, status, "tokenizer.json: %s", inner.text);
    status = open_config(&o);
    if (status != PITH_OK)
        return pi_fail(err, status, "tokenizer_config.json: %s", inner.text);
    TRY(pi_tokenizer_find_ends(o.t, arena, err));
    *out = o.t;
    return PITH_OK;
}
