/* str.c - numbers against strtod and printf, UTF-8 against a decoder written from the table of
 * RFC 3629 alone.
 */
#include "check.h"
#include "base/str.h"

static uint64_t seed = 0x9e3779b97f4a7c15u;

/* Distance in representable doubles; 0 for two infinities of a sign. */
static int64_t ulps(double a, double b)
{
    int64_t x, y;

    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = x < 0 ? INT64_MIN - x : x;
    y = y < 0 ? INT64_MIN - y : y;
    return x > y ? x - y : y - x;
}

static void compare_number(const char *text)
{
    double expected = strtod(text, NULL), got = NAN;

    if (!pi_str_number(pi_str(text), &got))
        CHECK_FAIL("\"%s\" is refused", text);
    else if (isfinite(expected) && fabs(expected) > 1e-290 && ulps(got, expected) > 1)
        CHECK_FAIL("\"%s\" is read as %.17g, strtod says %.17g", text, got, expected);
    else if (fabs(expected) <= 1e-290 && fabs(got - expected) > 1e-306)
        CHECK_FAIL("\"%s\" is read as %.17g, strtod says %.17g", text, got, expected);
}

static void numbers_are_read_as_strtod_does(void)
{
    static const char *const formats[] = { "%.17g", "%.9g", "%.3f", "%e", "%.0f", "%.15E" };
    char text[400];

    for (int i = 0; i < 100000; i++) {
        uint64_t bits = check_random(&seed);
        double value;

        memcpy(&value, &bits, sizeof value);
        if (i % 3)
            value = (double)(int64_t)bits * pow(10, (double)(i % 40) - 35);
        if (!isfinite(value) || fabs(value) > 1e300)
            continue;
        snprintf(text, sizeof text, formats[i % 6], value);
        compare_number(text);
    }
}

static void numbers_in_every_spelling(void)
{
    static const char *const good[] = {
        "0", "-0", "+0", "1", "-1", "+5", "1.", ".5", "-.5", "1e5", "1E5", "1e+5", "1e-5", "0e0",
        "00012", "9007199254740993", "18446744073709551615", "1e22", "1e23", "0.1", "123456789",
        "3.4028235e38", "1e308", "0.000001", "1.7976931348623157e308", "4.9e-324",
    };
    static const char *const bad[] = {
        "", "-", "+", ".", "-.", "e5", "1e", "1e+", "1e-", "1ex", "1x", "x1", " 1", "1 ", "1,5",
        "0x10", "inf", "nan", "infinity", "--1", "+-1", "1.2.3", "1e5.5", "1e5e5", "\xEF\xBC\x91",
    };
    double value;

    for (size_t i = 0; i < PI_COUNT(good); i++)
        compare_number(good[i]);
    for (size_t i = 0; i < PI_COUNT(bad); i++)
        if (pi_str_number(pi_str(bad[i]), &value))
            CHECK_FAIL("\"%s\" is read as %g", bad[i], value);
    CHECK(!pi_str_number((struct str){ NULL, 0 }, &value));
    CHECK(!pi_str_number((struct str){ "1\0", 2 }, &value));
    CHECK(pi_str_number((struct str){ "12", 1 }, &value) && value == 1);
}

/* Neither time nor correctness may depend on how much of a number there is. */
static void numbers_of_any_length(void)
{
    enum { N = 200000 };
    char *text = malloc(N + 32);
    double value = 0;

    memset(text, '0', N);
    memcpy(text, "0.", 2);
    memcpy(text + N, "1e199999", 9);
    CHECK(pi_str_number(pi_str(text), &value));
    CHECK(value == 0 || fabs(value - 1) < 0.1);
    memset(text, '9', N);
    text[N] = 0;
    CHECK(pi_str_number(pi_str(text), &value) && isinf(value));
    memcpy(text, "1e", 2);
    CHECK(pi_str_number(pi_str(text), &value) && isinf(value));
    memcpy(text, "1e-", 3);
    CHECK(pi_str_number(pi_str(text), &value) && value == 0);
    free(text);
}

static void compare_printed(double value)
{
    char text[32], *end;
    double back, step;

    memset(text, 'x', sizeof text);
    pi_number(value, text);
    if (!memchr(text, 0, sizeof text))
        CHECK_FAIL("%.17g is not terminated", value);
    back = strtod(text, &end);
    step = value == 0 ? 1 : pow(10, floor(log10(fabs(value))) - 8); /* of the ninth digit */
    if (*end || fabs(back - value) > 0.501 * step * (fabs(value) < 1e-300 ? 1e3 : 1))
        CHECK_FAIL("%.17g is printed as \"%s\"", value, text);
    for (const char *p = text; *p; p++)
        if (!strchr("0123456789.e+-", *p))
            CHECK_FAIL("%.17g is printed as \"%s\"", value, text);
}

static void numbers_are_printed_to_nine_digits(void)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = check_random(&seed);
        double value;

        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (double)(int64_t)bits * pow(10, (double)(i % 50) - 40);
        if (isfinite(value))
            compare_printed(value);
    }
    compare_printed(1.7976931348623157e308);
    compare_printed(2.2250738585072014e-308);
    compare_printed(4.9e-324);
}

static void printed(double value, const char *expected)
{
    char text[32];

    CHECK_STR(pi_number(value, text), expected);
}

static void numbers_are_printed_plainly(void)
{
    printed(0, "0");
    printed(-0.0, "0");
    printed(1, "1");
    printed(-1.5, "-1.5");
    printed(0.1, "0.1");
    printed(0.00001, "0.00001");
    printed(123456789, "123456789");
    printed(4096, "4096");
    printed(16777216, "16777216");
    printed(99999999.96, "100000000");
    printed(0.99999999999, "1");
    printed(1e-9, "1e-9");
    printed(1.25e20, "1.25e+20");
    printed(NAN, "nan");
    printed(INFINITY, "inf");
    printed(-INFINITY, "-inf");
    for (int64_t i = -100000; i <= 100000; i += 7) {
        char expected[32];

        snprintf(expected, sizeof expected, "%" PRId64, i);
        printed((double)i, expected);
    }
}

/* ---- UTF-8 ---- */

/* Unicode 15, table 3-7: well-formed byte sequences, row by row. */
static const struct { uint8_t low[4], high[4]; int n; } rows[] = {
    { { 0x00 }, { 0x7F }, 1 },
    { { 0xC2, 0x80 }, { 0xDF, 0xBF }, 2 },
    { { 0xE0, 0xA0, 0x80 }, { 0xE0, 0xBF, 0xBF }, 3 },
    { { 0xE1, 0x80, 0x80 }, { 0xEC, 0xBF, 0xBF }, 3 },
    { { 0xED, 0x80, 0x80 }, { 0xED, 0x9F, 0xBF }, 3 },
    { { 0xEE, 0x80, 0x80 }, { 0xEF, 0xBF, 0xBF }, 3 },
    { { 0xF0, 0x90, 0x80, 0x80 }, { 0xF0, 0xBF, 0xBF, 0xBF }, 4 },
    { { 0xF1, 0x80, 0x80, 0x80 }, { 0xF3, 0xBF, 0xBF, 0xBF }, 4 },
    { { 0xF4, 0x80, 0x80, 0x80 }, { 0xF4, 0x8F, 0xBF, 0xBF }, 4 },
};

/* Bytes of the row that the text matches, at most those it has; 0 if it contradicts the row. */
static int matches(size_t row, const uint8_t *text, size_t n)
{
    int i = 0;

    for (; i < rows[row].n && (size_t)i < n; i++)
        if (text[i] < rows[row].low[i] || text[i] > rows[row].high[i])
            return 0;
    return i;
}

/* Length of the code point at the start, 0 if there is none. */
static int naive_length(const uint8_t *text, size_t n)
{
    for (size_t row = 0; row < PI_COUNT(rows); row++)
        if (matches(row, text, n) == rows[row].n)
            return rows[row].n;
    return 0;
}

static uint32_t naive_code(const uint8_t *p, int n)
{
    switch (n) {
    case 1: return p[0];
    case 2: return (p[0] - 0xC0u) * 64 + (p[1] - 0x80u);
    case 3: return (p[0] - 0xE0u) * 4096 + (p[1] - 0x80u) * 64 + (p[2] - 0x80u);
    }
    return (p[0] - 0xF0u) * 262144 + (p[1] - 0x80u) * 4096 + (p[2] - 0x80u) * 64 + (p[3] - 0x80u);
}

/* Whole code points and hopeless bytes: all but a tail that more bytes could complete. */
static size_t naive_whole(const uint8_t *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        int length = naive_length(text + at, n - at);

        for (size_t row = 0; !length && row < PI_COUNT(rows); row++)
            if (matches(row, text + at, n - at) == (int)(n - at))
                return at;
        at += length ? (size_t)length : 1;
    }
    return n;
}

static void compare_utf8(const uint8_t *text, size_t n)
{
    uint8_t *copy = malloc(n); /* of the exact size: the sanitizer sees a read behind it */
    int length = -1, expected = naive_length(text, n);
    uint32_t code, wanted = expected ? naive_code(text, expected) : text[0] | PI_BAD_UTF8;

    memcpy(copy, text, n);
    code = pi_utf8_next((const char *)copy, (const char *)copy + n, &length);
    if (code != wanted || length != (expected ? expected : 1))
        CHECK_FAIL("%02x %02x %02x %02x (%zu): code %x length %d, expected %x", text[0],
                   n > 1 ? text[1] : 0, n > 2 ? text[2] : 0, n > 3 ? text[3] : 0, n, code, length,
                   wanted);
    if (pi_utf8_whole((const char *)copy, n) != naive_whole(text, n))
        CHECK_FAIL("%02x %02x %02x %02x (%zu): %zu bytes are whole, expected %zu", text[0],
                   n > 1 ? text[1] : 0, n > 2 ? text[2] : 0, n > 3 ? text[3] : 0, n,
                   pi_utf8_whole((const char *)copy, n), naive_whole(text, n));
    free(copy);
}

static void utf8_of_one_and_two_bytes(void)
{
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t text[2] = { (uint8_t)(i >> 8), (uint8_t)i };

        compare_utf8(text, 2);
        if (i < 256)
            compare_utf8(text + 1, 1);
    }
    CHECK_INT(pi_utf8_whole("", 0), 0);
}

static void utf8_of_more_bytes(void)
{
    static const uint8_t edges[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                     0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
                                     0xF1, 0xF3, 0xF4, 0xF5, 0xFF };
    uint8_t text[8];

    for (unsigned i = 0; i < 25 * 25 * 25 * 25; i++) {
        for (unsigned j = 0, rest = i; j < 4; j++, rest /= 25)
            text[j] = edges[rest % 25];
        compare_utf8(text, 4);
        if (i < 25 * 25 * 25)
            compare_utf8(text, 3);
    }
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = check_random(&seed);

        memcpy(text, &bits, sizeof text);
        text[0] |= i % 2 ? 0xC0 : 0;
        compare_utf8(text, 1 + (size_t)(bits >> 60) % 8);
    }
}

static void utf8_is_written_as_it_is_read(void)
{
    char text[4];
    int n, length;

    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        n = pi_utf8_put(code, text);
        if (pi_utf8_next(text, text + n, &length) != code || length != n)
            CHECK_FAIL("U+%04X does not come back", code);
    }
}

/* ---- pieces ---- */

static void text_is_cut_at_marks(void)
{
    struct str rest = STR("a,,bc,"), piece;

    CHECK(pi_str_cut(&rest, ',', &piece) && pi_str_equal(piece, STR("a")));
    CHECK(pi_str_cut(&rest, ',', &piece) && pi_str_equal(piece, STR("")));
    CHECK(pi_str_cut(&rest, ',', &piece) && pi_str_equal(piece, STR("bc")));
    CHECK(!pi_str_cut(&rest, ',', &piece));
    rest = (struct str){ NULL, 0 };
    CHECK(!pi_str_cut(&rest, ',', &piece));
    CHECK(pi_str_equal((struct str){ NULL, 0 }, STR("")));
    CHECK(!pi_str_equal(STR("a"), STR("b")) && !pi_str_equal(STR("a"), STR("ab")));
    CHECK(pi_str_starts(STR("abc"), STR("ab")) && !pi_str_starts(STR("ab"), STR("abc")));
}

/* What stands in an error came from a file: it must not reach a terminal as a command. */
static void errors_are_clean_text(void)
{
    pith_error e;
    char name[400];

    CHECK_INT(pi_fail(NULL, PITH_E_IO, "%s", "nobody listens"), PITH_E_IO);
    CHECK_INT(pi_fail(&e, PITH_E_FORMAT, "a\xFF""b \xC3\xA9 \x1B[2J\x07\x7F"), PITH_E_FORMAT);
    CHECK_INT(e.code, PITH_E_FORMAT);
    CHECK_STR(e.text, "a?b \xC3\xA9 ?[2J??");
    memset(name, 'n', sizeof name);
    for (size_t cut = 240; cut < 256; cut++) {
        memcpy(name + cut, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 10);
        pi_fail(&e, PITH_E_FORMAT, "%s", name);
        CHECK(strlen(e.text) < sizeof e.text);
        CHECK_INT(pi_utf8_whole(e.text, strlen(e.text)), strlen(e.text));
        memset(name + cut, 'n', 10);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(numbers_are_read_as_strtod_does);
    RUN(numbers_in_every_spelling);
    RUN(numbers_of_any_length);
    RUN(numbers_are_printed_to_nine_digits);
    RUN(numbers_are_printed_plainly);
    RUN(utf8_of_one_and_two_bytes);
    RUN(utf8_of_more_bytes);
    RUN(utf8_is_written_as_it_is_read);
    RUN(text_is_cut_at_marks);
    RUN(errors_are_clean_text);
    return CHECK_END();
}
