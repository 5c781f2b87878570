/* tiny.c - a tiny random model of every architecture (tests/golden/tiny.py made them), from GGUF
 * and from the Hugging Face folder, against what transformers computes with the same weights:
 * logits in every tier, whole prompts, pieces and single tokens, and a greedy continuation.
 *
 *     build/tests/session/tiny NAME...     only these
 */
#include "tiny_run.h"

static const char *current;

static void from_gguf(void)
{
    char path[256], golden[256];
    size_t size;
    char *json;

    snprintf(path, sizeof path, FOLDER "/%s/model.gguf", current);
    snprintf(golden, sizeof golden, FOLDER "/%s/golden.json", current);
    json = (char *)check_read(golden, &size);
    if (!json)
        CHECK_FAIL("%s is missing", golden);
    else if (access(path, R_OK) == 0)
        check_tiers(path, json, 0, TIERS);
    free(json);
}

static void from_folder(void)
{
    char path[256], golden[256];
    size_t size;
    char *json;

    snprintf(path, sizeof path, FOLDER "/%s", current);
    snprintf(golden, sizeof golden, FOLDER "/%s/golden.json", current);
    json = (char *)check_read(golden, &size);
    if (json)
        check_tiers(path, json, 0, TIERS);
    free(json);
}

int main(int argc, char **argv)
{
    int n = list_models();

    CHECK_START(argc, argv);
    for (int i = 0; i < n; i++) {
        char test[NAME_BYTES + 16];

        current = names[i];
        snprintf(test, sizeof test, "gguf %.*s", NAME_BYTES, current);
        check_run(test, from_gguf);
        snprintf(test, sizeof test, "folder %.*s", NAME_BYTES, current);
        check_run(test, from_folder);
    }
    return CHECK_END();
}
