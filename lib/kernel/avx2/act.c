/* act.c - activation functions, alone and gating a second row; the softmax denominator.
 */
#include "vmath.h"

INLINE_AVX2 __m256 relu_avx2(__m256 x)
{
    const __m256 zero = _mm256_setzero_ps();

    return _mm256_andnot_ps(_mm256_cmp_ps(x, zero, _CMP_LT_OQ), x);
}

/* GELU_TANH is x * sigmoid(2u) with u the argument of its tanh. */
INLINE_AVX2 __m256 act_avx2(enum activation act, __m256 x)
{
    const __m256 one = _mm256_set1_ps(1), zero = _mm256_setzero_ps();
    __m256 u = x, numerator = x;

    switch (act) {
    case ACT_RELU: return relu_avx2(x);
    case ACT_RELU2: return _mm256_mul_ps(relu_avx2(x), relu_avx2(x));
    case ACT_TANH: return tanh_avx2(x);
    case ACT_EXP: return exp_avx2(x);
    case ACT_SOFTPLUS:
        u = _mm256_or_ps(x, _mm256_set1_ps(-0.0f)); /* -|x| */
        return _mm256_add_ps(relu_avx2(x), log1p_avx2(exp_avx2(u)));
    case ACT_GELU:
        u = erf_avx2(_mm256_mul_ps(x, _mm256_set1_ps(0.70710678f)));
        return _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(0.5f), x), _mm256_add_ps(one, u));
    case ACT_GELU_TANH:
        u = _mm256_mul_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f));
        u = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.59576912f)), _mm256_add_ps(u, one));
        break;
    case ACT_GELU_QUICK: u = _mm256_mul_ps(x, _mm256_set1_ps(1.702f)); break;
    case ACT_SIGMOID: numerator = one; break;
    default: break;
    }
    return _mm256_div_ps(numerator, _mm256_add_ps(one, exp_avx2(_mm256_sub_ps(zero, u))));
}

INLINE_AVX2 void rows_act_avx2(enum activation act, float *y, const float *x, const float *u,
                               int64_t n)
{
    int64_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 v = act_avx2(act, _mm256_loadu_ps(x + i));
        _mm256_storeu_ps(y + i, u ? _mm256_mul_ps(v, _mm256_loadu_ps(u + i)) : v);
    }
    if (i < n) {
        __m256i live = live_avx2(n - i);
        __m256 v = act_avx2(act, _mm256_maskload_ps(x + i, live));
        if (u)
            v = _mm256_mul_ps(v, _mm256_maskload_ps(u + i, live));
        _mm256_maskstore_ps(y + i, live, v);
    }
}

/* y = act(x), times u if there is one */
INLINE_AVX2 void any_act_avx2(enum activation act, float *y, const float *x, const float *u,
                              int64_t n)
{
    switch (act) {
    case ACT_SILU: rows_act_avx2(ACT_SILU, y, x, u, n); break;
    case ACT_GELU: rows_act_avx2(ACT_GELU, y, x, u, n); break;
    case ACT_GELU_TANH: rows_act_avx2(ACT_GELU_TANH, y, x, u, n); break;
    case ACT_RELU: rows_act_avx2(ACT_RELU, y, x, u, n); break;
    case ACT_RELU2: rows_act_avx2(ACT_RELU2, y, x, u, n); break;
    case ACT_GELU_QUICK: rows_act_avx2(ACT_GELU_QUICK, y, x, u, n); break;
    case ACT_SIGMOID: rows_act_avx2(ACT_SIGMOID, y, x, u, n); break;
    case ACT_TANH: rows_act_avx2(ACT_TANH, y, x, u, n); break;
    case ACT_EXP: rows_act_avx2(ACT_EXP, y, x, u, n); break;
    default: rows_act_avx2(ACT_SOFTPLUS, y, x, u, n); break;
    }
}

static PI_ACTIVATE(activate_avx2) { any_act_avx2(act, y, x, NULL, n); }

static PI_GATE(gate_avx2) { any_act_avx2(act, y, g, u, n); }

/* sum of exp(x - max) */
static PI_EXP_SUM(exp_sum_avx2)
{
    __m256d low = _mm256_setzero_pd(), high = low;

    for (int64_t i = 0; i < n; i += 8) {
        __m256i live = live_avx2(n - i);
        __m256 v = _mm256_sub_ps(_mm256_maskload_ps(x + i, live), _mm256_set1_ps(max));
        v = _mm256_and_ps(exp_avx2(v), _mm256_castsi256_ps(live));
        low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
        high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
    }
    return sum_doubles_avx2(_mm256_add_pd(low, high));
}

void pi_act_avx2(struct kernels *k)
{
    k->activate = activate_avx2;
    k->gate = gate_avx2;
    k->exp_sum = exp_sum_avx2;
}
