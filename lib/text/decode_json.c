/* decode_json.c - what each token stands for, by the decoder of tokenizer.json. A decoder is run
 * once for every token, as it stands in the middle of a text; that the space in front of a whole
 * text goes is all that is known of its ends. Refuses types that it does not know, by name.
 */
#include "tokenizer_parts.h"

enum decode_kind { DECODE_BYTES, DECODE_META, DECODE_WORDPIECE, DECODE_SUFFIX, DECODE_FALLBACK,
                   DECODE_STRIP, DECODE_REPLACE, DECODE_CTC, DECODE_JOIN };

struct decode_step {
    enum decode_kind kind;
    struct regex *regex;
    struct str text, content;
    int64_t start, stop;
    bool cleanup;
};

struct decoder {
    struct decode_step steps[STEPS_MAX];
    int n;
    struct regex_run run;
};

/* Replaces every `from` that is in the text. */
static int put_replaced(struct normal_text *out, struct str text, struct str from, struct str to,
                        pith_error *err)
{
    for (size_t i = 0; i < text.n;) {
        struct str rest = { text.at + i, text.n - i };
        bool found = from.n && pi_str_starts(rest, from);

        TRY(pi_normal_put(out, found ? to.at : rest.at, found ? to.n : 1, err));
        i += found ? from.n : 1;
    }
    return PITH_OK;
}

/* The spaces that WordPiece puts before English punctuation go. */
static int clean_up(struct normal_text out[2], int *now, pith_error *err)
{
    static const char *const rows[][2] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" },
        { " n't", "n't" }, { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" },
        { " 've", "'ve" }, { " 're", "'re" },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        struct normal_text *to = &out[1 - *now];

        to->n = 0;
        TRY(pi_normal_put(to, "", 0, err));
        TRY(put_replaced(to, (struct str){ out[*now].at, out[*now].n }, pi_str(rows[i][0]),
                         pi_str(rows[i][1]), err));
        *now = 1 - *now;
    }
    return PITH_OK;
}

static int put_unmapped(struct normal_text *out, struct str text, pith_error *err)
{
    size_t before = out->n;
    int n;

    for (size_t i = 0; i < text.n; i += (size_t)n) {
        int byte = pi_vocab_code_byte(pi_utf8_next(text.at + i, text.at + text.n, &n));
        char c = (char)byte;

        if (byte < 0) { /* then it is no spelling of bytes at all */
            out->n = before;
            return pi_normal_put(out, text.at, text.n, err);
        }
        TRY(pi_normal_put(out, &c, 1, err));
    }
    return PITH_OK;
}

static int put_matches(const struct decode_step *step, struct regex_run *run,
                       struct normal_text *out, struct str text, pith_error *err)
{
    struct normal_step replace = { .kind = NORMAL_REPLACE, .regex = step->regex,
                                   .content = step->content };
    struct normalizer one = { &replace, 1 };
    struct normal_scratch scratch = { .texts = { { .allocator = out->allocator },
                                                 { .allocator = out->allocator } }, .run = *run };
    int status = pi_normalize(&one, &scratch, text, &text, err);

    if (status == PITH_OK)
        status = pi_normal_put(out, text.at, text.n, err);
    *run = scratch.run;
    scratch.run = (struct regex_run){ .allocator = out->allocator };
    pi_normal_scratch_free(&scratch);
    return status;
}

static int run_decode(const struct decode_step *step, struct regex_run *run,
                      struct normal_text *out, struct str text, pith_error *err)
{
    int byte;
    char c;

    switch (step->kind) {
    case DECODE_BYTES: return put_unmapped(out, text, err);
    case DECODE_META: return put_replaced(out, text, step->text, STR(" "), err);
    case DECODE_SUFFIX: return put_replaced(out, text, step->text, STR(" "), err);
    case DECODE_WORDPIECE:
        if (step->text.n && pi_str_starts(text, step->text))
            return pi_normal_put(out, text.at + step->text.n, text.n - step->text.n, err);
        TRY(pi_normal_put(out, " ", 1, err));
        return pi_normal_put(out, text.at, text.n, err);
    case DECODE_JOIN:
        TRY(pi_normal_put(out, " ", 1, err));
        return pi_normal_put(out, text.at, text.n, err);
    case DECODE_FALLBACK:
        byte = pi_vocab_piece_byte(text);
        c = (char)byte;
        return pi_normal_put(out, byte < 0 ? text.at : &c, byte < 0 ? text.n : 1, err);
    case DECODE_STRIP:
        for (int64_t i = 0; i < step->start && pi_str_starts(text, step->text); i++) {
            text.at += step->text.n;
            text.n -= step->text.n;
        }
        for (int64_t i = 0; i < step->stop && text.n >= step->text.n &&
                            memcmp(text.at + text.n - step->text.n, step->text.at,
                                   step->text.n) == 0; i++)
            text.n -= step->text.n;
        return pi_normal_put(out, text.at, text.n, err);
    case DECODE_REPLACE: return put_matches(step, run, out, text, err);
    case DECODE_CTC: return put_replaced(out, text, step->text, STR(""), err);
    }
    return PITH_OK;
}

/* What a token stands for, in texts[*now]. */
static int decode_token(struct decoder *d, struct normal_text texts[2], int *now, struct str piece,
                        pith_error *err)
{
    texts[*now].n = 0;
    TRY(pi_normal_put(&texts[*now], piece.at, piece.n, err));
    for (int i = 0; i < d->n; i++) {
        const struct decode_step *step = &d->steps[i];
        struct str text = { texts[*now].at, texts[*now].n };

        texts[1 - *now].n = 0;
        TRY(run_decode(step, &d->run, &texts[1 - *now], text, err));
        *now = 1 - *now;
        if (step->cleanup)
            TRY(clean_up(texts, now, err));
        if (step->cleanup && step->kind == DECODE_CTC) {
            texts[1 - *now].n = 0;
            TRY(put_replaced(&texts[1 - *now], (struct str){ texts[*now].at, texts[*now].n },
                             step->content, STR(" "), err));
            *now = 1 - *now;
        }
    }
    return PITH_OK;
}

static int read_decoder(struct decode_step *step, struct arena *arena, const struct json *v,
                        bool *fused, bool *strips_space, pith_error *err)
{
    const struct json *type = pi_json_find(v, "type");
    struct str scheme = STR("always");
    bool space = true;
    uint32_t code;

    step->cleanup = false;
    if (pi_json_is_string(type, "ByteLevel")) {
        step->kind = DECODE_BYTES;
    } else if (pi_json_is_string(type, "Metaspace")) {
        step->kind = DECODE_META;
        TRY(pi_json_code(v, "replacement", &code, err));
        step->text = pi_json_text(pi_json_find(v, "replacement"));
        TRY(pi_json_get_bool(v, "add_prefix_space", &space, err));
        TRY(pi_json_get_str(v, "prepend_scheme", &scheme, err));
        *strips_space = space && !pi_str_equal(scheme, STR("never"));
    } else if (pi_json_is_string(type, "WordPiece")) {
        *step = (struct decode_step){ .kind = DECODE_WORDPIECE, .text = STR("##"),
                                      .cleanup = true };
        *strips_space = true;
        TRY(pi_json_get_str(v, "prefix", &step->text, err));
        TRY(pi_json_get_bool(v, "cleanup", &step->cleanup, err));
    } else if (pi_json_is_string(type, "BPEDecoder")) {
        *step = (struct decode_step){ .kind = DECODE_SUFFIX, .text = STR("</w>") };
        TRY(pi_json_get_str(v, "suffix", &step->text, err));
    } else if (pi_json_is_string(type, "ByteFallback")) {
        step->kind = DECODE_FALLBACK;
    } else if (pi_json_is_string(type, "Strip")) {
        step->kind = DECODE_STRIP;
        TRY(pi_json_code(v, "content", &code, err));
        step->text = pi_json_text(pi_json_find(v, "content"));
        TRY(pi_json_get_int(v, "start", &step->start, err));
        TRY(pi_json_get_int(v, "stop", &step->stop, err));
        if (*fused && (step->start > 1 || step->stop || code != ' '))
            return pi_fail(err, PITH_E_UNSUPPORTED, "a decoder strips more than one space of a "
                           "whole text");
        *strips_space = *strips_space || (*fused && step->start);
        step->start = *fused ? 0 : step->start;
    } else if (pi_json_is_string(type, "Replace")) {
        step->kind = DECODE_REPLACE;
        TRY(pi_pattern_open(&step->regex, arena, pi_json_find(v, "pattern"), &scheme, err));
        TRY(pi_json_get_str(v, "content", &step->content, err));
    } else if (pi_json_is_string(type, "CTC")) {
        *step = (struct decode_step){ .kind = DECODE_CTC, .text = STR("<pad>"),
                                      .content = STR("|"), .cleanup = true };
        TRY(pi_json_get_str(v, "pad_token", &step->text, err));
        TRY(pi_json_get_str(v, "word_delimiter_token", &step->content, err));
        TRY(pi_json_get_bool(v, "cleanup", &step->cleanup, err));
    } else {
        return pi_unknown_type(v, "decoder", err);
    }
    return PITH_OK;
}

static int read_decoders(struct decoder *d, struct arena *arena, const struct json *v,
                         bool *strips_space, pith_error *err)
{
    struct steps s = { .what = "decoder", .members = "decoders", .only = v };
    bool fused = false;

    *strips_space = false;
    if (pi_json_kind(v) == JSON_NULL) { /* pieces with spaces between them */
        d->steps[d->n++].kind = DECODE_JOIN;
        *strips_space = true;
        return PITH_OK;
    }
    for (;;) {
        TRY(pi_next_step(&s, &v, err));
        if (!v)
            return PITH_OK;
        if (pi_json_is_string(pi_json_find(v, "type"), "Fuse"))
            fused = true;
        else
            TRY(read_decoder(&d->steps[d->n++], arena, v, &fused, strips_space, err));
    }
}

/* All tokens' texts, one after the other, in *all. */
static int decode_all(struct vocab *v, struct decoder *d, struct normal_text texts[2],
                      struct normal_text *all, pith_error *err)
{
    int now = 0;

    for (int32_t i = 0; i < v->n; i++) {
        TRY(decode_token(d, texts, &now, v->pieces[i], err));
        v->text_at[i] = (uint32_t)all->n;
        TRY(pi_normal_put(all, texts[now].at, texts[now].n, err));
        if (all->n > UINT32_MAX)
            return pi_fail(err, PITH_E_LIMIT, "the pieces of the vocabulary pass 4 GiB");
    }
    v->text_at[v->n] = (uint32_t)all->n;
    return PITH_OK;
}

int pi_decoder_open(struct vocab *v, struct arena *arena, const struct json *decoder,
                    bool *strips_space, pith_error *err)
{
    struct normal_text texts[2] = { { .allocator = &arena->allocator },
                                    { .allocator = &arena->allocator } }, all = texts[0];
    struct decoder *d = pi_arena_alloc(arena, 1, sizeof *d);
    int status;

    v->text_at = pi_arena_alloc(arena, (size_t)v->n + 1, sizeof *v->text_at);
    if (!d || !v->text_at)
        return pi_no_memory(err, "the texts of tokens", (size_t)v->n * sizeof *v->text_at);
    d->run.allocator = &arena->allocator;
    status = read_decoders(d, arena, decoder, strips_space, err);
    if (status == PITH_OK)
        status = decode_all(v, d, texts, &all, err);
    if (status == PITH_OK) {
        v->text = pi_arena_text(arena, all.at, all.n);
        if (!v->text)
            status = pi_no_memory(err, "the texts of tokens", all.n);
    }
    pi_normal_free(&texts[0]);
    pi_normal_free(&texts[1]);
    pi_normal_free(&all);
    pi_regex_free(&d->run);
    return status;
}
