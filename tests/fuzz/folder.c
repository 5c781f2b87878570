/* folder.c - the bytes are the files of a Hugging Face folder, config.json, tokenizer.json and
 * model.safetensors with NUL between them: open it, and if it opens, do everything with it.
 */
#include "use.h"

#include <unistd.h>

static const char *const names[] = { "config.json", "tokenizer.json", "model.safetensors" };

enum { FILES = sizeof names / sizeof *names };

static char folder[64];

static void path_of(char path[96], int file)
{
    snprintf(path, 96, "%s/%s", folder, names[file]);
}

static void remove_files(void)
{
    char path[96];

    for (int i = 0; i < FILES; i++) {
        path_of(path, i);
        unlink(path);
    }
    rmdir(folder);
}

/* One folder for each process, in memory where that is possible. */
static void make_folder(void)
{
    static long owner;

    if (owner == (long)getpid())
        return;
    owner = (long)getpid();
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX" : "/tmp/fuzz-XXXXXX");
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    atexit(remove_files);
}

/* An empty text in JSON's place is no file at all. */
static void put_file(int file, const uint8_t *data, size_t size)
{
    char path[96];
    FILE *f;

    path_of(path, file);
    unlink(path);
    if (size == 0 && file + 1 < FILES)
        return;
    f = fopen(path, "wb");
    FUZZ_CHECK(f && fwrite(data, 1, size, f) == size);
    fclose(f);
}

FUZZ_TARGET(folder)
{
    struct fuzz_memory memory = { 0 };
    pith_options *o = options_of(size ? data[size - 1] : 0, &memory);
    const uint8_t *at = data, *end = data + size;
    pith_model *m;
    pith_error e = { 0 };
    int32_t status;

    make_folder();
    for (int i = 0; i < FILES; i++) {
        const uint8_t *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
        const uint8_t *last = nul && i + 1 < FILES ? nul : end;

        put_file(i, at, (size_t)(last - at));
        at = last < end ? last + 1 : end;
    }
    status = pith_model_open(&m, folder, -1, o, &e);
    FUZZ_CHECK(memory.peak <= (int64_t)size * 64 + (1 << 20));
    if (status != PITH_OK)
        FUZZ_CHECK(!m && memory.live == 0);
    fuzz_status(status, &e);
    if (m)
        use_model(m, o);
    FUZZ_CHECK(memory.live == 0);
    pith_options_release(o);
    return 0;
}
