/* recipe.h - the words an architecture is written in: keys, weights, steps, parts.
 *
 * An architecture is constant data. Names are strings local to it, resolved once when a model
 * opens. Expressions (base/expr.h) may use every key, `layer`, `tokens` (length of the vocabulary),
 * `hf` (1 for a Hugging Face folder, 0 for GGUF), and the constants of constants[] in numbers.c.
 *
 * Before: ops.def. Next: link.c.
 */
#ifndef PI_RECIPE_H
#define PI_RECIPE_H

#include "base/expr.h"
#include "export.h"

/* A hyper-parameter. Tables end with an empty row. In both kinds of file it may be an array with
 * one item a layer, and a string names a constant, or one a layer by single letters. A fallback
 * that names `layer`, or such a key, has one value a layer too. The order of rows is without
 * meaning. */
struct key {
    const char *name;     /* in expressions */
    const char *gguf;     /* metadata key behind "<arch>."; alternatives a|b; "": none */
    const char *config;   /* the same in config.json: "rope_parameters.rope_theta|rope_theta" */
    const char *fallback; /* expression if the file has no such key; NULL: required. One that
                             depends on the layer gives a number for each */
    bool own;             /* each kind of file has one of its own, and converting a folder changes
                             the weights for it. All others must come out the same */
};

/* What a tensor of a Hugging Face folder needs that one in a GGUF file has had done to it. All but
 * vectors are copied for it. */
enum fix {
    FIX_NONE,
    FIX_TRANSPOSE, /* stored [inputs][outputs] */
    FIX_CUT_TRANSPOSE, /* the slice of the fused tensor is; in old GGUF files too */
    FIX_PACKED,    /* MXFP4, blocks and scales in a tensor each; or stored [inputs][outputs] */
    FIX_ADD_ONE,   /* 1 + w */
    FIX_NEG_EXP,   /* -exp(w) */
    FIX_SOFTPLUS,  /* log(1 + exp(w)) */
    FIX_LENGTHS,   /* a vector of 1 / the length of each row */
};

/* A weight: what to look for and what shape it must have. A name that ends in ".bias" is picked
 * up by the LINEAR or NORM step whose weight it extends. In tensor names %d is the layer, and
 * alternatives are written a|b; a row without a name for a kind of file does not exist there. */
struct weight {
    const char *name;  /* ends in '?' if the file may lack it */
    const char *gguf;  /* in a GGUF file */
    const char *hf;    /* in safetensors, behind one of the arch's prefixes; %e is the slice of a
                          three-dimensional weight that is stored as one tensor a slice;
                          "config:a.b" is an array of numbers in config.json */
    const char *shape; /* expressions, outermost dimension first: "heads*hd,dim" */
    const char *from;  /* for a slice of a fused tensor: its first row ... */
    const char *whole; /* ... and the rows of the whole tensor */
    enum fix fix;      /* for hf */
    bool ignore;       /* known and not needed; its names may end in '*' */
    const char *when;  /* the row exists only where this expression is not 0; NULL: always */
    /* For converting a folder to GGUF. Of alternative names in GGUF the first is written; where a
     * folder has as many, the one of the same place. One of several is never fused. */
    enum order order;
    const char *of;    /* a row that folders may lack: "row:from,count,period" of another row's
                          rows, as in SLICE */
    const char *gain;  /* what GGUF's values have been multiplied by; it knows what "config:" rows
                          of one number say */
    const char *as;    /* the shape there, if not the row's own */
};

enum op_code {
#define OP(name, inputs, params, manual) OP_##name,
#include "ops.def"
#undef OP
    OP_COUNT
};

/* One operation. in: names of values, separated by spaces; "ids" and "pos" are given. A step
 * whose out is one of its inputs works in place where the operation can. */
struct step {
    enum op_code op;
    const char *out, *in;
    const char *weight; /* row name; ends in '?': the step exists only if the tensor does */
    const char *params; /* expressions, separated by commas */
    const char *when;   /* the step exists only where this expression is not 0; NULL: always */
};

/* Step lists end with a row whose out is NULL. block is repeated `layers` times. */
struct part {
    const char *name;
    const struct step *enter, *block, *leave;
    const char *layers; /* expression */
};

#define PI_MAX_PARTS 2

struct arch {
    const char *name;        /* general.architecture; alternatives a|b */
    const char *hf;          /* model_type in config.json; alternatives a|b; NULL: as name */
    const char *prefix;      /* of tensors in safetensors, alternatives a|b; NULL: inherited, or
                                what transformers puts before a text model or a text part. The
                                name alone is tried last. */
    const struct arch *like; /* inherits keys and weights row by row, parts as a whole */
    const struct key *keys;
    const struct weight *weights;
    struct part parts[PI_MAX_PARTS];
    const char *gguf;        /* what a GGUF file made of a folder is called; NULL: as name;
                                "": no other reader of GGUF knows the family */
    const struct put *puts;  /* inherited row by row */
};

/* ---- rows of an architecture with those it inherits ---- */

enum {
    PI_MAX_KEYS = 96,
    PI_MAX_WEIGHTS = 128,
    PI_MAX_LAYERS = 1024, /* the deepest models have a few hundred */
};

/* Gathers the rows in order, replaced and removed ones resolved: a weight is removed where the
 * replacing row names no tensor for that kind of file. Returns their number. */
int pi_arch_keys(const struct arch *arch, const struct key *rows[PI_MAX_KEYS]);
int pi_arch_weights(const struct arch *arch, bool hf, const struct weight *rows[PI_MAX_WEIGHTS]);
int pi_arch_puts(const struct arch *arch, const struct put *rows[PI_MAX_KEYS]);
const struct part *pi_arch_part(const struct arch *arch, const char *name);
const char *pi_arch_prefix(const struct arch *arch);

/* The row's tensor name pattern in that kind of file; NULL: none. */
static inline const char *pi_weight_pattern(const struct weight *row, bool hf)
{
    return hf ? row->hf : row->gguf;
}

/* ---- named numbers: the values of the keys for one file ---- */

struct number {
    const char *name;
    const char *key;         /* in the file; NULL: not there, or a constant */
    double value;
    const double *per_layer; /* NULL, or n_layers values */
    int64_t n_layers;
};

struct numbers {
    struct str arch; /* what the file calls its architecture */
    struct number rows[PI_MAX_KEYS];
    int n;
    double tokens; /* length of the vocabulary; 0: none */
    bool hf;       /* from a Hugging Face folder */
    int layer;     /* for which expressions are evaluated; -1 outside blocks */
};

/* Evaluates an expression for a layer. */
int pi_numbers_eval(const struct numbers *n, struct str expression, int layer, double *out,
                    pith_error *err);

/* The same, which must give an integer from least to 2^40. */
int pi_numbers_count(const struct numbers *n, struct str expression, int layer, int64_t least,
                     int64_t *out, pith_error *err);

/* The number a constant stands for ("silu", "rms", "linear"); false if there is none. */
bool pi_constant(struct str name, double *out);

#endif
