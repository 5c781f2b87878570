/* quantize.c - whole files: what is written is a model that works and keeps what the old one said;
 * the same for any number of threads; what must be refused is, and leaves nothing behind.
 */
#include "gguf_make.h"
#include "kernel/kernel.h"
#include "pith.h"
#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LLAMA "tests/golden/llama.gguf"
#define STORIES SHARED "/data/models/stories260K.gguf"

static const struct {
    const char *name;
    int64_t file_type;
} types[] = {
    { "F32", 0 },     { "F16", 1 },     { "BF16", 32 },   { "Q8_0", 7 },    { "Q6_K", 18 },
    { "Q5_K_M", 17 }, { "Q5_K_S", 16 }, { "Q5_1", 9 },    { "Q5_0", 8 },    { "Q4_K_M", 15 },
    { "Q4_K_S", 14 }, { "Q4_1", 3 },    { "Q4_0", 2 },    { "IQ4_NL", 25 }, { "Q3_K_L", 13 },
    { "Q3_K_M", 12 }, { "Q3_K_S", 11 }, { "Q2_K", 10 },   { "Q2_K_S", 21 },
};

static struct kernels kernels;

/* ---- files ---- */

static int32_t quantize(const char *in, const char *out, const char *type)
{
    err.text[0] = 0;
    return pith_quantize(in, -1, out, -1, type, NULL, NULL, NULL, &err);
}

/* The most that a matrix may lose, relative rms; real and random weights alike. */
static double most(enum dtype type)
{
    switch ((int)type) {
    case DTYPE_F32: return 0;
    case DTYPE_F16: return 3e-4;
    case DTYPE_BF16: return 2.5e-3;
    case DTYPE_Q8_0: return 0.0065;
    case DTYPE_Q6_K: return 0.02;
    case DTYPE_Q5_0: case DTYPE_Q5_1: case DTYPE_Q5_K: return 0.05;
    case DTYPE_Q4_0: case DTYPE_Q4_1: case DTYPE_Q4_K: case DTYPE_IQ4_NL: return 0.1;
    case DTYPE_Q3_K: return 0.16;
    }
    return 0.3;
}

static void check_tensor(const char *type, const struct tensor *a, const struct tensor *b)
{
    int64_t n = elements(a);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    double error = 0, size = 0;

    CHECK(pi_str_equal(a->name, b->name));
    CHECK(a->dims == b->dims && memcmp(a->ne, b->ne, sizeof a->ne) == 0);
    kernels.unpack[a->dtype](x, a->data, n);
    kernels.unpack[b->dtype](y, b->data, n);
    for (int64_t i = 0; i < n; i++) {
        error += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        size += (double)x[i] * (double)x[i];
    }
    if (!(sqrt(error / size) <= most(b->dtype)))
        CHECK_FAIL("%s: %.*s as %s is off by %.5f, at most %.5f", type, (int)b->name.n, b->name.at,
                   pi_dtype(b->dtype).name, sqrt(error / size), most(b->dtype));
    free(x);
    free(y);
}

/* Metadata but for the two keys that change, and all tensors within their bounds. */
static void check_files(const char *in, const char *out, const char *type)
{
    struct opened a, b;
    int64_t file_type = -1, version = -1;
    bool found;

    if (!open_file(&a, in) || !open_file(&b, out))
        return;
    for (int64_t i = 0; i < a.w.n_metas; i++) {
        const struct meta *m = &a.w.metas[i], *n = pi_meta_find(&b.w, m->key);

        if (pi_str_equal(m->key, STR("general.file_type")) ||
            pi_str_equal(m->key, STR("general.quantization_version")))
            continue;
        CHECK(n && n->type == m->type && n->count == m->count && n->end - n->at == m->end - m->at &&
              memcmp(n->at, m->at, (size_t)(m->end - m->at)) == 0);
    }
    pi_meta_i64(&b.w, "general.file_type", &file_type, &found, NULL);
    for (size_t i = 0; i < PI_COUNT(types); i++)
        if (strcmp(types[i].name, type) == 0)
            CHECK_INT(file_type, types[i].file_type);
    pi_meta_i64(&b.w, "general.quantization_version", &version, &found, NULL);
    CHECK_INT(version, 2);
    CHECK_INT(a.w.n_tensors, b.w.n_tensors);
    for (int64_t i = 0; i < a.w.n_tensors && i < b.w.n_tensors; i++)
        check_tensor(type, &a.w.tensors[i], &b.w.tensors[i]);
    close_file(&a);
    close_file(&b);
}

/* The file opens, holds numbers, and writes a few words. */
static void check_runs(const char *path, const char *prompt)
{
    pith_model *model = NULL;
    pith_session *session = NULL;
    pith_options *o;
    const pith_event *event;
    int n = 0;

    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 8, NULL);
    pith_options_set_i64(o, PITH_OPT_IGNORE_EOS, 1, NULL);
    pith_options_set_i64(o, PITH_OPT_THREADS, 1, NULL);
    if (pith_model_open(&model, path, -1, NULL, &err) || pith_model_verify(model, &err) ||
        pith_session_open(&session, model, o, &err) ||
        pith_generate(session, prompt, -1, o, &err))
        CHECK_FAIL("%s: %s", path, err.text);
    else
        while (pith_generate_next(session, &event, &err) == PITH_OK)
            n += pith_event_token(event) >= 0;
    CHECK_INT(n, 8);
    pith_session_release(session);
    pith_model_release(model);
    pith_options_release(o);
}

static void all_types_of(const char *in, const char *prompt)
{
    const char *out = inside("out.gguf");

    for (size_t i = 0; i < PI_COUNT(types); i++) {
        if (quantize(in, out, types[i].name))
            CHECK_FAIL("%s to %s: %s", in, types[i].name, err.text);
        CHECK_INT(files_inside(), 1);
        check_files(in, out, types[i].name);
        check_runs(out, prompt);
    }
    unlink(out);
}

static void golden_model(void)
{
    all_types_of(LLAMA, "a");
    all_types_of("tests/golden/llama-untied.gguf", "a");
}

static void real_model(void)
{
    if (access(STORIES, R_OK) != 0)
        SKIP(STORIES " is not here");
    all_types_of(STORIES, "Once upon a time");
}

/* Rows of 256: no fallback, all K formats for what they are. */
static void rows_of_256(void)
{
    static const char *const names[] = { "output.weight", "token_embd.weight",
                                         "blk.0.attn_v.weight", "blk.0.ffn_up.weight",
                                         "blk.0.attn_output.weight" };
    int64_t tensors, converted, fallbacks, in_bytes, out_bytes;
    enum { VALUES = 256 * 256 };
    float *x = malloc(VALUES * sizeof *x);
    uint64_t random = 7;
    struct gguf *g = gguf_new();
    const char *in = inside("in.gguf"), *out = inside("out.gguf");
    uint8_t *file;
    size_t size;

    for (int i = 0; i < VALUES; i++) /* the sum of four is near enough to a bell */
        x[i] = 0;
    for (int i = 0; i < 4 * VALUES; i++)
        x[i / 4] += (float)(check_random(&random) >> 40) * 0x1p-28f - 0x1p-5f;
    gguf_str(g, "general.architecture", "unheard-of");
    for (size_t i = 0; i < PI_COUNT(names); i++) {
        struct gguf_tensor *t = gguf_add(g, names[i], 0, x, VALUES * sizeof *x);

        t->dims = 2;
        t->ne[0] = t->ne[1] = 256;
    }
    file = gguf_write(g, &size);
    write_file(in, file, size);
    for (size_t i = 0; i < PI_COUNT(types); i++) {
        struct opened o;

        CHECK_INT(pith_quantize_plan(in, -1, types[i].name, NULL, &tensors, &converted, &fallbacks,
                                     &in_bytes, &out_bytes, &err), PITH_OK);
        CHECK_INT(tensors, PI_COUNT(names));
        CHECK_INT(converted, i == 0 ? 0 : PI_COUNT(names));
        CHECK_INT(fallbacks, 0);
        CHECK_INT(in_bytes, PI_COUNT(names) * VALUES * sizeof *x);
        CHECK_INT(quantize(in, out, types[i].name), PITH_OK);
        check_files(in, out, types[i].name);
        if (open_file(&o, out)) {
            for (int64_t j = 0; j < o.w.n_tensors; j++)
                out_bytes -= (int64_t)o.w.tensors[j].bytes;
            CHECK_INT(out_bytes, 0);
            close_file(&o);
        }
    }
    free(x);
    free(file);
    gguf_free(g);
    unlink(in);
    unlink(out);
}

/* 16 bits become 32 exactly, and back. */
static void halves(void)
{
    static const char *const from[] = { "F16", "BF16" };
    const char *half = inside("half.gguf"), *full = inside("full.gguf"), *back = inside("back");

    for (int i = 0; i < 2; i++) {
        CHECK_INT(quantize(LLAMA, half, from[i]), PITH_OK);
        CHECK_INT(quantize(half, full, "F32"), PITH_OK);
        check_files(half, full, "F32");
        CHECK_INT(quantize(full, back, from[i]), PITH_OK);
        check_same_bytes(half, back);
    }
    unlink(half);
    unlink(full);
    unlink(back);
}

static void any_number_of_threads(void)
{
    static const int threads[] = { 1, 2, 3, 8 };
    static const char *const some[] = { "Q4_0", "Q5_K_M", "Q6_K", "F16" };
    const char *in = access(STORIES, R_OK) == 0 ? STORIES : LLAMA, *out = inside("t.gguf");
    pith_options *o;

    pith_options_create(&o, NULL);
    for (size_t i = 0; i < PI_COUNT(some); i++) {
        uint8_t *first = NULL, *file;
        size_t n = 0, m;

        for (size_t j = 0; j < PI_COUNT(threads); j++) {
            pith_options_set_i64(o, PITH_OPT_THREADS, threads[j], NULL);
            pith_options_set_i64(o, PITH_OPT_TIERS, j % 2 ? 255 : 0, NULL);
            CHECK_INT(pith_quantize(in, -1, out, -1, some[i], o, NULL, NULL, &err), PITH_OK);
            file = check_read(out, &m);
            if (j == 0) {
                first = file;
                n = m;
                continue;
            }
            CHECK(n == m && memcmp(first, file, n) == 0);
            free(file);
        }
        free(first);
    }
    pith_options_release(o);
    unlink(out);
}

/* ---- what is refused ---- */

/* LLAMA with one value of a tensor replaced. */
static void spoil(const char *path, const char *tensor, int64_t i, float value)
{
    size_t size;
    uint8_t *file = check_read(LLAMA, &size), *changed;
    struct gguf *g = gguf_parse(file, size);

    memcpy(gguf_find(g, tensor)->data.at + 4 * i, &value, 4);
    changed = gguf_write(g, &size);
    write_file(path, changed, size);
    free(file);
    free(changed);
    gguf_free(g);
}

static void no_numbers(void)
{
    const char *in = inside("in.gguf"), *out = inside("out.gguf");

    for (size_t i = 1; i < PI_COUNT(types); i++) {
        spoil(in, "blk.1.ffn_up.weight", 4321, i % 2 ? NAN : -INFINITY);
        CHECK_INT(quantize(in, out, types[i].name), PITH_E_NUMERIC);
        CHECK_HAS(err.text, "blk.1.ffn_up.weight: value 4321 is not a finite number");
        CHECK_INT(files_inside(), 1);
        spoil(in, "blk.1.attn_q.weight", 100, 1e30f);
        if (strcmp(types[i].name, "BF16") != 0) {
            CHECK_INT(quantize(in, out, types[i].name), PITH_E_NUMERIC);
            CHECK_HAS(err.text, "blk.1.attn_q.weight: 1.00000002e+30 does not fit");
            CHECK_INT(files_inside(), 1);
        }
    }
    for (size_t i = 0; i < PI_COUNT(types); i++) {
        spoil(in, "blk.1.attn_norm.weight", 3, i % 2 ? NAN : INFINITY); /* copied */
        CHECK_INT(quantize(in, out, types[i].name), PITH_E_NUMERIC);
        CHECK_HAS(err.text, "blk.1.attn_norm.weight: value 3 is not a finite number");
        CHECK_INT(files_inside(), 1);
    }
    spoil(in, "blk.1.ffn_up.weight", 4321, NAN);
    CHECK_INT(quantize(in, out, "F32"), PITH_E_NUMERIC);
    CHECK_HAS(err.text, "blk.1.ffn_up.weight: value 4321 is not a finite number");
    unlink(in);
}

/* A scale of blocks that are copied. */
static void no_scale(void)
{
    const char *in = inside("in.gguf"), *out = inside("out.gguf");
    static const uint8_t infinity[] = { 0, 0x7C };
    size_t size;
    uint8_t *file, *changed;
    struct gguf *g;

    CHECK_INT(quantize(LLAMA, in, "Q8_0"), PITH_OK);
    file = check_read(in, &size);
    g = gguf_parse(file, size);
    memcpy(gguf_find(g, "blk.1.ffn_up.weight")->data.at + 34 * 2, infinity, 2);
    changed = gguf_write(g, &size);
    write_file(in, changed, size);
    CHECK_INT(quantize(in, out, "Q8_0"), PITH_E_NUMERIC);
    CHECK_HAS(err.text, "blk.1.ffn_up.weight: value 64 is not a finite number");
    CHECK_INT(files_inside(), 1);
    free(file);
    free(changed);
    gguf_free(g);
    unlink(in);
}

static void quantised_already(void)
{
    const char *q8 = inside("q8.gguf"), *out = inside("out.gguf");

    CHECK_INT(quantize(LLAMA, q8, "Q8_0"), PITH_OK);
    CHECK_INT(quantize(q8, out, "Q4_0"), PITH_E_UNSUPPORTED);
    CHECK_HAS(err.text, "blk.0.attn_q.weight is Q8_0 already");
    CHECK_INT(quantize(q8, out, "F16"), PITH_E_UNSUPPORTED);
    CHECK_INT(files_inside(), 1);
    CHECK_INT(quantize(q8, out, "Q8_0"), PITH_OK);
    check_same_bytes(q8, out);
    unlink(q8);
    unlink(out);
}

static void arguments(void)
{
    const char *out = inside("out.gguf");

    CHECK_INT(pith_quantize(NULL, -1, out, -1, "Q8_0", NULL, NULL, NULL, &err), PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "in is NULL");
    CHECK_INT(pith_quantize(LLAMA, -1, NULL, -1, "Q8_0", NULL, NULL, NULL, &err),
              PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "out is NULL");
    CHECK_INT(pith_quantize(LLAMA, -1, out, -1, NULL, NULL, NULL, NULL, &err), PITH_E_ARGUMENT);
    CHECK_INT(pith_quantize(LLAMA, -2, out, -1, "Q8_0", NULL, NULL, NULL, NULL), PITH_E_ARGUMENT);
    CHECK_INT(pith_quantize(LLAMA, -1, "a\0b", 3, "Q8_0", NULL, NULL, NULL, &err),
              PITH_E_ARGUMENT);
    CHECK_INT(quantize("", out, "Q8_0"), PITH_E_ARGUMENT);
    CHECK_INT(quantize(LLAMA, out, "Q9_0"), PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "\"Q9_0\"");
    CHECK_HAS(err.text, "Q2_K_S");
    CHECK_INT(quantize(LLAMA, out, ""), PITH_E_ARGUMENT);
    CHECK_INT(quantize(LLAMA, out, "Q8_K"), PITH_E_ARGUMENT);
    CHECK_INT(quantize("tests/check.h", out, "Q8_0"), PITH_E_FORMAT);
    CHECK_INT(quantize(inside("none"), out, "Q8_0"), PITH_E_IO);
    CHECK_HAS(err.text, "none");
    CHECK_INT(pith_quantize_plan(LLAMA, -1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &err),
              PITH_E_ARGUMENT);
    CHECK_INT(pith_quantize_plan(LLAMA, -1, "F16", NULL, NULL, NULL, NULL, NULL, NULL, &err),
              PITH_OK);
    CHECK_INT(pith_quantize(LLAMA ".x", (int64_t)strlen(LLAMA), inside("a.gguf.x"),
                            (int64_t)strlen(inside("a.gguf")), "F16", NULL, NULL, NULL, &err),
              PITH_OK);
    CHECK_INT(access(inside("a.gguf"), R_OK), 0);
    unlink(inside("a.gguf"));
    CHECK_INT(files_inside(), 0);
}

static void bad_places(void)
{
    struct rlimit old, low;
    const char *in = inside("in.gguf"), *out, *note = inside("note.txt");
    int32_t status;

    CHECK_INT(quantize(LLAMA, in, "F32"), PITH_OK);
    CHECK_INT(quantize(in, in, "Q8_0"), PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "both input and output");
    CHECK_INT(symlink("in.gguf", inside("link.gguf")), 0);
    CHECK_INT(quantize(in, inside("link.gguf"), "Q8_0"), PITH_E_ARGUMENT);
    unlink(inside("link.gguf"));
    write_file(note, "a note", 6);
    CHECK_INT(quantize(in, note, "Q8_0"), PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "note.txt");
    unlink(note);
    CHECK_INT(quantize(in, inside("none/out.gguf"), "Q8_0"), PITH_E_IO);
    CHECK_HAS(err.text, "none/out.gguf");
    CHECK_INT(quantize(in, scratch, "Q8_0"), PITH_E_IO);
    out = inside("out.gguf");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 30000;
    setrlimit(RLIMIT_FSIZE, &low);
    status = quantize(in, out, "Q8_0");
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    CHECK_INT(status, PITH_E_IO);
    CHECK_HAS(err.text, "out.gguf");
    CHECK_INT(files_inside(), 1);
    check_runs(in, "a");
    unlink(in);
}

/* The second part of a file is input as the first is. */
static void second_part(void)
{
    const char *paths[] = { inside("x-00001-of-00002.gguf"), inside("x-00002-of-00002.gguf") };
    size_t size, n[2];
    uint8_t *file = check_read(LLAMA, &size), *parts[2];

    for (int i = 0; i < 2; i++) {
        struct gguf *g = gguf_parse(file, size);
        uint64_t tensors = g->tensors_n;

        while (g->tensors_n > (i ? 1 : tensors - 1))
            gguf_drop_tensor(g, (char *)g->tensors[i ? 0 : tensors - 1].name.at);
        gguf_int(g, "split.no", GGUF_U16, (uint64_t)i);
        gguf_int(g, "split.count", GGUF_U16, 2);
        gguf_int(g, "split.tensors.count", GGUF_I32, tensors);
        parts[i] = gguf_write(g, &n[i]);
        write_file(paths[i], parts[i], n[i]);
        gguf_free(g);
    }
    CHECK_INT(quantize(paths[0], paths[1], "Q8_0"), PITH_E_ARGUMENT);
    CHECK_HAS(err.text, "both input and output");
    free(file);
    file = check_read(paths[1], &size);
    CHECK(size == n[1] && memcmp(file, parts[1], size) == 0);
    CHECK_INT(quantize(paths[0], inside("whole.gguf"), "Q8_0"), PITH_OK);
    for (int i = 0; i < 2; i++) {
        free(parts[i]);
        unlink(paths[i]);
    }
    free(file);
    unlink(inside("whole.gguf"));
}

/* ---- progress ---- */

struct watch {
    int64_t done, total, calls, stop_at;
    bool wrong;
    pthread_t thread;
};

static int32_t look(void *user, int64_t done, int64_t total)
{
    struct watch *w = user;

    w->wrong |= done < w->done || done > total || (w->calls && total != w->total) ||
                !pthread_equal(w->thread, pthread_self());
    w->done = done;
    w->total = total;
    return ++w->calls == w->stop_at;
}

static void progress(void)
{
    struct watch all = { .thread = pthread_self() };
    const char *out = inside("out.gguf");
    int64_t in_bytes;

    CHECK_INT(pith_quantize(LLAMA, -1, out, -1, "Q4_0", NULL, look, &all, &err), PITH_OK);
    CHECK(!all.wrong);
    CHECK(all.calls > 2);
    CHECK_INT(all.done, all.total);
    CHECK_INT(pith_quantize_plan(LLAMA, -1, "Q4_0", NULL, NULL, NULL, NULL, &in_bytes, NULL, NULL),
              PITH_OK);
    CHECK_INT(all.total, in_bytes);
    unlink(out);
    for (int64_t i = 1; i <= all.calls; i++) {
        struct watch w = { .thread = pthread_self(), .stop_at = i };

        CHECK_INT(pith_quantize(LLAMA, -1, out, -1, "Q4_0", NULL, look, &w, &err),
                  PITH_E_CANCELLED);
        CHECK_INT(w.calls, i);
        CHECK_INT(files_inside(), 0);
    }
}

/* What stood at `out` before stands there after a failure. */
static void old_file_survives(void)
{
    struct watch w = { .thread = pthread_self(), .stop_at = 3 };
    const char *out = inside("out.gguf");
    uint8_t *before, *after;
    size_t n, m;

    CHECK_INT(quantize(LLAMA, out, "F16"), PITH_OK);
    before = check_read(out, &n);
    CHECK_INT(pith_quantize(LLAMA, -1, out, -1, "Q4_0", NULL, look, &w, &err), PITH_E_CANCELLED);
    after = check_read(out, &m);
    CHECK(n > 0 && n == m && memcmp(before, after, n) == 0);
    CHECK_INT(quantize(LLAMA, out, "Q4_0"), PITH_OK);
    CHECK_INT(files_inside(), 1);
    free(after);
    after = check_read(out, &m);
    CHECK(m < n);
    free(before);
    free(after);
    unlink(out);
}

/* Every allocation may fail: an error, and nothing left behind. */
static struct {
    int64_t left, live;
} budget;

static void *spend(void *user, int64_t size)
{
    void *block = NULL;

    (void)user;
    if (budget.left-- <= 0 || posix_memalign(&block, 64, (size_t)size))
        return NULL;
    budget.live++;
    return block;
}

static void give_back(void *user, void *block, int64_t size)
{
    (void)user;
    (void)size;
    budget.live--;
    free(block);
}

static void out_of_memory(void)
{
    const char *out = inside("out.gguf");
    int32_t status = PITH_E_MEMORY;
    pith_options *o;
    int n = 0;

    pith_options_create(&o, NULL);
    pith_options_set_i64(o, PITH_OPT_THREADS, 2, NULL);
    pith_options_set_allocator(o, spend, give_back, NULL, NULL);
    for (; status == PITH_E_MEMORY && n < 100; n++) {
        budget.left = n;
        status = pith_quantize(LLAMA, -1, out, -1, "Q4_0", o, NULL, NULL, &err);
        CHECK_INT(budget.live, 0);
        CHECK_INT(files_inside(), status == PITH_OK);
    }
    CHECK_INT(status, PITH_OK);
    CHECK(n > 5);
    pith_options_release(o);
    unlink(out);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    pi_kernels_pick(&kernels, 0);
    if (!scratch_make())
        return 1;
    RUN(golden_model);
    RUN(real_model);
    RUN(rows_of_256);
    RUN(halves);
    RUN(any_number_of_threads);
    RUN(no_numbers);
    RUN(no_scale);
    RUN(quantised_already);
    RUN(arguments);
    RUN(bad_places);
    RUN(second_part);
    RUN(progress);
    RUN(old_file_survives);
    RUN(out_of_memory);
    rmdir(scratch);
    return CHECK_END();
}
