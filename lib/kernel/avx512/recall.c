/* recall.c - one token through a memory that is a matrix: erase, decay, write, read.
 */
#include "common.h"

enum { STRIP_AVX512 = 4 }; /* vectors of columns at once */

/* `m` vectors of columns from column i on; only the last may have lanes that are not live. */
INLINE_AVX512 void strip_recall_avx512(const struct recall *x, int64_t i, int m, bool erase,
                                       __mmask16 live)
{
    __m512 e[STRIP_AVX512], y[STRIP_AVX512], v[STRIP_AVX512];

#pragma GCC unroll 4
    for (int u = 0; u < m; u++) {
        __mmask16 lanes = u + 1 < m ? 0xFFFF : live;
        e[u] = y[u] = _mm512_setzero_ps();
        v[u] = _mm512_maskz_loadu_ps(lanes, x->v + i + 16 * u);
    }
    for (int64_t j = 0; erase && j < x->n; j++)
#pragma GCC unroll 4
        for (int u = 0; u < m; u++)
            e[u] = _mm512_fmadd_ps(
                _mm512_set1_ps(x->a[j]),
                _mm512_maskz_loadu_ps(u + 1 < m ? 0xFFFF : live,
                                      x->s + j * x->s_stride + i + 16 * u), e[u]);
    for (int64_t j = 0; j < x->n; j++)
#pragma GCC unroll 4
        for (int u = 0; u < m; u++) {
            __mmask16 lanes = u + 1 < m ? 0xFFFF : live;
            float *at = x->s + j * x->s_stride + i + 16 * u;
            __m512 old = _mm512_maskz_loadu_ps(lanes, at);
            __m512 s = _mm512_mul_ps(_mm512_set1_ps(x->w[j * x->w_step]), old);

            s = _mm512_fmadd_ps(_mm512_set1_ps(x->k[j]), v[u], s);
            if (erase)
                s = _mm512_fmadd_ps(_mm512_set1_ps(x->b[j]), e[u], s);
            _mm512_mask_storeu_ps(at, lanes, s);
            y[u] = _mm512_fmadd_ps(_mm512_set1_ps(x->q[j]), x->before ? old : s, y[u]);
        }
#pragma GCC unroll 4
    for (int u = 0; u < m; u++)
        _mm512_mask_storeu_ps(x->y + i + 16 * u, u + 1 < m ? 0xFFFF : live, y[u]);
}

INLINE_AVX512 void any_recall_avx512(const struct recall *x, bool erase)
{
    int64_t i = 0;

    for (; i + 16 * STRIP_AVX512 <= x->c; i += 16 * STRIP_AVX512)
        strip_recall_avx512(x, i, STRIP_AVX512, erase, 0xFFFF);
    for (; i < x->c; i += 16)
        strip_recall_avx512(x, i, 1, erase, (__mmask16)((1u << pi_min(x->c - i, 16)) - 1));
}

/* s = w s + b (a s) + k v; y = q s */
static PI_RECALL(recall_avx512)
{
    if (x->a)
        any_recall_avx512(x, true);
    else
        any_recall_avx512(x, false);
}

void pi_recall_avx512(struct kernels *k) { k->recall = recall_avx512; }
