/* unpack.c - weights to float32, rounded step by step as the formats define it.
 */
#include "block.h"
#include "kernel/formats.h"

INLINE_AVX2 __m256 widen_avx2(__m128i bytes)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* Eight values from 8 * i on of 32 signed bytes. */
INLINE_AVX2 __m256 eight_avx2(__m256i q, int i)
{
    __m128i half = i < 2 ? _mm256_castsi256_si128(q) : _mm256_extracti128_si256(q, 1);

    return widen_avx2(i % 2 ? _mm_unpackhi_epi64(half, half) : half);
}

static PI_UNPACK(unpack_f16_avx2)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(w + 2 * i))));
    for (; i < n; i++)
        y[i] = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(pi_le16(w + 2 * i))));
}

static PI_UNPACK(unpack_bf16_avx2)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(w + 2 * i));
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
        _mm256_storeu_si256((__m256i *)(void *)(y + i), wide);
    }
    for (; i < n; i++)
        y[i] = pi_f32_from_bf16(pi_le16(w + 2 * i));
}

/* y = scale * q (+ min) */
INLINE_AVX2 void unpack_q8_avx2(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    for (; n > 0; n -= 32, y += 32, w += block_bytes_avx2(type)) {
        __m256i q = quants_q8_avx2(type, w);
        __m256 scale = _mm256_set1_ps(block_scale_avx2(type, w));
        __m256 min = _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(pi_le16(w + 2))));
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m256 v = _mm256_mul_ps(scale, eight_avx2(q, i));
            _mm256_storeu_ps(y + 8 * i, has_min_avx2(type) ? _mm256_add_ps(v, min) : v);
        }
    }
}

/* y = (d * group) * q (- dmin * low) */
INLINE_AVX2 void unpack_q8k_avx2(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    for (; n > 0; n -= 256, y += 256, w += block_bytes_avx2(type)) {
        __m256i low, group = groups_avx2(type, w, &low);
        __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)scale_bits_avx2(type, w)));
        __m256 d = _mm256_broadcastss_ps(both),
               dmin = _mm256_broadcastss_ps(_mm_movehdup_ps(both));
        float scale[16], min[16];
        __m256i all[4];

        for (int i = 0; i < 2; i++) {
            __m128i g = i ? _mm256_extracti128_si256(group, 1) : _mm256_castsi256_si128(group);
            __m128i l = i ? _mm256_extracti128_si256(low, 1) : _mm256_castsi256_si128(low);
            _mm256_storeu_ps(scale + 8 * i,
                             _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(g))));
            _mm256_storeu_ps(min + 8 * i,
                             _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(l))));
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __m256i q;
            if (i % 4 == 0)
                quants_q8k_avx2(type, w, i / 4, all);
            q = all[i % 4];
            if (offset_avx2(type))
                q = _mm256_sub_epi8(q, _mm256_set1_epi8((char)(1 << offset_avx2(type))));
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                __m256 v = _mm256_mul_ps(_mm256_set1_ps(scale[2 * i + j / 2]), eight_avx2(q, j));
                if (has_min_avx2(type))
                    v = _mm256_sub_ps(v, _mm256_set1_ps(min[2 * i + j / 2]));
                _mm256_storeu_ps(y + 32 * i + 8 * j, v);
            }
        }
    }
}

#define UNPACK(format, TYPE, kind, block, panel) \
    static PI_UNPACK(unpack_##format##_avx2) { unpack_##kind##_avx2(TYPE, y, w, n); }

PI_BLOCK_FORMATS(UNPACK)
#undef UNPACK

void pi_unpack_avx2(struct kernels *k)
{
    k->unpack[DTYPE_F16] = unpack_f16_avx2;
    k->unpack[DTYPE_BF16] = unpack_bf16_avx2;

#define SET(format, TYPE, kind, block, panel) k->unpack[TYPE] = unpack_##format##_avx2;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
