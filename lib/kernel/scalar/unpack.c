/* unpack.c - weights to float32, every format, in the order of operations that defines it; and
 * dot_many, which is made of it.
 */
#include "grid.h"
#include "kernel/formats.h"
#include "kernel/overlays.h"

static PI_UNPACK(unpack_f32_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pi_f32_from_bits(pi_le32(w + 4 * i));
}

static PI_UNPACK(unpack_f16_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pi_f32_from_f16(pi_le16(w + 2 * i));
}

static PI_UNPACK(unpack_bf16_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pi_f32_from_bf16(pi_le16(w + 2 * i));
}

/* y[i] = scale * q[i]: not "+ min" with min = 0, which would lose the sign of zero. */
#define UNPACK_32(format, bytes)                               \
    static PI_UNPACK(unpack_##format##_scalar)                 \
    {                                                          \
        for (struct block32 b; n > 0; n -= 32, w += (bytes)) { \
            read_##format(&b, w);                              \
            for (int i = 0; i < 32; i++)                       \
                *y++ = b.scale * (float)b.q[i];                \
        }                                                      \
    }

/* y[i] = scale * q[i] + min */
#define UNPACK_32_MIN(format, bytes)                           \
    static PI_UNPACK(unpack_##format##_scalar)                 \
    {                                                          \
        for (struct block32 b; n > 0; n -= 32, w += (bytes)) { \
            read_##format(&b, w);                              \
            for (int i = 0; i < 32; i++)                       \
                *y++ = b.scale * (float)b.q[i] + b.min;        \
        }                                                      \
    }

/* y[i] = (d * group) * q[i] */
#define UNPACK_256(format, bytes)                                             \
    static PI_UNPACK(unpack_##format##_scalar)                                \
    {                                                                         \
        for (struct block256 b; n > 0; n -= 256, w += (bytes)) {              \
            read_##format(&b, w);                                             \
            for (int i = 0; i < 256; i++)                                     \
                *y++ = b.d * (float)b.group[i / 16] * (float)b.q[i];          \
        }                                                                     \
    }

/* y[i] = (d * group) * q[i] - dmin * low */
#define UNPACK_256_MIN(format, bytes)                                         \
    static PI_UNPACK(unpack_##format##_scalar)                                \
    {                                                                         \
        for (struct block256 b; n > 0; n -= 256, w += (bytes)) {              \
            read_##format(&b, w);                                             \
            for (int i = 0; i < 256; i++)                                     \
                *y++ = b.d * (float)b.group[i / 16] * (float)b.q[i] -         \
                       b.dmin * (float)b.low[i / 16];                         \
        }                                                                     \
    }

UNPACK_32(q4_0, 18)
UNPACK_32_MIN(q4_1, 20)
UNPACK_32(q5_0, 22)
UNPACK_32_MIN(q5_1, 24)
UNPACK_32(q8_0, 34)
UNPACK_32(iq4_nl, 18)
UNPACK_32(mxfp4, 17)
UNPACK_256_MIN(q2_k, 84)
UNPACK_256(q3_k, 110)
UNPACK_256_MIN(q4_k, 144)
UNPACK_256_MIN(q5_k, 176)
UNPACK_256(q6_k, 210)
UNPACK_256(iq4_xs, 136)
UNPACK_256(iq2_xxs, 66)
UNPACK_256(iq2_xs, 74)
UNPACK_256(iq2_s, 82)
UNPACK_256(iq3_xxs, 98)
UNPACK_256(iq3_s, 110)
UNPACK_256(iq1_s, 50)
UNPACK_256(iq1_m, 56)
UNPACK_256(tq1_0, 54)
UNPACK_256(tq2_0, 66)

#undef UNPACK_32
#undef UNPACK_32_MIN
#undef UNPACK_256
#undef UNPACK_256_MIN

/* 16 values of four blocks of 16: y = scale * q. */
static PI_UNPACK(unpack_nvfp4_scalar)
{
    for (; n > 0; n -= 64, w += 36)
        for (int i = 0; i < 64; i++)
            *y++ = nvfp4_scale_scalar(w[i / 16]) * (float)nvfp4_value_scalar(w, i);
}

/* The operand: bfloat16 [m][n]. */
static PI_PACK_MANY(pack_many_scalar)
{
    uint16_t *row = (uint16_t *)(void *)y;

    (void)m;
    for (int64_t t = first; t < last; t++)
        for (int64_t i = 0; i < n; i++)
            row[t * n + i] = pi_bf16_from_f32(x[(t - first) * x_stride + i]);
}

/* y[t][r] = row r times token t, both rounded to bfloat16; a block of the row at a time. */
static inline void dot_many_scalar(unpack_fn *unpack, int64_t block, int64_t bytes,
                                   PI_MANY_ARGUMENTS)
{
    const uint16_t *xrow = (const uint16_t *)(const void *)x;

    (void)scratch;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t t = 0; t < m; t++) {
            double sum = 0;
            for (int64_t i = 0; i < cols; i += block) {
                float v[256];
                unpack(v, w + r * w_stride + i / block * bytes, block);
                for (int64_t j = 0; j < block; j++)
                    sum += (double)pi_f32_from_bf16(pi_bf16_from_f32(v[j])) *
                           (double)pi_f32_from_bf16(xrow[t * cols + i + j]);
            }
            y[t * y_stride + r] = (float)sum;
        }
}

/* y[t][r] = row r times token t of pack_some's operand */
static inline void dot_some_scalar(unpack_fn *unpack, int64_t block, int64_t bytes,
                                   PI_MANY_ARGUMENTS)
{
    (void)scratch;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t t = 0; t < m; t++) {
            double sum = 0;
            for (int64_t i = 0; i < cols; i += block) {
                float v[256];
                unpack(v, w + r * w_stride + i / block * bytes, block);
                for (int64_t j = 0; j < block; j++) {
                    const uint8_t *q = x + (t * cols + i + j) / 32 * 36;
                    sum += (double)v[j] * (double)pi_f32_from_bits(pi_le32(q)) *
                           (int8_t)q[4 + j % 32];
                }
            }
            y[t * y_stride + r] = (float)sum;
        }
}

#define DOT_SOME(format, TYPE, kind, block, panel)                                            \
    static PI_DOT_MANY(dot_some_##format##_scalar)                                            \
    {                                                                                         \
        dot_some_scalar(unpack_##format##_scalar, block, pi_dtype(TYPE).bytes, rows, cols, w,  \
                        w_stride, m, x, y, y_stride, scratch);                                \
    }

PI_BLOCK_FORMATS(DOT_SOME)

#undef DOT_SOME

#define DOT_MANY(format, TYPE, kind, block, panel)                                            \
    static PI_DOT_MANY(dot_many_##format##_scalar)                                            \
    {                                                                                         \
        dot_many_scalar(unpack_##format##_scalar, block, pi_dtype(TYPE).bytes, rows, cols, w,  \
                        w_stride, m, x, y, y_stride, scratch);                                \
    }

DOT_MANY(f32, DTYPE_F32, float, 1, none)
DOT_MANY(f16, DTYPE_F16, float, 1, none)
DOT_MANY(bf16, DTYPE_BF16, float, 1, none)
PI_BLOCK_FORMATS(DOT_MANY)

#undef DOT_MANY

void pi_unpack_scalar(struct kernels *k)
{
    k->unpack[DTYPE_F32] = unpack_f32_scalar;
    k->unpack[DTYPE_F16] = unpack_f16_scalar;
    k->unpack[DTYPE_BF16] = unpack_bf16_scalar;
    k->unpack[DTYPE_NVFP4] = unpack_nvfp4_scalar;
    k->pack_many[OPERAND_F32] = pack_many_scalar;
    k->dot_many[DTYPE_F32] = dot_many_f32_scalar;
    k->dot_many[DTYPE_F16] = dot_many_f16_scalar;
    k->dot_many[DTYPE_BF16] = dot_many_bf16_scalar;

#define SET(format, TYPE, kind, block, panel)         \
    k->unpack[TYPE] = unpack_##format##_scalar;       \
    k->dot_many[TYPE] = dot_many_##format##_scalar;   \
    k->dot_some[TYPE] = dot_some_##format##_scalar;
    PI_BLOCK_FORMATS(SET)
#undef SET

#define SET(format, TYPE, kind, block, panel) k->unpack[TYPE] = unpack_##format##_scalar;
    PI_GRID_FORMATS(SET)
#undef SET
}
