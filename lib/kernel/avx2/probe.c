/* probe.c - the machine's ceilings: byte products on registers, 32-byte sequential loads.
 */
#include "common.h"

/* VPMADDUBSW, VPMADDWD and an addition: what 32 multiply-adds of bytes take here. The empty
 * statement keeps the compiler from seeing that the products do not change. */
static PI_PEAK(peak_avx2)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum[8], w = _mm256_set1_epi8(3), total = _mm256_setzero_si256();

    for (int i = 0; i < 8; i++)
        sum[i] = _mm256_set1_epi32(i + (int)rounds);
    for (int64_t n = 0; n < rounds; n++)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __asm__ volatile("" : "+x"(w));
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(w, w), ones));
        }
    for (int i = 0; i < 8; i++)
        total = _mm256_add_epi32(total, sum[i]);
    return 8 * 64 * (double)rounds + (_mm256_testz_si256(total, total) != 0);
}

static PI_STREAM(stream_avx2)
{
    const uint8_t *p = data;
    __m256i sum[8];

    for (int i = 0; i < 8; i++)
        sum[i] = _mm256_setzero_si256();
    for (size_t at = 0; at < bytes; at += 256) {
        prefetch_avx2(p + at, 256);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
            sum[i] = _mm256_add_epi64(sum[i], load_avx2(p + at + 32 * i));
    }
    for (int i = 1; i < 8; i++)
        sum[0] = _mm256_add_epi64(sum[0], sum[i]);
    return (uint64_t)(_mm256_extract_epi64(sum[0], 0) + _mm256_extract_epi64(sum[0], 1) +
                      _mm256_extract_epi64(sum[0], 2) + _mm256_extract_epi64(sum[0], 3));
}

void pi_probe_avx2(struct kernels *k)
{
    k->peak = peak_avx2;
    k->stream = stream_avx2;
}
