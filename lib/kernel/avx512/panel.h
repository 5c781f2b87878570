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
enum { PANEL_TOKENS_AVX512 = 9, PANEL_LEAST_AVX512 = 8 };

struct format_avx512 {
    chunk_avx2_fn *chunk;
    int block, bytes, offset;
    bool has_min, wide; /* wide: groups of 32 */
    bool narrow;        /* blocks of 32 have groups of 16 */
};

/* 32 rows of a slab: dword i of the chunks of 16 rows. */
struct panel_avx512 {
    __m512i word[SLAB_AVX2 / 256][2][CHUNK_WORDS_AVX2];
};

/* Unpacks up to 32 rows of n columns; those past the last repeat it. A row's last few blocks are
 * copied, so that nothing behind them is read. */
static __attribute__((noinline, unused)) void fill_avx512(struct panel_avx512 *p,
                                                          const struct format_avx512 *f,
                                                          const uint8_t *w, int64_t w_stride,
                                                          int64_t rows, int64_t n)
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
            for (int i = 0; i < (f->block == 32 ? 80 : CHUNK_WORDS_AVX2); i += 8)
                eight_columns_avx512(p->word[c][half] + i, chunk[0].q + 4 * i, sizeof chunk[0]);
        }
}

#endif
