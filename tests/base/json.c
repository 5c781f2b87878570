/* json.c - JSON that is right, JSON that is wrong and where, numbers, paths, failing memory.
 */
#include "base/json.h"

#include "check.h"

static struct arena arena;

static const struct json *parse(const char *text)
{
    const struct json *v = NULL;
    pith_error e = { 0 };

    if (pi_json_parse(&v, &arena, pi_str(text), "it", &e) != PITH_OK)
        CHECK_FAIL("%s: %s", text, e.text);
    return v;
}

static void refuse(struct str text, const char *what)
{
    const struct json *v = NULL;
    pith_error e = { 0 };

    if (pi_json_parse(&v, &arena, text, "it", &e) != PITH_E_FORMAT)
        CHECK_FAIL("\"%.*s\" is taken", (int)text.n, text.at);
    else
        CHECK_HAS(e.text, what);
    CHECK(v == NULL);
}

static void values(void)
{
    const struct json *v = parse(" {\"a\": [1, -2.5e1, true, false, null, \"x\"],\r\n"
                                 "\t\"b\":{\"c\" : {}, \"d\":[]}, \"\":0} ");
    const struct json *a = pi_json_find(v, "a");
    double number = 0;
    int64_t whole = 0;

    CHECK_INT(pi_json_kind(v), JSON_OBJECT);
    CHECK_INT(v->n, 3);
    CHECK_INT(v->size, 17);
    CHECK_INT(pi_json_kind(a), JSON_ARRAY);
    CHECK_INT(a->n, 6);
    CHECK(pi_json_int(pi_json_find(v, "a.0"), &whole) && whole == 1);
    CHECK(pi_json_double(pi_json_find(v, "a.1"), &number) && number == -25);
    CHECK_INT(pi_json_kind(pi_json_find(v, "a.2")), JSON_TRUE);
    CHECK_INT(pi_json_kind(pi_json_find(v, "a.3")), JSON_FALSE);
    CHECK(pi_json_find(v, "a.4") && pi_json_kind(pi_json_find(v, "a.4")) == JSON_NULL);
    CHECK(pi_json_is_string(pi_json_find(v, "a.5"), "x"));
    CHECK(!pi_json_is_string(pi_json_find(v, "a.5"), "xy"));
    CHECK_INT(pi_json_kind(pi_json_find(v, "b.c")), JSON_OBJECT);
    CHECK_INT(pi_json_kind(pi_json_find(v, "b.d")), JSON_ARRAY);
    CHECK(!pi_json_find(v, "a.6") && !pi_json_find(v, "b.e") && !pi_json_find(v, "b.c.x"));
    CHECK(!pi_json_find(v, "a.0.x") && !pi_json_find(NULL, "a") && !pi_json_find(v, "a.x"));
    CHECK(pi_json_find(v, "") == v);
    CHECK(pi_json_member(v, STR("")) != NULL);
    CHECK(pi_json_member(parse("{\"a.b\":1}"), STR("a.b")) != NULL);
    CHECK_INT(pi_json_kind(parse("3")), JSON_NUMBER);
    CHECK(pi_json_int(pi_json_find(parse("{\"a\":1,\"a\":2}"), "a"), &whole) && whole == 2);
}

static void walks(void)
{
    const struct json *v = parse("{\"a\":[[1,[2]],3],\"b\":{\"x\":{\"y\":1}},\"c\":4}");
    static const char *const keys[] = { "a", "b", "c" };
    uint32_t n = 0;

    for (struct json_walk w = pi_json_walk(v); pi_json_next(&w); n++) {
        CHECK_INT(w.index, n);
        CHECK(n < 3 && pi_str_equal(w.key, pi_str(keys[n])));
    }
    CHECK_INT(n, 3);
    n = 0;
    for (struct json_walk w = pi_json_walk(pi_json_find(v, "a")); pi_json_next(&w); n++)
        CHECK_INT(pi_json_kind(w.value), n ? JSON_NUMBER : JSON_ARRAY);
    CHECK_INT(n, 2);
    for (struct json_walk w = pi_json_walk(NULL); pi_json_next(&w);)
        CHECK(false);
    for (struct json_walk w = pi_json_walk(pi_json_find(v, "c")); pi_json_next(&w);)
        CHECK(false);
    for (struct json_walk w = pi_json_walk(parse("[]")); pi_json_next(&w);)
        CHECK(false);
}

static void strings(void)
{
    const struct json *v = parse("[\"a\\n\\\"\\\\\\/\\b\\f\\r\\t\", \"\\u0041\\u00e9\\u20AC"
                                 "\\ud83d\\uDE00z\", \"plain\", \"nul\\u0000\", \"\", \"\xC3\xA9"
                                 "\\n\"]");

    CHECK(pi_json_is_string(pi_json_find(v, "0"), "a\n\"\\/\b\f\r\t"));
    CHECK(pi_json_is_string(pi_json_find(v, "1"), "A\u00e9\u20ac\U0001F600z"));
    CHECK(pi_json_is_string(pi_json_find(v, "2"), "plain"));
    CHECK(pi_str_equal(pi_json_text(pi_json_find(v, "3")), STR("nul\0")));
    CHECK(pi_json_is_string(pi_json_find(v, "4"), ""));
    CHECK(pi_json_is_string(pi_json_find(v, "5"), "\u00e9\n"));
    CHECK_INT(pi_json_text(NULL).n, 0);
    CHECK_INT(pi_json_text(parse("3")).n, 0);
}

/* A text that ends inside a string: nothing behind its end is read, not even to count lines. */
static void stops_at_the_end(void)
{
    static const char *const texts[] = { "\"ab\n\n", "\"a\\tb\n\n", "{\"a\n\n" };

    for (size_t i = 0; i < PI_COUNT(texts); i++) {
        struct str text = pi_str(texts[i]);

        text.n -= 2;
        refuse(text, "it: line 1, column ");
    }
}

static void numbers(void)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {
        { "0", true, 0 }, { "-0", true, 0 }, { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 }, { "1e6", true, 1000000 }, { "4096.0", true, 4096 },
        { "1.5", false, 0 }, { "1E+2", true, 100 }, { "1e300", false, 0 }, { "5e-1", false, 0 },
        { "99999999999999999999999999", false, 0 }, { "true", false, 0 }, { "\"1\"", false, 0 },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        int64_t value = 0;
        bool whole = pi_json_int(parse(rows[i].text), &value);

        if (whole != rows[i].whole || value != rows[i].value)
            CHECK_FAIL("%s gives %d and %lld", rows[i].text, whole, (long long)value);
    }
    CHECK(!pi_json_int(NULL, NULL) && !pi_json_double(NULL, NULL));
}

/* What programs print with 17 digits comes back bit by bit. */
static void doubles_exactly(void)
{
    uint64_t seed = 11;

    for (int i = 0; i < 100000; i++) {
        double value = (double)(int64_t)check_random(&seed) * pow(2, -40 - i % 40), got = 0;
        char text[64];

        snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.16f", value);
        if (!pi_str_number(pi_str(text), &got) || got != strtod(text, NULL))
            CHECK_FAIL("%s is read as %.17g", text, got);
    }
}

static void getters(void)
{
    const struct json *v = parse("{\"i\":7,\"d\":0.5,\"b\":true,\"s\":\"x\",\"z\":null,"
                                 "\"o\":{\"k\":[1]}}"), *o = NULL;
    struct str s = STR("old");
    pith_error e = { 0 };
    int64_t i = 1;
    double d = 1;
    bool b = false;

    CHECK_INT(pi_json_get_int(v, "none", &i, &e), PITH_OK);
    CHECK_INT(pi_json_get_int(v, "z", &i, &e), PITH_OK);
    CHECK_INT(i, 1);
    CHECK(pi_json_get_int(v, "i", &i, &e) == PITH_OK && i == 7);
    CHECK(pi_json_get_double(v, "d", &d, &e) == PITH_OK && d == 0.5);
    CHECK(pi_json_get_double(v, "i", &d, &e) == PITH_OK && d == 7);
    CHECK(pi_json_get_bool(v, "b", &b, &e) == PITH_OK && b);
    CHECK(pi_json_get_str(v, "s", &s, &e) == PITH_OK && pi_str_equal(s, STR("x")));
    CHECK(pi_json_get(v, "o.k", JSON_ARRAY, &o, &e) == PITH_OK && o && o->n == 1);
    CHECK(pi_json_get(v, "o.x", JSON_ARRAY, &o, &e) == PITH_OK && !o);
    CHECK_INT(pi_json_get_int(v, "d", &i, &e), PITH_E_FORMAT);
    CHECK_STR(e.text, "d is 0.5, expected a whole number");
    CHECK_INT(pi_json_get_int(v, "o.k", &i, &e), PITH_E_FORMAT);
    CHECK_STR(e.text, "o.k is an array, expected a whole number");
    CHECK_INT(pi_json_get_double(v, "s", &d, &e), PITH_E_FORMAT);
    CHECK_INT(pi_json_get_bool(v, "i", &b, &e), PITH_E_FORMAT);
    CHECK_INT(pi_json_get_str(v, "b", &s, &e), PITH_E_FORMAT);
    CHECK_STR(e.text, "b is true, expected a string");
    CHECK_INT(pi_json_get(v, "o", JSON_ARRAY, &o, &e), PITH_E_FORMAT);
    CHECK_STR(e.text, "o is an object, expected an array");
}

static void refusals(void)
{
    static const struct {
        const char *text, *what;
    } rows[] = {
        { "", "it is empty" }, { " ", "line 1, column 2: the text ends too early" },
        { "{", "member is missing" }, { "[", "ends too early" }, { "[1", ", or ]" },
        { "[1,]", "a value is missing" }, { "[,1]", "a value is missing" },
        { "{\"a\":1,}", "the name of a member" }, { "{\"a\" 1}", "a : is missing" },
        { "{\"a\":}", "a value is missing" }, { "{1:2}", "the name of a member" },
        { "[1}", ", or ]" }, { "{\"a\":1]", ", or }" }, { "]", "a value is missing" },
        { "1 2", "something follows" }, { "{}{}", "something follows" }, { "nul", "a value" },
        { "nullx", "something follows" }, { "True", "a value" }, { "NaN", "a value" },
        { "01", "a number" }, { "-", "a number" }, { "1.", "a number" }, { ".5", "a value" },
        { "+1", "a value" }, { "1e", "a number" }, { "1e+", "a number" }, { "-01", "a number" },
        { "0x1", "something follows" }, { "'a'", "a value" }, { "\"a", "does not end" },
        { "\"\\", "an escape" }, { "\"\\\"", "does not end" }, { "\"\\x41\"", "an escape" },
        { "\"\\u12g4\"", "hexadecimal" }, { "\"\\u123", "hexadecimal" },
        { "\"\\ud800\"", "surrogate" }, { "\"\\ud800\\u0041\"", "surrogate" },
        { "\"\\udc00\"", "surrogate" }, { "\"\\ud800\\ud800\"", "surrogate" },
        { "\"\\ud800\\", "surrogate" }, { "\"a\nb\"", "control" }, { "\"\\n\tb\"", "control" },
        { "\"\xFF\"", "not UTF-8" }, { "\"\\n\xC3\"", "not UTF-8" },
        { "\"\xED\xA0\x80\"", "UTF-8" },
        { "\xEF\xBB\xBF{}", "a value" }, { "[1] // x", "something follows" },
        { "{\n  \"a\": 1,\n  b\n}", "line 3, column 3" }, { "\f1", "a value" },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++)
        refuse(pi_str(rows[i].text), rows[i].what);
    refuse((struct str){ "1\0", 2 }, "something follows");
    refuse((struct str){ "\"\0\"", 3 }, "control");
}

/* Depth costs no stack, and is bounded. */
static void nesting(void)
{
    static char text[2 * 100000];
    const struct json *v = NULL;

    memset(text, '[', 100000);
    refuse((struct str){ text, 100000 }, "256 levels");
    memset(text + 256, ']', 256);
    CHECK_INT(pi_json_parse(&v, &arena, (struct str){ text, 512 }, "it", NULL), PITH_OK);
    CHECK(v && v->size == 256);
    for (int i = 0; i < 20000; i++)
        memcpy(text + 5 * i, "{\"a\":", 5);
    refuse((struct str){ text, 100000 }, "256 levels");
}

/* Any bytes: a status, and values that lie inside the text. */
static void any_bytes(void)
{
    static const char alphabet[] = "{}[],:\"\\\\0123456789.eE+-truefalsn u\xC3\xA9\xFF\n";
    uint64_t seed = 5;

    for (int k = 0; k < 200000; k++) {
        struct arena a;
        struct allocator none = { 0 };
        const struct json *v = NULL;
        char text[24];
        size_t n = check_random(&seed) % sizeof text;

        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[check_random(&seed) % (sizeof alphabet - 1)];
        pi_arena_init(&a, &none);
        if (pi_json_parse(&v, &a, (struct str){ text, n }, "it", NULL) == PITH_OK)
            CHECK(v->size >= 1 && v->size <= n);
        pi_arena_free(&a);
    }
}

static void *no_memory(void *user, int64_t size)
{
    (void)user;
    (void)size;
    return NULL;
}

static void give(void *user, void *block, int64_t size)
{
    (void)user;
    (void)block;
    (void)size;
}

static void without_memory(void)
{
    struct allocator none = { .alloc = no_memory, .free = give };
    struct arena empty;
    const struct json *v = NULL;
    pith_error e = { 0 };

    pi_arena_init(&empty, &none);
    CHECK_INT(pi_json_parse(&v, &empty, STR("[1]"), "config.json", &e), PITH_E_MEMORY);
    CHECK_HAS(e.text, "config.json");
    pi_arena_free(&empty);
}

int main(int argc, char **argv)
{
    struct allocator none = { 0 };

    CHECK_START(argc, argv);
    pi_arena_init(&arena, &none);
    RUN(values);
    RUN(walks);
    RUN(strings);
    RUN(stops_at_the_end);
    RUN(numbers);
    RUN(doubles_exactly);
    RUN(getters);
    RUN(refusals);
    RUN(nesting);
    RUN(any_bytes);
    RUN(without_memory);
    pi_arena_free(&arena);
    return CHECK_END();
}
