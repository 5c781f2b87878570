/* quants.c - float32 to each number format that pith writes. See quants.h.
 *
 * fit.c finds parameters and integers; here they become bytes. kernel/scalar/block.h reads
 * what this writes.
 *
 * Before: quantize.c. Next: fit.c.
 */
#include "quants.h"

#include "fit.h"

#include <math.h>

static void put_half(uint8_t *at, float x)
{
    uint16_t half = pi_f16_from_f32(x);

    at[0] = (uint8_t)half;
    at[1] = (uint8_t)(half >> 8);
}

/* ---- blocks of 32 ---- */

static void pack_nibbles(uint8_t *at, const float *q, float offset)
{
    for (int i = 0; i < 16; i++)
        at[i] = (uint8_t)((int)(q[i] + offset) | (int)(q[i + 16] + offset) << 4);
}

/* The low four bits of each, and the fifth bits as a word before them. */
static void pack_fives(uint8_t *high, uint8_t *low, const float *q, float offset)
{
    for (int i = 0; i < 4; i++)
        high[i] = 0;
    for (int i = 0; i < 16; i++) {
        int a = (int)(q[i] + offset), b = (int)(q[i + 16] + offset);

        low[i] = (uint8_t)((a & 15) | (b & 15) << 4);
        high[i / 8] = (uint8_t)(high[i / 8] | (a >> 4) << i % 8);
        high[2 + i / 8] = (uint8_t)(high[2 + i / 8] | (b >> 4) << i % 8);
    }
}

static bool quant_q4_0(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_range range = { -8, 7, 4, 9, 0.25f, NULL };
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 18) {
        if (!pi_fit_step(&b, x, &range))
            return false;
        put_half(w, b.d);
        pack_nibbles(w + 2, b.q, 8);
    }
    return true;
}

static bool quant_q4_1(uint8_t *w, const float *x, int64_t n)
{
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 20) {
        if (!pi_fit_line(&b, x, 15))
            return false;
        put_half(w, b.d);
        put_half(w + 2, b.dmin);
        pack_nibbles(w + 4, b.q, 0);
    }
    return true;
}

static bool quant_q5_0(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_range range = { -16, 15, 12, 17, 0.25f, NULL };
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 22) {
        if (!pi_fit_step(&b, x, &range))
            return false;
        put_half(w, b.d);
        pack_fives(w + 2, w + 6, b.q, 16);
    }
    return true;
}

static bool quant_q5_1(uint8_t *w, const float *x, int64_t n)
{
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 24) {
        if (!pi_fit_line(&b, x, 31))
            return false;
        put_half(w, b.d);
        put_half(w + 2, b.dmin);
        pack_fives(w + 4, w + 8, b.q, 0);
    }
    return true;
}

static bool quant_q8_0(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_range range = { -127, 127, 127, 127, 1, NULL };
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 34) {
        if (!pi_fit_step(&b, x, &range))
            return false;
        put_half(w, b.d);
        for (int i = 0; i < 32; i++)
            w[2 + i] = (uint8_t)(int8_t)b.q[i];
    }
    return true;
}

static bool quant_iq4_nl(uint8_t *w, const float *x, int64_t n)
{
    static const float values[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113 };
    static const struct fit_range range = { -127, 113, 99, 134, 7, values };
    struct fit b;

    for (; n > 0; n -= 32, x += 32, w += 18) {
        if (!pi_fit_step(&b, x, &range))
            return false;
        put_half(w, b.d);
        for (int i = 0; i < 32; i++) {
            int index = 0;

            while (values[index] < b.q[i])
                index++;
            b.q[i] = (float)index;
        }
        pack_nibbles(w + 2, b.q, 0);
    }
    return true;
}

static bool quant_q6_k(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_range range = { -32, 31, 29, 33, 0.5f, NULL };
    static const struct fit_range scales = { -128, 127, -128, -126, 1, NULL };
    struct fit b;

    for (; n > 0; n -= 256, x += 256, w += 210) {
        if (!pi_fit_steps(&b, x, &scales, &range))
            return false;
        memset(w, 0, 192);
        for (int i = 0; i < 256; i++) {
            int q = (int)b.q[i] + 32, low = i / 128 * 64 + i % 64, high = i / 128 * 32 + i % 32;

            w[low] = (uint8_t)(w[low] | (q & 15) << i / 64 % 2 * 4);
            w[128 + high] = (uint8_t)(w[128 + high] | q >> 4 << i / 32 % 4 * 2);
        }
        for (int g = 0; g < 16; g++)
            w[192 + g] = (uint8_t)(int8_t)b.scale[g];
        put_half(w + 208, b.d);
    }
    return true;
}

static bool quant_q3_k(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_range range = { -4, 3, 2, 5, 0.25f, NULL };
    static const struct fit_range scales = { -32, 31, -32, -30, 1, NULL };
    struct fit b;

    for (; n > 0; n -= 256, x += 256, w += 110) {
        if (!pi_fit_steps(&b, x, &scales, &range))
            return false;
        memset(w, 0, 108);
        for (int i = 0; i < 256; i++) {
            int q = (int)b.q[i] + 4, low = 32 + i / 128 * 32 + i % 32;

            w[low] = (uint8_t)(w[low] | (q & 3) << i / 32 % 4 * 2);
            w[i % 32] = (uint8_t)(w[i % 32] | q >> 2 << i / 32);
        }
        for (int g = 0; g < 16; g++) {
            int scale = (int)b.scale[g] + 32, two = 96 + 8 + g % 4;

            w[96 + g % 8] = (uint8_t)(w[96 + g % 8] | (scale & 15) << g / 8 * 4);
            w[two] = (uint8_t)(w[two] | scale >> 4 << g / 4 * 2);
        }
        put_half(w + 108, b.d);
    }
    return true;
}

/* Eight 6-bit scales and eight 6-bit mins in twelve bytes. */
static void pack_scales_k(uint8_t *w, const struct fit *b)
{
    put_half(w, b->d);
    put_half(w + 2, b->dmin);
    w += 4;
    for (int i = 0; i < 4; i++) {
        int s = (int)b->scale[i + 4], m = (int)b->low[i + 4];

        w[i] = (uint8_t)((int)b->scale[i] | s >> 4 << 6);
        w[i + 4] = (uint8_t)((int)b->low[i] | m >> 4 << 6);
        w[i + 8] = (uint8_t)((s & 15) | (m & 15) << 4);
    }
}

static bool quant_q4_k(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_layout layout = { 8, 15, 63 };
    struct fit b;

    for (; n > 0; n -= 256, x += 256, w += 144) {
        if (!pi_fit_lines(&b, x, &layout))
            return false;
        pack_scales_k(w, &b);
        for (int i = 0; i < 128; i++) {
            const float *q = b.q + i / 32 * 64 + i % 32;

            w[16 + i] = (uint8_t)((int)q[0] | (int)q[32] << 4);
        }
    }
    return true;
}

static bool quant_q5_k(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_layout layout = { 8, 31, 63 };
    struct fit b;

    for (; n > 0; n -= 256, x += 256, w += 176) {
        if (!pi_fit_lines(&b, x, &layout))
            return false;
        pack_scales_k(w, &b);
        memset(w + 16, 0, 160);
        for (int i = 0; i < 256; i++) {
            int q = (int)b.q[i], low = 48 + i / 64 * 32 + i % 32;

            w[low] = (uint8_t)(w[low] | (q & 15) << i / 32 % 2 * 4);
            w[16 + i % 32] = (uint8_t)(w[16 + i % 32] | q >> 4 << i / 32);
        }
    }
    return true;
}

static bool quant_q2_k(uint8_t *w, const float *x, int64_t n)
{
    static const struct fit_layout layout = { 16, 3, 15 };
    struct fit b;

    for (; n > 0; n -= 256, x += 256, w += 84) {
        if (!pi_fit_lines(&b, x, &layout))
            return false;
        memset(w, 0, 80);
        for (int g = 0; g < 16; g++)
            w[g] = (uint8_t)((int)b.scale[g] | (int)b.low[g] << 4);
        for (int i = 0; i < 256; i++) {
            int low = 16 + i / 128 * 32 + i % 32;

            w[low] = (uint8_t)(w[low] | (int)b.q[i] << i / 32 % 4 * 2);
        }
        put_half(w + 80, b.d);
        put_half(w + 82, b.dmin);
    }
    return true;
}

/* ---- no blocks ---- */

static bool quant_f32(uint8_t *w, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = pi_f32_bits(x[i]);

        for (int j = 0; j < 4; j++)
            w[4 * i + j] = (uint8_t)(bits >> 8 * j);
    }
    return true;
}

static bool quant_f16(uint8_t *w, const float *x, int64_t n)
{
    bool fits = true;

    for (int64_t i = 0; i < n; i++) {
        put_half(w + 2 * i, x[i]);
        fits &= fabsf(x[i]) < 65520; /* from here on, infinity is nearer */
    }
    return fits;
}

static bool quant_bf16(uint8_t *w, const float *x, int64_t n)
{
    bool fits = true;

    for (int64_t i = 0; i < n; i++) {
        uint16_t bits = pi_bf16_from_f32(x[i]);

        w[2 * i] = (uint8_t)bits;
        w[2 * i + 1] = (uint8_t)(bits >> 8);
        fits &= isfinite(pi_f32_from_bf16(bits)) != 0;
    }
    return fits;
}

quant_fn *pi_quant_find(enum dtype type)
{
    static quant_fn *const quants[DTYPE_COUNT] = {
        [DTYPE_F32] = quant_f32,   [DTYPE_F16] = quant_f16,   [DTYPE_BF16] = quant_bf16,
        [DTYPE_Q4_0] = quant_q4_0, [DTYPE_Q4_1] = quant_q4_1, [DTYPE_Q5_0] = quant_q5_0,
        [DTYPE_Q5_1] = quant_q5_1, [DTYPE_Q8_0] = quant_q8_0, [DTYPE_IQ4_NL] = quant_iq4_nl,
        [DTYPE_Q2_K] = quant_q2_k, [DTYPE_Q3_K] = quant_q3_k, [DTYPE_Q4_K] = quant_q4_k,
        [DTYPE_Q5_K] = quant_q5_k, [DTYPE_Q6_K] = quant_q6_k,
    };

    return quants[type];
}
