/* block.h - the quantised number formats as vectors: unsigned bytes in natural order, and scales.
 *
 * A format with blocks of 32 is quants_q8_avx512() and scales_q8_avx512(), one with blocks of 256
 * quants_q8k_avx512() and groups_q8k_avx512(); dot_q8.c, dot_q8k.c and unpack.c differ only in
 * what they do with these. The layouts are told in scalar/block.h. The type is a constant wherever
 * these are called.
 */
#ifndef PI_AVX512_BLOCK_H
#define PI_AVX512_BLOCK_H

#include "common.h"

/* Low nibbles of 16 bytes at a, then high ones, then those at b: 64 bytes. */
INLINE_AVX512 __m512i nibbles_avx512(const uint8_t *a, const uint8_t *b)
{
    const __m512i shift = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
    __m512i both = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)a));

    both = _mm512_mask_broadcast_i32x4(both, 0xFF00,
                                       _mm_loadu_si128((const __m128i *)(const void *)b));
    return _mm512_and_si512(_mm512_srlv_epi64(both, shift), _mm512_set1_epi8(15));
}

/* The values of IQ4_NL and IQ4_XS plus 128, of 64 nibbles. */
INLINE_AVX512 __m512i iq4_avx512(__m512i nibbles)
{
    return _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103,
                                             -90, -75, -59, -39, -15)),
        nibbles);
}

INLINE_AVX512 int64_t block_bytes_q8_avx512(enum dtype type)
{
    return type == DTYPE_Q8_0    ? 34
           : type == DTYPE_Q5_1  ? 24
           : type == DTYPE_Q5_0  ? 22
           : type == DTYPE_Q4_1  ? 20
           : type == DTYPE_MXFP4 ? 17
                                 : 18;
}

/* log2 of the offset that quants() adds; 0: none */
INLINE_AVX512 int offset_q8_avx512(enum dtype type)
{
    return type == DTYPE_Q4_0                           ? 3
           : type == DTYPE_Q5_0 || type == DTYPE_MXFP4  ? 4
           : type == DTYPE_Q8_0 || type == DTYPE_IQ4_NL ? 7
                                                        : 0;
}

INLINE_AVX512 bool has_min_q8_avx512(enum dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1;
}

INLINE_AVX512 __m512i fifth_bits_q8_avx512(__m512i low, const uint8_t *a, const uint8_t *b)
{
    return _mm512_mask_add_epi8(low, pi_le32(a) | (uint64_t)pi_le32(b) << 32, low,
                                _mm512_set1_epi8(16));
}

/* 64 unsigned bytes: the blocks at a and at b, plus the offset. */
INLINE_AVX512 __m512i quants_q8_avx512(enum dtype type, const uint8_t *a, const uint8_t *b)
{
    /* doubled E2M1 plus 16 */
    const __m512i mxfp4 = _mm512_broadcast_i32x4(
        _mm_setr_epi8(16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4));

    switch (type) {
    case DTYPE_Q4_0: return nibbles_avx512(a + 2, b + 2);
    case DTYPE_Q4_1: return nibbles_avx512(a + 4, b + 4);
    case DTYPE_Q5_0: return fifth_bits_q8_avx512(nibbles_avx512(a + 6, b + 6), a + 2, b + 2);
    case DTYPE_Q5_1: return fifth_bits_q8_avx512(nibbles_avx512(a + 8, b + 8), a + 4, b + 4);
    case DTYPE_IQ4_NL: return iq4_avx512(nibbles_avx512(a + 2, b + 2));
    case DTYPE_MXFP4: return _mm512_shuffle_epi8(mxfp4, nibbles_avx512(a + 1, b + 1));
    default: /* Q8_0: 128 added by flipping the sign bit */
        return _mm512_xor_si512(
            _mm512_inserti64x4(
                _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(a + 2))),
                _mm256_loadu_si256((const __m256i *)(const void *)(b + 2)), 1),
            _mm512_set1_epi8(-128));
    }
}

/* Halves at w, w + stride, ..., for blocks in a row or rows apart. The first stands in for those
 * past `count`, so that nothing behind them is read. */
INLINE_AVX512 __m512 halves_q8_avx512(const uint8_t *w, int64_t stride, int count)
{
#define AT(i) (short)pi_le16(w + stride * ((i) < count ? (i) : 0))
    return _mm512_cvtph_ps(_mm256_setr_epi16(AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6),
                                             AT(7), AT(8), AT(9), AT(10), AT(11), AT(12), AT(13),
                                             AT(14), AT(15)));
#undef AT
}

/* 2^(e - 128) of sixteen exponent bytes; see read_mxfp4. */
INLINE_AVX512 __m512 powers_q8_avx512(const uint8_t *w, int64_t stride, int count)
{
#define AT(i) (char)w[stride * ((i) < count ? (i) : 0)]
    const __m512i one = _mm512_set1_epi32(1);
    __m512i e = _mm512_cvtepu8_epi32(_mm_setr_epi8(AT(0), AT(1), AT(2), AT(3), AT(4), AT(5), AT(6),
                                                   AT(7), AT(8), AT(9), AT(10), AT(11), AT(12),
                                                   AT(13), AT(14), AT(15)));
    __mmask16 tiny = _mm512_cmple_epu32_mask(e, one);
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(e, one), 23);
#undef AT

    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(bits, tiny, _mm512_set1_epi32(0x200000), e));
}

/* The halves at the heads of 16 blocks of up to 20 bytes: four per load and permutation. */
INLINE_AVX512 __m512 heads_q8_avx512(const uint8_t *w, int64_t bytes, int at)
{
    const __m512i step = _mm512_set_epi16(3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1,
                                          0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0);
    const __m512i index =
        _mm512_add_epi16(_mm512_mullo_epi16(step, _mm512_set1_epi16((short)(bytes / 2))),
                         _mm512_set1_epi16((short)(at / 2)));
    __m512i all = _mm512_permutexvar_epi16(index, _mm512_loadu_si512(w));

#pragma GCC unroll 4
    for (int i = 1; i < 4; i++)
        all = _mm512_mask_permutexvar_epi16(all, (__mmask32)(15u << 4 * i), index,
                                            _mm512_loadu_si512(w + i * 4 * bytes));
    return _mm512_cvtph_ps(_mm512_castsi512_si256(all));
}

/* Scales of 16 blocks, `stride` apart. */
INLINE_AVX512 __m512 scales_q8_avx512(enum dtype type, const uint8_t *w, int64_t stride, int count)
{
    int64_t bytes = block_bytes_q8_avx512(type);

    if (type == DTYPE_MXFP4)
        return powers_q8_avx512(w, stride, count);
    if (stride == bytes && count == 16 && bytes <= 20)
        return heads_q8_avx512(w, bytes, 0);
    return halves_q8_avx512(w, stride, count);
}

INLINE_AVX512 __m512 mins_q8_avx512(enum dtype type, const uint8_t *w, int64_t stride, int count)
{
    if (stride == block_bytes_q8_avx512(type) && count == 16 && type == DTYPE_Q4_1)
        return heads_q8_avx512(w, stride, 2);
    return halves_q8_avx512(w + 2, stride, count);
}

INLINE_AVX512 int64_t block_bytes_q8k_avx512(enum dtype type)
{
    return type == DTYPE_Q2_K   ? 84
           : type == DTYPE_Q3_K ? 110
           : type == DTYPE_Q4_K ? 144
           : type == DTYPE_Q5_K ? 176
           : type == DTYPE_Q6_K ? 210
                                : 136;
}

/* log2 of the offset that quants() adds; 0: none, there are minima instead */
INLINE_AVX512 int offset_q8k_avx512(enum dtype type)
{
    return type == DTYPE_Q3_K ? 2 : type == DTYPE_Q6_K ? 5 : type == DTYPE_IQ4_XS ? 7 : 0;
}

/* Sub-blocks are of 32 weights, not 16. */
INLINE_AVX512 bool wide_q8k_avx512(enum dtype type)
{
    return type == DTYPE_Q4_K || type == DTYPE_Q5_K || type == DTYPE_IQ4_XS;
}

INLINE_AVX512 __m512i twice_q8k_avx512(const uint8_t *at)
{
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)at));
}

/* low in the lower half of the vector, high in the upper */
INLINE_AVX512 __m512i halves_q8k_avx512(char low, char high)
{
    return _mm512_inserti64x4(_mm512_set1_epi8(low), _mm256_set1_epi8(high), 1);
}

INLINE_AVX512 __m512i shift_q8k_avx512(__m512i v, int low, int high)
{
    return _mm512_srlv_epi64(
        v, _mm512_inserti64x4(_mm512_set1_epi64(low), _mm256_set1_epi64x(high), 1));
}

/* bit[i] = bit 2 * chunk (upper half: the next) of byte i of 32 */
INLINE_AVX512 __mmask64 plane_q8k_avx512(const uint8_t *at, int chunk)
{
    return _mm512_test_epi8_mask(
        twice_q8k_avx512(at), halves_q8k_avx512((char)(1 << 2 * chunk), (char)(2 << 2 * chunk)));
}

/* 64 unsigned bytes: values 64 * chunk on, plus the offset. */
INLINE_AVX512 __m512i quants_q8k_avx512(enum dtype type, const uint8_t *w, int chunk)
{
    const __m512i nibble = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3);
    const __m512i top = _mm512_set1_epi8(0x30);
    __m512i q, high;

    switch (type) {
    case DTYPE_Q2_K:
        q = shift_q8k_avx512(twice_q8k_avx512(w + 16 + chunk / 2 * 32), chunk % 2 * 4,
                             chunk % 2 * 4 + 2);
        return _mm512_and_si512(q, two);
    case DTYPE_Q3_K:
        q = shift_q8k_avx512(twice_q8k_avx512(w + 32 + chunk / 2 * 32), chunk % 2 * 4,
                             chunk % 2 * 4 + 2);
        q = _mm512_and_si512(q, two);
        return _mm512_mask_add_epi8(q, plane_q8k_avx512(w, chunk), q, _mm512_set1_epi8(4));
    case DTYPE_Q4_K:
        return _mm512_and_si512(shift_q8k_avx512(twice_q8k_avx512(w + 16 + chunk * 32), 0, 4),
                                nibble);
    case DTYPE_Q5_K:
        q = _mm512_and_si512(shift_q8k_avx512(twice_q8k_avx512(w + 48 + chunk * 32), 0, 4),
                             nibble);
        return _mm512_mask_add_epi8(q, plane_q8k_avx512(w + 16, chunk), q, _mm512_set1_epi8(16));
    case DTYPE_Q6_K:
        q = _mm512_loadu_si512(w + chunk / 2 * 64);
        high = twice_q8k_avx512(w + 128 + chunk / 2 * 32);
        if (chunk % 2) {
            q = _mm512_srli_epi64(q, 4);
            high = shift_q8k_avx512(high, 0, 2);
        } else {
            high = _mm512_sllv_epi64(
                high, _mm512_inserti64x4(_mm512_set1_epi64(4), _mm256_set1_epi64x(2), 1));
        }
        return _mm512_or_si512(_mm512_and_si512(q, nibble), _mm512_and_si512(high, top));
    default: /* IQ4_XS */
        return iq4_avx512(nibbles_avx512(w + 8 + chunk * 32, w + 8 + chunk * 32 + 16));
    }
}

/* Eight scales, then eight minima, of 6 bits, from the dwords a, b, c: a, b hold four each and the
 * top two bits of the other four, whose nibbles are in c. */
INLINE_AVX512 __m128i scales_k_q8k_avx512(__m128i abc)
{
    __m128i acbc = _mm_srlv_epi32(_mm_shuffle_epi32(abc, _MM_SHUFFLE(2, 1, 2, 0)),
                                  _mm_setr_epi32(0, 0, 0, 4));
    __m128i aabb = _mm_srli_epi32(_mm_shuffle_epi32(abc, _MM_SHUFFLE(1, 1, 0, 0)), 2);

    acbc = _mm_and_si128(acbc, _mm_setr_epi32(0x3F3F3F3F, 0x0F0F0F0F, 0x3F3F3F3F, 0x0F0F0F0F));
    aabb = _mm_and_si128(aabb, _mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
    return _mm_or_si128(acbc, aabb);
}

/* The scales of the groups, and in *low their minima; see block.h. */
INLINE_AVX512 __m256i groups_q8k_avx512(enum dtype type, const uint8_t *w, __m256i *low)
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
        v = scales_k_q8k_avx512(_mm_loadu_si128((const __m128i *)(const void *)(w + 4)));
        *low = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(v, v));
        return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(v, v));
    case DTYPE_Q6_K:
        return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + 192)));
    default: /* IQ4_XS: nibbles of four bytes, and two bits each of a half-word */
        v = _mm_cvtsi32_si128((int)pi_le32(w + 4));
        v = _mm_cvtepu8_epi16(_mm_unpacklo_epi8(v, v));
        v = _mm_and_si128(_mm_srlv_epi16(v, _mm_setr_epi16(0, 4, 0, 4, 0, 4, 0, 4)),
                          _mm_set1_epi16(15));
        high = _mm_srlv_epi16(_mm_set1_epi16((short)pi_le16(w + 2)),
                              _mm_setr_epi16(0, 2, 4, 6, 8, 10, 12, 14));
        high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi16(3)), 4);
        v = _mm_sub_epi16(_mm_or_si128(v, high), _mm_set1_epi16(32));
        return _mm256_set_m128i(_mm_unpackhi_epi16(v, v), _mm_unpacklo_epi16(v, v));
    }
}

/* Bits of d, and above them of dmin. */
INLINE_AVX512 uint32_t scale_bits_q8k_avx512(enum dtype type, const uint8_t *w)
{
    switch (type) {
    case DTYPE_Q2_K: return pi_le32(w + 80);
    case DTYPE_Q3_K: return pi_le16(w + 108);
    case DTYPE_Q6_K: return pi_le16(w + 208);
    case DTYPE_IQ4_XS: return pi_le16(w);
    default: return pi_le32(w);
    }
}

#endif
