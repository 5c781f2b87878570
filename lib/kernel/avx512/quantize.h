/* quantize.h - floats to int8, as pack does it.
 */
#ifndef PI_AVX512_QUANTIZE_H
#define PI_AVX512_QUANTIZE_H

#include <math.h>

#include "common.h"

/* The factor 127 / a of n values (a multiple of 32), 0 if they give zeros; scale as in kernel.h.
 */
INLINE_AVX512 float factor_avx512(const float *x, int n, float *scale)
{
    enum { NOT_FINITE_AVX512 = 0x01 | 0x08 | 0x10 | 0x80 }; /* VFPCLASSPS: NaN and infinities */
    __m512 most = _mm512_setzero_ps();
    unsigned bad = 0;
    float a;

#pragma GCC unroll 16
    for (int i = 0; i < n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        bad |= _mm512_fpclass_ps_mask(v, NOT_FINITE_AVX512);
        most = _mm512_max_ps(most, _mm512_abs_ps(v));
    }
    a = _mm512_reduce_max_ps(most);
    *scale = bad ? NAN : a < PI_PACK_TINY ? 0 : a / 127;
    return bad || a < PI_PACK_TINY ? 0 : 127 / a;
}

/* 16 values times the factor as bytes; a factor of 0 gives zeros whatever the values. */
INLINE_AVX512 __m512i quantize_avx512(int8_t *q, const float *x, float factor)
{
    __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(factor));
    __m512i i = _mm512_maskz_cvtps_epi32(factor != 0 ? 0xFFFF : 0, v);

    _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtepi32_epi8(i));
    return i;
}

/* Likewise, as bytes 128 more than that; gives what it gives. */
INLINE_AVX512 __m512i bytes_many_avx512(uint8_t *q, const float *x, float factor)
{
    __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(factor));
    __m512i i = _mm512_maskz_cvtps_epi32(factor != 0 ? 0xFFFF : 0, v);

    _mm_storeu_si128((__m128i *)(void *)q,
                     _mm_xor_si128(_mm512_cvtepi32_epi8(i), _mm_set1_epi8(-128)));
    return i;
}

#endif
