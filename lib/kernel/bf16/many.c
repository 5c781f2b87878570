/* many.c - dot of many tokens with VDPBF16PS: float weights as pairs of columns, lanes are rows.
 *
 * 32 rows by a slab of columns are rounded to bfloat16 and transposed, and stay in the cache for
 * all tokens, six at a time. A (row, token) has two sums, of even and odd pairs of columns; slabs
 * are added in turn. Quantised weights are faster as bytes, see avx512/many.h. Processors with AMX
 * have a tier above this one; where VDPBF16PS has half the rate of FMA they all do.
 *
 * The operand of pack_many: [slab][token] of bfloat16, padded with zeros to 64 bytes.
 */
#include "kernel/avx512/common.h"

enum { SLAB_BF16 = 512 /* columns */, TOKENS_BF16 = 6 /* of a tile */ };

/* 32 rows of a slab: pair i of columns of 16 rows. */
struct panel_bf16 {
    __m512i pair[2][SLAB_BF16 / 2];
    uint16_t row[16][SLAB_BF16]; /* before they are transposed */
};

_Static_assert(sizeof(struct panel_bf16) <= PI_MANY_PANELS, "what pi_many_scratch plans for it");

INLINE_AVX512 int64_t padded_bf16(int64_t n) { return (n + 31) / 32 * 32; }

/* 16 floats, those not live zero, rounded. */
INLINE_AVX512 void round_bf16(uint16_t *to, __m512 v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(v));
}

static PI_PACK_MANY(pack_many_bf16)
{
    for (int64_t t = first; t < last; t++)
        for (int64_t i = 0; i < padded_bf16(n); i += 16) {
            int64_t from = i / SLAB_BF16 * SLAB_BF16;
            int64_t stride = padded_bf16(pi_min(n - from, SLAB_BF16));
            uint16_t *to = (uint16_t *)(void *)y + m * from + t * stride + (i - from);
            __mmask16 live = (__mmask16)((1u << pi_max(0, pi_min(n - i, 16))) - 1);
            round_bf16(to, _mm512_maskz_loadu_ps(live, x + (t - first) * x_stride + i));
        }
}

/* n columns of a row, padded with zeros to 16. */
INLINE_AVX512 void row_bf16(enum dtype type, uint16_t *to, const uint8_t *w, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        if (type == DTYPE_F32)
            round_bf16(to + i, _mm512_maskz_loadu_ps(live, w + 4 * i));
        else if (type == DTYPE_F16)
            round_bf16(to + i, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(live, w + 2 * i)));
        else
            _mm256_storeu_si256((__m256i *)(void *)(to + i),
                                _mm256_maskz_loadu_epi16(live, w + 2 * i));
    }
}

/* Rounds and transposes up to 32 rows of n columns; those past the last repeat it. Asks for the
 * next row, and for the same of the rows that come next. */
INLINE_AVX512 void fill_bf16(enum dtype type, struct panel_bf16 *p, const uint8_t *w,
                             int64_t w_stride, int64_t rows, int64_t n)
{
    int64_t bytes = type == DTYPE_F32 ? 4 * n : 2 * n;

    for (int half = 0; half < 2 && 16 * half < rows; half++) {
        for (int r = 0; r < 16; r++) {
            const uint8_t *at = w + pi_min(16 * half + r, rows - 1) * w_stride;
            for (int64_t i = 0; i < bytes; i += 64) {
                _mm_prefetch((const char *)at + w_stride + i, _MM_HINT_T0);
                _mm_prefetch((const char *)at + 32 * w_stride + i, _MM_HINT_T1);
            }
            row_bf16(type, p->row[r], at, n);
        }
        for (int64_t i = 0; i < n; i += 16)
            eight_columns_avx512(p->pair[half] + i / 2, p->row[0] + i, sizeof p->row[0]);
    }
}

/* A slab's sums for 32 rows and 6 tokens, of which `live` exist, added to y or (first) written;
 * pairs: an even number of them. */
static void tile_bf16(const struct panel_bf16 *p, const uint16_t *x, int64_t x_stride,
                      int64_t pairs, bool first, int64_t rows, int64_t live, float *y,
                      int64_t y_stride)
{
    const uint16_t *at[TOKENS_BF16];
    __m512 sum[2][2][TOKENS_BF16]; /* [even, odd][half][token] */

#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_BF16; t++) {
        at[t] = x + pi_min(t, live - 1) * x_stride;
        _mm_prefetch((const char *)(y + t * y_stride), _MM_HINT_T0);
        _mm_prefetch((const char *)(y + t * y_stride + 16), _MM_HINT_T0);
        _mm_prefetch((const char *)(y + t * y_stride + 31), _MM_HINT_T0);
        sum[0][0][t] = sum[0][1][t] = sum[1][0][t] = sum[1][1][t] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < pairs; i += 2)
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++) {
            __m512bh a = (__m512bh)p->pair[0][i + odd], b = (__m512bh)p->pair[1][i + odd];
#pragma GCC unroll 6
            for (int t = 0; t < TOKENS_BF16; t++) {
                int32_t two;
                memcpy(&two, at[t] + 2 * (i + odd), 4);
                __m512bh v = (__m512bh)_mm512_set1_epi32(two);
                sum[odd][0][t] = _mm512_dpbf16_ps(sum[odd][0][t], a, v);
                sum[odd][1][t] = _mm512_dpbf16_ps(sum[odd][1][t], b, v);
            }
        }
#pragma GCC unroll 6
    for (int t = 0; t < TOKENS_BF16; t++)
        if (t < live) {
            float *to = y + t * y_stride;
            put_avx512(_mm512_add_ps(sum[0][0][t], sum[1][0][t]), first, rows, to);
            put_avx512(_mm512_add_ps(sum[0][1][t], sum[1][1][t]), first, rows - 16, to + 16);
        }
}

INLINE_AVX512 void dot_many_bf16(enum dtype type, PI_MANY_ARGUMENTS)
{
    struct panel_bf16 *p = (struct panel_bf16 *)(void *)scratch;
    int64_t size = type == DTYPE_F32 ? 4 : 2;

    for (int64_t first = 0; m > 0 && first < cols; first += SLAB_BF16) {
        int64_t n = pi_min(cols - first, SLAB_BF16), x_stride = padded_bf16(n);
        const uint16_t *slab = (const uint16_t *)(const void *)x + m * first;

        for (int64_t r = 0; r < rows; r += 32) {
            fill_bf16(type, p, w + r * w_stride + first * size, w_stride, pi_min(rows - r, 32), n);
            for (int64_t t = 0; t < m; t += TOKENS_BF16)
                tile_bf16(p, slab + t * x_stride, x_stride, (n + 15) / 16 * 8, first == 0,
                          rows - r, m - t, y + t * y_stride + r, y_stride);
        }
    }
}

#define MANY(format, TYPE)                                                                \
    static PI_DOT_MANY(dot_many_##format##_bf16)                                          \
    {                                                                                     \
        dot_many_bf16(TYPE, rows, cols, w, w_stride, m, x, y, y_stride, scratch);         \
    }

MANY(f32, DTYPE_F32)
MANY(f16, DTYPE_F16)
MANY(bf16, DTYPE_BF16)

#undef MANY

void pi_many_bf16(struct kernels *k)
{
    k->dot_many[DTYPE_F32] = dot_many_f32_bf16;
    k->dot_many[DTYPE_F16] = dot_many_f16_bf16;
    k->dot_many[DTYPE_BF16] = dot_many_bf16_bf16;
    k->pack_many[OPERAND_F32] = pack_many_bf16;
    k->many_tokens = 24;
}
