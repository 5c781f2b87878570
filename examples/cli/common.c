/* common.c - ending, input and output of every verb.
 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

struct cli cli = { .new_tokens = 64 };

/* ---- ending ---- */

int exit_code(int32_t status)
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
void leave(int code)
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
void fail(int code, const char *format, ...)
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

void must(int32_t status, const pith_error *err)
{
    if (status != PITH_OK && status != PITH_END)
        fail(exit_code(status), "%s", err->text);
}

void must_take(int32_t status, const char *path, const pith_error *err)
{
    bool named = status == PITH_E_IO || status == PITH_E_ARGUMENT || status == PITH_E_CANCELLED;

    if (status != PITH_OK)
        fail(exit_code(status), "%s%s%s", named ? "" : path, named ? "" : ": ", err->text);
}

void *must_alloc(size_t size)
{
    void *block = malloc(size ? size : 1);

    if (!block)
        fail(EXIT_LIMIT, "out of memory: %zu bytes", size);
    return block;
}

volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    pith_session_cancel(cli.session);
}

void catch_signals(void)
{
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGHUP, on_interrupt);
    signal(SIGXFSZ, SIG_IGN); /* the write fails instead */
}

/* ---- input and output ---- */

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A file, or stdin for "-", whole. */
char *read_all(const char *path, size_t *length)
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
void print_json_part(const char *text, int64_t length)
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

void print_json_text(const char *text, int64_t length)
{
    putchar('"');
    print_json_part(text, length);
    putchar('"');
}

/* A bar on a terminal, nothing elsewhere. */
void progress(const char *what, int64_t done, int64_t of)
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

int64_t number(int32_t key)
{
    return pith_model_number(cli.model, key);
}

/* Ids of a text, malloc. */
int32_t *tokenize(const char *text, int64_t length, int32_t flags, int64_t *n)
{
    pith_error err = { 0 };
    int32_t *ids;

    must(pith_tokenize(cli.model, text, length, flags, NULL, 0, n, &err), &err);
    ids = must_alloc((size_t)*n * sizeof *ids);
    must(pith_tokenize(cli.model, text, length, flags, ids, *n, n, &err), &err);
    return ids;
}

void open_model(void)
{
    pith_error err = { 0 };

    must_take(pith_model_open(&cli.model, cli.model_path, -1, cli.options, &err), cli.model_path,
              &err);
}

void open_session(void)
{
    pith_error err = { 0 };

    open_model();
    must(pith_session_open(&cli.session, cli.model, cli.options, &err), &err);
    catch_signals();
}

void add_text(struct texts *t, const char *text, size_t length)
{
    int64_t end = t->n ? t->offsets[t->n] : 0, need = end + (int64_t)length + 1;

    if (need > t->data_room)
        t->data = realloc(t->data, (size_t)(t->data_room = 2 * need));
    if (t->n + 2 > t->offsets_room) {
        t->offsets_room = 2 * (t->n + 2);
        t->offsets = realloc(t->offsets, (size_t)t->offsets_room * sizeof *t->offsets);
    }
    if (!t->data || !t->offsets)
        fail(EXIT_LIMIT, "out of memory: the texts");
    memcpy(t->data + end, text, length);
    t->offsets[0] = 0;
    t->offsets[++t->n] = end + (int64_t)length;
}

struct texts read_texts(void)
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

void free_texts(struct texts *t)
{
    free(t->data);
    free(t->offsets);
}
