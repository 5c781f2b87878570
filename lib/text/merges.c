/* merges.c - see merges.h. A large vocabulary has hundreds of thousands of merges, and each looks
 * up three pieces and a pair: they go through in batches, so that opening does not wait for
 * memory at every step.
 */
#include "merges.h"

enum { BATCH = MAP_BATCH / 2 }; /* two pieces each */

struct merge_reader {
    struct merges *merges;
    const struct vocab *vocab;
    struct str prefix;
    bool first;              /* of equal pairs the first counts, not the last */
    char *text;              /* room for the longest piece */
    int32_t last;            /* result of the merge before */
    uint32_t rank;           /* of the batch's first */
    size_t n;                /* in the batch */
    struct str pieces[MAP_BATCH]; /* left, right, left ... */
    pith_error *err;
};

/* The token spelled left and then right, or -1. Most vocabularies list the results of merges in
 * the order of the merges, so the token behind the last result is tried first. */
static int32_t find_joined(struct merge_reader *r, struct str left, struct str right)
{
    const struct vocab *v = r->vocab;
    int32_t guess = r->last + 1;
    size_t n;

    if (right.n >= r->prefix.n) { /* by its length alone */
        right.at += r->prefix.n;
        right.n -= r->prefix.n;
    }
    n = left.n + right.n;
    if (n > v->longest)
        return -1;
    memcpy(r->text, left.at, left.n);
    memcpy(r->text + left.n, right.at, right.n);
    if (guess < v->n && !v->duplicates &&
        pi_str_equal(v->pieces[guess], (struct str){ r->text, n }))
        return guess;
    return pi_vocab_find(v, (struct str){ r->text, n });
}

static int no_token(const struct merge_reader *r, size_t i, const char *which)
{
    struct str left = r->pieces[2 * i], right = r->pieces[2 * i + 1];

    return pi_fail(r->err, PITH_E_FORMAT, "tokenizer merges[%u] is \"%.*s %.*s\": its %s is no "
                   "token", r->rank + (uint32_t)i, (int)pi_min_size(left.n, 40), left.at,
                   (int)pi_min_size(right.n, 40), right.at, which);
}

/* Adds the merges of the batch to the table. */
static int finish_batch(struct merge_reader *r)
{
    int64_t ids[MAP_BATCH];
    int32_t results[BATCH];

    pi_map_find_all(&r->vocab->by_piece, r->pieces, 2 * r->n, ids);
    for (size_t i = 0; i < r->n; i++) {
        if (ids[2 * i] < 0 || ids[2 * i + 1] < 0)
            return no_token(r, i, ids[2 * i] < 0 ? "left" : "right");
        results[i] = find_joined(r, r->pieces[2 * i], r->pieces[2 * i + 1]);
        if (results[i] < 0)
            return no_token(r, i, "whole");
        r->last = results[i];
        __builtin_prefetch(&r->merges->slots[pi_merges_slot(r->merges, (int32_t)ids[2 * i],
                                                            (int32_t)ids[2 * i + 1])], 1);
    }
    for (size_t i = 0; i < r->n; i++) {
        int32_t left = (int32_t)ids[2 * i], right = (int32_t)ids[2 * i + 1];
        struct merge *m = pi_merges_find(r->merges, left, right);

        if (!m->result || !r->first)
            *m = (struct merge){ left, right, r->rank + (uint32_t)i, results[i] + 1 };
    }
    r->rank += (uint32_t)r->n;
    r->n = 0;
    return PITH_OK;
}

static int read_merge(struct merge_reader *r, struct str left, struct str right)
{
    r->pieces[2 * r->n] = left;
    r->pieces[2 * r->n + 1] = right;
    return ++r->n < BATCH ? PITH_OK : finish_batch(r);
}

/* Cuts "left right"; the space is not the first byte. */
static int cut_merge(const struct merge_reader *r, struct str line, const char *key, uint32_t i,
                     struct str *left, struct str *right)
{
    const char *space = line.n > 1 ? memchr(line.at + 1, ' ', line.n - 1) : NULL;

    if (!space)
        return pi_fail(r->err, PITH_E_FORMAT, "%s[%u] is \"%.*s\", not a pair", key, i,
                       (int)pi_min_size(line.n, 40), line.at);
    *left = (struct str){ line.at, (size_t)(space - line.at) };
    *right = (struct str){ space + 1, line.n - left->n - 1 };
    return PITH_OK;
}

/* An empty table for `count` merges. */
static int new_merges(struct merge_reader *r, struct arena *arena, uint64_t count)
{
    size_t slots = 16;

    if (count >= INT32_MAX)
        return pi_fail(r->err, PITH_E_LIMIT, "the tokenizer has %llu merges, at most %d",
                       (unsigned long long)count, INT32_MAX - 1);
    while (slots < count + count / 2 + 1)
        slots *= 2;
    r->merges->mask = slots - 1;
    r->merges->slots = pi_arena_alloc(arena, slots, sizeof *r->merges->slots);
    r->text = pi_arena_alloc(arena, r->vocab->longest, 1);
    if (!r->merges->slots || !r->text)
        return pi_no_memory(r->err, "merges", slots * sizeof *r->merges->slots);
    return PITH_OK;
}

int pi_merges_open(struct merges *merges, struct arena *arena, const struct weights *w,
                   const struct vocab *v, pith_error *err)
{
    static const char key[] = "tokenizer.ggml.merges";
    struct merge_reader r = { .merges = merges, .vocab = v, .first = true, .last = -1, .err = err };
    const struct meta *m;
    const uint8_t *cursor;

    TRY(pi_meta_array(w, key, META_STR, &m, err));
    if (!m)
        return pi_fail(err, PITH_E_FORMAT, "%s is missing", key);
    TRY(new_merges(&r, arena, m->count));
    cursor = m->at;
    for (uint32_t i = 0; i < m->count; i++) {
        struct str left, right;

        TRY(cut_merge(&r, pi_meta_next_str(&cursor), key, i, &left, &right));
        TRY(read_merge(&r, left, right));
    }
    return finish_batch(&r);
}

int pi_merges_open_json(struct merges *merges, struct arena *arena, const struct json *list,
                        const struct vocab *v, struct str prefix, pith_error *err)
{
    struct merge_reader r = { .merges = merges, .vocab = v, .prefix = prefix, .last = -1,
                              .err = err };

    if (pi_json_kind(list) != JSON_ARRAY)
        return pi_fail(err, PITH_E_FORMAT, "model.merges is missing");
    TRY(new_merges(&r, arena, list->n));
    for (struct json_walk w = pi_json_walk(list); pi_json_next(&w);) {
        struct str line = pi_json_text(w.value), left, right;

        if (pi_str_starts(line, STR("#version")))
            continue;
        if (pi_json_kind(w.value) == JSON_ARRAY && w.value->n == 2) {
            left = pi_json_text(w.value + 1);
            right = pi_json_text(w.value + 1 + w.value[1].size);
        } else {
            TRY(cut_merge(&r, line, "model.merges", w.index, &left, &right));
        }
        TRY(read_merge(&r, left, right));
    }
    return finish_batch(&r);
}
