/* driver.c - runs a fuzz target without a fuzzing engine.
 *
 *     driver TARGET [SEED FILE...] [--runs N] [--seed S] [--sweep] [--seconds T] [--replay FILE...]
 *
 * Mutates the seed files (without any: tiny ones of its own) with a generator that depends on S and
 * the run's number alone, N times; --sweep instead flips every bit and puts every interesting
 * integer at every offset of each seed. Runs go on in a child process: one that dies, or
 * computes for more than T seconds (1) on an input, is a crash; the input is saved as
 * crash-TARGET-NUMBER and the next child goes on behind it. The last line is
 * `N runs, N crashes`.
 */
#include "fuzz.h"
#include "base/base.h"
#include "gguf_tiny.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int target_fn(const uint8_t *data, size_t size);
target_fn fuzz_folder, fuzz_model, fuzz_text, fuzz_token, fuzz_words;

static const struct {
    const char *name;
    target_fn *run;
} targets[] = { { "folder", fuzz_folder }, { "model", fuzz_model }, { "text", fuzz_text },
              { "token", fuzz_token }, { "words", fuzz_words } };

struct bytes {
    uint8_t *at;
    size_t n, capacity;
};

/* Offsets where a format has structure: lengths, what they lead to, what stands behind it. */
struct seed {
    struct bytes file;
    uint32_t *spots;
    size_t n_spots;
};

static struct {
    target_fn *run;
    const char *name;
    struct seed seeds[64];
    int n_seeds;
    uint64_t runs, seed;
    double seconds;
    bool sweep;
} fuzz = { .runs = 10000, .seed = 1, .seconds = 1 };

static const uint64_t interesting[] = {
    0, 1, 2, 3, 7, 8, 16, 31, 32, 33, 64, 127, 128, 255, 256, 257, 4096, 32767, 32768, 65535, 65536,
    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000,
    0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFE0, 0x4000000000000000, 0x2000000000000001,
    0x7FC00000, 0x7F800000, 0xFF800000, 0x00000001, 0x3F800000, /* floats: NaN, infinities ... */
    0x7FF8000000000000, 0x7FF0000000000000, 0x10000000000, 0x5555555555555556,
};

enum { INTERESTING = sizeof interesting / sizeof *interesting };

/* ---- randomness: a run's number decides everything ---- */

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
    return n ? (size_t)(next(state) % n) : 0;
}

/* ---- mutations ---- */

static void reserve(struct bytes *b, size_t n)
{
    if (n > b->capacity) {
        b->capacity = n * 2;
        b->at = realloc(b->at, b->capacity);
    }
}

static void put_integer(struct bytes *b, size_t at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width && at + i < b->n; i++)
        b->at[at + i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_integer(const struct bytes *b, size_t at, size_t width)
{
    uint64_t value = 0;

    for (size_t i = 0; i < width && at + i < b->n; i++)
        value |= (uint64_t)b->at[at + i] << 8 * i;
    return value;
}

/* An offset, mostly one with a meaning. */
static size_t choose_spot(uint64_t *r, const struct seed *seed, const struct bytes *b)
{
    size_t at = below(r, b->n);

    if (seed->n_spots && next(r) % 10 < 7)
        at = seed->spots[below(r, seed->n_spots)];
    return at < b->n ? at : below(r, b->n);
}

static void replace(struct bytes *b, size_t at, size_t old, const uint8_t *data, size_t n)
{
    old = at + old > b->n ? b->n - at : old;
    reserve(b, b->n - old + n + 1);
    memmove(b->at + at + n, b->at + at + old, b->n - at - old);
    if (n)
        memcpy(b->at + at, data, n);
    b->n = b->n - old + n;
}

/* Part of one seed, at an offset of its own, into or over the mutant. */
static void splice(uint64_t *r, struct bytes *b, size_t at)
{
    const struct seed *from = &fuzz.seeds[below(r, (size_t)fuzz.n_seeds)];
    size_t start = choose_spot(r, from, &from->file), n = 1 + below(r, 64), old = 0;

    if (start >= from->file.n)
        return;
    n = n > from->file.n - start ? from->file.n - start : n;
    if (next(r) % 4)
        old = n; /* what stands behind keeps its place */
    replace(b, at, old, from->file.at + start, n);
}

/* A value of JSON in place of the number or text that stands there. */
static void put_value(uint64_t *r, struct bytes *b, size_t at)
{
    static const char *const values[] = {
        "-1", "0", "1", "2", "3", "7", "64", "1e9", "1e300", "-1e300", "0.5", "1e-5", "4294967296",
        "9223372036854775808", "null", "true", "[]", "{}", "[1,2]", "\"\"", "\"x\"", "NaN",
        "Infinity", "\"\\ud800\"", ",", ":", "\"", "\\"
    };
    const char *value = values[below(r, sizeof values / sizeof *values)];
    size_t n = 0;

    while (at + n < b->n && n < 40 && strchr("-+.eE0123456789", b->at[at + n]) && b->at[at + n])
        n++;
    if (n == 0 && b->at[at] == '"')
        for (n = 1; at + n < b->n && n < 40 && b->at[at + n - 1] && b->at[at + n] != '"';)
            n++;
    replace(b, at, n, (const uint8_t *)value, strlen(value));
}

static void mutate_once(uint64_t *r, const struct seed *seed, struct bytes *b)
{
    static const size_t widths[] = { 1, 2, 4, 8, 8, 4 };
    size_t at = choose_spot(r, seed, b), width = widths[below(r, 6)], n;
    uint8_t junk[16];

    switch (next(r) % (fuzz.run == fuzz_folder ? 20 : 12)) {
    case 0: case 1: b->at[at] ^= (uint8_t)(1u << next(r) % 8); break;
    case 2: b->at[at] = (uint8_t)next(r); break;
    case 3: case 4: case 5:
        put_integer(b, at, interesting[below(r, INTERESTING)], width);
        break;
    case 6: case 7:
        put_integer(b, at, get_integer(b, at, width) + next(r) % 9 - 4, width);
        break;
    case 8: splice(r, b, at); break;
    case 9: replace(b, at, 1 + below(r, next(r) % 2 ? 8 : 64), NULL, 0); break;
    case 10:
        n = 1 + below(r, 16);
        for (size_t i = 0; i < n; i++)
            junk[i] = (uint8_t)next(r);
        replace(b, at, 0, junk, n);
        break;
    case 12: case 13: case 14: case 15: case 16: case 17: case 18: case 19:
        put_value(r, b, at);
        break;
    default:
        if (next(r) % 4 == 0)
            b->n = below(r, b->n) + 1;
        else
            put_integer(b, at, next(r), width);
    }
}

static void mutate(uint64_t run, struct bytes *out)
{
    uint64_t r = fuzz.seed * 0xd1342543de82ef95u + run;
    const struct seed *seed = &fuzz.seeds[below(&r, (size_t)fuzz.n_seeds)];
    int n = next(&r) % 2 ? 1 : 1 + (int)below(&r, next(&r) % 4 ? 4 : 12);

    reserve(out, seed->file.n + 1);
    memcpy(out->at, seed->file.at, seed->file.n);
    out->n = seed->file.n;
    for (int i = 0; i < n && out->n; i++)
        mutate_once(&r, seed, out);
}

/* ---- the sweep ---- */

enum { PER_OFFSET = 8 + 2 * INTERESTING };

static uint64_t sweep_runs(void)
{
    uint64_t n = 0;

    for (int i = 0; i < fuzz.n_seeds; i++)
        n += fuzz.seeds[i].file.n * PER_OFFSET;
    return n;
}

static void sweep(uint64_t run, struct bytes *out)
{
    const struct seed *seed = fuzz.seeds;
    size_t at;
    int what;

    while (run >= seed->file.n * PER_OFFSET)
        run -= seed++->file.n * PER_OFFSET;
    at = (size_t)(run / PER_OFFSET);
    what = (int)(run % PER_OFFSET);
    reserve(out, seed->file.n);
    memcpy(out->at, seed->file.at, seed->file.n);
    out->n = seed->file.n;
    if (what < 8)
        out->at[at] ^= (uint8_t)(1 << what);
    else
        put_integer(out, at, interesting[(what - 8) / 2], what % 2 ? 4 : 8);
}

/* ---- seeds ---- */

/* Finds lengths that lead to printable text: GGUF's keys and names, and much else. */
static void find_spots(struct seed *s)
{
    const struct bytes *b = &s->file;

    s->spots = malloc((b->n * 4 + 8) * sizeof *s->spots);
    for (uint32_t i = 0; i < 24 && i < b->n; i += 4)
        s->spots[s->n_spots++] = i;
    for (size_t i = 0; i + 9 < b->n; i++) {
        uint64_t n = get_integer(b, i, 8);
        size_t end = i + 8 + (size_t)n;
        bool printable = n > 0 && n < 100 && end + 24 < b->n;

        for (size_t j = i + 8; printable && j < end; j++)
            printable = b->at[j] >= 0x20;
        if (!printable)
            continue;
        s->spots[s->n_spots++] = (uint32_t)i;
        s->spots[s->n_spots++] = (uint32_t)end;
        s->spots[s->n_spots++] = (uint32_t)end + 4;
        s->spots[s->n_spots++] = (uint32_t)end + 4 * (uint32_t)(1 + n % 5);
    }
}

/* Where texts and numbers of JSON begin, tensors aside. */
static void find_values(struct seed *s)
{
    const struct bytes *b = &s->file;
    const uint8_t *nul = memchr(b->at, 0, b->n);
    size_t text = nul ? (size_t)(nul - b->at) : 0;

    nul = nul ? memchr(nul + 1, 0, b->n - text - 1) : NULL;
    text = nul ? (size_t)(nul - b->at) : text;
    s->n_spots = 0;
    s->spots = realloc(s->spots, (b->n + 8) * sizeof *s->spots);
    for (size_t i = 0; i < b->n && i < text + 4096; i++)
        if (strchr("\"[{:", b->at[i]) || (i && strchr(" :,[", b->at[i - 1])))
            s->spots[s->n_spots++] = (uint32_t)i;
}

static void add_seed(const uint8_t *data, size_t n)
{
    struct seed *s = &fuzz.seeds[fuzz.n_seeds];

    if (fuzz.n_seeds == 64)
        return;
    fuzz.n_seeds++;
    reserve(&s->file, n + 1);
    memcpy(s->file.at, data, n);
    s->file.n = n;
    find_spots(s);
    if (fuzz.run == fuzz_folder)
        find_values(s);
}

static bool read_file(const char *path, struct bytes *out)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f)
        return false;
    out->n = 0;
    do {
        reserve(out, out->n + 65536);
        n = fread(out->at + out->n, 1, 65536, f);
        out->n += n;
    } while (n);
    fclose(f);
    return true;
}

/* tokenizer.json with every component in one of them, each with a text behind a NUL. */
static void token_seeds(void)
{
    static const char *const rows[][2] = { /* ` stands for a quotation mark */
        { "{`added_tokens`:[{`id`:9,`content`:`<s>`,`special`:true,`lstrip`:true},{`id`:3,`cont"
          "ent`:`ab`,`normalized`:true,`single_word`:true,`rstrip`:true}],`normalizer`:{`type`:"
          "`Sequence`,`normalizers`:[{`type`:`NFKC`},{`type`:`Lowercase`},{`type`:`Replace`,`pa"
          "ttern`:{`Regex`:`\\\\s+`},`content`:` `},{`type`:`StripAccents`}]},`pre_tokenizer`:{"
          "`type`:`Sequence`,`pretokenizers`:[{`type`:`Split`,`pattern`:{`Regex`:`(?i:'s|'t)|[^"
          "\\\\r\\\\p{L}]?\\\\p{L}+|\\\\d{1,3}|\\\\s+(?!\\\\S)`},`behavior`:`Isolated`,`invert`"
          ":false},{`type`:`ByteLevel`,`use_regex`:false}]},`post_processor`:{`type`:`RobertaPr"
          "ocessing`,`cls`:[`<s>`,9],`sep`:[`a`,0]},`decoder`:{`type`:`ByteLevel`},`model`:{`ty"
          "pe`:`BPE`,`byte_fallback`:true,`ignore_merges`:true,`vocab`:{`a`:0,`b`:1,`ab`:2},`me"
          "rges`:[`a b`]}}",
          "ab <s>aB'S 123 \xC3\xA9\xCC\x81\xFF" },
        { "{`normalizer`:{`type`:`Precompiled`,`precompiled_charsmap`:`CAAAAAAEAAABAAAAYWIA`},`"
          "pre_tokenizer`:{`type`:`Metaspace`,`replacement`:`_`,`prepend_scheme`:`first`},`deco"
          "der`:{`type`:`Sequence`,`decoders`:[{`type`:`Replace`,`pattern`:{`String`:`_`},`cont"
          "ent`:` `},{`type`:`ByteFallback`},{`type`:`Fuse`},{`type`:`Strip`,`content`:` `,`sta"
          "rt`:1,`stop`:0}]},`model`:{`type`:`Unigram`,`unk_id`:0,`byte_fallback`:true,`vocab`:"
          "[[`<unk>`,0],[`_a`,-1.5],[`a`,-2.25],[`b`,-3]]}}",
          "a ab  \xE4\xB8\xAD" },
        { "{`normalizer`:{`type`:`BertNormalizer`,`lowercase`:true},`pre_tokenizer`:{`type`:`Be"
          "rtPreTokenizer`},`decoder`:{`type`:`WordPiece`},`post_processor`:{`type`:`TemplatePr"
          "ocessing`,`single`:[{`SpecialToken`:{`id`:`x`}},{`Sequence`:{`id`:`A`}}],`special_to"
          "kens`:{`x`:{`ids`:[1]}}},`model`:{`type`:`WordPiece`,`unk_token`:`?`,`vocab`:{`?`:0,"
          "`a`:1,`##b`:2}}}",
          "ab, \xC3\x89 a!" },
        { "{`pre_tokenizer`:{`type`:`Split`,`pattern`:{`Regex`:`(?=(\\\\d{3})+(?!\\\\d))|(a|ab)"
          "*?c|[\\\\p{Han}&&[^x]]++`},`behavior`:`MergedWithNext`,`invert`:true},`model`:{`type"
          "`:`WordLevel`,`unk_token`:`u`,`vocab`:{`u`:0,`ab`:1}}}",
          "ab 123456 abababc" },
    };

    for (size_t i = 0; i < PI_COUNT(rows); i++) {
        size_t n = strlen(rows[i][0]), k = strlen(rows[i][1]);
        uint8_t *seed = malloc(n + 1 + k);

        for (size_t at = 0; at <= n; at++)
            seed[at] = rows[i][0][at] == '`' ? '"' : (uint8_t)rows[i][0][at];
        memcpy(seed + n + 1, rows[i][1], k);
        add_seed(seed, n + 1 + k);
        free(seed);
    }
}

/* Folders of the golden tests, with a tokenizer in two of them. */
static void folder_seeds(void)
{
    static const char *const models[] = { "bloom", "falcon-mamba", "gemma3", "gpt2", "llama",
                                          "mixtral", "phi3-longrope", "deepseek2-lite" };
    static const char tokenizer[] =
        "{\"added_tokens\": [{\"id\": 3, \"content\": \"<s>\", \"special\": true}], "
        "\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
        "\"add_prefix_space\": false}, \"post_processor\": {\"type\": \"TemplateProcessing\", "
        "\"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}], "
        "\"special_tokens\": {\"<s>\": {\"ids\": [3]}}}, \"decoder\": {\"type\": \"ByteLevel\"}, "
        "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": "
        "[\"a b\"]}}";
    struct bytes file = { 0 }, all = { 0 };
    char path[128];

    for (size_t i = 0; i < PI_COUNT(models); i++) {
        all.n = 0;
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "tests/golden/tiny/%s/%s", models[i],
                     k ? "model.safetensors" : "config.json");
            if (!read_file(path, &file))
                continue;
            reserve(&all, all.n + file.n + sizeof tokenizer + 2);
            memcpy(all.at + all.n, file.at, file.n);
            all.n += file.n;
            if (k == 0) {
                all.at[all.n++] = 0;
                if (i % 2)
                    memcpy(all.at + all.n, tokenizer, sizeof tokenizer);
                all.n += i % 2 ? sizeof tokenizer - 1 : 0;
                all.at[all.n++] = 0;
            }
        }
        if (all.n)
            add_seed(all.at, all.n);
    }
    free(file.at);
    free(all.at);
}

static void own_seeds(void)
{
    static const struct tiny *const models[] = { &tiny_llama, &tiny_qwen3, &tiny_gpt2, &tiny_q8,
                                                 &tiny_q4 };
    static const char *const words[] = {
        "\0a*(b-1)/3 == 0 ? 1e-5 : -b%7", "\1temperature=0.75", "\1max_tokens=1e3", "\1stop=abc",
        "\2-12345.678e-12", "\0020.000000000000000000001e22",
        "\4\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
        "\3{\"a\":[1,-2.5e3,true,null,\"\\u00e9\\ud83d\\ude00\\n\"],\"b\":{\"c\":{},\"d\":[[]]}}",
    };
    static const char *const texts[] = {
        "\0abc abc <tool></s>\n\xC3\xA9", "\1abc ab  a1.!<|endoftext|>",
        "\2Abc, ab! \303\211a[SEP]",
        "\3Hello, world! It's 12345 \xE4\xB8\xAD\xE6\x96\x87\r\n\t x",
        "\5 a", "\x0E...", "\x0B<|im_end|>",
    };
    bool model = fuzz.run == fuzz_model;

    if (fuzz.run == fuzz_token) {
        token_seeds();
        return;
    }
    if (fuzz.run == fuzz_folder) {
        folder_seeds();
        return;
    }

    for (size_t i = 0; model && i < sizeof models / sizeof *models + 2; i++) {
        struct gguf *g = i < 5    ? tiny_model(models[i])
                         : i == 5 ? tiny_vocabulary()
                                  : tiny_wordpiece();
        size_t n;
        uint8_t *file = gguf_write(g, &n);

        add_seed(file, n);
        free(file);
        gguf_free(g);
    }
    for (size_t i = 0; !model && i < (fuzz.run == fuzz_words ? PI_COUNT(words) : PI_COUNT(texts));
         i++) {
        const char *text = fuzz.run == fuzz_words ? words[i] : texts[i];

        add_seed((const uint8_t *)text, 1 + strlen(text + 1));
    }
}

/* ---- running ---- */

static void set_limit(double seconds)
{
    double rest = seconds - (double)(time_t)seconds;
    struct itimerval limit = { .it_value = { (time_t)seconds, (suseconds_t)(rest * 1e6) } };

    setitimer(ITIMER_PROF, &limit, NULL); /* processor time: neighbours do not count */
}

static void make_input(uint64_t run, struct bytes *out)
{
    if (fuzz.sweep)
        sweep(run, out);
    else
        mutate(run, out);
}

static void run_one(const struct bytes *input)
{
    uint8_t *exact = malloc(input->n ? input->n : 1); /* so that the sanitizer sees its end */

    memcpy(exact, input->at, input->n);
    fuzz.run(exact, input->n);
    free(exact);
}

/* Runs [first, last) in a child, which counts in *done; false if it died. */
static bool run_batch(uint64_t first, uint64_t last, volatile uint64_t *done)
{
    struct bytes input = { 0 };
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        for (*done = first; *done < last; *done += 1) {
            set_limit(fuzz.seconds);
            make_input(*done, &input);
            run_one(&input);
        }
        set_limit(0);
        free(input.at);
        exit(0); /* where the leak checker looks */
    }
    while (waitpid(child, &status, 0) < 0)
        ;
    if (status == 0)
        return true;
    printf("run %" PRIu64 ": %s %d\n", *done, WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

static void save(uint64_t run)
{
    struct bytes input = { 0 };
    char name[128];
    FILE *f;

    make_input(run, &input);
    snprintf(name, sizeof name, "crash-%s-%" PRIu64, fuzz.name, run);
    f = fopen(name, "wb");
    if (f) {
        fwrite(input.at, 1, input.n, f);
        fclose(f);
        printf("saved %s\n", name);
    }
    free(input.at);
}

static int run_all(void)
{
    enum { BATCH = 5000, ENOUGH = 50 };
    volatile uint64_t *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t runs = fuzz.sweep ? sweep_runs() : fuzz.runs, at = 0;
    int crashes = 0;

    while (at < runs && crashes < ENOUGH) {
        uint64_t last = at + BATCH < runs ? at + BATCH : runs;

        if (run_batch(at, last, done)) {
            at = last;
            continue;
        }
        crashes++;
        if (*done < last)
            save(*done);
        at = *done < last ? *done + 1 : last; /* at the end it was a leak */
    }
    printf("%" PRIu64 " runs, %d crashes\n", at, crashes);
    return crashes != 0;
}

static int usage(void)
{
    fprintf(stderr, "driver folder|model|text|token|words [SEED FILE...] [--runs N] [--seed S] "
                    "[--sweep] [--seconds T] [--replay FILE...]\n");
    return 2;
}

static int replay(int n, char **paths)
{
    struct bytes input = { 0 };

    for (int i = 0; i < n; i++) {
        if (!read_file(paths[i], &input))
            return usage();
        printf("%s\n", paths[i]);
        fflush(stdout);
        run_one(&input);
    }
    free(input.at);
    printf("%d runs, 0 crashes\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    struct bytes file = { 0 };

    for (size_t i = 0; argc > 1 && i < sizeof targets / sizeof *targets; i++)
        if (strcmp(argv[1], targets[i].name) == 0) {
            fuzz.run = targets[i].run;
            fuzz.name = targets[i].name;
        }
    if (!fuzz.run)
        return usage();
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--sweep") == 0)
            fuzz.sweep = true;
        else if (strcmp(argv[i], "--replay") == 0)
            return replay(argc - i - 1, argv + i + 1);
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            fuzz.runs = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            fuzz.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            fuzz.seconds = strtod(argv[++i], NULL);
        else if (argv[i][0] == '-' || !read_file(argv[i], &file))
            return usage();
        else
            add_seed(file.at, file.n);
    }
    free(file.at);
    if (fuzz.n_seeds == 0)
        own_seeds();
    return run_all();
}
