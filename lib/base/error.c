/* error.c - the one place that formats text for people.
 */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>

int pi_fail(pith_error *err, int code, const char *format, ...)
{
    if (err && err->code == PITH_OK) {
        va_list args;

        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}
