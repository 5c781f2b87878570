/* noise.h - random weights of every number format for measuring: values of a sane size, so that
 * what is computed stays finite.
 */
#ifndef BENCH_NOISE_H
#define BENCH_NOISE_H

#include "base/dtype.h"

/* Byte offsets of the half-precision scales in a block, -1 where there is none. */
static const struct scales {
    enum dtype type;
    int at[2];
} scales[] = {
    { DTYPE_Q4_0, { 0, -1 } },   { DTYPE_Q4_1, { 0, 2 } },    { DTYPE_Q5_0, { 0, -1 } },
    { DTYPE_Q5_1, { 0, 2 } },    { DTYPE_Q8_0, { 0, -1 } },   { DTYPE_Q2_K, { 80, 82 } },
    { DTYPE_Q3_K, { 108, -1 } }, { DTYPE_Q4_K, { 0, 2 } },    { DTYPE_Q5_K, { 0, 2 } },
    { DTYPE_Q6_K, { 208, -1 } }, { DTYPE_IQ4_NL, { 0, -1 } }, { DTYPE_IQ4_XS, { 0, -1 } },
    { DTYPE_IQ2_XXS, { 0, -1 } }, { DTYPE_IQ2_XS, { 0, -1 } },  { DTYPE_IQ2_S, { 0, -1 } },
    { DTYPE_IQ3_XXS, { 0, -1 } }, { DTYPE_IQ3_S, { 0, -1 } },   { DTYPE_IQ1_S, { 0, -1 } },
    { DTYPE_TQ1_0, { 52, -1 } },  { DTYPE_TQ2_0, { 64, -1 } },
};

static uint64_t noise = 88172645463325252u;

static uint64_t next_noise(void)
{
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return noise;
}

/* The bytes of one block: floats within +-0.025, or 1 if `ones`. */
static void fill_block(uint8_t *block, enum dtype type, bool ones)
{
    float value = ones ? 1 : ((float)(next_noise() >> 40) / 16777216.0f - 0.5f) * 0.05f;
    uint32_t bits = pi_f32_bits(value);
    uint16_t half = type == DTYPE_F16 ? pi_f16_from_f32(value) : pi_bf16_from_f32(value);
    int bytes = pi_dtype(type).bytes;

    if (type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16) {
        memcpy(block, bytes == 4 ? (const void *)&bits : &half, (size_t)bytes);
        return;
    }
    for (int i = 0; i < bytes; i += 8) {
        uint64_t random = next_noise();

        memcpy(block + i, &random, (size_t)(bytes - i < 8 ? bytes - i : 8));
    }
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        for (int j = 0; scales[i].type == type && j < 2; j++)
            if (scales[i].at[j] >= 0) {
                block[scales[i].at[j]] = (uint8_t)next_noise();
                block[scales[i].at[j] + 1] = 0x08; /* halves of about 1e-4 */
            }
    if (type == DTYPE_MXFP4)
        block[0] = 120;
    if (type == DTYPE_NVFP4)
        memset(block, 0x10, 4); /* 2^-5 */
    if (type == DTYPE_IQ1_M) { /* the nibbles of a half on top of four half-words */
        block[53] = (block[53] & 0x0F) | 0x80;
        block[55] &= 0x0F;
    }
}

#endif
