/* some.c - dot of 6 to 31 tokens: int8 tiles, the weights unpacked to int8 on the way.
 *
 * So few tokens leave the tiles idle and the memory waiting; what counts is to unpack cheaply, so
 * quants stay integers. A tile is 16 weight rows by the 32 columns that share a scale (16 in some
 * formats); its product with 16 tokens is exact, is stored, and four steps later scaled into 16
 * vectors of sums, one for each row, with the tokens as lanes. Meanwhile the weights of the next
 * 1024 columns are unpacked, and those of the next 16 rows fetched.
 *
 * The operand of pack_some: for each 16 tokens [32 columns] of struct tokens_amx.
 */
#include "kernel/avx512/quantize.h"
#include "panel.h"
#include "kernel/formats.h"

enum {
    CHUNK_AMX = 1024, /* columns unpacked ahead */
    ROWS_AMX = 16,
    BATCH_AMX = 4,    /* steps between product and scaling */
    RING_AMX = 2 * BATCH_AMX,
    CHUNK_STEPS_AMX = CHUNK_AMX / 16,
};

/* 32 columns of 16 tokens: a tile, value = scale * q, and scale * (sum of q) of either half. */
struct tokens_amx {
    int8_t q[8][16][4];
    float scale[16], sum[2][16];
};

/* 1024 columns of 16 rows: tiles [step][row], value = scale * q + min. */
struct chunk_amx {
    _Alignas(64) int8_t q[ROWS_AMX * CHUNK_AMX];
    float scale[ROWS_AMX][CHUNK_STEPS_AMX], min[ROWS_AMX][CHUNK_STEPS_AMX];
};

/* What pi_many_scratch plans for panels is room for this. */
struct some_scratch_amx {
    struct chunk_amx chunk[2];
    int32_t ring[2][RING_AMX][ROWS_AMX][16]; /* products, for each 16 tokens */
    float sum[2][ROWS_AMX][16];
};

_Static_assert(sizeof(struct some_scratch_amx) <= PI_MANY_PANELS, "see kernel.h");
_Static_assert(sizeof(struct tokens_amx) <= 2 * 32 * 16, "within pi_many_bytes");

INLINE_AMX bool is_k_amx(enum dtype type)
{
    return type == DTYPE_Q2_K || type == DTYPE_Q3_K || type == DTYPE_Q4_K || type == DTYPE_Q5_K ||
           type == DTYPE_Q6_K || type == DTYPE_IQ4_XS;
}

INLINE_AMX bool has_min_amx(enum dtype type)
{
    return type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q2_K || type == DTYPE_Q4_K ||
           type == DTYPE_Q5_K;
}

/* Columns that share a scale: the depth of a step. */
INLINE_AMX int width_amx(enum dtype type)
{
    return type == DTYPE_Q2_K || type == DTYPE_Q3_K || type == DTYPE_Q6_K ? 16 : 32;
}

/* 64 signed bytes from column 32 * i of a row on, or 32. */
INLINE_AMX __m512i signed_amx(enum dtype type, const uint8_t *w, int64_t i, bool pair)
{
    int offset = is_k_amx(type) ? offset_q8k_avx512(type) : offset_q8_avx512(type);
    __m512i q;

    if (is_k_amx(type)) {
        q = quants_q8k_avx512(type, w + i / 8 * block_bytes_q8k_avx512(type), (int)(i % 8 / 2));
    } else {
        int64_t bytes = block_bytes_q8_avx512(type);
        q = quants_q8_avx512(type, w + i * bytes, w + (i + pair) * bytes);
    }
    return offset ? _mm512_sub_epi8(q, _mm512_set1_epi8((char)(1 << offset))) : q;
}

/* The scales of n columns of a row into c, from its step `step` on. */
INLINE_AMX void put_scales_amx(enum dtype type, struct chunk_amx *c, int row, int64_t step,
                               const uint8_t *w, int64_t n)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                           30);
    struct scales_amx s;

    if (!is_k_amx(type)) {
        read_scales_amx(type, &s, w, n);
        memcpy(c->scale[row] + step, s.scale, 64);
        if (has_min_amx(type))
            memcpy(c->min[row] + step, s.min, 64);
        return;
    }
    read_scales_k_amx(type, &s, w, n);
    for (int half = 0; half < 2; half++) {
        float *from = half ? s.min : s.scale, *to = (half ? c->min : c->scale)[row] + step;
        __m512 a = _mm512_load_ps(from), b = _mm512_load_ps(from + 16);
        if (half) {
            a = _mm512_sub_ps(_mm512_setzero_ps(), a);
            b = _mm512_sub_ps(_mm512_setzero_ps(), b);
        }
        if (half && !has_min_amx(type))
            break;
        if (width_amx(type) == 32)
            a = _mm512_permutex2var_ps(a, even, b);
        else
            _mm512_store_ps(to + 16, b);
        _mm512_store_ps(to, a);
    }
}

/* Unpacks n <= 512 columns of a row into c, from its column `column` on. */
INLINE_AMX void unpack_some_amx(enum dtype type, struct chunk_amx *c, int row, int64_t column,
                                const uint8_t *w, int64_t w_stride, int64_t n)
{
    int width = width_amx(type);
    int64_t bytes = is_k_amx(type) ? n / 256 * block_bytes_q8k_avx512(type)
                                   : n / 32 * block_bytes_q8_avx512(type);
    int8_t *to = c->q + column * ROWS_AMX + row * width;

    for (int64_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)w + ROWS_AMX * w_stride + i, _MM_HINT_T0);
    put_scales_amx(type, c, row, column / width, w, n);
    for (int64_t i = 0; i < n / 32; i += 2, to += 64 * ROWS_AMX) {
        bool pair = i + 1 < n / 32;
        __m512i q = signed_amx(type, w, i, pair);
        if (width == 16) {
            _mm_store_si128((__m128i *)(void *)to, _mm512_castsi512_si128(q));
            _mm_store_si128((__m128i *)(void *)(to + 256), _mm512_extracti32x4_epi32(q, 1));
            _mm_store_si128((__m128i *)(void *)(to + 512), _mm512_extracti32x4_epi32(q, 2));
            _mm_store_si128((__m128i *)(void *)(to + 768), _mm512_extracti32x4_epi32(q, 3));
        } else {
            _mm256_store_si256((__m256i *)(void *)to, _mm512_castsi512_si256(q));
            if (pair)
                _mm256_store_si256((__m256i *)(void *)(to + 512), _mm512_extracti64x4_epi64(q, 1));
        }
    }
}

/* A few steps of 16 rows. */
struct batch_amx {
    const struct chunk_amx *chunk;
    const struct tokens_amx *x; /* of the chunk's first step */
    int64_t step;               /* in the chunk */
    int count;                  /* steps, at most BATCH_AMX */
};

/* Products of one batch to one half of the ring; those of the batch before, in the other, are
 * scaled into sum[row][token]. The tokens are `shift` behind those of the batches. */
INLINE_AMX void multiply_batch_amx(enum dtype type, struct tiles_amx *t,
                                   const struct batch_amx *now, const struct batch_amx *before,
                                   int64_t shift, int32_t (*to)[ROWS_AMX][16],
                                   int32_t (*from)[ROWS_AMX][16], float (*sum)[16])
{
    const int width = width_amx(type), per = 32 / width;
    __m512 acc[ROWS_AMX];

#pragma GCC unroll 16
    for (int r = 0; r < ROWS_AMX; r++)
        acc[r] = _mm512_load_ps(sum[r]);
    for (int i = 0; i < BATCH_AMX; i++) {
        int64_t step = now->step + i, old = before->step + i;
        if (i < now->count) {
            TILE_ZERO_AMX(t, 0);
            TILE_LOAD_AMX(t, 4, now->chunk->q + step * width * ROWS_AMX, width);
            TILE_LOAD_AMX(t, 6, now->x[shift + step / per].q[step % per * (width / 4)], 64);
            TILE_DOT_INT8_AMX(t, 0, 4, 6);
            TILE_STORE_AMX(t, 0, to[i], 64);
        }
        if (i < before->count) {
            const struct tokens_amx *x = &before->x[shift + old / per];
            __m512 scale = _mm512_load_ps(x->scale), xsum = _mm512_load_ps(x->sum[old % per]);
            if (width == 32)
                xsum = _mm512_add_ps(xsum, _mm512_load_ps(x->sum[1]));
#pragma GCC unroll 16
            for (int r = 0; r < ROWS_AMX; r++) {
                __m512 w = _mm512_set1_ps(before->chunk->scale[r][old]);
                acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(from[i][r])),
                                         _mm512_mul_ps(scale, w), acc[r]);
                if (has_min_amx(type))
                    acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(before->chunk->min[r][old]), xsum,
                                             acc[r]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS_AMX; r++)
        _mm512_store_ps(sum[r], acc[r]);
}

typedef void unpack_some_fn(struct chunk_amx *c, int row, int64_t column, const uint8_t *w,
                            int64_t w_stride, int64_t n);
typedef void multiply_batch_fn(struct tiles_amx *t, const struct batch_amx *now,
                               const struct batch_amx *before, int64_t shift,
                               int32_t (*to)[ROWS_AMX][16], int32_t (*from)[ROWS_AMX][16],
                               float (*sum)[16]);

/* A call in progress. */
struct some_amx {
    struct tiles_amx tiles;
    unpack_some_fn *unpack;
    multiply_batch_fn *multiply;
    struct some_scratch_amx *room;
    const uint8_t *w;
    const struct tokens_amx *x;
    float *y;
    int64_t rows, cols, w_stride, y_stride, m;
    int64_t bytes_256; /* of 256 weights */
    int width;
    struct batch_amx before;
    int chunk, ring; /* in use, of two */
};

/* Up to 1024 columns of up to 16 rows, in pieces of 512 columns. */
struct piece_amx {
    int64_t row, rows, column, columns;
};

static int64_t pieces_amx(const struct piece_amx *p)
{
    return p->rows * ((p->columns + SLAB_AMX - 1) / SLAB_AMX);
}

/* The piece at (row, column), or none behind the last row. */
static struct piece_amx piece_amx(const struct some_amx *s, int64_t row, int64_t column)
{
    if (column >= s->cols) {
        row += ROWS_AMX;
        column = 0;
    }
    return (struct piece_amx){ row, pi_max(0, pi_min(s->rows - row, ROWS_AMX)), column,
                               pi_min(s->cols - column, CHUNK_AMX) };
}

/* Pieces [first, last) of p into chunk `to`. */
static void unpack_pieces_amx(struct some_amx *s, const struct piece_amx *p, int to,
                              int64_t first, int64_t last)
{
    int64_t each = (p->columns + SLAB_AMX - 1) / SLAB_AMX;

    for (int64_t i = first; i < last; i++) {
        int64_t row = i / each, column = i % each * SLAB_AMX;
        s->unpack(&s->room->chunk[to], (int)row, column,
                  s->w + (p->row + row) * s->w_stride + (p->column + column) * s->bytes_256 / 256,
                  s->w_stride, pi_min(p->columns - column, SLAB_AMX));
    }
}

static void step_batch_amx(struct some_amx *s, const struct batch_amx *now)
{
    for (int half = 0; half < 1 + (s->m > 16); half++) {
        int32_t (*ring)[ROWS_AMX][16] = s->room->ring[half];
        s->multiply(&s->tiles, now, &s->before, half * s->cols / 32,
                    ring + s->ring * BATCH_AMX, ring + (s->ring ^ 1) * BATCH_AMX,
                    s->room->sum[half]);
    }
    s->ring ^= 1;
    s->before = *now;
}

/* The sums of 16 rows, transposed. */
static void put_sums_amx(struct some_amx *s, int64_t row)
{
    __mmask16 live = (__mmask16)((1u << pi_min(s->rows - row, ROWS_AMX)) - 1);

    for (int64_t t = 0; t < s->m; t += 16) {
        __m512i v[16];
#pragma GCC unroll 16
        for (int r = 0; r < 16; r++) {
            v[r] = _mm512_load_si512(s->room->sum[t / 16][r]);
            _mm512_store_si512(s->room->sum[t / 16][r], _mm512_setzero_si512());
        }
        transpose_avx512(v);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            if (t + i < s->m)
                _mm512_mask_storeu_epi32(s->y + (t + i) * s->y_stride + row, live, v[i]);
    }
}

/* The chunk in hand, while the next is unpacked. */
static void step_chunk_amx(struct some_amx *s, const struct piece_amx *now,
                           const struct piece_amx *next)
{
    int64_t steps = now->columns / s->width, batches = (steps + BATCH_AMX - 1) / BATCH_AMX;
    int64_t pieces = pieces_amx(next);

    for (int64_t b = 0; b < batches; b++) {
        struct batch_amx batch = { &s->room->chunk[s->chunk], s->x + now->column / 32,
                                   b * BATCH_AMX, (int)pi_min(steps - b * BATCH_AMX, BATCH_AMX) };
        step_batch_amx(s, &batch);
        unpack_pieces_amx(s, next, s->chunk ^ 1, pieces * b / batches,
                          pieces * (b + 1) / batches);
    }
    s->chunk ^= 1;
}

static void dot_some_amx(unpack_some_fn *unpack, multiply_batch_fn *multiply, int width,
                         int64_t bytes_256, PI_MANY_ARGUMENTS)
{
    struct tile_config_amx config = { .palette = 1 };
    struct some_amx s = { .unpack = unpack, .multiply = multiply,
                          .room = (struct some_scratch_amx *)(void *)scratch, .w = w,
                          .x = (const struct tokens_amx *)(const void *)x, .y = y, .rows = rows,
                          .cols = cols, .w_stride = w_stride, .y_stride = y_stride, .m = m,
                          .bytes_256 = bytes_256, .width = width };
    struct piece_amx now;

    if (rows < 1 || m < 1)
        return;
    config.rows[0] = config.rows[4] = ROWS_AMX;
    config.rows[6] = (uint8_t)(width / 4);
    config.row_bytes[0] = config.row_bytes[6] = 64;
    config.row_bytes[4] = (uint16_t)width;
    s.tiles.config = config;
    memset(s.room->sum, 0, sizeof s.room->sum);
    TILES_OPEN_AMX(&s.tiles);
    now = piece_amx(&s, 0, 0);
    unpack_pieces_amx(&s, &now, 0, 0, pieces_amx(&now));
    while (now.rows > 0) {
        struct piece_amx next = piece_amx(&s, now.row, now.column + now.columns);
        step_chunk_amx(&s, &now, &next);
        if (next.row != now.row) {
            step_batch_amx(&s, &(struct batch_amx){ .count = 0 });
            put_sums_amx(&s, now.row);
        }
        now = next;
    }
    TILES_CLOSE_AMX(&s.tiles);
}

/* One step of 16 tokens from token t on; those behind m are zeros. */
INLINE_AMX void pack_tokens_amx(struct tokens_amx *to, int64_t t, int64_t m, const float *x,
                                int64_t x_stride)
{
    memset(to, 0, sizeof *to);
    for (int i = 0; i < pi_min(m - t, 16); i++) {
        const float *row = x + (t + i) * x_stride;
        _Alignas(32) int8_t q[8][4];
        float factor = factor_avx512(row, 32, &to->scale[i]);
        __m512i low = quantize_avx512(q[0], row, factor);
        __m512i high = quantize_avx512(q[4], row + 16, factor);
        to->sum[0][i] = to->scale[i] * (float)_mm512_reduce_add_epi32(low);
        to->sum[1][i] = to->scale[i] * (float)_mm512_reduce_add_epi32(high);
        for (int j = 0; j < 8; j++)
            memcpy(to->q[j][i], q[j], 4);
    }
}

static PI_PACK_SOME(pack_some_amx)
{
    struct tokens_amx *to = (struct tokens_amx *)(void *)y;

    for (int64_t t = 0; t < m; t += 16, to += n / 32)
        for (int64_t i = first / 32; i < last / 32; i++)
            pack_tokens_amx(to + i, t, m, x + 32 * i, x_stride);
}

/* One form of multiply for each depth, with and without minima. */
#define MULTIPLY(name, TYPE)                                                                      \
    static void name(struct tiles_amx *t, const struct batch_amx *now,                            \
                     const struct batch_amx *before, int64_t shift,                               \
                     int32_t (*to)[ROWS_AMX][16], int32_t (*from)[ROWS_AMX][16],                  \
                     float (*sum)[16])                                                            \
    {                                                                                             \
        multiply_batch_amx(TYPE, t, now, before, shift, to, from, sum);                           \
    }

MULTIPLY(multiply_32_amx, DTYPE_Q4_0)
MULTIPLY(multiply_32_min_amx, DTYPE_Q4_K)
MULTIPLY(multiply_16_amx, DTYPE_Q6_K)
MULTIPLY(multiply_16_min_amx, DTYPE_Q2_K)

#undef MULTIPLY

#define SOME(format, TYPE, multiply, bytes)                                                       \
    static void unpack_some_##format##_amx(struct chunk_amx *c, int row, int64_t column,          \
                                           const uint8_t *w, int64_t w_stride, int64_t n)         \
    {                                                                                             \
        unpack_some_amx(TYPE, c, row, column, w, w_stride, n);                                    \
    }                                                                                             \
    static PI_DOT_MANY(dot_some_##format##_amx)                                                   \
    {                                                                                             \
        dot_some_amx(unpack_some_##format##_amx, multiply, width_amx(TYPE), bytes, rows, cols, w, \
                     w_stride, m, x, y, y_stride, scratch);                                       \
    }

SOME(q4_0, DTYPE_Q4_0, multiply_32_amx, 144)
SOME(q4_1, DTYPE_Q4_1, multiply_32_min_amx, 160)
SOME(q5_0, DTYPE_Q5_0, multiply_32_amx, 176)
SOME(q5_1, DTYPE_Q5_1, multiply_32_min_amx, 192)
SOME(q8_0, DTYPE_Q8_0, multiply_32_amx, 272)
SOME(iq4_nl, DTYPE_IQ4_NL, multiply_32_amx, 144)
SOME(mxfp4, DTYPE_MXFP4, multiply_32_amx, 136)
SOME(q2_k, DTYPE_Q2_K, multiply_16_min_amx, 84)
SOME(q3_k, DTYPE_Q3_K, multiply_16_amx, 110)
SOME(q4_k, DTYPE_Q4_K, multiply_32_min_amx, 144)
SOME(q5_k, DTYPE_Q5_K, multiply_32_min_amx, 176)
SOME(q6_k, DTYPE_Q6_K, multiply_16_amx, 210)
SOME(iq4_xs, DTYPE_IQ4_XS, multiply_32_amx, 136)

#undef SOME

void pi_some_amx(struct kernels *k)
{
    k->pack_some = pack_some_amx;
    k->some_tokens = 6;

#define SET(format, TYPE, kind, block, panel) k->dot_some[TYPE] = dot_some_##format##_amx;
    PI_BLOCK_FORMATS(SET)
#undef SET
}
