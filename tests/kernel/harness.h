/* harness.h - the kernel test bench, after FFmpeg's checkasm.
 *
 * Tiers are enabled one at a time; a pointer that the tier brought is tested against double
 * arithmetic and against the tier below. Buffers end at, or start behind, a page that may
 * not be touched; the rest of their pages holds canaries; inputs are write-protected. A
 * crash is the failure of the kernel under test, not of the program.
 */
#ifndef KERNEL_HARNESS_H
#define KERNEL_HARNESS_H

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/kernel.h"

#define EPS 0x1p-23

/* What is tested: the table up to one tier, and the table without that tier (for the first, the
 * same). FRESH: the tier brought this pointer. */
struct trial {
    const struct kernels *now, *below;
    bool first;
};

#define FRESH(trial, field) ((trial)->first || (trial)->now->field != (trial)->below->field)

/* Where a buffer stands in its pages. */
enum place { PLACE_END, PLACE_START, PLACE_COUNT };

/* What weights and activations are drawn from. */
enum draw {
    DRAW_PLAIN,     /* scales and values of ordinary size */
    DRAW_ZERO,      /* all bytes zero */
    DRAW_ONES,      /* all bits of the quants set */
    DRAW_NEGATIVE,  /* scales below zero, all activations of one sign */
    DRAW_LARGE,     /* largest finite half as scale, extreme activations */
    DRAW_TINY,      /* subnormal scales */
    DRAW_SIGN,      /* quant bytes 0x80: int8 -128; activations at their bounds */
    DRAW_NAN,       /* a NaN in the weights */
    DRAW_INFINITE,  /* an infinity in the weights */
    DRAW_NAN_INPUT, /* a NaN in the activations */
    DRAW_COUNT
};

uint32_t random_u32(void);
int random_below(int n);
float random_float(float bound); /* uniform in [-bound, bound) */

/* A zeroed buffer until release(); aligned to 4 where bytes is a multiple of 4, to 64 likewise. */
void *buffer(size_t bytes, enum place place);
void protect(const void *buffer); /* from now on an input */
void release(void);               /* frees all, checks the canaries first */

/* Random weights of n values. */
void draw_weights(enum dtype type, uint8_t *w, int64_t n, enum draw draw);
void draw_floats(float *x, int64_t n, enum draw draw);

/* Values of a row in double, and the magnitudes that its error bound is stated in. */
void weight_values(enum dtype type, const uint8_t *w, int64_t n, double *value, double *size);

/* Starts the test of one kernel; false if it is not fresh or not asked for. */
bool begin(const char *tier, const char *name, bool fresh);
void end(void);
void fail(const char *format, ...) PI_FORMAT(1, 2);

/* |actual - expected| <= bound, NaN equal to NaN, infinity to the same infinity. */
bool near_double(double actual, double expected, double bound);
bool same_bits(float a, float b); /* any NaN equals any NaN */

/* Runs the statement; a crash in it fails the test. */
extern sigjmp_buf crash_return;
extern volatile int crash_armed;
#define GUARDED(statement)                         \
    do {                                           \
        int signal_ = sigsetjmp(crash_return, 1);  \
        if (signal_) {                             \
            fail("signal %d", signal_);            \
        } else {                                   \
            crash_armed = 1;                       \
            statement;                             \
        }                                          \
        crash_armed = 0;                           \
    } while (0)

void test_unpack(const struct trial *trial);
void test_pack(const struct trial *trial);
void test_dot(const struct trial *trial);
void test_many(const struct trial *trial);
void test_norm(const struct trial *trial);
void test_act(const struct trial *trial);
void test_rope(const struct trial *trial);
void test_attend(const struct trial *trial);
void test_recall(const struct trial *trial);

/* Times the kernels of one table whose names contain `only`. */
void bench(const struct kernels *k, const char *only);

#endif
