/* formats.h - the formats in blocks whose weights meet integers, one row each:
 *
 *     ROW(name, number, kind, block, panel)
 *
 * kind: q8 blocks have one scale, q8k a scale per sub-block, grid as q8k, of values that are looked
 * up. block: weights in a block. panel: how the int8 panel engines add products up; wide:
 * sub-blocks of 32 weights, not 16; _min: blocks or sub-blocks have an offset.
 */
#ifndef PI_KERNEL_FORMATS_H
#define PI_KERNEL_FORMATS_H

/* clang-format off */
#define PI_Q8_FORMATS(ROW) \
    ROW(q4_0,   DTYPE_Q4_0,   q8,  32,  q8) \
    ROW(q4_1,   DTYPE_Q4_1,   q8,  32,  q8_min) \
    ROW(q5_0,   DTYPE_Q5_0,   q8,  32,  q8) \
    ROW(q5_1,   DTYPE_Q5_1,   q8,  32,  q8_min) \
    ROW(q8_0,   DTYPE_Q8_0,   q8,  32,  q8) \
    ROW(iq4_nl, DTYPE_IQ4_NL, q8,  32,  q8) \
    ROW(mxfp4,  DTYPE_MXFP4,  q8,  32,  q8)

#define PI_Q8K_FORMATS(ROW) \
    ROW(q2_k,   DTYPE_Q2_K,   q8k, 256, q8k_min) \
    ROW(q3_k,   DTYPE_Q3_K,   q8k, 256, q8k) \
    ROW(q4_k,   DTYPE_Q4_K,   q8k, 256, wide_min) \
    ROW(q5_k,   DTYPE_Q5_K,   q8k, 256, wide_min) \
    ROW(q6_k,   DTYPE_Q6_K,   q8k, 256, q8k) \
    ROW(iq4_xs, DTYPE_IQ4_XS, q8k, 256, wide)

#define PI_GRID_FORMATS(ROW) \
    ROW(iq2_xxs, DTYPE_IQ2_XXS, grid, 256, q8k) \
    ROW(iq2_xs,  DTYPE_IQ2_XS,  grid, 256, q8k) \
    ROW(iq2_s,   DTYPE_IQ2_S,   grid, 256, q8k) \
    ROW(iq3_xxs, DTYPE_IQ3_XXS, grid, 256, q8k) \
    ROW(iq3_s,   DTYPE_IQ3_S,   grid, 256, q8k) \
    ROW(iq1_s,   DTYPE_IQ1_S,   grid, 256, q8k) \
    ROW(iq1_m,   DTYPE_IQ1_M,   grid, 256, q8k) \
    ROW(tq1_0,   DTYPE_TQ1_0,   grid, 256, q8k) \
    ROW(tq2_0,   DTYPE_TQ2_0,   grid, 256, q8k)
/* clang-format on */

/* Those that every SIMD tier executes. */
#define PI_BLOCK_FORMATS(ROW) PI_Q8_FORMATS(ROW) PI_Q8K_FORMATS(ROW)

#endif
