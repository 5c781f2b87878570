/* options.h - the options object: what a caller set, and the defaults of what was not.
 *
 * The table itself is PITH_OPTION_LIST in pith.h.
 */
#ifndef PI_OPTIONS_H
#define PI_OPTIONS_H

#include "mem.h"
#include "str.h"

/* The allocator set on the options; the C library's if none or options is NULL. */
struct allocator pi_options_allocator(const pith_options *o);

/* The value set, or the default. options may be NULL. */
int64_t pi_option_i64(const pith_options *o, enum pith_option key);
double pi_option_f64(const pith_options *o, enum pith_option key);

/* The i-th string set under the key; false behind the last. */
bool pi_option_str(const pith_options *o, enum pith_option key, int i, struct str *out);

#endif
