/* tiny.c - a tiny random model of every architecture (tests/golden/tiny.py made them), from GGUF
 * and from the Hugging Face folder, against what transformers computes with the same weights:
 * logits in every tier, whole prompts, pieces and single tokens, and a greedy continuation. And a
 * prompt of many tokens against the same in pieces.
 *
 *     build/tests/session/tiny NAME...     only these
 */
#include "tiny_run.h"

enum { LONG = 200 };

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

/* Logits behind the first n tokens of some prompt, read `piece` at a time. */
static bool long_logits(struct runner *r, int64_t n, int64_t piece, float *to)
{
    int32_t ids[LONG];

    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)(3 + i * 7919 % (r->vocabulary - 3));
    pith_session_rewind(r->session, 0, NULL);
    if (!feed_pieces(r, ids, n, piece))
        return false;
    memcpy(to, last_logits(r), (size_t)r->vocabulary * sizeof *to);
    return true;
}

/* Many tokens at once go through rows of several steps together; fewer do not. */
static void compare_long(const char *path, const char *precision, double tolerance)
{
    struct runner r;
    float *together, *apart;
    double worst = 0, largest = 0;
    int64_t n;

    if (!open_as(&r, path, 255, precision, 1))
        return;
    together = calloc((size_t)r.vocabulary, sizeof *together);
    apart = calloc((size_t)r.vocabulary, sizeof *apart);
    n = pith_session_capacity(r.session);
    n = n < LONG ? n : LONG;
    if (n >= 128 && long_logits(&r, n, n, together) && long_logits(&r, n, 50, apart))
        for (int64_t i = 0; i < r.vocabulary; i++) {
            double d = fabs((double)together[i] - apart[i]);

            worst = d > worst || d != d ? d : worst;
            largest = fmax(largest, fabs((double)apart[i]));
        }
    if (!(worst <= tolerance * largest))
        CHECK_FAIL("%s, %s: %lld tokens at once differ by %g of %g", path, precision,
                   (long long)n, worst, largest);
    free(together);
    free(apart);
    close_tiny(&r);
}

static void long_prompt(void)
{
    char path[256];

    snprintf(path, sizeof path, FOLDER "/%s/model.gguf", current);
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof path, FOLDER "/%s", current);
    compare_long(path, "exact", 1e-4);
    compare_long(path, "fast", 0.02);
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
        snprintf(test, sizeof test, "long %.*s", NAME_BYTES, current);
        check_run(test, long_prompt);
    }
    return CHECK_END();
}
