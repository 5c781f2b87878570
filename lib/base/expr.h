/* expr.h - small formulas over named numbers: "heads*hd", "dim/heads", "layer%6==5 ? a : b".
 *
 * Numbers are doubles, exact for integers up to 2^53. Operators, loosest first: ?:, ||, &&,
 * == != < > <= >=, + -, * / %, unary - !, parentheses. Functions: sqrt, log, exp, floor, and
 * probit: so many standard deviations above the mean ends that share of a normal distribution.
 * Formulas come from pith's own tables, never from a file.
 */
#ifndef PI_EXPR_H
#define PI_EXPR_H

#include "str.h"

/* Finds a named number; false if there is none. */
typedef bool lookup_fn(const void *env, struct str name, double *out);

/* Evaluates the formula. PITH_E_FORMAT names an unknown name, a division by zero, or what is
 * wrong with the formula itself. The branch of ?: that is not taken may do either. */
int pi_expr(struct str text, lookup_fn *lookup, const void *env, double *out, pith_error *err);

#endif
