/* split.c - files in shards: the model is the same; a shard that is missing, is another one or has
 * a name of another form is refused by name.
 */
#include "hostile.h"

#include <sys/stat.h>

#define LLAMA "tests/golden/llama.gguf"

enum { SHARDS = 3 };

static char folder[64], path[200];

static const char *shard_name(int i, int count)
{
    snprintf(path, sizeof path, "%s/llama-%05d-of-%05d.gguf", folder, i + 1, count);
    return path;
}

static void write_file(const char *name, struct gguf *g)
{
    size_t n;
    uint8_t *file = gguf_write(g, &n);
    FILE *f = fopen(name, "wb");

    CHECK(f && fwrite(file, 1, n, f) == n);
    if (f)
        fclose(f);
    free(file);
}

/* The model in three parts, the keys in the first; the test may change a part before it is
 * written. */
struct parts {
    struct gguf *at[SHARDS];
};

static struct parts split(void)
{
    size_t n;
    uint8_t *file = check_read(LLAMA, &n);
    struct gguf *whole = gguf_parse(file, n);
    struct parts p;

    for (int i = 0; i < SHARDS; i++) {
        p.at[i] = i ? gguf_new() : gguf_parse(file, n);
        while (p.at[i]->tensors_n)
            gguf_drop_tensor(p.at[i], (char *)p.at[i]->tensors[0].name.at);
        gguf_int(p.at[i], "split.no", GGUF_U16, (uint64_t)i);
        gguf_int(p.at[i], "split.count", GGUF_U16, SHARDS);
        gguf_int(p.at[i], "split.tensors.count", GGUF_I32, whole->tensors_n);
    }
    for (size_t i = 0; i < whole->tensors_n; i++) {
        const struct gguf_tensor *from = &whole->tensors[i];
        struct gguf_tensor *to = gguf_add(p.at[i * SHARDS / whole->tensors_n],
                                          (char *)from->name.at, from->type, from->data.at,
                                          from->data.n);

        to->dims = from->dims;
        memcpy(to->ne, from->ne, sizeof to->ne);
    }
    gguf_free(whole);
    free(file);
    return p;
}

static void write_parts(struct parts *p)
{
    for (int i = 0; i < SHARDS; i++) {
        write_file(shard_name(i, SHARDS), p->at[i]);
        gguf_free(p->at[i]);
    }
}

static void remove_parts(void)
{
    for (int i = 0; i < SHARDS; i++)
        unlink(shard_name(i, SHARDS));
}

static void refuse_first(int32_t expected, const char *part)
{
    struct ledger ledger = { 0 };
    pith_options *o = ledger_options(&ledger);
    pith_model *m = NULL;
    pith_error e = { 0 };

    CHECK_INT(pith_model_open(&m, shard_name(0, SHARDS), -1, o, &e), expected);
    CHECK_HAS(e.text, part);
    CHECK(m == NULL);
    CHECK_INT(ledger.live, 0);
    pith_options_release(o);
}

static void feed(pith_model *m, float *logits, int64_t n)
{
    static const int32_t ids[] = { 1, 40, 7, 23, 60 };
    pith_session *s = NULL;
    pith_error e = { 0 };

    CHECK_INT(pith_session_open(&s, m, NULL, &e), PITH_OK);
    if (s)
        CHECK_INT(pith_session_evaluate(s, ids, n, logits, &e), PITH_OK);
    pith_session_release(s);
}

static void shards_are_one_model(void)
{
    struct parts p = split();
    pith_model *whole = NULL, *joined = NULL;
    pith_error e = { 0 };
    static float a[5 * 99], b[5 * 99];

    write_parts(&p);
    CHECK_INT(pith_model_open(&whole, LLAMA, -1, NULL, &e), PITH_OK);
    CHECK_INT(pith_model_open(&joined, shard_name(0, SHARDS), -1, NULL, &e), PITH_OK);
    CHECK_STR(e.text, "");
    CHECK_INT(pith_model_number(joined, PITH_MODEL_TENSORS),
              pith_model_number(whole, PITH_MODEL_TENSORS));
    CHECK_INT(pith_model_number(joined, PITH_MODEL_PARAMETERS),
              pith_model_number(whole, PITH_MODEL_PARAMETERS));
    CHECK_INT(pith_model_verify(joined, NULL), PITH_OK);
    remove_parts(); /* the mappings live on */
    feed(whole, a, 5);
    feed(joined, b, 5);
    CHECK(memcmp(a, b, sizeof a) == 0);
    pith_model_release(whole);
    pith_model_release(joined);
}

static void a_missing_shard(void)
{
    struct parts p = split();

    write_parts(&p);
    unlink(shard_name(1, SHARDS));
    refuse_first(PITH_E_IO, "llama-00002-of-00003.gguf: cannot be opened: no such file");
    CHECK_INT(mkdir(shard_name(1, SHARDS), 0700), 0);
    refuse_first(PITH_E_IO, "llama-00002-of-00003.gguf: is a directory");
    CHECK_INT(rmdir(shard_name(1, SHARDS)), 0);
    CHECK_INT(mkfifo(shard_name(1, SHARDS), 0600), 0);
    refuse_first(PITH_E_IO, "llama-00002-of-00003.gguf: is not a regular file");
    remove_parts();
}

static void wrong_numbers(void)
{
    struct parts p = split();

    gguf_int(p.at[1], "split.no", GGUF_U16, 2);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00002-of-00003.gguf: split.no is 2 of 3, expected 1 of 3");
    p = split();
    gguf_drop(p.at[2], "split.no");
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00003-of-00003.gguf: split.no is -1");
    p = split();
    gguf_str(p.at[2], "split.no", "2");
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00003-of-00003.gguf: key split.no is string");
    p = split();
    gguf_int(p.at[1], "split.count", GGUF_U16, 4);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00002-of-00003.gguf: split.no is 1 of 4, expected 1 of 3");
    p = split();
    gguf_int(p.at[0], "split.no", GGUF_U16, 1);
    write_parts(&p);
    refuse_first(PITH_E_ARGUMENT, "this is shard 2 of 3; open the first");
    p = split();
    gguf_int(p.at[0], "split.tensors.count", GGUF_I32, 7);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "split.tensors.count is 7, the 3 shards hold");
    remove_parts();
}

static void wrong_counts(void)
{
    static const uint64_t counts[] = { 2, 4, 300, 9999, 10000, 0x7FFFFFFF, INT64_MAX };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct parts p = split();

        gguf_int(p.at[0], "split.count", GGUF_U64, counts[i]);
        write_parts(&p);
        refuse_first(PITH_E_FORMAT, counts[i] > 9999 ? "split.count is" : "must be called");
    }
    remove_parts();
}

/* Counts that say "not split" leave a file without its other tensors. */
static void counts_of_one(void)
{
    static const uint64_t counts[] = { 0, 1, (uint64_t)-1, (uint64_t)1 << 63 };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct parts p = split();

        gguf_int(p.at[0], "split.count", GGUF_I64, counts[i]);
        write_parts(&p);
        refuse_first(PITH_E_FORMAT, "is missing");
    }
    remove_parts();
}

static void broken_shards(void)
{
    struct parts p = split();

    p.at[2]->version = 99;
    write_parts(&p);
    refuse_first(PITH_E_UNSUPPORTED, "llama-00003-of-00003.gguf: GGUF version 99");
    p = split();
    memcpy(p.at[1]->magic, "GGML", 4);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00002-of-00003.gguf: not a GGUF file");
    p = split();
    p.at[1]->tensors[0].offset = (uint64_t)1 << 40;
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "llama-00002-of-00003.gguf: ");
    p = split();
    gguf_free(p.at[2]);
    p.at[2] = gguf_new();
    gguf_int(p.at[2], "split.no", GGUF_U16, 2);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "split.tensors.count");
    p = split(); /* a name that another shard has too */
    p.at[2]->tensors[0].name.n = 0;
    gguf_put(&p.at[2]->tensors[0].name, p.at[0]->tensors[0].name.at, p.at[0]->tensors[0].name.n);
    write_parts(&p);
    refuse_first(PITH_E_FORMAT, "appears twice");
    remove_parts();
}

static void names_of_another_form(void)
{
    static const char *const names[] = {
        "llama.gguf", "llama-00001-of-00004.gguf", "llama-1-of-3.gguf", "llama-00001-of-00003.bin",
        "llama_00001-of-00003.gguf", "llama-00001_of-00003.gguf", "a", ".gguf",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct parts p = split();
        pith_model *m = NULL;
        pith_error e = { 0 };
        char name[160];

        write_parts(&p);
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        CHECK_INT(rename(shard_name(0, SHARDS), name), 0);
        CHECK_INT(pith_model_open(&m, name, -1, NULL, &e), PITH_E_FORMAT);
        CHECK_HAS(e.text, names[i]);
        CHECK_HAS(e.text, "must be called ...-00001-of-00003.gguf");
        unlink(name);
        pith_model_release(m);
    }
    remove_parts();
}

static void from_memory_or_a_descriptor(void)
{
    struct parts p = split();
    size_t n;
    uint8_t *file = gguf_write(p.at[0], &n);
    pith_model *m = NULL;
    pith_error e = { 0 };
    FILE *f;

    refuse_bytes(file, n, PITH_E_UNSUPPORTED,
                 "a split file of 3 shards can only be opened by path");
    write_parts(&p);
    f = fopen(shard_name(0, SHARDS), "rb");
    CHECK_INT(pith_model_open_fd(&m, fileno(f), 0, 0, NULL, &e), PITH_E_UNSUPPORTED);
    CHECK_HAS(e.text, "3 shards");
    fclose(f);
    free(file);
    remove_parts();
}

static void clean_up(void)
{
    CHECK_INT(rmdir(folder), 0);
}

int main(int argc, char **argv)
{
    strcpy(folder, "/tmp/pith-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    CHECK_START(argc, argv);
    RUN(shards_are_one_model);
    RUN(a_missing_shard);
    RUN(wrong_numbers);
    RUN(wrong_counts);
    RUN(counts_of_one);
    RUN(broken_shards);
    RUN(names_of_another_form);
    RUN(from_memory_or_a_descriptor);
    RUN(clean_up);
    return CHECK_END();
}
