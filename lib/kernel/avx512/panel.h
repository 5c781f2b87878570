/* panel.h - what the engines of many tokens share: weights of 32 rows as columns of four bytes.
 *
 * A format contributes a chunk, see avx2/chunk.h. Chunks of 16 rows are transposed, so that lanes
 * are rows, and a slab of 32 rows stays in the cache for all tokens.
 */
#ifndef PI_AVX512_PANEL_H
#define PI_AVX512_PANEL_H

#include "block.h"
#include "kernel/avx2/chunk.h"

/* From this many on, transposing the weights pays. */
enum { PANEL_TOKENS_AVX512 = 6, PANEL_LEAST_AVX512 = 8 };

struct format_avx512 {
    chunk_avx2_fn *chunk;
    int block, bytes, offset;
    bool has_min, wide; /* wide: groups of 32 */
};

/* 32 rows of a slab: dword i of the chunks of 16 rows. */
struct panel_avx512 {
    __m512i word[SLAB_AVX2 / 256][2][CHUNK_WORDS_AVX2];
};

/* 32 bytes of rows r and r + 4. */
INLINE_AVX512 __m512i two_avx512(const struct chunk_avx2 *rows, int r, int at)
{
    __m512i low = _mm512_castsi256_si512(
        _mm256_load_si256((const __m256i *)(const void *)(rows[r].q + at)));

    return _mm512_inserti64x4(
        low, _mm256_load_si256((const __m256i *)(const void *)(rows[r + 4].q + at)), 1);
}

/* Chunks of 16 rows become the columns of their dwords. */
INLINE_AVX512 void weave_avx512(__m512i *to, const struct chunk_avx2 *rows, int words)
{
    for (int i = 0; i < words; i += 8) {
        __m512i r[8], s[8];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            r[k] = two_avx512(rows, k, 4 * i);
            r[k + 4] = two_avx512(rows, k + 8, 4 * i);
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
            to[i + k] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0x88);
            to[i + k + 4] = _mm512_shuffle_i32x4(r[k], r[k + 4], 0xDD);
        }
    }
}

/* Unpacks up to 32 rows of n columns; those past the last repeat it. A row's last few blocks are
 * copied, so that nothing behind them is read. */
static __attribute__((noinline)) void fill_avx512(struct panel_avx512 *p,
                                                  const struct format_avx512 *f, const uint8_t *w,
                                                  int64_t w_stride, int64_t rows, int64_t n)
{
    struct chunk_avx2 chunk[16];
    uint8_t tail[8 * 34] = { 0 };
    int64_t bytes = 256 / f->block * f->bytes;

    for (int half = 0; half < 2 && 16 * half < rows; half++)
        for (int64_t c = 0; c < (n + 255) / 256; c++) {
            for (int r = 0; r < 16; r++) {
                const uint8_t *at = w + pi_min(16 * half + r, rows - 1) * w_stride + c * bytes;
                if (n - 256 * c < 256) {
                    memcpy(tail, at, (size_t)((n - 256 * c) / f->block * f->bytes));
                    at = tail;
                } else {
                    prefetch_avx512(at - PREFETCH_AVX512 + 2 * bytes, 256);
                }
                f->chunk(&chunk[r], at);
            }
            weave_avx512(p->word[c][half], chunk, f->block == 32 ? 80 : CHUNK_WORDS_AVX2);
        }
}

/* 16 sums of a slab, of which `rows` exist, added to y or (first) written. */
INLINE_AVX512 void put_avx512(__m512 sum, bool first, int64_t rows, float *y)
{
    __mmask16 live = (__mmask16)((1u << pi_max(0, pi_min(rows, 16))) - 1);
    __m512 before = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(live, y);

    _mm512_mask_storeu_ps(y, live, _mm512_add_ps(before, sum));
}

#endif
