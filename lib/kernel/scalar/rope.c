/* rope.c - rotary position embedding: pairs of a head turn by an angle each.
 */
#include "kernel/overlays.h"

/* (a, b) -> (a cos - b sin, a sin + b cos) */
static PI_ROPE(rope_scalar)
{
    for (int64_t h = 0; h < heads; h++, x += c) {
        for (int64_t i = 0; i < pairs; i++) {
            float *first = interleaved ? x + 2 * i : x + i;
            float *second = interleaved ? x + 2 * i + 1 : x + i + pairs;
            float a = *first, b = *second, cosine = rot[2 * i], sine = rot[2 * i + 1];

            *first = a * cosine - b * sine;
            *second = a * sine + b * cosine;
        }
    }
}

void pi_rope_scalar(struct kernels *k)
{
    k->rope = rope_scalar;
}
