/* rng.h - random numbers that are the same everywhere: PCG-XSH-RR 64/32 (O'Neill 2014).
 */
#ifndef PI_RNG_H
#define PI_RNG_H

#include "base.h"

struct rng {
    uint64_t state;
};

static inline uint32_t pi_rng_next(struct rng *rng)
{
    uint64_t old = rng->state;
    uint32_t x = (uint32_t)((old >> 18 ^ old) >> 27), turn = (uint32_t)(old >> 59);

    rng->state = old * 6364136223846793005u + 1442695040888963407u;
    return x >> turn | x << (-turn & 31);
}

static inline struct rng pi_rng_seed(uint64_t seed)
{
    struct rng rng = { seed + 1442695040888963407u };

    pi_rng_next(&rng);
    return rng;
}

/* Uniform in [0, 1), 32 bits. */
static inline double pi_rng_unit(struct rng *rng)
{
    return pi_rng_next(rng) * 0x1p-32;
}

#endif
