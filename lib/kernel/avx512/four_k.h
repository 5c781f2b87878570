/* four_k.h - four blocks of 256 of four rows at once: what dot_q8k.c multiplies.
 *
 * The heads of a slab are vectors whose 128 bits are its blocks: scales (and minima) of a row are
 * words [block][sub-block], d and dmin of four rows lanes [block][row]. Two rows of a pair of
 * blocks are unpacked together, and multiplied by every token. Sub-blocks fill 128 bits, of which
 * each of the two blocks has half; so 16 bits hold the sums of two or four VPDPBUSD, and the sums
 * of two rows meet their scales in one VPDPWSSD. Six bits allow no more than one, and their blocks
 * stay apart. The type is a constant wherever these are called, and no byte outside the blocks is
 * read.
 */
#ifndef PI_AVX512_FOUR_K_H
#define PI_AVX512_FOUR_K_H

#include "block.h"

/* A slab of a token, in the order of the weights: [pair of blocks][8]. sum[i]: words 2i, 2i+1 of
 * the sums of 16 (of 32, where sub-blocks have as many) activations, lanes [block][row]; scale
 * likewise. */
struct token_four_avx512 {
    __m512i q[2][8], sum[8];
    __m512 scale;
};

/* scale: of each row, sub-blocks 0..7, then, of formats that have them, 8..15. min[i]: minima 2i,
 * 2i+1, lanes [block][row]; of formats with an offset, the scales times it. */
struct heads_avx512 {
    __m512i scale[4][2], min[8];
    __m512 d, dmin;
};

/* 16 bytes `at` bytes into each of the four blocks at w. */
INLINE_AVX512 __m512i lanes_four_avx512(const uint8_t *w, const int64_t block[4], int64_t at)
{
#define AT(k) _mm_loadu_si128((const __m128i *)(const void *)(w + block[k] + at))
    __m512i v = _mm512_castsi128_si512(AT(0));

    v = _mm512_mask_broadcast_i32x4(v, 0x00F0, AT(1));
    v = _mm512_mask_broadcast_i32x4(v, 0x0F00, AT(2));
    return _mm512_mask_broadcast_i32x4(v, 0xF000, AT(3));
#undef AT
}

/* The same index or shift in all 128 bits. */
INLINE_AVX512 __m512i each_four_avx512(uint64_t low, uint64_t high)
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x((int64_t)high, (int64_t)low));
}

/* Twelve bytes of Q3_K, two before them: sixteen signed scales. */
INLINE_AVX512 __m512i scales_q3_k_avx512(__m512i v)
{
    __m512i low = _mm512_shuffle_epi8(v, each_four_avx512(0x0908070605040302,
                                                          0x0908070605040302));
    __m512i high = _mm512_shuffle_epi8(v, each_four_avx512(0x0D0C0B0A0D0C0B0A,
                                                           0x0D0C0B0A0D0C0B0A));

    low = _mm512_and_si512(_mm512_srlv_epi64(low, each_four_avx512(0, 4)), _mm512_set1_epi8(15));
    high = _mm512_srlv_epi32(high, each_four_avx512(0x0000000200000000, 0x0000000600000004));
    high = _mm512_slli_epi16(_mm512_and_si512(high, _mm512_set1_epi8(3)), 4);
    return _mm512_sub_epi8(_mm512_or_si512(low, high), _mm512_set1_epi8(32));
}

/* Eight scales, then eight minima, of 6 bits; see scales_k_q8k_avx512, whose dwords stand behind
 * the first here. */
INLINE_AVX512 __m512i scales_k_four_avx512(__m512i v)
{
    const __m512i all = each_four_avx512(0x0F0F0F0F3F3F3F3F, 0x0F0F0F0F3F3F3F3F);
    const __m512i top = each_four_avx512(0x3030303000000000, 0x3030303000000000);
    __m512i acbc = _mm512_srlv_epi32(_mm512_shuffle_epi32(v, _MM_SHUFFLE(3, 2, 3, 1)),
                                     each_four_avx512(0, 0x0000000400000000));
    __m512i aabb = _mm512_srli_epi32(_mm512_shuffle_epi32(v, _MM_SHUFFLE(2, 2, 1, 1)), 2);

    return _mm512_or_si512(_mm512_and_si512(acbc, all), _mm512_and_si512(aabb, top));
}

/* Eight signed scales of IQ4_XS as words: nibbles of four bytes, and two bits each of a word. */
INLINE_AVX512 __m512i scales_iq4_xs_avx512(__m512i v)
{
    __m512i low = _mm512_shuffle_epi8(v, each_four_avx512(0x8005800580048004,
                                                          0x8007800780068006));
    __m512i high = _mm512_shuffle_epi8(v, each_four_avx512(0x0302030203020302,
                                                           0x0302030203020302));

    low = _mm512_srlv_epi16(low, each_four_avx512(0x0004000000040000, 0x0004000000040000));
    high = _mm512_srlv_epi16(high, each_four_avx512(0x0006000400020000, 0x000E000C000A0008));
    low = _mm512_and_si512(low, _mm512_set1_epi16(15));
    high = _mm512_slli_epi16(_mm512_and_si512(high, _mm512_set1_epi16(3)), 4);
    return _mm512_sub_epi16(_mm512_or_si512(low, high), _mm512_set1_epi16(32));
}

/* Scales (and minima) of a row; gives the 128 bits of each block that hold d. */
INLINE_AVX512 __m512i head_four_avx512(enum dtype type, const uint8_t *w, const int64_t block[4],
                                       __m512i scale[2], __m512i min[2])
{
    const __m512i zero = _mm512_setzero_si512(), nibble = _mm512_set1_epi8(15);
    const __m512i offset = _mm512_set1_epi16((short)(1 << offset_q8k_avx512(type)));
    __m512i v = lanes_four_avx512(w, block, type == DTYPE_Q3_K ? 94 : type == DTYPE_Q6_K ? 192 : 0);
    __m512i rest = v;

    switch (type) {
    case DTYPE_Q2_K:
        rest = lanes_four_avx512(w, block, 68);
        min[0] = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
        min[1] = _mm512_unpackhi_epi8(min[0], zero);
        min[0] = _mm512_unpacklo_epi8(min[0], zero);
        v = _mm512_and_si512(v, nibble);
        scale[0] = _mm512_unpacklo_epi8(v, zero);
        scale[1] = _mm512_unpackhi_epi8(v, zero);
        return rest;
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        v = scales_k_four_avx512(v);
        scale[0] = _mm512_unpacklo_epi8(v, zero);
        min[0] = _mm512_unpackhi_epi8(v, zero);
        return rest;
    case DTYPE_IQ4_XS:
        scale[0] = scales_iq4_xs_avx512(v);
        break;
    default: /* Q3_K, Q6_K */
        if (type == DTYPE_Q3_K)
            v = scales_q3_k_avx512(v);
        else
            rest = lanes_four_avx512(w, block, 194);
        scale[0] = _mm512_srai_epi16(_mm512_unpacklo_epi8(zero, v), 8);
        scale[1] = _mm512_srai_epi16(_mm512_unpackhi_epi8(zero, v), 8);
        min[1] = _mm512_mullo_epi16(scale[1], offset);
    }
    min[0] = _mm512_mullo_epi16(scale[0], offset);
    return rest;
}

INLINE_AVX512 __m512 low_halves_avx512(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}

/* Dwords of each 128 bits of four vectors become four vectors. */
INLINE_AVX512 void turn_dwords_avx512(const __m512i v[4], __m512i to[4])
{
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpacklo_epi32(v[2], v[3]);
    __m512i c = _mm512_unpackhi_epi32(v[0], v[1]), d = _mm512_unpackhi_epi32(v[2], v[3]);

    to[0] = _mm512_unpacklo_epi64(a, b);
    to[1] = _mm512_unpackhi_epi64(a, b);
    to[2] = _mm512_unpacklo_epi64(c, d);
    to[3] = _mm512_unpackhi_epi64(c, d);
}

/* The heads of four blocks, at `block` bytes, of four rows. */
INLINE_AVX512 void heads_four_avx512(enum dtype type, const uint8_t *const w[4],
                                     const int64_t block[4], struct heads_avx512 *h)
{
    __m512i v[4], min[2][4], dword[4], both;

#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        __m512i low[2];
        v[r] = head_four_avx512(type, w[r], block, h->scale[r], low);
        min[0][r] = low[0];
        if (!wide_q8k_avx512(type))
            min[1][r] = low[1];
    }
    turn_dwords_avx512(min[0], h->min);
    if (!wide_q8k_avx512(type))
        turn_dwords_avx512(min[1], h->min + 4);
    turn_dwords_avx512(v, dword);
    both = dword[wide_q8k_avx512(type) ? 0 : 3];
    h->dmin = low_halves_avx512(_mm512_srli_epi32(both, 16));
    h->d = type == DTYPE_Q3_K || type == DTYPE_Q6_K ? h->dmin : low_halves_avx512(both);
}

/* Pairs of dwords added: per 128 bits those of a, then those of b. */
INLINE_AVX512 __m512i pairs_four_avx512(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);

    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xDD)));
}

/* The blocks of a pair share every 128 bits; not where they are added up apart. */
INLINE_AVX512 bool paired_four_avx512(enum dtype type) { return type != DTYPE_Q6_K; }

/* v[2i], v[2i+1]: the lower and the upper halves of all 128 bits of a[i], then of b[i]. */
INLINE_AVX512 void mix_four_avx512(const __m512i *a, const __m512i *b, int count, __m512i *v)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        v[2 * i] = _mm512_unpacklo_epi64(a[i], b[i]);
        v[2 * i + 1] = _mm512_unpackhi_epi64(a[i], b[i]);
    }
}

/* 256 activations each at a and b, in the order of the weights. */
INLINE_AVX512 void order_four_avx512(enum dtype type, const uint8_t *a, const uint8_t *b,
                                     __m512i to[8])
{
    __m512i from[2][4], v[8];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        from[0][i] = _mm512_load_si512(a + 64 * i);
        from[1][i] = _mm512_load_si512(b + 64 * i);
    }
    if (!paired_four_avx512(type)) {
        memcpy(to, from, sizeof from);
        return;
    }
    mix_four_avx512(from[0], from[1], 4, wide_q8k_avx512(type) ? v : to);
    if (!wide_q8k_avx512(type))
        return;
    /* v[2i], v[2i+1] are eighths 0 and 2, then 1 and 3 of two sub-blocks: to[0..4) is for the
     * even sub-blocks, to[4..8) for the odd */
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i low = _mm512_shuffle_i32x4(v[i], v[i + 2], 0x44);
        __m512i high = _mm512_shuffle_i32x4(v[i + 4], v[i + 6], 0x44);
        to[i] = _mm512_shuffle_i32x4(low, high, 0x88);
        to[i + 2] = _mm512_shuffle_i32x4(low, high, 0xDD);
        low = _mm512_shuffle_i32x4(v[i], v[i + 2], 0xEE);
        high = _mm512_shuffle_i32x4(v[i + 4], v[i + 6], 0xEE);
        to[i + 4] = _mm512_shuffle_i32x4(low, high, 0x88);
        to[i + 6] = _mm512_shuffle_i32x4(low, high, 0xDD);
    }
}

/* Dword i of each 128 bits in all four, for each i. */
INLINE_AVX512 void each_dword_avx512(__m512i v, __m512i to[4])
{
    to[0] = _mm512_shuffle_epi32(v, 0x00);
    to[1] = _mm512_shuffle_epi32(v, 0x55);
    to[2] = _mm512_shuffle_epi32(v, 0xAA);
    to[3] = _mm512_shuffle_epi32(v, 0xFF);
}

/* Up to four blocks of an operand row. */
INLINE_AVX512 void token_four_k_avx512(enum dtype type, const uint8_t *q, const float *scale,
                                       const int16_t *sums, int count,
                                       struct token_four_avx512 *to)
{
    const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i ones = _mm512_set1_epi16(1);
    __m512i first = _mm512_load_si512(sums), even, odd;
    __m512i second = count > 2 ? _mm512_load_si512(sums + 32) : first;

    for (int p = 0; p < 2 && 2 * p < count; p++)
        order_four_avx512(type, q + 512 * p, q + 256 * pi_min(2 * p + 1, count - 1), to->q[p]);
    even = _mm512_shuffle_i32x4(first, second, 0x88);
    odd = _mm512_shuffle_i32x4(first, second, 0xDD);
    if (wide_q8k_avx512(type))
        even = _mm512_packs_epi32(_mm512_madd_epi16(even, ones), _mm512_madd_epi16(odd, ones));
    each_dword_avx512(even, to->sum);
    if (!wide_q8k_avx512(type))
        each_dword_avx512(odd, to->sum + 4);
    to->scale = _mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_load_ps(scale)));
}

/* 128 bits i shifted right by i * step + from bits, around. */
INLINE_AVX512 __m512i turn_four_avx512(__m512i v, int step, int from)
{
    return _mm512_rorv_epi64(
        v, _mm512_set_epi64(3 * step + from, 3 * step + from, 2 * step + from, 2 * step + from,
                            step + from, step + from, from, from));
}

/* The bits of a where mask is set, of b elsewhere, as far as they are in `all`. */
INLINE_AVX512 __m512i join_four_avx512(__m512i a, __m512i b, char mask, char all)
{
    return _mm512_and_si512(
        _mm512_ternarylogic_epi64(_mm512_set1_epi8(mask), a, b, 0xCA), _mm512_set1_epi8(all));
}

/* Bytes of blocks a and b of a format whose sub-blocks are of 32. */
INLINE_AVX512 void wide_four_avx512(enum dtype type, const uint8_t *a, const uint8_t *b,
                                    __m512i q[8])
{
    const __m512i nibble = _mm512_set1_epi8(15);
    int at = type == DTYPE_Q4_K ? 16 : type == DTYPE_Q5_K ? 48 : 8;
    __m512i from[2][2], v[4];

#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const uint8_t *w = (i ? b : a) + at;
        __m512i low = _mm512_loadu_si512(w), high = _mm512_loadu_si512(w + 64);
        from[i][0] = _mm512_shuffle_i32x4(low, high, 0x88);
        from[i][1] = _mm512_shuffle_i32x4(low, high, 0xDD);
    }
    mix_four_avx512(from[0], from[1], 2, v);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i low = v[i], high = _mm512_srli_epi16(v[i], 4);
        if (type == DTYPE_IQ4_XS) { /* v[0], v[1] are even sub-blocks, v[2], v[3] odd */
            q[i / 2 * 4 + i % 2] = iq4_avx512(_mm512_and_si512(low, nibble));
            q[i / 2 * 4 + i % 2 + 2] = iq4_avx512(_mm512_and_si512(high, nibble));
            continue;
        }
        q[i] = _mm512_and_si512(low, nibble);
        q[i + 4] = _mm512_and_si512(high, nibble);
        if (type == DTYPE_Q5_K) {
            __m512i fifth = _mm512_broadcast_i32x4(_mm_set_epi64x(
                (int64_t)pi_le64(b + 16 + 8 * i), (int64_t)pi_le64(a + 16 + 8 * i)));
            q[i] = join_four_avx512(low, turn_four_avx512(fifth, 2, 60), 15, 31);
            q[i + 4] = join_four_avx512(high, turn_four_avx512(fifth, 2, 61), 15, 31);
        }
    }
}

/* Of Q2_K and Q3_K. */
INLINE_AVX512 void narrow_four_avx512(enum dtype type, const uint8_t *a, const uint8_t *b,
                                      __m512i q[8])
{
    int at = type == DTYPE_Q2_K ? 16 : 32;
    __m512i from[2][3], v[6];

#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) { /* two halves of the lower bits, and the upper bits */
        int offset = i < 2 ? at + 32 * i : 0;
        from[0][i] = twice_q8k_avx512(a + offset);
        from[1][i] = twice_q8k_avx512(b + offset);
    }
    mix_four_avx512(from[0], from[1], type == DTYPE_Q2_K ? 2 : 3, v);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* [half][two planes][half of 128 bits] */
        int plane = i / 2 % 2 * 4;
        q[i] = shift_q8k_avx512(v[i / 4 * 2 + i % 2], plane, plane + 2);
        if (type == DTYPE_Q3_K) {
            int bit = (62 + i / 2 * 2) % 64;
            __m512i third = _mm512_rorv_epi64(
                v[4 + i % 2], _mm512_inserti64x4(_mm512_set1_epi64(bit),
                                                 _mm256_set1_epi64x((bit + 1) % 64), 1));
            q[i] = join_four_avx512(q[i], third, 3, 7);
        } else {
            q[i] = _mm512_and_si512(q[i], _mm512_set1_epi8(3));
        }
    }
}

/* Of Q6_K, a block in natural order. */
INLINE_AVX512 void six_four_avx512(const uint8_t *w, __m512i q[4])
{
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m512i low = _mm512_loadu_si512(w + 64 * i);
        __m512i high = twice_q8k_avx512(w + 128 + 32 * i);
        __m512i left = _mm512_sllv_epi64(
            high, _mm512_inserti64x4(_mm512_set1_epi64(4), _mm256_set1_epi64x(2), 1));
        q[2 * i] = join_four_avx512(low, left, 15, 63);
        q[2 * i + 1] = join_four_avx512(_mm512_srli_epi16(low, 4), shift_q8k_avx512(high, 0, 2),
                                        15, 63);
    }
}

/* What a pair of blocks of two rows is to any token: bytes, and the scales of VPDPWSSD; of IQ4_XS
 * dwords, [row][odd sub-blocks]. */
struct pair_four_avx512 {
    __m512i q[2][8], scale[8];
};

/* Indices of words: per 128 bits the four of `low`, then of `high`; 128 bits i: i * step on. */
INLINE_AVX512 __m512i index_four_k_avx512(int step, uint64_t low, uint64_t high)
{
    const uint64_t one = (uint64_t)step * 0x0001000100010001;

    return _mm512_set_epi64((int64_t)(high + 3 * one), (int64_t)(low + 3 * one),
                            (int64_t)(high + 2 * one), (int64_t)(low + 2 * one),
                            (int64_t)(high + one), (int64_t)(low + one), (int64_t)high,
                            (int64_t)low);
}

/* The scales of two rows of pair p of a slab, from their words [block][sub-block]. */
INLINE_AVX512 void scales_pair_avx512(enum dtype type, const __m512i (*scale)[2], int p,
                                      __m512i to[8])
{
    const __m512i paired = index_four_k_avx512(wide_q8k_avx512(type) ? 2 : 1, 0x0008000800000000,
                                               0x0028002800200020);
    const __m512i apart = index_four_k_avx512(1, 0, 0x0020002000200020);
    const __m512i dword = index_four_k_avx512(2, 0, 0x0008000800080008);

    const __m512i first = _mm512_set1_epi16((short)(16 * p));

#define INDEX(base, at) \
    _mm512_add_epi16(first, _mm512_add_epi16(base, _mm512_set1_epi16((short)(at))))
    if (type == DTYPE_IQ4_XS) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            to[i] = _mm512_srai_epi32(
                _mm512_permutexvar_epi16(INDEX(dword, i % 2), scale[i / 2][0]), 16);
    } else if (wide_q8k_avx512(type)) {
        to[0] = _mm512_permutex2var_epi16(scale[0][0], INDEX(paired, 0), scale[1][0]);
        to[1] = _mm512_permutex2var_epi16(scale[0][0], INDEX(paired, 1), scale[1][0]);
    } else if (paired_four_avx512(type)) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            to[i] = _mm512_permutex2var_epi16(scale[0][i / 2], INDEX(paired, i % 2 * 4),
                                              scale[1][i / 2]);
    } else {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            to[i] = _mm512_permutex2var_epi16(scale[0][i % 4 / 2],
                                              INDEX(apart, i / 4 * 8 + i % 2 * 4),
                                              scale[1][i % 4 / 2]);
    }
#undef INDEX
}

/* Pair p of a slab of two rows, whose blocks begin a and b bytes into them. */
INLINE_AVX512 void unpack_pair_avx512(enum dtype type, const uint8_t *const w[2], int64_t a,
                                      int64_t b, const __m512i (*scale)[2], int p,
                                      struct pair_four_avx512 *to)
{
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++) {
        if (wide_q8k_avx512(type))
            wide_four_avx512(type, w[r] + a, w[r] + b, to->q[r]);
        else if (paired_four_avx512(type))
            narrow_four_avx512(type, w[r] + a, w[r] + b, to->q[r]);
        else {
            six_four_avx512(w[r] + a, to->q[r]);
            six_four_avx512(w[r] + b, to->q[r] + 4);
        }
    }
    scales_pair_avx512(type, scale, p, to->scale);
}

/* The products with 512 activations: per 128 bits, which remain to be added up, the first row's
 * of both blocks, then the second's; of pairs apart, both rows' of the first block. */
INLINE_AVX512 __m512i products_pair_avx512(enum dtype type, const struct pair_four_avx512 *w,
                                           const __m512i x[8])
{
    /* VPDPBUSD whose sum fits 16 bits, or which have one scale */
    int run = type == DTYPE_Q4_K || type == DTYPE_IQ4_XS ? 4 : type == DTYPE_Q6_K ? 1 : 2;
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum[2] = { zero, zero };

#pragma GCC unroll 8
    for (int i = 0; i < 8 / run; i++) {
        __m512i dot[2] = { zero, zero };
        /* runs of sub-blocks of 32 are halves of what has one scale where a run is of two */
        int k = wide_q8k_avx512(type) ? i * run / 4 : i;
#pragma GCC unroll 4
        for (int j = i * run; j < (i + 1) * run; j++)
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
                dot[r] = _mm512_dpbusd_epi32(dot[r], w->q[r][j], x[j]);
        if (type == DTYPE_IQ4_XS) { /* no sum fits 16 bits */
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
                sum[r] = _mm512_add_epi32(sum[r],
                                          _mm512_mullo_epi32(dot[r], w->scale[2 * r + k]));
            continue;
        }
        k = run == 1 ? i : k;
        sum[run == 1 ? i / 4 : 0] =
            _mm512_dpwssd_epi32(sum[run == 1 ? i / 4 : 0], _mm512_packs_epi32(dot[0], dot[1]),
                                w->scale[k]);
    }
    return type == DTYPE_IQ4_XS || run == 1 ? pairs_four_avx512(sum[0], sum[1]) : sum[0];
}

/* Lanes [block][row] of the products [pair][two rows]. */
INLINE_AVX512 __m512i sum_pairs_avx512(enum dtype type, const __m512i v[2][2])
{
    const __m512i apart = _mm512_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
    const __m512i paired = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    __m512i a = _mm512_add_epi32(_mm512_shuffle_i32x4(v[0][0], v[0][1], 0x44),
                                 _mm512_shuffle_i32x4(v[0][0], v[0][1], 0xEE));
    __m512i b = _mm512_add_epi32(_mm512_shuffle_i32x4(v[1][0], v[1][1], 0x44),
                                 _mm512_shuffle_i32x4(v[1][0], v[1][1], 0xEE));

    return _mm512_permutexvar_epi32(paired_four_avx512(type) ? paired : apart,
                                    _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88),
                                                     _mm512_shuffle_i32x4(a, b, 0xDD)));
}

/* Lanes [block][row]: the minima times the sums of activations. */
INLINE_AVX512 __m512i minima_four_avx512(enum dtype type, const struct heads_avx512 *h,
                                         const struct token_four_avx512 *x)
{
    const int count = wide_q8k_avx512(type) ? 4 : 8;
    __m512i sum = _mm512_madd_epi16(h->min[0], x->sum[0]);

#pragma GCC unroll 8
    for (int i = 1; i < count; i++)
        sum = _mm512_dpwssd_epi32(sum, h->min[i], x->sum[i]);
    return sum;
}

#endif
