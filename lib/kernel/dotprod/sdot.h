/* sdot.h - sixteen products of bytes in one instruction, for neon/row.h.
 */
#ifndef PI_DOTPROD_SDOT_H
#define PI_DOTPROD_SDOT_H

#include "kernel/neon/row.h"

INLINE_NEON int32x4_t mac_dotprod(bool fresh, int32x4_t sum, int8x16_t w, int8x16_t x)
{
    return vdotq_s32(fresh ? vdupq_n_s32(0) : sum, w, x);
}

#endif
