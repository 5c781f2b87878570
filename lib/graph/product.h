/* product.h - rows of a matrix times activations in the form that the program's precision gives
 * them: what LINEAR, EXPERTS and EACH share.
 */
#ifndef PI_PRODUCT_H
#define PI_PRODUCT_H

#include "graph.h"

enum {
    PI_ROW_GRAIN = 16, /* rows: outputs of different workers lie on different cache lines */
    PI_ROW_BLOCK = 32, /* weight rows that stay in L1 while all tokens pass */
};

/* PITH_E_UNSUPPORTED if there are no kernels for the matrix's format. */
int pi_product_check(const struct program *program, const struct matrix *w, pith_error *err);

/* The activations' form: float32 for exact programs and for formats that are not quantised. */
enum operand pi_product_operand(const struct program *program, const struct matrix *w);

/* The operand row of x[0..cols), at `to`. */
void pi_product_pack(const struct run *run, enum operand kind, void *to, const float *x,
                     int64_t cols);

/* Bytes of a worker's scratch for pi_product. */
size_t pi_product_scratch(const struct program *program, const struct matrix *w);

/* What one token takes of it: its quantised row, or unpacked rows. */
size_t pi_product_bytes(const struct program *program, const struct matrix *w);

/* y[t][r] for `rows` rows that begin at `at`, and m operand rows: the format's own dot product,
 * or, where quantised weights meet float32, that of a few rows at a time, unpacked. */
void pi_product(const struct run *run, const struct matrix *w, const uint8_t *at, int64_t rows,
                int64_t m, const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride,
                void *scratch);

/* The faster engine for m tokens (kernel.h: dot_many, or else dot_some); NULL: there is none, or
 * results must not depend on their number. */
dot_many_fn *pi_product_engine(const struct program *program, const struct matrix *w, int64_t m);

static inline bool pi_product_many(const struct kernels *k, int64_t m)
{
    return k->many_tokens && m >= k->many_tokens;
}

/* Asks for the first rows of the worker's share of the next matrix of a LINEAR step like s. */
void pi_product_fetch(const struct run *run, const struct linked *s, int part, int parts);

#endif
