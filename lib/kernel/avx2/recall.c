/* recall.c - one token through a memory that is a matrix: erase, decay, write, read.
 */
#include "common.h"

enum { STRIP_AVX2 = 4 }; /* vectors of columns at once */

/* `m` whole vectors of columns from column i on. */
INLINE_AVX2 void strip_recall_avx2(const struct recall *x, int64_t i, int m, bool erase)
{
    __m256 e[STRIP_AVX2], y[STRIP_AVX2], v[STRIP_AVX2];

#pragma GCC unroll 4
    for (int u = 0; u < m; u++) {
        e[u] = y[u] = _mm256_setzero_ps();
        v[u] = _mm256_loadu_ps(x->v + i + 8 * u);
    }
    for (int64_t j = 0; erase && j < x->n; j++)
#pragma GCC unroll 4
        for (int u = 0; u < m; u++)
            e[u] = _mm256_fmadd_ps(_mm256_set1_ps(x->a[j]),
                                   _mm256_loadu_ps(x->s + j * x->s_stride + i + 8 * u), e[u]);
    for (int64_t j = 0; j < x->n; j++)
#pragma GCC unroll 4
        for (int u = 0; u < m; u++) {
            float *at = x->s + j * x->s_stride + i + 8 * u;
            __m256 old = _mm256_loadu_ps(at);
            __m256 s = _mm256_mul_ps(_mm256_set1_ps(x->w[j * x->w_step]), old);

            s = _mm256_fmadd_ps(_mm256_set1_ps(x->k[j]), v[u], s);
            if (erase)
                s = _mm256_fmadd_ps(_mm256_set1_ps(x->b[j]), e[u], s);
            _mm256_storeu_ps(at, s);
            y[u] = _mm256_fmadd_ps(_mm256_set1_ps(x->q[j]), x->before ? old : s, y[u]);
        }
#pragma GCC unroll 4
    for (int u = 0; u < m; u++)
        _mm256_storeu_ps(x->y + i + 8 * u, y[u]);
}

/* Column i alone, in the same operations. */
INLINE_AVX2 void column_recall_avx2(const struct recall *x, int64_t i)
{
    float erased = 0, sum = 0;

    for (int64_t j = 0; x->a && j < x->n; j++)
        erased = __builtin_fmaf(x->a[j], x->s[j * x->s_stride + i], erased);
    for (int64_t j = 0; j < x->n; j++) {
        float *s = &x->s[j * x->s_stride + i], old = *s;

        *s = __builtin_fmaf(x->k[j], x->v[i], x->w[j * x->w_step] * old);
        if (x->a)
            *s = __builtin_fmaf(x->b[j], erased, *s);
        sum = __builtin_fmaf(x->q[j], x->before ? old : *s, sum);
    }
    x->y[i] = sum;
}

INLINE_AVX2 void any_recall_avx2(const struct recall *x, bool erase)
{
    int64_t i = 0;

    for (; i + 8 * STRIP_AVX2 <= x->c; i += 8 * STRIP_AVX2)
        strip_recall_avx2(x, i, STRIP_AVX2, erase);
    for (; i + 8 <= x->c; i += 8)
        strip_recall_avx2(x, i, 1, erase);
    for (; i < x->c; i++)
        column_recall_avx2(x, i);
}

/* s = w s + b (a s) + k v; y = q s */
static PI_RECALL(recall_avx2)
{
    if (x->a)
        any_recall_avx2(x, true);
    else
        any_recall_avx2(x, false);
}

void pi_recall_avx2(struct kernels *k) { k->recall = recall_avx2; }
