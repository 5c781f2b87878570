/* chunk.h - what a quantised format contributes to the engines of many tokens: 256 columns of a
 * row as bytes in natural order and their scales. The AVX-512 engine takes them too.
 */
#ifndef PI_AVX2_CHUNK_H
#define PI_AVX2_CHUNK_H

#include "block.h"
#include "kernel/scalar/grid.h"

enum {
    SLAB_AVX2 = 1024,     /* columns that an engine unpacks at once; four chunks */
    CHUNK_WORDS_AVX2 = 96 /* dwords of struct chunk_avx2 */
};

/* 256 columns of a row. Bytes are unsigned, 1 << offset above the value in formats without minima;
 * or signed. */
struct chunk_avx2 {
    uint8_t q[256];
    union {
        struct {
            float scale[8], min[8]; /* of blocks of 32 */
        } q8;
        struct {
            int16_t group[16][2]; /* scales of groups of 16, each twice */
            int16_t low[16];      /* their minima, or scale << offset */
            float d, dmin;
        } q8k;
        uint32_t words[CHUNK_WORDS_AVX2 - 64];
    } of;
} __attribute__((aligned(64)));

/* Eight blocks of 32, or one of 256, at w. */
typedef void chunk_avx2_fn(struct chunk_avx2 *to, const uint8_t *w);

INLINE_AVX2 void chunk_q8_avx2(enum dtype type, int offset, struct chunk_avx2 *to,
                               const uint8_t *w)
{
    __m256i add = _mm256_set1_epi8((char)(offset && is_signed_avx2(type) ? 1 << offset : 0));
    int64_t bytes = block_bytes_avx2(type);

    for (int i = 0; i < 8; i++)
        _mm256_store_si256((__m256i *)(void *)(to->q + 32 * i),
                           _mm256_add_epi8(quants_q8_avx2(type, w + i * bytes), add));
    _mm256_store_ps(to->of.q8.scale, scales_avx2(type, w));
    if (has_min_avx2(type))
        _mm256_store_ps(to->of.q8.min, scales_avx2(type, w + 2));
}

INLINE_AVX2 void chunk_q8k_avx2(enum dtype type, int offset, struct chunk_avx2 *to,
                                const uint8_t *w)
{
    __m256i add = _mm256_set1_epi8((char)(offset && is_signed_avx2(type) ? 1 << offset : 0));
    __m256i low, group = groups_avx2(type, w, &low);
    __m256i first = _mm256_permute4x64_epi64(group, 0xD8); /* 0..3, 8..11, 4..7, 12..15 */
    __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128((int)scale_bits_avx2(type, w)));
    __m256i q[4];

#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        quants_q8k_avx2(type, w, half, q);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            _mm256_store_si256((__m256i *)(void *)(to->q + 128 * half + 32 * i),
                               _mm256_add_epi8(q[i], add));
    }
    if (offset)
        low = _mm256_slli_epi16(group, offset);
    _mm256_store_si256((__m256i *)(void *)to->of.q8k.group[0],
                       _mm256_unpacklo_epi16(first, first));
    _mm256_store_si256((__m256i *)(void *)to->of.q8k.group[8],
                       _mm256_unpackhi_epi16(first, first));
    _mm256_store_si256((__m256i *)(void *)to->of.q8k.low, low);
    _mm_storel_pi((__m64 *)(void *)&to->of.q8k.d, d);
}

/* A format that plain C reads, with signed values; stored with an offset if there is one. */
INLINE_AVX2 void chunk_grid_avx2(void (*read)(struct block256 *b, const uint8_t *w), int offset,
                                 struct chunk_avx2 *to, const uint8_t *w)
{
    struct block256 b;

    read(&b, w);
    for (int i = 0; i < 256; i++)
        to->q[i] = (uint8_t)(b.q[i] + (offset ? 1 << offset : 0));
    for (int g = 0; g < 16; g++) {
        to->of.q8k.group[g][0] = to->of.q8k.group[g][1] = b.group[g];
        to->of.q8k.low[g] = (int16_t)(offset ? b.group[g] * (1 << offset) : 0);
    }
    to->of.q8k.d = b.d;
    to->of.q8k.dmin = 0;
}

#endif
