/* split.c - every form of pre-tokenizer against the expression it stands for (golden/split.py).
 */
#include "text/split.h"

#include "check.h"
#include "golden/split.h"
#include "texts.h"

static void against_expressions(void)
{
    for (size_t i = 0; i < PI_COUNT(golden_split); i++) {
        const struct split_rule *rule = pi_split_find(pi_str(golden_split[i].name));
        struct texts texts = { .state = TEXTS_SEED };
        uint64_t h = TEXTS_HASH;

        CHECK(rule != NULL);
        for (int k = 0; rule && k < TEXTS_COUNT; k++) {
            struct split_walk walk = pi_split_start(rule, texts_next(&texts));
            struct str piece;

            while (pi_split_next(&walk, &piece))
                h = texts_hash(h, (uint32_t)piece.n);
            h = texts_hash(h, TEXTS_END);
            if ((k + 1) % TEXTS_GROUP == 0) {
                if (h != golden_split[i].hash[k / TEXTS_GROUP])
                    CHECK_FAIL("%s: texts %d to %d are cut otherwise", golden_split[i].name,
                               k + 1 - TEXTS_GROUP, k);
                h = TEXTS_HASH;
            }
        }
    }
}

/* Any bytes: pieces are not empty and cover the text. */
static void covers(void)
{
    static const char odd[] = "\r\n /'sLl5\t\xC3\xA9\xE4\xB8\xAD\xCC\x81\xF0\xFF";
    char bytes[64];
    uint64_t seed = 7;

    for (int k = 0; k < 20000; k++) {
        const struct split_rule *rule =
            pi_split_find(pi_str(golden_split[(size_t)k % PI_COUNT(golden_split)].name));
        size_t n = check_random(&seed) % sizeof bytes, covered = 0;
        struct split_walk walk;
        struct str piece;

        for (size_t i = 0; i < n; i++)
            bytes[i] = odd[check_random(&seed) % (sizeof odd - 1)];
        walk = pi_split_start(rule, (struct str){ bytes, n });
        while (covered <= n && pi_split_next(&walk, &piece)) {
            CHECK(piece.n > 0 && piece.at == bytes + covered);
            covered += piece.n;
        }
        CHECK_INT(covered, n);
    }
}

static void unknown_names(void)
{
    CHECK(pi_split_find(STR("gpt-2")) != NULL);
    CHECK(pi_split_find(STR("gpt-")) == NULL);
    CHECK(pi_split_find(STR("")) == NULL);
    CHECK(pi_split_find(STR("gpt-22")) == NULL);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(against_expressions);
    RUN(covers);
    RUN(unknown_names);
    return CHECK_END();
}
