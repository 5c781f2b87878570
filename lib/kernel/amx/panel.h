/* panel.h - rows of every format as bfloat16, 32 weights to a line of 64 bytes.
 *
 * A format of at most five bits has a table of its possible values, scaled and rounded once for all
 * weights that share the scale, and its quants are indices into the table (VPERMW). Q8_0, Q6_K,
 * NVFP4 and the formats with codebooks are converted and multiplied, the float formats only
 * rounded. All of them give what unpack gives, rounded to nearest even: the arithmetic is unpack's,
 * step by step.
 */
#ifndef PI_AMX_PANEL_H
#define PI_AMX_PANEL_H

#include "kernel/avx2/grid.h"
#include "kernel/formats.h"
#include "tile.h"

enum {
    SLAB_AMX = 512, /* weights of a row that are unpacked together */
    STEP_AMX = 32,  /* weights of a line */
    LINE_AMX = 2 * TILE_BYTES_AMX, /* from a row's line to its next one: two tiles */
};

/* Scales of the blocks of 32, or of the groups of 16, of a row's slab; minima likewise. */
struct scales_amx {
    _Alignas(64) float scale[SLAB_AMX / 16];
    _Alignas(64) float min[SLAB_AMX / 16];
};

/* a, then b, as 32 bfloat16 */
INLINE_AMX __m512i round_amx(__m512 a, __m512 b)
{
    return (__m512i)_mm512_cvtne2ps_pbh(b, a);
}

INLINE_AMX void put_line_amx(uint8_t *to, int64_t line, __m512i v)
{
    _mm512_store_si512(to + line * LINE_AMX, v);
}

INLINE_AMX __m512 iq4_values_amx(void)
{
    return _mm512_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89,
                          113);
}

/* What the quants 0 to 15 stand for before scaling. */
INLINE_AMX __m512 values_amx(enum dtype type)
{
    const __m512 count =
        _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    switch (type) {
    case DTYPE_Q4_0: return _mm512_sub_ps(count, _mm512_set1_ps(8));
    case DTYPE_Q5_0: return _mm512_sub_ps(count, _mm512_set1_ps(16));
    case DTYPE_Q3_K: return _mm512_sub_ps(count, _mm512_set1_ps(4));
    case DTYPE_IQ4_NL: case DTYPE_IQ4_XS: return iq4_values_amx();
    case DTYPE_MXFP4:
        return _mm512_setr_ps(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
    default: return count;
    }
}

/* scale * v, with the minimum of formats that have one */
INLINE_AMX __m512 scaled_amx(enum dtype type, __m512 v, const struct scales_amx *s, int64_t i)
{
    __m512 product = _mm512_mul_ps(_mm512_set1_ps(s->scale[i]), v);

    if (type == DTYPE_Q4_1 || type == DTYPE_Q5_1)
        return _mm512_add_ps(product, _mm512_set1_ps(s->min[i]));
    if (type == DTYPE_Q2_K || type == DTYPE_Q4_K || type == DTYPE_Q5_K)
        return _mm512_sub_ps(product, _mm512_set1_ps(s->min[i]));
    return product;
}

/* The scales of n weights in blocks of 32. */
INLINE_AMX void read_scales_amx(enum dtype type, struct scales_amx *s, const uint8_t *w, int64_t n)
{
    int64_t bytes = block_bytes_q8_avx512(type);
    bool whole = n == SLAB_AMX;

    _mm512_store_ps(s->scale, whole ? scales_q8_avx512(type, w, bytes, 16)
                                    : scales_q8_avx512(type, w, bytes, (int)(n / 32)));
    if (has_min_q8_avx512(type))
        _mm512_store_ps(s->min, whole ? mins_q8_avx512(type, w, bytes, 16)
                                      : mins_q8_avx512(type, w, bytes, (int)(n / 32)));
}

/* The scales of n weights in blocks of 256, for each group of 16. */
INLINE_AMX void read_scales_k_amx(enum dtype type, struct scales_amx *s, const uint8_t *w,
                                  int64_t n)
{
    for (int64_t i = 0; i < n / 16; i += 16, w += block_bytes_q8k_avx512(type)) {
        __m256i low, group = groups_q8k_avx512(type, w, &low);
        __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)scale_bits_q8k_avx512(type, w)));

        _mm512_store_ps(s->scale + i,
                        _mm512_mul_ps(_mm512_broadcastss_ps(both),
                                      _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(group))));
        _mm512_store_ps(s->min + i,
                        _mm512_mul_ps(_mm512_broadcastss_ps(_mm_movehdup_ps(both)),
                                      _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(low))));
    }
}

/* Where the nibbles of 32 weights stand: low ones first. */
INLINE_AMX const uint8_t *nibbles_at_amx(enum dtype type, const uint8_t *w, int64_t i)
{
    if (type == DTYPE_IQ4_XS)
        return w + i / 8 * 136 + 8 + i % 8 * 16;
    return w + i * block_bytes_q8_avx512(type) +
           (type == DTYPE_Q4_1 ? 4 : type == DTYPE_MXFP4 ? 1 : 2);
}

/* 32 words, of which the low four bits are the nibbles of 16 bytes. */
INLINE_AMX __m512i spread_amx(const uint8_t *at)
{
    const __m512i shift = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);

    return _mm512_srlv_epi16(_mm512_cvtepu8_epi16(_mm256_broadcastsi128_si256(v)), shift);
}

/* 32 bytes as words */
INLINE_AMX __m512i words_amx(const uint8_t *at)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)at));
}

/* (v & 15) | more */
INLINE_AMX __m512i index_amx(__m512i v, short more)
{
    return _mm512_ternarylogic_epi32(v, _mm512_set1_epi16(15), _mm512_set1_epi16(more), 0xEA);
}

/* Four bits, a scale for each 32: one table serves 64 weights, the scales of i and i + 1. */
INLINE_AMX void row_nibbles_amx(enum dtype type, uint8_t *to, const uint8_t *w, int64_t n)
{
    int64_t step = type == DTYPE_Q4_K || type == DTYPE_IQ4_XS ? 2 : 1;
    struct scales_amx s;

    if (step == 2)
        read_scales_k_amx(type, &s, w, n);
    else
        read_scales_amx(type, &s, w, n);
    for (int64_t i = 0; i < n / 32; i += 2) {
        bool pair = i + 1 < n / 32;
        __m512i table = round_amx(scaled_amx(type, values_amx(type), &s, step * i),
                                  scaled_amx(type, values_amx(type), &s, step * (i + pair)));
        __m512i a, b;
        if (type == DTYPE_Q4_K) { /* 32 bytes: low nibbles, then high ones */
            a = words_amx(w + i / 8 * 144 + 16 + i % 8 * 16);
            b = _mm512_srli_epi16(a, 4);
        } else {
            a = spread_amx(nibbles_at_amx(type, w, i));
            b = spread_amx(nibbles_at_amx(type, w, i + pair));
        }
        put_line_amx(to, i, _mm512_permutexvar_epi16(index_amx(a, 0), table));
        if (pair)
            put_line_amx(to, i + 1, _mm512_permutexvar_epi16(index_amx(b, 16), table));
    }
}

/* The lower, and the upper, 32 of 64 bytes as words. */
INLINE_AMX __m512i low_words_amx(__m512i v)
{
    return _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
}

INLINE_AMX __m512i high_words_amx(__m512i v)
{
    return _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1));
}

/* The table of five bits with the scale of i. */
INLINE_AMX __m512i table_five_amx(enum dtype type, const struct scales_amx *s, int64_t i)
{
    __m512 low = values_amx(type), high = _mm512_add_ps(low, _mm512_set1_ps(16));

    return round_amx(scaled_amx(type, low, s, i), scaled_amx(type, high, s, i));
}

/* Five bits, a scale for each 32: a table for each. */
INLINE_AMX void row_five_amx(enum dtype type, uint8_t *to, const uint8_t *w, int64_t n)
{
    struct scales_amx s;

    if (type == DTYPE_Q5_K)
        read_scales_k_amx(type, &s, w, n);
    else
        read_scales_amx(type, &s, w, n);
    for (int64_t i = 0; i < n / 32; i += 2) {
        bool pair = i + 1 < n / 32;
        int64_t at = type == DTYPE_Q5_K ? 2 * i : i, next = type == DTYPE_Q5_K ? at + 2 : at + 1;
        __m512i q;
        if (type == DTYPE_Q5_K) {
            q = quants_q8k_avx512(type, w + i / 8 * 176, (int)(i % 8 / 2));
        } else {
            int64_t bytes = block_bytes_q8_avx512(type);
            q = quants_q8_avx512(type, w + i * bytes, w + (i + pair) * bytes);
        }
        put_line_amx(to, i, _mm512_permutexvar_epi16(low_words_amx(q),
                                                     table_five_amx(type, &s, at)));
        if (pair)
            put_line_amx(to, i + 1, _mm512_permutexvar_epi16(high_words_amx(q),
                                                             table_five_amx(type, &s, next)));
    }
}

/* The table of two groups of 16, that of i for words 0 to 15. */
INLINE_AMX __m512i table_groups_amx(enum dtype type, const struct scales_amx *s, int64_t i)
{
    return round_amx(scaled_amx(type, values_amx(type), s, i),
                     scaled_amx(type, values_amx(type), s, i + 1));
}

/* Two or three bits, a scale for each 16. */
INLINE_AMX void row_groups_amx(enum dtype type, uint8_t *to, const uint8_t *w, int64_t n)
{
    const __m512i second = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(16), 1);
    struct scales_amx s;

    read_scales_k_amx(type, &s, w, n);
    for (int64_t i = 0; i < n / 32; i += 2) {
        __m512i q = quants_q8k_avx512(type, w + i / 8 * block_bytes_q8k_avx512(type),
                                      (int)(i % 8 / 2));
        put_line_amx(to, i,
                     _mm512_permutexvar_epi16(_mm512_or_si512(low_words_amx(q), second),
                                              table_groups_amx(type, &s, 2 * i)));
        put_line_amx(to, i + 1,
                     _mm512_permutexvar_epi16(_mm512_or_si512(high_words_amx(q), second),
                                              table_groups_amx(type, &s, 2 * i + 2)));
    }
}

/* 16 signed bytes times a scale */
INLINE_AMX __m512 product_amx(__m128i q, float scale)
{
    return _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)));
}

INLINE_AMX void row_q8_0_amx(uint8_t *to, const uint8_t *w, int64_t n)
{
    struct scales_amx s;

    read_scales_amx(DTYPE_Q8_0, &s, w, n);
    for (int64_t i = 0; i < n / 32; i++) {
        const __m128i *q = (const __m128i *)(const void *)(w + 34 * i + 2);
        put_line_amx(to, i, round_amx(product_amx(_mm_loadu_si128(q), s.scale[i]),
                                      product_amx(_mm_loadu_si128(q + 1), s.scale[i])));
    }
}

INLINE_AMX void row_q6_k_amx(uint8_t *to, const uint8_t *w, int64_t n)
{
    struct scales_amx s;

    read_scales_k_amx(DTYPE_Q6_K, &s, w, n);
    for (int64_t i = 0; i < n / 32; i += 2) {
        const float *scale = s.scale + 2 * i;
        __m512i q = _mm512_sub_epi8(
            quants_q8k_avx512(DTYPE_Q6_K, w + i / 8 * 210, (int)(i % 8 / 2)), _mm512_set1_epi8(32));
        put_line_amx(to, i, round_amx(product_amx(_mm512_castsi512_si128(q), scale[0]),
                                      product_amx(_mm512_extracti32x4_epi32(q, 1), scale[1])));
        put_line_amx(to, i + 1, round_amx(product_amx(_mm512_extracti32x4_epi32(q, 2), scale[2]),
                                          product_amx(_mm512_extracti32x4_epi32(q, 3), scale[3])));
    }
}

/* 16 values from nibbles, times a scale. */
INLINE_AMX __m512 nvfp4_group_amx(const uint8_t *codes, float scale)
{
    const __m128i values = _mm_loadu_si128((const __m128i *)(const void *)mxfp4_values_scalar);
    __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)codes);

    v = _mm_and_si128(_mm_unpacklo_epi64(v, _mm_srli_epi16(v, 4)), _mm_set1_epi8(15));
    return product_amx(_mm_shuffle_epi8(values, v), scale);
}

INLINE_AMX void row_nvfp4_amx(uint8_t *to, const uint8_t *w, int64_t n)
{
    for (int64_t i = 0; i < n / 32; i++) {
        const uint8_t *block = w + i / 2 * 36, *codes = block + 4 + i % 2 * 16;
        const uint8_t *scales = block + i % 2 * 2;
        put_line_amx(to, i,
                     round_amx(nvfp4_group_amx(codes, nvfp4_scale_scalar(scales[0])),
                               nvfp4_group_amx(codes + 8, nvfp4_scale_scalar(scales[1]))));
    }
}

/* The formats of avx2/grid.h. */
typedef void read_block_amx_fn(struct block256 *b, const uint8_t *w);

INLINE_AMX void row_grid_amx(read_block_amx_fn *read, int64_t bytes, uint8_t *to,
                             const uint8_t *w, int64_t n)
{
    for (int64_t line = 0; line < n / 32; line += 8, w += bytes) {
        struct block256 b;

        read(&b, w);
        for (int i = 0; i < 8; i++) {
            const __m128i *q = (const __m128i *)(const void *)(b.q + 32 * i);
            put_line_amx(to, line + i,
                         round_amx(product_amx(_mm_loadu_si128(q), b.d * b.group[2 * i]),
                                   product_amx(_mm_loadu_si128(q + 1), b.d * b.group[2 * i + 1])));
        }
    }
}

/* Float formats may end within a line; the rest is zeros. */
INLINE_AMX void row_float_amx(enum dtype type, uint8_t *to, const uint8_t *w, int64_t n)
{
    for (int64_t i = 0; i < n; i += STEP_AMX) {
        __mmask32 live = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1) : 0xFFFFFFFF;
        __m512i v;
        if (type == DTYPE_BF16) {
            v = _mm512_maskz_loadu_epi16(live, w + 2 * i);
        } else if (type == DTYPE_F16) {
            v = _mm512_maskz_loadu_epi16(live, w + 2 * i);
            v = round_amx(_mm512_cvtph_ps(_mm512_castsi512_si256(v)),
                          _mm512_cvtph_ps(_mm512_extracti64x4_epi64(v, 1)));
        } else {
            v = round_amx(_mm512_maskz_loadu_ps((__mmask16)live, w + 4 * i),
                          _mm512_maskz_loadu_ps((__mmask16)(live >> 16), w + 4 * i + 64));
        }
        put_line_amx(to, i / STEP_AMX, v);
    }
}

INLINE_AMX void row_amx(enum dtype type, uint8_t *to, const uint8_t *w, int64_t n)
{
    switch (type) {
    case DTYPE_F32: case DTYPE_F16: case DTYPE_BF16: row_float_amx(type, to, w, n); break;
    case DTYPE_Q5_0: case DTYPE_Q5_1: case DTYPE_Q5_K: row_five_amx(type, to, w, n); break;
    case DTYPE_Q2_K: case DTYPE_Q3_K: row_groups_amx(type, to, w, n); break;
    case DTYPE_Q8_0: row_q8_0_amx(to, w, n); break;
    case DTYPE_Q6_K: row_q6_k_amx(to, w, n); break;
    case DTYPE_NVFP4: row_nvfp4_amx(to, w, n); break;
#define ROW(format, TYPE, kind, block, panel) \
    case TYPE: row_grid_amx(read_##format##_avx2, pi_dtype(TYPE).bytes, to, w, n); break;
    PI_GRID_FORMATS(ROW)
#undef ROW
    default: row_nibbles_amx(type, to, w, n); break;
    }
}

#endif
