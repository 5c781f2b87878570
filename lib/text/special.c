/* special.c - see special.h.
 */
#include "special.h"

enum { SPECIAL_BYTES_MAX = 1024 };

static int compare_pieces(const struct vocab *v, int32_t a, int32_t b)
{
    struct str x = v->pieces[a], y = v->pieces[b];
    size_t n = pi_min_size(x.n, y.n);
    int order = n ? memcmp(x.at, y.at, n) : 0;

    if (order == 0)
        order = (x.n > y.n) - (x.n < y.n);
    return order ? order : (a > b) - (a < b);
}

/* Heapsort: no recursion, no memory, never quadratic; qsort promises none of these. */
static void sort_specials(const struct vocab *v, int32_t *ids, int32_t n)
{
    int32_t start = n / 2, end = n;

    while (end > 1) {
        int32_t root, value;

        if (start > 0) {
            value = ids[--start];
        } else {
            value = ids[--end];
            ids[end] = ids[0];
        }
        root = start;
        for (int64_t child; (child = 2 * (int64_t)root + 1) < end; root = (int32_t)child) {
            if (child + 1 < end && compare_pieces(v, ids[child], ids[child + 1]) < 0)
                child++;
            if (compare_pieces(v, ids[child], value) <= 0)
                break;
            ids[root] = ids[child];
        }
        ids[root] = value;
    }
}

int pi_special_open(struct special_set *set, struct arena *arena, const struct vocab *v,
                    unsigned types, pith_error *err)
{
    int32_t n = 0;

    *set = (struct special_set){ .n = 0 };
    for (int32_t i = 0; i < v->n; i++) {
        n += (types >> v->types[i] & 1) && v->pieces[i].n;
        /* Every byte of a prompt may be compared with as many of a token. */
        if ((types >> v->types[i] & 1) && v->pieces[i].n > SPECIAL_BYTES_MAX)
            return pi_fail(err, PITH_E_LIMIT, "special token %d has %zu bytes, at most %d are "
                           "possible", i, v->pieces[i].n, SPECIAL_BYTES_MAX);
    }
    set->ids = pi_arena_alloc(arena, (size_t)n, sizeof *set->ids);
    if (!set->ids)
        return pi_no_memory(err, "special tokens", (size_t)n * sizeof *set->ids);
    n = 0;
    for (int32_t i = 0; i < v->n; i++)
        if ((types >> v->types[i] & 1) && v->pieces[i].n)
            set->ids[n++] = i;
    sort_specials(v, set->ids, n);
    for (int32_t i = 0; i < n; i++) {
        struct str piece = v->pieces[set->ids[i]];

        if (set->n && pi_str_equal(piece, v->pieces[set->ids[set->n - 1]]))
            continue; /* of duplicates the first id stays */
        set->ids[set->n++] = set->ids[i];
        set->first[(uint8_t)piece.at[0] + 1]++;
    }
    for (int c = 0; c < 256; c++)
        set->first[c + 1] += set->first[c];
    return PITH_OK;
}

/* The first in [low, high), pieces equal up to `depth` and longer than it, whose byte there is
 * at least `byte`. */
static int32_t lower_piece(const struct special_set *set, const struct vocab *v, int32_t low,
                           int32_t high, size_t depth, int byte)
{
    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if ((uint8_t)v->pieces[set->ids[middle]].at[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that the text begins with, or -1. */
static int32_t match_special(const struct special_set *set, const struct vocab *v, struct str text)
{
    int32_t low = set->first[(uint8_t)text.at[0]], high = set->first[(uint8_t)text.at[0] + 1];
    int32_t match = -1;

    for (size_t depth = 1; low < high; depth++) {
        int byte;

        if (v->pieces[set->ids[low]].n == depth)
            match = set->ids[low++];
        if (depth == text.n)
            break;
        byte = (uint8_t)text.at[depth];
        low = lower_piece(set, v, low, high, depth, byte);
        high = lower_piece(set, v, low, high, depth, byte + 1);
    }
    return match;
}

int32_t pi_special_find(const struct special_set *set, const struct vocab *v, struct str text,
                        size_t *at)
{
    if (set->n == 0)
        return -1;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.at[i];
        int32_t id;

        if (set->first[c] == set->first[c + 1])
            continue;
        id = match_special(set, v, (struct str){ text.at + i, text.n - i });
        if (id >= 0) {
            *at = i;
            return id;
        }
    }
    return -1;
}
