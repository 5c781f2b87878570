/* op_attend.c - ATTEND: causal attention of every query head over all positions so far.
 *
 *     y[t][head] = softmax(scale * q[t][head] . K[kv head][0..p+t]) V[kv head][0..p+t]
 *
 * The step keeps K [kv][capacity][c] and then V [kv][capacity][c], in float32 for exact programs,
 * in half precision otherwise; each head's rows are contiguous. Workers split (head, token)
 * pairs, so the result does not depend on their number.
 */
#include "graph.h"

#include <math.h>

enum { HEADS, KV, SCALE, CAP };

/* The shapes of an attend step: heads, kv heads, widths of a key and a value. */
struct heads {
    int64_t h, k, c, cv;
};

static struct heads heads_of(const struct program *program, const struct linked *s)
{
    int64_t h = (int64_t)s->p[HEADS], k = (int64_t)s->p[KV];

    return (struct heads){ h, k, program->values[s->in[1]].width / k,
                           program->values[s->in[2]].width / k };
}

static int attend_shape(struct shaping *at, pith_error *err)
{
    const struct linked *s = at->s;
    int64_t h = pi_whole(s->p[HEADS]), k = pi_whole(s->p[KV]);
    char a[32], b[32];

    if (h < 1 || k < 1 || h % k)
        return pi_step_fail(s, err, "%s query heads cannot share %s key heads",
                            pi_number(s->p[HEADS], a), pi_number(s->p[KV], b));
    if (at->in[0] % h || at->in[1] % k || at->in[2] % k || at->in[0] / h != at->in[1] / k ||
        at->in[1] < k || at->in[2] != at->in[1])
        return pi_step_fail(s, err, "q, k, v of %lld, %lld, %lld do not fit %lld and %lld heads",
                            (long long)at->in[0], (long long)at->in[1], (long long)at->in[2],
                            (long long)h, (long long)k);
    if (!(s->p[CAP] >= 0))
        return pi_step_fail(s, err, "the cap must not be negative");
    at->width = at->in[2] / k * h;
    return PITH_OK;
}

static size_t element(const struct program *program)
{
    return program->exact ? sizeof(float) : sizeof(uint16_t);
}

static bool attend_need(const struct program *program, const struct linked *s,
                        const struct plan *plan, struct needs *needs)
{
    struct heads n = heads_of(program, s);

    needs->thread = (size_t)(n.h / n.k) * (size_t)plan->capacity * sizeof(float);
    return pi_mul_size((size_t)(n.k * (n.c + n.cv)) * element(program), (size_t)plan->capacity,
                       &needs->state);
}

/* Appends the n new rows of keys (or values) to the cache [kv][capacity][c]. */
static void append(const struct run *run, int value, int64_t k, int64_t c, uint8_t *cache,
                   int part, int parts)
{
    const float *x = pi_run_value(run, value); /* [n][k][c] */
    int64_t stride = pi_row_stride(k * c), first, last;
    size_t row = (size_t)c * element(run->program);

    pi_split(run->n * k, 1, part, parts, &first, &last);
    for (int64_t i = first; i < last; i++) {
        int64_t head = i / run->n, t = i % run->n;
        const float *from = x + t * stride + head * c;
        void *to = cache + (size_t)(head * run->plan->capacity + run->position + t) * row;

        if (run->program->exact)
            memcpy(to, from, row);
        else
            run->kernels->to_f16(to, from, c);
    }
}

static void attend_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct heads n = heads_of(run->program, s);
    size_t at = run->plan->state_at[s - run->program->steps], size = element(run->program);
    uint8_t *keys = run->state + at;
    uint8_t *values = keys + (size_t)(n.k * run->plan->capacity * n.c) * size;
    attend_fn *attend = run->program->exact ? run->kernels->attend_f32 : run->kernels->attend_f16;
    float scale = (float)(s->p[SCALE] > 0 ? s->p[SCALE] : 1 / sqrt((double)n.c));
    const float *q = pi_run_value(run, s->in[0]); /* [n][h][c] */
    float *y = pi_run_value(run, s->out);         /* [n][h][cv] */
    int64_t group = n.h / n.k, first, last;

    append(run, s->in[1], n.k, n.c, keys, part, parts);
    append(run, s->in[2], n.k, n.cv, values, part, parts);
    pi_run_barrier(run, part, parts);
    /* Units are (head, token); a worker's run of heads that share keys goes in one call. */
    pi_split(n.h * run->n, 1, part, parts, &first, &last);
    for (int64_t t = 0; t < run->n; t++) {
        int64_t head = (first - t + run->n - 1) / run->n, end = (last - t + run->n - 1) / run->n;

        while (head < end) {
            int64_t kv = head / group, some = pi_min(end, (kv + 1) * group) - head;
            size_t from = (size_t)(kv * run->plan->capacity) * size;

            attend(y + t * pi_row_stride(n.h * n.cv) + head * n.cv,
                   q + t * pi_row_stride(n.h * n.c) + head * n.c, keys + from * (size_t)n.c,
                   values + from * (size_t)n.cv, n.c, n.cv, some, n.c, run->position + t + 1,
                   scale, (float)s->p[CAP], pi_run_scratch(run, part));
            head += some;
        }
    }
}

const struct op pi_op_ATTEND = {
    .shape = attend_shape,
    .need = attend_need,
    .forward = attend_forward,
};
