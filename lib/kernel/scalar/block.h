/* block.h - the quantised number formats: what the bytes of one block mean.
 *
 * Each format is read here and nowhere else in scalar code. A block becomes small integers and
 * the few floats that scale them; unpack.c and dot.c differ only in what they do with these.
 * Multi-byte fields are little-endian at any address.
 * Source: ggml-common.h and ggml-quants.c of llama.cpp, d32676d7.
 */
#ifndef PI_SCALAR_BLOCK_H
#define PI_SCALAR_BLOCK_H

#include "base/dtype.h"

/* 32 values: scale * q, in formats with a minimum scale * q + min. */
struct block32 {
    float scale, min;
    int8_t q[32];
};

/* 256 values in 16 groups of 16: d * group * q, in formats with minima less dmin * low. */
struct block256 {
    float d, dmin;
    int16_t group[16], low[16];
    int8_t q[256];
};

static inline float half_at_scalar(const uint8_t *at) { return pi_f32_from_f16(pi_le16(at)); }

static inline void read_q4_0(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    for (int i = 0; i < 16; i++) {
        b->q[i] = (int8_t)((w[2 + i] & 15) - 8);
        b->q[i + 16] = (int8_t)((w[2 + i] >> 4) - 8);
    }
}

static inline void read_q4_1(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    b->min = half_at_scalar(w + 2);
    for (int i = 0; i < 16; i++) {
        b->q[i] = w[4 + i] & 15;
        b->q[i + 16] = (int8_t)(w[4 + i] >> 4);
    }
}

/* Bit i of `high` is the fifth bit of value i. */
static inline void read_q5(int8_t *q, const uint8_t *low, uint32_t high, int offset)
{
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)(((low[i] & 15) | (high >> i & 1) << 4) - (unsigned)offset);
        q[i + 16] = (int8_t)((low[i] >> 4 | (high >> (i + 16) & 1) << 4) - (unsigned)offset);
    }
}

static inline void read_q5_0(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    read_q5(b->q, w + 6, pi_le32(w + 2), 16);
}

static inline void read_q5_1(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    b->min = half_at_scalar(w + 2);
    read_q5(b->q, w + 8, pi_le32(w + 4), 0);
}

static inline void read_q8_0(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    memcpy(b->q, w + 2, 32);
}

/* The 16 values of the non-linear 4-bit formats. */
static const int8_t iq4_values_scalar[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                              1,    13,   25,  38,  53,  69,  89,  113 };

/* The 16 values of E2M1, doubled. */
static const int8_t mxfp4_values_scalar[16] = { 0, 1,  2,  3,  4,  6,  8,  12,
                                                0, -1, -2, -3, -4, -6, -8, -12 };

static inline void read_by_table(int8_t *q, const uint8_t *w, const int8_t values[16])
{
    for (int i = 0; i < 16; i++) {
        q[i] = values[w[i] & 15];
        q[i + 16] = values[w[i] >> 4];
    }
}

static inline void read_iq4_nl(struct block32 *b, const uint8_t *w)
{
    b->scale = half_at_scalar(w);
    read_by_table(b->q, w + 2, iq4_values_scalar);
}

/* The scale is 2^(w[0] - 127), halved because the table is doubled; two of them are subnormal. */
static inline void read_mxfp4(struct block32 *b, const uint8_t *w)
{
    b->scale = pi_f32_from_bits(w[0] < 2 ? 0x200000u << w[0] : (w[0] - 1u) << 23);
    read_by_table(b->q, w + 1, mxfp4_values_scalar);
}

static inline void read_q2_k(struct block256 *b, const uint8_t *w)
{
    const uint8_t *scales = w, *low = w + 16;

    b->d = half_at_scalar(w + 80);
    b->dmin = half_at_scalar(w + 82);
    for (int g = 0; g < 16; g++) {
        b->group[g] = scales[g] & 15;
        b->low[g] = scales[g] >> 4;
    }
    for (int i = 0; i < 256; i++)
        b->q[i] = low[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

static inline void read_q3_k(struct block256 *b, const uint8_t *w)
{
    const uint8_t *high = w, *low = w + 32, *scales = w + 96;

    b->d = half_at_scalar(w + 108);
    for (int g = 0; g < 16; g++) {
        int four = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
        int two = scales[8 + g % 4] >> g / 4 * 2 & 3;
        b->group[g] = (int16_t)((four | two << 4) - 32);
    }
    for (int i = 0; i < 256; i++) {
        int two = low[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
        b->q[i] = (int8_t)(two - (high[i % 32] >> i / 32 & 1 ? 0 : 4));
    }
}

/* Twelve bytes hold eight 6-bit scales and eight 6-bit minima, each for two groups of 16. */
static inline void read_scales_k(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w);
    b->dmin = half_at_scalar(w + 2);
    w += 4;
    for (int g = 0; g < 16; g++) {
        int i = g / 2;
        b->group[g] = (int16_t)(i < 4 ? w[i] & 63 : (w[i + 4] & 15) | w[i - 4] >> 6 << 4);
        b->low[g] = (int16_t)(i < 4 ? w[i + 4] & 63 : w[i + 4] >> 4 | w[i] >> 6 << 4);
    }
}

static inline void read_q4_k(struct block256 *b, const uint8_t *w)
{
    read_scales_k(b, w);
    for (int i = 0; i < 256; i++)
        b->q[i] = w[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
}

static inline void read_q5_k(struct block256 *b, const uint8_t *w)
{
    read_scales_k(b, w);
    for (int i = 0; i < 256; i++) {
        int four = w[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
        b->q[i] = (int8_t)(four | (w[16 + i % 32] >> i / 32 & 1) << 4);
    }
}

static inline void read_q6_k(struct block256 *b, const uint8_t *w)
{
    const uint8_t *low = w, *high = w + 128;

    b->d = half_at_scalar(w + 208);
    for (int g = 0; g < 16; g++)
        b->group[g] = (int8_t)w[192 + g];
    for (int i = 0; i < 256; i++) {
        int four = low[i / 128 * 64 + i % 64] >> i / 64 % 2 * 4 & 15;
        int two = high[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
        b->q[i] = (int8_t)((four | two << 4) - 32);
    }
}

static inline void read_iq4_xs(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w);
    for (int i = 0; i < 8; i++) {
        int four = w[4 + i / 2] >> i % 2 * 4 & 15, two = pi_le16(w + 2) >> i * 2 & 3;
        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)((four | two << 4) - 32);
        read_by_table(b->q + 32 * i, w + 8 + 16 * i, iq4_values_scalar);
    }
}

#endif
