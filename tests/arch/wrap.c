/* wrap.c - what a text_config leaves out is what transformers takes for it (tests/golden/usual.py
 * asked it), the text parts of all known models of several parts are known, and what contradicts
 * the tensors of one is refused by name.
 */
#include "arch/arch.h"
#include "base/expr.h"
#include "check.h"
#include "golden.h"
#include "pith.h"

#include <sys/stat.h>

static bool no_names(const void *env, struct str name, double *out)
{
    (void)env;
    (void)name;
    (void)out;
    return false;
}

/* `"llama": {"ctx": 2048.0, ...}`: every number, there and here. */
static int compare_numbers(struct str name, const char *at)
{
    int n = 0;

    for (at = strchr(at, '"'); at; at = strpbrk(at, "\"}")) {
        char key[32] = { 0 };
        size_t length = strcspn(at + 1, "\"");
        struct str text;
        double value = 0;

        if (*at == '}')
            break;
        memcpy(key, at + 1, length < 31 ? length : 31);
        at = strchr(at, ':');
        text = pi_arch_usual(name, key);
        if (pi_expr(text, no_names, NULL, &value, NULL) != PITH_OK)
            CHECK_FAIL("%.*s: %s is not known", (int)name.n, name.at, key);
        else if (value != strtod(at + 1, NULL))
            CHECK_FAIL("%.*s: %s is %g, expected %.10s", (int)name.n, name.at, key, value, at + 1);
        n++;
    }
    return n;
}

static void usual_numbers(void)
{
    size_t size;
    char *json = (char *)check_read("tests/golden/usual.json", &size);
    int families = 0, numbers = 0;

    CHECK(json != NULL);
    if (json) { /* lines end with two bytes, the last one too */
        json = realloc(json, size + 2);
        memset(json + size, 0, 2);
    }
    for (char *line = json ? strchr(json, '\n') : NULL; line; line = strchr(line + 1, '\n')) {
        size_t n = strcspn(line + 2, "\"");

        if (line[1] != '"')
            continue;
        CHECK(pi_arch_find((struct str){ line + 2, n }, true) != NULL);
        numbers += compare_numbers((struct str){ line + 2, n }, strchr(line, '{'));
        families++;
    }
    CHECK(families >= 15 && numbers >= 8 * families);
    CHECK_INT(pi_arch_usual(STR("llama"), "nothing").n, 0);
    CHECK_INT(pi_arch_usual(STR("nobody"), "ctx").n, 0);
    free(json);
}

static void text_parts(void)
{
    static const char *const names[] = { "llava", "gemma3", "gemma4", "mistral3", "qwen2_vl",
                                         "qwen3_5_moe", "idefics3", "qwen2_audio", "voxtral" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct wrapper *w = pi_arch_wrapper(pi_str(names[i]));

        if (!w || !pi_arch_find(pi_str(w->text), true))
            CHECK_FAIL("%s or its text part is not known", names[i]);
    }
    CHECK(!pi_arch_wrapper(STR("paligemma")));
    CHECK(!pi_arch_wrapper(STR("llama")));
}

/* Names in config.json under which models are Llama, or as good as. */
static void other_names(void)
{
    static const char *const names[] = { "mistral", "mixtral", "yi", "Yi", "aquila", "internlm",
                                         "internlm3", "xverse", "ministral", "cwm", "deepseek" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!pi_arch_find(pi_str(names[i]), true))
            CHECK_FAIL("%s is not known", names[i]);
    CHECK(!pi_arch_find(STR("llama|xverse"), false));
    CHECK(pi_arch_find(STR("xverse"), false) == pi_arch_find(STR("llama"), false));
}

/* ---- folders that contradict themselves ---- */

#define SOUND "tests/golden/tiny/gemma3-vision"

static char folder[64], path[128];

static const char *inside(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *data, size_t n)
{
    FILE *f = fopen(inside(name), "wb");

    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
}

/* Opens the sound folder with `from` replaced by `to` in its config.json, or of equal length in
 * its tensors' names. */
static void refused(const char *file, const char *from, const char *to, int32_t expected,
                    const char *text)
{
    static const char *const files[] = { "config.json", "model.safetensors" };
    pith_model *m = NULL;
    pith_error e = { 0 };

    for (int i = 0; i < 2; i++) {
        char source[128], *data, *out, *at = NULL;
        size_t n, shift = strlen(from), more = strlen(to);

        snprintf(source, sizeof source, SOUND "/%s", files[i]);
        data = (char *)check_read(source, &n);
        CHECK(data != NULL);
        if (!data)
            return;
        for (size_t k = 0; strcmp(files[i], file) == 0 && k + shift <= n && !at; k++)
            at = memcmp(data + k, from, shift) == 0 ? data + k : NULL;
        CHECK((at != NULL) == (strcmp(files[i], file) == 0));
        out = malloc(n + more + 1);
        memcpy(out, data, at ? (size_t)(at - data) : n);
        if (at) {
            memcpy(out + (at - data), to, more);
            memcpy(out + (at - data) + more, at + shift, n - (size_t)(at - data) - shift);
            n = n - shift + more;
        }
        put(files[i], out, n);
        free(data);
        free(out);
    }
    CHECK_INT(pith_model_open(&m, folder, -1, NULL, &e), expected);
    if (expected != PITH_OK && !strstr(e.text, text))
        CHECK_FAIL("\"%s\" says nothing about %s", e.text, text);
    pith_model_release(m);
}

static void contradictions(void)
{
    strcpy(folder, "/tmp/pith-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    refused("config.json", "\"gemma3\"", "\"gemma3\"", PITH_OK, "");
    refused("config.json", "\"hidden_size\": 24", "\"hidden_size\": 48", PITH_E_FORMAT,
            "embed_tokens.weight is [128,24], expected vocab,dim = [128,48]");
    refused("config.json", "\"hidden_size\": 24,", "", PITH_E_FORMAT, "= [128,2304]");
    refused("config.json", "\"num_hidden_layers\": 7", "\"num_hidden_layers\": 8", PITH_E_FORMAT,
            "tensor layers.7.input_layernorm.weight is missing");
    refused("config.json", "\"num_hidden_layers\": 7", "\"num_hidden_layers\": 6", PITH_E_FORMAT,
            "but gemma3_text has no use for it");
    refused("config.json", "\"gemma3\"", "\"paligemma\"", PITH_E_UNSUPPORTED,
            "architecture paligemma is not supported");
    refused("config.json", "\"gemma3_text\"", "\"pony\"", PITH_E_UNSUPPORTED,
            "architecture pony, the text part of gemma3, is not supported");
    refused("model.safetensors", "vision_tower.", "vision_power.", PITH_E_FORMAT,
            "tensor vision_power.");
    refused("model.safetensors", "language_model.model.norm", "language_model.model.morn",
            PITH_E_FORMAT, "norm.weight is missing");
    unlink(inside("config.json"));
    unlink(inside("model.safetensors"));
    rmdir(folder);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(usual_numbers);
    RUN(text_parts);
    RUN(other_names);
    RUN(contradictions);
    return CHECK_END();
}
