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

/* How a weight lies in a folder, where opening copies it. */
struct stored {
    int alternative;        /* which of the row's names it has */
    bool is_turned;
    struct turned turned;
    const uint8_t *scales;  /* of MXFP4; NULL: none */
};

/* family.c: the arch of a file, what the file calls it, and what it is a part of, or NULL.
 * PITH_E_UNSUPPORTED names one that is not known; arch is NULL for a vocabulary alone. */
struct found_arch {
    const struct arch *arch;
    const struct wrapper *wrapper;
    struct str name;
};
int pi_model_find_arch(struct found_arch *f, const struct weights *w, pith_error *err);

/* bind.c: whether a tensor is of another part of the model: `beside` is the wrapper's. */
bool pi_is_beside(const char *beside, struct str name);

/* bind.c: finds every weight row of the architecture for every layer, proves its shape, and that
 * no tensor of the file is left over but those that begin with one of `beside` (a|b). With
 * `stored`, matrices are not copied: (*stored)[i] says how (*out)[i] lies. */
int pi_bind(struct bound **out, struct stored **stored, int *count, const struct arch *arch,
            const char *beside, const struct numbers *n, const struct weights *w,
            const struct kernels *k, struct arena *arena, pith_error *err);

/* names.c: prefix + pattern with numbers in place of %d (the layer) and %e (the slice). */
enum { PI_NAME_BYTES = 160 };
struct str pi_tensor_name(struct str prefix, struct str pattern, int layer, int64_t slice,
                          char name[PI_NAME_BYTES]);

/* "[4096,11008]", outermost dimension first. */
enum { PI_SHAPE_TEXT = 64 };
const char *pi_shape_text(const int64_t *shape, int dims, char text[PI_SHAPE_TEXT]);

/* Dimensions of one say nothing. */
bool pi_same_shape(const int64_t *a, int n, const int64_t *b, int m);

#endif
