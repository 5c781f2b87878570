/* dtype.h - name, block length and bytes of every number format a weight file may hold.
 *
 * The numbers are ggml's, as GGUF stores them. Source: the GGUF specification and ggml.h.
 */
#ifndef PI_DTYPE_H
#define PI_DTYPE_H

#include "base.h"

/*    name      number  elements and bytes of one block */
#define PI_DTYPE_LIST(X)          \
    X(F32,      0,      1,   4)   \
    X(F16,      1,      1,   2)   \
    X(Q4_0,     2,      32,  18)  \
    X(Q4_1,     3,      32,  20)  \
    X(Q5_0,     6,      32,  22)  \
    X(Q5_1,     7,      32,  24)  \
    X(Q8_0,     8,      32,  34)  \
    X(Q8_1,     9,      32,  36)  \
    X(Q2_K,     10,     256, 84)  \
    X(Q3_K,     11,     256, 110) \
    X(Q4_K,     12,     256, 144) \
    X(Q5_K,     13,     256, 176) \
    X(Q6_K,     14,     256, 210) \
    X(Q8_K,     15,     256, 292) \
    X(IQ2_XXS,  16,     256, 66)  \
    X(IQ2_XS,   17,     256, 74)  \
    X(IQ3_XXS,  18,     256, 98)  \
    X(IQ1_S,    19,     256, 50)  \
    X(IQ4_NL,   20,     32,  18)  \
    X(IQ3_S,    21,     256, 110) \
    X(IQ2_S,    22,     256, 82)  \
    X(IQ4_XS,   23,     256, 136) \
    X(I8,       24,     1,   1)   \
    X(I16,      25,     1,   2)   \
    X(I32,      26,     1,   4)   \
    X(I64,      27,     1,   8)   \
    X(F64,      28,     1,   8)   \
    X(IQ1_M,    29,     256, 56)  \
    X(BF16,     30,     1,   2)   \
    X(TQ1_0,    34,     256, 54)  \
    X(TQ2_0,    35,     256, 66)  \
    X(MXFP4,    39,     32,  17)  \
    X(NVFP4,    40,     64,  36)

enum dtype {
#define X(name, number, elements, bytes) DTYPE_##name = number,
    PI_DTYPE_LIST(X)
#undef X
    DTYPE_COUNT /* one past the largest number: the length of tables indexed by dtype */
};

struct dtype_info {
    const char *name; /* NULL: no such number */
    int block;        /* elements of a block */
    int bytes;        /* bytes of a block */
};

/* The format's facts; .name is NULL for a number that no format has. */
struct dtype_info pi_dtype(uint32_t number);

/* Bytes of `elements` values, a whole number of blocks; false on overflow or a broken block. */
bool pi_dtype_bytes(enum dtype type, size_t elements, size_t *out);

static inline float pi_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t pi_f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* IEEE 754 half precision, subnormals, infinities and NaN included; rounds to nearest even. */
float pi_f32_from_f16(uint16_t half);
uint16_t pi_f16_from_f32(float value);

static inline float pi_f32_from_bf16(uint16_t b) { return pi_f32_from_bits((uint32_t)b << 16); }
uint16_t pi_bf16_from_f32(float value);

#endif
