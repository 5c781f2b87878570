/* common.h - what the AVX-512 kernels share: sums of lanes in a fixed order, transposition.
 */
#ifndef PI_AVX512_COMMON_H
#define PI_AVX512_COMMON_H

#include <immintrin.h>

#include "kernel/overlays.h"

/* Functions whose arguments choose code must vanish into their callers. */
#define INLINE_AVX512 static inline __attribute__((always_inline))

/* How far ahead of its use a weight stream is fetched: 2 KiB gave 100 % of the machine's
 * streaming rate, 1 KiB 96 %, 4 KiB 93 %, nothing 73 % (Granite Rapids). */
enum { PREFETCH_AVX512 = 2048 };

INLINE_AVX512 void prefetch_avx512(const uint8_t *w, int bytes)
{
#pragma GCC unroll 16
    for (int i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)w + PREFETCH_AVX512 + i, _MM_HINT_T0);
}

/* Rows that are used four at a time come in another order than that of memory, which no hardware
 * foresees: fetched is, in the order of memory, what lies this far behind the next four. */
enum { AHEAD_AVX512 = 5120 };

/* Not unrolled, since a burst of fetches holds up the loads behind it: 91 % of the machine's rate
 * against 77 % (Zen 5). */
INLINE_AVX512 void fetch_avx512(const uint8_t *w, int64_t bytes)
{
#pragma GCC unroll 1
    for (int64_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)w + i, _MM_HINT_T0);
}

/* Neighbouring lanes added: per 128 bits (a0+a2, b0+b2, a1+a3, b1+b3). */
INLINE_AVX512 __m512i add_odd_avx512(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* Completes two add_odd: per 128 bits the sums of the four lanes of each of four vectors. */
INLINE_AVX512 __m512i add_even_avx512(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* ((v0+v8) + (v4+v12)) + ((v2+v10) + (v6+v14)), plus the same of the odd lanes. */
INLINE_AVX512 float sum_lanes_avx512(__m512 v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* 32 bytes at a, then 32 at b. */
INLINE_AVX512 __m512i two_avx512(const uint8_t *a, const uint8_t *b)
{
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)a)),
        _mm256_loadu_si256((const __m256i *)(const void *)b), 1);
}

/* Eight dwords of 16 rows, `stride` bytes apart, become eight columns. */
INLINE_AVX512 void eight_columns_avx512(__m512i to[8], const void *rows, int64_t stride)
{
    const uint8_t *at = rows;
    __m512i r[8], s[8];

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        r[k] = two_avx512(at + k * stride, at + (k + 4) * stride);
        r[k + 4] = two_avx512(at + (k + 8) * stride, at + (k + 12) * stride);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 8; k += 2) {
        s[k] = _mm512_unpacklo_epi32(r[k], r[k + 1]);
        s[k + 1] = _mm512_unpackhi_epi32(r[k], r[k + 1]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < 8; k += 4) {
        r[k] = _mm512_unpacklo_epi64(s[k], s[k + 2]);
        r[k + 1] = _mm512_unpackhi_epi64(s[k], s[k + 2]);
        r[k + 2] = _mm512_unpacklo_epi64(s[k + 1], s[k + 3]);
        r[k + 3] = _mm512_unpackhi_epi64(s[k + 1], s[k + 3]);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        to[k] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0x88);
        to[k + 4] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0xDD);
    }
}

/* 16 sums of a slab, of which `rows` exist, added to y or (first) written. */
INLINE_AVX512 void put_avx512(__m512 sum, bool first, int64_t rows, float *y)
{
    __mmask16 live = (__mmask16)((1u << pi_max(0, pi_min(rows, 16))) - 1);
    __m512 before = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(live, y);

    _mm512_mask_storeu_ps(y, live, _mm512_add_ps(before, sum));
}

/* 16 rows of 16 dwords become 16 columns. */
INLINE_AVX512 void transpose_avx512(__m512i r[16])
{
    __m512i s[16];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
        s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        s[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        s[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
        s[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        s[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0xDD);
        r[i + 4] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(s[i + 4], s[i + 12], 0xDD);
    }
}

#endif
