/* cpu.c - see cpu.h. Operating-system code.
 */
#include "cpu.h"

#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* CPUID leaf 7 and leaf 1 bits; Intel SDM volume 2A, CPUID. */
enum {
    LEAF1_ECX_FMA = 1 << 12, LEAF1_ECX_OSXSAVE = 1 << 27, LEAF1_ECX_F16C = 1 << 29,
    LEAF7_EBX_AVX2 = 1 << 5, LEAF7_EBX_AVX512F = 1 << 16, LEAF7_EBX_AVX512DQ = 1 << 17,
    LEAF7_EBX_AVX512BW = 1 << 30, LEAF7_ECX_VBMI = 1 << 1, LEAF7_ECX_VNNI = 1 << 11,
    LEAF7_ECX_BITALG = 1 << 12, LEAF7_EDX_AMX_BF16 = 1 << 22, LEAF7_EDX_AMX_TILE = 1 << 24,
    LEAF7_EDX_AMX_INT8 = 1 << 25, LEAF7_1_EAX_AVX512_BF16 = 1 << 5
};
#define LEAF7_EBX_AVX512VL (1u << 31)

/* XCR0: state that the operating system saves. SDM volume 1, 13.3. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xE6, XCR0_AMX = 0x60000 };

static uint32_t enabled_state(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(uint32_t value, uint32_t bits)
{
    return (value & bits) == bits;
}

#if defined(PITH_AMX_EMULATE)

/* For tests: kernel/amx/tile.h does the work of the tiles. */
static bool has_tiles(uint32_t state, uint32_t features)
{
    (void)state;
    (void)features;
    return true;
}

#else

/* Linux hands out the tile state only to processes that ask (arch_prctl(2)). To ask again
 * changes nothing; threads and forked children inherit the answer. */
static bool tiles_granted(void)
{
#if defined(__linux__)
    enum { REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

static bool has_tiles(uint32_t state, uint32_t features)
{
    return has(state, XCR0_AMX) &&
           has(features, LEAF7_EDX_AMX_TILE | LEAF7_EDX_AMX_INT8 | LEAF7_EDX_AMX_BF16) &&
           tiles_granted();
}

#endif

uint32_t pi_cpu_tiers(void)
{
    uint32_t a, b, c, d, a1 = 0, unused, state, tiers = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, LEAF1_ECX_OSXSAVE | LEAF1_ECX_FMA) ||
        !has(c, LEAF1_ECX_F16C))
        return 0;
    state = enabled_state();
    if (!has(state, XCR0_AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has(b, LEAF7_EBX_AVX2))
        return 0;
    tiers |= TIER_AVX2;
    if (a >= 1)
        __get_cpuid_count(7, 1, &a1, &unused, &unused, &unused);
    if (!has(state, XCR0_AVX512) ||
        !has(b, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW) ||
        !has(b, LEAF7_EBX_AVX512VL) ||
        !has(c, LEAF7_ECX_VBMI | LEAF7_ECX_VNNI | LEAF7_ECX_BITALG))
        return tiers;
    tiers |= TIER_AVX512;
    if (!has(a1, LEAF7_1_EAX_AVX512_BF16))
        return tiers;
    tiers |= TIER_BF16;
    if (has_tiles(state, d))
        tiers |= TIER_AMX;
    return tiers;
}

#elif defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2; Linux, arch/arm64/include/uapi/asm/hwcap.h. */
enum { AUX_ASIMD = 1 << 1, AUX_ASIMDDP = 1 << 20, AUX2_I8MM = 1 << 13 };

uint32_t pi_cpu_tiers(void)
{
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);

    if (!(first & AUX_ASIMD))
        return 0;
    if (!(first & AUX_ASIMDDP))
        return TIER_NEON;
    return TIER_NEON | TIER_DOTPROD | (second & AUX2_I8MM ? TIER_I8MM : 0);
}

#else

uint32_t pi_cpu_tiers(void)
{
    return 0;
}

#endif

int pi_cpu_count(void)
{
    long n = 0;

#if defined(__linux__)
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
#endif
    if (n < 1)
        n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}
