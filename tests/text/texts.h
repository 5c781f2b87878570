/* texts.h - the random texts of the golden files, as tests/golden/texts.py makes them.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include "base/str.h"
#include "golden/texts.h"

struct texts {
    uint64_t state;
    char text[8192]; /* the current text: at most 26 atoms of at most 72 bytes and a space */
    size_t n;
    int made;        /* mixed texts so far */
};

static inline uint64_t texts_below(struct texts *t, uint64_t n)
{
    return (check_random(&t->state) >> 33) % n;
}

static inline void texts_add(struct texts *t, const char *z)
{
    size_t n = strlen(z);

    memcpy(t->text + t->n, z, n);
    t->n += n;
}

static inline void texts_run(struct texts *t, uint32_t first, uint32_t count, uint64_t most)
{
    uint64_t n = 1 + texts_below(t, most);

    while (n--)
        t->n += (size_t)pi_utf8_put(first + (uint32_t)texts_below(t, count), t->text + t->n);
}

static inline void texts_atom(struct texts *t)
{
    uint64_t kind = texts_below(t, 16), i;

    if (kind < 5) {
        texts_add(t, texts_words[texts_below(t, PI_COUNT(texts_words))]);
    } else if (kind == 5) {
        texts_run(t, 'a', 26, 9);
    } else if (kind == 6) {
        texts_run(t, 'A', 26, 5);
    } else if (kind == 7) {
        texts_run(t, '0', 10, 7);
    } else if (kind == 8) {
        texts_add(t, texts_endings[texts_below(t, PI_COUNT(texts_endings))]);
    } else if (kind < 11) {
        texts_add(t, texts_spaces[texts_below(t, PI_COUNT(texts_spaces))]);
    } else {
        i = texts_below(t, PI_COUNT(texts_ranges));
        texts_run(t, texts_ranges[i][0], texts_ranges[i][1], 4);
    }
}

/* Start with { .state = TEXTS_SEED }; each call makes the next text. */
static inline struct str texts_next(struct texts *t)
{
    uint64_t n = 1 + texts_below(t, 20);

    for (t->n = 0; n; n--) {
        texts_atom(t);
        if (texts_below(t, 2))
            t->text[t->n++] = ' ';
    }
    return (struct str){ t->text, t->n };
}

/* Start with { .state = TEXTS_SEED ^ 1 }: every fourth with any script in it, every fourth
 * broken. */
static inline struct str texts_next_mixed(struct texts *t)
{
    struct str text = texts_next(t);
    uint64_t runs = t->made % 4 == 1 ? 1 + texts_below(t, 6) : 0, i;

    while (runs--) {
        i = texts_below(t, PI_COUNT(texts_scripts));
        texts_run(t, texts_scripts[i][0], texts_scripts[i][1], 4);
    }
    for (size_t k = 0; t->made % 4 == 3 && k < t->n; k++)
        if (texts_below(t, 8) == 0) {
            i = texts_below(t, 140);
            t->text[k] = (char)(i < 128 ? i : i + (i < 130 ? 64 : 115));
        }
    t->made++;
    return (struct str){ text.at, t->n };
}

/* How many of the mixed texts a test goes through: all with SOAK in the environment. */
static inline int texts_mixed_count(void)
{
    return getenv("SOAK") ? MIXED_COUNT : 3 * MIXED_GROUP;
}

static inline uint64_t texts_hash(uint64_t h, uint32_t value)
{
    for (int k = 0; k < 4; k++)
        h = (h ^ (value >> 8 * k & 255)) * 0x100000001b3u;
    return h;
}

#define TEXTS_HASH 0xcbf29ce484222325u /* start of each group; a list ends with TEXTS_END */
#define TEXTS_END 0xffffffffu

#endif
