/* quantize.h - a model file becomes one of another number format.
 */
#ifndef PI_QUANTIZE_H
#define PI_QUANTIZE_H

#include "base/options.h"

/* What pith_quantize_plan tells. */
struct quantize_totals {
    int64_t tensors, converted, fallbacks;
    int64_t in_bytes, out_bytes; /* of all tensors */
};

int pi_quantize_plan(struct quantize_totals *totals, const char *in, const char *type,
                     const pith_options *options, pith_error *err);

int pi_quantize(const char *in, const char *out, const char *type, const pith_options *options,
                pith_progress_fn *progress, void *user, pith_error *err);

#endif
