/* folder_make.h - Hugging Face folders for tests: a copy of a small sound one, parts of which are
 * replaced.
 */
#ifndef FOLDER_MAKE_H
#define FOLDER_MAKE_H

#include "hostile.h"

#include <dirent.h>
#include <sys/stat.h>

#define SOUND "tests/golden/tiny/llama"

static char folder[64], path[400];

static inline const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline void put(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(at(name), "wb");

    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
}

static inline void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static inline void clear_folder(void)
{
    DIR *dir = *folder ? opendir(folder) : NULL;
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlink(at(entry->d_name));
    if (dir)
        closedir(dir);
}

static inline void copy_in(const char *from, const char *name)
{
    size_t n;
    unsigned char *data = check_read(from, &n);

    CHECK(data != NULL);
    put(name, data, n);
    free(data);
}

/* A fresh folder with the sound model in it. */
static inline void fresh_folder(void)
{
    if (!*folder) {
        strcpy(folder, "/tmp/pith-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    clear_folder();
    copy_in(SOUND "/config.json", "config.json");
    copy_in(SOUND "/model.safetensors", "model.safetensors");
}

static inline pith_model *open_folder(int32_t expected, const char *parts)
{
    pith_model *m = NULL;
    pith_error e = { 0 };
    int32_t status;

    alarm(10);
    status = pith_model_open(&m, folder, -1, NULL, &e);
    alarm(0);
    if (status != expected || (parts && !has_one_of(e.text, parts)))
        CHECK_FAIL("%s: \"%s\", expected %s about %s", pith_status_name(status), e.text,
                   pith_status_name(expected), parts ? parts : "nothing");
    return m;
}

static inline void refuse_folder(int32_t expected, const char *parts)
{
    pith_model_release(open_folder(expected, parts));
}

static inline void open_sound(void)
{
    pith_model_release(open_folder(PITH_OK, NULL));
}

/* The file with that header and n zero bytes of data. */
static inline void put_safetensors(const char *name, const char *header, size_t n)
{
    size_t length = strlen(header);
    uint8_t *file = calloc(8 + length + n, 1);

    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(length >> 8 * i);
    memcpy(file + 8, header, length);
    put(name, file, 8 + length + n);
    free(file);
}

/* config.json with one text in place of another. */
static inline void put_config(const char *from, const char *to)
{
    size_t n;
    char *config = (char *)check_read(SOUND "/config.json", &n), *text = malloc(n + 4096);
    char *found = strstr(config, from);

    CHECK(found != NULL);
    if (found)
        sprintf(text, "%.*s%s%s", (int)(found - config), config, to, found + strlen(from));
    put_text("config.json", text);
    free(config);
    free(text);
}

static inline void remove_folder(void)
{
    clear_folder();
    if (*folder)
        rmdir(folder);
}

#endif
