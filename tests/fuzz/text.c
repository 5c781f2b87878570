/* text.c - the bytes are a text (the first one chooses a vocabulary and flags): tokens and back.
 */
#include "fuzz.h"
#include "gguf_tiny.h"

enum { VOCABULARIES = 4 };

struct vocabulary {
    pith_model *model;
    struct fuzz_memory memory;
};

/* Opened once: a tiny one of each kind, and the byte-level one of tests/golden that has all bytes.
 * */
static struct vocabulary *vocabulary(int i)
{
    static struct vocabulary all[VOCABULARIES];
    struct vocabulary *v = &all[i];
    pith_options *o;
    struct gguf *g;
    uint8_t *file;
    size_t size;

    if (v->model)
        return v;
    pith_options_create(&o, NULL);
    pith_options_set_allocator(o, fuzz_alloc, fuzz_free, &v->memory, NULL);
    g = i == 0 ? tiny_vocabulary() : i == 1 ? tiny_model(&tiny_gpt2) : tiny_wordpiece();
    file = gguf_write(g, &size); /* stays: the model borrows it */
    if (i < 3)
        FUZZ_CHECK(pith_model_open_memory(&v->model, file, (int64_t)size, o, NULL) == PITH_OK);
    else
        (void)pith_model_open(&v->model, "tests/golden/qwen2.gguf", -1, o, NULL);
    if (i == 3)
        free(file);
    gguf_free(g);
    pith_options_release(o);
    return v;
}

/* Text that comes out and goes in again gives the same tokens, and bytes are not lost. */
static void round_trip(const pith_model *m, const int32_t *ids, int64_t count, const uint8_t *text,
                       int64_t n)
{
    pith_error e = { 0 };
    int64_t length, again;
    char *out;

    FUZZ_CHECK(pith_detokenize(m, ids, count, 0, NULL, 0, &length, &e) == PITH_OK);
    out = malloc((size_t)length + 1);
    FUZZ_CHECK(pith_detokenize(m, ids, count, 0, out, length, &again, &e) == PITH_OK);
    FUZZ_CHECK(again == length);
    if (text)
        FUZZ_CHECK(length == n && (n == 0 || memcmp(out, text, (size_t)n) == 0));
    free(out);
}

FUZZ_TARGET(text)
{
    int which = size ? data[0] % VOCABULARIES : 0;
    int32_t flags = size ? data[0] / VOCABULARIES % 4 : 0, *ids;
    struct vocabulary *v = vocabulary(which);
    const uint8_t *text = size ? data + 1 : data;
    int64_t n = size ? (int64_t)size - 1 : 0, count, again, live = v->memory.live;
    pith_error e = { 0 };

    if (!v->model)
        return 0;
    FUZZ_CHECK(pith_tokenize(v->model, (const char *)text, n, flags, NULL, 0, &count, &e) ==
               PITH_OK);
    FUZZ_CHECK(count <= n * 4 + 4);
    ids = malloc((size_t)count * sizeof *ids + 1);
    FUZZ_CHECK(pith_tokenize(v->model, (const char *)text, n, flags, ids, count, &again, &e) ==
               PITH_OK);
    FUZZ_CHECK(again == count && v->memory.live == live);
    for (int64_t i = 0; i < count; i++)
        FUZZ_CHECK(ids[i] >= 0 && ids[i] < pith_model_number(v->model, PITH_MODEL_VOCABULARY));
    round_trip(v->model, ids, count, which == 3 && flags == 0 ? text : NULL, n);
    free(ids);
    return 0;
}
