/* quants.c - number formats: errors against other quantisers, what must be exact, what is refused,
 * and which format each tensor of a mix gets.
 *
 * tests/golden/quantize.py made the figures, with gguf and llama.cpp's quantisers.
 */
#include "golden.h"
#include "kernel/kernel.h"
#include "model/mix.h"
#include "model/quants.h"
#include "scratch.h"

#define STORIES SHARED "/data/models/stories260K.gguf"

enum { VALUES = 256 * 256 };

static const enum dtype formats[] = {
    DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q2_K,
    DTYPE_Q3_K, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL,
};

static struct kernels kernels;

/* ---- rows ---- */

/* Values through a format and back; false if the quantiser refuses. */
static bool through(enum dtype type, float *y, const float *x, int64_t n)
{
    struct dtype_info info = pi_dtype(type);
    uint8_t *w = malloc((size_t)(n / info.block * info.bytes));
    bool fits = pi_quant_find(type)(w, x, n);

    if (fits)
        kernels.unpack[type](y, w, n);
    free(w);
    return fits;
}

/* Plain, weighted by |x| + the block's rms, weighted by |x|: as quantize.py does. */
static void measure(double out[3], const float *x, const float *y, int64_t n)
{
    double error[3] = { 0 }, size[3] = { 0 };

    for (int64_t i = 0; i < n; i += 32) {
        double rms = 0;

        for (int64_t j = i; j < i + 32; j++)
            rms += (double)x[j] * (double)x[j];
        rms = sqrt(rms / 32);
        for (int64_t j = i; j < i + 32; j++) {
            double a = fabs((double)x[j]), w[3] = { 1, a + rms, a };

            for (int k = 0; k < 3; k++) {
                error[k] += w[k] * ((double)x[j] - (double)y[j]) * ((double)x[j] - (double)y[j]);
                size[k] += w[k] * a * a;
            }
        }
    }
    for (int k = 0; k < 3; k++)
        out[k] = sqrt(error[k] / size[k]);
}

static void compare(const char *json, const char *data, const float *x, int64_t n)
{
    float *y = malloc((size_t)n * sizeof *y);
    const char *at = golden_key(json, data);

    for (size_t i = 0; i < PI_COUNT(formats); i++) {
        const char *name = pi_dtype(formats[i]).name;
        int64_t three;
        double *peer = golden_array(golden_key(at, name), &three), own[3];

        CHECK_INT(three, 3);
        CHECK(through(formats[i], y, x, n));
        measure(own, x, y, n);
        for (int k = 0; k < 3 && three == 3; k++)
            if (!(own[k] <= peer[k]))
                CHECK_FAIL("%s of %s: error %d is %.6f, elsewhere %.6f", name, data, k, own[k],
                           peer[k]);
        free(peer);
    }
    free(y);
}

static uint32_t state;

/* The generator of quantize.py. */
static double unit(void)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) / 16777216.0;
}

static void fill_gauss(float *x, int64_t n, double scale)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        for (int j = 0; j < 12; j++)
            sum += unit();
        x[i] = (float)((sum - 6) * scale);
    }
}

static char *golden_errors(void)
{
    size_t size;
    char *json = (char *)check_read("tests/golden/quantize.json", &size);

    if (!json)
        CHECK_FAIL("tests/golden/quantize.json is missing");
    return json;
}

static void errors_are_no_worse(void)
{
    float *x = malloc(VALUES * sizeof *x);
    char *json = golden_errors();

    state = 1;
    fill_gauss(x, VALUES, 0.02);
    if (json)
        compare(json, "gauss", x, VALUES);
    state = 2;
    for (int i = 0; i < VALUES; i++) {
        double u = unit() * 2 - 1;

        x[i] = (float)(copysign(log(1 - fabs(u)), u) * -0.02);
    }
    if (json)
        compare(json, "laplace", x, VALUES);
    free(json);
    free(x);
}

static void errors_of_a_real_model(void)
{
    char *json = golden_errors();
    struct opened o;
    float *x = NULL;
    int64_t n = 0;

    if (access(STORIES, R_OK) != 0) {
        free(json);
        SKIP(STORIES " is not here");
    }
    if (!open_file(&o, STORIES))
        return;
    for (int64_t i = 0; i < o.w.n_tensors; i++) {
        const struct tensor *t = &o.w.tensors[i];
        int64_t some = elements(t) / 256 * 256;

        if (t->dims < 2)
            continue;
        x = realloc(x, (size_t)(n + some) * sizeof *x);
        kernels.unpack[t->dtype](x + n, t->data, some);
        n += some;
    }
    if (json)
        compare(json, "stories", x, n);
    close_file(&o);
    free(json);
    free(x);
}

static void check_exact(enum dtype type, const float *x, int64_t n, const char *what)
{
    float *y = malloc((size_t)n * sizeof *y);

    if (!through(type, y, x, n))
        CHECK_FAIL("%s refuses %s", pi_dtype(type).name, what);
    else
        for (int64_t i = 0; i < n; i++)
            if (!(y[i] == x[i])) {
                CHECK_FAIL("%s: %s: value %" PRId64 " is %.9g, expected %.9g",
                           pi_dtype(type).name, what, i, (double)y[i], (double)x[i]);
                break;
            }
    free(y);
}

static void zeros(void)
{
    float x[512] = { 0 };

    for (size_t i = 0; i < PI_COUNT(formats); i++) {
        memset(x, 0, sizeof x);
        check_exact(formats[i], x, 512, "zeros");
        for (int j = 0; j < 256; j++)
            x[j] = j % 2 ? 1e-30f : -0x1p-149f;
        CHECK(through(formats[i], x, x, 256));
        for (int j = 0; j < 256; j++)
            CHECK(x[j] == 0);
    }
}

/* What a quantiser has written once, it writes again. */
static void twice_is_once(void)
{
    static const enum dtype exact[] = { DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1,
                                        DTYPE_IQ4_NL };
    float *x = malloc(VALUES * sizeof *x), *y = malloc(VALUES * sizeof *y);

    state = 3;
    fill_gauss(x, VALUES, 1);
    for (size_t i = 0; i < PI_COUNT(exact); i++) {
        CHECK(through(exact[i], y, x, VALUES));
        check_exact(exact[i], y, VALUES, "its own output");
    }
    free(x);
    free(y);
}

/* A grid: step * scale of the group * q - low of the group, with q in first..last and both ends in
 * every group, so that nothing is left to choose. */
static void fill_grid(float *x, int group, int first, int last, int top_scale, int top_low)
{
    const float d = 0x1.8p-7f, dmin = 0x1.4p-7f;

    for (int g = 0; g < 256 / group; g++) {
        int scale = g == 0 ? top_scale : 1 + (int)(unit() * (abs(top_scale) - 1));
        int low = g == 1 ? top_low : (int)(unit() * top_low);

        if (top_scale < 0 && g > 0 && unit() < 0.5)
            scale = -scale;
        for (int i = 0; i < group; i++) {
            int q = i == 0 ? first : i == 1 ? last
                                            : first + (int)(unit() * (last - first + 1));

            x[g * group + i] = d * (float)scale * (float)q - dmin * (float)low;
        }
    }
}

static void grids(void)
{
    static const struct {
        enum dtype type;
        int group, first, last, scale, low;
    } rows[] = {
        { DTYPE_Q4_0, 32, -8, 7, 1, 0 },     { DTYPE_Q5_0, 32, -16, 15, 1, 0 },
        { DTYPE_Q8_0, 32, -127, 127, 1, 0 }, { DTYPE_Q4_1, 32, 0, 15, 1, 1 },
        { DTYPE_Q5_1, 32, 0, 31, 1, 1 },     { DTYPE_Q4_K, 32, 0, 15, 63, 63 },
        { DTYPE_Q5_K, 32, 0, 31, 63, 63 },   { DTYPE_Q2_K, 16, 0, 3, 15, 15 },
        { DTYPE_Q6_K, 16, -32, 31, -128, 0 }, { DTYPE_Q3_K, 16, -4, 3, -32, 0 },
    };
    float x[256];

    state = 4;
    for (size_t i = 0; i < PI_COUNT(rows); i++)
        for (int trial = 0; trial < 50; trial++) {
            fill_grid(x, rows[i].group, rows[i].first, rows[i].last, rows[i].scale, rows[i].low);
            check_exact(rows[i].type, x, 256, "its own grid");
        }
    for (int trial = 0; trial < 50; trial++) { /* any part of the range of Q4_0 */
        int widest = 1 + trial % 8;

        for (int j = 0; j < 256; j++)
            x[j] = 0.375f * (float)(j % 32 ? (int)(unit() * 2 * widest) - widest : -widest);
        check_exact(DTYPE_Q4_0, x, 256, "a part of its grid");
    }
}

/* One value throughout: as near as half precision of scale and min allow, which for small ones
 * is a multiple of 2^-24. */
static void constants(void)
{
    static const float values[] = { 1, -1, 0.3f, -0.3f, 1e-3f, -1000.f / 3 };
    float x[256], y[256];

    for (size_t i = 0; i < PI_COUNT(formats); i++)
        for (size_t v = 0; v < PI_COUNT(values); v++) {
            for (int j = 0; j < 256; j++)
                x[j] = values[v];
            CHECK(through(formats[i], y, x, 256));
            for (int j = 0; j < 256; j++)
                CHECK_NEAR(y[j], x[j], 0x1p-10 * fabs((double)x[j]) + 0x1p-19);
        }
}

/* Every magnitude: either refused, or finite and no farther off than the block's largest. */
static void magnitudes(void)
{
    float x[256], y[256];
    int refused = 0;

    state = 5;
    for (int exponent = -60; exponent <= 127; exponent++)
        for (size_t i = 0; i < PI_COUNT(formats); i++) {
            float largest = 0;

            fill_gauss(x, 256, exponent < 120 ? ldexp(1, exponent) : 0.1 * ldexp(1, exponent));
            x[0] = exponent % 3 ? 0 : x[0] * 8;
            for (int j = 0; j < 256; j++)
                largest = fmaxf(largest, fabsf(x[j]));
            if (!through(formats[i], y, x, 256)) {
                refused++;
                CHECK(largest > 60000);
                continue;
            }
            CHECK(largest < 0x1p30f);
            for (int j = 0; j < 256; j++)
                CHECK_NEAR(y[j], x[j], largest > 0x1p-18f ? largest : 2 * largest + 0x1p-23f);
        }
    CHECK(refused > 0);
}

/* Rare shapes: one value of note, two clusters, a large offset, all below or all above zero. */
static void odd_shapes(void)
{
    float x[256], y[256];

    state = 6;
    for (int shape = 0; shape < 6; shape++)
        for (size_t i = 0; i < PI_COUNT(formats); i++) {
            double largest = 0;

            for (int j = 0; j < 256; j++) {
                float u = (float)unit();

                x[j] = shape == 0   ? (j == 77 ? -3.f : 0)
                       : shape == 1 ? (u < 0.5f ? 1 : -1) + 1e-4f * u
                       : shape == 2 ? 100 + u
                       : shape == 3 ? -100 - u
                       : shape == 4 ? (float)pow(10, 6 * (double)u - 5)
                                    : 60000 * u;
                largest = fmax(largest, fabs((double)x[j]));
            }
            CHECK(through(formats[i], y, x, 256));
            for (int j = 0; j < 256; j++)
                CHECK_NEAR(y[j], x[j], largest * (formats[i] == DTYPE_Q2_K ? 0.2 : 0.13));
        }
}

/* Formats without blocks: exact where they can be, refused where they would be infinite. */
static void plain_formats(void)
{
    float x[4] = { 65504, 65519, -65504, 0x1p-24f }, y[4], big = 65520;

    check_exact(DTYPE_F32, x, 4, "floats");
    CHECK(through(DTYPE_F16, y, x, 4));
    CHECK(y[0] == 65504 && y[1] == 65504 && y[3] == 0x1p-24f);
    CHECK(!through(DTYPE_F16, y, &big, 1));
    CHECK(through(DTYPE_BF16, y, x, 4));
    big = pi_f32_from_bits(0x7F7FFFFF);
    CHECK(!through(DTYPE_BF16, y, &big, 1));
    check_exact(DTYPE_F32, &big, 1, "the largest float");
    CHECK(pi_quant_find(DTYPE_Q8_K) == NULL);
    CHECK(pi_quant_find(DTYPE_I32) == NULL);
}

/* ---- mixes ---- */

static const struct mix *mix_of(const char *name)
{
    const struct mix *mix = NULL;

    if (pi_mix_find(&mix, name, &err))
        CHECK_FAIL("%s", err.text);
    return mix;
}

static enum dtype choose(const char *mix, const struct mix_facts *facts, const char *name,
                         int64_t row, int64_t rows, bool *fallback)
{
    struct tensor t = { .name = pi_str(name), .dtype = DTYPE_F32, .dims = 2,
                        .ne = { row, rows, 1, 1 } };

    return pi_mix_choose(mix_of(mix), facts, &t, fallback);
}

static void check_choice(const char *mix, const char *name, int64_t row, enum dtype expected,
                         bool falls)
{
    static const struct mix_facts facts = { .has_output = true, .layers = 32, .shared_by = 1 };
    bool fallback;
    enum dtype type = choose(mix, &facts, name, row, 64, &fallback);

    if (type != expected || fallback != falls)
        CHECK_FAIL("%s: %s [%d] gets %s%s, expected %s", mix, name, (int)row, pi_dtype(type).name,
                   fallback ? " as a fallback" : "", pi_dtype(expected).name);
}

static void mixes_by_name(void)
{
    check_choice("Q4_K_M", "output.weight", 256, DTYPE_Q6_K, false);
    check_choice("Q4_K_M", "token_embd.weight", 256, DTYPE_Q4_K, false);
    check_choice("Q4_0", "output.weight", 256, DTYPE_Q6_K, false);
    check_choice("Q8_0", "output.weight", 256, DTYPE_Q8_0, false);
    check_choice("F16", "output.weight", 256, DTYPE_F16, false);
    check_choice("Q4_K_M", "blk.9.attn_qkv.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q5_K_M", "blk.9.attn_qkv.weight", 256, DTYPE_Q6_K, false);
    check_choice("Q4_K_S", "blk.3.attn_v.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q4_K_S", "blk.4.attn_v.weight", 256, DTYPE_Q4_K, false);
    check_choice("Q4_K_S", "blk.3.ffn_down.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q4_K_S", "blk.4.ffn_down_exps.weight", 256, DTYPE_Q4_K, false);
    check_choice("Q3_K_M", "blk.1.attn_v.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q3_K_M", "blk.2.attn_v.weight", 256, DTYPE_Q4_K, false);
    check_choice("Q3_K_M", "blk.1.ffn_down.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q3_K_M", "blk.2.ffn_down.weight", 256, DTYPE_Q4_K, false);
    check_choice("Q3_K_M", "blk.2.ffn_up.weight", 256, DTYPE_Q3_K, false);
    check_choice("Q3_K_L", "blk.9.attn_output.weight", 256, DTYPE_Q5_K, false);
    check_choice("Q2_K", "blk.9.attn_output.weight", 256, DTYPE_Q3_K, false);
    check_choice("q4_k", "blk.9.ffn_up.weight", 256, DTYPE_Q4_K, false);
    for (int layer = 0; layer < 32; layer++) {
        bool more = layer < 4 || layer >= 28 || (layer - 4) % 3 == 2;
        char name[40];

        snprintf(name, sizeof name, "blk.%d.attn_v.weight", layer);
        check_choice("Q4_K_M", name, 256, more ? DTYPE_Q6_K : DTYPE_Q4_K, false);
        snprintf(name, sizeof name, "blk.%d.ffn_down.weight", layer);
        check_choice("Q5_K_M", name, 256, more ? DTYPE_Q6_K : DTYPE_Q5_K, false);
    }
    CHECK_INT(pi_mix_file_type(mix_of("Q4_K_M")), 15);
    CHECK_INT(pi_mix_file_type(mix_of("q4_K")), 15);
    CHECK_INT(pi_mix_file_type(mix_of("BF16")), 32);
}

static void fallbacks(void)
{
    check_choice("Q4_K_M", "blk.9.ffn_up.weight", 96, DTYPE_Q5_0, true);
    check_choice("Q5_K_S", "blk.9.ffn_up.weight", 96, DTYPE_Q5_1, true);
    check_choice("Q6_K", "blk.9.ffn_up.weight", 96, DTYPE_Q8_0, true);
    check_choice("Q3_K_S", "blk.9.ffn_up.weight", 96, DTYPE_IQ4_NL, true);
    check_choice("Q2_K_S", "blk.9.ffn_up.weight", 96, DTYPE_IQ4_NL, true);
    check_choice("Q4_K_M", "output.weight", 96, DTYPE_Q8_0, true);
    check_choice("Q4_0", "blk.9.ffn_up.weight", 96, DTYPE_Q4_0, false);
    check_choice("Q4_0", "blk.9.ffn_up.weight", 172, DTYPE_F16, true);
    check_choice("Q4_K_M", "blk.9.ffn_up.weight", 172, DTYPE_F16, true);
    check_choice("BF16", "blk.9.ffn_up.weight", 7, DTYPE_BF16, false);
}

/* Tensors that stay, and facts of the file that change the choice. */
static void kept_and_shared(void)
{
    struct mix_facts facts = { .has_output = false, .layers = 32, .shared_by = 4 };
    struct tensor t = { .name = STR("x.weight"), .dtype = DTYPE_BF16, .dims = 1,
                        .ne = { 256, 1, 1, 1 } };
    bool f;

    check_choice("Q4_K_M", "blk.9.ffn_norm.weight", 256, DTYPE_F32, false);
    check_choice("Q4_K_M", "blk.9.ffn_gate_inp.weight", 256, DTYPE_F32, false);
    check_choice("Q4_K_M", "position_embd.weight", 256, DTYPE_F32, false);
    check_choice("Q4_K_M", "blk.9.attn_q.bias", 256, DTYPE_F32, false);
    CHECK_INT(choose("Q4_K_M", &facts, "token_embd.weight", 256, 9, &f), DTYPE_Q6_K);
    CHECK_INT(choose("Q2_K", &facts, "blk.9.attn_v.weight", 256, 9, &f), DTYPE_Q4_K);
    CHECK_INT(choose("IQ4_NL", &facts, "blk.9.attn_v.weight", 256, 9, &f), DTYPE_Q5_K);
    facts.experts = 8;
    CHECK_INT(choose("Q4_K_M", &facts, "blk.9.attn_k.weight", 256, 9, &f), DTYPE_Q8_0);
    CHECK_INT(choose("Q4_K_M", &facts, "blk.9.attn_output.weight", 256, 9, &f), DTYPE_Q5_K);
    CHECK_INT(choose("F16", &facts, "blk.9.attn_k.weight", 256, 9, &f), DTYPE_F16);
    CHECK_INT(pi_mix_choose(mix_of("Q4_0"), &facts, &t, &f), DTYPE_F32);
    t.dims = 2; /* [1][256] is a vector too */
    CHECK_INT(pi_mix_choose(mix_of("Q4_0"), &facts, &t, &f), DTYPE_F32);
    t.dtype = DTYPE_I32;
    CHECK_INT(pi_mix_choose(mix_of("Q4_0"), &facts, &t, &f), DTYPE_I32);
    t.ne[1] = 2;
    CHECK_INT(pi_mix_choose(mix_of("Q4_0"), &facts, &t, &f), DTYPE_I32);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    pi_kernels_pick(&kernels, 0);
    RUN(errors_are_no_worse);
    RUN(errors_of_a_real_model);
    RUN(zeros);
    RUN(twice_is_once);
    RUN(grids);
    RUN(constants);
    RUN(magnitudes);
    RUN(odd_shapes);
    RUN(plain_formats);
    RUN(mixes_by_name);
    RUN(fallbacks);
    RUN(kept_and_shared);
    return CHECK_END();
}
