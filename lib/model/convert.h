/* convert.h - a Hugging Face folder becomes a GGUF file.
 */
#ifndef PI_CONVERT_H
#define PI_CONVERT_H

#include "file/metas.h"
#include "mix.h"
#include "model.h"

/* type NULL: as stored. PITH_E_UNSUPPORTED names what GGUF cannot carry. */
int pi_convert(const char *in, const char *out, const char *type, const pith_options *options,
               pith_progress_fn *progress, void *user, pith_error *err);

/* ---- between the files of it ---- */

/* Rows of a tensor that is to be written, and where the folder has them. A vector has rows of one
 * value. */
struct piece {
    const struct bound *bound;
    struct matrix m;
    const struct stored *stored; /* NULL: m lies as it is */
    int64_t from, rows;          /* of each slice of the target */
    int64_t of_from, of_count, of_period; /* which rows of m; of_period 0: all */
    enum order order;
    int64_t head, part;          /* width of a head, of which the first `part` values turn; or rows
                                    of a head and heads that share a key head */
    int64_t groups;              /* key heads */
    float gain;
    struct piece *next;          /* in the order of their rows */
};

/* A tensor that is to be written: `depth` slices of `rows` rows. */
struct target {
    struct tensor *tensor;
    struct piece *pieces;
    int64_t depth, rows, cols;
};

struct converting {
    struct arena arena;
    struct weights from, to;
    const struct arch *arch, *gguf;   /* of the folder, of the file */
    struct numbers has, says;         /* the folder's numbers, and those of the file's metadata */
    struct kernels kernels;
    struct bound *bounds;
    struct stored *stored;
    int n_bounds;
    bool *used;                       /* [bounds] */
    struct map by_row;                /* bounds by "name layer" */
    struct metas metas;
    int64_t tokens;                   /* length of the vocabulary in the file; 0: none */
    struct tensor *tensors;
    struct target *targets;
    int64_t n_targets, most_targets;
    struct map by_name;               /* targets */
    struct pool *pool;
    struct save *save;
    uint8_t *slab;
    float *scratch;                   /* [threads][2][longest row] */
    int64_t longest;
    int64_t slab_values, done, total;
    pith_progress_fn *progress;
    void *user;
};

/* convert_keys.c: the metadata of the architecture, and c->says. */
int pi_convert_keys(struct converting *c, pith_error *err);

/* What the recipe's steps and weights name must be the same in the file; PITH_E_UNSUPPORTED names
 * what is not. */
int pi_convert_check(const struct converting *c, pith_error *err);

/* convert_plan.c: c->tensors and c->targets, as stored. */
int pi_convert_plan(struct converting *c, pith_error *err);

/* convert_rows.c: writes a target's values. */
int pi_convert_target(struct converting *c, const struct target *t, pith_error *err);

/* The row of m that the piece's row r, of each slice, is. */
int64_t pi_piece_row(const struct piece *p, int64_t r);

#endif
