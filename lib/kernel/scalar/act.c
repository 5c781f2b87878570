/* act.c - activation functions, alone and gating a second row; the softmax denominator.
 */
#include <math.h>

#include "kernel/overlays.h"

static float silu_scalar(float x) { return x / (1 + expf(-x)); }

static float gelu_scalar(float x) { return 0.5f * x * (1 + erff(x * 0.70710678f)); }

static float gelu_tanh_scalar(float x)
{
    return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

static float relu_scalar(float x) { return x < 0 ? 0 : x; }

static float relu2_scalar(float x) { return x < 0 ? 0 : x * x; }

static float gelu_quick_scalar(float x) { return x / (1 + expf(-1.702f * x)); }

static float sigmoid_scalar(float x) { return 1 / (1 + expf(-x)); }

static float softplus_scalar(float x) { return relu_scalar(x) + log1pf(expf(-fabsf(x))); }

typedef float activation_scalar_fn(float x);

static activation_scalar_fn *const functions_scalar[ACT_COUNT] = {
    [ACT_SILU] = silu_scalar,
    [ACT_GELU] = gelu_scalar,
    [ACT_GELU_TANH] = gelu_tanh_scalar,
    [ACT_RELU] = relu_scalar,
    [ACT_RELU2] = relu2_scalar,
    [ACT_GELU_QUICK] = gelu_quick_scalar,
    [ACT_SIGMOID] = sigmoid_scalar,
    [ACT_TANH] = tanhf,
    [ACT_SOFTPLUS] = softplus_scalar,
    [ACT_EXP] = expf,
};

/* y = act(x) */
static PI_ACTIVATE(activate_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = functions_scalar[act](x[i]);
}

/* y = act(g) * u */
static PI_GATE(gate_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = functions_scalar[act](g[i]) * u[i];
}

/* sum of exp(x - max) */
static PI_EXP_SUM(exp_sum_scalar)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)max);
    return sum;
}

void pi_act_scalar(struct kernels *k)
{
    k->activate = activate_scalar;
    k->gate = gate_scalar;
    k->exp_sum = exp_sum_scalar;
}
