/* path.c - what is no file, or none that can be read: each is refused with the right status and a
 * text that names it, quickly, and leaves neither descriptor nor mapping behind.
 */
#include "hostile.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LLAMA "tests/golden/llama.gguf"

static char folder[64], path[160];

static const char *in_folder(const char *name)
{
    if (!*folder) {
        strcpy(folder, "/tmp/pith-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");

    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
}

static bool is_mapped(const char *name)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    bool found = false;

    while (f && fgets(line, sizeof line, f))
        found |= strstr(line, name) != NULL;
    if (f)
        fclose(f);
    return found;
}

/* Fails so within 100 ms, and keeps neither descriptor nor mapping. */
static void refuse_path(const char *name, int32_t expected, const char *parts)
{
    pith_model *m = NULL;
    pith_error e = { 0 };
    int before = dup(0), after;
    int32_t status;

    close(before);
    alarm(10);
    status = pith_model_open(&m, name, -1, NULL, &e);
    alarm(0);
    if (status != expected || !has_one_of(e.text, parts))
        CHECK_FAIL("%s gives %s: \"%s\", expected %s about %s", name, pith_status_name(status),
                   e.text, pith_status_name(expected), parts);
    CHECK(status == PITH_OK || m == NULL);
    pith_model_release(m);
    after = dup(0);
    close(after);
    CHECK_INT(after, before);
    CHECK(!is_mapped(name));
}

static void things_that_are_no_file(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    refuse_path(in_folder("missing.gguf"), PITH_E_IO, "no such file");
    refuse_path(folder, PITH_E_IO, "directory");
    refuse_path("/dev/null", PITH_E_IO, "not a regular file");
    refuse_path("/dev/zero", PITH_E_IO, "not a regular file");
    CHECK_INT(mkfifo(in_folder("fifo"), 0600), 0);
    refuse_path(path, PITH_E_IO, "not a regular file");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", in_folder("socket"));
    CHECK_INT(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    refuse_path(path, PITH_E_IO, "not a regular file");
    close(s);
    CHECK_INT(symlink("loop", in_folder("loop")), 0);
    refuse_path(path, PITH_E_IO, "symbolic links");
    write_bytes("empty", "", 0);
    refuse_path(path, PITH_E_FORMAT, "empty");
    refuse_path(in_folder("empty/within"), PITH_E_IO, "not a directory");
    refuse_path(in_folder("\xFF\xFE\x1B[2J"), PITH_E_IO, "???[2J");
    refuse_path("/proc/self/status", PITH_E_FORMAT, "empty");
}

static void paths_that_are_none(void)
{
    char *name = malloc(100001);
    pith_model *m;
    pith_error e;

    memset(name, 'a', 100000);
    name[100000] = 0;
    refuse_path(name, PITH_E_IO, "too long");
    free(name);
    CHECK_INT(pith_model_open(&m, "", 0, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open(&m, "a\0b", 3, NULL, &e), PITH_E_ARGUMENT);
    CHECK_HAS(e.text, "path");
    CHECK_INT(pith_model_open(&m, NULL, -1, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open(NULL, LLAMA, -1, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open(&m, "tests/golden/llama.gguf and more", 23, NULL, &e), PITH_OK);
    pith_model_release(m);
}

static void an_unreadable_file(void)
{
    if (geteuid() == 0)
        SKIP("root reads everything");
    write_bytes("secret", "GGUF", 4);
    CHECK_INT(chmod(path, 0), 0);
    refuse_path(path, PITH_E_IO, "permission denied");
}

static void descriptors(void)
{
    pith_model *m = NULL;
    pith_error e = { 0 };
    int fd = open(LLAMA, O_RDONLY), tube[2];

    CHECK_INT(pith_model_open_fd(&m, fd, 0, 0, NULL, &e), PITH_OK);
    pith_model_release(m);
    CHECK_INT(pith_model_open_fd(&m, fd, (int64_t)1 << 40, 0, NULL, &e), PITH_E_ARGUMENT);
    CHECK_HAS(e.text, "beyond");
    CHECK_INT(pith_model_open_fd(&m, fd, 0, (int64_t)1 << 40, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open_fd(&m, fd, 5, INT64_MAX, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open_fd(&m, fd, INT64_MAX, INT64_MAX, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open_fd(&m, fd, -1, 0, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open_fd(&m, fd, 0, -1, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_model_open_fd(&m, fd, 1, 0, NULL, &e), PITH_E_FORMAT);
    CHECK_HAS(e.text, "not a GGUF file");
    CHECK_INT(pith_model_open_fd(&m, fd, 0, 1000, NULL, &e), PITH_E_FORMAT);
    CHECK_INT(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    CHECK_INT(pith_model_open_fd(&m, fd, 0, 0, NULL, &e), PITH_E_IO);
    CHECK_HAS(e.text, "descriptor");
    CHECK_INT(pipe(tube), 0);
    CHECK_INT(pith_model_open_fd(&m, tube[0], 0, 0, NULL, &e), PITH_E_IO);
    CHECK(m == NULL);
    close(tube[0]);
    close(tube[1]);
}

/* A tensor that lies behind 4 GiB is read where it is. */
static void offsets_beyond_32_bits(void)
{
    struct gguf *g = tiny_model(&tiny_llama);
    struct gguf_tensor *t = gguf_find(g, "output_norm.weight");
    uint64_t far = ((uint64_t)5 << 30) + 32, start;
    uint8_t *file, norm[32];
    pith_model *m = NULL;
    pith_error e = { 0 };
    size_t n;
    int fd;

    memcpy(norm, t->data.at, sizeof norm);
    t->data.n = 0;
    t->offset = far;
    file = gguf_write(g, &n);
    start = n;
    for (size_t i = 0; i < g->tensors_n; i++)
        start -= (g->tensors[i].data.n + 31) / 32 * 32;
    fd = open(in_folder("sparse"), O_RDWR | O_CREAT, 0600);
    CHECK(write(fd, file, n) == (ssize_t)n);
    if (pwrite(fd, norm, sizeof norm, (off_t)(start + far)) != sizeof norm) {
        close(fd);
        unlink(path);
        free(file);
        gguf_free(g);
        SKIP("no room for a sparse file of 5 GiB");
    }
    CHECK_INT(pith_model_open(&m, path, -1, NULL, &e), PITH_OK);
    CHECK_STR(e.text, "");
    CHECK_INT(pith_model_verify(m, &e), PITH_OK);
    pith_model_release(m);
    CHECK_INT(ftruncate(fd, (off_t)(start + far) + 31), 0);
    refuse_path(path, PITH_E_FORMAT, "output_norm.weight");
    close(fd);
    unlink(path);
    free(file);
    gguf_free(g);
}

static void clean_up(void)
{
    static const char *const names[] = { "fifo", "socket", "loop", "empty", "secret" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    CHECK_INT(rmdir(folder), 0);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(things_that_are_no_file);
    RUN(paths_that_are_none);
    RUN(an_unreadable_file);
    RUN(descriptors);
    RUN(offsets_beyond_32_bits);
    RUN(clean_up);
    return CHECK_END();
}
