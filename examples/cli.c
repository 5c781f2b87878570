/* cli.c - the `pith` command: every verb is a few calls of pith.h.
 *
 * stdout carries data only; progress and timings go to stderr, a bar only on a terminal. Flags
 * that set an option are not listed here: --NAME VALUE and --NAME=VALUE set the option NAME of
 * pith.h's table, with - for _ in its name; one of 0 or 1 is a switch, --NAME.
 */
#include "pith.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_FORMAT, EXIT_UNSUPPORTED, EXIT_LIMIT, EXIT_IO, EXIT_INTERRUPTED = 130 };

static struct {
    const char *model_path, *prompt, *suffix, *file, *out, *labels, *tokens;
    char **args; /* what is left: texts */
    int n_args;
    int64_t prompt_tokens, new_tokens, threads;
    bool json, echo, no_bos, pieces, quiet;
    pith_options *options;
    pith_model *model;
    pith_session *session;
} cli = { .new_tokens = 64 };

/* ---- ending ---- */

static int exit_code(int32_t status)
{
    switch (status) {
    case PITH_OK: case PITH_END: return 0;
    case PITH_E_ARGUMENT: return EXIT_USAGE;
    case PITH_E_FORMAT: return EXIT_FORMAT;
    case PITH_E_UNSUPPORTED: return EXIT_UNSUPPORTED;
    case PITH_E_MEMORY: case PITH_E_LIMIT: return EXIT_LIMIT;
    case PITH_E_IO: return EXIT_IO;
    case PITH_E_CANCELLED: return EXIT_INTERRUPTED;
    }
    return 1;
}

__attribute__((noreturn))
static void leave(int code)
{
    pith_session_release(cli.session);
    pith_model_release(cli.model);
    pith_options_release(cli.options);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        fprintf(stderr, "pith: standard output cannot be written: %s\n", strerror(errno));
        code = EXIT_IO;
    }
    exit(code);
}

__attribute__((format(printf, 2, 3), noreturn))
static void fail(int code, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "pith: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    leave(code);
}

static void must(int32_t status, const pith_error *err)
{
    if (status != PITH_OK && status != PITH_END)
        fail(exit_code(status), "%s", err->text);
}

static void *must_alloc(size_t size)
{
    void *block = malloc(size ? size : 1);

    if (!block)
        fail(EXIT_LIMIT, "out of memory: %zu bytes", size);
    return block;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    pith_session_cancel(cli.session);
}

/* ---- input and output ---- */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A file, or stdin for "-", whole. */
static char *read_all(const char *path, size_t *length)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t capacity = 1 << 16, n = 0, got;
    char *text = must_alloc(capacity);

    if (!f)
        fail(EXIT_IO, "%s: %s", path, strerror(errno));
    while ((got = fread(text + n, 1, capacity - n - 1, f)) > 0) {
        n += got;
        if (n + 1 < capacity)
            continue;
        text = realloc(text, capacity *= 2);
        if (!text)
            fail(EXIT_LIMIT, "%s does not fit the memory", path);
    }
    if (ferror(f))
        fail(EXIT_IO, "%s: %s", path, strerror(errno));
    if (f != stdin)
        fclose(f);
    text[n] = 0;
    *length = n;
    return text;
}

/* Bytes of the UTF-8 sequence at `text`, 0 if it is none (RFC 3629). */
static int utf8_length(const char *text, int64_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    int n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3
          : p[0] < 0xF5 ? 4 : 0;

    if (n > length || (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* The inside of a JSON string; bytes that are no UTF-8 become U+FFFD. */
static void print_json_part(const char *text, int64_t length)
{
    for (int64_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        int n = utf8_length(text + i, length - i);

        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\n')
            printf("\\n");
        else if (c < 0x20)
            printf("\\u%04x", c);
        else if (n == 0)
            printf("\\ufffd");
        else
            fwrite(text + i, 1, (size_t)n, stdout);
        i += n ? n : 1;
    }
}

static void print_json_text(const char *text, int64_t length)
{
    putchar('"');
    print_json_part(text, length);
    putchar('"');
}

/* A bar on a terminal, nothing elsewhere. */
static void progress(const char *what, int64_t done, int64_t of)
{
    enum { WIDTH = 32 };
    static double last;
    int filled = of > 0 ? (int)(WIDTH * done / of) : 0;

    if (!isatty(STDERR_FILENO) || (done < of && now() - last < 0.1))
        return;
    last = now();
    fprintf(stderr, "\r%s [%.*s%*s] %" PRId64 "/%" PRId64 "%s", what, filled,
            "################################", WIDTH - filled, "", done, of,
            done == of ? "\n" : "");
}

static int64_t number(int32_t key)
{
    return pith_model_number(cli.model, key);
}

/* Ids of a text, malloc. */
static int32_t *tokenize(const char *text, int64_t length, int32_t flags, int64_t *n)
{
    pith_error err = { 0 };
    int32_t *ids;

    must(pith_tokenize(cli.model, text, length, flags, NULL, 0, n, &err), &err);
    ids = must_alloc((size_t)*n * sizeof *ids);
    must(pith_tokenize(cli.model, text, length, flags, ids, *n, n, &err), &err);
    return ids;
}

static void open_model(void)
{
    pith_error err = { 0 };
    int32_t status = pith_model_open(&cli.model, cli.model_path, -1, cli.options, &err);

    if (status != PITH_OK)
        fail(exit_code(status), "%s%s%s", status == PITH_E_IO ? "" : cli.model_path,
             status == PITH_E_IO ? "" : ": ", err.text);
}

static void open_session(void)
{
    pith_error err = { 0 };

    open_model();
    must(pith_session_open(&cli.session, cli.model, cli.options, &err), &err);
    signal(SIGINT, on_interrupt);
}

/* The texts to work on: the arguments, or the lines of stdin. */
struct texts {
    char *data;
    int64_t *offsets;
    int64_t n;
};

static void add_text(struct texts *t, const char *text, size_t length)
{
    int64_t end = t->n ? t->offsets[t->n] : 0;

    t->data = realloc(t->data, (size_t)end + length + 1);
    t->offsets = realloc(t->offsets, (size_t)(t->n + 2) * sizeof *t->offsets);
    if (!t->data || !t->offsets)
        fail(EXIT_LIMIT, "out of memory: the texts");
    memcpy(t->data + end, text, length);
    t->offsets[0] = 0;
    t->offsets[++t->n] = end + (int64_t)length;
}

static struct texts read_texts(void)
{
    struct texts t = { 0 };
    char *all, *at;
    size_t length;

    for (int i = 0; i < cli.n_args; i++)
        if (strcmp(cli.args[i], "-") != 0 || cli.n_args > 1)
            add_text(&t, cli.args[i], strlen(cli.args[i]));
    if (t.n)
        return t;
    all = read_all(cli.file ? cli.file : "-", &length);
    for (at = all; at < all + length;) { /* a line may hold NUL bytes */
        size_t left = length - (size_t)(at - all), line;
        const char *end = memchr(at, '\n', left);

        line = end ? (size_t)(end - at) : left;
        if (line > 0 && !(line == 1 && *at == '\r'))
            add_text(&t, at, at[line - 1] == '\r' ? line - 1 : line);
        at += line + (end != NULL);
    }
    free(all);
    if (t.n == 0)
        fail(EXIT_USAGE, "there is no text: give it as argument, or lines on stdin");
    return t;
}

static void free_texts(struct texts *t)
{
    free(t->data);
    free(t->offsets);
}

/* ---- verbs ---- */

static const char *finish_name(int32_t finish)
{
    static const char *const names[] = { "none", "eos", "stop", "length", "context" };

    return finish >= 0 && finish < 5 ? names[finish] : "unknown";
}

static int verb_generate(void)
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

static int verb_complete(void)
{
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
        size_t length = strcspn(at, ",");

        add_text(&labels, at, length);
        at += length + (at[length] == ',');
    }
    if (labels.n == 0)
        fail(EXIT_USAGE, "--labels is empty");
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

static int verb_classify(void)
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

static int verb_score(void)
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

static int verb_tokenize(void)
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

/* --tokens 1,2,3 */
static int32_t *parse_tokens(const char *at, int64_t *n)
{
    int32_t *ids = must_alloc((strlen(at) + 1) * sizeof *ids);

    for (*n = 0; *at;) {
        char *end;
        long id = strtol(at, &end, 10);

        if (end == at || (*end && *end != ',') || id < INT32_MIN || id > INT32_MAX)
            fail(EXIT_USAGE, "--tokens: \"%.20s\" is not a list of ids", at);
        ids[(*n)++] = (int32_t)id;
        at = *end ? end + 1 : end;
    }
    return ids;
}

/* Four bytes, little-endian, whatever the machine. */
static void put_float(FILE *f, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++)
        fputc((int)(bits >> 8 * i & 255), f);
}

static int verb_logits(void)
{
    enum { AT_ONCE = 16 };
    int64_t n, vocabulary;
    pith_error err = { 0 };
    int32_t *ids;
    float *logits;
    FILE *f;

    if (!cli.out || !cli.prompt == !cli.tokens)
        fail(EXIT_USAGE, "logits needs -o FILE and either -p TEXT or --tokens IDS");
    if (cli.tokens && !*cli.tokens)
        fail(EXIT_USAGE, "--tokens is empty");
    open_session();
    ids = cli.tokens ? parse_tokens(cli.tokens, &n)
                     : tokenize(cli.prompt, -1, PITH_TOKENIZE_BOS | PITH_TOKENIZE_SPECIAL, &n);
    vocabulary = number(PITH_MODEL_VOCABULARY);
    logits = must_alloc((size_t)(AT_ONCE * vocabulary) * sizeof *logits);
    f = strcmp(cli.out, "-") == 0 ? stdout : fopen(cli.out, "wb");
    if (!f)
        fail(EXIT_IO, "%s: %s", cli.out, strerror(errno));
    for (int64_t i = 0; i < n; i += AT_ONCE) {
        int64_t some = n - i < AT_ONCE ? n - i : AT_ONCE;

        must(pith_session_evaluate(cli.session, ids + i, some, logits, &err), &err);
        for (int64_t j = 0; j < some * vocabulary; j++)
            put_float(f, logits[j]);
        progress("logits", i + some, n);
    }
    if (ferror(f) || (f != stdout && fclose(f) != 0))
        fail(EXIT_IO, "%s cannot be written", cli.out);
    if (cli.json && f != stdout)
        printf("{\"positions\": %" PRId64 ", \"vocabulary\": %" PRId64 "}\n", n, vocabulary);
    free(ids);
    free(logits);
    return 0;
}

/* Windows of the context's length, each scored from its own beginning. */
static int verb_perplexity(void)
{
    int64_t n, window, scored = 0;
    pith_error err = { 0 };
    double sum = 0, *logprobs;
    int32_t *ids;
    size_t length;
    char *text;

    if (!cli.file)
        fail(EXIT_USAGE, "perplexity needs -f FILE");
    open_session();
    text = read_all(cli.file, &length);
    ids = tokenize(text, (int64_t)length, PITH_TOKENIZE_BOS, &n);
    if (n < 2)
        fail(EXIT_USAGE, "%s holds %" PRId64 " tokens; two or more are needed", cli.file, n);
    window = pith_session_capacity(cli.session);
    logprobs = must_alloc((size_t)window * sizeof *logprobs);
    for (int64_t i = 0; i + 1 < n; i += window) {
        int64_t some = n - i < window ? n - i : window;

        must(pith_score_tokens(cli.session, ids + i, some, logprobs, &err), &err);
        for (int64_t j = 0; j < some - 1; j++)
            sum += logprobs[j];
        scored += some - 1;
        progress("perplexity", i + some, n);
    }
    printf(cli.json ? "{\"perplexity\": %.6f, \"tokens\": %" PRId64 ", \"window\": %" PRId64 "}\n"
                    : "perplexity %.4f over %" PRId64 " tokens in windows of %" PRId64 "\n",
           exp(-sum / (double)scored), scored, window);
    free(text);
    free(ids);
    free(logprobs);
    return 0;
}

/* Figures of one benchmark; rates per second. */
struct figures {
    double open_ms, first_token_ms, prefill, decode, stream, peak;
    double decode_bytes, prefill_operations; /* per second */
    int64_t rss_mib;
};

static void time_model(struct figures *f)
{
    int64_t vocabulary = number(PITH_MODEL_VOCABULARY), p = cli.prompt_tokens;
    int32_t *ids = must_alloc((size_t)p * sizeof *ids), next = 0;
    pith_error err = { 0 };
    double start, time;

    for (int64_t i = 0; i < p; i++)
        ids[i] = (int32_t)((i * 7919 + 13) % vocabulary);
    start = now();
    must(pith_session_feed(cli.session, ids, p, &err), &err); /* also faults the weights in */
    f->first_token_ms = (now() - start) * 1e3;
    must(pith_session_rewind(cli.session, 0, &err), &err);
    start = now();
    must(pith_session_feed(cli.session, ids, p, &err), &err);
    time = now() - start;
    f->prefill = (double)p / time;
    f->prefill_operations = ((double)p * (double)number(PITH_MODEL_TOKEN_OPERATIONS) +
                             (double)number(PITH_MODEL_OUTPUT_OPERATIONS)) / time;
    start = now();
    for (int64_t i = 0; i < cli.new_tokens; i++) {
        must(pith_session_feed(cli.session, &next, 1, &err), &err);
        next = (int32_t)((next + 7919) % vocabulary);
    }
    time = now() - start;
    f->decode = (double)cli.new_tokens / time;
    f->decode_bytes = f->decode * ((double)number(PITH_MODEL_TOKEN_BYTES) +
                                   (double)number(PITH_MODEL_OUTPUT_BYTES) +
                                   (double)number(PITH_MODEL_STATE_BYTES) *
                                       ((double)p + (double)cli.new_tokens / 2));
    free(ids);
}

static int verb_bench(void)
{
    struct figures f = { 0 };
    pith_error err = { 0 };
    struct rusage usage;
    double start = now();

    open_model();
    must(pith_session_open(&cli.session, cli.model, cli.options, &err), &err);
    f.open_ms = (now() - start) * 1e3;
    if (cli.prompt_tokens == 0) {
        int64_t room = pith_session_capacity(cli.session) - cli.new_tokens;

        cli.prompt_tokens = room < 512 ? room : 512;
    }
    if (cli.prompt_tokens < 1 || cli.new_tokens < 1 ||
        cli.prompt_tokens + cli.new_tokens > pith_session_capacity(cli.session))
        fail(EXIT_LIMIT, "a prompt of %" PRId64 " tokens and %" PRId64 " more do not fit a context "
             "of %" PRId64 "; use -p and -n", cli.prompt_tokens, cli.new_tokens,
             pith_session_capacity(cli.session));
    signal(SIGINT, on_interrupt);
    time_model(&f);
    getrusage(RUSAGE_SELF, &usage);
    f.rss_mib = usage.ru_maxrss / 1024; /* before the probe's own buffer */
    must(pith_machine_measure(cli.model, (int32_t)cli.threads, number(PITH_MODEL_BYTES), &f.stream,
                              &f.peak, &err), &err);
    printf(cli.json ? "{\"prefill_tps\": %.2f, \"decode_tps\": %.2f, \"open_ms\": %.2f, "
                      "\"first_token_ms\": %.2f, \"peak_rss_mib\": %" PRId64 ", "
                      "\"stream_gbs\": %.2f, "
                      "\"decode_fraction\": %.4f, \"gemm_peak_tflops\": %.4f, "
                      "\"prefill_fraction\": %.4f}\n"
                    : "prefill          %10.1f tokens/s\ndecode           %10.1f tokens/s\n"
                      "open             %10.1f ms\nfirst token      %10.1f ms\n"
                      "peak memory      %10" PRId64 " MiB\nstream           %10.1f GB/s\n"
                      "decode/stream    %10.3f\npeak             %10.3f Tops\n"
                      "prefill/peak     %10.3f\n",
           f.prefill, f.decode, f.open_ms, f.first_token_ms, f.rss_mib, f.stream / 1e9,
           f.decode_bytes / f.stream, f.peak / 1e12, f.prefill_operations / f.peak);
    return 0;
}

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

static int verb_info(void)
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

static int verb_explain(void)
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

static int verb_verify(void)
{
    pith_error err = { 0 };

    open_model();
    must(pith_model_verify(cli.model, &err), &err);
    printf(cli.json ? "{\"ok\": true, \"tensors\": %" PRId64 "}\n"
                    : "ok: %" PRId64 " tensors, every weight is a number\n",
           number(PITH_MODEL_TENSORS));
    return 0;
}

static int32_t show_quantize(void *user, int64_t done, int64_t total)
{
    progress(user, done >> 20, total >> 20);
    return interrupted;
}

/* MODEL OUT TYPE */
static int verb_quantize(void)
{
    int64_t tensors, converted, fallbacks, in_bytes, out_bytes;
    char what[] = "quantize, MiB";
    pith_error err = { 0 };
    double start = now();

    if (cli.n_args != 2)
        fail(EXIT_USAGE, "usage: pith quantize MODEL OUT TYPE");
    must(pith_quantize_plan(cli.model_path, -1, cli.args[1], cli.options, &tensors, &converted,
                            &fallbacks, &in_bytes, &out_bytes, &err), &err);
    signal(SIGINT, on_interrupt);
    must(pith_quantize(cli.model_path, -1, cli.args[0], -1, cli.args[1], cli.options,
                       show_quantize, what, &err), &err);
    printf(cli.json ? "{\"in_bytes\": %" PRId64 ", \"out_bytes\": %" PRId64 ", \"tensors\": %"
                      PRId64 ", \"converted\": %" PRId64 ", \"fallbacks\": %" PRId64
                      ", \"seconds\": %.3f}\n"
                    : "%" PRId64 " to %" PRId64 " bytes of weights; of %" PRId64 " tensors %" PRId64
                      " converted, %" PRId64 " of them to a fallback, in %.1f s\n",
           in_bytes, out_bytes, tensors, converted, fallbacks, now() - start);
    return 0;
}

/* ---- the command line ---- */

static const struct verb {
    const char *name, *usage, *what;
    int (*run)(void);
} verbs[] = {
    { "generate", "-p PROMPT | -f FILE  [-n N] [--echo]", "continue a text", verb_generate },
    { "complete", "--prefix TEXT --suffix TEXT  [-n N]", "write what stands between two texts",
      verb_complete },
    { "classify", "--labels A,B,... [TEXT...]", "label and probability of each text",
      verb_classify },
    { "score", "[-p PROMPT] [TEXT...]", "log-probability of each text after the prompt",
      verb_score },
    { "tokenize", "TEXT | -  [--no-bos] [--pieces]", "token ids of a text", verb_tokenize },
    { "logits", "-p TEXT | --tokens 1,2,3  -o FILE", "raw float32 [positions][vocabulary]",
      verb_logits },
    { "perplexity", "-f FILE", "how well the model predicts a text", verb_perplexity },
    { "bench", "[-p TOKENS] [-n TOKENS]", "speed, and the machine's own ceilings", verb_bench },
    { "info", "", "what the file says about itself", verb_info },
    { "explain", "", "the program that the model runs", verb_explain },
    { "verify", "", "check that every weight is a number", verb_verify },
    { "quantize", "OUT TYPE", "write the model in another number format, such as Q4_K_M",
      verb_quantize },
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
        fprintf(to, "  pith %-10s MODEL %-40s %s\n", verbs[i].name, verbs[i].usage, verbs[i].what);
    fprintf(to, "\nMODEL is a GGUF file or a Hugging Face folder. classify and score take texts as "
                "arguments,\nfrom -f FILE, or line by line from stdin; tokenize reads stdin "
                "whole; FILE may be - for stdin or stdout.\n"
                "Everywhere: --json, -q (no timings), -t THREADS, and the options of the "
                "library, with their\ndefaults, as --NAME VALUE or --NAME=VALUE:\n\n");
    for (int32_t i = 0; i < pith_option_count(); i++)
        print_option(to, i);
    fprintf(to, "\nShort: -n --max-tokens, --temp --temperature.\n"
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

/* Flags without a value; true if it was one. */
static bool plain_flag(const char *flag)
{
    static const struct { const char *name; bool *to; } flags[] = {
        { "--json", &cli.json }, { "--echo", &cli.echo }, { "--no-bos", &cli.no_bos },
        { "--pieces", &cli.pieces }, { "-q", &cli.quiet }, { "--quiet", &cli.quiet },
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(flag, flags[i].name) == 0)
            return *flags[i].to = true;
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
            printf("usage: pith %s MODEL %s\n%s; pith --help lists all flags\n", verbs[i].name,
                   verbs[i].usage, verbs[i].what);
            leave(0);
        }
        parse_flags(argc - 2, argv + 2, strcmp(argv[1], "bench") == 0);
        if (cli.n_args < 1)
            fail(EXIT_USAGE, "usage: pith %s MODEL %s", verbs[i].name, verbs[i].usage);
        cli.model_path = cli.args[0];
        cli.args++;
        cli.n_args--;
        leave(verbs[i].run());
    }
    fail(EXIT_USAGE, "there is no verb %s; see pith --help", argv[1]);
}
