/* measure.c - the verbs that measure a model: its logits, its perplexity, its speed.
 */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <sys/resource.h>

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

int verb_logits(void)
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
int verb_perplexity(void)
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

int verb_bench(void)
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
    catch_signals();
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
