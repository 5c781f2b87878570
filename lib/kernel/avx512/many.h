/* many.h - dot_many of quantised formats: int8 products of a prompt's tokens with VNNI.
 *
 * A slab of 32 rows becomes signed bytes whose lanes are rows, with the scales of its groups as
 * floats, and stays in the first cache while the tokens of the slab stream past it out of the
 * second, six at a time. Activations are unsigned bytes, 128 more than their value; what that adds
 * is subtracted by where the integer sums of a group start. Sums of a slab are added to y, slabs
 * in turn. Unlike in dot, the scale of a group is one float, and its sum is converted at once: a
 * group of 32 columns costs a tile's row and token eight VPDPBUSD and two or three operations on
 * floats, which share their ports.
 *
 * The operand of pack_many: [slab][token], of n columns uint8 q[n], then of OPERAND_Q8
 *     float scale[n/32] | float scaled[n/32]: scale times the sum of the block's q
 * and of OPERAND_Q8K
 *     float scale[n/256] | int16 sum[n/16] | int16 sum[n/32]: sums of 16 and of 32 q
 */
#ifndef PI_AVX512_MANY_H
#define PI_AVX512_MANY_H

#include "panel.h"

enum {
    TOKENS_MANY_AVX512 = 6, /* of a tile */
    SLAB_MANY_AVX512 = 1024, /* columns */
    HALF_MANY_AVX512 = SLAB_MANY_AVX512 / 256 * 105 /* vectors of 16 rows */
};

/* What lanes of 16 rows hold, vector by vector. For each group of 8 or 4 dwords: its dwords, where
 * its integer sums start, its scale. OPERAND_Q8 with minima: the minimum. OPERAND_Q8K with minima,
 * after the groups of 256 columns: eight (four, if groups are of 32) pairs of minima, their scale.
 */
struct panel_many_avx512 {
    __m512i half[2][HALF_MANY_AVX512];
};

_Static_assert(sizeof(struct panel_many_avx512) <= PI_MANY_PANELS,
               "what pi_many_scratch plans for it");

/* Vectors of 256 columns in a panel. */
INLINE_AVX512 int vectors_many_avx512(const struct format_avx512 *f)
{
    if (f->block == 32 && f->narrow)
        return 96;
    if (f->block == 32)
        return 80 + 8 * f->has_min;
    return f->wide ? 80 + 5 * f->has_min : 96 + 9 * f->has_min;
}

/* Bytes of n columns of a token. */
INLINE_AVX512 int64_t token_many_avx512(int block, int64_t n)
{
    return block == 32 ? n + n / 4 : n + n / 64 + n / 8 + n / 16;
}

/* Dwords of a group, made signed, and where its sum starts: -128 times the sum of its bytes. */
INLINE_AVX512 void group_many_avx512(__m512i *to, const __m512i *q, int span, __m512i offset)
{
    __m512i sum = _mm512_setzero_si512();

#pragma GCC unroll 8
    for (int i = 0; i < span; i++) {
        to[i] = _mm512_sub_epi8(q[i], offset);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), to[i]);
    }
    to[span] = _mm512_sub_epi32(_mm512_setzero_si512(), sum);
}

/* 256 columns of 16 rows, from their chunks; Q8: `groups` blocks of 32. */
INLINE_AVX512 void weave_many_avx512(__m512i *to, const struct format_avx512 *f,
                                     const struct chunk_avx2 *rows, int64_t groups)
{
    const __m512i offset = _mm512_set1_epi8((char)(f->offset ? 1 << f->offset : 0));
    int span = f->block == 32 || f->wide ? 8 : 4, step = vectors_many_avx512(f) / 8;
    __m512i q[8], scale[16], rest[8];

    eight_columns_avx512(scale, rows->of.words, sizeof *rows);
    eight_columns_avx512(scale + 8, rows->of.words + 8, sizeof *rows);
    eight_columns_avx512(rest, rows->of.words + 24, sizeof *rows);
    if (f->block == 256)
        step = span == 8 ? 10 : 12;
    for (int i = 0; i < groups; i++) {
        eight_columns_avx512(q, rows->q + 32 * i, sizeof *rows);
        if (f->block == 32 && f->narrow) {
            for (int j = 0; j < 2; j++) {
                group_many_avx512(to + i * step + 6 * j, q + 4 * j, 4, offset);
                to[i * step + 6 * j + 5] = scale[2 * i + j];
            }
            continue;
        }
        if (f->block == 32) {
            group_many_avx512(to + i * step, q, 8, offset);
            to[i * step + 9] = scale[i];
            if (f->has_min)
                to[i * step + 10] = scale[8 + i];
            continue;
        }
        for (int j = 0; j < 8; j += span) {
            __m512i *at = to + i * step + j / 4 * 6;
            __m512 group = _mm512_cvtepi32_ps(_mm512_srai_epi32(scale[2 * i + j / 4], 16));
            if (span == 8)
                group_many_avx512(at, q, 8, offset);
            else
                group_many_avx512(at, q + j, 4, offset);
            at[span + 1] =
                _mm512_castps_si512(_mm512_mul_ps(group, _mm512_castsi512_ps(rest[0])));
        }
    }
    if (f->block == 32 || !f->has_min)
        return;
    to += 8 * step;
    eight_columns_avx512(q, rows->of.words + 16, sizeof *rows);
    for (int i = 0; span == 4 && i < 8; i++)
        *to++ = q[i];
    for (int i = 0; span == 8 && i < 8; i += 2)
        *to++ = _mm512_mask_blend_epi16(0xAAAAAAAA, q[i], q[i + 1]);
    *to = rest[1];
}

/* Unpacks up to 32 rows of n columns; those past the last repeat it. A row's last few blocks are
 * copied, so that nothing behind them is read. next: bytes to the rows that will be read next. */
static __attribute__((noinline)) void fill_many_avx512(struct panel_many_avx512 *p,
                                                       const struct format_avx512 *f,
                                                       const uint8_t *w, int64_t w_stride,
                                                       int64_t rows, int64_t n, int64_t next)
{
    struct chunk_avx2 chunk[16];
    uint8_t tail[8 * 34] = { 0 };
    int64_t bytes = 256 / f->block * f->bytes;

    for (int half = 0; half < 2 && 16 * half < rows; half++)
        for (int64_t c = 0; c < (n + 255) / 256; c++) {
            for (int r = 0; r < 16; r++) {
                const uint8_t *at = w + pi_min(16 * half + r, rows - 1) * w_stride + c * bytes;
                for (int64_t i = 0; i < bytes; i += 64) {
                    _mm_prefetch((const char *)at + bytes + i, _MM_HINT_T0);
                    _mm_prefetch((const char *)at + next + i, _MM_HINT_T1);
                }
                if (n - 256 * c < 256) {
                    memcpy(tail, at, (size_t)((n - 256 * c) / f->block * f->bytes));
                    at = tail;
                }
                f->chunk(&chunk[r], at);
            }
            weave_many_avx512(p->half[half] + c * vectors_many_avx512(f), f, chunk,
                              pi_min(8, (n - 256 * c) / 32));
        }
}

/* sum = the group's dwords at w times four columns each of the tokens. */
INLINE_AVX512 void sums_many_avx512(int span, const __m512i *w, const uint8_t *const *x,
                                    int64_t column, __m512i sum[2][TOKENS_MANY_AVX512])
{
#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_MANY_AVX512; t++) {
        sum[0][t] = w[span];
        sum[1][t] = w[HALF_MANY_AVX512 + span];
    }
#pragma GCC unroll 8
    for (int i = 0; i < span; i++)
#pragma GCC unroll 6
        for (int t = 0; t < TOKENS_MANY_AVX512; t++) {
            int32_t four;
            memcpy(&four, x[t] + column + 4 * i, 4);
            __m512i v = _mm512_set1_epi32(four);
            sum[0][t] = _mm512_dpbusd_epi32(sum[0][t], v, w[i]);
            sum[1][t] = _mm512_dpbusd_epi32(sum[1][t], v, w[HALF_MANY_AVX512 + i]);
        }
}

/* The tokens of a tile, of which `live` exist; asks for their results so far, which are far. */
INLINE_AVX512 void tokens_many_avx512(const uint8_t *at[TOKENS_MANY_AVX512], const uint8_t *x,
                                      int64_t stride, int64_t live, const float *y,
                                      int64_t y_stride)
{
#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_MANY_AVX512; t++) {
        at[t] = x + pi_min(t, live - 1) * stride;
        _mm_prefetch((const char *)(y + t * y_stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(y + t * y_stride + 16), _MM_HINT_T0);
        _mm_prefetch((const char *)(y + t * y_stride + 31), _MM_HINT_T0);
    }
}

/* Sums of 32 rows and 6 tokens, of which `rows` and `live` exist, added to y or (first) written. */
INLINE_AVX512 void put_many_avx512(__m512 sum[2][TOKENS_MANY_AVX512], bool first,
                                   int64_t rows, int64_t live, float *y, int64_t y_stride)
{
    if (rows < 32 || live < TOKENS_MANY_AVX512) {
#pragma GCC unroll 6
        for (int t = 0; t < TOKENS_MANY_AVX512; t++)
            if (t < live) {
                put_avx512(sum[0][t], first, rows, y + t * y_stride);
                put_avx512(sum[1][t], first, rows - 16, y + t * y_stride + 16);
            }
        return;
    }
#pragma GCC unroll 12
    for (int i = 0; i < 2 * TOKENS_MANY_AVX512; i++) {
        float *to = y + i / 2 * y_stride + i % 2 * 16;
        __m512 before = first ? _mm512_setzero_ps() : _mm512_loadu_ps(to);
        _mm512_storeu_ps(to, _mm512_add_ps(before, sum[i % 2][i / 2]));
    }
}

/* A slab's sums for 32 rows and 6 tokens added to y or (first) written. */
typedef void tile_many_avx512_fn(const struct panel_many_avx512 *p, const uint8_t *x, int64_t n,
                                 int64_t live, bool first, int64_t rows, float *y,
                                 int64_t y_stride);

/* dot_many; see kernel.h. */
static inline void dot_many_avx512(const struct format_avx512 *f, tile_many_avx512_fn *tile,
                                   PI_MANY_ARGUMENTS)
{
    struct panel_many_avx512 *p = (struct panel_many_avx512 *)(void *)scratch;

    for (int64_t first = 0; m > 0 && first < cols; first += SLAB_MANY_AVX512) {
        int64_t n = pi_min(cols - first, SLAB_MANY_AVX512);
        int64_t stride = token_many_avx512(f->block, n);
        const uint8_t *slab = x + m * token_many_avx512(f->block, first);
        for (int64_t r = 0; r < rows; r += 32) {
            fill_many_avx512(p, f, w + r * w_stride + first / f->block * f->bytes, w_stride,
                             pi_min(rows - r, 32), n, 32 * w_stride);
            for (int64_t t = 0; t < m; t += TOKENS_MANY_AVX512)
                tile(p, slab + t * stride, n, m - t, first == 0, rows - r, y + t * y_stride + r,
                     y_stride);
        }
    }
}

#endif
