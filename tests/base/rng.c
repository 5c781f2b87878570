/* rng.c - PCG-XSH-RR 64/32 against O'Neill's own definition, written out, and against chance.
 */
#include "check.h"
#include "base/rng.h"

/* pcg_setseq_64_xsh_rr_32 of pcg-c-basic, with the increment of its default stream. */
static uint32_t reference(uint64_t *state)
{
    uint64_t old = *state;
    uint32_t shifted, rot;

    *state = old * 6364136223846793005ULL + 1442695040888963407ULL;
    shifted = (uint32_t)(((old >> 18u) ^ old) >> 27u);
    rot = (uint32_t)(old >> 59u);
    return (shifted >> rot) | (shifted << ((32 - rot) & 31));
}

static void the_sequence_is_pcg(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct rng rng = { seed * 0x9e3779b97f4a7c15u };
        uint64_t state = rng.state;

        for (int i = 0; i < 100; i++)
            if (pi_rng_next(&rng) != reference(&state))
                CHECK_FAIL("seed %" PRIu64 ", number %d differs", seed, i);
    }
}

/* pcg32_oneseq with seed 42, from the same recipe: state 0, step, add the seed, step. */
static void seeding_is_pcgs(void)
{
    struct rng rng = pi_rng_seed(42);
    uint64_t state = 0;

    reference(&state);
    state += 42;
    reference(&state);
    for (int i = 0; i < 100; i++)
        CHECK_INT(pi_rng_next(&rng), reference(&state));
}

static void units_are_uniform(void)
{
    enum { N = 1000000, BINS = 64 };
    int64_t bins[BINS] = { 0 };
    struct rng rng = pi_rng_seed(1);
    double sum = 0, chi = 0;

    for (int i = 0; i < N; i++) {
        double u = pi_rng_unit(&rng);

        CHECK(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        sum += u;
    }
    for (int i = 0; i < BINS; i++)
        chi += pow((double)bins[i] - (double)N / BINS, 2) / ((double)N / BINS);
    CHECK_NEAR(sum / N, 0.5, 0.002);
    CHECK(chi > 30 && chi < 110); /* 63 degrees of freedom: 99.9 % */
}

static void seeds_differ(void)
{
    for (uint64_t i = 0; i < 1000; i++) {
        struct rng a = pi_rng_seed(i), b = pi_rng_seed(i + 1);

        CHECK(a.state != b.state);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(the_sequence_is_pcg);
    RUN(seeding_is_pcgs);
    RUN(units_are_uniform);
    RUN(seeds_differ);
    return CHECK_END();
}
