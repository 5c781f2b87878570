/* block.h - the quantised number formats as vectors: 32 bytes in natural order, and scales.
 *
 * The twin of avx512/block.h; the layouts are told in scalar/block.h. Bytes are signed values
 * where a format has them (is_signed), else unsigned, with an offset or a minimum. The type is a
 * constant wherever these are called.
 */
#ifndef PI_AVX2_BLOCK_H
#define PI_AVX2_BLOCK_H

#include "common.h"

INLINE_AVX2 int64_t block_bytes_avx2(enum dtype type)
{
    switch (type) {
    case DTYPE_Q4_0:
    case DTYPE_IQ4_NL: return 18;
    case DTYPE_Q4_1: return 20;
    case DTYPE_Q5_0: return 22;
    case DTYPE_Q5_1: return 24;
    case DTYPE_Q8_0: return 34;
    case DTYPE_MXFP4: return 17;
    case DTYPE_Q2_K: return 84;
    case DTYPE_Q3_K: return 110;
    case DTYPE_Q4_K: return 144;
    case DTYPE_Q5_K: return 176;
    case DTYPE_Q6_K: return 210;
    default: return 136; /* IQ4_XS */
    }
}

INLINE_AVX2 bool is_signed_avx2(enum dtype type)
{
    return type == DTYPE_Q4_0 || type == DTYPE_Q5_0 || type == DTYPE_Q8_0 ||
           type == DTYPE_IQ4_NL || type == DTYPE_MXFP4 || type == DTYPE_IQ4_XS;
}

INLINE_AVX2 bool has_min_avx2(enum dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q2_K || type == DTYPE_Q4_K ||
           type == DTYPE_Q5_K;
}

/* log2 of the offset of unsigned formats without a minimum; 0: none */
INLINE_AVX2 int offset_avx2(enum dtype type)
{
    return type == DTYPE_Q3_K ? 2 : type == DTYPE_Q6_K ? 5 : 0;
}

/* Low nibbles of 16 bytes, then high ones. */
INLINE_AVX2 __m256i nibbles_avx2(const uint8_t *at)
{
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at));

    both = _mm256_srlv_epi64(both, _mm256_setr_epi64x(0, 0, 4, 4));
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* `value` in the bytes whose bit of 32 is set. */
INLINE_AVX2 __m256i spread_avx2(uint32_t bits, char value)
{
    const __m256i from =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), from), bit);

    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(value));
}

INLINE_AVX2 __m256i by_table_avx2(__m128i table, const uint8_t *at)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles_avx2(at));
}

INLINE_AVX2 __m128i iq4_avx2(void)
{
    return _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

/* The 32 bytes of a block of 32. */
INLINE_AVX2 __m256i quants_q8_avx2(enum dtype type, const uint8_t *w)
{
    switch (type) {
    case DTYPE_Q4_0: return _mm256_sub_epi8(nibbles_avx2(w + 2), _mm256_set1_epi8(8));
    case DTYPE_Q4_1: return nibbles_avx2(w + 4);
    case DTYPE_Q5_0: /* 16 where the bit is set: the nibble, less 16 where it is not */
        return _mm256_sub_epi8(nibbles_avx2(w + 6), spread_avx2(~pi_le32(w + 2), 16));
    case DTYPE_Q5_1: return _mm256_or_si256(nibbles_avx2(w + 8), spread_avx2(pi_le32(w + 4), 16));
    case DTYPE_IQ4_NL: return by_table_avx2(iq4_avx2(), w + 2);
    case DTYPE_MXFP4:
        return by_table_avx2(
            _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12), w + 1);
    default: return load_avx2(w + 2);
    }
}

/* Bit j of every byte of v, at `place`. */
INLINE_AVX2 __m256i bit_avx2(__m256i v, int j, int place)
{
    v = j < place ? _mm256_slli_epi16(v, place - j) : _mm256_srli_epi16(v, j - place);
    return _mm256_and_si256(v, _mm256_set1_epi8((char)(1 << place)));
}

/* 32 bytes that are read once and not for every use. */
INLINE_AVX2 __m256i keep_avx2(const uint8_t *at)
{
    __m256i v = load_avx2(at);

    settle_avx2(&v);
    return v;
}

/* The bytes 128 * half on of a block of 256: four vectors. */
INLINE_AVX2 void quants_q8k_avx2(enum dtype type, const uint8_t *w, int half, __m256i q[4])
{
    const __m256i nibble = _mm256_set1_epi8(15), two = _mm256_set1_epi8(3);
    __m256i a, b, high;

    switch (type) {
    case DTYPE_Q2_K:
    case DTYPE_Q3_K:
        a = keep_avx2(w + (type == DTYPE_Q2_K ? 16 : 32) + 32 * half);
        high = keep_avx2(w);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            q[j] = _mm256_and_si256(_mm256_srli_epi16(a, 2 * j), two);
            if (type == DTYPE_Q3_K)
                q[j] = _mm256_or_si256(q[j], bit_avx2(high, 4 * half + j, 2));
        }
        return;
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        a = keep_avx2(w + (type == DTYPE_Q4_K ? 16 : 48) + 64 * half);
        b = keep_avx2(w + (type == DTYPE_Q4_K ? 48 : 80) + 64 * half);
        high = keep_avx2(w + 16);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            q[j] = _mm256_and_si256(_mm256_srli_epi16(j < 2 ? a : b, j % 2 * 4), nibble);
            if (type == DTYPE_Q5_K)
                q[j] = _mm256_or_si256(q[j], bit_avx2(high, 4 * half + j, 4));
        }
        return;
    case DTYPE_Q6_K:
        a = keep_avx2(w + 64 * half);
        b = keep_avx2(w + 64 * half + 32);
        high = keep_avx2(w + 128 + 32 * half);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m256i top = j < 2 ? _mm256_slli_epi16(high, 4 - 2 * j)
                                : _mm256_srli_epi16(high, 2 * j - 4);
            q[j] = _mm256_and_si256(_mm256_srli_epi16(j % 2 ? b : a, j / 2 * 4), nibble);
            q[j] = _mm256_or_si256(q[j], _mm256_and_si256(top, _mm256_set1_epi8(48)));
        }
        return;
    default:
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            q[j] = by_table_avx2(iq4_avx2(), w + 8 + 64 * half + 16 * j);
    }
}

/* Eight scales, then eight minima, of 6 bits, from the dwords a, b, c: a, b hold four each and the
 * top two bits of the other four, whose nibbles are in c. */
INLINE_AVX2 __m128i scales_k_avx2(__m128i abc)
{
    __m128i acbc = _mm_srlv_epi32(_mm_shuffle_epi32(abc, _MM_SHUFFLE(2, 1, 2, 0)),
                                  _mm_setr_epi32(0, 0, 0, 4));
    __m128i aabb = _mm_srli_epi32(_mm_shuffle_epi32(abc, _MM_SHUFFLE(1, 1, 0, 0)), 2);

    acbc = _mm_and_si128(acbc, _mm_setr_epi32(0x3F3F3F3F, 0x0F0F0F0F, 0x3F3F3F3F, 0x0F0F0F0F));
    aabb = _mm_and_si128(aabb, _mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
    return _mm_or_si128(acbc, aabb);
}

/* Nibble i of four bytes and bits 2i of a half-word, in both words of dword i. */
INLINE_AVX2 __m256i groups_iq4_xs_avx2(const uint8_t *w)
{
    const __m256i at = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    __m256i low =
        _mm256_srlv_epi32(_mm256_set1_epi32((int)pi_le32(w + 4)), _mm256_slli_epi32(at, 1));
    __m256i high = _mm256_srlv_epi32(_mm256_set1_epi32(pi_le16(w + 2)), at);
    __m256i v;

    low = _mm256_and_si256(low, _mm256_set1_epi32(15));
    high = _mm256_slli_epi32(_mm256_and_si256(high, _mm256_set1_epi32(3)), 4);
    v = _mm256_or_si256(low, high);
    return _mm256_sub_epi16(_mm256_or_si256(v, _mm256_slli_epi32(v, 16)), _mm256_set1_epi16(32));
}

/* The scales of the 16 groups of a block of 256, and in *low their minima. */
INLINE_AVX2 __m256i groups_avx2(enum dtype type, const uint8_t *w, __m256i *low)
{
    const __m128i nibble = _mm_set1_epi8(15);
    __m128i v, high;

    *low = _mm256_setzero_si256();
    switch (type) {
    case DTYPE_Q2_K:
        v = _mm_loadu_si128((const __m128i *)(const void *)w);
        *low = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(v, 4), nibble));
        return _mm256_cvtepu8_epi16(_mm_and_si128(v, nibble));
    case DTYPE_Q3_K:
        v = _mm_cvtsi64_si128((int64_t)pi_le64(w + 96));
        v = _mm_and_si128(_mm_unpacklo_epi64(v, _mm_srli_epi16(v, 4)), nibble);
        high = _mm_srlv_epi32(_mm_set1_epi32((int)pi_le32(w + 104)), _mm_setr_epi32(0, 2, 4, 6));
        high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi8(3)), 4);
        return _mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_or_si128(v, high), _mm_set1_epi8(32)));
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        v = scales_k_avx2(_mm_loadu_si128((const __m128i *)(const void *)(w + 4)));
        *low = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(v, v));
        return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(v, v));
    case DTYPE_Q6_K:
        return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + 192)));
    default: return groups_iq4_xs_avx2(w);
    }
}

/* Bits of d of a block of 256, and above them of dmin. */
INLINE_AVX2 uint32_t scale_bits_avx2(enum dtype type, const uint8_t *w)
{
    switch (type) {
    case DTYPE_Q2_K: return pi_le32(w + 80);
    case DTYPE_Q3_K: return pi_le16(w + 108);
    case DTYPE_Q6_K: return pi_le16(w + 208);
    case DTYPE_IQ4_XS: return pi_le16(w);
    default: return pi_le32(w);
    }
}

/* The scale of a block of 32; of MXFP4 as scalar/block.h has it. */
INLINE_AVX2 float block_scale_avx2(enum dtype type, const uint8_t *w)
{
    if (type == DTYPE_MXFP4)
        return pi_f32_from_bits(w[0] < 2 ? 0x200000u << w[0] : (w[0] - 1u) << 23);
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(pi_le16(w))));
}

/* Scales of eight blocks of 32. */
INLINE_AVX2 __m256 scales_avx2(enum dtype type, const uint8_t *w)
{
    int64_t bytes = block_bytes_avx2(type);
#define HALF(i) (short)pi_le16(w + (i)*bytes)
#define POWER(i) block_scale_avx2(type, w + (i)*bytes)

    if (type == DTYPE_MXFP4)
        return _mm256_setr_ps(POWER(0), POWER(1), POWER(2), POWER(3), POWER(4), POWER(5), POWER(6),
                              POWER(7));
    return _mm256_cvtph_ps(
        _mm_setr_epi16(HALF(0), HALF(1), HALF(2), HALF(3), HALF(4), HALF(5), HALF(6), HALF(7)));
#undef HALF
#undef POWER
}

#endif
