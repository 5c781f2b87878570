/* rope.c - rotations against double arithmetic; what is not rotated must stay.
 */
#include "harness.h"

static void one(rope_fn *rope, int64_t heads, int64_t c, int64_t pairs, bool interleaved)
{
    enum place place = (enum place)(pairs % 2);
    size_t n = (size_t)(heads * c);
    float *x = buffer(n * 4, place), *rot = buffer((size_t)pairs * 8, place);
    double *expected = malloc(n * 8), *bound = calloc(n, 8);

    draw_floats(x, (int64_t)n, DRAW_PLAIN);
    draw_floats(rot, 2 * pairs, DRAW_PLAIN);
    for (size_t i = 0; i < n; i++)
        expected[i] = (double)x[i];
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < pairs; i++) {
            int64_t first = h * c + (interleaved ? 2 * i : i);
            int64_t second = first + (interleaved ? 1 : pairs);
            double a = (double)x[first], b = (double)x[second];
            double cosine = (double)rot[2 * i], sine = (double)rot[2 * i + 1];
            expected[first] = a * cosine - b * sine;
            expected[second] = a * sine + b * cosine;
            bound[first] = bound[second] = 4 * EPS * (fabs(a) + fabs(b));
        }
    protect(rot);
    GUARDED(rope(x, rot, heads, c, pairs, interleaved));
    for (size_t i = 0; i < n; i++)
        if (!near_double((double)x[i], expected[i], bound[i])) {
            fail("c %" PRId64 " pairs %" PRId64 " interleaved %d: [%zu] is %.9g, expected %.9g", c,
                 pairs, interleaved, i, (double)x[i], expected[i]);
            break;
        }
    free(expected);
    free(bound);
    release();
}

void test_rope(const struct trial *trial)
{
    if (!begin(trial->now->tier, "rope", FRESH(trial, rope)))
        return;
    for (int64_t pairs = 1; pairs < 70; pairs++)
        for (int interleaved = 0; interleaved < 2; interleaved++) {
            one(trial->now->rope, 1 + pairs % 3, 2 * pairs, pairs, interleaved);
            one(trial->now->rope, 1 + pairs % 3, 2 * pairs + random_below(40), pairs, interleaved);
        }
    end();
}
