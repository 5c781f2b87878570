/* many.c - dot of many tokens: bfloat16 tiles, the weights unpacked 32 rows at a time.
 *
 * Weights are the left operand, so that a row of a tile is a stretch of a weight row and unpacking
 * writes plain lines; activations are the right one, packed once. A panel of 32 rows by 512
 * columns (32 KiB) stays in the first cache while the tokens of that slab stream past it out of the
 * second, 32 at a time, into a block of 2 by 2 tiles. A block starts from zero and is stored to a
 * small hot buffer; adding it to what earlier slabs gave is spread over the steps of the next
 * block, since loading sums into tiles would stall them. The last slab's sums are transposed, as
 * tiles have the tokens as columns. All of it as measured in Granite Rapids (55 % of the peak).
 *
 * The operand of pack_many: [slab][32 tokens][32 columns][2 tiles], a tile [16 pairs of
 * columns][16 tokens][2].
 */
#include "panel.h"
#include "kernel/formats.h"

enum {
    TOKENS_AMX = 512,                 /* that share an unpacked panel */
    BLOCK_AMX = 32,                   /* rows, and tokens, of a block */
    SUMS_AMX = BLOCK_AMX * BLOCK_AMX, /* floats of a block */
    PANEL_BYTES_AMX = BLOCK_AMX * SLAB_AMX * 2,
    ALIGN_AMX = 4096,
};

_Static_assert(ALIGN_AMX + PANEL_BYTES_AMX + 2 * SUMS_AMX * 4 <= PI_MANY_PANELS,
               "what pi_many_scratch plans for a panel");

/* Unpacks up to 32 rows of n <= 512 columns. Missing rows hold anything: their sums go nowhere. */
typedef void panel_amx_fn(uint8_t *panel, const uint8_t *w, int64_t w_stride, int64_t rows,
                          int64_t n);

/* What is to become of a finished block. */
enum drain_amx {
    DRAIN_NOTHING_AMX,
    DRAIN_SET_AMX,  /* partial = sum */
    DRAIN_ADD_AMX,  /* partial += sum */
    DRAIN_LAST_AMX, /* y = partial + sum */
    DRAIN_ONLY_AMX, /* y = sum */
};

struct block_amx {
    enum drain_amx drain;
    const float *sum; /* [2 row tiles][2 token tiles][16 rows][16 tokens] */
    float *partial;   /* likewise */
    float *y;
    int64_t y_stride, rows, tokens;
};

/* Line i of 64. */
INLINE_AMX void drain_line_amx(const float *sum, float *partial, bool add, int64_t i)
{
    __m512 v = _mm512_load_ps(sum + 16 * i);

    if (add)
        v = _mm512_add_ps(v, _mm512_load_ps(partial + 16 * i));
    _mm512_store_ps(partial + 16 * i, v);
}

/* Tile q of four, to y. */
INLINE_AMX void drain_tile_amx(const struct block_amx *b, bool add, int q)
{
    int64_t rows = pi_min(b->rows - q / 2 * 16, 16), tokens = pi_min(b->tokens - q % 2 * 16, 16);
    float *y = b->y + q % 2 * 16 * b->y_stride + q / 2 * 16;
    __mmask16 live;
    __m512i v[16];

    if (rows < 1 || tokens < 1)
        return;
    live = (__mmask16)((1u << rows) - 1);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        __m512 sum = _mm512_load_ps(b->sum + 256 * q + 16 * i);
        if (add)
            sum = _mm512_add_ps(sum, _mm512_load_ps(b->partial + 256 * q + 16 * i));
        v[i] = _mm512_castps_si512(sum);
    }
    transpose_avx512(v);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        if (i < tokens)
            _mm512_mask_storeu_epi32(y + i * b->y_stride, live, v[i]);
}

/* One block into `sum`: `steps` lines of the panel by 32 tokens; the block before is drained on the
 * way. */
INLINE_AMX void multiply_steps_amx(struct tiles_amx *t, const uint8_t *panel, const uint8_t *x,
                                   int steps, float *sum, enum drain_amx drain,
                                   const struct block_amx *before)
{
    bool lines = drain == DRAIN_SET_AMX || drain == DRAIN_ADD_AMX;
    bool tiles = drain == DRAIN_LAST_AMX || drain == DRAIN_ONLY_AMX;
    int64_t line = 0, share = 64 / steps;
    const float *from = before->sum;
    float *to = before->partial;

    TILE_ZERO_AMX(t, 0);
    TILE_ZERO_AMX(t, 1);
    TILE_ZERO_AMX(t, 2);
    TILE_ZERO_AMX(t, 3);
    for (int q = 0, step = 0; q < 4; q++) {
        for (; step < steps * (q + 1) / 4; step++, panel += LINE_AMX, x += LINE_AMX) {
            TILE_STREAM_AMX(t, 6, x, 64);
            TILE_LOAD_AMX(t, 4, panel, 64);
            TILE_DOT_BF16_AMX(t, 0, 4, 6);
            TILE_STREAM_AMX(t, 7, x + TILE_BYTES_AMX, 64);
            TILE_DOT_BF16_AMX(t, 1, 4, 7);
            TILE_LOAD_AMX(t, 5, panel + TILE_BYTES_AMX, 64);
            TILE_DOT_BF16_AMX(t, 2, 5, 6);
            TILE_DOT_BF16_AMX(t, 3, 5, 7);
            if (lines)
#pragma GCC unroll 4
                for (int64_t end = line + share; line < end; line++)
                    drain_line_amx(from, to, drain == DRAIN_ADD_AMX, line);
        }
        if (tiles)
            drain_tile_amx(before, drain == DRAIN_LAST_AMX, q);
    }
    if (lines)
        for (; line < 64; line++)
            drain_line_amx(from, to, drain == DRAIN_ADD_AMX, line);
    TILE_STORE_AMX(t, 0, sum, 64);
    TILE_STORE_AMX(t, 1, sum + 256, 64);
    TILE_STORE_AMX(t, 2, sum + 512, 64);
    TILE_STORE_AMX(t, 3, sum + 768, 64);
}

/* Whole slabs are worth code of their own. */
INLINE_AMX void multiply_drain_amx(struct tiles_amx *t, const uint8_t *panel, const uint8_t *x,
                                   int steps, float *sum, enum drain_amx drain,
                                   const struct block_amx *before)
{
    if (steps == SLAB_AMX / STEP_AMX)
        multiply_steps_amx(t, panel, x, SLAB_AMX / STEP_AMX, sum, drain, before);
    else
        multiply_steps_amx(t, panel, x, steps, sum, drain, before);
}

static void multiply_amx(struct tiles_amx *t, const uint8_t *panel, const uint8_t *x, int steps,
                         float *sum, const struct block_amx *before)
{
    switch (before->drain) {
    case DRAIN_SET_AMX:
        multiply_drain_amx(t, panel, x, steps, sum, DRAIN_SET_AMX, before);
        break;
    case DRAIN_ADD_AMX:
        multiply_drain_amx(t, panel, x, steps, sum, DRAIN_ADD_AMX, before);
        break;
    case DRAIN_LAST_AMX:
        multiply_drain_amx(t, panel, x, steps, sum, DRAIN_LAST_AMX, before);
        break;
    case DRAIN_ONLY_AMX:
        multiply_drain_amx(t, panel, x, steps, sum, DRAIN_ONLY_AMX, before);
        break;
    default:
        multiply_drain_amx(t, panel, x, steps, sum, DRAIN_NOTHING_AMX, before);
    }
}

/* The last block has no next one to hide behind. A sum that is last is never a partial one. */
static void drain_amx(const struct block_amx *b)
{
    for (int q = 0; q < 4; q++)
        if (b->drain == DRAIN_LAST_AMX)
            drain_tile_amx(b, true, q);
        else if (b->drain == DRAIN_ONLY_AMX)
            drain_tile_amx(b, false, q);
}

/* A call in progress. */
struct many_amx {
    struct tiles_amx tiles;
    panel_amx_fn *unpack;
    const uint8_t *w, *x;
    float *y, *partial, *sum; /* sum: two blocks, taken in turn */
    uint8_t *panel;
    int64_t rows, cols, w_stride, y_stride;
    int64_t bytes_256; /* of 256 weights */
    int64_t pairs; /* groups of 32 tokens in x */
    struct block_amx before;
    int turn;
};

/* The panel in hand times tokens [token, last) of one slab of `steps` lines from column k. */
static void sweep_amx(struct many_amx *c, int64_t row, int64_t token, int64_t last, int64_t k,
                      int64_t n, float *partial)
{
    int steps = (int)((n + STEP_AMX - 1) / STEP_AMX);
    const uint8_t *x = c->x + (k / STEP_AMX * c->pairs + token / BLOCK_AMX * steps) * LINE_AMX;
    bool first = k == 0, final = k + n == c->cols;

    for (; token < last; token += BLOCK_AMX, x += steps * LINE_AMX, partial += SUMS_AMX) {
        float *sum = c->sum + c->turn * SUMS_AMX;
        multiply_amx(&c->tiles, c->panel, x, steps, sum, &c->before);
        c->turn ^= 1;
        c->before = (struct block_amx){
            first && final ? DRAIN_ONLY_AMX
            : first        ? DRAIN_SET_AMX
            : final        ? DRAIN_LAST_AMX
                           : DRAIN_ADD_AMX,
            sum, partial, c->y + token * c->y_stride + row, c->y_stride,
            pi_min(c->rows - row, BLOCK_AMX), pi_min(last - token, BLOCK_AMX)
        };
    }
}

/* Rows [first, last) for tokens [token, token_last): slab by slab, panel by panel. */
static void rows_amx(struct many_amx *c, int64_t first, int64_t last, int64_t token,
                     int64_t token_last)
{
    int64_t sums = (token_last - token + BLOCK_AMX - 1) / BLOCK_AMX * SUMS_AMX;

    for (int64_t k = 0; k < c->cols; k += SLAB_AMX) {
        int64_t n = pi_min(c->cols - k, SLAB_AMX);
        for (int64_t row = first; row < last; row += BLOCK_AMX) {
            c->unpack(c->panel, c->w + row * c->w_stride + k * c->bytes_256 / 256, c->w_stride,
                      pi_min(c->rows - row, BLOCK_AMX), n);
            sweep_amx(c, row, token, token_last, k, n,
                      c->partial + (row - first) / BLOCK_AMX * sums);
        }
    }
}

static void dot_many_amx(panel_amx_fn *unpack, int64_t bytes_256, PI_MANY_ARGUMENTS)
{
    uint8_t *room =
        (uint8_t *)(((uintptr_t)scratch + ALIGN_AMX - 1) & ~(uintptr_t)(ALIGN_AMX - 1));
    struct many_amx c = {
        .tiles = { .config = whole_tiles_amx() }, .unpack = unpack, .w = w, .x = x, .y = y,
        .partial = (float *)(void *)(scratch + PI_MANY_PANELS), .panel = room,
        .sum = (float *)(void *)(room + PANEL_BYTES_AMX), .rows = rows, .cols = cols,
        .w_stride = w_stride, .bytes_256 = bytes_256, .y_stride = y_stride,
        .pairs = (m + BLOCK_AMX - 1) / BLOCK_AMX
    };

    if (rows < 1 || m < 1)
        return;
    TILES_OPEN_AMX(&c.tiles);
    for (int64_t token = 0; token < m; token += TOKENS_AMX) {
        int64_t last = pi_min(m, token + TOKENS_AMX);
        int64_t pairs = (last - token + BLOCK_AMX - 1) / BLOCK_AMX;
        int64_t block = PI_MANY_PARTIAL / (pairs * SUMS_AMX * 4) * BLOCK_AMX;
        for (int64_t row = 0; row < rows; row += block)
            rows_amx(&c, row, pi_min(rows, row + block), token, last);
    }
    drain_amx(&c.before);
    TILES_CLOSE_AMX(&c.tiles);
}

static PI_PACK_MANY(pack_many_amx)
{
    int64_t pairs = (m + BLOCK_AMX - 1) / BLOCK_AMX;

    for (int64_t t = first; t < (last + BLOCK_AMX - 1) / BLOCK_AMX * BLOCK_AMX; t += 16)
        for (int64_t k = 0; k < n; k += STEP_AMX) {
            int64_t slab = k / SLAB_AMX * SLAB_AMX, width = pi_min(n - slab, SLAB_AMX);
            int64_t steps = (width + STEP_AMX - 1) / STEP_AMX;
            uint8_t *to = y + (slab / STEP_AMX * pairs + t / BLOCK_AMX * steps +
                               (k - slab) / STEP_AMX) * LINE_AMX + t / 16 % 2 * TILE_BYTES_AMX;
            __mmask32 live = n - k < 32 ? (__mmask32)((1u << (n - k)) - 1) : 0xFFFFFFFF;
            __m512i v[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) {
                const float *row = x + (t + i - first) * x_stride + k;
                __mmask32 mask = t + i < last ? live : 0;
                v[i] = round_amx(_mm512_maskz_loadu_ps((__mmask16)mask, row),
                                 _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), row + 16));
            }
            transpose_avx512(v);
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++)
                _mm512_store_si512(to + 64 * i, v[i]);
        }
}

/* Rows of the next panel are fetched meanwhile. */
INLINE_AMX void panel_rows_amx(enum dtype type, uint8_t *panel, const uint8_t *w,
                               int64_t w_stride, int64_t rows, int64_t n, int64_t bytes)
{
    for (int64_t r = 0; r < rows; r++, w += w_stride) {
        for (int64_t i = 0; i < bytes; i += 64)
            _mm_prefetch((const char *)w + BLOCK_AMX * w_stride + i, _MM_HINT_T0);
        row_amx(type, panel + r / 16 * TILE_BYTES_AMX + r % 16 * 64, w, n);
    }
}

#define MANY(format, TYPE, kind, block, panel)                                                  \
    static void panel_##format##_amx(uint8_t *panel, const uint8_t *w, int64_t w_stride,        \
                                     int64_t rows, int64_t n)                                   \
    {                                                                                           \
        panel_rows_amx(TYPE, panel, w, w_stride, rows, n, n / (block) * pi_dtype(TYPE).bytes);  \
    }                                                                                           \
    static PI_DOT_MANY(dot_many_##format##_amx)                                                 \
    {                                                                                           \
        dot_many_amx(panel_##format##_amx, 256 / (block) * pi_dtype(TYPE).bytes, rows, cols, w, \
                     w_stride, m, x, y, y_stride, scratch);                                     \
    }

MANY(f32, DTYPE_F32, float, 1, none)
MANY(f16, DTYPE_F16, float, 1, none)
MANY(bf16, DTYPE_BF16, float, 1, none)
MANY(nvfp4, DTYPE_NVFP4, grid, 64, none)
PI_BLOCK_FORMATS(MANY)
PI_GRID_FORMATS(MANY)

#undef MANY

void pi_many_amx(struct kernels *k)
{
    memset(k->dot_many, 0, sizeof k->dot_many);
    memset(k->pack_many, 0, sizeof k->pack_many);
    k->dot_many[DTYPE_F32] = dot_many_f32_amx;
    k->dot_many[DTYPE_F16] = dot_many_f16_amx;
    k->dot_many[DTYPE_BF16] = dot_many_bf16_amx;
    k->dot_many[DTYPE_NVFP4] = dot_many_nvfp4_amx;
    k->pack_many[OPERAND_F32] = pack_many_amx;
    k->many_tokens = 32;

#define SET(format, TYPE, kind, block, panel) k->dot_many[TYPE] = dot_many_##format##_amx;
    PI_BLOCK_FORMATS(SET)
    PI_GRID_FORMATS(SET)
#undef SET
}
