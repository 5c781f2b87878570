/* error.c - the one place that formats text for people.
 */
#include "str.h"

#include <stdarg.h>
#include <stdio.h>

/* Names come from files and callers, and a long text is cut: what is no UTF-8 becomes '?', and so
 * do control characters, which a terminal would obey. */
static void make_utf8(char *at)
{
    const char *end = at + strlen(at);
    int length;

    for (; at < end; at += length) {
        uint32_t code = pi_utf8_next(at, end, &length);

        if ((code & PI_BAD_UTF8) || code < 0x20 || (code >= 0x7F && code < 0xA0))
            memset(at, '?', (size_t)length);
    }
}

int pi_fail(pith_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;

        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        make_utf8(err->text);
        err->code = code;
    }
    return code;
}
