/* rope.c - rotary position embedding: pairs of a head turn by an angle each.
 */
#include "common.h"

/* (a, b) -> (a cos - b sin, a sin + b cos) */
INLINE_AVX2 void turn_avx2(float *a, float *b, float cosine, float sine)
{
    float first = *a, second = *b;

    *a = first * cosine - second * sine;
    *b = first * sine + second * cosine;
}

/* Four pairs at once: even lanes a cos - b sin, odd lanes b cos + a sin. */
INLINE_AVX2 void interleaved_rope_avx2(float *x, const float *rot, int64_t pairs)
{
    int64_t i = 0;

    for (; i + 4 <= pairs; i += 4) {
        __m256 v = _mm256_loadu_ps(x + 2 * i), r = _mm256_loadu_ps(rot + 2 * i);
        __m256 swapped = _mm256_permute_ps(v, 0xB1);
        _mm256_storeu_ps(x + 2 * i,
                         _mm256_fmaddsub_ps(v, _mm256_moveldup_ps(r),
                                            _mm256_mul_ps(swapped, _mm256_movehdup_ps(r))));
    }
    for (; i < pairs; i++)
        turn_avx2(x + 2 * i, x + 2 * i + 1, rot[2 * i], rot[2 * i + 1]);
}

/* Eight pairs at once; cosines and sines are gathered from two vectors. */
INLINE_AVX2 void split_rope_avx2(float *x, const float *rot, int64_t pairs)
{
    int64_t i = 0;

    for (; i + 8 <= pairs; i += 8) {
        __m256 low = _mm256_loadu_ps(rot + 2 * i), high = _mm256_loadu_ps(rot + 2 * i + 8);
        __m256 p = _mm256_permute2f128_ps(low, high, 0x20);
        __m256 q = _mm256_permute2f128_ps(low, high, 0x31);
        __m256 cosine = _mm256_shuffle_ps(p, q, 0x88), sine = _mm256_shuffle_ps(p, q, 0xDD);
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + pairs);
        _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
        _mm256_storeu_ps(x + i + pairs, _mm256_fmadd_ps(a, sine, _mm256_mul_ps(b, cosine)));
    }
    for (; i < pairs; i++)
        turn_avx2(x + i, x + i + pairs, rot[2 * i], rot[2 * i + 1]);
}

static PI_ROPE(rope_avx2)
{
    for (int64_t h = 0; h < heads; h++, x += c) {
        if (interleaved)
            interleaved_rope_avx2(x, rot, pairs);
        else
            split_rope_avx2(x, rot, pairs);
    }
}

void pi_rope_avx2(struct kernels *k) { k->rope = rope_avx2; }
