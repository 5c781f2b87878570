/* split.c - every form of pre-tokenizer against the expression it stands for (golden/split.py).
 */
#include "text/presplit.h"

#include "check.h"
#include "golden/split.h"
#include "texts.h"

/* The lengths of the pieces that a rule, or else a list of expressions, cuts. */
static uint64_t hash_pieces(uint64_t h, const struct split_rule *rule, const struct presplitter *p,
                            struct presplit_scratch *scratch, struct str text)
{
    const struct word_list *words;
    struct split_walk walk;
    struct str piece;

    if (rule) {
        walk = pi_split_start(rule, text);
        while (pi_split_next(&walk, &piece))
            h = texts_hash(h, (uint32_t)piece.n);
        return texts_hash(h, TEXTS_END);
    }
    CHECK_INT(pi_presplit(p, scratch, text, true, &words, NULL), PITH_OK);
    for (size_t i = 0; i < words->n; i++)
        h = texts_hash(h, (uint32_t)(words->ends[i] - (i ? words->ends[i - 1] : 0)));
    return texts_hash(h, TEXTS_END);
}

static void open_list(struct presplitter *p, struct arena *arena, const struct split_list *list)
{
    static struct presplit_step steps[8];
    pith_error e = { 0 };

    memset(steps, 0, sizeof steps);
    *p = (struct presplitter){ .steps = steps };
    for (; list && list->expressions[p->n]; p->n++)
        if (pi_regex_open(&steps[p->n].regex, arena, pi_str(list->expressions[p->n]), &e))
            CHECK_FAIL("%s", e.text);
}

static void against_expressions(void)
{
    struct allocator none = { .alloc = NULL };
    struct presplit_scratch scratch = {
        .lists = { { .text = { .allocator = &none } }, { .text = { .allocator = &none } } },
        .run = { .allocator = &none } };
    struct arena arena;

    pi_arena_init(&arena, &none);
    for (size_t i = 0; i < PI_COUNT(golden_split); i++) {
        struct str name = pi_str(golden_split[i].name);
        const struct split_rule *rule = pi_split_find(name);
        struct texts texts = { .state = TEXTS_SEED ^ 1 };
        struct presplitter p;
        uint64_t h = TEXTS_HASH;

        CHECK((rule != NULL) != (pi_split_find_list(name) != NULL));
        open_list(&p, &arena, pi_split_find_list(name));
        for (int k = 0; k < texts_mixed_count(); k++) {
            h = hash_pieces(h, rule, &p, &scratch, texts_next_mixed(&texts));
            if ((k + 1) % MIXED_GROUP == 0) {
                if (h != golden_split[i].hash[k / MIXED_GROUP])
                    CHECK_FAIL("%s: texts %d to %d are cut otherwise", golden_split[i].name,
                               k + 1 - MIXED_GROUP, k);
                h = TEXTS_HASH;
            }
        }
    }
    pi_presplit_free(&scratch);
    pi_arena_free(&arena);
}

/* Any bytes: pieces are not empty and cover the text. */
static void covers(void)
{
    static const char odd[] = "\r\n /'sLl5\t\xC3\xA9\xE4\xB8\xAD\xCC\x81\xF0\xFF";
    char bytes[64];
    uint64_t seed = 7;

    for (int k = 0; k < 20000; k++) {
        const struct split_rule *rule =
            pi_split_find(pi_str(golden_split[(size_t)k % 7].name)); /* those with scanners */
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
