/* pack.c - float rows to the operand rows of dot, and to half precision.
 */
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

static PI_PACK(pack_q8_avx512)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int32_t *sum = (int32_t *)(void *)(q + pi_operand_sums(OPERAND_Q8, n));

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8, n) - (size_t)n);
    for (int64_t b = 0; b < n / 32; b++, x += 32, q += 32) {
        float factor = factor_avx512(x, 32, &scale[b]);
        __m512i low = quantize_avx512(q, x, factor),
                high = quantize_avx512(q + 16, x + 16, factor);
        sum[b] = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
    }
}

static PI_PACK(pack_q8k_avx512)
{
    int8_t *q = y;
    float *scale = (float *)(void *)(q + pi_operand_scales(n));
    int16_t *sum = (int16_t *)(void *)(q + pi_operand_sums(OPERAND_Q8K, n));

    memset(q + n, 0, pi_operand_bytes(OPERAND_Q8K, n) - (size_t)n);
    for (int64_t b = 0; b < n / 256; b++) {
        float factor = factor_avx512(x, 256, &scale[b]);
        for (int i = 0; i < 16; i++, x += 16, q += 16)
            *sum++ = (int16_t)_mm512_reduce_add_epi32(quantize_avx512(q, x, factor));
    }
}

static PI_TO_F16(to_f16_avx512)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        __m512 v = _mm512_maskz_loadu_ps(live, x + i);
        _mm256_mask_storeu_epi16(
            y + i, live, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
}

void pi_pack_avx512(struct kernels *k)
{
    k->pack[OPERAND_Q8] = pack_q8_avx512;
    k->pack[OPERAND_Q8K] = pack_q8k_avx512;
    k->to_f16 = to_f16_avx512;
}
