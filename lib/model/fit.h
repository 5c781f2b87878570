/* fit.h - the parameters and integers of one block that stand for given numbers at least cost.
 *
 * The cost is a squared error weighted by magnitude. All results are integers held in floats, and
 * d and dmin are already rounded to half precision. False: d or dmin would be infinite.
 */
#ifndef PI_FIT_H
#define PI_FIT_H

#include "base/dtype.h"

enum { FIT_SMALL = 32, FIT_LARGE = 256, FIT_GROUPS = 16 };

struct fit {
    float d, dmin;
    float scale[FIT_GROUPS], low[FIT_GROUPS];
    float q[FIT_LARGE];
};

/* Integers low..high; the largest |x| is tried as first, first + by, ... last, of either sign. */
struct fit_range {
    float low, high, first, last, by;
    const float *values; /* not NULL: 16 ascending values stand in the integers' place */
};

/* Groups of 256 / groups integers 0..high, whose scales and lows are 0..top. */
struct fit_layout {
    int groups, high;
    float top;
};

/* 32 numbers: x = d q. */
bool pi_fit_step(struct fit *b, const float *x, const struct fit_range *r);

/* 32 numbers: x = d q + dmin, 0 <= q <= high. */
bool pi_fit_line(struct fit *b, const float *x, int high);

/* 256 numbers in 16 groups: x = d scale q; the largest scale is tried as scales->first, ... */
bool pi_fit_steps(struct fit *b, const float *x, const struct fit_range *scales,
                  const struct fit_range *r);

/* 256 numbers: x = d scale q - dmin low, d and dmin >= 0. */
bool pi_fit_lines(struct fit *b, const float *x, const struct fit_layout *l);

#endif
