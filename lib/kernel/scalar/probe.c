/* probe.c - what this machine can do at most: arithmetic on registers, a sequential read.
 */
#include "kernel/overlays.h"

/* Eight independent chains of a * x + y. The result is used in a way that the compiler cannot
 * foresee, so that it keeps the work. */
static PI_PEAK(peak_scalar)
{
    float a[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, sum = 0;

    for (int64_t i = 0; i < rounds; i++)
        for (int j = 0; j < 8; j++)
            a[j] = a[j] * 0.5f + 1;
    for (int j = 0; j < 8; j++)
        sum += a[j];
    return 16 * (double)rounds + (sum < 0);
}

static PI_STREAM(stream_scalar)
{
    const uint8_t *p = data;
    uint64_t sum[8] = { 0 };

    for (size_t i = 0; i < bytes; i += 64)
        for (size_t j = 0; j < 8; j++) {
            uint64_t word;
            memcpy(&word, p + i + 8 * j, 8);
            sum[j] += word;
        }
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

void pi_probe_scalar(struct kernels *k)
{
    k->peak = peak_scalar;
    k->stream = stream_scalar;
}
