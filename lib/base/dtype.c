/* dtype.c - see dtype.h.
 */
#include "dtype.h"

struct dtype_info pi_dtype(uint32_t number)
{
    static const struct dtype_info table[DTYPE_COUNT] = {
#define X(name, number, elements, bytes) [number] = { #name, elements, bytes },
        PI_DTYPE_LIST(X)
#undef X
    };

    return number < DTYPE_COUNT ? table[number] : (struct dtype_info){ 0 };
}

bool pi_dtype_bytes(enum dtype type, size_t elements, size_t *out)
{
    struct dtype_info info = pi_dtype(type);

    if (!info.name || elements % (size_t)info.block)
        return false;
    return pi_mul_size(elements / (size_t)info.block, (size_t)info.bytes, out);
}

float pi_f32_from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, m = half & 0x3FF;

    if (exponent == 31) /* infinity, or NaN with its payload */
        return pi_f32_from_bits(sign | 0x7F800000 | m << 13);
    if (exponent)
        return pi_f32_from_bits(sign | (exponent + 112) << 23 | m << 13);
    return pi_f32_from_bits(sign | pi_f32_bits((float)m * 0x1p-24f));
}

uint16_t pi_f16_from_f32(float value)
{
    uint32_t bits = pi_f32_bits(value), sign = bits >> 16 & 0x8000, m;
    int exponent = (int)(bits >> 23 & 255) - 112; /* of the half, biased */

    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (bits >> 13 & 0x1FF));
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7C00);
    if (exponent < -10)
        return (uint16_t)sign;
    if (exponent <= 0) { /* subnormal: shift the hidden one in, round to even */
        int shift = 14 - exponent;

        m = (bits & 0x7FFFFF) | 0x800000;
        bits = m >> shift;
        m &= (1u << shift) - 1;
        if (m > 1u << (shift - 1) || (m == 1u << (shift - 1) && (bits & 1)))
            bits++;
        return (uint16_t)(sign | bits);
    }
    bits = (bits & 0x7FFFFF) | (uint32_t)exponent << 23;
    return (uint16_t)(sign | (bits + 0xFFF + (bits >> 13 & 1)) >> 13);
}

uint16_t pi_bf16_from_f32(float value)
{
    uint32_t bits = pi_f32_bits(value);

    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
