/* norm.c - normalisation of one row, and the sum of two; sums in double.
 */
#include <math.h>

#include "common.h"

/* Sum of (x - center)^power, power 1 or 2. */
INLINE_NEON double moment_neon(const float *x, int64_t n, double center, int power)
{
    const float64x2_t middle = vdupq_n_f64(center);
    float64x2_t sum[4];
    double total;
    int64_t i = 0;

#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        sum[j] = vdupq_n_f64(0);
    for (; i + 8 <= n; i += 8) {
        float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + 4);
        float64x2_t v[4] = { vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a),
                             vcvt_f64_f32(vget_low_f32(b)), vcvt_high_f64_f32(b) };
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            v[j] = vsubq_f64(v[j], middle);
            sum[j] = power == 1 ? vaddq_f64(sum[j], v[j]) : vfmaq_f64(sum[j], v[j], v[j]);
        }
    }
    total = sum_doubles_neon(vaddq_f64(vaddq_f64(sum[0], sum[1]), vaddq_f64(sum[2], sum[3])));
    for (; i < n; i++) {
        double d = (double)x[i] - center;
        total += power == 1 ? d : d * d;
    }
    return total;
}

/* y = x / sqrt(mean(x^2) + eps) * w */
static PI_RMS_NORM(rms_norm_neon)
{
    double mean = moment_neon(x, n, 0, 2) / (double)n;
    float inverse = (float)(1 / sqrt(mean + (double)eps));

    for (int64_t i = 0; i < n; i += 4) {
        float32x4_t v = vmulq_n_f32(load_floats_neon(x + i, n - i), inverse);
        if (w)
            v = vmulq_f32(v, load_floats_neon(w + i, n - i));
        store_floats_neon(y + i, n - i, v);
    }
}

/* y = (x - mean) / sqrt(var + eps) * w + b */
static PI_LAYER_NORM(layer_norm_neon)
{
    double mean = moment_neon(x, n, 0, 1) / (double)n;
    double variance = moment_neon(x, n, mean, 2) / (double)n;
    float32x4_t center = vdupq_n_f32((float)mean);
    float inverse = (float)(1 / sqrt(variance + (double)eps));

    for (int64_t i = 0; i < n; i += 4) {
        float32x4_t v = vsubq_f32(load_floats_neon(x + i, n - i), center);
        v = vmulq_n_f32(v, inverse);
        if (w)
            v = vmulq_f32(v, load_floats_neon(w + i, n - i));
        if (b)
            v = vaddq_f32(v, load_floats_neon(b + i, n - i));
        store_floats_neon(y + i, n - i, v);
    }
}

static PI_ADD(add_neon)
{
    for (int64_t i = 0; i < n; i += 4)
        store_floats_neon(y + i, n - i, vaddq_f32(load_floats_neon(a + i, n - i),
                                                  load_floats_neon(b + i, n - i)));
}

void pi_norm_neon(struct kernels *k)
{
    k->rms_norm = rms_norm_neon;
    k->layer_norm = layer_norm_neon;
    k->add = add_neon;
}
