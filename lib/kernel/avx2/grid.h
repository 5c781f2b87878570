/* grid.h - the formats of one to three bits (scalar/grid.h has the codebooks): a block of 256 as
 * bytes and the scales of its groups, and the engine of few tokens.
 */
#ifndef PI_AVX2_GRID_H
#define PI_AVX2_GRID_H

#include "block.h"
#include "kernel/scalar/grid.h"

/* Value i of 32 from code i of 64 bits, two bits each. A code's place in its byte decides which of
 * 1, 4 its bits weigh, so the table has values[code] at code and at 4 * code. */
INLINE_AVX2 __m256i look_up_twos_avx2(uint64_t codes, __m256i table)
{
    const __m256i spread = _mm256_setr_epi64x(0x0101010100000000, 0x0303030302020202,
                                              0x0505050504040404, 0x0707070706060606);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)codes), spread);

    v = _mm256_blend_epi16(v, _mm256_srli_epi16(v, 4), 0xAA);
    return _mm256_shuffle_epi8(table, _mm256_and_si256(v, _mm256_set1_epi16(0x0C03)));
}

INLINE_AVX2 __m256i table_twos_avx2(int8_t a, int8_t b, int8_t c, int8_t d)
{
    return _mm256_broadcastsi128_si256(
        _mm_setr_epi8(a, b, c, d, b, 0, 0, 0, c, 0, 0, 0, d, 0, 0, 0));
}

/* 32 values from codes of four bits. */
INLINE_AVX2 __m256i look_up_fours_avx2(__m128i codes, __m128i table)
{
    const __m128i seven = _mm_set1_epi8(7);
    __m128i low = _mm_and_si128(codes, seven);
    __m128i high = _mm_and_si128(_mm_srli_epi16(codes, 4), seven);

    low = _mm_shuffle_epi8(table, low);
    high = _mm_shuffle_epi8(table, high);
    return _mm256_set_m128i(_mm_unpackhi_epi8(low, high), _mm_unpacklo_epi8(low, high));
}

/* -v where the bit of `signs` is set. */
INLINE_AVX2 __m256i negate_avx2(__m256i v, uint32_t signs)
{
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                              0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i mask = _mm256_shuffle_epi8(_mm256_set1_epi32((int)signs), spread);

    mask = _mm256_cmpeq_epi8(_mm256_and_si256(mask, bits), bits);
    return _mm256_sub_epi8(_mm256_xor_si256(v, mask), mask);
}

/* Four bytes of signs from 28 bits: seven each, and one that makes their number even. */
INLINE_AVX2 uint32_t even_signs_avx2(uint32_t x)
{
    uint32_t fold;

    x = (x & 0x7F) | (x << 1 & 0x7F00) | (x << 2 & 0x7F0000) | (x << 3 & 0x7F000000);
    fold = x ^ x >> 4;
    fold ^= fold >> 2;
    fold ^= fold >> 1;
    return x | (fold & 0x01010101) << 7;
}

INLINE_AVX2 void put_avx2(int8_t *q, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)q, v); }

INLINE_AVX2 uint64_t four_codes_avx2(const uint16_t *grid, unsigned a, unsigned b, unsigned c,
                                     unsigned d)
{
    return grid[a] | (uint64_t)grid[b] << 16 | (uint64_t)grid[c] << 32 | (uint64_t)grid[d] << 48;
}

/* group[i] = 2 * nibble i + 1, of eight bytes. */
INLINE_AVX2 void odd_nibbles_avx2(int16_t group[16], const uint8_t *scales)
{
    __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)scales);
    __m128i low = _mm_and_si128(v, _mm_set1_epi8(15));
    __m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15));
    __m256i wide = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(low, high));

    _mm256_storeu_si256((__m256i *)(void *)group,
                        _mm256_add_epi16(_mm256_add_epi16(wide, wide), _mm256_set1_epi16(1)));
}

INLINE_AVX2 void read_iq2_xxs_avx2(struct block256 *b, const uint8_t *w)
{
    const __m256i table = table_twos_avx2(8, 25, 43, 0);

    b->d = half_at_scalar(w) / 8;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *at = w + 2 + 8 * i;
        uint32_t rest = pi_le32(at + 4);
        uint64_t codes = four_codes_avx2(pi_grids_scalar.iq2_xxs, at[0], at[1], at[2], at[3]);

        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)(2 * (rest >> 28) + 1);
        put_avx2(b->q + 32 * i,
                 negate_avx2(look_up_twos_avx2(codes, table), even_signs_avx2(rest)));
    }
}

INLINE_AVX2 void read_iq2_xs_avx2(struct block256 *b, const uint8_t *w)
{
    const __m256i table = table_twos_avx2(8, 25, 43, 0);

    b->d = half_at_scalar(w) / 8;
    odd_nibbles_avx2(b->group, w + 66);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        uint64_t x = pi_le64(w + 2 + 8 * i);
        uint64_t codes = four_codes_avx2(pi_grids_scalar.iq2_xs, x & 511, x >> 16 & 511,
                                         x >> 32 & 511, x >> 48 & 511);
        uint32_t signs = (uint32_t)((x >> 9 & 0x7F) | (x >> 18 & 0x3F80) |
                                    (x >> 27 & 0x1FC000) | (x >> 36 & 0xFE00000));

        put_avx2(b->q + 32 * i,
                 negate_avx2(look_up_twos_avx2(codes, table), even_signs_avx2(signs)));
    }
}

INLINE_AVX2 void read_iq2_s_avx2(struct block256 *b, const uint8_t *w)
{
    const __m256i table = table_twos_avx2(8, 25, 43, 0);

    b->d = half_at_scalar(w) / 8;
    odd_nibbles_avx2(b->group, w + 74);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *low = w + 2 + 4 * i;
        unsigned high = w[66 + i];
        uint64_t codes = four_codes_avx2(
            pi_grids_scalar.iq2_s, low[0] | (high << 8 & 0x300), low[1] | (high << 6 & 0x300),
            low[2] | (high << 4 & 0x300), low[3] | (high << 2 & 0x300));

        put_avx2(b->q + 32 * i,
                 negate_avx2(look_up_twos_avx2(codes, table), pi_le32(w + 34 + 4 * i)));
    }
}

INLINE_AVX2 void read_iq3_xxs_avx2(struct block256 *b, const uint8_t *w)
{
    const __m128i table = _mm_setr_epi8(4, 12, 20, 28, 36, 44, 52, 62, 0, 0, 0, 0, 0, 0, 0, 0);
    const uint16_t *grid = pi_grids_scalar.iq3_xxs;

    b->d = half_at_scalar(w) / 4;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *at = w + 2 + 8 * i;
        uint32_t rest = pi_le32(w + 66 + 4 * i);
        __m128i codes = _mm_set_epi64x(
            (long long)four_codes_avx2(grid, at[4], at[5], at[6], at[7]),
            (long long)four_codes_avx2(grid, at[0], at[1], at[2], at[3]));

        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)(2 * (rest >> 28) + 1);
        put_avx2(b->q + 32 * i,
                 negate_avx2(look_up_fours_avx2(codes, table), even_signs_avx2(rest)));
    }
}

INLINE_AVX2 void read_iq3_s_avx2(struct block256 *b, const uint8_t *w)
{
    const __m128i table = _mm_setr_epi8(1, 3, 5, 7, 9, 11, 13, 15, 0, 0, 0, 0, 0, 0, 0, 0);
    const uint16_t *grid = pi_grids_scalar.iq3_s;

    b->d = half_at_scalar(w);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *at = w + 2 + 8 * i;
        unsigned high = w[66 + i];
        __m128i codes = _mm_set_epi64x(
            (long long)four_codes_avx2(
                grid, at[4] | (high << 4 & 0x100), at[5] | (high << 3 & 0x100),
                at[6] | (high << 2 & 0x100), at[7] | (high << 1 & 0x100)),
            (long long)four_codes_avx2(
                grid, at[0] | (high << 8 & 0x100), at[1] | (high << 7 & 0x100),
                at[2] | (high << 6 & 0x100), at[3] | (high << 5 & 0x100)));

        b->group[2 * i] = b->group[2 * i + 1] =
            (int16_t)(2 * (w[106 + i / 2] >> i % 2 * 4 & 15) + 1);
        put_avx2(b->q + 32 * i,
                 negate_avx2(look_up_fours_avx2(codes, table), pi_le32(w + 74 + 4 * i)));
    }
}

/* Ternary values, eightfold, and an eighth of a sign for each eight. */
INLINE_AVX2 __m256i ternary_avx2(uint64_t codes, __m256i eighths)
{
    return _mm256_add_epi8(look_up_twos_avx2(codes, table_twos_avx2(-8, 0, 8, 16)), eighths);
}

INLINE_AVX2 void read_iq1_s_avx2(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w) / 8;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *low = w + 2 + 4 * i;
        unsigned high = pi_le16(w + 34 + 2 * i);
        uint64_t codes = four_codes_avx2(
            pi_grids_scalar.iq1_s, low[0] | (high << 8 & 0x700), low[1] | (high << 5 & 0x700),
            low[2] | (high << 2 & 0x700), low[3] | (high >> 1 & 0x700));

        b->group[2 * i] = b->group[2 * i + 1] = (int16_t)(2 * (high >> 12 & 7) + 1);
        put_avx2(b->q + 32 * i, ternary_avx2(codes, _mm256_set1_epi8(high >> 15 ? -1 : 1)));
    }
}

INLINE_AVX2 void read_iq1_m_avx2(struct block256 *b, const uint8_t *w)
{
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                              0x0303030303030303);
    unsigned d = 0;

    for (int i = 0; i < 4; i++) {
        unsigned scales = pi_le16(w + 48 + 2 * i);

        d |= scales >> 12 << 4 * i;
        for (int j = 0; j < 4; j++)
            b->group[4 * i + j] = (int16_t)(2 * (scales >> 3 * j & 7) + 1);
    }
    b->d = pi_f32_from_f16((uint16_t)d) / 8;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        const uint8_t *low = w + 4 * i;
        unsigned high = pi_le16(w + 32 + 2 * i);
        uint64_t codes = four_codes_avx2(
            pi_grids_scalar.iq1_s, low[0] | (high << 8 & 0x700), low[1] | (high << 4 & 0x700),
            low[2] | (high & 0x700), low[3] | (high >> 4 & 0x700));
        /* bits 3, 7, 11, 15 to the signs of four bytes, and those to -1 or 1 */
        uint32_t signs = (high << 4 & 0x80) | (high << 8 & 0x8000) | (high << 12 & 0x800000) |
                         (high << 16 & 0x80000000);
        __m256i eighths = _mm256_shuffle_epi8(_mm256_set1_epi32((int)signs), spread);

        eighths = _mm256_sign_epi8(_mm256_set1_epi8(1),
                                   _mm256_or_si256(eighths, _mm256_set1_epi8(1)));
        put_avx2(b->q + 32 * i, ternary_avx2(codes, eighths));
    }
}

/* A byte that holds a fraction of base 3: its first digit, less one. */
INLINE_AVX2 __m256i digit_avx2(__m256i v)
{
    __m256i one = _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8(86)), v);
    __m256i two = _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8((char)171)), v);

    return _mm256_sub_epi8(_mm256_set1_epi8(-1), _mm256_add_epi8(one, two));
}

INLINE_AVX2 __m256i threefold_avx2(__m256i v)
{
    return _mm256_add_epi8(v, _mm256_add_epi8(v, v));
}

INLINE_AVX2 void read_tq1_0_avx2(struct block256 *b, const uint8_t *w)
{
    __m256i v = load_avx2(w), half = _mm256_castsi128_si256(
                                  _mm_loadu_si128((const __m128i *)(const void *)(w + 32)));
    int8_t two[32];

    b->d = half_at_scalar(w + 52);
    no_groups_scalar(b);
    for (int i = 0; i < 5; i++, v = threefold_avx2(v), half = threefold_avx2(half)) {
        put_avx2(b->q + 32 * i, digit_avx2(v));
        put_avx2(two, digit_avx2(half));
        memcpy(b->q + 160 + 16 * i, two, 16);
    }
    for (int i = 0; i < 16; i++)
        b->q[240 + i] = digit_scalar(w[48 + i % 4], i / 4);
}

INLINE_AVX2 void read_tq2_0_avx2(struct block256 *b, const uint8_t *w)
{
    b->d = half_at_scalar(w + 64);
    no_groups_scalar(b);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i v = load_avx2(w + 32 * half);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++, v = _mm256_srli_epi16(v, 2))
            put_avx2(b->q + 128 * half + 32 * i,
                     _mm256_sub_epi8(_mm256_and_si256(v, _mm256_set1_epi8(3)),
                                     _mm256_set1_epi8(1)));
    }
}

/* Parts of the sum of group * q * xq. */
INLINE_AVX2 __m256i dot_grid_avx2(const struct block256 *b, const uint8_t *x)
{
    __m256i dot = _mm256_setzero_si256();

#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        __m256i q = load_avx2((const uint8_t *)b->q + 32 * i);
        __m256i scale = _mm256_set_m128i(_mm_set1_epi16(b->group[2 * i + 1]),
                                         _mm_set1_epi16(b->group[2 * i]));
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q),
                                             _mm256_sign_epi8(load_avx2(x + 32 * i), q));
        dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, scale));
    }
    return dot;
}

typedef void read_grid_avx2_fn(struct block256 *b, const uint8_t *w);

/* One row and T tokens, formats of grid.h: a block is read once for both tokens; four blocks are
 * added as the engine of many tokens does. */
INLINE_AVX2 void row_grid_avx2(read_grid_avx2_fn *read, int T, int64_t bytes, const uint8_t *w,
                               int64_t cols, const uint8_t *const x[2], float *y,
                               int64_t y_stride)
{
    float total[2] = { 0 };

    for (int64_t block = 0; block < cols / 256; block += 4) {
        __m256i dot[2][4] = { 0 };
        float d[4] = { 0 };

        prefetch_avx2(w + block * bytes, (int)bytes * 4);
        for (int k = 0; k < 4 && block + k < cols / 256; k++) {
            struct block256 b;

            read(&b, w + (block + k) * bytes);
            d[k] = b.d;
#pragma GCC unroll 2
            for (int t = 0; t < T; t++)
                dot[t][k] = dot_grid_avx2(&b, x[t] + 256 * (block + k));
        }
#pragma GCC unroll 2
        for (int t = 0; t < T; t++) {
            __m128 xscale = _mm_load_ps(xscale_avx2(x[t], cols) + block);
            __m128 sums = _mm_mul_ps(_mm_cvtepi32_ps(fold_q8k_avx2(dot[t])),
                                     _mm_mul_ps(_mm_loadu_ps(d), xscale));

            total[t] += sum_lanes_avx2(_mm256_zextps128_ps256(sums));
        }
    }
#pragma GCC unroll 2
    for (int t = 0; t < T; t++)
        y[t * y_stride] = total[t];
}

/* y[t][r] */
INLINE_AVX2 void rows_grid_avx2(read_grid_avx2_fn *read, int64_t bytes, int64_t rows, int64_t cols,
                                const uint8_t *w, int64_t w_stride, int64_t m, const uint8_t *x,
                                int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride, y++)
        for (int64_t t = 0; t < m; t += 2) {
            const uint8_t *const two[2] = { x + t * x_stride, x + (t + 1) * x_stride };

            if (m - t > 1)
                row_grid_avx2(read, 2, bytes, w, cols, two, y + t * y_stride, y_stride);
            else
                row_grid_avx2(read, 1, bytes, w, cols, two, y + t * y_stride, y_stride);
        }
}

#endif
