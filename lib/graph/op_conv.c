/* op_conv.c - CONV: a causal convolution of each channel by itself; SHIFT: the token before.
 *
 *     y[t][i] = sum over j < k of w[i][j] * x[t - k + 1 + j][i]  + bias[i]
 *
 * Both keep the last rows of x, [k - 1][channels], zeros before the first token. Workers split the
 * channels, and each token's sum goes from the oldest row to the newest, so the result depends
 * neither on their number nor on how tokens come together.
 */
#include "graph.h"

enum { MOST_TAPS = 64, CHANNELS = 16 };

/* The rows that a worker reads: kept ones before the run's. */
struct history {
    float *kept;     /* [rows][width] */
    const float *x;  /* [n][stride] */
    int64_t rows, width, stride;
};

static const float *row_at(const struct history *h, int64_t t)
{
    return t < 0 ? h->kept + (h->rows + t) * h->width : h->x + t * h->stride;
}

static struct history history_of(const struct run *run, const struct linked *s, int64_t rows)
{
    int64_t width = run->program->values[s->in[0]].width;
    size_t at = run->plan->state_at[s - run->program->steps];

    return (struct history){ (float *)(void *)(run->state + at), pi_run_value(run, s->in[0]),
                             rows, width, pi_row_stride(width) };
}

/* Channels [first, last) of what the first tokens of all see. */
static void start_history(const struct run *run, const struct history *h, int64_t first,
                          int64_t last)
{
    for (int64_t j = 0; run->position == 0 && j < h->rows; j++)
        memset(h->kept + j * h->width + first, 0, (size_t)(last - first) * sizeof(float));
}

static void keep_history(const struct run *run, const struct history *h, int64_t first,
                         int64_t last)
{
    for (int64_t j = 0; j < h->rows; j++)
        memcpy(h->kept + j * h->width + first, row_at(h, run->n - h->rows + j) + first,
               (size_t)(last - first) * sizeof(float));
}

/* The taps as they are used: [taps][channels]. */
static int conv_shape(struct shaping *at, pith_error *err)
{
    struct linked *s = at->s;
    int64_t d = s->w.rows, k = s->w.cols;
    const float *w;
    float *taps;

    if (d != at->in[0] || k > MOST_TAPS || (s->bias.data && s->bias.cols != d))
        return pi_step_fail(s, err, "%s is [%lld,%lld]; %lld channels and at most %d taps are "
                            "needed, and a bias of as many", s->w.name, (long long)d,
                            (long long)k, (long long)at->in[0], MOST_TAPS);
    TRY(pi_step_floats(at, &s->w, &w, err));
    taps = pi_arena_alloc(at->arena, (size_t)(d * k), sizeof *taps);
    if (!taps)
        return pi_no_memory(err, s->w.name, (size_t)(d * k) * sizeof *taps);
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < k; j++)
            taps[j * d + i] = w[i * k + j];
    s->floats = taps;
    at->width = d;
    return PITH_OK;
}

static bool conv_need(const struct program *program, const struct linked *s,
                      const struct plan *plan, struct needs *needs)
{
    (void)program;
    (void)plan;
    return pi_mul_size((size_t)(s->w.cols - 1) * sizeof(float), (size_t)s->w.rows,
                       &needs->state);
}

/* y[0..n) of a block of channels that begins at i. */
static void convolve(const struct linked *s, const struct history *h, int64_t t, int64_t i,
                     int64_t n, float *y)
{
    const float *bias = (const float *)(const void *)s->bias.data;

    for (int64_t c = 0; c < n; c++)
        y[c] = 0;
    for (int64_t j = 0; j <= h->rows; j++) {
        const float *x = row_at(h, t - h->rows + j) + i, *w = s->floats + j * h->width + i;

        for (int64_t c = 0; c < n; c++)
            y[c] += w[c] * x[c];
    }
    for (int64_t c = 0; bias && c < n; c++)
        y[c] += bias[i + c];
}

static void conv_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct history h = history_of(run, s, s->w.cols - 1);
    float *y = pi_run_value(run, s->out); /* [n][width] */
    int64_t first, last;

    pi_split(h.width, CHANNELS, part, parts, &first, &last);
    start_history(run, &h, first, last);
    for (int64_t t = 0; t < run->n; t++)
        for (int64_t i = first; i < last; i += CHANNELS) {
            if (last - i >= CHANNELS) /* a constant length that the compiler can use */
                convolve(s, &h, t, i, CHANNELS, y + t * h.stride + i);
            else
                convolve(s, &h, t, i, last - i, y + t * h.stride + i);
        }
    keep_history(run, &h, first, last);
}

const struct op pi_op_CONV = {
    .needs_weight = true,
    .recurrent = true,
    .shape = conv_shape,
    .need = conv_need,
    .forward = conv_forward,
};

static int shift_shape(struct shaping *at, pith_error *err)
{
    if (at->in[0] < 1)
        return pi_step_fail(at->s, err, "ids and pos have no rows");
    at->width = at->in[0];
    return PITH_OK;
}

static bool shift_need(const struct program *program, const struct linked *s,
                       const struct plan *plan, struct needs *needs)
{
    (void)plan;
    return pi_mul_size((size_t)program->values[s->in[0]].width, sizeof(float), &needs->state);
}

static void shift_forward(const struct run *run, const struct linked *s, int part, int parts)
{
    struct history h = history_of(run, s, 1);
    float *y = pi_run_value(run, s->out); /* [n][width] */
    int64_t first, last;

    pi_split(h.width, CHANNELS, part, parts, &first, &last);
    start_history(run, &h, first, last);
    for (int64_t t = 0; t < run->n; t++)
        memcpy(y + t * h.stride + first, row_at(&h, t - 1) + first,
               (size_t)(last - first) * sizeof *y);
    keep_history(run, &h, first, last);
}

const struct op pi_op_SHIFT = {
    .recurrent = true,
    .shape = shift_shape,
    .need = shift_need,
    .forward = shift_forward,
};
