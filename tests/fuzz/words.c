/* words.c - the bytes are a formula, an option and its value, a number, UTF-8, or JSON, as the
 * first one says.
 */
#include "fuzz.h"
#include "base/expr.h"
#include "base/json.h"

static bool lookup(const void *env, struct str name, double *out)
{
    (void)env;
    *out = (double)name.n;
    return name.n < 3;
}

static void options(const char *name, const char *value)
{
    pith_options *o;
    pith_error e = { 0 };

    FUZZ_CHECK(pith_options_create(&o, &e) == PITH_OK);
    fuzz_status(pith_options_set(o, name, value, &e), &e);
    for (int32_t i = 0; i < pith_option_count(); i++) {
        const char *known;

        FUZZ_CHECK(pith_option_info(i, NULL, &known, NULL, NULL, NULL, NULL, NULL, NULL, &e) ==
                   PITH_OK);
        fuzz_status(pith_options_set(o, known, value, &e), &e);
    }
    pith_options_release(o);
}

static void number(struct str text)
{
    double value = 0, back = 0;
    char out[32];

    if (!pi_str_number(text, &value))
        return;
    FUZZ_CHECK(value == value);
    pi_number(value, out);
    FUZZ_CHECK(memchr(out, 0, sizeof out));
    if (value - value == 0)
        FUZZ_CHECK(pi_str_number(pi_str(out), &back));
}

static void utf8(struct str text)
{
    size_t whole = pi_utf8_whole(text.at, text.n);
    pith_error e;
    int n;

    FUZZ_CHECK(whole <= text.n && text.n - whole <= 3);
    for (size_t i = 0; i < text.n; i += (size_t)n) {
        (void)pi_utf8_next(text.at + i, text.at + text.n, &n);
        FUZZ_CHECK(n >= 1 && (size_t)n <= text.n - i);
    }
    pi_fail(&e, PITH_E_FORMAT, "%.*s", (int)text.n, text.at);
    FUZZ_CHECK(pi_utf8_whole(e.text, strlen(e.text)) == strlen(e.text));
}

/* Every value lies inside the text or the arena, and containers hold what they say. */
static void json(struct str text)
{
    struct fuzz_memory memory = { 0 };
    struct allocator allocator = { fuzz_alloc, fuzz_free, &memory };
    const struct json *v = NULL;
    struct arena arena;
    pith_error e = { 0 };
    int status;

    pi_arena_init(&arena, &allocator);
    status = pi_json_parse(&v, &arena, text, "json", &e);
    fuzz_status(status, &e);
    for (uint32_t i = 0, n = status == PITH_OK ? v->size : 0; i < n; i++) {
        uint32_t covered = 1;

        for (struct json_walk w = pi_json_walk(&v[i]); pi_json_next(&w);)
            covered += w.value->size + (v[i].kind == JSON_OBJECT ? 1u : 0u);
        FUZZ_CHECK(covered == v[i].size && i + covered <= n);
        FUZZ_CHECK(pi_utf8_whole(pi_json_text(&v[i]).at, pi_json_text(&v[i]).n) ==
                   pi_json_text(&v[i]).n);
    }
    pi_arena_free(&arena);
    FUZZ_CHECK(memory.live == 0 && memory.peak <= (int64_t)text.n * 24 + (1 << 18));
}

FUZZ_TARGET(words)
{
    char *text = malloc(size + 1), *value;
    struct str rest = { text, size ? size - 1 : 0 };
    pith_error e = { 0 };
    double result;

    if (size)
        memcpy(text, data + 1, size - 1);
    text[rest.n] = 0;
    switch (size ? data[0] % 5 : 0) {
    case 0: fuzz_status(pi_expr(rest, lookup, NULL, &result, &e), &e); break;
    case 1:
        value = strchr(text, '=');
        if (value)
            *value++ = 0;
        options(text, value ? value : "");
        break;
    case 2: number(rest); break;
    case 3: json(rest); break;
    default: utf8(rest);
    }
    free(text);
    return 0;
}
