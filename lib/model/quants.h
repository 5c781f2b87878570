/* quants.h - float32 to each number format that pith writes, at the least error it can find.
 */
#ifndef PI_QUANTS_H
#define PI_QUANTS_H

#include "base/dtype.h"

/* Writes the finite x[0..n), n a multiple of the format's block, in the format: what unpack gives
 * back is near x in the least squares sense, deterministic, and exact for zeros. False if a
 * value is too large for the format's scale. */
typedef bool quant_fn(uint8_t *w, const float *x, int64_t n);

/* NULL: a format that pith does not write. */
quant_fn *pi_quant_find(enum dtype type);

#endif
