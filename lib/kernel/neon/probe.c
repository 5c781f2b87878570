/* probe.c - the machine's ceilings: byte products on registers, 16-byte sequential loads.
 */
#include "common.h"

/* Two widening multiplies and a pairwise addition: what 16 multiply-adds of bytes take here. The
 * empty statement keeps the compiler from seeing that the products do not change. */
static PI_PEAK(peak_neon)
{
    int32x4_t sum[8];
    int8x16_t w = vdupq_n_s8(3);

    for (int i = 0; i < 8; i++)
        sum[i] = vdupq_n_s32(i + (int)rounds);
    for (int64_t n = 0; n < rounds; n++)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __asm__ volatile("" : "+w"(w));
            sum[i] = vpadalq_s16(sum[i], vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(w)),
                                                       w, w));
        }
    for (int i = 1; i < 8; i++)
        sum[0] = vaddq_s32(sum[0], sum[i]);
    return 8 * 32 * (double)rounds + (vaddvq_s32(sum[0]) == 0);
}

static PI_STREAM(stream_neon)
{
    const uint8_t *p = data;
    uint64x2_t sum[8];

    for (int i = 0; i < 8; i++)
        sum[i] = vdupq_n_u64(0);
    for (size_t at = 0; at < bytes; at += 128) {
        prefetch_neon(p + at, 128);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = vaddq_u64(sum[i], vreinterpretq_u64_u8(load_neon(p + at + 16 * i)));
    }
    for (int i = 1; i < 8; i++)
        sum[0] = vaddq_u64(sum[0], sum[i]);
    return vaddvq_u64(sum[0]);
}

void pi_probe_neon(struct kernels *k)
{
    k->peak = peak_neon;
    k->stream = stream_neon;
}
