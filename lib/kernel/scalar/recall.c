/* recall.c - one token through a memory that is a matrix: erase, decay, write, read.
 */
#include "kernel/overlays.h"

/* s = w s + b (a s) + k v; y = q s */
static PI_RECALL(recall_scalar)
{
    for (int64_t i = 0; i < x->c; i++) {
        float erased = 0, sum = 0;

        for (int64_t j = 0; x->a && j < x->n; j++)
            erased += x->a[j] * x->s[j * x->s_stride + i];
        for (int64_t j = 0; j < x->n; j++) {
            float *s = &x->s[j * x->s_stride + i], old = *s;

            *s = x->w[j * x->w_step] * old + x->k[j] * x->v[i];
            if (x->a)
                *s += x->b[j] * erased;
            sum += x->q[j] * (x->before ? old : *s);
        }
        x->y[i] = sum;
    }
}

void pi_recall_scalar(struct kernels *k)
{
    k->recall = recall_scalar;
}
