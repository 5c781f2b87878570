/* split.c - the scanners. Refuses names it does not know; has no regular expressions.
 *
 * Two scanners serve all forms. As published, with the alternatives in order:
 *
 *   plain    's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ |\s+(?!\S)|\s+
 *   letters  (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,digits}
 *            | ?[^\s\p{L}\p{N}]+[\r\n]* |\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * with the variations that struct split_form names. Invalid UTF-8 counts as a symbol.
 */
#include "split.h"

#include "unicode.h"

struct split_form {
    bool letters;      /* the second scanner */
    int digits;        /* most numbers in a piece (second scanner) */
    bool lone_numbers; /* every \p{N} is a piece, cut out before anything else */
    bool marks;        /* \p{M} goes with \p{L} */
    bool cased;        /* a word is upper case, then lower case: U*L+ | U+L* */
    bool no_ending;    /* no alternative for 's 't 're ... */
    bool slash;        /* [\r\n/]* behind punctuation */
};

static const struct split_form form_gpt2 = { .letters = false };
static const struct split_form form_starcoder = { .lone_numbers = true };
static const struct split_form form_llama3 = { .letters = true, .digits = 3 };
static const struct split_form form_qwen2 = { .letters = true, .digits = 1 };
static const struct split_form form_qwen35 = { .letters = true, .digits = 1, .marks = true };
static const struct split_form form_o200k = { .letters = true, .digits = 3, .cased = true,
                                              .slash = true };
static const struct split_form form_tekken = { .letters = true, .digits = 1, .cased = true,
                                               .slash = true, .no_ending = true };

#define LLAMA3_FLAGS (SPLIT_WHOLE | SPLIT_BOS)
#define ROBERTA_FLAGS (SPLIT_BOS | SPLIT_EOS)

/* Names as converters write them (llama.cpp, convert_hf_to_gguf_update.py, 2026-08). A file
 * without a name is older than the key; "default" is the form that such files were made for. */
static const struct split_rule split_rules[] = {
    { "default", &form_gpt2, 0 },
    { "gpt-2", &form_gpt2, 0 },
    { "phi-2", &form_gpt2, 0 },
    { "mpt", &form_gpt2, 0 },
    { "olmo", &form_gpt2, 0 },
    { "jais", &form_gpt2, 0 },
    { "jina-es", &form_gpt2, 0 },
    { "jina-de", &form_gpt2, 0 },
    { "jina-v2-es", &form_gpt2, 0 },
    { "jina-v2-de", &form_gpt2, 0 },
    { "gigachat", &form_gpt2, 0 },
    { "a.x-4.0", &form_gpt2, 0 },
    { "mellum", &form_gpt2, 0 },
    { "modern-bert", &form_gpt2, 0 },
    { "exaone4", &form_gpt2, 0 },
    { "trillion", &form_gpt2, 0 },
    { "granite-docling", &form_gpt2, 0 },
    { "roberta-bpe", &form_gpt2, ROBERTA_FLAGS },
    { "jina-v1-en", &form_gpt2, ROBERTA_FLAGS },
    { "jina-v2-code", &form_gpt2, ROBERTA_FLAGS },
    { "starcoder", &form_starcoder, 0 },
    { "refact", &form_starcoder, 0 },
    { "command-r", &form_starcoder, 0 },
    { "smollm", &form_starcoder, 0 },
    { "codeshell", &form_starcoder, 0 },
    { "exaone", &form_starcoder, 0 },
    { "minerva-7b", &form_starcoder, 0 },
    { "mellum2", &form_starcoder, 0 },
    { "llama-bpe", &form_llama3, LLAMA3_FLAGS },
    { "llama3", &form_llama3, LLAMA3_FLAGS },
    { "llama-v3", &form_llama3, LLAMA3_FLAGS },
    { "falcon3", &form_llama3, LLAMA3_FLAGS },
    { "falcon-h1", &form_llama3, LLAMA3_FLAGS },
    { "pixtral", &form_llama3, LLAMA3_FLAGS },
    { "midm-2.0", &form_llama3, LLAMA3_FLAGS },
    { "lfm2", &form_llama3, LLAMA3_FLAGS },
    { "jina-v5-nano", &form_llama3, LLAMA3_FLAGS },
    { "dbrx", &form_llama3, 0 },
    { "smaug-bpe", &form_llama3, 0 },
    { "glm4", &form_llama3, 0 },
    { "chatglm-bpe", &form_llama3, 0 },
    { "qwen2", &form_qwen2, 0 },
    { "deepseek-r1-qwen", &form_qwen2, 0 },
    { "kormo", &form_qwen2, 0 },
    { "f2llmv2", &form_qwen2, 0 },
    { "megrez", &form_qwen2, 0 },
    { "stablelm2", &form_qwen2, 0 },
    { "hunyuan", &form_qwen2, 0 },
    { "solar-open", &form_qwen2, 0 },
    { "grok-2", &form_qwen2, 0 },
    { "qwen35", &form_qwen35, 0 },
    { "gpt-4o", &form_o200k, 0 },
    { "llama4", &form_o200k, 0 },
    { "kanana2", &form_o200k, 0 },
    { "talkie", &form_o200k, 0 },
    { "minimax-m2", &form_o200k, 0 },
    { "tekken", &form_tekken, LLAMA3_FLAGS },
};

/* Expressions of tokenizer.json as they are published most. */
#define RE_ENDING "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define RE_BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define RE_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define RE_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define RE_SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define RE_SIGNS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" RE_SPACES
#define RE_SIGNS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" RE_SPACES
#define RE_PLAIN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+" \
                 "|\\s+(?!\\S)|\\s+"

static const struct {
    const char *text;
    struct split_rule rule;
} split_expressions[] = {
    { RE_PLAIN, { "", &form_gpt2, 0 } },
    { RE_ENDING "|" RE_BEFORE "\\p{L}+|\\p{N}{1,3}" RE_SIGNS, { "", &form_llama3, 0 } },
    { RE_ENDING "|" RE_BEFORE "\\p{L}+|\\p{N}" RE_SIGNS, { "", &form_qwen2, 0 } },
    { RE_ENDING "|" RE_BEFORE "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
      RE_SPACES, { "", &form_qwen35, 0 } },
    { RE_BEFORE RE_UPPER "*" RE_LOWER "+" RE_ENDING "?|" RE_BEFORE RE_UPPER "+" RE_LOWER "*"
      RE_ENDING "?|\\p{N}{1,3}" RE_SIGNS_SLASH, { "", &form_o200k, 0 } },
    { RE_BEFORE RE_UPPER "*" RE_LOWER "+|" RE_BEFORE RE_UPPER "+" RE_LOWER "*|\\p{N}"
      RE_SIGNS_SLASH, { "", &form_tekken, 0 } },
};

#define WORD_UPPER (UNI(UNI_LU) | UNI(UNI_LT) | UNI(UNI_LM) | UNI(UNI_LO) | UNI_MARK)
#define WORD_LOWER (UNI(UNI_LL) | UNI(UNI_LM) | UNI(UNI_LO) | UNI_MARK)

/* The class of the code point at p < end, and its length. */
static uint32_t class_at(const char *p, const char *end, int *length)
{
    return pi_unicode_class(pi_utf8_next(p, end, length));
}

/* Behind the run of code points that are (or are not) in the set. */
static const char *skip_run(const char *p, const char *end, uint32_t set, bool in)
{
    int n;

    while (p < end && ((class_at(p, end, &n) & set) != 0) == in)
        p += n;
    return p;
}

/* Behind an English ending such as 's or 'll at p, or p. With `fold` case is ignored as regular
 * expressions do, which makes U+017F an s. */
static const char *skip_ending(const char *p, const char *end, bool fold)
{
    static const char endings[][3] = { "s", "t", "m", "d", "re", "ve", "ll" };
    char a, b;

    if (end - p < 2 || *p != '\'')
        return p;
    a = p[1];
    b = end - p > 2 ? p[2] : 0;
    if (fold && a == '\xC5' && b == '\xBF')
        return p + 3;
    if (fold) {
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
    }
    for (size_t i = 0; i < PI_COUNT(endings); i++)
        if (a == endings[i][0] && (!endings[i][1] || b == endings[i][1]))
            return p + (endings[i][1] ? 3 : 2);
    return p;
}

/* \s+(?!\S)|\s+ : a run of white space leaves its last code point to the word behind it. */
static const char *scan_space(const char *p, const char *end)
{
    const char *at = p, *last = p;
    int n;

    while (at < end && (class_at(at, end, &n) & UNI_SPACE)) {
        last = at;
        at += n;
    }
    return at == end || last == p ? at : last;
}

static const char *scan_plain(const char *p, const char *end)
{
    const char *q = skip_ending(p, end, false);
    uint32_t class;
    int n;

    if (q > p)
        return q;
    q = *p == ' ' && p + 1 < end ? p + 1 : p;
    class = class_at(q, end, &n);
    if (class & UNI_LETTER)
        return skip_run(q, end, UNI_LETTER, true);
    if (class & UNI_NUMBER)
        return skip_run(q, end, UNI_NUMBER, true);
    if (!(class & UNI_SPACE))
        return skip_run(q, end, UNI_SPACE | UNI_LETTER | UNI_NUMBER, false);
    return scan_space(p, end);
}

/* U*L+ from p, with the backtracking that a regular expression does: if no L follows the
 * run of U, its last code point that is in L too (LM, LO, M) ends the match. p if none. */
static const char *scan_upper_lower(const char *p, const char *end)
{
    const char *at = p, *both = p, *q;
    int n;

    while (at < end) {
        uint32_t class = class_at(at, end, &n);

        if (!(class & WORD_UPPER))
            break;
        at += n;
        if (class & WORD_LOWER)
            both = at;
    }
    q = skip_run(at, end, WORD_LOWER, true);
    return q > at ? q : both;
}

/* A word at p itself, by form; `upper` chooses the second alternative of cased forms, U+L*, in
 * which no L can be left. p if there is none. */
static const char *scan_bare(const struct split_form *form, const char *p, const char *end,
                             bool upper)
{
    if (upper)
        return skip_run(p, end, WORD_UPPER, true);
    if (form->cased)
        return scan_upper_lower(p, end);
    return skip_run(p, end, UNI_LETTER | (form->marks ? UNI_MARK : 0), true);
}

/* [^\r\n\p{L}\p{N}]? and a word; p if there is none. */
static const char *scan_word(const struct split_form *form, const char *p, const char *end)
{
    const char *behind = p, *q;
    int n;

    if (!(class_at(p, end, &n) & (UNI_LETTER | UNI_NUMBER)) && *p != '\r' && *p != '\n')
        behind = p + n;
    for (int i = 0; i < (form->cased ? 4 : 2); i++) {
        const char *start = i % 2 ? p : behind;

        q = scan_bare(form, start, end, i >= 2);
        if (q > start)
            return form->cased && !form->no_ending ? skip_ending(q, end, true) : q;
    }
    return p;
}

/* \s*[\r\n]+ : through the last line break of the run; else as scan_space. p if none. */
static const char *scan_lines(const char *p, const char *end)
{
    const char *at = p, *line = p;
    int n;

    while (at < end && (class_at(at, end, &n) & UNI_SPACE)) {
        bool breaks = *at == '\r' || *at == '\n';

        at += n;
        if (breaks)
            line = at;
    }
    return line > p ? line : scan_space(p, end);
}

static const char *scan_letters(const struct split_form *form, const char *p, const char *end)
{
    uint32_t set = UNI_SPACE | UNI_LETTER | UNI_NUMBER | (form->marks ? UNI_MARK : 0);
    const char *q = p;
    int n;

    if (!form->cased && !form->no_ending)
        q = skip_ending(p, end, true);
    if (q == p)
        q = scan_word(form, p, end);
    if (q > p)
        return q;
    for (int i = 0; i < form->digits && q < end && (class_at(q, end, &n) & UNI_NUMBER); i++)
        q += n;
    if (q > p)
        return q;
    p += *p == ' ';
    q = skip_run(p, end, set, false);
    if (q > p) {
        while (q < end && (*q == '\r' || *q == '\n' || (form->slash && *q == '/')))
            q++;
        return q;
    }
    return NULL;
}

const struct split_rule *pi_split_find(struct str name)
{
    for (size_t i = 0; i < PI_COUNT(split_rules); i++)
        if (pi_str_equal(name, pi_str(split_rules[i].name)))
            return &split_rules[i];
    return NULL;
}

const struct split_rule *pi_split_at(int i)
{
    return (size_t)i < PI_COUNT(split_rules) ? &split_rules[i] : NULL;
}

const struct split_rule *pi_split_find_expression(struct str expression)
{
    for (size_t i = 0; i < PI_COUNT(split_expressions); i++)
        if (pi_str_equal(expression, pi_str(split_expressions[i].text)))
            return &split_expressions[i].rule;
    return NULL;
}

struct split_walk pi_split_start(const struct split_rule *rule, struct str text)
{
    return (struct split_walk){ rule->form, text.at, text.at + text.n, text.at };
}

bool pi_split_next(struct split_walk *walk, struct str *piece)
{
    const char *p = walk->at, *q;
    int n;

    if (p == walk->end)
        return false;
    if (p == walk->segment) {
        walk->segment = walk->end;
        if (walk->form->lone_numbers) {
            walk->segment = skip_run(p, walk->end, UNI_NUMBER, false);
            if (walk->segment == p) {
                class_at(p, walk->end, &n);
                walk->segment = p + n;
            }
        }
    }
    if (!walk->form->letters)
        q = scan_plain(p, walk->segment);
    else if ((q = scan_letters(walk->form, p, walk->segment)) == NULL)
        q = scan_lines(p, walk->segment);
    walk->at = q;
    *piece = (struct str){ p, (size_t)(q - p) };
    return true;
}
