/* graph.h - a linked program: steps over values, ready to run, and the plan of its memory.
 */
#ifndef PI_GRAPH_H
#define PI_GRAPH_H

#include "base/mem.h"
#include "base/thread.h"
#include "kernel/kernel.h"
#include "recipe.h"

#include <stdatomic.h>

/* A weight as an operation sees it: rows x cols (a vector has one row), where the file has it;
 * a three-dimensional one is `depth` slices of that. */
struct matrix {
    const uint8_t *data; /* NULL: none */
    const char *name;    /* in the file */
    enum dtype dtype;
    int64_t rows, cols;
    int64_t stride;      /* bytes from row to row */
    int64_t depth;       /* 1 for a matrix */
    const uint8_t *const *slices; /* [depth], where each lies by itself; NULL: one behind another */
};

static inline const uint8_t *pi_matrix_slice(const struct matrix *m, int64_t i)
{
    return m->slices ? m->slices[i] : m->data + i * m->rows * m->stride;
}

/* A weight row of the recipe, found in a file, for one layer (-1 outside blocks). */
struct bound {
    const struct weight *row;
    int layer;
    struct matrix m;
};

enum { MAX_INPUTS = 8, MAX_PARAMS = 16 };

struct linked {
    const struct op_row *op;
    const struct step *step;
    int layer;
    int in[MAX_INPUTS]; /* values, in the order of the recipe; -1 for ids and pos */
    int out;
    int n_in;
    struct matrix w, bias, more; /* <weight>, <weight>.bias, <weight>.long */
    double p[MAX_PARAMS];
    const double *table; /* what the operation precomputed at link */
    const float *floats; /* the weight as the operation wants it, in float32 */
    /* of runs of one token; see fuse.c */
    const struct linked *norm; /* LINEAR: what its input is of by this step's norm; NULL: nothing */
    bool left;                 /* NORM: its readers compute it */
    bool meet;                 /* the workers meet behind the step */
    bool chained;              /* runs of many tokens: the next step follows row by row */
};

struct value {
    struct str name;
    int64_t width;    /* floats of a row */
    bool per_output;  /* one row per output, not per token */
    int first, last;  /* steps that write it first and read it last */
};

struct program {
    struct linked *steps;
    int n_steps;
    struct value *values;
    int n_values;
    int layers;
    int result; /* the value that was asked for */
    bool exact;    /* float32 throughout */
    bool by_count; /* the engine may depend on the number of tokens, and so the results */
    enum kv_type kv; /* how keys and values are kept */
    const struct kernels *kernels;
};

/* What link needs to know. */
struct linkage {
    const struct arch *arch;
    const char *part, *result;
    const struct numbers *numbers;
    const struct bound *bounds;
    int n_bounds;
    const struct kernels *kernels;
    bool exact, by_count;
    enum kv_type kv;
};

/* Resolves every name of the part's steps; drops optional steps whose weight is absent and steps
 * that the result does not need; checks every shape. All memory in the arena. */
int pi_link(struct program *program, struct arena *arena, const struct linkage *linkage,
            pith_error *err);

/* Notes in the steps what runs of one token can do without. */
int pi_fuse(struct program *program, struct arena *arena, pith_error *err);

/* Prints the program, one step a line, equal layers once. Returns the length without the final
 * NUL; writes at most `capacity` bytes with it. */
size_t pi_explain(const struct program *program, char *text, size_t capacity);

/* ---- memory ---- */

/* Floats from one row of a value to the next: rows begin on cache lines. */
static inline int64_t pi_row_stride(int64_t width)
{
    return (width + 15) / 16 * 16;
}

struct plan {
    int64_t batch;       /* most tokens of a run */
    int64_t outputs;     /* most outputs of a run */
    int64_t capacity;    /* most positions of a session */
    int threads;
    size_t *value_at;    /* [values] bytes from the slab's start */
    size_t *state_at;    /* [steps] bytes from the state's start */
    size_t slab_bytes;   /* all values */
    size_t recurrent_bytes; /* of the state, at its start: what cannot go back to a position */
    size_t state_bytes;  /* all memory of the past */
    size_t shared_bytes; /* scratch that all threads share */
    size_t thread_bytes; /* scratch of each thread */
};

/* Lays out a session's memory; values whose lifetimes do not meet share theirs. */
int pi_plan(struct plan *plan, const struct program *program, struct arena *arena,
            int64_t batch, int64_t outputs, int64_t capacity, int threads, pith_error *err);

/* ---- running ---- */

struct run {
    const struct program *program;
    const struct plan *plan;
    const struct kernels *kernels;
    struct pool *pool;
    uint8_t *slab, *state, *shared, *scratch; /* scratch: threads * thread_bytes */
    const int32_t *ids;   /* [n] */
    int64_t n;            /* tokens */
    int64_t position;     /* of the first of them */
    int64_t n_outputs;    /* rows of per-output values: of the last n_outputs tokens */
    const atomic_int *cancel; /* looked at before every step; NULL: never */
};

/* Runs the program over n tokens. PITH_E_CANCELLED if *cancel became non-zero. */
int pi_run(struct run *run, pith_error *err);

/* A value's first row. */
static inline float *pi_run_value(const struct run *run, int value)
{
    return (float *)(void *)(run->slab + run->plan->value_at[value]);
}

static inline int64_t pi_run_rows(const struct run *run, int value)
{
    return run->program->values[value].per_output ? run->n_outputs : run->n;
}

static inline void pi_run_barrier(const struct run *run, int part, int parts)
{
    pi_pool_barrier(run->pool, part, parts);
}

/* Whether the next step's rows are computed together with this one's, a group at a time; with few
 * groups for a worker, shares of columns are more even. */
static inline bool pi_run_is_chained(const struct run *run, const struct linked *s, int parts)
{
    return s->chained && pi_run_rows(run, s->out) >= (int64_t)4 * PI_MANY_GROUP * parts;
}

static inline void *pi_run_scratch(const struct run *run, int part)
{
    return run->scratch + (size_t)part * run->plan->thread_bytes;
}

/* ---- what an operation is ---- */

/* Everything link knows when it asks an operation for its shape. */
struct shaping {
    const struct program *program;
    struct linked *s;
    int64_t in[MAX_INPUTS]; /* widths of the inputs; 0 for ids and pos */
    struct arena *arena;
    int64_t width;          /* result: width of the output */
};

/* Bytes an operation needs while it runs, and keeps between runs. */
struct needs {
    size_t state, shared, thread;
};

/* What a worker touches of values of one row; nothing else is shared with others. */
enum single {
    SINGLE_ANYHOW,  /* workers always meet before and behind the step */
    SINGLE_WHOLE,   /* reads whole rows, writes what others do not */
    SINGLE_PRODUCT, /* ... and what it writes are its columns */
    SINGLE_COLUMNS, /* reads and writes its columns, where inputs and output are equally wide */
};

struct op {
    bool in_place;      /* may write its first input */
    bool needs_weight; /* if the file lacks a weight that the step names, the step goes with it */
    bool weightless;   /* ... but a step may name none */
    enum single single;
    bool recurrent;    /* its state is of one position: zero before the first, which is 0 */
    /* Checks parameters and shapes, sets the width. */
    int (*shape)(struct shaping *at, pith_error *err);
    /* Sets what it needs, from zeros; NULL: nothing. False on overflow. */
    bool (*need)(const struct program *program, const struct linked *s, const struct plan *plan,
                 struct needs *needs);
    /* Computes rows [first, last) of the output from the same rows of the inputs alone; LINEAR: of
     * its operand. NULL: a row needs others. */
    void (*rows)(const struct run *run, const struct linked *s, int64_t first, int64_t last);
    /* Computes this worker's share; may call pi_run_barrier, in every worker alike. */
    void (*forward)(const struct run *run, const struct linked *s, int part, int parts);
};

/* A row of ops.def and the functions behind it (op_*.c). */
struct op_row {
    const char *name, *inputs, *params, *manual;
    const struct op *does;
};

extern const struct op_row pi_ops[OP_COUNT];

/* NORM of whole rows, and of one row. */
bool pi_norm_is_whole(const struct linked *s, int64_t width);
void pi_norm_row(const struct run *run, const struct linked *s, float *y, const float *x,
                 int64_t width);

/* A parameter that must be a whole number from 1 to 2^31: its value, or 0. */
static inline int64_t pi_whole(double parameter)
{
    return parameter >= 1 && parameter <= 0x1p31 && parameter == (double)(int64_t)parameter
               ? (int64_t)parameter : 0;
}

/* A small weight in float32: where it lies, if it is that, or a copy in the arena. [rows][cols] */
int pi_step_floats(const struct shaping *at, const struct matrix *m, const float **out,
                   pith_error *err);

/* What divides each frequency of a step ANGLES whose scaling GGUF writes as a vector: *out is NULL
 * where it does not. op_rope.c. */
int pi_rope_divisors(float **out, int64_t *pairs, const struct step *step,
                     const struct numbers *n, struct arena *arena, pith_error *err);

/* PITH_E_FORMAT about a step: "layer 3, linear q <- h: ..." */
int pi_step_fail(const struct linked *s, pith_error *err, const char *format, ...)
    PI_FORMAT(3, 4);

#endif
