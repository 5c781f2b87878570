/* model.c - the verbs that look at a model file, or write another.
 */
#include "cli.h"

#include <sys/stat.h>

static void print_tensor(int64_t i)
{
    const char *name, *type;
    int64_t length, shape[4];
    pith_error err = { 0 };
    int32_t dims;

    must(pith_model_tensor(cli.model, i, &name, &length, &type, shape, &dims, &err), &err);
    if (cli.json) {
        printf(i ? ", {\"name\": " : "{\"name\": ");
        print_json_text(name, length);
        printf(", \"type\": \"%s\", \"shape\": [", type);
    } else {
        printf("%-36.*s %-8s [", (int)length, name, type);
    }
    for (int32_t j = 0; j < dims; j++)
        printf(j ? ", %" PRId64 : "%" PRId64, shape[j]);
    printf(cli.json ? "]}" : "]\n");
}

static void print_meta(int64_t i)
{
    char value[512];
    const char *key;
    int64_t length;
    pith_error err = { 0 };

    must(pith_model_meta(cli.model, i, &key, &length, value, sizeof value, &err), &err);
    if (cli.json) {
        printf(i ? ", " : "");
        print_json_text(key, length);
        printf(": ");
        print_json_text(value, (int64_t)strlen(value));
    } else {
        value[96] = 0; /* a line of a terminal */
        for (char *at = value; *at; at++)
            *at = *at == '\n' ? ' ' : *at;
        printf("%-44.*s %s\n", (int)length, key, value);
    }
}

int verb_info(void)
{
    static const struct { int32_t key; const char *name; } facts[] = {
        { PITH_MODEL_PARAMETERS, "parameters" }, { PITH_MODEL_BYTES, "bytes" },
        { PITH_MODEL_LAYERS, "layers" },         { PITH_MODEL_WIDTH, "width" },
        { PITH_MODEL_VOCABULARY, "vocabulary" }, { PITH_MODEL_CONTEXT, "context" },
        { PITH_MODEL_BOS, "bos" },               { PITH_MODEL_EOS, "eos" },
        { PITH_MODEL_EXACT, "exact" },           { PITH_MODEL_TIERS, "tiers" },
    };
    const char *arch;

    open_model();
    arch = pith_model_arch(cli.model);
    if (cli.json)
        printf("{\"architecture\": "), print_json_text(arch, (int64_t)strlen(arch));
    else
        printf("%-16s %s\n", "architecture", arch);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        printf(cli.json ? ", \"%s\": %" PRId64 : "%-16s %" PRId64 "\n", facts[i].name,
               number(facts[i].key));
    printf(cli.json ? ", \"metadata\": {" : "\n");
    for (int64_t i = 0; i < pith_model_meta_count(cli.model); i++)
        print_meta(i);
    printf(cli.json ? "}, \"tensors\": [" : "\n");
    for (int64_t i = 0; i < number(PITH_MODEL_TENSORS); i++)
        print_tensor(i);
    if (cli.json)
        printf("]}\n");
    return 0;
}

int verb_explain(void)
{
    pith_error err = { 0 };
    int64_t length;
    char *text;

    open_model();
    must(pith_model_explain(cli.model, NULL, 0, &length, &err), &err);
    text = must_alloc((size_t)length + 1);
    must(pith_model_explain(cli.model, text, length + 1, &length, &err), &err);
    if (cli.json)
        print_json_text(text, length), putchar('\n');
    else
        fputs(text, stdout);
    free(text);
    return 0;
}

int verb_verify(void)
{
    pith_error err = { 0 };

    open_model();
    must(pith_model_verify(cli.model, &err), &err);
    printf(cli.json ? "{\"ok\": true, \"tensors\": %" PRId64 "}\n"
                    : "ok: %" PRId64 " tensors, every weight is a number\n",
           number(PITH_MODEL_TENSORS));
    return 0;
}

static int32_t show_bytes(void *user, int64_t done, int64_t total)
{
    progress(user, done >> 20, total >> 20);
    return interrupted;
}

/* FILE OUT TYPE */
int verb_quantize(void)
{
    int64_t tensors, converted, fallbacks, in_bytes, out_bytes;
    char what[] = "quantize, MiB";
    pith_error err = { 0 };
    double start = now();

    if (cli.n_args != 2)
        fail(EXIT_USAGE, "usage: pith quantize FILE OUT TYPE");
    must_take(pith_quantize_plan(cli.model_path, -1, cli.args[1], cli.options, &tensors, &converted,
                                 &fallbacks, &in_bytes, &out_bytes, &err), cli.model_path, &err);
    catch_signals();
    must_take(pith_quantize(cli.model_path, -1, cli.args[0], -1, cli.args[1], cli.options,
                            show_bytes, what, &err), cli.model_path, &err);
    printf(cli.json ? "{\"in_bytes\": %" PRId64 ", \"out_bytes\": %" PRId64 ", \"tensors\": %"
                      PRId64 ", \"converted\": %" PRId64 ", \"fallbacks\": %" PRId64
                      ", \"seconds\": %.3f}\n"
                    : "%" PRId64 " to %" PRId64 " bytes of weights; of %" PRId64 " tensors %" PRId64
                      " converted, %" PRId64 " of them to a fallback, in %.1f s\n",
           in_bytes, out_bytes, tensors, converted, fallbacks, now() - start);
    return 0;
}

/* FOLDER OUT [TYPE] */
int verb_convert(void)
{
    const char *out, *type = cli.n_args > 1 ? cli.args[1] : NULL;
    char what[] = "convert, MiB";
    pith_error err = { 0 };
    double start = now();
    int64_t fallbacks = 0;
    struct stat file = { 0 };

    if (cli.n_args < 1 || cli.n_args > 2)
        fail(EXIT_USAGE, "usage: pith convert FOLDER OUT [TYPE]");
    out = cli.args[0];
    catch_signals();
    must_take(pith_convert(cli.model_path, -1, out, -1, type, cli.options, show_bytes, what, &err),
              cli.model_path, &err);
    must_take(pith_model_open(&cli.model, out, -1, cli.options, &err), out, &err);
    if (type) /* nothing more would change, which shows what fell back */
        pith_quantize_plan(out, -1, type, cli.options, NULL, NULL, &fallbacks, NULL, NULL, NULL);
    stat(out, &file);
    if (cli.json)
        printf("{\"out\": "), print_json_text(out, (int64_t)strlen(out));
    printf(cli.json ? ", \"out_bytes\": %" PRId64 ", \"tensors\": %" PRId64 ", \"fallbacks\": %"
                      PRId64 ", \"seconds\": %.3f}\n"
                    : "%" PRId64 " bytes; of %" PRId64 " tensors %" PRId64 " in a fallback format, "
                      "in %.1f s: ", (int64_t)file.st_size, number(PITH_MODEL_TENSORS), fallbacks,
           now() - start);
    if (!cli.json)
        printf("%s\n", out);
    return 0;
}
