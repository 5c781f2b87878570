/* dtype.c - half and bfloat16 against arithmetic in double, and against the compiler's own half
 * where it has one; the table against the format's block layouts.
 */
#include "check.h"
#include "base/dtype.h"

/* Value of a half from its three fields. */
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double m = half & 0x3FF, sign = half & 0x8000 ? -1 : 1;

    if (exponent == 31)
        return m != 0 ? (double)NAN : sign * (double)INFINITY;
    return exponent ? sign * ldexp(1024 + m, exponent - 25) : sign * ldexp(m, -24);
}

static void every_half_round_trips(void)
{
    for (unsigned i = 0; i < 65536; i++) {
        float value = pi_f32_from_f16((uint16_t)i);
        double expected = half_value((uint16_t)i);

        if (isnan(expected)) {
            CHECK(isnan(value));
            CHECK(isnan(pi_f32_from_f16(pi_f16_from_f32(value))));
            continue;
        }
        if ((double)value != expected || !signbit(value) != !(i & 0x8000))
            CHECK_FAIL("half %04x is %g, expected %g", i, (double)value, expected);
        if (pi_f16_from_f32(value) != i)
            CHECK_FAIL("half %04x comes back as %04x", i, pi_f16_from_f32(value));
    }
}

/* The nearest half by search among neighbours, ties to the even one. */
static uint16_t nearest_half(float value)
{
    uint16_t low = 0, high = 0x7C00, sign = signbit(value) ? 0x8000 : 0;
    double x = fabs((double)value), down, up;

    if (x >= 65520) /* half way from the largest half to what would be the next one */
        return sign | 0x7C00;
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);

        if (half_value(middle) <= x)
            low = middle;
        else
            high = middle;
    }
    down = x - half_value(low);
    up = high == 0x7C00 ? 65536 - x : half_value(high) - x;
    if (down < up || (down == up && low % 2 == 0))
        return sign | low;
    return sign | high;
}

static void compare_half(float value)
{
    uint16_t got = pi_f16_from_f32(value), expected = nearest_half(value);

    if (got != expected)
        CHECK_FAIL("%.9g becomes half %04x, expected %04x", (double)value, got, expected);
}

static void halves_round_to_nearest_even(void)
{
    uint64_t seed = 11;

    for (unsigned i = 0; i < 0x7C00; i++) { /* at, just below and just above every tie */
        double tie = i == 0x7BFF ? 65520
                                  : (half_value((uint16_t)i) + half_value((uint16_t)(i + 1))) / 2;
        float exact = (float)tie;

        CHECK(i == 0x7BFF || (double)exact == tie);
        compare_half(exact);
        compare_half(-exact);
        compare_half(nextafterf(exact, 0));
        compare_half(nextafterf(exact, INFINITY));
    }
    for (int i = 0; i < 300000; i++) {
        float value = pi_f32_from_bits((uint32_t)(check_random(&seed) >> 13));

        if (!isnan(value))
            compare_half(value);
        else
            CHECK(isnan(pi_f32_from_f16(pi_f16_from_f32(value))));
    }
}

static void bfloat16_rounds_to_nearest_even(void)
{
    uint64_t seed = 12;

    for (unsigned i = 0; i < 65536; i++) {
        float value = pi_f32_from_bf16((uint16_t)i);

        CHECK(pi_f32_bits(value) == i << 16);
        if (isnan(value))
            CHECK(isnan(pi_f32_from_bf16(pi_bf16_from_f32(value))));
        else
            CHECK_INT(pi_bf16_from_f32(value), i);
    }
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)(check_random(&seed) >> 16), low = bits & 0xFFFF;
        uint32_t expected = bits >> 16;
        float value;

        if (i % 4 == 0)
            bits = (bits & 0xFFFF0000u) | 0x8000, low = 0x8000;
        value = pi_f32_from_bits(bits);
        if (isnan(value)) {
            CHECK(isnan(pi_f32_from_bf16(pi_bf16_from_f32(value))));
            continue;
        }
        expected += low > 0x8000 || (low == 0x8000 && (expected & 1));
        if (pi_bf16_from_f32(value) != expected)
            CHECK_FAIL("%08x becomes %04x, expected %04x", bits, pi_bf16_from_f32(value), expected);
    }
}

#if defined(__FLT16_MAX__) && (!defined(__clang__) || __clang_major__ > 14)
__extension__ typedef _Float16 half_float;

static void halves_are_the_compilers(void)
{
    uint64_t seed = 13;

    for (int i = 0; i < 200000; i++) {
        float value = pi_f32_from_bits((uint32_t)(check_random(&seed) >> 9));
        half_float half = (half_float)value;
        uint16_t bits;

        memcpy(&bits, &half, sizeof bits);
        if (!isnan(value) && pi_f16_from_f32(value) != bits)
            CHECK_FAIL("%.9g: %04x, the compiler says %04x", (double)value,
                       pi_f16_from_f32(value), bits);
    }
}
#else
static void halves_are_the_compilers(void)
{
    SKIP("this compiler has no _Float16");
}
#endif

static void formats_are_what_ggml_says(void)
{
    /* Bytes of a block from its fields: halves are 2, see ggml-common.h. */
    static const struct { uint32_t number; const char *name; int block, bytes; } rows[] = {
        { 0, "F32", 1, 4 }, { 1, "F16", 1, 2 }, { 30, "BF16", 1, 2 },
        { 2, "Q4_0", 32, 2 + 16 }, { 3, "Q4_1", 32, 4 + 16 },
        { 6, "Q5_0", 32, 2 + 4 + 16 }, { 7, "Q5_1", 32, 4 + 4 + 16 },
        { 8, "Q8_0", 32, 2 + 32 }, { 10, "Q2_K", 256, 16 + 64 + 4 },
        { 11, "Q3_K", 256, 32 + 64 + 12 + 2 }, { 12, "Q4_K", 256, 4 + 12 + 128 },
        { 13, "Q5_K", 256, 4 + 12 + 32 + 128 }, { 14, "Q6_K", 256, 128 + 64 + 16 + 2 },
        { 15, "Q8_K", 256, 4 + 256 + 32 }, { 20, "IQ4_NL", 32, 2 + 16 },
        { 23, "IQ4_XS", 256, 2 + 2 + 4 + 128 }, { 39, "MXFP4", 32, 1 + 16 },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        struct dtype_info info = pi_dtype(rows[i].number);

        CHECK_STR(info.name ? info.name : "", rows[i].name);
        CHECK_INT(info.block, rows[i].block);
        CHECK_INT(info.bytes, rows[i].bytes);
    }
}

static void unknown_formats_have_no_name(void)
{
    static const uint32_t holes[] = { 4, 5, 31, 32, 33, 36, 37, 38, 41, 1000, UINT32_MAX,
                                      0x80000000u, DTYPE_COUNT };

    for (size_t i = 0; i < PI_COUNT(holes); i++)
        CHECK(pi_dtype(holes[i]).name == NULL);
    for (uint32_t i = 0; i < 300; i++)
        if (pi_dtype(i).name)
            CHECK(pi_dtype(i).block > 0 && pi_dtype(i).bytes > 0);
}

static void bytes_are_checked(void)
{
    size_t bytes = 0;

    CHECK(pi_dtype_bytes(DTYPE_Q8_0, 64, &bytes) && bytes == 68);
    CHECK(!pi_dtype_bytes(DTYPE_Q8_0, 33, &bytes));
    CHECK(!pi_dtype_bytes((enum dtype)4, 32, &bytes));
    CHECK(!pi_dtype_bytes(DTYPE_F32, SIZE_MAX / 4 + 1, &bytes));
    CHECK(pi_dtype_bytes(DTYPE_F32, SIZE_MAX / 4, &bytes) && bytes == SIZE_MAX / 4 * 4);
    CHECK(pi_dtype_bytes(DTYPE_F32, 0, &bytes) && bytes == 0);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_half_round_trips);
    RUN(halves_round_to_nearest_even);
    RUN(halves_are_the_compilers);
    RUN(bfloat16_rounds_to_nearest_even);
    RUN(formats_are_what_ggml_says);
    RUN(unknown_formats_have_no_name);
    RUN(bytes_are_checked);
    return CHECK_END();
}
