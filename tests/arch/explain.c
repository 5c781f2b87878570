/* explain.c - the linked programs of a few families, as text, against tests/golden/FAMILY.explain.
 *
 * The text is read by people when it changes: `explain --write` makes it anew.
 */
#include "check.h"
#include "pith.h"

static bool writing;

static char *explain(const char *path)
{
    pith_model *model;
    pith_error err = { 0 };
    int64_t length;
    char *text = NULL;

    if (pith_model_open(&model, path, -1, NULL, &err) != PITH_OK) {
        CHECK_FAIL("%s: %s", path, err.text);
        return NULL;
    }
    if (pith_model_explain(model, NULL, 0, &length, &err) == PITH_OK) {
        text = malloc((size_t)length + 1);
        CHECK_INT(pith_model_explain(model, text, length + 1, &length, &err), PITH_OK);
        CHECK_INT(strlen(text), length);
    }
    pith_model_release(model);
    return text;
}

static void families(void)
{
    static const char *const names[] = { "llama", "qwen2", "qwen3", "gpt2" };

    for (int i = 0; i < 4; i++) {
        char path[256], golden[256];
        char *text, *expected;
        size_t size;

        snprintf(path, sizeof path, "tests/golden/%s.gguf", names[i]);
        snprintf(golden, sizeof golden, "tests/golden/%s.explain", names[i]);
        text = explain(path);
        if (text && writing) {
            FILE *f = fopen(golden, "wb");

            fputs(text, f);
            fclose(f);
        }
        expected = (char *)check_read(golden, &size);
        if (!expected)
            CHECK_FAIL("%s is missing", golden);
        else if (text)
            CHECK_STR(text, expected);
        free(text);
        free(expected);
    }
}

/* A text that does not fit is cut, terminated, and its whole length told. */
static void cut(void)
{
    pith_model *model;
    char text[32];
    int64_t length;

    memset(text, 'x', sizeof text);
    CHECK_INT(pith_model_open(&model, "tests/golden/llama.gguf", -1, NULL, NULL), PITH_OK);
    CHECK_INT(pith_model_explain(model, text, 16, &length, NULL), PITH_OK);
    CHECK(length > 100);
    CHECK_INT(text[15], 0);
    CHECK_INT(text[16], 'x');
    pith_model_release(model);
}

int main(int argc, char **argv)
{
    writing = argc > 1 && strcmp(argv[1], "--write") == 0;
    if (!writing)
        CHECK_START(argc, argv);
    RUN(families);
    RUN(cut);
    return CHECK_END();
}
