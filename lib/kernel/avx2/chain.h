/* chain.h - how float32 dots add, by whichever engine: what dot_f.c and avx512/dot_f32.c share.
 *
 * A slab of a (row, token) has 16 chains of sums, that of each column modulo 16. Chains are added
 * as a tree, in the order that sum_lanes has; slabs are added in turn.
 */
#ifndef PI_AVX2_CHAIN_H
#define PI_AVX2_CHAIN_H

#include "kernel/overlays.h"

enum { SLAB_CHAIN = 256 }; /* columns */

/* The chain of a column in the order of the tree; it is its own inverse. */
static const uint8_t order_chain[16] = { 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15 };

/* The slab at x of `count` tokens, of which m exist; those past the last repeat it. Chains are of
 * whole steps: of a row's last few columns there is a copy, with zeros behind it. */
static inline void tokens_chain(int count, const float **at, float (*room)[SLAB_CHAIN],
                                const uint8_t *x, int64_t x_stride, int64_t m, int64_t n)
{
    for (int t = 0; t < count; t++) {
        at[t] = (const float *)(const void *)(x + pi_min(t, m - 1) * x_stride);
        if (n % 16) {
            memset(room[t], 0, sizeof room[t]);
            memcpy(room[t], at[t], (size_t)n * sizeof *room[t]);
            at[t] = room[t];
        }
    }
}

#endif
