/* cpu.h - what this processor can execute, as tiers. Operating-system code.
 */
#ifndef PI_CPU_H
#define PI_CPU_H

#include "base.h"

/* Each tier is a bundle, not a feature bit, and implies the ones below it in its family. */
enum tier {
    TIER_AVX2 = 1 << 0,    /* AVX2, FMA, F16C */
    TIER_AVX512 = 1 << 1,  /* F, BW, DQ, VL, VBMI, VNNI, BITALG: Ice Lake, Zen 4 and later */
    TIER_AMX = 1 << 2,     /* tile, int8, bf16, AVX512-BF16, granted by the kernel */
    TIER_NEON = 1 << 3,    /* every 64-bit Arm */
    TIER_DOTPROD = 1 << 4, /* SDOT: Cortex-A76, Neoverse N1 and later */
    TIER_I8MM = 1 << 5,    /* SMMLA: Neoverse V1, Cortex-X2 and later */
    TIER_BF16 = 1 << 6,    /* AVX512-BF16, above avx512 and below amx: Zen 4, Sapphire Rapids */
};

/* The tiers that the processor and the operating system both support, from cpuid, XGETBV and
 * (AMX) arch_prctl, or from getauxval. */
uint32_t pi_cpu_tiers(void);

/* Processors that this process may run on, at least 1. */
int pi_cpu_count(void);

#endif
