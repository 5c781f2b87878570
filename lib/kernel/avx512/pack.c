/* pack.c - float rows to the operand rows of dot, and to half precision.
 */
#include "quantize.h"

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
