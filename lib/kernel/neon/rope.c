/* rope.c - rotary position embedding: pairs of a head turn by an angle each.
 */
#include "common.h"

/* (a, b) -> (a cos - b sin, a sin + b cos) */
INLINE_NEON void turn_neon(float *a, float *b, float cosine, float sine)
{
    float first = *a, second = *b;

    *a = first * cosine - second * sine;
    *b = first * sine + second * cosine;
}

INLINE_NEON float32x4x2_t turn_four_neon(float32x4_t a, float32x4_t b, float32x4x2_t rot)
{
    return (float32x4x2_t){ { vfmsq_f32(vmulq_f32(a, rot.val[0]), b, rot.val[1]),
                              vfmaq_f32(vmulq_f32(b, rot.val[0]), a, rot.val[1]) } };
}

INLINE_NEON void head_neon(float *x, const float *rot, int64_t pairs, bool interleaved)
{
    int64_t i = 0;

    for (; i + 4 <= pairs; i += 4) {
        float32x4x2_t turn = vld2q_f32(rot + 2 * i);
        if (interleaved) {
            float32x4x2_t v = vld2q_f32(x + 2 * i);
            vst2q_f32(x + 2 * i, turn_four_neon(v.val[0], v.val[1], turn));
        } else {
            turn = turn_four_neon(vld1q_f32(x + i), vld1q_f32(x + i + pairs), turn);
            vst1q_f32(x + i, turn.val[0]);
            vst1q_f32(x + i + pairs, turn.val[1]);
        }
    }
    for (; i < pairs; i++) {
        float *at = interleaved ? x + 2 * i : x + i;
        turn_neon(at, at + (interleaved ? 1 : pairs), rot[2 * i], rot[2 * i + 1]);
    }
}

static PI_ROPE(rope_neon)
{
    for (int64_t h = 0; h < heads; h++, x += c) {
        if (interleaved)
            head_neon(x, rot, pairs, true);
        else
            head_neon(x, rot, pairs, false);
    }
}

void pi_rope_neon(struct kernels *k)
{
    k->rope = rope_neon;
}
