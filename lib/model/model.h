/* model.h - a file that has become runnable: immutable, counted, shared by threads.
 */
#ifndef PI_MODEL_H
#define PI_MODEL_H

#include "arch/arch.h"
#include "base/options.h"
#include "file/weights.h"
#include "graph/graph.h"
#include "text/tokenizer.h"

struct pith_model {
    atomic_int references;
    struct arena arena; /* everything but the mappings, this struct included */
    struct weights weights;
    const struct arch *arch; /* NULL for a vocabulary-only file */
    char *arch_name;
    const struct wrapper *wrapper; /* what the model is a part of, or NULL */
    struct numbers numbers;
    struct bound *bounds;
    int n_bounds;
    struct kernels kernels;
    uint32_t tiers;
    bool exact;    /* float32 throughout */
    bool by_count; /* the fastest engine for each number of tokens */
    struct program program;
    struct tokenizer *tokenizer; /* NULL: the file has none */
    int64_t vocabulary;          /* width of the logits, or length of the vocabulary */
    int64_t context;             /* positions it was trained for */
};

int pi_model_open(pith_model **out, const struct source *source, const pith_options *options,
                  pith_error *err);
void pi_model_close(pith_model *model);

/* facts.c: see pith_model_number and pith_model_verify. */
int64_t pi_model_number(const pith_model *m, int32_t key);
int pi_model_verify(const pith_model *m, pith_error *err);

/* config.c: the values of the architecture's keys in this file. nested: they stand in a
 * text_config, which leaves out what is usual. */
int pi_config_read(struct numbers *n, const struct arch *arch, struct str arch_name, bool nested,
                   const struct weights *w, double tokens, struct arena *arena, pith_error *err);

/* repack.c: m->data is what the file has; the copies replace it. Transposed: slice d begins at row
 * d * per_slice, of `length` values; m[r][c] is its value [row + c][col + r]; quantised ones become
 * floats. MXFP4: m->data has the blocks' 16 bytes, `scales` their exponents. */
struct turned {
    int64_t length, per_slice, row, col;
};

enum { PI_MXFP4_VALUES = 32 }; /* of a block */

int pi_repack_turned(struct matrix *m, const struct turned *from, const struct kernels *kernels,
                     struct arena *arena, pith_error *err);
/* m becomes a vector of 1 / the length of each of its rows. */
int pi_repack_lengths(struct matrix *m, const struct kernels *kernels, struct arena *arena,
                      pith_error *err);
int pi_repack_mxfp4(struct matrix *m, const uint8_t *scales, struct arena *arena, pith_error *err);

/* bind.c: finds every weight row of the architecture for every layer, proves its shape, and that
 * no tensor of the file is left over but those that begin with one of `beside` (a|b). */
int pi_bind(struct bound **out, int *count, const struct arch *arch, const char *beside,
            const struct numbers *n, const struct weights *w, const struct kernels *k,
            struct arena *arena, pith_error *err);

#endif
