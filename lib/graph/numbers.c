/* numbers.c - rows of an architecture with those it inherits, and its named numbers.
 * See recipe.h.
 */
#include "recipe.h"

#include "kernel/kernel.h"

#include <math.h>

struct constant {
    const char *name;
    double value;
};

static const struct constant constants[] = {
    { "rms", 0 },  { "layernorm", 1 },
    { "silu", ACT_SILU }, { "gelu", ACT_GELU }, { "gelu_tanh", ACT_GELU_TANH },
    { "relu", ACT_RELU }, { "relu2", ACT_RELU2 }, { "quick_gelu", ACT_GELU_QUICK },
    { "sigmoid", ACT_SIGMOID }, { "tanh", ACT_TANH }, { "softplus", ACT_SOFTPLUS },
    { "exp", ACT_EXP },
    { "none", 0 }, { "linear", 1 }, { "yarn", 2 }, { "bands", 3 }, { "longrope", 4 },
};

/* Words of files alone: in formulas they may be names of keys. */
static const struct constant file_words[] = {
    /* what a layer mixes tokens by */
    { "attention", 1 }, { "full_attention", 1 }, { "conv", 0 }, { "mamba", 0 },
    { "linear_attention", 0 }, { "sliding_attention", -1 }, { "chunked_attention", -1 },
    { "hybrid", 1 },
    { "nope", 0 }, { "rope", 1 },
    { "LLLG", 4 }, /* three local layers, then a global one */
    { "mlp", 2 }, { "moe", 3 }, { "M", 0 }, { "*", 1 }, { "-", 2 }, { "E", 3 },
};

static bool find_constant(const struct constant *rows, size_t n, struct str name, double *out)
{
    for (size_t i = 0; i < n; i++)
        if (pi_str_equal(name, pi_str(rows[i].name))) {
            *out = rows[i].value;
            return true;
        }
    return false;
}

bool pi_constant(struct str name, double *out)
{
    return find_constant(constants, PI_COUNT(constants), name, out) ||
           find_constant(file_words, PI_COUNT(file_words), name, out);
}

static bool lookup_number(const void *env, struct str name, double *out)
{
    const struct numbers *n = env;

    for (int i = 0; i < n->n; i++) {
        const struct number *row = &n->rows[i];

        if (!pi_str_equal(name, pi_str(row->name)))
            continue;
        *out = row->value;
        if (row->per_layer && n->layer >= 0 && n->layer < row->n_layers)
            *out = row->per_layer[n->layer];
        return true;
    }
    if (pi_str_equal(name, STR("layer"))) {
        *out = n->layer;
        return n->layer >= 0;
    }
    if (pi_str_equal(name, STR("tokens"))) {
        *out = n->tokens;
        return n->tokens > 0;
    }
    if (pi_str_equal(name, STR("hf"))) {
        *out = n->hf;
        return true;
    }
    return find_constant(constants, PI_COUNT(constants), name, out);
}

int pi_numbers_eval(const struct numbers *n, struct str expression, int layer, double *out,
                    pith_error *err)
{
    struct numbers at = *n;

    at.layer = layer;
    TRY(pi_expr(expression, lookup_number, &at, out, err));
    if (!isfinite(*out))
        return pi_fail(err, PITH_E_FORMAT, "%.*s is not a finite number", (int)expression.n,
                       expression.at);
    return PITH_OK;
}

/* What a file calls the number, where the expression is one and the file has it. */
static struct str key_of(const struct numbers *n, struct str expression)
{
    for (int i = 0; i < n->n; i++)
        if (n->rows[i].key && pi_str_equal(expression, pi_str(n->rows[i].name)))
            return pi_str(n->rows[i].key);
    return expression;
}

int pi_numbers_count(const struct numbers *n, struct str expression, int layer, int64_t least,
                     int64_t *out, pith_error *err)
{
    char number[32];
    double value;

    TRY(pi_numbers_eval(n, expression, layer, &value, err));
    if (value < (double)least || value > 0x1p40 || value != floor(value)) {
        expression = key_of(n, expression);
        return pi_fail(err, PITH_E_FORMAT, "%.*s is %s; a whole number from %lld to 2^40 is "
                       "needed", (int)expression.n, expression.at, pi_number(value, number),
                       (long long)least);
    }
    *out = (int64_t)value;
    return PITH_OK;
}

/* The name without its mark '?'. */
static struct str bare(const char *name)
{
    struct str s = pi_str(name);

    if (s.n && s.at[s.n - 1] == '?')
        s.n--;
    return s;
}

enum { MAX_GENERATIONS = 8 };

/* The arch and its ancestors, oldest first. */
static int ancestry(const struct arch *arch, const struct arch *line[MAX_GENERATIONS])
{
    int n = 0;

    for (; arch && n < MAX_GENERATIONS; arch = arch->like)
        line[n++] = arch;
    for (int i = 0; i < n / 2; i++) {
        const struct arch *swap = line[i];

        line[i] = line[n - 1 - i];
        line[n - 1 - i] = swap;
    }
    return n;
}

int pi_arch_keys(const struct arch *arch, const struct key *rows[PI_MAX_KEYS])
{
    const struct arch *line[MAX_GENERATIONS];
    int generations = ancestry(arch, line), n = 0;

    for (int g = 0; g < generations; g++)
        for (const struct key *k = line[g]->keys; k && k->name; k++) {
            int i = 0;

            while (i < n && strcmp(rows[i]->name, k->name) != 0)
                i++;
            if (i == PI_MAX_KEYS)
                return -1;
            rows[i] = k;
            n += i == n;
        }
    return n;
}

int pi_arch_weights(const struct arch *arch, bool hf, const struct weight *rows[PI_MAX_WEIGHTS])
{
    const struct arch *line[MAX_GENERATIONS];
    int generations = ancestry(arch, line), n = 0, kept = 0;

    for (int g = 0; g < generations; g++)
        for (const struct weight *w = line[g]->weights; w && w->name; w++) {
            int i = 0;

            while (i < n && (rows[i]->ignore || w->ignore ||
                             !pi_str_equal(bare(rows[i]->name), bare(w->name))))
                i++;
            if (i == PI_MAX_WEIGHTS)
                return -1;
            rows[i] = w;
            n += i == n;
        }
    for (int i = 0; i < n; i++)
        if (pi_weight_pattern(rows[i], hf))
            rows[kept++] = rows[i];
    return kept;
}

int pi_arch_puts(const struct arch *arch, const struct put *rows[PI_MAX_KEYS])
{
    const struct arch *line[MAX_GENERATIONS];
    int generations = ancestry(arch, line), n = 0;

    for (int g = 0; g < generations; g++)
        for (const struct put *p = line[g]->puts; p && p->key; p++) {
            int i = 0;

            while (i < n && strcmp(rows[i]->key, p->key) != 0)
                i++;
            if (i == PI_MAX_KEYS)
                return -1;
            rows[i] = p;
            n += i == n;
        }
    return n;
}

const char *pi_arch_prefix(const struct arch *arch)
{
    while (arch && !arch->prefix)
        arch = arch->like;
    return arch ? arch->prefix : "model.|model.language_model.|language_model.model.|"
                                 "language_model.|model.text_model.";
}

const struct part *pi_arch_part(const struct arch *arch, const char *name)
{
    for (; arch; arch = arch->like)
        for (int i = 0; i < PI_MAX_PARTS && arch->parts[i].name; i++)
            if (strcmp(arch->parts[i].name, name) == 0)
                return &arch->parts[i];
    return NULL;
}
