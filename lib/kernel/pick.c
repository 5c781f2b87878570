/* pick.c - the whole dispatch: scalar first, then each tier over the ones below it.
 *
 * Before: kernel.h. Next: scalar/dot.c.
 */
#include "overlays.h"

#define OVERLAY_SCALAR(file) pi_##file##_scalar(k);
#define OVERLAY_AVX2(file) pi_##file##_avx2(k);
#define OVERLAY_AVX512(file) pi_##file##_avx512(k);
#define OVERLAY_BF16(file) pi_##file##_bf16(k);
#define OVERLAY_AMX(file) pi_##file##_amx(k);
#define OVERLAY_NEON(file) pi_##file##_neon(k);
#define OVERLAY_DOTPROD(file) pi_##file##_dotprod(k);
#define OVERLAY_I8MM(file) pi_##file##_i8mm(k);

void pi_kernels_pick(struct kernels *k, uint32_t tiers)
{
    memset(k, 0, sizeof *k);
    k->tier = "scalar";
    PI_SCALAR_FILES(OVERLAY_SCALAR)
#if defined(__x86_64__)
    if (tiers & TIER_AVX2) {
        k->tier = "avx2";
        PI_AVX2_FILES(OVERLAY_AVX2)
    }
    if (tiers & TIER_AVX512) {
        k->tier = "avx512";
        PI_AVX512_FILES(OVERLAY_AVX512)
    }
    if (tiers & TIER_BF16) {
        k->tier = "bf16";
        PI_BF16_FILES(OVERLAY_BF16)
    }
    if (tiers & TIER_AMX) {
        k->tier = "amx";
        PI_AMX_FILES(OVERLAY_AMX)
    }
#elif defined(__aarch64__)
    if (tiers & TIER_NEON) {
        k->tier = "neon";
        PI_NEON_FILES(OVERLAY_NEON)
    }
    if (tiers & TIER_DOTPROD) {
        k->tier = "dotprod";
        PI_DOTPROD_FILES(OVERLAY_DOTPROD)
    }
    if (tiers & TIER_I8MM) {
        k->tier = "i8mm";
        PI_I8MM_FILES(OVERLAY_I8MM)
    }
#else
    (void)tiers;
#endif
}

#undef OVERLAY_SCALAR
#undef OVERLAY_AVX2
#undef OVERLAY_AVX512
#undef OVERLAY_BF16
#undef OVERLAY_AMX
#undef OVERLAY_NEON
#undef OVERLAY_DOTPROD
#undef OVERLAY_I8MM

enum operand pi_operand_of(enum dtype type)
{
    if (type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16)
        return OPERAND_F32;
    return pi_dtype(type).block == 256 ? OPERAND_Q8K : OPERAND_Q8;
}
