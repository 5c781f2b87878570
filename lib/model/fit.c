/* fit.c - the search for a block's parameters. See fit.h.
 *
 * Candidates for the step come from the block's range; each is followed by the least-squares
 * solution for its integers, and the best is refined by taking integers and solution in turn.
 * Where steps are themselves integers times a common one, their neighbours are tried too, and the
 * common one is solved for again. Nothing here is exact by construction but a block of zeros;
 * what lies on a format's grid is found again because its step is among the candidates.
 */
#include "fit.h"

#include <math.h>

enum {
    FIT_LANES = 4,  /* sums run side by side, so that the compiler may use vectors */
    FIT_ROUNDS = 4, /* two or three are enough in practice */
};

/* Scales are halves, so all that a format can hold are multiples of 2^-24: below half of that
 * everything is zero. */
#define FIT_TINY 0x1p-25f

/* Beyond this no format's scale is finite; below it, sums of cubes fit a float. */
#define FIT_HUGE 0x1p30f

/* The nearest integer, ties to even, for |x| < 2^22. */
static inline float nearest(float x)
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

static inline float sum_lanes(const float a[FIT_LANES])
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}

static inline float clampf(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static float to_half(float x)
{
    return pi_f32_from_f16(pi_f16_from_f32(x));
}

/* The nearest half, but where halves are so sparse that integers times it would not reach as far as
 * those times x, the next one. */
static float to_half_beyond(float x)
{
    uint16_t half = pi_f16_from_f32(x);
    bool falls_short = fabsf(pi_f32_from_f16(half)) < fabsf(x) * (1 - 0x1p-10f);

    return pi_f32_from_f16((uint16_t)(half + falls_short));
}

static float largest(const float *x, int n)
{
    float a = 0;

    for (int i = 0; i < n; i++)
        a = fabsf(x[i]) > a ? fabsf(x[i]) : a;
    return a;
}

/* What a squared error at x[i] costs: large weights carry more of a product's sum. With half the
 * mean magnitude added, plain and weighted error are both below the peers' in every format
 * (tests/golden/quantize.py). */
static void weigh(float *cost, const float *x, int n)
{
    float sum = 0, rms;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    rms = sqrtf(sum / (float)n);
    for (int i = 0; i < n; i++)
        cost[i] = 0.5f * rms + fabsf(x[i]);
}

/* ---- x = step * q ---- */

/* The nearest of 16 ascending values: the first, and the gaps of all midpoints below x. */
static void round_to_values(float *q, const float *x, int n, float inverse, const float *values)
{
    for (int i = 0; i < n; i += FIT_LANES) {
        float scaled[FIT_LANES], found[FIT_LANES];

        for (int j = 0; j < FIT_LANES; j++) {
            scaled[j] = 2 * x[i + j] * inverse;
            found[j] = values[0];
        }
        for (int k = 1; k < 16; k++) {
            float twice = values[k - 1] + values[k], gap = values[k] - values[k - 1];

            for (int j = 0; j < FIT_LANES; j++)
                found[j] += scaled[j] > twice ? gap : 0;
        }
        memcpy(q + i, found, sizeof found);
    }
}

static void round_all(float *q, const float *x, int n, float inverse, const struct fit_range *r)
{
    float low = r->low, high = r->high;

    if (r->values) {
        round_to_values(q, x, n, inverse, r->values);
        return;
    }
    for (int i = 0; i < n; i += FIT_LANES)
        for (int j = 0; j < FIT_LANES; j++)
            q[i + j] = clampf(nearest(x[i + j] * inverse), low, high);
}

/* What the integers of 1/step explain of the sum of squares, and the step that suits them best. */
static float explain_step(const float *x, const float *cost, int n, const struct fit_range *r,
                          float inverse, float *step)
{
    float q[FIT_SMALL], xq[FIT_LANES] = { 0 }, qq[FIT_LANES] = { 0 }, sum;

    round_all(q, x, n, inverse, r);
    for (int i = 0; i < n; i += FIT_LANES)
        for (int j = 0; j < FIT_LANES; j++) {
            xq[j] += cost[i + j] * q[i + j] * x[i + j];
            qq[j] += cost[i + j] * q[i + j] * q[i + j];
        }
    sum = sum_lanes(qq);
    if (!(sum > 0))
        return -1;
    *step = sum_lanes(xq) / sum;
    return sum_lanes(xq) * *step;
}

static float find_step(const float *x, const float *cost, int n, const struct fit_range *r)
{
    float peak = 0, best = -1, step = 0, found, quality;

    for (int i = 0; i < n; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    if (fabsf(peak) < FIT_TINY)
        return 0;
    for (float at = r->first; at <= r->last; at += r->by)
        for (int sign = -1; sign <= 1; sign += 2) {
            quality = explain_step(x, cost, n, r, (float)sign * at / peak, &found);
            if (quality > best) {
                best = quality;
                step = found;
            }
        }
    for (int i = 0; i < FIT_ROUNDS && step != 0; i++) {
        quality = explain_step(x, cost, n, r, 1 / step, &found);
        if (!(quality > best))
            break;
        best = quality;
        step = found;
    }
    return step;
}

/* ---- x = step * q + min ---- */

struct line {
    float step, min;
};

/* The least-squares line through (q, x) for the integers 0..high that `inverse` and `min` give, its
 * min at most `ceiling`, and what it explains of the sum of squares. */
static float explain_line(const float *x, const float *cost, int n, float high, float inverse,
                          float min, float ceiling, struct line *out)
{
    float a[5][FIT_LANES] = { 0 }, c, cx, cq, cqq, cqx, det;

    for (int i = 0; i < n; i += FIT_LANES)
        for (int j = 0; j < FIT_LANES; j++) {
            float q = clampf(nearest((x[i + j] - min) * inverse), 0, high);

            a[0][j] += cost[i + j];
            a[1][j] += cost[i + j] * x[i + j];
            a[2][j] += cost[i + j] * q;
            a[3][j] += cost[i + j] * q * q;
            a[4][j] += cost[i + j] * q * x[i + j];
        }
    c = sum_lanes(a[0]);
    cx = sum_lanes(a[1]);
    cq = sum_lanes(a[2]);
    cqq = sum_lanes(a[3]);
    cqx = sum_lanes(a[4]);
    det = c * cqq - cq * cq;
    *out = (struct line){ 0, cx / c };
    if (det > 1e-6f * c * cqq) { /* less is rounding: all q are the same */
        out->step = (c * cqx - cq * cx) / det;
        out->min = (cqq * cx - cq * cqx) / det;
    }
    if (out->min > ceiling) {
        out->min = ceiling;
        out->step = cqq > 0 ? (cqx - ceiling * cq) / cqq : 0;
    }
    return 2 * (out->step * cqx + out->min * (cx - out->step * cq)) -
           out->step * out->step * cqq - out->min * out->min * c;
}

/* The line of least cost; with `below`, its min is at most 0. Candidates let the block's range span
 * high +- 1.2 integers. */
static struct line find_line(const float *x, const float *cost, int n, int high, bool below)
{
    float y[FIT_SMALL], min = x[0], max = x[0], best, quality, ceiling;
    struct line line, found;

    for (int i = 1; i < n; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    if (below && min > 0)
        min = 0;
    if (max - min < FIT_TINY)
        return (struct line){ 0, min };
    for (int i = 0; i < n; i++) /* small numbers keep what a large min would round away */
        y[i] = x[i] - min;
    ceiling = below ? -min : HUGE_VALF;
    best = -HUGE_VALF;
    for (int i = -12; i <= 12; i++) {
        float inverse = ((float)high + 0.1f * (float)i) / (max - min);

        quality = explain_line(y, cost, n, (float)high, inverse, 0, ceiling, &found);
        if (quality > best) {
            best = quality;
            line = found;
        }
    }
    for (int i = 0; i < FIT_ROUNDS && line.step > 0; i++) {
        quality = explain_line(y, cost, n, (float)high, 1 / line.step, line.min, ceiling, &found);
        if (!(quality > best))
            break;
        best = quality;
        line = found;
    }
    line.min += min;
    return line;
}

/* ---- blocks of 32 ---- */

/* The integers for d as it is; returns the cost. */
static float settle_step(struct fit *b, const float *x, const float *cost,
                         const struct fit_range *r)
{
    float sum = 0;

    round_all(b->q, x, FIT_SMALL, b->d != 0 ? 1 / b->d : 0, r);
    for (int i = 0; i < FIT_SMALL; i++) {
        float e = x[i] - b->d * b->q[i];

        sum += cost[i] * e * e;
    }
    return sum;
}

/* Of steps that fit equally well, the one with the largest |x| at the range's end may be the only
 * half, so it is tried as well. */
bool pi_fit_step(struct fit *b, const float *x, const struct fit_range *r)
{
    float cost[FIT_SMALL], peak = 0, at_end, solved, error;

    if (largest(x, FIT_SMALL) > FIT_HUGE)
        return false;
    weigh(cost, x, FIT_SMALL);
    for (int i = 0; i < FIT_SMALL; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    solved = to_half(find_step(x, cost, FIT_SMALL, r));
    b->d = at_end = to_half(peak / r->low);
    error = settle_step(b, x, cost, r);
    if (solved != at_end && error > 0) {
        b->d = solved;
        if (settle_step(b, x, cost, r) > error) {
            b->d = at_end;
            settle_step(b, x, cost, r);
        }
    }
    return isfinite(b->d);
}

/* The integers for the line as it is; returns the cost. */
static float settle_min(struct fit *b, const float *x, const float *cost, int high)
{
    float inverse = b->d > 0 ? 1 / b->d : 0, sum = 0;

    for (int i = 0; i < FIT_SMALL; i++) {
        float y = x[i] - b->dmin, e;

        b->q[i] = clampf(nearest(y * inverse), 0, (float)high);
        e = y - b->d * b->q[i];
        sum += cost[i] * e * e;
    }
    return sum;
}

bool pi_fit_line(struct fit *b, const float *x, int high)
{
    float cost[FIT_SMALL], min = x[0], at_end, solved, error;
    struct line line;

    if (largest(x, FIT_SMALL) > FIT_HUGE)
        return false;
    weigh(cost, x, FIT_SMALL);
    line = find_line(x, cost, FIT_SMALL, high, false);
    for (int i = 1; i < FIT_SMALL; i++)
        min = x[i] < min ? x[i] : min;
    b->d = to_half(line.step);
    solved = to_half(line.min);
    b->dmin = at_end = to_half(min); /* on a grid, the solution is near this but for rounding */
    error = settle_min(b, x, cost, high);
    if (solved != at_end && error > 0) {
        b->dmin = solved;
        if (settle_min(b, x, cost, high) > error) {
            b->dmin = at_end;
            settle_min(b, x, cost, high);
        }
    }
    return isfinite(b->d) && isfinite(b->dmin);
}

/* ---- blocks of 256: a step per group, an integer times the block's own step ---- */

/* Group g with the integer scale that costs least around `ideal`. Returns the cost. */
static float settle_scale(struct fit *b, const float *x, const float *cost, int g, float ideal,
                          const struct fit_range *scales, const struct fit_range *r)
{
    float middle = b->d != 0 ? nearest(ideal / b->d) : 0, best = HUGE_VALF;

    x += 16 * g;
    cost += 16 * g;
    for (int near = -1; near <= 1; near++) {
        float scale = clampf(middle + (float)near, scales->low, scales->high), q[16];
        float step = b->d * scale, inverse = step != 0 ? 1 / step : 0, error[FIT_LANES] = { 0 };

        round_all(q, x, 16, inverse, r);
        for (int i = 0; i < 16; i += FIT_LANES)
            for (int j = 0; j < FIT_LANES; j++) {
                float e = x[i + j] - step * q[i + j];

                error[j] += cost[i + j] * e * e;
            }
        if (sum_lanes(error) < best) {
            best = sum_lanes(error);
            b->scale[g] = scale;
            memcpy(b->q + 16 * g, q, sizeof q);
        }
    }
    return best;
}

/* The block's own step that is best for the integers as they are. */
static float refit_scaled(const struct fit *b, const float *x, const float *cost)
{
    float xa = 0, aa = 0;

    for (int i = 0; i < FIT_LARGE; i++) {
        float a = b->scale[i / 16] * b->q[i];

        xa += cost[i] * x[i] * a;
        aa += cost[i] * a * a;
    }
    return aa > 0 ? to_half(xa / aa) : b->d;
}

/* The largest step gets the scale `last`, then the block's step is refitted. */
static float settle_scaled(struct fit *b, const float *x, const float *cost, float last,
                           const float *steps, const struct fit_range *scales,
                           const struct fit_range *r)
{
    struct fit next = { 0 };
    float peak = 0, best = HUGE_VALF;

    for (int g = 0; g < 16; g++)
        peak = fabsf(steps[g]) > fabsf(peak) ? steps[g] : peak;
    next.d = to_half_beyond(peak / last);
    *b = next;
    for (int round = 0; round < FIT_ROUNDS; round++) {
        float error = 0;

        for (int g = 0; g < 16; g++)
            error += settle_scale(&next, x, cost, g, steps[g], scales, r);
        if (!(error < best))
            break;
        best = error;
        *b = next;
        next.d = refit_scaled(b, x, cost);
        if (next.d == b->d)
            break;
    }
    return best;
}

bool pi_fit_steps(struct fit *b, const float *x, const struct fit_range *scales,
                         const struct fit_range *r)
{
    float cost[FIT_LARGE], steps[16], best = HUGE_VALF;
    struct fit tried;

    if (largest(x, FIT_LARGE) > FIT_HUGE)
        return false;
    for (int g = 0; g < 16; g++) {
        weigh(cost + 16 * g, x + 16 * g, 16);
        steps[g] = find_step(x + 16 * g, cost + 16 * g, 16, r);
    }
    *b = (struct fit){ 0 };
    for (float last = scales->first; last <= scales->last; last += scales->by) {
        float error = settle_scaled(&tried, x, cost, last, steps, scales, r);

        if (!isfinite(tried.d))
            return false;
        if (error < best) {
            best = error;
            *b = tried;
        }
    }
    return true;
}

/* ---- blocks of 256: step and min per group, integers times the block's own step and min ---- */

/* Group g with the integer scale and min that cost least around `ideal`. Returns the cost. */
static float settle_line(struct fit *b, const float *x, const float *cost, int g,
                         struct line ideal, const struct fit_layout *l)
{
    int n = FIT_LARGE / l->groups;
    float scale = b->d > 0 ? nearest(ideal.step / b->d) : 0, best = HUGE_VALF;
    float low = b->dmin > 0 ? nearest(-ideal.min / b->dmin) : 0;

    x += n * g;
    cost += n * g;
    for (int near = 0; near < 9; near++) {
        float q[FIT_SMALL], error[FIT_LANES] = { 0 }, high = (float)l->high;
        float s = clampf(scale + (float)(near % 3 - 1), 0, l->top), step = b->d * s;
        float m = clampf(low + (float)(near / 3 - 1), 0, l->top), min = b->dmin * m;
        float inverse = step > 0 ? 1 / step : 0;

        for (int i = 0; i < n; i += FIT_LANES)
            for (int j = 0; j < FIT_LANES; j++) {
                float y = x[i + j] + min, e;

                q[i + j] = clampf(nearest(y * inverse), 0, high);
                e = y - step * q[i + j];
                error[j] += cost[i + j] * e * e;
            }
        if (sum_lanes(error) < best) {
            best = sum_lanes(error);
            b->scale[g] = s;
            b->low[g] = m;
            memcpy(b->q + n * g, q, (size_t)n * sizeof *q);
        }
    }
    return best;
}

/* The block's step and min that are best for the integers as they are. */
static void refit_lined(struct fit *b, const float *x, const float *cost,
                        const struct fit_layout *l)
{
    int n = FIT_LARGE / l->groups;
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0, det;

    for (int g = 0; g < l->groups; g++) {
        float c = 0, cx = 0, cq = 0, cqq = 0, cqx = 0;
        double s = (double)b->scale[g], m = (double)b->low[g];

        for (int i = n * g; i < n * g + n; i++) {
            c += cost[i];
            cx += cost[i] * x[i];
            cq += cost[i] * b->q[i];
            cqq += cost[i] * b->q[i] * b->q[i];
            cqx += cost[i] * b->q[i] * x[i];
        }
        aa += s * s * (double)cqq;
        ab += s * m * (double)cq;
        bb += m * m * (double)c;
        ax += s * (double)cqx;
        bx += m * (double)cx;
    }
    det = aa * bb - ab * ab; /* x = d a - dmin b */
    if (det > 1e-9 * aa * bb) {
        double d = (ax * bb - bx * ab) / det, dmin = (ax * ab - bx * aa) / det;

        if (d > 0 && dmin > 0) {
            b->d = to_half((float)d);
            b->dmin = to_half((float)dmin);
        }
    } else if (aa > 0 && bb == 0) {
        b->d = to_half((float)(ax / aa));
    }
}

bool pi_fit_lines(struct fit *b, const float *x, const struct fit_layout *l)
{
    int n = FIT_LARGE / l->groups;
    float cost[FIT_LARGE], top = 0, bottom = 0, best = HUGE_VALF;
    struct line lines[FIT_GROUPS];
    struct fit next = { 0 };

    if (largest(x, FIT_LARGE) > FIT_HUGE)
        return false;
    for (int g = 0; g < l->groups; g++) {
        weigh(cost + n * g, x + n * g, n);
        lines[g] = find_line(x + n * g, cost + n * g, n, l->high, true);
        top = lines[g].step > top ? lines[g].step : top;
        bottom = -lines[g].min > bottom ? -lines[g].min : bottom;
    }
    next.d = to_half_beyond(top / l->top);
    next.dmin = to_half_beyond(bottom / l->top);
    *b = next;
    for (int round = 0; round < FIT_ROUNDS; round++) {
        float error = 0;

        for (int g = 0; g < l->groups; g++)
            error += settle_line(&next, x, cost, g, lines[g], l);
        if (!(error < best))
            break;
        best = error;
        *b = next;
        refit_lined(&next, x, cost, l);
        if (next.d == b->d && next.dmin == b->dmin)
            break;
    }
    return isfinite(b->d) && isfinite(b->dmin);
}
