/* act.c - activation functions, alone and gating a second row; the softmax denominator.
 */
#include "vmath.h"

INLINE_AVX512 __m512 relu_avx512(__m512 x)
{
    const __m512 zero = _mm512_setzero_ps();

    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), zero);
}

/* GELU_TANH is x * sigmoid(2u) with u the argument of its tanh. */
INLINE_AVX512 __m512 act_avx512(enum activation act, __m512 x)
{
    const __m512 one = _mm512_set1_ps(1), zero = _mm512_setzero_ps();
    __m512 u = x, numerator = x;

    switch (act) {
    case ACT_RELU: return relu_avx512(x);
    case ACT_RELU2: return _mm512_mul_ps(relu_avx512(x), relu_avx512(x));
    case ACT_TANH: return tanh_avx512(x);
    case ACT_EXP: return exp_avx512(x);
    case ACT_SOFTPLUS:
        u = _mm512_or_ps(x, _mm512_set1_ps(-0.0f)); /* -|x| */
        return _mm512_add_ps(relu_avx512(x), log1p_avx512(exp_avx512(u)));
    case ACT_GELU:
        u = erf_avx512(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678f)));
        return _mm512_mul_ps(_mm512_mul_ps(_mm512_set1_ps(0.5f), x), _mm512_add_ps(one, u));
    case ACT_GELU_TANH:
        u = _mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f));
        u = _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.59576912f)), _mm512_add_ps(u, one));
        break;
    case ACT_GELU_QUICK: u = _mm512_mul_ps(x, _mm512_set1_ps(1.702f)); break;
    case ACT_SIGMOID: numerator = one; break;
    default: break;
    }
    return _mm512_div_ps(numerator, _mm512_add_ps(one, exp_avx512(_mm512_sub_ps(zero, u))));
}

INLINE_AVX512 void rows_act_avx512(enum activation act, float *y, const float *x, const float *u,
                                   int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        __m512 v = act_avx512(act, _mm512_maskz_loadu_ps(live, x + i));
        if (u)
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(live, u + i));
        _mm512_mask_storeu_ps(y + i, live, v);
    }
}

/* y = act(x), times u if there is one */
INLINE_AVX512 void any_act_avx512(enum activation act, float *y, const float *x, const float *u,
                                  int64_t n)
{
    switch (act) {
    case ACT_SILU: rows_act_avx512(ACT_SILU, y, x, u, n); break;
    case ACT_GELU: rows_act_avx512(ACT_GELU, y, x, u, n); break;
    case ACT_GELU_TANH: rows_act_avx512(ACT_GELU_TANH, y, x, u, n); break;
    case ACT_RELU: rows_act_avx512(ACT_RELU, y, x, u, n); break;
    case ACT_RELU2: rows_act_avx512(ACT_RELU2, y, x, u, n); break;
    case ACT_GELU_QUICK: rows_act_avx512(ACT_GELU_QUICK, y, x, u, n); break;
    case ACT_SIGMOID: rows_act_avx512(ACT_SIGMOID, y, x, u, n); break;
    case ACT_TANH: rows_act_avx512(ACT_TANH, y, x, u, n); break;
    case ACT_EXP: rows_act_avx512(ACT_EXP, y, x, u, n); break;
    default: rows_act_avx512(ACT_SOFTPLUS, y, x, u, n); break;
    }
}

static PI_ACTIVATE(activate_avx512) { any_act_avx512(act, y, x, NULL, n); }

static PI_GATE(gate_avx512) { any_act_avx512(act, y, g, u, n); }

/* sum of exp(x - max) */
static PI_EXP_SUM(exp_sum_avx512)
{
    __m512d low = _mm512_setzero_pd(), high = low;

    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 live = (__mmask16)((1u << pi_min(n - i, 16)) - 1);
        __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(live, x + i), _mm512_set1_ps(max));
        v = _mm512_maskz_mov_ps(live, exp_avx512(v));
        low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(v)));
        high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

void pi_act_avx512(struct kernels *k)
{
    k->activate = activate_avx512;
    k->gate = gate_avx512;
    k->exp_sum = exp_sum_avx512;
}
