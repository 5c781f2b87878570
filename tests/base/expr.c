/* expr.c - formulas against what C makes of the same text, and against nonsense.
 */
#include "check.h"
#include "base/expr.h"

static const double heads = 8, kv = 2, dim = 4096, eps = 1e-5;

static bool lookup(const void *env, struct str name, double *out)
{
    (void)env;
    if (pi_str_equal(name, STR("heads")))
        *out = heads;
    else if (pi_str_equal(name, STR("kv")))
        *out = kv;
    else if (pi_str_equal(name, STR("dim")))
        *out = dim;
    else if (pi_str_equal(name, STR("eps")))
        *out = eps;
    else
        return false;
    return true;
}

#define SAME(...) same(#__VA_ARGS__, (double)(__VA_ARGS__))

static void same(const char *text, double expected)
{
    pith_error e = { 0 };
    double got = NAN;

    if (pi_expr(pi_str(text), lookup, NULL, &got, &e) != PITH_OK)
        CHECK_FAIL("\"%s\": %s", text, e.text);
    else if (got != expected)
        CHECK_FAIL("\"%s\" is %.17g, C says %.17g", text, got, expected);
}

static void formulas_mean_what_they_mean_in_c(void)
{
    SAME(1); SAME(1.5); SAME(0.5); SAME(1e-5); SAME(2e3); SAME(heads); SAME(-heads);
    SAME(!0); SAME(!(heads == 0)); SAME(-(-heads));
    same("!heads", 0); /* C compilers warn about ! of a double */
    same("!!heads", 1);
}

static void functions(void)
{
    same("sqrt(dim)", 64); same("1/sqrt(kv*heads)", 0.25); same("log(1)", 0); same("floor(2.9)", 2);
    /* tables of the normal distribution */
    same("floor(probit(0.95)*1000000000)", 1644853626);
    same("floor(probit(0.001)*1000000000)", -3090232307);
    same("probit(0) < -30 && probit(1) > 8 && probit(0.5) < 1e-15", 1);
    same("sqrt(sqrt(16))*2+1", 5); same("floor(heads/3)*3", 6);
}

static void operators_bind_as_in_c(void)
{
    SAME(1 + 2 * 3); SAME((1 + 2) * 3); SAME(10 - 2 - 3); SAME(dim / heads / kv);
    SAME(heads * dim / kv); SAME(2 + 3 < 4 + 5); same("1<2==1", 1); same("3>2>1", 0);
    SAME(1 + 1 == 2 && 2 + 2 == 4); same("0||1&&0", 0); same("1||0&&0", 1); SAME(-2 * -3);
    SAME(-2 - -2); SAME(!0 + !1 * 2); SAME(heads >= 8); SAME(heads <= 7); SAME(heads != kv);
    SAME(heads == 8 ? kv : dim); SAME(0 ? 1 : 0 ? 2 : 3); SAME(1 ? 0 ? 4 : 5 : 6);
    SAME(1 ? 2 : 3 + 10); SAME((1 ? 2 : 3) + 10); SAME(heads * (kv + 1) - (dim / (2 + 2)));
    same("7%3", 1); same("10%4*2", 4); same("dim%6==4 ? 1 : 2", 1); same("5.5%2", 1.5);
    same("  heads  *  kv  ", 16);
}

/* The pieces of a random formula, which C cannot see: evaluated by the shunting yard instead. */
struct yard {
    double values[64];
    char ops[64];
    int n_values, n_ops;
};

static int level(char op)
{
    return op == '*' || op == '/' ? 2 : op == '(' ? 0 : 1;
}

static void reduce(struct yard *y)
{
    double b = y->values[--y->n_values], a = y->values[y->n_values - 1];
    char op = y->ops[--y->n_ops];

    y->values[y->n_values - 1] = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;
}

static void random_formulas(void)
{
    uint64_t seed = 5;

    for (int i = 0; i < 20000; i++) {
        struct yard y = { .n_values = 0 };
        char text[256];
        int n = 0, open = 0, terms = 2 + i % 12;

        for (int t = 0; t < terms; t++) {
            uint64_t r = check_random(&seed);
            double value = (double)(1 + r % 9);

            if (r >> 20 & 1 && open < 6 && t + 1 < terms) {
                text[n++] = '(';
                y.ops[y.n_ops++] = '(';
                open++;
            }
            n += snprintf(text + n, 8, "%g", value);
            y.values[y.n_values++] = value;
            while (open && (t + 1 == terms || (r >> 30 & 3) == 0)) {
                while (y.ops[y.n_ops - 1] != '(')
                    reduce(&y);
                y.n_ops--;
                text[n++] = ')';
                open--;
            }
            if (t + 1 < terms) {
                char op = "+-*/"[r >> 40 & 3];

                while (y.n_ops && level(y.ops[y.n_ops - 1]) >= level(op))
                    reduce(&y);
                y.ops[y.n_ops++] = op;
                text[n++] = op;
            }
        }
        while (y.n_ops)
            reduce(&y);
        text[n] = 0;
        if (isfinite(y.values[0])) {
            pith_error e = { 0 };
            double got = 0;
            int status = pi_expr(pi_str(text), lookup, NULL, &got, &e);

            if (status == PITH_OK ? got != y.values[0] : !strstr(e.text, "division by zero"))
                CHECK_FAIL("\"%s\" is %.17g (%s), expected %.17g", text, got, e.text, y.values[0]);
        }
    }
}

static void fails(const char *text, const char *why)
{
    pith_error e = { 0 };
    double got;

    if (pi_expr(pi_str(text), lookup, NULL, &got, &e) != PITH_E_FORMAT)
        CHECK_FAIL("\"%.60s\" is taken for %g", text, got);
    else
        CHECK_HAS(e.text, why);
}

static void broken_formulas_say_why(void)
{
    fails("", "missing");
    fails("1+", "missing");
    fails("(1", ") is missing");
    fails("1)", "left over");
    fails("1 2", "left over");
    fails("nobody", "nothing is called nobody");
    fails("1/0", "division by zero");
    fails("1%0", "division by zero");
    fails("heads/(kv-2)", "division by zero");
    fails("1 ? 2", ": is missing");
    fails("1e", "broken");
    fails("1.2.3", "broken");
    fails("1=1", "left over");
    fails("@", "missing");
    fails("\xFF", "missing");
}

static void the_other_branch_may_be_wrong(void)
{
    same("1 ? 2 : nobody", 2);
    same("0 ? 1/0 : 3", 3);
    same("1 ? 2 : (0 ? nobody : 1/0)", 2);
    fails("1 ? 2 : (3", ") is missing");
    fails("1 ? 2 : 3 4", "left over");
    fails("0 ? 1 : nobody", "nobody");
    fails("1 ? nobody : 1", "nobody");
}

/* Depth is bounded, whatever is nested, taken or not. */
static void nothing_nests_for_ever(void)
{
    enum { N = 1000000 };
    static const char *const units[] = { "(", "-", "!", "1?", "1?1:", "0?1:", "1+(", "1<(" };
    char *text = malloc(N + 8);

    for (size_t u = 0; u < PI_COUNT(units); u++) {
        size_t n = strlen(units[u]);

        for (size_t i = 0; i + n <= N; i += n)
            memcpy(text + i, units[u], n);
        memcpy(text + N / n * n, "1", 2);
        fails(text, "");
    }
    memset(text, 'a', N);
    fails(text, "");
    memset(text, '1', N);
    text[N] = 0;
    (void)pi_expr(pi_str(text), lookup, NULL, &(double){ 0 }, NULL);
    free(text);
}

static void random_bytes_never_crash(void)
{
    static const char alphabet[] = "01e-.+*/%()?:&|=!<> headskvim_\xC3";
    uint64_t seed = 6;

    for (int i = 0; i < 200000; i++) {
        size_t n = (size_t)(check_random(&seed) % 24);
        char *text = malloc(n + 1);
        double value;

        for (size_t j = 0; j < n; j++)
            text[j] = alphabet[check_random(&seed) % (sizeof alphabet - 1)];
        text = realloc(text, n ? n : 1);
        (void)pi_expr((struct str){ text, n }, lookup, NULL, &value, NULL);
        free(text);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(formulas_mean_what_they_mean_in_c);
    RUN(functions);
    RUN(operators_bind_as_in_c);
    RUN(random_formulas);
    RUN(broken_formulas_say_why);
    RUN(the_other_branch_may_be_wrong);
    RUN(nothing_nests_for_ever);
    RUN(random_bytes_never_crash);
    return CHECK_END();
}
