/* expr.c - see expr.h. Precedence climbing over a cursor with a sticky error.
 */
#include "expr.h"

#include <math.h>

struct formula {
    const char *at, *end;
    struct str text;
    lookup_fn *lookup;
    const void *env;
    pith_error *err;
    int status;
    int unused; /* > 0: inside a branch that is not taken */
    int depth;
};

enum { MAX_DEPTH = 32, TERNARY = 1, UNARY = 7 };

/* Operators with their precedence; two-character ones first, so that the first match is right. */
static const struct operator_row {
    char text[3];
    int precedence;
} operators[] = {
    { "||", 2 }, { "&&", 3 }, { "==", 4 }, { "!=", 4 }, { "<=", 4 }, { ">=", 4 }, { "<", 4 },
    { ">", 4 },  { "+", 5 },  { "-", 5 },  { "*", 6 },  { "/", 6 },  { "%", 6 },
};

static double formula_error(struct formula *f, const char *what)
{
    if (f->status == PITH_OK)
        f->status = pi_fail(f->err, PITH_E_FORMAT, "\"%.*s\": %s", (int)f->text.n, f->text.at,
                            what);
    return 0;
}

static bool accept(struct formula *f, const char *token)
{
    size_t n = strlen(token);

    while (f->at < f->end && *f->at == ' ')
        f->at++;
    if ((size_t)(f->end - f->at) < n || memcmp(f->at, token, n) != 0)
        return false;
    f->at += n;
    return true;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.';
}

static double apply(struct formula *f, const char *op, double a, double b)
{
    switch (op[0]) {
    case '|': return a != 0 || b != 0;
    case '&': return a != 0 && b != 0;
    case '=': return a == b;
    case '!': return a != b;
    case '<': return op[1] ? a <= b : a < b;
    case '>': return op[1] ? a >= b : a > b;
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    }
    if (b == 0)
        return f->unused ? 0 : formula_error(f, "division by zero");
    return op[0] == '/' ? a / b : fmod(a, b);
}

static double parse(struct formula *f, int least);

/* The inverse of the normal distribution function, from -40 to 40. */
static double probit(double share)
{
    double low = -40, high = 40;

    for (int i = 0; i < 64; i++) {
        double middle = 0.5 * (low + high);

        if (0.5 * erfc(-middle * sqrt(0.5)) < share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* sqrt(x), log(x), exp(x), floor(x), probit(x) */
static double call(struct formula *f, struct str function)
{
    double x = parse(f, TERNARY);

    if (!accept(f, ")"))
        return formula_error(f, "a ) is missing");
    if (pi_str_equal(function, STR("sqrt")))
        return sqrt(x);
    if (pi_str_equal(function, STR("log")))
        return log(x);
    if (pi_str_equal(function, STR("exp")))
        return exp(x);
    if (pi_str_equal(function, STR("floor")))
        return floor(x);
    if (pi_str_equal(function, STR("probit")))
        return probit(x);
    return formula_error(f, "there is no such function");
}

static double primary(struct formula *f)
{
    struct str word;
    double value = 0;

    if (accept(f, "-"))
        return -parse(f, UNARY);
    if (accept(f, "!"))
        return parse(f, UNARY) == 0;
    if (accept(f, "(")) {
        value = parse(f, TERNARY);
        return accept(f, ")") ? value : formula_error(f, "a ) is missing");
    }
    word.at = f->at;
    while (f->at < f->end && is_name(*f->at))
        f->at++;
    word.n = (size_t)(f->at - word.at);
    if (word.n == 0)
        return formula_error(f, "a number or name is missing");
    if (word.at[0] >= '0' && word.at[0] <= '9') {
        /* 1e-5: the sign belongs to the number */
        if ((f->at[-1] == 'e') && f->at < f->end && *f->at == '-')
            for (f->at++; f->at < f->end && is_name(*f->at); f->at++)
                ;
        word.n = (size_t)(f->at - word.at);
        return pi_str_number(word, &value) ? value : formula_error(f, "a number is broken");
    }
    if (accept(f, "("))
        return call(f, word);
    if (!f->lookup(f->env, word, &value) && f->status == PITH_OK && f->unused == 0)
        f->status = pi_fail(f->err, PITH_E_FORMAT, "\"%.*s\": nothing is called %.*s",
                            (int)f->text.n, f->text.at, (int)word.n, word.at);
    return value;
}

static double ternary(struct formula *f, double condition)
{
    double yes, no;

    f->unused += condition == 0;
    yes = parse(f, TERNARY);
    f->unused -= condition == 0;
    if (!accept(f, ":"))
        return formula_error(f, "a : is missing");
    f->unused += condition != 0;
    no = parse(f, TERNARY);
    f->unused -= condition != 0;
    return condition != 0 ? yes : no;
}

/* Reads operators that bind at least as tightly as `least`. */
static double parse(struct formula *f, int least)
{
    double value;

    if (++f->depth > MAX_DEPTH) {
        f->at = f->end;
        return formula_error(f, "too deeply nested");
    }
    value = primary(f);
    for (size_t i = 0; f->status == PITH_OK && i < PI_COUNT(operators); i++) {
        const char *start = f->at;

        if (!accept(f, operators[i].text))
            continue;
        if (operators[i].precedence < least) {
            f->at = start;
            break;
        }
        value = apply(f, operators[i].text, value, parse(f, operators[i].precedence + 1));
        i = (size_t)-1;
    }
    if (f->status == PITH_OK && least <= TERNARY && accept(f, "?"))
        value = ternary(f, value);
    f->depth--;
    return value;
}

int pi_expr(struct str text, lookup_fn *lookup, const void *env, double *out, pith_error *err)
{
    struct formula f = {
        .at = text.at, .end = text.at + text.n, .text = text,
        .lookup = lookup, .env = env, .err = err,
    };

    *out = parse(&f, TERNARY);
    accept(&f, ""); /* skips spaces */
    if (f.status == PITH_OK && f.at != f.end)
        formula_error(&f, "something is left over");
    return f.status;
}
