/* grid.h - the number formats of one to three bits: values from codebooks, and ternary ones.
 *
 * All of them are blocks of 256 in 16 groups, without minima: see block.h. A value of a codebook
 * is a small odd or even integer, its sign stands beside the index. Fractions that a format adds
 * to its scales and values are made whole and taken out of d, which is exact.
 */
#ifndef PI_SCALAR_GRID_H
#define PI_SCALAR_GRID_H

#include "block.h"

/* Eight codes of 2 bits, or four of 4. */
struct grids {
    uint16_t iq2_xxs[256], iq2_xs[512], iq2_s[1024], iq3_xxs[256], iq3_s[512], iq1_s[2048];
};

extern const struct grids pi_grids_scalar;

/* Eight values of 2-bit codes, negative where the bit of `signs` is set. */
static inline void put_eight_scalar(int8_t *q, uint16_t codes, unsigned signs)
{
    static const int8_t values[4] = { 8, 25, 43, 0 };

    for (int i = 0; i < 8; i++) {
        int8_t v = values[codes >> 2 * i & 3];
        q[i] = (int8_t)(signs >> i & 1 ? -v : v);
    }
}

/* Four values of 4-bit codes. */
static inline void put_four_scalar(int8_t *q, uint16_t codes, const int8_t values[8],
                                   unsigned signs)
{
    for (int i = 0; i < 4; i++) {
        int8_t v = values[codes >> 4 * i & 7];
        q[i] = (int8_t)(signs >> i & 1 ? -v : v);
    }
}

/* Seven signs, and an eighth that makes the number of negative ones even. */
static inline unsigned even_signs_scalar(unsigned seven)
{
    unsigned fold = seven ^ seven >> 4;

    return seven | (0x6996u >> (fold & 15) & 1) << 7;
}

static inline void read_iq2_xxs(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w) / 8;
    for (int i = 0; i < 8; i++) {
        const uint8_t *index = w + 2 + 8 * i;
        uint32_t rest = pi_le32(index + 4);
        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)(2 * (rest >> 28) + 1);
        for (int j = 0; j < 4; j++)
            put_eight_scalar(b->q + 32 * i + 8 * j, pi_grids_scalar.iq2_xxs[index[j]],
                             even_signs_scalar(rest >> 7 * j & 127));
    }
}

static inline void read_iq2_xs(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w) / 8;
    for (int g = 0; g < 16; g++) {
        b->group[g] = (int16_t)(2 * (w[66 + g / 2] >> g % 2 * 4 & 15) + 1);
        for (int j = 0; j < 2; j++) {
            unsigned entry = pi_le16(w + 2 + 4 * g + 2 * j);
            put_eight_scalar(b->q + 16 * g + 8 * j, pi_grids_scalar.iq2_xs[entry & 511],
                             even_signs_scalar(entry >> 9));
        }
    }
}

static inline void read_iq2_s(struct block256 *b, const uint8_t *w)
{
    const uint8_t *low = w + 2, *signs = w + 34, *high = w + 66, *scales = w + 74;

    b->d = half_at_scalar(w) / 8;
    for (int i = 0; i < 32; i++) {
        unsigned entry = low[i] | (unsigned)(high[i / 4] >> i % 4 * 2 & 3) << 8;
        b->group[i / 2] = (int16_t)(2 * (scales[i / 4] >> i / 2 % 2 * 4 & 15) + 1);
        put_eight_scalar(b->q + 8 * i, pi_grids_scalar.iq2_s[entry], signs[i]);
    }
}

static inline void read_iq3_xxs(struct block256 *b, const uint8_t *w)
{
    static const int8_t values[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };

    b->d = half_at_scalar(w) / 4;
    for (int i = 0; i < 8; i++) {
        const uint8_t *index = w + 2 + 8 * i;
        uint32_t rest = pi_le32(w + 66 + 4 * i);
        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)(2 * (rest >> 28) + 1);
        for (int j = 0; j < 8; j++)
            put_four_scalar(b->q + 32 * i + 4 * j, pi_grids_scalar.iq3_xxs[index[j]], values,
                            even_signs_scalar(rest >> j / 2 * 7 & 127) >> j % 2 * 4);
    }
}

static inline void read_iq3_s(struct block256 *b, const uint8_t *w)
{
    static const int8_t values[8] = { 1, 3, 5, 7, 9, 11, 13, 15 };
    const uint8_t *low = w + 2, *high = w + 66, *signs = w + 74, *scales = w + 106;

    b->d = half_at_scalar(w);
    for (int i = 0; i < 64; i++) {
        unsigned entry = low[i] | (unsigned)(high[i / 8] >> i % 8 & 1) << 8;
        b->group[i / 4] = (int16_t)(2 * (scales[i / 16] >> i / 8 % 2 * 4 & 15) + 1);
        put_four_scalar(b->q + 4 * i, pi_grids_scalar.iq3_s[entry], values,
                        (unsigned)signs[i / 2] >> i % 2 * 4);
    }
}

/* Eight ternary values and an eighth of `sign`, eightfold. */
static inline void put_ternary_scalar(int8_t *q, unsigned entry, bool negative)
{
    for (int i = 0; i < 8; i++) {
        int code = pi_grids_scalar.iq1_s[entry] >> 2 * i & 3;
        q[i] = (int8_t)(8 * (code - 1) + (negative ? -1 : 1));
    }
}

static inline void read_iq1_s(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w) / 8;
    for (int i = 0; i < 32; i++) {
        unsigned high = pi_le16(w + 34 + i / 4 * 2);
        b->group[i / 2] = (int16_t)(2 * (high >> 12 & 7) + 1);
        put_ternary_scalar(b->q + 8 * i, w[2 + i] | (high >> i % 4 * 3 & 7) << 8, high >> 15);
    }
}

/* The half precision d is spread over the top nibbles of the four half-words of scales. */
static inline void read_iq1_m(struct block256 *b, const uint8_t *w)
{
    unsigned d = 0;

    for (int i = 0; i < 4; i++)
        d |= (unsigned)(pi_le16(w + 48 + 2 * i) >> 12) << 4 * i;
    b->d = pi_f32_from_f16((uint16_t)d) / 8;
    for (int i = 0; i < 32; i++) {
        unsigned high = w[32 + i / 2] >> i % 2 * 4 & 15;
        unsigned scale = (unsigned)pi_le16(w + 48 + i / 8 * 2) >> i / 2 % 4 * 3 & 7;
        b->group[i / 2] = (int16_t)(2 * scale + 1);
        put_ternary_scalar(b->q + 8 * i, w[i] | (high & 7) << 8, high >> 3);
    }
}

static inline void no_groups_scalar(struct block256 *b)
{
    for (int g = 0; g < 16; g++)
        b->group[g] = 1;
}

/* Digit n of base 3 of a byte that holds a fraction: multiply by 3^n, take what exceeds a byte. */
static inline int8_t digit_scalar(uint8_t byte, int n)
{
    static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };

    return (int8_t)(((uint8_t)(byte * powers[n]) * 3 >> 8) - 1);
}

static inline void read_tq1_0(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w + 52);
    no_groups_scalar(b);
    for (int i = 0; i < 160; i++)
        b->q[i] = digit_scalar(w[i % 32], i / 32);
    for (int i = 0; i < 80; i++)
        b->q[160 + i] = digit_scalar(w[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++)
        b->q[240 + i] = digit_scalar(w[48 + i % 4], i / 4);
}

static inline void read_tq2_0(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w + 64);
    no_groups_scalar(b);
    for (int i = 0; i < 256; i++)
        b->q[i] = (int8_t)((w[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) - 1);
}

/* NVFP4: four scales of 16 values each, unsigned with 4 bits of exponent and 3 of mantissa; halved
 * because the table is doubled. 0x7F stands for 0. */
static inline float nvfp4_scale_scalar(uint8_t byte)
{
    int exponent = byte >> 3 & 15, mantissa = byte & 7;

    if (byte == 0 || byte == 0x7F)
        return 0;
    if (exponent == 0)
        return (float)mantissa * 0x1p-10f;
    return pi_f32_from_bits((uint32_t)(exponent + 119) << 23 | (uint32_t)mantissa << 20);
}

/* Value i of 64. */
static inline int8_t nvfp4_value_scalar(const uint8_t *w, int i)
{
    return mxfp4_values_scalar[w[4 + i / 16 * 8 + i % 8] >> i / 8 % 2 * 4 & 15];
}

#endif
