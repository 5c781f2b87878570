/* tile.h - the tile instructions of AMX, one macro each, and for tests the same without them.
 *
 * The macros take a struct tiles_amx and the number of a tile as a literal digit. They are
 * assembly, not intrinsics: gcc 12's _tile_loadconfig does not say that it reads the whole
 * configuration (whose stores then vanish), nor its _tile_loadd that it reads memory.
 *
 * With PITH_AMX_EMULATE the struct holds the tiles and functions do what the manual says, so that
 * the kernels can be tested on any processor with AVX512-BF16; what would be an exception is a
 * trap.
 * Source: Intel SDM volume 2 (LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS, TDPBSSD) and volume 1,
 * chapter 18.
 */
#ifndef PI_AMX_TILE_H
#define PI_AMX_TILE_H

#include "kernel/avx512/block.h"

#define INLINE_AMX static inline __attribute__((always_inline))

enum { TILE_ROWS_AMX = 16, TILE_BYTES_AMX = 1024 /* with rows of 64 bytes */ };

/* What LDTILECFG reads. */
struct tile_config_amx {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

_Static_assert(sizeof(struct tile_config_amx) == 64, "LDTILECFG reads 64 bytes");

/* All eight tiles 16 rows of 64 bytes. */
INLINE_AMX struct tile_config_amx whole_tiles_amx(void)
{
    struct tile_config_amx c = { .palette = 1 };

    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = TILE_ROWS_AMX;
    }
    return c;
}

#if !defined(PITH_AMX_EMULATE)

struct tiles_amx {
    struct tile_config_amx config;
};

#define TILE_DO_AMX(t, ...)           \
    do {                              \
        (void)(t);                    \
        __asm__ volatile(__VA_ARGS__); \
    } while (0)

#define TILES_OPEN_AMX(t) TILE_DO_AMX(t, "ldtilecfg %0" : : "m"((t)->config) : "memory")
#define TILES_CLOSE_AMX(t) TILE_DO_AMX(t, "tilerelease" : : : "memory")
#define TILE_ZERO_AMX(t, n) TILE_DO_AMX(t, "tilezero %%tmm" #n : :)
#define TILE_LOAD_AMX(t, n, at, stride)            \
    TILE_DO_AMX(t, "tileloadd (%0,%1,1), %%tmm" #n \
                :                                  \
                : "r"(at), "r"((int64_t)(stride)) : "memory")
/* The same, with the hint not to keep what is loaded in the first cache. */
#define TILE_STREAM_AMX(t, n, at, stride)            \
    TILE_DO_AMX(t, "tileloaddt1 (%0,%1,1), %%tmm" #n \
                :                                    \
                : "r"(at), "r"((int64_t)(stride)) : "memory")
#define TILE_STORE_AMX(t, n, at, stride)              \
    TILE_DO_AMX(t, "tilestored %%tmm" #n ", (%0,%1,1)" \
                :                                     \
                : "r"(at), "r"((int64_t)(stride)) : "memory")
/* c += a * b: a [rows][2k] and b [k][columns][2] bfloat16, c float. */
#define TILE_DOT_BF16_AMX(t, c, a, b) \
    TILE_DO_AMX(t, "tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
/* c += a * b: a [rows][4k] and b [k][columns][4] int8, c int32. */
#define TILE_DOT_INT8_AMX(t, c, a, b) \
    TILE_DO_AMX(t, "tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)

#else

union tile_row_amx {
    uint8_t byte[64];
    uint16_t half[32];
    int32_t whole[16];
    float value[16];
};

struct tiles_amx {
    struct tile_config_amx config;
    bool open;
    union tile_row_amx tile[8][TILE_ROWS_AMX];
};

#define TILES_OPEN_AMX(t) tiles_open_amx(t)
#define TILES_CLOSE_AMX(t) tiles_close_amx(t)
#define TILE_ZERO_AMX(t, n) tile_zero_amx(t, n)
#define TILE_LOAD_AMX(t, n, at, stride) tile_load_amx(t, n, at, stride)
#define TILE_STREAM_AMX(t, n, at, stride) tile_load_amx(t, n, at, stride)
#define TILE_STORE_AMX(t, n, at, stride) tile_store_amx(t, n, at, stride)
#define TILE_DOT_BF16_AMX(t, c, a, b) tile_dot_bf16_amx(t, c, a, b)
#define TILE_DOT_INT8_AMX(t, c, a, b) tile_dot_int8_amx(t, c, a, b)

static inline void tile_expect_amx(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static inline void tiles_open_amx(struct tiles_amx *t)
{
    tile_expect_amx(t->config.palette == 1 && t->config.start_row == 0);
    for (int i = 0; i < 16; i++) {
        int bytes = t->config.row_bytes[i], rows = t->config.rows[i];
        tile_expect_amx(i < 8 ? bytes <= 64 && rows <= TILE_ROWS_AMX : !bytes && !rows);
        tile_expect_amx(!bytes == !rows && (i >= 14 || !t->config.reserved[i]));
    }
    memset(t->tile, 0, sizeof t->tile);
    t->open = true;
}

static inline void tiles_close_amx(struct tiles_amx *t)
{
    tile_expect_amx(t->open);
    t->open = false;
}

static inline void tile_zero_amx(struct tiles_amx *t, int n)
{
    tile_expect_amx(t->open && t->config.rows[n]);
    memset(t->tile[n], 0, sizeof t->tile[n]);
}

static inline void tile_load_amx(struct tiles_amx *t, int n, const void *at, int64_t stride)
{
    tile_zero_amx(t, n);
    for (int r = 0; r < t->config.rows[n]; r++)
        memcpy(t->tile[n][r].byte, (const uint8_t *)at + r * stride, t->config.row_bytes[n]);
}

static inline void tile_store_amx(struct tiles_amx *t, int n, void *at, int64_t stride)
{
    tile_expect_amx(t->open && t->config.rows[n]);
    for (int r = 0; r < t->config.rows[n]; r++)
        memcpy((uint8_t *)at + r * stride, t->tile[n][r].byte, t->config.row_bytes[n]);
}

/* Denormals are zeros, in operands and results alike. */
static inline __m512 tile_flush_amx(__m512 v)
{
    enum { DENORMAL = 0x20 };

    return _mm512_mask_and_ps(v, _mm512_fpclass_ps_mask(v, DENORMAL), v, _mm512_set1_ps(-0.0f));
}

/* The shapes of c, a and b must fit each other. */
static inline void tile_expect_fit_amx(const struct tiles_amx *t, int c, int a, int b)
{
    const struct tile_config_amx *g = &t->config;

    tile_expect_amx(t->open && c != a && c != b && a != b);
    tile_expect_amx(g->rows[c] && g->rows[c] == g->rows[a] && g->row_bytes[c] == g->row_bytes[b]);
    tile_expect_amx(g->row_bytes[a] == 4 * g->rows[b] && g->row_bytes[c] % 4 == 0);
}

/* Products of even and of odd elements are fused into a chain each, from zero; the two are
 * added, then their sum and c. */
static inline void tile_dot_bf16_amx(struct tiles_amx *t, int c, int a, int b)
{
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000);

    tile_expect_fit_amx(t, c, a, b);
    for (int r = 0; r < t->config.rows[c]; r++) {
        __m512 even = _mm512_setzero_ps(), odd = even, sum = _mm512_loadu_ps(t->tile[c][r].value);

        for (int k = 0; k < t->config.rows[b]; k++) {
            __m512i left = _mm512_set1_epi32(t->tile[a][r].whole[k]);
            __m512i right = _mm512_loadu_si512(t->tile[b][k].whole);
            even = tile_flush_amx(_mm512_fmadd_ps(
                tile_flush_amx(_mm512_castsi512_ps(_mm512_slli_epi32(left, 16))),
                tile_flush_amx(_mm512_castsi512_ps(_mm512_slli_epi32(right, 16))), even));
            odd = tile_flush_amx(_mm512_fmadd_ps(
                tile_flush_amx(_mm512_castsi512_ps(_mm512_and_si512(left, upper))),
                tile_flush_amx(_mm512_castsi512_ps(_mm512_and_si512(right, upper))), odd));
        }
        even = tile_flush_amx(_mm512_add_ps(even, odd));
        sum = tile_flush_amx(_mm512_add_ps(tile_flush_amx(sum), even));
        _mm512_storeu_ps(t->tile[c][r].value, sum);
        memset(t->tile[c][r].byte + t->config.row_bytes[c], 0,
               (size_t)(64 - t->config.row_bytes[c]));
    }
}

static inline void tile_dot_int8_amx(struct tiles_amx *t, int c, int a, int b)
{
    tile_expect_fit_amx(t, c, a, b);
    for (int r = 0; r < t->config.rows[c]; r++)
        for (int k = 0; k < 4 * t->config.rows[b]; k++)
            for (int i = 0; i < t->config.row_bytes[c] / 4; i++)
                t->tile[c][r].whole[i] += (int8_t)t->tile[a][r].byte[k] *
                                          (int8_t)t->tile[b][k / 4].byte[4 * i + k % 4];
}

#endif

#endif
