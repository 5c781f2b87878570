/* probe.c - the machine's ceilings: VNNI on registers, 64-byte sequential loads.
 */
#include "common.h"

/* Sixteen chains of VPDPBUSD: 64 multiply-adds each. The sum is used in a way that the compiler
 * cannot foresee, so that it keeps the work. */
static PI_PEAK(peak_avx512)
{
    __m512i sum[16], a = _mm512_set1_epi8((char)rounds), b = _mm512_set1_epi8(1);

    for (int i = 0; i < 16; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (int64_t n = 0; n < rounds; n++)
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
    for (int i = 1; i < 16; i++)
        sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    return 16 * 128 * (double)rounds + (_mm_cvtsi128_si32(_mm512_castsi512_si128(sum[0])) == 1);
}

static PI_STREAM(stream_avx512)
{
    const uint8_t *p = data;
    __m512i sum[8];

    for (int i = 0; i < 8; i++)
        sum[i] = _mm512_setzero_si512();
    for (size_t at = 0; at < bytes; at += 512) {
        prefetch_avx512(p + at, 512);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = _mm512_add_epi64(sum[i], _mm512_loadu_si512(p + at + 64 * i));
    }
    for (int i = 1; i < 8; i++)
        sum[0] = _mm512_add_epi64(sum[0], sum[i]);
    _Alignas(64) uint64_t lanes[8];
    _mm512_store_si512(lanes, sum[0]);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}

void pi_probe_avx512(struct kernels *k)
{
    k->peak = peak_avx512;
    k->stream = stream_avx512;
}
