/* unpack.c - scalar unpack against golden hashes of an independent implementation, bit for bit;
 * every tier against scalar, bit for bit.
 */
#include "harness.h"

#include "golden/blocks.h"

/* The blocks of golden/blocks.py. */
static void golden_bytes(enum dtype type, uint8_t *w, size_t n)
{
    static const struct { enum dtype type; int at[2]; } halves[] = {
        { DTYPE_Q4_0, { 0, 0 } }, { DTYPE_Q4_1, { 0, 2 } }, { DTYPE_Q5_0, { 0, 0 } },
        { DTYPE_Q5_1, { 0, 2 } }, { DTYPE_Q8_0, { 0, 0 } }, { DTYPE_IQ4_NL, { 0, 0 } },
        { DTYPE_Q2_K, { 80, 82 } }, { DTYPE_Q3_K, { 108, 108 } }, { DTYPE_Q4_K, { 0, 2 } },
        { DTYPE_Q5_K, { 0, 2 } }, { DTYPE_Q6_K, { 208, 208 } }, { DTYPE_IQ4_XS, { 0, 0 } },
        { DTYPE_F16, { 0, 0 } }, { DTYPE_IQ2_XXS, { 0, 0 } }, { DTYPE_IQ2_XS, { 0, 0 } },
        { DTYPE_IQ2_S, { 0, 0 } }, { DTYPE_IQ3_XXS, { 0, 0 } }, { DTYPE_IQ3_S, { 0, 0 } },
        { DTYPE_IQ1_S, { 0, 0 } }, { DTYPE_TQ1_0, { 52, 52 } }, { DTYPE_TQ2_0, { 64, 64 } }
    };
    size_t block = (size_t)pi_dtype(type).bytes;
    uint32_t state = type;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        w[i] = (uint8_t)(state >> 24);
    }
    for (size_t at = 0; at < n; at += block) {
        for (size_t i = 0; i < PI_COUNT(halves); i++)
            if (halves[i].type == type) {
                w[at + (size_t)halves[i].at[0] + 1] &= 0xFB;
                w[at + (size_t)halves[i].at[1] + 1] &= 0xFB;
            }
        if (type == DTYPE_BF16)
            w[at + 1] &= 0xBF;
        if (type == DTYPE_IQ1_M) /* the top nibble of d */
            w[at + 55] &= 0xBF;
    }
}

static void against_golden(const struct golden_blocks *golden, unpack_fn *unpack)
{
    struct dtype_info info = pi_dtype(golden->type);
    int64_t n = (int64_t)info.block * GOLDEN_BLOCKS;
    uint8_t *w = buffer((size_t)info.bytes * GOLDEN_BLOCKS, PLACE_END);
    float *y = buffer((size_t)n * 4, PLACE_END);
    uint64_t hash = 0xCBF29CE484222325;

    golden_bytes(golden->type, w, (size_t)info.bytes * GOLDEN_BLOCKS);
    GUARDED(unpack(y, w, n));
    for (int i = 0; i < 4; i++)
        if (pi_f32_bits(y[i]) != golden->first[i])
            fail("value %d is %.9g, expected %.9g", i, (double)y[i],
                 (double)pi_f32_from_bits(golden->first[i]));
    for (int64_t i = 0; i < n; i++)
        for (int shift = 0; shift < 32; shift += 8)
            hash = (hash ^ (pi_f32_bits(y[i]) >> shift & 255)) * 0x100000001B3;
    if (hash != golden->hash)
        fail("hash of %" PRId64 " values differs from gguf's", n);
    release();
}

static void against_scalar(enum dtype type, unpack_fn *unpack, unpack_fn *below, int64_t n,
                           enum draw draw, enum place place)
{
    struct dtype_info info = pi_dtype(type);
    uint8_t *w = buffer((size_t)(n / info.block * info.bytes), place);
    float *y = buffer((size_t)n * 4, place), *expected = buffer((size_t)n * 4, place);

    draw_weights(type, w, n, draw);
    protect(w);
    below(expected, w, n);
    GUARDED(unpack(y, w, n));
    for (int64_t i = 0; i < n; i++)
        if (!same_bits(y[i], expected[i])) {
            fail("n %" PRId64 ", draw %d: value %" PRId64 " is %.9g, expected %.9g", n,
                 (int)draw, i, (double)y[i], (double)expected[i]);
            break;
        }
    release();
}

void test_unpack(const struct trial *trial)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        unpack_fn *unpack = trial->now->unpack[type], *below = trial->below->unpack[type];
        struct dtype_info info = pi_dtype((uint32_t)type);
        char name[32];

        snprintf(name, sizeof name, "unpack_%s", info.name ? info.name : "");
        if (!unpack || !begin(trial->now->tier, name, FRESH(trial, unpack[type])))
            continue;
        for (size_t i = 0; i < PI_COUNT(golden_blocks); i++)
            if ((int)golden_blocks[i].type == type)
                against_golden(&golden_blocks[i], unpack);
        for (int64_t blocks = 1; blocks <= (info.block == 1 ? 100 : 17); blocks++)
            for (int draw = 0; draw < DRAW_NAN_INPUT; draw++)
                against_scalar((enum dtype)type, unpack, below, blocks * info.block,
                               (enum draw)draw, (enum place)(blocks % 2));
        end();
    }
}
