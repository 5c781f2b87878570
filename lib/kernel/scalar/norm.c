/* norm.c - normalisation of one row, and the sum of two. Sums are taken in double: a float sum
 * over a wide model would lose more than the rest of the kernel together.
 */
#include <math.h>

#include "kernel/overlays.h"

/* y = x / sqrt(mean(x^2) + eps) * w */
static PI_RMS_NORM(rms_norm_scalar)
{
    double sum = 0;
    float inverse;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    inverse = (float)(1 / sqrt(sum / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? x[i] * inverse * w[i] : x[i] * inverse;
}

/* y = (x - mean) / sqrt(var + eps) * w + b */
static PI_LAYER_NORM(layer_norm_scalar)
{
    double sum = 0, squares = 0, mean;
    float inverse;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    inverse = (float)(1 / sqrt(squares / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i++) {
        float v = (x[i] - (float)mean) * inverse;
        if (w)
            v *= w[i];
        y[i] = b ? v + b[i] : v;
    }
}

static PI_ADD(add_scalar)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void pi_norm_scalar(struct kernels *k)
{
    k->rms_norm = rms_norm_scalar;
    k->layer_norm = layer_norm_scalar;
    k->add = add_scalar;
}
