/* pack.c - operand rows: byte for byte as the contract says, and the same in every tier; halves
 * against the exact conversion.
 */
#include "harness.h"

/* The contract, in the obvious way. */
static void expected_row(enum operand kind, uint8_t *y, const float *x, int64_t n)
{
    int64_t block = kind == OPERAND_Q8 ? 32 : 256;
    int8_t *q = (int8_t *)y;
    float *scale = (float *)(void *)(y + pi_operand_scales(n));
    void *sums = y + pi_operand_sums(kind, n);

    memset(y, 0, pi_operand_bytes(kind, n));
    for (int64_t i = 0; i < n; i++) {
        float a = 0;
        bool finite = true;
        for (int64_t j = i / block * block; j < (i / block + 1) * block; j++) {
            a = fmaxf(a, fabsf(x[j]));
            finite = finite && isfinite(x[j]);
        }
        scale[i / block] = !finite ? NAN : a < PI_PACK_TINY ? 0 : a / 127;
        if (finite && a >= PI_PACK_TINY)
            q[i] = (int8_t)rintf(x[i] * (127 / a));
        if (kind == OPERAND_Q8)
            ((int32_t *)sums)[i / 32] += q[i];
        else
            ((int16_t *)sums)[i / 16] = (int16_t)(((int16_t *)sums)[i / 16] + q[i]);
    }
}

static void one_row(enum operand kind, pack_fn *pack, int64_t n, enum draw draw, enum place place)
{
    size_t bytes = pi_operand_bytes(kind, n);
    float *x = buffer((size_t)n * 4, place);
    uint8_t *y = buffer(bytes, place), *expected = buffer(bytes, PLACE_END);

    draw_floats(x, n, draw);
    if (draw == DRAW_INFINITE)
        x[random_below((int)n)] = -INFINITY;
    if (draw == DRAW_ONES)
        x[random_below((int)n)] = FLT_MAX;
    if (draw == DRAW_TINY)
        x[random_below((int)n)] = random_float(4 * PI_PACK_TINY);
    protect(x);
    memset(y, 0xA5, bytes);
    expected_row(kind, expected, x, n);
    GUARDED(pack(y, x, n));
    for (size_t i = 0; i < bytes; i += 4) {
        uint32_t a, b;
        memcpy(&a, y + i, 4);
        memcpy(&b, expected + i, 4);
        if (a != b && !(isnan(pi_f32_from_bits(a)) && isnan(pi_f32_from_bits(b)))) {
            fail("n %" PRId64 " draw %d: bytes %zu on are %08" PRIx32 ", expected %08" PRIx32, n,
                 (int)draw, i, a, b);
            break;
        }
    }
    release();
}

static void halves(to_f16_fn *to_f16, int64_t n, uint32_t bits, enum place place)
{
    float *x = buffer((size_t)n * 4, place);
    uint16_t *y = buffer((size_t)n * 2, place);

    for (int64_t i = 0; i < n; i++) /* all exponents, among them NaN and infinity */
        x[i] = pi_f32_from_bits(bits + (uint32_t)i * 0x00801003u);
    protect(x);
    GUARDED(to_f16(y, x, n));
    for (int64_t i = 0; i < n; i++)
        if (y[i] != pi_f16_from_f32(x[i])) {
            fail("half of %.9g is %04x, expected %04x", (double)x[i], (unsigned)y[i],
                 (unsigned)pi_f16_from_f32(x[i]));
            break;
        }
    release();
}

void test_pack(const struct trial *trial)
{
    static const char *const names[] = { NULL, "pack_q8", "pack_q8k" };

    for (int kind = OPERAND_Q8; kind < OPERAND_COUNT; kind++) {
        if (!begin(trial->now->tier, names[kind], FRESH(trial, pack[kind])))
            continue;
        for (int64_t blocks = 1; blocks < 20; blocks++)
            for (int draw = 0; draw < DRAW_COUNT; draw++)
                one_row((enum operand)kind, trial->now->pack[kind],
                        blocks * (kind == OPERAND_Q8 ? 32 : 256), (enum draw)draw,
                        (enum place)(blocks % 2));
        end();
    }
    if (begin(trial->now->tier, "to_f16", FRESH(trial, to_f16))) {
        for (int64_t n = 1; n < 70; n++)
            halves(trial->now->to_f16, n, random_u32(), (enum place)(n % 2));
        halves(trial->now->to_f16, 100000, 0, PLACE_END);
        halves(trial->now->to_f16, 100000, 0x80000fff, PLACE_END);
        end();
    }
}
