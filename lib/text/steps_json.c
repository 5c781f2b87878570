/* steps_json.c - the normalizer and pre-tokenizer of tokenizer.json become steps. Refuses types
 * that it does not know, by name. Before: tokenizer_json.c. Next: normal.c, presplit.c,
 * decode_json.c.
 */
#include "tokenizer_parts.h"

int pi_unknown_type(const struct json *v, const char *what, pith_error *err)
{
    struct str type = pi_json_text(pi_json_find(v, "type"));

    return pi_fail(err, PITH_E_UNSUPPORTED, "a %s of type \"%.*s\", which is not known here", what,
                   (int)pi_min_size(type.n, 60), type.at);
}

int pi_next_step(struct steps *s, const struct json **out, pith_error *err)
{
    *out = s->only;
    s->only = NULL;
    for (;;) {
        const struct json *list;

        while (!*out && s->depth > 0) {
            if (pi_json_next(&s->open[s->depth - 1]))
                *out = s->open[s->depth - 1].value;
            else
                s->depth--;
        }
        if (!*out || pi_json_kind(*out) == JSON_NULL) {
            *out = NULL;
            return PITH_OK;
        }
        if (pi_json_kind(*out) != JSON_OBJECT)
            return pi_fail(err, PITH_E_FORMAT, "a %s is not an object", s->what);
        if (!pi_json_is_string(pi_json_find(*out, "type"), "Sequence"))
            break;
        TRY(pi_json_get(*out, s->members, JSON_ARRAY, &list, err));
        if (s->depth == SEQUENCES_MAX)
            return pi_fail(err, PITH_E_LIMIT, "%s: sequences within sequences, more than %d deep",
                           s->what, SEQUENCES_MAX);
        s->open[s->depth++] = pi_json_walk(list);
        *out = NULL;
    }
    if (++s->n > STEPS_MAX)
        return pi_fail(err, PITH_E_LIMIT, "more than %d of %s", STEPS_MAX, s->members);
    return PITH_OK;
}

int pi_pattern_open(struct regex **out, struct arena *arena, const struct json *pattern,
                    struct str *expression, pith_error *err)
{
    const struct json *text = pi_json_find(pattern, "String"), *regex = pi_json_find(pattern,
                                                                                     "Regex");

    *expression = STR("");
    if (pi_json_kind(regex) == JSON_STRING) {
        *expression = pi_json_text(regex);
        return pi_regex_open(out, arena, *expression, err);
    }
    if (pi_json_kind(text) != JSON_STRING)
        return pi_fail(err, PITH_E_FORMAT, "a pattern is neither a String nor a Regex");
    if (text->n == 0)
        return pi_fail(err, PITH_E_UNSUPPORTED, "a pattern is the empty string");
    return pi_regex_open_text(out, arena, pi_json_text(text), err);
}

int pi_json_code(const struct json *v, const char *path, uint32_t *code, pith_error *err)
{
    struct str text = STR("");
    int n = 0;

    TRY(pi_json_get_str(v, path, &text, err));
    if (text.n)
        *code = pi_utf8_next(text.at, text.at + text.n, &n);
    if (text.n == 0 || (size_t)n != text.n)
        return pi_fail(err, PITH_E_FORMAT, "%s is \"%.*s\", expected one character", path,
                       (int)pi_min_size(text.n, 40), text.at);
    return PITH_OK;
}

static int decode_base64(struct arena *arena, struct str text, struct str *out, pith_error *err)
{
    uint32_t bits = 0, have = 0;
    char *to = pi_arena_alloc(arena, text.n / 4 * 3 + 3, 1);

    if (!to)
        return pi_no_memory(err, "precompiled_charsmap", text.n);
    *out = (struct str){ to, 0 };
    while (text.n && text.at[text.n - 1] == '=')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.at[i];
        int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                    : c >= 'a' && c <= 'z' ? c - 'a' + 26
                    : c >= '0' && c <= '9' ? c - '0' + 52
                    : c == '+'             ? 62
                    : c == '/'             ? 63
                                           : -1;

        if (value < 0)
            return pi_fail(err, PITH_E_FORMAT, "precompiled_charsmap is not base64 at byte %zu", i);
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[out->n++] = (char)(bits >> have & 0xFF);
        }
    }
    return PITH_OK;
}

/* ---- normalizers ---- */

/* BertNormalizer is up to four steps, behind those that are there. */
static int add_bert(struct normalizer *n, const struct json *v, pith_error *err)
{
    bool clean = true, ideographs = true, lower = true, strip;

    TRY(pi_json_get_bool(v, "clean_text", &clean, err));
    TRY(pi_json_get_bool(v, "handle_chinese_chars", &ideographs, err));
    TRY(pi_json_get_bool(v, "lowercase", &lower, err));
    strip = lower;
    TRY(pi_json_get_bool(v, "strip_accents", &strip, err));
    if (clean)
        n->steps[n->n++] = (struct normal_step){ .kind = NORMAL_CLEAN };
    if (ideographs)
        n->steps[n->n++] = (struct normal_step){ .kind = NORMAL_IDEOGRAPHS };
    if (strip) {
        n->steps[n->n++] = (struct normal_step){ .kind = NORMAL_FORM };
        n->steps[n->n++] = (struct normal_step){ .kind = NORMAL_STRIP_NONSPACING };
    }
    if (lower)
        n->steps[n->n++] = (struct normal_step){ .kind = NORMAL_LOWERCASE };
    return PITH_OK;
}

static int read_normalizer(struct normal_step *step, struct arena *arena, const struct json *v,
                           pith_error *err)
{
    static const struct {
        const char *type;
        struct normal_step step;
    } kinds[] = {
        { "NFC", { .kind = NORMAL_FORM, .b = true } },
        { "NFD", { .kind = NORMAL_FORM } },
        { "NFKC", { .kind = NORMAL_FORM, .a = true, .b = true } },
        { "NFKD", { .kind = NORMAL_FORM, .a = true } },
        { "Lowercase", { .kind = NORMAL_LOWERCASE } },
        { "StripAccents", { .kind = NORMAL_STRIP_ACCENTS } },
        { "Strip", { .kind = NORMAL_STRIP } },
        { "Replace", { .kind = NORMAL_REPLACE } },
        { "Prepend", { .kind = NORMAL_PREPEND } },
        { "ByteLevel", { .kind = NORMAL_BYTES } },
        { "Nmt", { .kind = NORMAL_NMT } },
        { "Precompiled", { .kind = NORMAL_CHARSMAP } },
    };
    struct str text = STR("");
    size_t i = 0;

    while (i < PI_COUNT(kinds) && !pi_json_is_string(pi_json_find(v, "type"), kinds[i].type))
        i++;
    if (i == PI_COUNT(kinds))
        return pi_unknown_type(v, "normalizer", err);
    *step = kinds[i].step;
    switch (step->kind) {
    case NORMAL_STRIP:
        TRY(pi_json_get_bool(v, "strip_left", &step->a, err));
        return pi_json_get_bool(v, "strip_right", &step->b, err);
    case NORMAL_REPLACE:
        TRY(pi_pattern_open(&step->regex, arena, pi_json_find(v, "pattern"), &text, err));
        return pi_json_get_str(v, "content", &step->content, err);
    case NORMAL_PREPEND: return pi_json_get_str(v, "prepend", &step->content, err);
    case NORMAL_CHARSMAP:
        TRY(pi_json_get_str(v, "precompiled_charsmap", &text, err));
        if (text.n == 0)
            return PITH_OK; /* replaces nothing */
        TRY(decode_base64(arena, text, &text, err));
        return pi_charsmap_open(&step->map, text, err);
    default: return PITH_OK;
    }
}

int pi_normalizer_open(struct normalizer *n, struct arena *arena, const struct json *v,
                       pith_error *err)
{
    struct steps s = { .what = "normalizer", .members = "normalizers", .only = v };

    *n = (struct normalizer){ .n = 0 };
    n->steps = pi_arena_alloc(arena, 5 * STEPS_MAX, sizeof *n->steps);
    if (!n->steps)
        return pi_no_memory(err, "normalizers", 5 * STEPS_MAX * sizeof *n->steps);
    for (;;) {
        TRY(pi_next_step(&s, &v, err));
        if (!v)
            return PITH_OK;
        if (pi_json_is_string(pi_json_find(v, "type"), "BertNormalizer"))
            TRY(add_bert(n, v, err));
        else
            TRY(read_normalizer(&n->steps[n->n++], arena, v, err));
    }
}

/* ---- pre-tokenizers ---- */

static int read_behavior(const struct json *v, struct presplit_step *step, pith_error *err)
{
    static const char *const names[] = { "Isolated", "Removed", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous" };
    struct str text = STR("Isolated");

    TRY(pi_json_get_str(v, "behavior", &text, err));
    for (size_t i = 0; i < PI_COUNT(names); i++)
        if (pi_str_equal(text, pi_str(names[i]))) {
            step->matches = (enum presplit_matches)i;
            return PITH_OK;
        }
    return pi_fail(err, PITH_E_UNSUPPORTED, "a pre_tokenizer has the behavior \"%.*s\", which is "
                   "not known here", (int)pi_min_size(text.n, 40), text.at);
}

static int read_metaspace(const struct json *v, struct presplit_step *step, pith_error *err)
{
    struct str scheme = STR("always");
    bool space = true;
    uint32_t code;

    step->cut = true;
    TRY(pi_json_code(v, "replacement", &code, err));
    step->content = pi_json_text(pi_json_find(v, "replacement"));
    TRY(pi_json_get_bool(v, "add_prefix_space", &space, err));
    TRY(pi_json_get_bool(v, "split", &step->cut, err));
    TRY(pi_json_get_str(v, "prepend_scheme", &scheme, err));
    step->a = space && !pi_str_equal(scheme, STR("never"));
    step->b = pi_str_equal(scheme, STR("first"));
    if (step->a && !step->b && !pi_str_equal(scheme, STR("always")))
        return pi_fail(err, PITH_E_UNSUPPORTED, "a Metaspace has the prepend_scheme \"%.*s\"",
                       (int)pi_min_size(scheme.n, 40), scheme.at);
    return PITH_OK;
}

static int read_split(const struct json *v, struct arena *arena, struct presplit_step *step,
                      pith_error *err)
{
    struct str expression;

    TRY(pi_pattern_open(&step->regex, arena, pi_json_find(v, "pattern"), &expression, err));
    step->known = pi_split_find_expression(expression);
    TRY(pi_json_get_bool(v, "invert", &step->invert, err));
    return read_behavior(v, step, err);
}

static int read_length(const struct json *v, struct presplit_step *step, pith_error *err)
{
    int64_t length = 5;

    TRY(pi_json_get_int(v, "length", &length, err));
    if (length < 1 || length > UINT32_MAX)
        return pi_fail(err, PITH_E_FORMAT, "a FixedLength pre_tokenizer of length %lld",
                       (long long)length);
    step->code = (uint32_t)length;
    return PITH_OK;
}

static int read_presplit(struct presplit_step *step, struct arena *arena, const struct json *v,
                         pith_error *err)
{
    const struct json *type = pi_json_find(v, "type");
    bool one = false;

    if (pi_json_is_string(type, "ByteLevel")) {
        *step = (struct presplit_step){ .kind = PRESPLIT_BYTES, .a = true, .b = true,
                                        .known = pi_split_find(STR("gpt-2")) };
        TRY(pi_json_get_bool(v, "add_prefix_space", &step->a, err));
        return pi_json_get_bool(v, "use_regex", &step->b, err);
    }
    if (pi_json_is_string(type, "Split"))
        return read_split(v, arena, step, err);
    if (pi_json_is_string(type, "Metaspace")) {
        step->kind = PRESPLIT_META;
        return read_metaspace(v, step, err);
    }
    if (pi_json_is_string(type, "Digits")) {
        step->kind = PRESPLIT_DIGITS;
        TRY(pi_json_get_bool(v, "individual_digits", &one, err));
        step->matches = one ? MATCH_ISOLATED : MATCH_CONTIGUOUS;
        return PITH_OK;
    }
    if (pi_json_is_string(type, "Punctuation")) {
        step->kind = PRESPLIT_PUNCTUATION;
        return read_behavior(v, step, err);
    }
    if (pi_json_is_string(type, "WhitespaceSplit")) {
        *step = (struct presplit_step){ .kind = PRESPLIT_WHITE, .matches = MATCH_REMOVED };
        return PITH_OK;
    }
    if (pi_json_is_string(type, "Whitespace")) {
        *step = (struct presplit_step){ .matches = MATCH_REMOVED, .invert = true };
        return pi_regex_open(&step->regex, arena,
                             STR("[\\w\\x{200C}\\x{200D}]+|[^\\w\\s\\x{200C}\\x{200D}]+"), err);
    }
    if (pi_json_is_string(type, "CharDelimiterSplit")) {
        *step = (struct presplit_step){ .kind = PRESPLIT_CODE, .matches = MATCH_REMOVED };
        return pi_json_code(v, "delimiter", &step->code, err);
    }
    step->kind = PRESPLIT_SCRIPTS;
    if (pi_json_is_string(type, "UnicodeScripts"))
        return PITH_OK;
    step->kind = PRESPLIT_LENGTH;
    return pi_json_is_string(type, "FixedLength") ? read_length(v, step, err)
                                                  : pi_unknown_type(v, "pre_tokenizer", err);
}

int pi_presplit_open(struct presplitter *p, struct arena *arena, const struct json *v,
                     pith_error *err)
{
    struct steps s = { .what = "pre_tokenizer", .members = "pretokenizers", .only = v };

    *p = (struct presplitter){ .n = 0 };
    p->steps = pi_arena_alloc(arena, 2 * STEPS_MAX, sizeof *p->steps);
    if (!p->steps)
        return pi_no_memory(err, "pre_tokenizers", 2 * STEPS_MAX * sizeof *p->steps);
    for (;;) {
        TRY(pi_next_step(&s, &v, err));
        if (!v)
            return PITH_OK;
        if (pi_json_is_string(pi_json_find(v, "type"), "BertPreTokenizer")) {
            p->steps[p->n++] = (struct presplit_step){ .kind = PRESPLIT_WHITE,
                                                       .matches = MATCH_REMOVED };
            p->steps[p->n++] = (struct presplit_step){ .kind = PRESPLIT_PUNCTUATION };
        } else {
            TRY(read_presplit(&p->steps[p->n++], arena, v, err));
        }
    }
}
