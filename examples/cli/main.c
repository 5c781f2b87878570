/* main.c - the `pith` command: every verb is a few calls of pith.h (text.c, measure.c, model.c).
 *
 * stdout carries data only; progress and timings go to stderr, a bar only on a terminal. Flags
 * that set an option are not listed here: --NAME VALUE and --NAME=VALUE set the option NAME of
 * pith.h's table, with - for _ in its name; one of 0 or 1 is a switch, --NAME.
 */
#include "cli.h"

static const struct verb {
    const char *name, *model, *usage, *what;
    int (*run)(void);
    int most; /* arguments behind the model; -1: texts, any number */
} verbs[] = {
    { "generate", "MODEL", "-p PROMPT | -f FILE  [-n N] [--echo]", "continue a text",
      verb_generate, 0 },
    { "complete", "MODEL", "--prefix TEXT --suffix TEXT  [-n N]",
      "write what stands between two texts", verb_complete, 0 },
    { "classify", "MODEL", "--labels A,B,... [TEXT...]", "label and probability of each text",
      verb_classify, -1 },
    { "score", "MODEL", "[-p PROMPT] [TEXT...]", "log-probability of each text after the prompt",
      verb_score, -1 },
    { "tokenize", "MODEL", "TEXT | -  [--no-bos] [--pieces]", "token ids of a text",
      verb_tokenize, 1 },
    { "logits", "MODEL", "-p TEXT | --tokens 1,2,3  -o FILE",
      "raw float32 [positions][vocabulary]", verb_logits, 0 },
    { "perplexity", "MODEL", "-f FILE", "how well the model predicts a text", verb_perplexity, 0 },
    { "bench", "MODEL", "[-p TOKENS] [-n TOKENS]", "speed, and the machine's own ceilings",
      verb_bench, 0 },
    { "info", "MODEL", "", "what the file says about itself", verb_info, 0 },
    { "explain", "MODEL", "", "the program that the model runs", verb_explain, 0 },
    { "verify", "MODEL", "", "check that every weight is a number", verb_verify, 0 },
    { "quantize", "FILE", "OUT TYPE", "write a GGUF file in another number format, such as Q4_K_M",
      verb_quantize, 2 },
    { "convert", "FOLDER", "OUT [TYPE]", "write a Hugging Face folder as a GGUF file",
      verb_convert, 2 },
};

/* Text in lines of 100 columns, all but the first indented. */
static void print_wrapped(FILE *to, const char *text, int column, int indent)
{
    while (*text) {
        int n = (int)strcspn(text, " \n");

        if (column > indent && column + 1 + n > 100)
            column = fprintf(to, "\n%*s", indent, "") - 1;
        else if (column > indent)
            column += fprintf(to, " ");
        column += fprintf(to, "%.*s", n, text);
        text += n;
        for (; *text == ' ' || *text == '\n'; text++)
            if (*text == '\n') /* a template's default has one */
                column += fprintf(to, "\\n");
    }
    fputc('\n', to);
}

static bool is_switch(int32_t type, double min, double max)
{
    return type == PITH_TYPE_I64 && min == 0 && max == 1;
}

static void print_option(FILE *to, int32_t i)
{
    const char *name, *text;
    char line[600];
    double min, max, def;
    int32_t type;
    int column;

    pith_option_info(i, NULL, &name, &type, NULL, &min, &max, &def, &text, NULL);
    column = fprintf(to, "  --");
    for (; *name; name++, column++)
        fputc(*name == '_' ? '-' : *name, to);
    column += fprintf(to, "%*s", column < 21 ? 21 - column : 1, "");
    if (is_switch(type, min, max))
        text += strncmp(text, "1: ", 3) == 0 ? 3 : 0;
    snprintf(line, sizeof line, type == PITH_TYPE_STR || is_switch(type, min, max) ? "%s"
             : "%s (%.15g)", text, def);
    print_wrapped(to, line, column, 21);
}

static void print_help(FILE *to)
{
    fprintf(to, "pith %s: run pre-trained models\n\n", pith_version_string());
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(to, "  pith %-10s %-6s %-39s %s\n", verbs[i].name, verbs[i].model, verbs[i].usage,
                verbs[i].what);
    fprintf(to, "\nMODEL is a GGUF file or a Hugging Face folder. classify and score take texts as "
                "arguments,\nfrom -f FILE, or line by line from stdin; tokenize reads stdin "
                "whole; FILE may be - for stdin or stdout.\n"
                "Everywhere: --json, -q (no timings), -t THREADS, and the options of the "
                "library, with their\ndefaults, as --NAME VALUE or --NAME=VALUE:\n\n");
    for (int32_t i = 0; i < pith_option_count(); i++)
        print_option(to, i);
    fprintf(to, "\nShort: -p --prompt, -f --file, -o --out, -n --max-tokens, -t --threads, "
                "-q --quiet, -h --help,\n--temp --temperature.\n"
                "Exit: 0 ok, 1 failure, 2 usage, 3 bad model file, 4 unsupported, 5 out of memory "
                "or limit,\n6 I/O, 130 interrupted.\n");
}

enum { NAME_BYTES = 40 };

/* The library's name of the option that --FLAG sets. */
static const char *option_name(const char *flag, char name[NAME_BYTES])
{
    size_t n = 0;

    for (; flag[n] && n + 1 < NAME_BYTES; n++)
        name[n] = flag[n] == '-' ? '_' : flag[n];
    name[n] = 0;
    return name;
}

static void set_option(const char *flag, const char *value)
{
    char name[NAME_BYTES];
    pith_error err = { 0 };

    if (pith_options_set(cli.options, option_name(flag, name), value, &err) != PITH_OK)
        fail(EXIT_USAGE, "--%s: %s", flag, err.text);
}

/* Sets an option of 0 or 1 to 1; false if --FLAG is none. */
static bool set_switch(const char *flag)
{
    char wanted[NAME_BYTES];
    const char *name;
    double min, max;
    int32_t type;

    option_name(flag, wanted);
    for (int32_t i = 0; i < pith_option_count(); i++) {
        pith_option_info(i, NULL, &name, &type, NULL, &min, &max, NULL, NULL, NULL);
        if (strcmp(name, wanted) == 0 && is_switch(type, min, max)) {
            set_option(flag, "1");
            return true;
        }
    }
    return false;
}

static int64_t count_of(const char *flag, const char *value)
{
    char *end;
    long long n = strtoll(value, &end, 10);

    if (*end || end == value || n < 0)
        fail(EXIT_USAGE, "%s: \"%s\" is not a count", flag, value);
    return n;
}

/* The command's own flag without a value, or NULL. */
static bool *own_switch(const char *flag)
{
    static const struct { const char *name; bool *to; } flags[] = {
        { "--json", &cli.json }, { "--echo", &cli.echo }, { "--no-bos", &cli.no_bos },
        { "--pieces", &cli.pieces }, { "-q", &cli.quiet }, { "--quiet", &cli.quiet },
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flag, flags[i].name) == 0)
            return flags[i].to;
    return NULL;
}

/* Sets a flag without a value; true if it was one. */
static bool plain_flag(const char *flag)
{
    bool *own = own_switch(flag);

    if (own)
        return *own = true;
    return flag[1] == '-' && set_switch(flag + 2);
}

static void valued_flag(const char *flag, const char *value, bool bench)
{
    static const struct { const char *name; const char **to; } flags[] = {
        { "-p", &cli.prompt }, { "--prompt", &cli.prompt }, { "--prefix", &cli.prompt },
        { "--suffix", &cli.suffix }, { "-f", &cli.file },
        { "--file", &cli.file }, { "-o", &cli.out }, { "--out", &cli.out },
        { "--labels", &cli.labels }, { "--tokens", &cli.tokens },
    };

    if (!value)
        fail(EXIT_USAGE, "%s needs a value, or there is no such flag; see pith --help", flag);
    if (bench && strcmp(flag, "-p") == 0)
        cli.prompt_tokens = count_of(flag, value);
    else if (bench && strcmp(flag, "-n") == 0)
        cli.new_tokens = count_of(flag, value);
    else if (strcmp(flag, "-n") == 0)
        set_option("max-tokens", value);
    else if (strcmp(flag, "-t") == 0 || strcmp(flag, "--threads") == 0) {
        cli.threads = count_of(flag, value);
        set_option("threads", value);
    }
    else if (strcmp(flag, "--temp") == 0)
        set_option("temperature", value);
    else {
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
            if (strcmp(flag, flags[i].name) == 0) {
                *flags[i].to = value;
                return;
            }
        if (flag[1] != '-')
            fail(EXIT_USAGE, "there is no flag %s; see pith --help", flag);
        set_option(flag + 2, value);
    }
}

/* --NAME=VALUE */
static void joined_flag(char *flag, bool bench)
{
    char *equals = strchr(flag, '=');

    *equals = 0;
    if (own_switch(flag))
        fail(EXIT_USAGE, "%s takes no value", flag);
    valued_flag(flag, equals + 1, bench);
}

static void parse_flags(int argc, char **argv, bool bench)
{
    bool plain = false; /* behind -- */

    cli.args = argv;
    for (int i = 0; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0)
            plain = true;
        else if (plain || argv[i][0] != '-' || argv[i][1] == 0)
            cli.args[cli.n_args++] = argv[i];
        else if (argv[i][1] == '-' && strchr(argv[i], '='))
            joined_flag(argv[i], bench);
        else if (!plain_flag(argv[i])) {
            valued_flag(argv[i], i + 1 < argc ? argv[i + 1] : NULL, bench);
            i++;
        }
    }
}

int main(int argc, char **argv)
{
    pith_error err = { 0 };

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : 0;
    }
    if (strcmp(argv[1], "--version") == 0)
        return printf("pith %s\n", pith_version_string()) < 0;
    must(pith_options_create(&cli.options, &err), &err);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
            printf("usage: pith %s %s %s\n%s; pith --help lists all flags\n", verbs[i].name,
                   verbs[i].model, verbs[i].usage, verbs[i].what);
            leave(0);
        }
        parse_flags(argc - 2, argv + 2, strcmp(argv[1], "bench") == 0);
        if (cli.n_args < 1)
            fail(EXIT_USAGE, "usage: pith %s %s %s", verbs[i].name, verbs[i].model,
                 verbs[i].usage);
        cli.model_path = cli.args[0];
        cli.args++;
        cli.n_args--;
        if (verbs[i].most >= 0 && cli.n_args > verbs[i].most)
            fail(EXIT_USAGE, "%s has no use for \"%s\"; usage: pith %s %s %s", verbs[i].name,
                 cli.args[verbs[i].most], verbs[i].name, verbs[i].model, verbs[i].usage);
        leave(verbs[i].run());
    }
    fail(EXIT_USAGE, "there is no verb %s; see pith --help", argv[1]);
}
