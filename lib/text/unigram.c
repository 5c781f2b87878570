/* unigram.c - see unigram.h. Viterbi's algorithm: the best way to each place, by way of the best
 * ways to those before; of equals the first stays, and the places are visited from left to right.
 * PLaMo 2 goes from right to left.
 */
#include "unigram.h"

#define UNKNOWN_PENALTY 10.0 /* below the least score; sentencepiece's kUnkPenalty */

struct unigram_node { /* the best way to this place */
    double score;
    int32_t id;
    uint32_t from; /* where its last piece begins; UINT32_MAX: there is no way yet */
};

int pi_unigram_open(struct unigram *u, struct arena *arena, unsigned types, pith_error *err)
{
    const struct vocab *v = u->vocab;
    double least = 0;
    bool any = false;

    for (int32_t i = 0; i < v->n; i++)
        if ((types >> v->types[i] & 1) && (!any || u->scores[i] < least)) {
            least = u->scores[i];
            any = true;
        }
    u->unknown = u->single ? (double)((float)least - (float)UNKNOWN_PENALTY)
                           : least - UNKNOWN_PENALTY;
    return pi_special_open(&u->pieces, arena, v, types, err);
}

void pi_unigram_free(struct unigram_scratch *s)
{
    pi_free(s->allocator, s->nodes, s->capacity * sizeof *s->nodes);
    *s = (struct unigram_scratch){ .allocator = s->allocator };
}

static int reserve_nodes(struct unigram_scratch *s, size_t n, pith_error *err)
{
    size_t capacity = s->capacity ? s->capacity : 256;

    if (n >= UINT32_MAX)
        return pi_fail(err, PITH_E_LIMIT, "a word of %zu bytes", n);
    if (n <= s->capacity)
        return PITH_OK;
    while (capacity < n)
        capacity *= 2;
    pi_free(s->allocator, s->nodes, s->capacity * sizeof *s->nodes);
    s->capacity = capacity;
    s->nodes = pi_alloc(s->allocator, capacity * sizeof *s->nodes);
    return s->nodes ? PITH_OK : pi_no_memory(err, "tokenizing", capacity * sizeof *s->nodes);
}

static void offer_way(const struct unigram *u, struct unigram_node *nodes, size_t from, size_t n,
                      double score, int32_t id)
{
    struct unigram_node *to = &nodes[from + n];

    score += nodes[from].score;
    if (u->single)
        score = (double)(float)score;
    if (to->from != UINT32_MAX && score <= to->score)
        return;
    *to = (struct unigram_node){ score, id, (uint32_t)from };
}

/* Fills nodes[0..word.n]. */
static void find_ways(const struct unigram *u, struct unigram_node *nodes, struct str word)
{
    int length;

    for (size_t i = 0; i <= word.n; i++)
        nodes[i] = (struct unigram_node){ .from = UINT32_MAX };
    for (size_t at = 0; at < word.n; at += (size_t)length) {
        struct str rest = { word.at + at, word.n - at };
        struct special_walk walk = { .depth = 0 };
        bool known = false;
        int32_t id;
        size_t n;

        (void)pi_utf8_next(rest.at, rest.at + rest.n, &length);
        while ((id = pi_special_next(&u->pieces, &walk, rest, &n)) >= 0) {
            offer_way(u, nodes, at, n, u->scores[id], id);
            known = known || n == (size_t)length;
        }
        if (!known)
            offer_way(u, nodes, at, (size_t)length, u->unknown, -1);
    }
}

/* Fills nodes[0..word.n] with the best way from each place to the end: `from` is the next one. */
static void find_ways_back(const struct unigram *u, struct unigram_node *nodes, struct str word)
{
    int length;

    for (size_t i = 0; i <= word.n; i++)
        nodes[i] = (struct unigram_node){ .from = UINT32_MAX };
    for (size_t at = 0; at < word.n; at += (size_t)length) {
        (void)pi_utf8_next(word.at + at, word.at + word.n, &length);
        nodes[at].from = (uint32_t)(at + (size_t)length);
    }
    for (size_t at = word.n; at-- > 0;) {
        struct unigram_node best = { 0, -1, nodes[at].from };
        struct special_walk walk = { .depth = 0 };
        struct str rest = { word.at + at, word.n - at };
        bool any = false;
        int32_t id;
        size_t n;

        if (best.from == UINT32_MAX) /* within a character */
            continue;
        while ((id = pi_special_next(&u->pieces, &walk, rest, &n)) >= 0) {
            double score = u->scores[id] + nodes[at + n].score;

            if (any && score < best.score)
                continue;
            best = (struct unigram_node){ score, id, (uint32_t)(at + n) };
            any = true;
        }
        if (!any || u->unknown + nodes[nodes[at].from].score > best.score)
            best = (struct unigram_node){ u->unknown + nodes[nodes[at].from].score, -1,
                                          nodes[at].from };
        nodes[at] = best;
    }
}

static int put_ways_back(const struct unigram *u, const struct unigram_node *nodes, struct str word,
                         struct id_list *out, pith_error *err)
{
    for (size_t at = 0, next; at < word.n; at = next) {
        next = nodes[at].from;
        if (nodes[at].id >= 0)
            TRY(pi_id_list_push(out, nodes[at].id, err));
        for (size_t i = at; nodes[at].id < 0 && i < next; i++)
            TRY(pi_id_list_push(out, u->vocab->bytes[(uint8_t)word.at[i]], err));
    }
    return PITH_OK;
}

/* A run of unknown characters; it may spell the unknown token itself. */
static int put_unknown(const struct unigram *u, struct str run, struct id_list *out,
                       pith_error *err)
{
    int32_t id = pi_vocab_find(u->vocab, run);
    bool spelled = u->bytes && id < 0;

    for (size_t i = 0; i < run.n && spelled; i++)
        spelled = u->vocab->bytes[(uint8_t)run.at[i]] >= 0;
    for (size_t i = 0; i < run.n && spelled; i++)
        TRY(pi_id_list_push(out, u->vocab->bytes[(uint8_t)run.at[i]], err));
    if (spelled)
        return PITH_OK;
    if (id >= 0 && id == u->unk)
        return pi_id_list_push(out, id, err);
    if (u->unk < 0)
        return pi_fail(err, PITH_E_ARGUMENT, "the text has a character that the vocabulary cannot "
                       "spell, and no unknown token");
    return pi_id_list_push(out, u->unk, err);
}

int pi_unigram_word(const struct unigram *u, struct unigram_scratch *s, struct str word,
                    struct id_list *out, pith_error *err)
{
    struct unigram_node *nodes;
    size_t unknown = SIZE_MAX;

    TRY(reserve_nodes(s, word.n + 1, err));
    nodes = s->nodes;
    if (u->backwards) {
        find_ways_back(u, nodes, word);
        return put_ways_back(u, nodes, word, out, err);
    }
    find_ways(u, nodes, word);
    /* The way is known from its end: each node on it learns where the next one is. */
    for (size_t at = word.n; at > 0; at = nodes[at].from)
        nodes[nodes[at].from].score = (double)at;
    for (size_t at = 0; at < word.n;) {
        size_t to = (size_t)nodes[at].score;
        int32_t id = nodes[to].id;
        bool known = id >= 0 && id != u->unk;

        if (known && unknown != SIZE_MAX) {
            TRY(put_unknown(u, (struct str){ word.at + unknown, at - unknown }, out, err));
            unknown = SIZE_MAX;
        }
        if (known)
            TRY(pi_id_list_push(out, id, err));
        else if (unknown == SIZE_MAX)
            unknown = at;
        at = to;
    }
    if (unknown != SIZE_MAX)
        TRY(put_unknown(u, (struct str){ word.at + unknown, word.n - unknown }, out, err));
    return PITH_OK;
}
