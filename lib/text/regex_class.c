/* regex_class.c - classes of regular expressions: [...], \p{...}, \s; see regex_parse.h.
 */
#include "regex_parse.h"

#include "unicode.h"

int pi_regex_error(const struct regex_parser *p, const char *what)
{
    return pi_fail(p->err, PITH_E_UNSUPPORTED, "the regular expression \"%.*s\": %s at byte %d",
                   (int)pi_min_size(p->pattern.n, 80), p->pattern.at, what,
                   (int)(p->at - p->pattern.at));
}

bool pi_regex_next_is(const struct regex_parser *p, const char *z)
{
    size_t n = strlen(z);

    return (size_t)(p->end - p->at) >= n && memcmp(p->at, z, n) == 0;
}

bool pi_regex_take(struct regex_parser *p, const char *z)
{
    if (!pi_regex_next_is(p, z))
        return false;
    p->at += strlen(z);
    return true;
}

int pi_regex_add_set(struct regex_parser *p, int32_t *set)
{
    struct regex *re = p->re;

    if (re->n_sets == SETS_MAX)
        return pi_regex_error(p, "too many classes");
    *set = re->n_sets;
    re->sets[re->n_sets++] = (struct regex_set){ .first = re->n_items, .also = -1,
                                                 .folded = p->fold };
    return PITH_OK;
}

int pi_regex_add_item(struct regex_parser *p, int32_t set, struct regex_item item)
{
    struct regex *re = p->re;

    if (re->n_items == ITEMS_MAX)
        return pi_regex_error(p, "too large a class");
    re->items[re->n_items++] = item;
    re->sets[set].n++;
    return PITH_OK;
}

/* Settles the answers of a finished set for ASCII. */
void pi_regex_finish_set(struct regex *re, int32_t set)
{
    for (uint32_t c = 0; c < 0x80; c++)
        if (pi_regex_set_has(re, set, c | 0x40000000u))
            re->sets[set].ascii[c / 32] |= 1u << c % 32;
}

static int take_hex(struct regex_parser *p, int digits, uint32_t *code)
{
    uint32_t value = 0;
    int n = 0;

    for (; n < digits && p->at < p->end; n++, p->at++) {
        char c = *p->at, low = (char)(c | 32);

        if (c >= '0' && c <= '9')
            value = value * 16 + (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (uint32_t)(low - 'a') + 10;
        else
            break;
    }
    *code = value;
    return n && value <= 0x10FFFF ? PITH_OK : pi_regex_error(p, "a broken code point");
}

int pi_regex_take_escaped(struct regex_parser *p, uint32_t *code)
{
    static const char names[] = "ntrfvae", values[] = "\n\t\r\f\v\a\x1B";
    const char *found;
    int n;

    if (p->at == p->end)
        return pi_regex_error(p, "ends in a backslash");
    if (pi_regex_take(p, "x{")) {
        TRY(take_hex(p, 8, code));
        return pi_regex_take(p, "}") ? PITH_OK : pi_regex_error(p, "a } is missing");
    }
    if (pi_regex_take(p, "x"))
        return take_hex(p, 2, code);
    if (pi_regex_take(p, "u"))
        return take_hex(p, 4, code);
    found = strchr(names, *p->at);
    if (found && *p->at) {
        *code = (uint32_t)(uint8_t)values[found - names];
        p->at++;
        return PITH_OK;
    }
    if ((*p->at >= 'a' && *p->at <= 'z') || (*p->at >= 'A' && *p->at <= 'Z') ||
        (*p->at >= '0' && *p->at <= '9'))
        return pi_regex_error(p, "an escape that is not known");
    *code = pi_utf8_next(p->at, p->end, &n);
    p->at += n;
    return PITH_OK;
}

/* The general categories that a name stands for, or 0. */
static uint32_t category_mask(struct str name)
{
    static const char names[] = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
                                "Zs Zl Zp Cc Cf Cs Co Cn ";
    static const struct {
        const char *name, *categories;
    } longer[] = {
        { "Letter", "L" }, { "Mark", "M" }, { "Number", "N" }, { "Punctuation", "P" },
        { "Symbol", "S" }, { "Separator", "Z" }, { "Other", "C" }, { "digit", "Nd" },
        { "Uppercase_Letter", "Lu" }, { "Lowercase_Letter", "Ll" }, { "Decimal_Number", "Nd" },
    };
    uint32_t mask = 0;

    for (size_t i = 0; i < PI_COUNT(longer); i++)
        if (pi_str_equal(name, pi_str(longer[i].name)))
            name = pi_str(longer[i].categories);
    if (name.n != 1 && name.n != 2)
        return 0;
    for (int i = 0; names[3 * i]; i++)
        if (names[3 * i] == name.at[0] && (name.n == 1 || names[3 * i + 1] == name.at[1]))
            mask |= UNI(i);
    return mask;
}

/* \p{Name}, \p{^Name}, \P{Name}; p->at is behind the p. */
static int take_property(struct regex_parser *p, bool negated, struct regex_item *item)
{
    struct str name;
    const char *close;
    int script;

    if (!pi_regex_take(p, "{"))
        return pi_regex_error(p, "\\p without a name");
    negated ^= pi_regex_take(p, "^");
    close = memchr(p->at, '}', (size_t)(p->end - p->at));
    if (!close)
        return pi_regex_error(p, "a } is missing");
    name = (struct str){ p->at, (size_t)(close - p->at) };
    *item = (struct regex_item){ .kind = SET_CLASS, .negated = negated, .a = category_mask(name) };
    if (item->a == 0) {
        script = pi_unicode_find_script(name);
        if (script <= 0)
            return pi_regex_error(p, "a property that is not known");
        item->kind = SET_SCRIPT;
        item->a = (uint32_t)script;
    }
    p->at = close + 1;
    return PITH_OK;
}

int pi_regex_take_shorthand(struct regex_parser *p, struct regex_item *item, bool *known)
{
    char c = p->at < p->end ? *p->at : 0;
    bool negated = c >= 'A' && c <= 'Z';

    *known = true;
    p->at++;
    switch (c | 32) {
    case 'p': return take_property(p, negated, item);
    case 's': *item = (struct regex_item){ SET_CLASS, negated, UNI_SPACE, 0 }; return PITH_OK;
    case 'd': *item = (struct regex_item){ SET_CLASS, negated, UNI(UNI_ND), 0 }; return PITH_OK;
    case 'w': *item = (struct regex_item){ SET_WORD, negated, 0, 0 }; return PITH_OK;
    }
    p->at--;
    *known = false;
    return PITH_OK;
}

static int take_posix(struct regex_parser *p, struct regex_item *item, bool *known)
{
    static const struct {
        const char *name;
        uint32_t mask;
    } rows[] = {
        { "digit:]", UNI(UNI_ND) }, { "space:]", UNI_SPACE }, { "cntrl:]", UNI(UNI_CC) },
    };
    bool negated;

    *known = pi_regex_take(p, "[:");
    if (!*known)
        return PITH_OK;
    negated = pi_regex_take(p, "^");
    for (size_t i = 0; i < PI_COUNT(rows); i++)
        if (pi_regex_take(p, rows[i].name)) {
            *item = (struct regex_item){ SET_CLASS, negated, rows[i].mask, 0 };
            return PITH_OK;
        }
    return pi_regex_error(p, "a bracket class that is not known");
}

/* One code point of a class, escaped or not. */
static int take_class_code(struct regex_parser *p, uint32_t *code)
{
    int n;

    if (p->at == p->end)
        return pi_regex_error(p, "a ] is missing");
    if (pi_regex_take(p, "\\")) {
        if (pi_regex_take(p, "b")) {
            *code = '\b';
            return PITH_OK;
        }
        return pi_regex_take_escaped(p, code);
    }
    *code = pi_utf8_next(p->at, p->end, &n);
    p->at += n;
    return PITH_OK;
}

/* A code point or a range of a class. */
static int take_range(struct regex_parser *p, struct regex_item *item)
{
    *item = (struct regex_item){ .kind = SET_RANGE };
    TRY(take_class_code(p, &item->a));
    item->b = item->a;
    if (p->end - p->at >= 2 && *p->at == '-' && p->at[1] != ']') {
        p->at++;
        TRY(take_class_code(p, &item->b));
        if (item->b < item->a)
            return pi_regex_error(p, "a range that runs backwards");
    }
    return PITH_OK;
}

/* The items up to ] or &&. Items of a set are adjacent, so that sets within are made first. */
static int take_items(struct regex_parser *p, int32_t *set, bool *closed)
{
    struct regex_item list[128];
    int n = 0;
    bool first = true;

    while (!(*closed = !first && pi_regex_take(p, "]")) && !pi_regex_next_is(p, "&&")) {
        bool known = false;

        if (n == (int)PI_COUNT(list) || p->at == p->end)
            return pi_regex_error(p, p->at == p->end ? "a ] is missing" : "too large a class");
        first = false;
        if (pi_regex_next_is(p, "[:")) {
            TRY(take_posix(p, &list[n], &known));
        } else if (pi_regex_take(p, "[")) {
            int32_t inner;

            known = true;
            TRY(pi_regex_parse_class(p, &inner));
            list[n] = (struct regex_item){ .kind = SET_SET, .a = (uint32_t)inner };
        } else if (pi_regex_next_is(p, "\\")) {
            p->at++;
            TRY(pi_regex_take_shorthand(p, &list[n], &known));
            p->at -= !known;
        }
        if (!known)
            TRY(take_range(p, &list[n]));
        n++;
    }
    TRY(pi_regex_add_set(p, set));
    for (int i = 0; i < n; i++)
        TRY(pi_regex_add_item(p, *set, list[i]));
    return PITH_OK;
}

int pi_regex_parse_class(struct regex_parser *p, int32_t *set)
{
    bool negated = pi_regex_take(p, "^"), closed;
    int32_t also;

    if (++p->depth > NEST_MAX)
        return pi_regex_error(p, "is nested too deeply");
    TRY(take_items(p, set, &closed));
    for (also = *set; !closed; also = p->re->sets[also].also) {
        p->at += 2; /* && */
        TRY(take_items(p, &p->re->sets[also].also, &closed));
        pi_regex_finish_set(p->re, p->re->sets[also].also);
    }
    if (negated && p->re->sets[*set].also >= 0) { /* the whole of it is negated: a set around it */
        struct regex_item inner = { .kind = SET_SET, .a = (uint32_t)*set };

        pi_regex_finish_set(p->re, *set);
        TRY(pi_regex_add_set(p, set));
        TRY(pi_regex_add_item(p, *set, inner));
    }
    p->re->sets[*set].negated = negated;
    pi_regex_finish_set(p->re, *set);
    p->depth--;
    return PITH_OK;
}
