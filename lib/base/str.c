/* str.c - see str.h.
 */
#include "str.h"

bool pi_str_cut(struct str *rest, char mark, struct str *piece)
{
    const char *found;

    if (rest->n == 0)
        return false;
    found = memchr(rest->at, mark, rest->n);
    piece->at = rest->at;
    piece->n = found ? (size_t)(found - rest->at) : rest->n;
    rest->at += piece->n + (found ? 1 : 0);
    rest->n -= piece->n + (found ? 1 : 0);
    return true;
}

bool pi_str_listed(struct str name, const char *alternatives)
{
    struct str rest = pi_str(alternatives), one;

    while (pi_str_cut(&rest, '|', &one))
        if (pi_str_equal(name, one))
            return true;
    return false;
}

/* Length that a lead byte announces, 0 for a byte that cannot lead. */
static int utf8_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead < 0xE0)
        return 2;
    if (lead >= 0xE0 && lead < 0xF0)
        return 3;
    return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

/* Whether `byte` may stand at index i >= 1 behind `lead` (RFC 3629, section 4). */
static bool utf8_follows(uint8_t lead, int i, uint8_t byte)
{
    uint8_t low = 0x80, high = 0xBF;

    if (i == 1) {
        low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    }
    return byte >= low && byte <= high;
}

uint32_t pi_utf8_next(const char *at, const char *end, int *length)
{
    const uint8_t *p = (const uint8_t *)at;
    int n = utf8_length(p[0]);
    uint32_t code;

    *length = 1;
    if (n == 1)
        return p[0];
    if (n == 0 || end - at < n)
        return p[0] | PI_BAD_UTF8;
    code = p[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (!utf8_follows(p[0], i, p[i]))
            return p[0] | PI_BAD_UTF8;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    *length = n;
    return code;
}

int pi_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code >> 18 & 7));
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t pi_utf8_whole(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text;

    /* Only the last three bytes can begin a code point that is not whole yet. */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t *lead = p + n - back;

        if ((*lead & 0xC0) == 0x80)
            continue;
        if (utf8_length(*lead) <= (int)back)
            return n;
        for (int i = 1; i < (int)back; i++)
            if (!utf8_follows(*lead, i, lead[i]))
                return n;
        return n - back;
    }
    return n;
}

size_t pi_utf8_clean(const char *text, size_t n, char *out)
{
    const char *at = text, *end = text + n;
    char *to = out;

    while (at < end) {
        int length;
        bool bad = pi_utf8_next(at, end, &length) & PI_BAD_UTF8;
        size_t bytes = bad ? 3 : (size_t)length;

        memcpy(to, bad ? "\xEF\xBF\xBD" : at, bytes);
        to += bytes;
        at += length;
    }
    return (size_t)(to - out);
}

/* digits * 10^-places rounded once to the nearest double: a long division, bit by bit, of which
 * the remainder says how to round. places <= 27, digits < 10^18. */
static double divide_decimal(uint64_t digits, int places)
{
    uint64_t divisor = 1, quotient, rest;
    int scale = -places;
    double value;

    for (int i = 0; i < places; i++)
        divisor *= 5; /* 5^27 < 2^63; the powers of two go to the scale */
    quotient = digits / divisor;
    rest = digits % divisor;
    for (; quotient < (uint64_t)1 << 62 && (rest || quotient); scale--) {
        rest *= 2;
        quotient = quotient * 2 + (rest >= divisor);
        rest -= rest >= divisor ? divisor : 0;
    }
    value = (double)(quotient | (rest != 0));
    for (; scale < 0; scale++)
        value *= 0.5;
    return value;
}

/* The exponent behind an e, which *at stands on: moves behind it; false if there are no digits. */
static bool read_exponent(const char **at, const char *end, int *exponent)
{
    const char *p = *at + 1;
    bool down = p < end && *p == '-';
    int written = 0;

    p += p < end && (*p == '-' || *p == '+');
    if (p == end)
        return false;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        written = written < 10000 ? written * 10 + (*p - '0') : written;
    *exponent += down ? -written : written;
    *at = p;
    return true;
}

bool pi_str_number(struct str text, double *out)
{
    const char *p = text.at, *end = text.at + text.n;
    bool negative = p < end && *p == '-', digits = false;
    long double value = 0;
    int exponent = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++, digits = true)
        value = value * 10 + (*p - '0');
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9'; p++, digits = true, exponent--)
            value = value * 10 + (*p - '0');
    if (!digits)
        return false;
    if (p < end && (*p == 'e' || *p == 'E') && !read_exponent(&p, end, &exponent))
        return false;
    if (exponent < 0 && exponent >= -27 && value < 1e18L) {
        *out = divide_decimal((uint64_t)value, -exponent);
        *out = negative ? -*out : *out;
        return p == end;
    }
    for (; exponent > 0 && value != 0 && value < 1e4000L; exponent--)
        value *= 10;
    for (; exponent < 0 && value != 0; exponent++)
        value /= 10;
    *out = (double)(negative ? -value : value);
    return p == end;
}

/* Digits of an integer below 10^9, without leading zeros; returns one past the last. */
static char *put_digits(char *at, uint32_t value)
{
    char digits[10];
    int n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        *at++ = digits[--n];
    return at;
}

const char *pi_number(double value, char buffer[32])
{
    char *at = buffer, digits[10];
    int exponent = 0, last = 9;
    uint32_t scaled;

    if (!(value - value == 0))
        return memcpy(buffer, value != value ? "nan\0" : value < 0 ? "-inf" : "inf\0", 5);
    if (value < 0) {
        *at++ = '-';
        value = -value;
    }
    if (value == 0)
        return memcpy(buffer, "0", 2);
    for (; value >= 10; exponent++)
        value /= 10;
    for (; value < 1; exponent--)
        value *= 10;
    scaled = (uint32_t)(value * 1e8 + 0.5); /* 9 significant digits */
    if (scaled >= 1000000000u) {
        scaled /= 10;
        exponent++;
    }
    put_digits(digits, scaled);
    while (last > 1 && digits[last - 1] == '0')
        last--;
    if (exponent >= -5 && exponent < 15) {
        if (exponent < 0) {
            *at++ = '0';
            *at++ = '.';
            for (int i = -1; i > exponent; i--)
                *at++ = '0';
        }
        for (int i = 0; i < last || i <= exponent; i++) {
            if (i > 0 && i == exponent + 1 && exponent >= 0)
                *at++ = '.';
            *at++ = i < last ? digits[i] : '0';
        }
    } else {
        *at++ = digits[0];
        if (last > 1)
            *at++ = '.';
        for (int i = 1; i < last; i++)
            *at++ = digits[i];
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        at = put_digits(at, (uint32_t)(exponent < 0 ? -exponent : exponent));
    }
    *at = 0;
    return buffer;
}
