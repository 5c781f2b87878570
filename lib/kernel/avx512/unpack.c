/* unpack.c - weights to float32, rounded step by step as the formats define it.
 */
#include "block.h"
#include "kernel/formats.h"

static PI_UNPACK(unpack_f16_avx512)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        _mm512_mask_storeu_ps(y + i, live,
                              _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(live, w + 2 * i)));
    }
}

static PI_UNPACK(unpack_bf16_avx512)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(live, w + 2 * i));
        _mm512_mask_storeu_epi32(y + i, live, _mm512_slli_epi32(wide, 16));
    }
}

/* Values 16 * i on of 64 signed bytes. */
INLINE_AVX512 __m512 widen_avx512(__m512i q, int i)
{
    __m512i lane =
        _mm512_permutexvar_epi64(_mm512_set_epi64(0, 0, 0, 0, 0, 0, 2 * i + 1, 2 * i), q);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_castsi512_si128(lane)));
}

/* y = scale * q (+ min) */
INLINE_AVX512 void unpack_q8_avx512(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    int64_t bytes = block_bytes_q8_avx512(type);

    for (int64_t i = 0; i < n; i += 64, w += 2 * bytes) {
        bool pair = i + 32 < n;
        __m512i q = quants_q8_avx512(type, w, pair ? w + bytes : w);
        q = _mm512_sub_epi8(
            q, _mm512_set1_epi8((char)(offset_q8_avx512(type) ? 1 << offset_q8_avx512(type) : 0)));
        for (int b = 0; b < 1 + pair; b++) {
            const uint8_t *at = w + b * bytes;
            __m512 scale =
                _mm512_broadcastss_ps(_mm512_castps512_ps128(scales_q8_avx512(type, at, 0, 1)));
            __m512 low = _mm512_mul_ps(scale, widen_avx512(q, 2 * b));
            __m512 high = _mm512_mul_ps(scale, widen_avx512(q, 2 * b + 1));
            if (has_min_q8_avx512(type)) {
                __m512 min = _mm512_set1_ps(
                    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(pi_le16(at + 2)))));
                low = _mm512_add_ps(low, min);
                high = _mm512_add_ps(high, min);
            }
            _mm512_storeu_ps(y + i + 32 * b, low);
            _mm512_storeu_ps(y + i + 32 * b + 16, high);
        }
    }
}

/* y = (d * group) * q (- dmin * low) */
INLINE_AVX512 void unpack_q8k_avx512(enum dtype type, float *y, const uint8_t *w, int64_t n)
{
    for (; n > 0; n -= 256, y += 256, w += block_bytes_q8k_avx512(type)) {
        __m256i low, group = groups_q8k_avx512(type, w, &low);
        __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)scale_bits_q8k_avx512(type, w)));
        __m512 d = _mm512_broadcastss_ps(both);
        __m512 dmin = _mm512_broadcastss_ps(_mm_movehdup_ps(both));
        __m512 scale = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(group)));
        __m512 min = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(low)));
#pragma GCC unroll 4
        for (int chunk = 0; chunk < 4; chunk++) {
            __m512i q = quants_q8k_avx512(type, w, chunk);
            q = _mm512_sub_epi8(
                q, _mm512_set1_epi8(
                       (char)(offset_q8k_avx512(type) ? 1 << offset_q8k_avx512(type) : 0)));
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                __m512i g = _mm512_set1_epi32(4 * chunk + i);
                __m512 v = _mm512_mul_ps(_mm512_permutexvar_ps(g, scale), widen_avx512(q, i));
                if (!offset_q8k_avx512(type))
                    v = _mm512_sub_ps(v, _mm512_permutexvar_ps(g, min));
                _mm512_storeu_ps(y + 64 * chunk + 16 * i, v);
            }
        }
    }
}

#define UNPACK(format, TYPE, kind, block, panel) \
    static PI_UNPACK(unpack_##format##_avx512) { unpack_##kind##_avx512(TYPE, y, w, n); }

PI_BLOCK_FORMATS(UNPACK)
#undef UNPACK

void pi_unpack_avx512(struct kernels *k)
{
    k->unpack[DTYPE_F16] = unpack_f16_avx512;
    k->unpack[DTYPE_BF16] = unpack_bf16_avx512;

#define SET(format, TYPE, kind, block, panel) k->unpack[TYPE] = unpack_##format##_avx512;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
