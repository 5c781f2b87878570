/* save.c - what is written is read back the same, appears whole or not at all; errors name paths.
 */
#include "file/save.h"

#include "gguf_make.h"
#include "pith.h"
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LLAMA "tests/golden/llama.gguf"

static const struct allocator plain;

/* All tensors of `o` to `path` in pieces of `piece` bytes. */
static int save_copy(const struct opened *o, const char *path, const struct meta *edits,
                     int n_edits, size_t piece)
{
    struct save s = { 0 };
    int status = pi_save_begin(&s, path, &o->w, edits, n_edits, o->w.tensors, o->w.n_tensors,
                               &plain, &err);

    for (int64_t i = 0; i < o->w.n_tensors && status == PITH_OK; i++)
        for (size_t at = 0; at < o->w.tensors[i].bytes && status == PITH_OK; at += piece)
            status = pi_save_bytes(&s, o->w.tensors[i].data + at,
                                   pi_min_size(piece, o->w.tensors[i].bytes - at), &err);
    if (status == PITH_OK)
        status = pi_save_end(&s, &err);
    pi_save_cancel(&s);
    return status;
}

static void check_metas(const struct weights *a, const struct weights *b)
{
    CHECK_INT(a->n_metas, b->n_metas);
    for (int64_t i = 0; i < a->n_metas && i < b->n_metas; i++) {
        const struct meta *m = &a->metas[i], *n = &b->metas[i];

        CHECK(pi_str_equal(m->key, n->key));
        CHECK_INT(m->type, n->type);
        CHECK_INT(m->is_array, n->is_array);
        CHECK_INT(m->count, n->count);
        CHECK_INT(m->end - m->at, n->end - n->at);
        CHECK(memcmp(m->at, n->at, (size_t)(m->end - m->at)) == 0);
    }
}

static void check_tensors(const struct weights *a, const struct weights *b)
{
    CHECK_INT(a->n_tensors, b->n_tensors);
    for (int64_t i = 0; i < a->n_tensors && i < b->n_tensors; i++) {
        const struct tensor *t = &a->tensors[i], *u = &b->tensors[i];

        CHECK(pi_str_equal(t->name, u->name));
        CHECK_INT(t->dtype, u->dtype);
        CHECK_INT(t->dims, u->dims);
        CHECK(memcmp(t->ne, u->ne, sizeof t->ne) == 0);
        CHECK_INT(t->bytes, u->bytes);
        CHECK(memcmp(t->data, u->data, t->bytes) == 0);
    }
}

static void round_trip(const char *path, size_t piece)
{
    struct opened a, b;
    pith_model *model;

    if (!open_file(&a, path))
        return;
    if (save_copy(&a, inside("copy.gguf"), NULL, 0, piece))
        CHECK_FAIL("%s: %s", path, err.text);
    CHECK_INT(files_inside(), 1);
    if (open_file(&b, inside("copy.gguf"))) {
        check_metas(&a.w, &b.w);
        check_tensors(&a.w, &b.w);
        CHECK_INT(b.w.version, 3);
        close_file(&b);
    }
    if (pith_model_open(&model, inside("copy.gguf"), -1, NULL, &err))
        CHECK_FAIL("%s: %s", path, err.text);
    pith_model_release(model);
    close_file(&a);
    unlink(inside("copy.gguf"));
}

static void round_trips(void)
{
    round_trip(LLAMA, 1 << 20);
    round_trip(LLAMA, 1000);
    round_trip("tests/golden/llama-q4_k.gguf", 1 << 16);
    round_trip("tests/golden/llama-bf16.gguf", 1 << 20);
    round_trip("tests/golden/qwen2.gguf", 65535);
}

/* The same file twice is the same bytes; our own output copied is itself. */
static void deterministic(void)
{
    struct opened a;

    if (!open_file(&a, LLAMA))
        return;
    CHECK_INT(save_copy(&a, inside("1.gguf"), NULL, 0, 1 << 20), PITH_OK);
    close_file(&a);
    if (!open_file(&a, inside("1.gguf")))
        return;
    CHECK_INT(save_copy(&a, inside("2.gguf"), NULL, 0, 777), PITH_OK);
    close_file(&a);
    check_same_bytes(inside("1.gguf"), inside("2.gguf"));
    unlink(inside("1.gguf"));
    unlink(inside("2.gguf"));
}

static struct meta text_meta(struct str key, const char *bytes, size_t n)
{
    return (struct meta){ .key = key, .type = META_STR, .count = 1, .at = (const uint8_t *)bytes,
                          .end = (const uint8_t *)bytes + n };
}

/* A key that exists keeps its place, another one goes to the end. */
static void edits(void)
{
    static const char name[] = "\3\0\0\0\0\0\0\0abc", more[] = "\0\0\0\0\0\0\0";
    struct meta changes[] = { text_meta(STR("general.name"), name, 11),
                              text_meta(STR("test.more"), more, 8) };
    struct opened a, b;
    struct str value;
    int64_t old;
    bool found;

    if (!open_file(&a, LLAMA))
        return;
    CHECK_INT(save_copy(&a, inside("e.gguf"), changes, 2, 1 << 20), PITH_OK);
    old = pi_map_find(&a.w.by_key, STR("general.name"));
    if (open_file(&b, inside("e.gguf"))) {
        CHECK_INT(b.w.n_metas, a.w.n_metas + 1);
        CHECK_INT(pi_map_find(&b.w.by_key, STR("general.name")), old);
        CHECK_INT(pi_map_find(&b.w.by_key, STR("test.more")), a.w.n_metas);
        CHECK_INT(pi_meta_str(&b.w, "general.name", &value, &found, &err), PITH_OK);
        CHECK(found && pi_str_equal(value, STR("abc")));
        CHECK_INT(pi_meta_str(&b.w, "test.more", &value, &found, &err), PITH_OK);
        CHECK(found && value.n == 0);
        check_tensors(&a.w, &b.w);
        close_file(&b);
    }
    close_file(&a);
    unlink(inside("e.gguf"));
}

/* Every value type, an array of each, an alignment of its own, version 2, and tensors whose sizes
 * are no multiples of it. */
static void all_types(void)
{
    static const char *const texts[] = { "", "a", "bc" };
    struct gguf *g = gguf_new();
    struct opened a, b;
    uint8_t data[64], *file;
    size_t size;
    char key[32];

    memset(data, 7, sizeof data);
    gguf_u32(g, "general.alignment", 256);
    g->alignment = 256;
    g->version = 2;
    for (uint32_t type = 0; type <= GGUF_F64; type++) {
        snprintf(key, sizeof key, "one.%u", type);
        if (type != GGUF_STR && type != GGUF_ARRAY)
            gguf_int(g, key, type, 1);
    }
    gguf_str(g, "one.text", "\xC3\xA4");
    gguf_strings(g, "some.texts", 3, texts);
    gguf_strings(g, "no.texts", 0, texts);
    gguf_put_int(gguf_array(g, "some.bytes", GGUF_U8, 1), 200, 1);
    gguf_put_int(gguf_array(g, "some.longs", GGUF_I64, 1), 1ull << 40, 8);
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t)(5 + 20 * i);
        struct gguf_tensor *t;

        snprintf(key, sizeof key, "t%d", i);
        t = gguf_add(g, key, DTYPE_I8, data, n);
        t->dims = 1;
        t->ne[0] = n;
    }
    file = gguf_write(g, &size);
    write_file(inside("in.gguf"), file, size);
    if (open_file(&a, inside("in.gguf"))) {
        CHECK_INT(save_copy(&a, inside("out.gguf"), NULL, 0, 3), PITH_OK);
        if (open_file(&b, inside("out.gguf"))) {
            check_metas(&a.w, &b.w);
            check_tensors(&a.w, &b.w);
            close_file(&b);
        }
        close_file(&a);
    }
    free(file);
    gguf_free(g);
    unlink(inside("in.gguf"));
    unlink(inside("out.gguf"));
}

/* What the keys of a split say would be wrong of the one file. */
static void split_keys(void)
{
    struct gguf *g = gguf_new();
    struct opened a, b;
    uint8_t *file;
    size_t size;

    gguf_str(g, "general.name", "x");
    gguf_int(g, "split.no", GGUF_U16, 0);
    gguf_int(g, "split.count", GGUF_U16, 1);
    gguf_int(g, "split.tensors.count", GGUF_I32, 0);
    file = gguf_write(g, &size);
    write_file(inside("in.gguf"), file, size);
    if (open_file(&a, inside("in.gguf"))) {
        CHECK_INT(save_copy(&a, inside("out.gguf"), NULL, 0, 1), PITH_OK);
        if (open_file(&b, inside("out.gguf"))) {
            CHECK_INT(b.w.n_metas, 1);
            CHECK_INT(b.w.n_tensors, 0);
            close_file(&b);
        }
        close_file(&a);
    }
    free(file);
    gguf_free(g);
    unlink(inside("in.gguf"));
    unlink(inside("out.gguf"));
}

/* Too many bytes, too few, or none at all: an error, no file, and what was there stays. */
static void misuse(void)
{
    const char *path = inside("old.gguf");
    struct opened a;
    struct save s;
    uint8_t *old;
    size_t n;

    write_file(path, "GGUF old", 8);
    if (!open_file(&a, LLAMA))
        return;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(pi_save_begin(&s, path, &a.w, NULL, 0, a.w.tensors, a.w.n_tensors, &plain,
                                &err), PITH_OK);
        CHECK_INT(files_inside(), 2);
        if (i == 1)
            CHECK_INT(pi_save_bytes(&s, a.w.tensors[0].data, a.w.tensors[0].bytes + 1, &err),
                      PITH_E_STATE);
        if (i == 2)
            CHECK_INT(pi_save_bytes(&s, a.w.tensors[0].data, a.w.tensors[0].bytes, &err),
                      PITH_OK);
        CHECK_INT(pi_save_end(&s, &err), PITH_E_STATE);
        pi_save_cancel(&s);
        CHECK_INT(files_inside(), 1);
    }
    memset(&s, 0, sizeof s);
    pi_save_cancel(&s);
    close_file(&a);
    old = check_read(path, &n);
    CHECK(n == 8 && memcmp(old, "GGUF old", 8) == 0);
    free(old);
    unlink(path);
}

static void expect_io(const struct opened *a, const char *path, const char *part)
{
    err.text[0] = 0;
    CHECK_INT(save_copy(a, path, NULL, 0, 1 << 16), PITH_E_IO);
    CHECK_HAS(err.text, part);
    CHECK_HAS(err.text, path + (strlen(path) > 100 ? strlen(path) - 100 : 0));
}

static void bad_paths(void)
{
    char longest[400];
    struct opened a;

    if (!open_file(&a, LLAMA))
        return;
    expect_io(&a, inside("none/x.gguf"), "no such folder");
    write_file(inside("file"), "x", 1);
    expect_io(&a, inside("file/x.gguf"), "not a folder");
    unlink(inside("file"));
    expect_io(&a, scratch, "is a folder");
    CHECK_INT(mkfifo(inside("fifo"), 0600), 0);
    expect_io(&a, inside("fifo"), "not a regular file");
    unlink(inside("fifo"));
    snprintf(longest, sizeof longest, "%s/%0300d", scratch, 1);
    expect_io(&a, longest, "too long");
    CHECK_INT(files_inside(), 0);
    close_file(&a);
}

/* As root nothing is unwritable, so another user tries. */
static void unwritable_folder(void)
{
    bool root = geteuid() == 0;
    struct opened a;

    if (!open_file(&a, LLAMA))
        return;
    CHECK_INT(mkdir(inside("shut"), 0555), 0);
    CHECK_INT(chmod(scratch, 0755), 0);
    if (root)
        CHECK_INT(seteuid(65534), 0);
    expect_io(&a, inside("shut/x.gguf"), "permission denied");
    if (root)
        CHECK_INT(seteuid(0), 0);
    rmdir(inside("shut"));
    CHECK_INT(files_inside(), 0);
    close_file(&a);
}

/* A full disk: the limit on a file's size stops write() in the same places. */
static void full_disk(void)
{
    static const rlim_t limits[] = { 0, 100, 4096, 70000, 200001 };
    struct rlimit old, low;
    struct opened a;

    if (!open_file(&a, LLAMA))
        return;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (size_t i = 0; i < PI_COUNT(limits); i++) {
        int status;

        low = old;
        low.rlim_cur = limits[i];
        setrlimit(RLIMIT_FSIZE, &low);
        status = save_copy(&a, inside("full.gguf"), NULL, 0, 10000);
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK_INT(status, PITH_E_IO);
        CHECK_HAS(err.text, "full.gguf");
        CHECK_INT(files_inside(), 0);
    }
    signal(SIGXFSZ, SIG_DFL);
    if (access("/dev/full", W_OK) == 0)
        expect_io(&a, "/dev/full", "not a regular file");
    close_file(&a);
}

/* A link to a mapped file is found out. */
static void same_file(void)
{
    struct mapping a;

    write_file(inside("a"), "x", 1);
    write_file(inside("b"), "x", 1);
    CHECK_INT(symlink("a", inside("c")), 0);
    CHECK_INT(link(inside("a"), inside("d")), 0);
    CHECK_INT(pi_mmap_path(&a, inside("a"), &err), PITH_OK);
    CHECK(pi_mmap_is(&a, inside("a")));
    CHECK(pi_mmap_is(&a, inside("c")));
    CHECK(pi_mmap_is(&a, inside("d")));
    CHECK(!pi_mmap_is(&a, inside("b")));
    CHECK(!pi_mmap_is(&a, inside("none")));
    pi_mmap_close(&a);
    CHECK(!pi_mmap_is(&a, inside("a")));
    for (const char *name = "abcd"; *name; name++)
        unlink(inside((char[]){ *name, 0 }));
}

/* What is no GGUF file stays, unless it is empty. */
static void foreign_files(void)
{
    static const char *const old[] = { "GGU", "gguf", "{\"a\": 1}" };
    const char *path = inside("old");
    struct opened a;

    if (!open_file(&a, LLAMA))
        return;
    for (size_t i = 0; i < PI_COUNT(old); i++) {
        size_t n = strlen(old[i]), m = n;
        uint8_t *now;

        write_file(path, old[i], n);
        CHECK_INT(save_copy(&a, path, NULL, 0, 10000), PITH_E_ARGUMENT);
        CHECK_HAS(err.text, "old: is there already and no GGUF file");
        CHECK_INT(files_inside(), 1);
        now = check_read(path, &m);
        CHECK(m == n && memcmp(now, old[i], n) == 0);
        free(now);
    }
    write_file(path, "", 0);
    CHECK_INT(save_copy(&a, path, NULL, 0, 10000), PITH_OK);
    unlink(path);
    close_file(&a);
}

static void here(void)
{
    struct opened a;
    char *back = getcwd(NULL, 0);

    if (!open_file(&a, LLAMA))
        return;
    CHECK_INT(chdir(scratch), 0);
    CHECK_INT(save_copy(&a, "plain.gguf", NULL, 0, 1 << 20), PITH_OK);
    CHECK_INT(chdir(back), 0);
    CHECK_INT(files_inside(), 1);
    unlink(inside("plain.gguf"));
    close_file(&a);
    free(back);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    if (!scratch_make())
        return 1;
    RUN(round_trips);
    RUN(deterministic);
    RUN(edits);
    RUN(all_types);
    RUN(split_keys);
    RUN(misuse);
    RUN(bad_paths);
    RUN(unwritable_folder);
    RUN(full_disk);
    RUN(same_file);
    RUN(foreign_files);
    RUN(here);
    rmdir(scratch);
    return CHECK_END();
}
