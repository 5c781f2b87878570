/* block.h - the quantised number formats as vectors: 32 signed bytes in natural order, and scales.
 *
 * The layouts are told in scalar/block.h. Offsets of formats without minima are subtracted here,
 * so that all values are signed bytes and all group scales too. The type is a constant wherever
 * these are called.
 */
#ifndef PI_NEON_BLOCK_H
#define PI_NEON_BLOCK_H

#include "common.h"

INLINE_NEON int64_t block_bytes_neon(enum dtype type)
{
    switch (type) {
    case DTYPE_Q4_0: case DTYPE_IQ4_NL: return 18;
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

INLINE_NEON bool has_min_neon(enum dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q2_K || type == DTYPE_Q4_K ||
           type == DTYPE_Q5_K;
}

/* Groups of 32 values instead of 16. */
INLINE_NEON bool is_wide_neon(enum dtype type)
{
    return type == DTYPE_Q4_K || type == DTYPE_Q5_K || type == DTYPE_IQ4_XS;
}

INLINE_NEON int8x16_t as_signed_neon(uint8x16_t v) { return vreinterpretq_s8_u8(v); }

/* Bytes shifted right by n, which is a constant. */
INLINE_NEON uint8x16_t right_neon(uint8x16_t v, int n)
{
    switch (n) {
    case 2: return vshrq_n_u8(v, 2);
    case 4: return vshrq_n_u8(v, 4);
    case 6: return vshrq_n_u8(v, 6);
    default: return v;
    }
}

/* Bits shift and shift + 1 of each byte, in bits 0 and 1. */
INLINE_NEON uint8x16_t two_bits_neon(const uint8_t *at, int shift)
{
    return vandq_u8(right_neon(load_neon(at), shift), vdupq_n_u8(3));
}

INLINE_NEON uint8x16_t nibble_neon(const uint8_t *at, bool high)
{
    uint8x16_t v = load_neon(at);

    return high ? vshrq_n_u8(v, 4) : vandq_u8(v, vdupq_n_u8(15));
}

/* All bits of the bytes whose bit is set in bits 16 * half on. */
INLINE_NEON uint8x16_t spread_neon(uint32_t bits, int half)
{
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x8_t low = vdup_n_u8((uint8_t)(bits >> 16 * half));
    uint8x8_t high = vdup_n_u8((uint8_t)(bits >> (16 * half + 8)));

    return vtstq_u8(vcombine_u8(low, high), bit);
}

/* The 16 values of the non-linear formats and of E2M1; see scalar/block.h. */
INLINE_NEON int8x16_t by_table_neon(enum dtype type, uint8x16_t nibbles)
{
    static const int8_t iq4[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113 };
    static const int8_t e2m1[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

    return vqtbl1q_s8(vld1q_s8(type == DTYPE_MXFP4 ? e2m1 : iq4), nibbles);
}

/* Values 16 * half on of a block of 32. */
INLINE_NEON int8x16_t half_q8_neon(enum dtype type, const uint8_t *w, int half)
{
    const uint8x16_t sixteen = vdupq_n_u8(16);

    switch (type) {
    case DTYPE_Q4_0: return vsubq_s8(as_signed_neon(nibble_neon(w + 2, half)), vdupq_n_s8(8));
    case DTYPE_Q4_1: return as_signed_neon(nibble_neon(w + 4, half));
    case DTYPE_Q5_0: /* the nibble, less 16 where the bit is not set */
        return as_signed_neon(vsubq_u8(nibble_neon(w + 6, half),
                                       vbicq_u8(sixteen, spread_neon(pi_le32(w + 2), half))));
    case DTYPE_Q5_1:
        return as_signed_neon(vorrq_u8(nibble_neon(w + 8, half),
                                       vandq_u8(sixteen, spread_neon(pi_le32(w + 4), half))));
    case DTYPE_IQ4_NL: return by_table_neon(type, nibble_neon(w + 2, half));
    case DTYPE_MXFP4: return by_table_neon(type, nibble_neon(w + 1, half));
    default: return load_signed_neon(w + 2 + 16 * half);
    }
}

/* Values 16 * g on of a block of 256. */
INLINE_NEON int8x16_t group_q8k_neon(enum dtype type, const uint8_t *w, int g)
{
    int side = g % 2 * 16, part = g / 2; /* of 32 values: which half, and which */
    uint8x16_t q, high;

    switch (type) {
    case DTYPE_Q2_K:
        return as_signed_neon(two_bits_neon(w + 16 + part / 4 * 32 + side, part % 4 * 2));
    case DTYPE_Q3_K: /* less 4 where the bit is not set */
        q = two_bits_neon(w + 32 + part / 4 * 32 + side, part % 4 * 2);
        high = vtstq_u8(load_neon(w + side), vdupq_n_u8((uint8_t)(1 << part)));
        return as_signed_neon(vsubq_u8(q, vbicq_u8(vdupq_n_u8(4), high)));
    case DTYPE_Q4_K: return as_signed_neon(nibble_neon(w + 16 + part / 2 * 32 + side, part % 2));
    case DTYPE_Q5_K:
        q = nibble_neon(w + 48 + part / 2 * 32 + side, part % 2);
        high = vtstq_u8(load_neon(w + 16 + side), vdupq_n_u8((uint8_t)(1 << part)));
        return as_signed_neon(vorrq_u8(q, vandq_u8(vdupq_n_u8(16), high)));
    case DTYPE_Q6_K:
        q = nibble_neon(w + part / 4 * 64 + part % 2 * 32 + side, part / 2 % 2);
        high = vshlq_n_u8(two_bits_neon(w + 128 + part / 4 * 32 + side, part % 4 * 2), 4);
        return vsubq_s8(as_signed_neon(vorrq_u8(q, high)), vdupq_n_s8(32));
    default: return by_table_neon(type, nibble_neon(w + 8 + 16 * part, g % 2));
    }
}

/* The scales of the groups of a block of 256 and their minima: 16, or 8 in the low half. */
struct groups_neon {
    int8x16_t scale, low;
};

/* Nibble i of four bytes and bits 2i of a half-word. */
INLINE_NEON int8x16_t groups_iq4_xs_neon(const uint8_t *w)
{
    static const int16_t at[8] = { 0, -2, -4, -6, -8, -10, -12, -14 };
    uint8x8_t four = vcreate_u8(pi_le32(w + 4));
    uint16x8_t two = vshlq_u16(vdupq_n_u16(pi_le16(w + 2)), vld1q_s16(at));

    four = vzip1_u8(vand_u8(four, vdup_n_u8(15)), vshr_n_u8(four, 4));
    two = vshlq_n_u16(vandq_u16(two, vdupq_n_u16(3)), 4);
    four = vsub_u8(vorr_u8(four, vmovn_u16(two)), vdup_n_u8(32));
    return as_signed_neon(vcombine_u8(four, four));
}

/* A nibble of eight bytes, and two of the bits of four. */
INLINE_NEON int8x16_t groups_q3_k_neon(const uint8_t *w)
{
    static const int32_t at[4] = { 0, -2, -4, -6 };
    uint8x8_t four = vld1_u8(w);
    uint32x4_t two = vshlq_u32(vdupq_n_u32(pi_le32(w + 8)), vld1q_s32(at));
    uint8x16_t v = vcombine_u8(vand_u8(four, vdup_n_u8(15)), vshr_n_u8(four, 4));

    two = vshlq_n_u32(vandq_u32(two, vdupq_n_u32(0x03030303)), 4);
    return vsubq_s8(as_signed_neon(vorrq_u8(v, vreinterpretq_u8_u32(two))), vdupq_n_s8(32));
}

INLINE_NEON struct groups_neon groups_neon(enum dtype type, const uint8_t *w)
{
    struct groups_neon g = { .low = vdupq_n_s8(0) };
    uint32_t a, b, c;
    uint64_t scale, low;

    switch (type) {
    case DTYPE_Q2_K:
        g.scale = as_signed_neon(nibble_neon(w, false));
        g.low = as_signed_neon(nibble_neon(w, true));
        break;
    case DTYPE_Q3_K: g.scale = groups_q3_k_neon(w + 96); break;
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        a = pi_le32(w + 4), b = pi_le32(w + 8), c = pi_le32(w + 12);
        scale = (a & 0x3F3F3F3F) | (uint64_t)((c & 0x0F0F0F0F) | (a >> 6 & 0x03030303) << 4) << 32;
        low = (b & 0x3F3F3F3F) |
              (uint64_t)((c >> 4 & 0x0F0F0F0F) | (b >> 6 & 0x03030303) << 4) << 32;
        g.scale = vcombine_s8(vcreate_s8(scale), vcreate_s8(0));
        g.low = vcombine_s8(vcreate_s8(low), vcreate_s8(0));
        break;
    case DTYPE_Q6_K: g.scale = load_signed_neon(w + 192); break;
    default: g.scale = groups_iq4_xs_neon(w); break;
    }
    return g;
}

/* Where d of a block of 256 stands; dmin follows it. */
INLINE_NEON int64_t scale_at_neon(enum dtype type)
{
    switch (type) {
    case DTYPE_Q2_K: return 80;
    case DTYPE_Q3_K: return 108;
    case DTYPE_Q6_K: return 208;
    default: return 0;
    }
}

/* Halves of up to four blocks, `bytes` apart, as floats; zero past `count`. */
INLINE_NEON float32x4_t gather_halves_neon(const uint8_t *w, int64_t bytes, int count)
{
    uint16x4_t v = vdup_n_u16(pi_le16(w));

    v = vset_lane_u16(count > 1 ? pi_le16(w + bytes) : 0, v, 1);
    v = vset_lane_u16(count > 2 ? pi_le16(w + 2 * bytes) : 0, v, 2);
    v = vset_lane_u16(count > 3 ? pi_le16(w + 3 * bytes) : 0, v, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(v));
}

/* Scales of up to four blocks of 32; finite past `count`. MXFP4 has powers of two, halved because
 * its table is doubled; two of them are subnormal. */
INLINE_NEON float32x4_t scales_neon(enum dtype type, const uint8_t *w, int count)
{
    int64_t bytes = block_bytes_neon(type);
    uint32_t e[4] = { w[0], count > 1 ? w[bytes] : 0, count > 2 ? w[2 * bytes] : 0,
                      count > 3 ? w[3 * bytes] : 0 };
    uint32x4_t exponent, small;

    if (type != DTYPE_MXFP4)
        return gather_halves_neon(w, bytes, count);
    exponent = vld1q_u32(e);
    small = vshlq_u32(vdupq_n_u32(0x200000), vreinterpretq_s32_u32(exponent));
    exponent = vbslq_u32(vcltq_u32(exponent, vdupq_n_u32(2)), small,
                         vshlq_n_u32(vsubq_u32(exponent, vdupq_n_u32(1)), 23));
    return vreinterpretq_f32_u32(exponent);
}

#endif
