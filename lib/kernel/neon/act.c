/* act.c - activation functions, alone and gating a second row; the softmax denominator.
 */
#include "vmath.h"

INLINE_NEON float32x4_t relu_neon(float32x4_t x)
{
    return vbslq_f32(vcltzq_f32(x), vdupq_n_f32(0), x);
}

/* GELU_TANH is x * sigmoid(2u) with u the argument of its tanh. */
INLINE_NEON float32x4_t act_neon(enum activation act, float32x4_t x)
{
    const float32x4_t one = vdupq_n_f32(1);
    float32x4_t u = x, numerator = x;

    switch (act) {
    case ACT_RELU: return relu_neon(x);
    case ACT_RELU2: return vmulq_f32(relu_neon(x), relu_neon(x));
    case ACT_TANH: return tanh_neon(x);
    case ACT_EXP: return exp_neon(x);
    case ACT_SOFTPLUS:
        return vaddq_f32(relu_neon(x), log1p_neon(exp_neon(vnegq_f32(vabsq_f32(x)))));
    case ACT_GELU:
        u = erf_neon(vmulq_n_f32(x, 0.70710678f));
        return vmulq_f32(vmulq_n_f32(x, 0.5f), vaddq_f32(one, u));
    case ACT_GELU_TANH:
        u = vaddq_f32(vmulq_n_f32(vmulq_f32(x, x), 0.044715f), one);
        u = vmulq_f32(vmulq_n_f32(x, 1.59576912f), u);
        break;
    case ACT_GELU_QUICK: u = vmulq_n_f32(x, 1.702f); break;
    case ACT_SIGMOID: numerator = one; break;
    default: break;
    }
    return vdivq_f32(numerator, vaddq_f32(one, exp_neon(vnegq_f32(u))));
}

INLINE_NEON void rows_act_neon(enum activation act, float *y, const float *x, const float *u,
                               int64_t n)
{
    for (int64_t i = 0; i < n; i += 4) {
        float32x4_t v = act_neon(act, load_floats_neon(x + i, n - i));
        if (u)
            v = vmulq_f32(v, load_floats_neon(u + i, n - i));
        store_floats_neon(y + i, n - i, v);
    }
}

/* y = act(x), times u if there is one */
INLINE_NEON void any_act_neon(enum activation act, float *y, const float *x, const float *u,
                              int64_t n)
{
    switch (act) {
    case ACT_SILU: rows_act_neon(ACT_SILU, y, x, u, n); break;
    case ACT_GELU: rows_act_neon(ACT_GELU, y, x, u, n); break;
    case ACT_GELU_TANH: rows_act_neon(ACT_GELU_TANH, y, x, u, n); break;
    case ACT_RELU: rows_act_neon(ACT_RELU, y, x, u, n); break;
    case ACT_RELU2: rows_act_neon(ACT_RELU2, y, x, u, n); break;
    case ACT_GELU_QUICK: rows_act_neon(ACT_GELU_QUICK, y, x, u, n); break;
    case ACT_SIGMOID: rows_act_neon(ACT_SIGMOID, y, x, u, n); break;
    case ACT_TANH: rows_act_neon(ACT_TANH, y, x, u, n); break;
    case ACT_EXP: rows_act_neon(ACT_EXP, y, x, u, n); break;
    default: rows_act_neon(ACT_SOFTPLUS, y, x, u, n); break;
    }
}

static PI_ACTIVATE(activate_neon)
{
    any_act_neon(act, y, x, NULL, n);
}

static PI_GATE(gate_neon)
{
    any_act_neon(act, y, g, u, n);
}

/* sum of exp(x - max) */
static PI_EXP_SUM(exp_sum_neon)
{
    const float32x4_t most = vdupq_n_f32(max);
    float64x2_t low = vdupq_n_f64(0), high = low;
    int64_t i = 0;
    double sum;

    for (; i + 4 <= n; i += 4) {
        float32x4_t v = exp_neon(vsubq_f32(vld1q_f32(x + i), most));
        low = vaddq_f64(low, vcvt_f64_f32(vget_low_f32(v)));
        high = vaddq_f64(high, vcvt_high_f64_f32(v));
    }
    sum = sum_doubles_neon(vaddq_f64(low, high));
    for (; i < n; i++)
        sum += (double)vgetq_lane_f32(exp_neon(vdupq_n_f32(x[i] - max)), 0);
    return sum;
}

void pi_act_neon(struct kernels *k)
{
    k->activate = activate_neon;
    k->gate = gate_neon;
    k->exp_sum = exp_sum_neon;
}
