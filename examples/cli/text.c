/* text.c - the verbs that work on texts.
 */
#include "cli.h"

static const char *finish_name(int32_t finish)
{
    static const char *const names[] = { "none", "eos", "stop", "length", "context" };

    return finish >= 0 && finish < 5 ? names[finish] : "unknown";
}

int verb_generate(void)
{
    pith_error err = { 0 };
    const pith_event *event;
    double start, first = 0, total = 0;
    int64_t n = 0, length;
    int32_t finish = 0, status;
    size_t prompt_length;
    const char *text;
    char *prompt;

    if (!cli.prompt && !cli.file)
        fail(EXIT_USAGE, "-p TEXT or -f FILE is needed");
    if (cli.n_args || (cli.prompt && cli.file))
        fail(EXIT_USAGE, "one text is needed: -p TEXT, quoted, or -f FILE");
    open_session();
    prompt = cli.prompt && strcmp(cli.prompt, "-") != 0
                 ? strcpy(must_alloc((prompt_length = strlen(cli.prompt)) + 1), cli.prompt)
                 : read_all(cli.file ? cli.file : "-", &prompt_length);
    start = now();
    if (cli.suffix)
        must(pith_infill(cli.session, prompt, (int64_t)prompt_length, cli.suffix, -1, cli.options,
                         &err), &err);
    else
        must(pith_generate(cli.session, prompt, (int64_t)prompt_length, cli.options, &err), &err);
    if (cli.json)
        printf("{\"prompt\": "), print_json_text(prompt, (int64_t)prompt_length),
            printf(", \"text\": \"");
    else if (cli.echo)
        fwrite(prompt, 1, prompt_length, stdout);
    while ((status = pith_generate_next(cli.session, &event, &err)) == PITH_OK) {
        if (pith_event_token(event) >= 0)
            first = n++ ? first : now() - start;
        finish = pith_event_finish(event);
        pith_event_text(event, &text, &length);
        if (cli.json)
            print_json_part(text, length);
        else
            fwrite(text, 1, (size_t)length, stdout);
        fflush(stdout);
    }
    total = now() - start;
    free(prompt);
    if (cli.json)
        printf("\", \"tokens\": %" PRId64 ", \"finish\": \"%s\", \"seconds\": %.3f}\n", n,
               finish_name(finish), total);
    else
        putchar('\n');
    fflush(stdout);
    must(status, &err);
    if (!cli.quiet)
        fprintf(stderr, "[%" PRId64 " tokens, the first after %.0f ms, %.0f tokens/s, ended by "
                "%s]\n", n, first * 1e3, (double)n / total, finish_name(finish));
    return 0;
}

int verb_complete(void)
{
    if (!cli.prompt && !cli.file)
        fail(EXIT_USAGE, "--prefix TEXT is needed, and --suffix TEXT");
    if (!cli.suffix)
        cli.suffix = "";
    return verb_generate();
}

static struct texts read_labels(void)
{
    struct texts labels = { 0 };
    const char *at = cli.labels;

    if (!at)
        fail(EXIT_USAGE, "classify needs --labels A,B,...");
    while (*at) {
        size_t length = strcspn(at, ","), begin = strspn(at, " "), end = length;

        while (end > begin && at[end - 1] == ' ')
            end--;
        if (end > begin)
            add_text(&labels, at + begin, end - begin);
        at += length + (at[length] == ',');
    }
    if (labels.n < 2)
        fail(EXIT_USAGE, "--labels A,B,... needs two labels or more, with commas between them");
    return labels;
}

static void print_classes(const struct texts *t, int64_t i, const struct texts *labels,
                          const float *p)
{
    int64_t best = 0;

    for (int64_t j = 1; j < labels->n; j++)
        best = p[j] > p[best] ? j : best;
    if (cli.json) {
        printf("{\"text\": ");
        print_json_text(t->data + t->offsets[i], t->offsets[i + 1] - t->offsets[i]);
        printf(", \"label\": ");
        print_json_text(labels->data + labels->offsets[best],
                        labels->offsets[best + 1] - labels->offsets[best]);
        printf(", \"probabilities\": {");
        for (int64_t j = 0; j < labels->n; j++) {
            printf(j ? ", " : "");
            print_json_text(labels->data + labels->offsets[j],
                            labels->offsets[j + 1] - labels->offsets[j]);
            printf(": %.6f", (double)p[j]);
        }
        printf("}}\n");
        return;
    }
    printf("%-12.*s %5.1f%%  %.*s\n", (int)(labels->offsets[best + 1] - labels->offsets[best]),
           labels->data + labels->offsets[best], 100 * (double)p[best],
           (int)(t->offsets[i + 1] - t->offsets[i]), t->data + t->offsets[i]);
}

int verb_classify(void)
{
    enum { AT_ONCE = 32 }; /* texts between two looks at the progress bar */
    struct texts labels = read_labels(), t = read_texts();
    float *p = must_alloc((size_t)(AT_ONCE * labels.n) * sizeof *p);
    pith_error err = { 0 };

    open_session();
    for (int64_t i = 0; i < t.n; i += AT_ONCE) {
        int64_t some = t.n - i < AT_ONCE ? t.n - i : AT_ONCE;

        must(pith_classify(cli.session, t.data, t.offsets + i, some, labels.data, labels.offsets,
                           labels.n, cli.options, p, &err), &err);
        for (int64_t j = 0; j < some; j++)
            print_classes(&t, i + j, &labels, p + j * labels.n);
        if (t.n > AT_ONCE)
            progress("classify", i + some, t.n);
    }
    free(p);
    free_texts(&t);
    free_texts(&labels);
    return 0;
}

int verb_score(void)
{
    struct texts t = read_texts();
    pith_error err = { 0 };

    open_session();
    for (int64_t i = 0; i < t.n; i++) {
        const char *text = t.data + t.offsets[i];
        int64_t length = t.offsets[i + 1] - t.offsets[i], tokens;
        double logprob;

        must(pith_score(cli.session, cli.prompt ? cli.prompt : "", -1, text, length, &logprob,
                        &tokens, &err), &err);
        if (cli.json) {
            printf("{\"text\": ");
            print_json_text(text, length);
            printf(", \"logprob\": %.9g, \"tokens\": %" PRId64 "}\n", logprob, tokens);
        } else {
            printf("%10.4f %5" PRId64 "  %.*s\n", logprob, tokens, (int)length, text);
        }
    }
    free_texts(&t);
    return 0;
}

int verb_tokenize(void)
{
    const char *text = cli.n_args ? cli.args[0] : "-";
    pith_error err = { 0 };
    char *owned = NULL;
    size_t length = strlen(text);
    int64_t n;
    int32_t *ids;

    if (cli.n_args > 1 || cli.prompt)
        fail(EXIT_USAGE, "tokenize takes one text behind the model; quote it");
    open_model();
    if (strcmp(text, "-") == 0)
        text = owned = read_all(cli.file ? cli.file : "-", &length);
    ids = tokenize(text, (int64_t)length, (cli.no_bos ? 0 : PITH_TOKENIZE_BOS) |
                   PITH_TOKENIZE_SPECIAL, &n);
    if (cli.json)
        putchar('[');
    for (int64_t i = 0; i < n; i++) {
        const char *piece;
        int64_t piece_length;

        must(pith_token_piece(cli.model, ids[i], &piece, &piece_length, &err), &err);
        printf(i == 0 ? "" : cli.json ? ", " : cli.pieces ? "\n" : " ");
        if (cli.json && cli.pieces)
            printf("[%d, ", ids[i]), print_json_text(piece, piece_length), putchar(']');
        else if (cli.pieces)
            printf("%7d  %.*s", ids[i], (int)piece_length, piece);
        else
            printf("%d", ids[i]);
    }
    printf(cli.json ? "]\n" : "\n");
    free(ids);
    free(owned);
    return 0;
}
