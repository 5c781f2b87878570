/* texts.h - the random texts of the golden files, as tests/golden/texts.py makes them.
 */
#ifndef TEXTS_H
#define TEXTS_H

#include "base/str.h"
#include "golden/texts.h"

struct texts {
    uint64_t state;
    char text[8192]; /* the current text: at most 20 atoms of at most 72 bytes and a space */
    size_t n;
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

static inline uint64_t texts_hash(uint64_t h, uint32_t value)
{
    for (int k = 0; k < 4; k++)
        h = (h ^ (value >> 8 * k & 255)) * 0x100000001b3u;
    return h;
}

#define TEXTS_HASH 0xcbf29ce484222325u /* start of each group; a list ends with TEXTS_END */
#define TEXTS_END 0xffffffffu

#endif
