/* attend.c - one query position against the keys and values of one head.
 */
#include <math.h>

#include "kernel/overlays.h"

/* softmax of s[0..n) in place */
static void softmax_scalar(float *s, int64_t n)
{
    float max = s[0], sum = 0;

    for (int64_t t = 1; t < n; t++)
        max = s[t] > max ? s[t] : max;
    for (int64_t t = 0; t < n; t++)
        sum += s[t] = expf(s[t] - max);
    for (int64_t t = 0; t < n; t++)
        s[t] /= sum;
}

static float bounded_scalar(float score, float cap)
{
    return cap > 0 ? cap * tanhf(score / cap) : score;
}

/* s[t] = scale * dot(q, k[t]); y = sum over t of softmax(s)[t] * v[t], for each query head.
 * AT(row, i) is element i of a key or value row. */
#define ATTEND(name, type, AT)                                             \
    static PI_ATTEND(name)                                                 \
    {                                                                      \
        const type *keyrow = k, *valuerow = v;                             \
                                                                           \
        for (int64_t j = 0; j < g; j++, q += c, y += c, scratch += keys) { \
            for (int64_t t = 0; t < keys; t++) {                           \
                float dot = 0;                                             \
                for (int64_t i = 0; i < c; i++)                            \
                    dot += q[i] * AT(keyrow + t * k_stride, i);            \
                scratch[t] = bounded_scalar(scale * dot, cap);                    \
            }                                                              \
            softmax_scalar(scratch, keys);                                        \
            memset(y, 0, (size_t)c * sizeof *y);                           \
            for (int64_t t = 0; t < keys; t++)                             \
                for (int64_t i = 0; i < c; i++)                            \
                    y[i] += scratch[t] * AT(valuerow + t * v_stride, i);   \
        }                                                                  \
    }

#define FLOAT_AT(row, i) (row)[i]
#define HALF_AT(row, i) pi_f32_from_f16((row)[i])

ATTEND(attend_f32_scalar, float, FLOAT_AT)
ATTEND(attend_f16_scalar, uint16_t, HALF_AT)

#undef ATTEND
#undef FLOAT_AT
#undef HALF_AT

void pi_attend_scalar(struct kernels *k)
{
    k->attend_f32 = attend_f32_scalar;
    k->attend_f16 = attend_f16_scalar;
}
