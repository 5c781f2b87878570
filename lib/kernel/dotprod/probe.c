/* probe.c - the machine's ceiling in arithmetic: SDOT on registers.
 */
#include "sdot.h"

/* Eight independent chains. The empty statement keeps the compiler from seeing that the products do
 * not change. */
static PI_PEAK(peak_dotprod)
{
    int32x4_t sum[8];
    int8x16_t w = vdupq_n_s8(3);

    for (int i = 0; i < 8; i++)
        sum[i] = vdupq_n_s32(i + (int)rounds);
    for (int64_t n = 0; n < rounds; n++)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __asm__ volatile("" : "+w"(w));
            sum[i] = mac_dotprod(false, sum[i], w, w);
        }
    for (int i = 1; i < 8; i++)
        sum[0] = vaddq_s32(sum[0], sum[i]);
    return 8 * 32 * (double)rounds + (vaddvq_s32(sum[0]) == 0);
}

void pi_probe_dotprod(struct kernels *k)
{
    k->peak = peak_dotprod;
}
