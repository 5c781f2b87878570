/* dot.c - the quantised dots with SDOT: the engine and the formats are NEON's, see neon/row.h.
 */
#include "sdot.h"

#define DOT(format, TYPE, block)                                                             \
    static PI_DOT(dot_##format##_dotprod)                                                    \
    {                                                                                        \
        rows_neon(mac_dotprod, TYPE, block, rows, cols, w, w_stride, m, x, x_stride, y,      \
                  y_stride);                                                                 \
    }

DOT(q4_0, DTYPE_Q4_0, 32)
DOT(q4_1, DTYPE_Q4_1, 32)
DOT(q5_0, DTYPE_Q5_0, 32)
DOT(q5_1, DTYPE_Q5_1, 32)
DOT(q8_0, DTYPE_Q8_0, 32)
DOT(iq4_nl, DTYPE_IQ4_NL, 32)
DOT(mxfp4, DTYPE_MXFP4, 32)
DOT(q2_k, DTYPE_Q2_K, 256)
DOT(q3_k, DTYPE_Q3_K, 256)
DOT(q4_k, DTYPE_Q4_K, 256)
DOT(q5_k, DTYPE_Q5_K, 256)
DOT(q6_k, DTYPE_Q6_K, 256)
DOT(iq4_xs, DTYPE_IQ4_XS, 256)

#undef DOT

void pi_dot_dotprod(struct kernels *k)
{
    k->dot[DTYPE_Q4_0] = dot_q4_0_dotprod;
    k->dot[DTYPE_Q4_1] = dot_q4_1_dotprod;
    k->dot[DTYPE_Q5_0] = dot_q5_0_dotprod;
    k->dot[DTYPE_Q5_1] = dot_q5_1_dotprod;
    k->dot[DTYPE_Q8_0] = dot_q8_0_dotprod;
    k->dot[DTYPE_IQ4_NL] = dot_iq4_nl_dotprod;
    k->dot[DTYPE_MXFP4] = dot_mxfp4_dotprod;
    k->dot[DTYPE_Q2_K] = dot_q2_k_dotprod;
    k->dot[DTYPE_Q3_K] = dot_q3_k_dotprod;
    k->dot[DTYPE_Q4_K] = dot_q4_k_dotprod;
    k->dot[DTYPE_Q5_K] = dot_q5_k_dotprod;
    k->dot[DTYPE_Q6_K] = dot_q6_k_dotprod;
    k->dot[DTYPE_IQ4_XS] = dot_iq4_xs_dotprod;
}
