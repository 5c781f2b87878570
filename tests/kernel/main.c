/* main.c - see harness.h. Arguments: --seed=N, --only=PART of a name such as dot_q4, --bench.
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

enum { CANARY = 0xC5, BUFFERS_MAX = 16 };

sigjmp_buf crash_return;
volatile int crash_armed;

static struct {
    const char *only;
    char name[64];
    int passed, failed, skipped, failures;
    uint32_t state;
} run;

static struct pages {
    uint8_t *base; /* one page out of bounds, the mapping, one page out of bounds */
    size_t bytes, first, size;
} buffers[BUFFERS_MAX];
static int buffer_count;

uint32_t random_u32(void)
{
    run.state ^= run.state << 13;
    run.state ^= run.state >> 17;
    run.state ^= run.state << 5;
    return run.state;
}

int random_below(int n) { return (int)(random_u32() % (uint32_t)n); }

float random_float(float bound)
{
    return ((float)(random_u32() >> 8) * 0x1p-23f - 1) * bound;
}

void *buffer(size_t size, enum place place)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct pages *b = &buffers[buffer_count++];

    if (buffer_count > BUFFERS_MAX)
        abort();
    b->size = size;
    b->bytes = (size + page - 1) / page * page + 2 * page;
    b->base = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->base == MAP_FAILED)
        abort();
    mprotect(b->base, page, PROT_NONE);
    mprotect(b->base + b->bytes - page, page, PROT_NONE);
    memset(b->base + page, CANARY, b->bytes - 2 * page);
    b->first = place == PLACE_END ? b->bytes - page - size : page;
    memset(b->base + b->first, 0, size);
    return b->base + b->first;
}

void protect(const void *at)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (int i = 0; i < buffer_count; i++)
        if (buffers[i].base + buffers[i].first == at)
            mprotect(buffers[i].base + page, buffers[i].bytes - 2 * page, PROT_READ);
}

void release(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (; buffer_count > 0; buffer_count--) {
        struct pages *b = &buffers[buffer_count - 1];
        for (size_t i = page; i < b->bytes - page; i++)
            if ((i < b->first || i >= b->first + b->size) && b->base[i] != CANARY) {
                fail("wrote %td bytes from the start of a buffer of %zu",
                     (ptrdiff_t)i - (ptrdiff_t)b->first, b->size);
                break;
            }
        munmap(b->base, b->bytes);
    }
}

/* Offsets of the half-precision fields of a block, -1 for none. */
static void half_fields(enum dtype type, int at[2])
{
    at[0] = 0, at[1] = -1;
    switch (type) {
    case DTYPE_Q4_1: case DTYPE_Q5_1: case DTYPE_Q4_K: case DTYPE_Q5_K: at[1] = 2; break;
    case DTYPE_Q2_K: at[0] = 80, at[1] = 82; break;
    case DTYPE_Q3_K: at[0] = 108; break;
    case DTYPE_Q6_K: at[0] = 208; break;
    case DTYPE_TQ1_0: at[0] = 52; break;
    case DTYPE_TQ2_0: at[0] = 64; break;
    case DTYPE_MXFP4: case DTYPE_NVFP4: case DTYPE_IQ1_M: at[0] = -1; break;
    default: break;
    }
}

static void put_half(uint8_t *at, float value)
{
    uint16_t half = pi_f16_from_f32(value);
    at[0] = (uint8_t)half;
    at[1] = (uint8_t)(half >> 8);
}

/* IQ1_M has the half's nibbles on top of four half-words. */
static void put_nibbles(uint8_t *at, float value)
{
    uint16_t half = pi_f16_from_f32(value);
    for (int i = 0; i < 4; i++)
        at[2 * i + 1] = (uint8_t)((at[2 * i + 1] & 15) | (half >> 4 * i & 15) << 4);
}

static float draw_scale(enum draw draw, bool special)
{
    switch (draw) {
    case DRAW_ZERO: return 0;
    case DRAW_NEGATIVE: return -0.01f - fabsf(random_float(0.01f));
    case DRAW_LARGE: return 65504;
    case DRAW_TINY: return random_float(0x1p-15f);
    case DRAW_NAN: return special ? NAN : random_float(0.02f);
    case DRAW_INFINITE: return special ? INFINITY : random_float(0.02f);
    default: return random_float(0.02f);
    }
}

static void draw_float_weights(enum dtype type, uint8_t *w, int64_t n, enum draw draw)
{
    int64_t special = random_below((int)n);

    for (int64_t i = 0; i < n; i++) {
        float value = draw_scale(draw, i == special);
        uint32_t bits = pi_f32_bits(value);
        if (type == DTYPE_F16)
            put_half(w + 2 * i, value);
        else if (type == DTYPE_BF16)
            memcpy(w + 2 * i, &(uint16_t){ pi_bf16_from_f32(value) }, 2);
        else
            memcpy(w + 4 * i, &bits, 4);
    }
}

void draw_weights(enum dtype type, uint8_t *w, int64_t n, enum draw draw)
{
    struct dtype_info info = pi_dtype(type);
    int64_t blocks = n / info.block, special;
    int at[2];

    if (info.block == 1) {
        draw_float_weights(type, w, n, draw);
        return;
    }
    half_fields(type, at);
    special = random_below((int)blocks);
    for (int64_t b = 0; b < blocks; b++, w += info.bytes) {
        for (int i = 0; i < info.bytes; i++)
            w[i] = draw == DRAW_ZERO ? 0 : draw == DRAW_ONES ? 255 : draw == DRAW_SIGN ? 0x80
                   : (uint8_t)(random_u32() >> 24);
        for (int i = 0; i < 2; i++)
            if (at[i] >= 0)
                put_half(w + at[i], draw_scale(draw, b == special));
        if (type == DTYPE_IQ1_M)
            put_nibbles(w + 48, draw_scale(draw, b == special));
        if (type == DTYPE_MXFP4) /* e = 0 and 1 are the subnormal scales */
            w[0] = draw == DRAW_TINY ? w[0] & 1 : (uint8_t)(110 + w[0] % 32);
    }
}

void draw_floats(float *x, int64_t n, enum draw draw)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = random_float(1);
        if (draw == DRAW_ZERO)
            x[i] = 0;
        else if (draw == DRAW_NEGATIVE)
            x[i] = -fabsf(x[i]);
        else if (draw == DRAW_LARGE)
            x[i] *= 1e6f;
        else if (draw == DRAW_TINY)
            x[i] *= 1e-30f;
        else if (draw == DRAW_SIGN)
            x[i] = x[i] < 0 ? -1.0f : 1.0f;
    }
    if (draw == DRAW_NAN_INPUT && n > 0)
        x[random_below((int)n)] = random_below(2) ? NAN : INFINITY;
}

bool begin(const char *tier, const char *name, bool fresh)
{
    snprintf(run.name, sizeof run.name, "%s_%s", name, tier);
    for (char *c = run.name; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    run.failures = 0;
    return fresh && (!run.only || strstr(run.name, run.only));
}

void end(void)
{
    release();
    if (run.failures) {
        run.failed++;
        printf("FAIL %s (%d)\n", run.name, run.failures);
    } else {
        run.passed++;
    }
    fflush(stdout);
}

void fail(const char *format, ...)
{
    va_list args;

    if (run.failures++ >= 8)
        return;
    printf("%s: ", run.name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

bool near_double(double actual, double expected, double bound)
{
    if (isnan(expected) || isnan(actual))
        return isnan(expected) && isnan(actual);
    return actual == expected || fabs(actual - expected) <= bound;
}

bool same_bits(float a, float b)
{
    return pi_f32_bits(a) == pi_f32_bits(b) || (isnan(a) && isnan(b));
}

static void on_crash(int number)
{
    if (crash_armed)
        siglongjmp(crash_return, number);
    signal(number, SIG_DFL);
    raise(number);
}

static void test_all(const struct trial *trial)
{
    test_unpack(trial);
    test_pack(trial);
    test_dot(trial);
    test_many(trial);
    test_norm(trial);
    test_act(trial);
    test_rope(trial);
    test_attend(trial);
    test_recall(trial);
}

int main(int argc, char **argv)
{
    static const struct { uint32_t bit; const char *name; } tiers[] = {
        { 0, "scalar" }, { TIER_AVX2, "avx2" }, { TIER_AVX512, "avx512" },
        { TIER_BF16, "bf16" }, { TIER_AMX, "amx" },
        { TIER_NEON, "neon" }, { TIER_DOTPROD, "dotprod" }, { TIER_I8MM, "i8mm" }
    };
    uint32_t seed = (uint32_t)getpid() * 2654435761u | 1, have = pi_cpu_tiers(), mask = 0;
    struct kernels below, now;
    bool benching = false;

#if defined(PITH_AMX_EMULATE)
    run.only = "_amx";
#endif
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--seed=", 7))
            seed = (uint32_t)strtoul(argv[i] + 7, NULL, 10) | 1;
        else if (!strncmp(argv[i], "--only=", 7))
            run.only = argv[i] + 7;
        else if (!strcmp(argv[i], "--bench"))
            benching = true;
        else
            return fprintf(stderr, "unknown argument %s\n", argv[i]), 2;
    }
    for (size_t i = 0; i < 5; i++)
        signal((int[]){ SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP }[i], on_crash);
    pi_kernels_pick(&below, 0);
    printf("kernel tests: --seed=%" PRIu32 "\n", seed);
    for (size_t i = 0; i < PI_COUNT(tiers); i++) {
        if ((have & tiers[i].bit) != tiers[i].bit) {
            printf("SKIP %s: this processor lacks it\n", tiers[i].name);
            run.skipped++;
            continue;
        }
        mask |= tiers[i].bit;
        pi_kernels_pick(&now, mask);
        run.state = seed;
        if (benching)
            bench(&now, run.only);
        else
            test_all(&(struct trial){ &now, &below, i == 0 });
        below = now;
    }
    printf("%-28s %d passed, %d failed, %d skipped\n", __FILE__, run.passed, run.failed,
           run.skipped);
    return run.failed != 0;
}
