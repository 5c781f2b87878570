/* rope.c - rotary position embedding: pairs of a head turn by an angle each.
 */
#include "common.h"

/* Eight pairs at once: even lanes a cos - b sin, odd lanes b cos + a sin. */
INLINE_AVX512 void interleaved_rope_avx512(float *x, const float *rot, int64_t pairs)
{
    for (int64_t i = 0; i < 2 * pairs; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(2 * pairs - i, 16)) - 1);
        __m512 v = _mm512_maskz_loadu_ps(live, x + i), r = _mm512_maskz_loadu_ps(live, rot + i);
        __m512 swapped = _mm512_permute_ps(v, 0xB1);
        _mm512_mask_storeu_ps(x + i, live,
                              _mm512_fmaddsub_ps(v, _mm512_moveldup_ps(r),
                                                 _mm512_mul_ps(swapped, _mm512_movehdup_ps(r))));
    }
}

/* Sixteen pairs at once; cosines and sines are gathered from two vectors. */
INLINE_AVX512 void split_rope_avx512(float *x, const float *rot, int64_t pairs)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));

    for (int64_t i = 0; i < pairs; i += 16) {
        int64_t left = pi_min(pairs - i, 16);
        __mmask16 live = (__mmask16)((1u << left) - 1);
        uint32_t both = (uint32_t)((1ull << 2 * left) - 1);
        __m512 low = _mm512_maskz_loadu_ps((__mmask16)both, rot + 2 * i);
        __m512 high = _mm512_maskz_loadu_ps((__mmask16)(both >> 16), rot + 2 * i + 16);
        __m512 cosine = _mm512_permutex2var_ps(low, even, high);
        __m512 sine = _mm512_permutex2var_ps(low, odd, high);
        __m512 a = _mm512_maskz_loadu_ps(live, x + i);
        __m512 b = _mm512_maskz_loadu_ps(live, x + i + pairs);
        _mm512_mask_storeu_ps(x + i, live, _mm512_fmsub_ps(a, cosine, _mm512_mul_ps(b, sine)));
        _mm512_mask_storeu_ps(x + i + pairs, live,
                              _mm512_fmadd_ps(a, sine, _mm512_mul_ps(b, cosine)));
    }
}

static PI_ROPE(rope_avx512)
{
    for (int64_t h = 0; h < heads; h++, x += c) {
        if (interleaved)
            interleaved_rope_avx512(x, rot, pairs);
        else
            split_rope_avx512(x, rot, pairs);
    }
}

void pi_rope_avx512(struct kernels *k) { k->rope = rope_avx512; }
