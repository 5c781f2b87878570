/* special.c - see special.h.
 */
#include "special.h"

enum { SPECIAL_BYTES_MAX = 1024 };

static int compare_entries(const struct special_entry *a, const struct special_entry *b)
{
    size_t n = pi_min_size(a->text.n, b->text.n);
    int order = n ? memcmp(a->text.at, b->text.at, n) : 0;

    if (order == 0)
        order = (a->text.n > b->text.n) - (a->text.n < b->text.n);
    return order ? order : (a->id > b->id) - (a->id < b->id);
}

/* Heapsort: no recursion, no memory, never quadratic; qsort promises none of these. */
static void sort_entries(struct special_entry *entries, int32_t n)
{
    int32_t start = n / 2, end = n;

    while (end > 1) {
        struct special_entry value;
        int32_t root;

        if (start > 0) {
            value = entries[--start];
        } else {
            value = entries[--end];
            entries[end] = entries[0];
        }
        root = start;
        for (int64_t child; (child = 2 * (int64_t)root + 1) < end; root = (int32_t)child) {
            if (child + 1 < end && compare_entries(&entries[child], &entries[child + 1]) < 0)
                child++;
            if (compare_entries(&entries[child], &value) <= 0)
                break;
            entries[root] = entries[child];
        }
        entries[root] = value;
    }
}

int pi_special_make(struct special_set *set, struct special_entry *entries, int32_t n,
                    pith_error *err)
{
    *set = (struct special_set){ .entries = entries };
    for (int32_t i = 0; i < n; i++)
        /* Every byte of a prompt may be compared with as many of a token. */
        if (entries[i].text.n > SPECIAL_BYTES_MAX)
            return pi_fail(err, PITH_E_LIMIT, "special token %d has %zu bytes, at most %d are "
                           "possible", entries[i].id, entries[i].text.n, SPECIAL_BYTES_MAX);
    sort_entries(entries, n);
    for (int32_t i = 0; i < n; i++) {
        struct str text = entries[i].text;

        if (text.n == 0 || (set->n && pi_str_equal(text, entries[set->n - 1].text)))
            continue;
        entries[set->n++] = entries[i];
        set->first[(uint8_t)text.at[0] + 1]++;
    }
    for (int c = 0; c < 256; c++)
        set->first[c + 1] += set->first[c];
    return PITH_OK;
}

int pi_special_open(struct special_set *set, struct arena *arena, const struct vocab *v,
                    unsigned types, pith_error *err)
{
    struct special_entry *entries;
    int32_t n = 0;

    for (int32_t i = 0; i < v->n; i++)
        n += (types >> v->types[i] & 1) != 0;
    entries = pi_arena_alloc(arena, (size_t)n, sizeof *entries);
    if (!entries)
        return pi_no_memory(err, "special tokens", (size_t)n * sizeof *entries);
    n = 0;
    for (int32_t i = 0; i < v->n; i++)
        if (types >> v->types[i] & 1)
            entries[n++] = (struct special_entry){ v->pieces[i], i };
    return pi_special_make(set, entries, n, err);
}

/* The first in [low, high), texts equal up to `depth` and longer than it, whose byte there is
 * at least `byte`. */
static int32_t lower_entry(const struct special_set *set, int32_t low, int32_t high, size_t depth,
                           int byte)
{
    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if ((uint8_t)set->entries[middle].text.at[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t pi_special_next(const struct special_set *set, struct special_walk *walk, struct str text,
                        size_t *n)
{
    for (;;) {
        size_t depth = walk->depth;
        int byte;

        if (depth > 0 && walk->low < walk->high &&
            set->entries[walk->low].text.n == depth) {
            *n = depth;
            return set->entries[walk->low++].id;
        }
        if (depth == text.n || (depth > 0 && walk->low >= walk->high))
            return -1;
        byte = (uint8_t)text.at[depth];
        if (depth == 0) {
            walk->low = set->first[byte];
            walk->high = set->first[byte + 1];
        } else {
            walk->low = lower_entry(set, walk->low, walk->high, depth, byte);
            walk->high = lower_entry(set, walk->low, walk->high, depth, byte + 1);
        }
        walk->depth++;
    }
}

int32_t pi_special_match(const struct special_set *set, struct str text, size_t *n)
{
    struct special_walk walk = { .depth = 0 };
    int32_t match = -1, id;

    if (set->n)
        while ((id = pi_special_next(set, &walk, text, n)) >= 0)
            match = id;
    return match;
}

int32_t pi_special_find(const struct special_set *set, struct str text, size_t *at, size_t *n)
{
    if (set->n == 0)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.at[i];
        int32_t id;

        if (set->first[c] == set->first[c + 1])
            continue;
        id = pi_special_match(set, (struct str){ text.at + i, text.n - i }, n);
        if (id >= 0) {
            *at = i;
            return id;
        }
    }
    return -1;
}
