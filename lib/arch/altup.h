/* altup.h - rows of a token that has four streams, s: a layer guesses what all of them become,
 * reads one of them, x, and corrects all by what that one turned out to be. Baykal et al. 2023,
 * arXiv 2301.13310.
 *
 *     x, three projections of x, each as long as x -> s
 *     s + mix of s -> g;  one of g -> x;  the layer: x -> x
 *     g + (x - one of g) * a factor a stream -> s
 */
#ifndef PI_ARCH_ALTUP_H
#define PI_ARCH_ALTUP_H

#include "graph/recipe.h"

#define ALTUP_KEYS                                                                          \
    { "active", "altup.active_idx", "altup_active_idx", "0" },                              \
    { "streams", "altup.num_inputs", "altup_num_inputs", "4" },                             \
    { "scaled", "", "altup_correct_scale", "1" } /* what leaves by itself, too */

#define HF_ALTUP(name) "layers.%d.altup." name

#define ALTUP_WEIGHTS                                                                       \
    { "spread", "altup_proj.weight", "altup_projections.%e.weight", "streams-1,dim,dim" },  \
    { "gather", "altup_unembd_proj.weight", "altup_unembed_projections.%e.weight",          \
      "streams-1,dim,dim" },                                                                \
    { "router", "blk.%d.altup_router.weight", HF_ALTUP("modality_router.weight"),           \
      "streams,dim" },                                                                      \
    { "router_norm", "blk.%d.altup_router_norm.weight", HF_ALTUP("router_norm.weight"),     \
      "dim" },                                                                              \
    { "guess", "blk.%d.altup_predict_coef.weight", HF_ALTUP("prediction_coefs.weight"),     \
      "streams*streams,streams" },                                                          \
    { "correct", "blk.%d.altup_correct_coef.weight", HF_ALTUP("correction_coefs.weight"),   \
      "streams,streams" },                                                                  \
    { "scale", "blk.%d.altup_correct_scale.weight", HF_ALTUP("correct_output_scale"), "dim" }

/* z, each of its parts made as long as x. */
#define AS_LONG_AS_X                                                                        \
    { OP_NORM,     "n", "x",   NULL,     "1e-12,rms" },                                     \
    { OP_MULTIPLY, "n", "n x" },                                                            \
    { OP_SUM,      "n", "n" },                                                              \
    { OP_SCALE,    "n", "n",   NULL,     "1/dim" },                                         \
    { OP_NORM,     "z", "z",   NULL,     "1e-12,rms,dim" },                                 \
    { OP_MULTIPLY, "z", "z n" }

/* r: what the router makes of x, a value a stream. */
#define ALTUP_ROUTER                                                                        \
    { OP_NORM,     "r", "x",   "router_norm", "eps,rms" },                                  \
    { OP_SCALE,    "r", "r",   NULL,     "1/dim" },                                         \
    { OP_LINEAR,   "r", "r",   "router" },                                                  \
    { OP_ACTIVATE, "r", "r",   NULL,     "tanh" }

#define ALTUP_ACTIVE "active*dim,dim"
#define ALTUP_OTHERS "dim,(streams-1)*dim"

/* x -> s */
#define ALTUP_ENTER                                                                         \
    { OP_JOIN,     "z", "x x x" },                                                          \
    { OP_EACH,     "z", "z",   "spread" },                                                  \
    AS_LONG_AS_X,                                                                           \
    { OP_JOIN,     "s", "x z" }

/* s -> g, x */
#define ALTUP_GUESS                                                                         \
    { OP_SLICE,    "x", "s",   NULL,     ALTUP_ACTIVE },                                    \
    ALTUP_ROUTER,                                                                           \
    { OP_LINEAR,   "r", "r",   "guess" },                                                   \
    { OP_BLEND,    "g", "s r", NULL,     "streams" },                                       \
    { OP_ADD,      "g", "g s" },                                                            \
    { OP_SLICE,    "x", "g",   NULL,     ALTUP_ACTIVE }

/* x, g -> s, and the one that is read, scaled -> y */
#define ALTUP_CORRECT                                                                       \
    ALTUP_ROUTER,                                                                           \
    { OP_LINEAR,   "r", "r",   "correct" },                                                 \
    { OP_SLICE,    "y", "g",   NULL,     ALTUP_ACTIVE },                                    \
    { OP_SCALE,    "y", "y",   NULL,     "-1" },                                            \
    { OP_ADD,      "x", "x y" },                                                            \
    { OP_BLEND,    "s", "x r", NULL,     "1,1" },                                           \
    { OP_ADD,      "s", "s g" },                                                            \
    { OP_SLICE,    "y", "s",   NULL,     ALTUP_ACTIVE },                                    \
    { OP_SCALE,    "y", "y",   "scale",  "1", "scaled" }

/* f is added to all streams but the first. */
#define ALTUP_ADD                                                                           \
    { OP_JOIN,     "f", "f f f" },                                                          \
    { OP_SLICE,    "x", "s",   NULL,     "0,dim" },                                         \
    { OP_SLICE,    "y", "s",   NULL,     ALTUP_OTHERS },                                    \
    { OP_ADD,      "y", "y f" },                                                            \
    { OP_JOIN,     "s", "x y" }

/* s -> y */
#define ALTUP_LEAVE                                                                         \
    { OP_SLICE,    "x", "s",   NULL,     "0,dim" },                                         \
    { OP_SLICE,    "z", "s",   NULL,     ALTUP_OTHERS },                                    \
    { OP_EACH,     "z", "z",   "gather" },                                                  \
    AS_LONG_AS_X,                                                                           \
    { OP_JOIN,     "s", "x z" },                                                            \
    { OP_BLEND,    "y", "s",   NULL,     "streams" },                                       \
    { OP_SCALE,    "y", "y",   NULL,     "1/streams" }

#endif
