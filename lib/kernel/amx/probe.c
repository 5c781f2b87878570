/* probe.c - the machine's ceiling: bfloat16 tiles on registers.
 */
#include "tile.h"

/* Four products of 16 rows, 32 deep, 16 columns; zeros, which take as long as any. */
static PI_PEAK(peak_amx)
{
    struct tiles_amx tiles = { .config = whole_tiles_amx() };

    TILES_OPEN_AMX(&tiles);
    TILE_ZERO_AMX(&tiles, 0);
    TILE_ZERO_AMX(&tiles, 1);
    TILE_ZERO_AMX(&tiles, 2);
    TILE_ZERO_AMX(&tiles, 3);
    TILE_ZERO_AMX(&tiles, 4);
    TILE_ZERO_AMX(&tiles, 5);
    TILE_ZERO_AMX(&tiles, 6);
    TILE_ZERO_AMX(&tiles, 7);
    for (int64_t n = 0; n < rounds; n++) {
        TILE_DOT_BF16_AMX(&tiles, 0, 4, 6);
        TILE_DOT_BF16_AMX(&tiles, 1, 4, 7);
        TILE_DOT_BF16_AMX(&tiles, 2, 5, 6);
        TILE_DOT_BF16_AMX(&tiles, 3, 5, 7);
    }
    TILES_CLOSE_AMX(&tiles);
    return 4 * 2.0 * 16 * 32 * 16 * (double)rounds;
}

void pi_probe_amx(struct kernels *k)
{
    k->peak = peak_amx;
}
