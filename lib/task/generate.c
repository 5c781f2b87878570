/* generate.c - continue a text, one token at a time; the text handed out is always valid UTF-8.
 *
 * Bytes wait in a buffer while they may still become a character or a stop string. All memory is
 * taken when generation begins.
 *
 * Before: session/sample.c. Next: tests/kernel/dot.c.
 */
#include "task.h"

struct generation {
    struct arena arena;
    struct str *stops;
    int n_stops;
    int64_t left;        /* tokens still allowed */
    bool ignore_eos, strip_space, finished;
    struct infill_ends ends; /* tokens that end this generation too */
    char *held;          /* bytes not handed out yet */
    size_t n_held, capacity;
    char *shown;         /* the event's text; a bad byte takes three here */
    struct pith_event event;
};

static size_t longest_token(const struct tokenizer *t)
{
    size_t longest = 0;

    for (int32_t id = 0; t && id < pi_tokenizer_size(t); id++) {
        size_t n = pi_token_text(t, id, true).n;

        longest = n > longest ? n : longest;
    }
    return longest;
}

static int read_stops(struct generation *g, const pith_options *o, size_t *longest,
                      pith_error *err)
{
    struct str text;

    *longest = 0;
    while (pi_option_str(o, PITH_OPT_STOP, g->n_stops, &text)) {
        if (text.n == 0)
            return pi_fail(err, PITH_E_ARGUMENT, "a stop string is empty");
        g->n_stops++;
    }
    g->stops = pi_arena_alloc(&g->arena, (size_t)g->n_stops, sizeof *g->stops);
    if (!g->stops)
        return pi_no_memory(err, "stop strings", (size_t)g->n_stops * sizeof *g->stops);
    for (int i = 0; pi_option_str(o, PITH_OPT_STOP, i, &text); i++) {
        g->stops[i] = (struct str){ pi_arena_text(&g->arena, text.at, text.n), text.n };
        if (!g->stops[i].at)
            return pi_no_memory(err, "a stop string", text.n);
        *longest = text.n > *longest ? text.n : *longest;
    }
    return PITH_OK;
}

static int new_generation(pith_session *s, const pith_options *o, pith_error *err)
{
    struct arena arena;
    struct generation *g;
    size_t longest;

    pi_arena_init(&arena, &s->arena.allocator);
    g = pi_arena_alloc(&arena, 1, sizeof *g);
    if (!g)
        return pi_no_memory(err, "a generation", sizeof *g);
    g->arena = arena;
    s->generation = g;
    TRY(read_stops(g, o, &longest, err));
    g->capacity = longest_token(s->model->tokenizer) + longest + 8;
    g->held = pi_arena_alloc(&g->arena, g->capacity, 1);
    g->shown = pi_arena_alloc(&g->arena, g->capacity, 3);
    if (!g->held || !g->shown)
        return pi_no_memory(err, "the text buffer", g->capacity * 4);
    g->left = pi_option_i64(o, PITH_OPT_MAX_TOKENS);
    g->ignore_eos = pi_option_i64(o, PITH_OPT_IGNORE_EOS) != 0;
    return PITH_OK;
}

/* What is asked for: a continuation, or with `infill` what stands between it and a suffix. */
struct asked {
    struct str prompt, suffix;
    bool infill;
};

static int list_prompt(pith_session *s, const struct asked *asked, const pith_options *o,
                       struct id_list *ids, pith_error *err)
{
    int flags = pi_option_i64(o, PITH_OPT_SPECIAL) ? TOKENIZE_PARSE_SPECIAL : 0;

    if (s->position == 0 && s->pending < 0)
        flags |= TOKENIZE_ADD_SPECIAL;
    if (s->pending >= 0)
        TRY(pi_id_list_push(ids, s->pending, err));
    if (asked->infill)
        return pi_infill_ids(s->model, asked->prompt, asked->suffix, flags, ids,
                             &s->generation->ends, err);
    return pi_tokenize(s->model->tokenizer, asked->prompt, flags, ids, err);
}

/* Feeds what the last generation sampled but did not feed, then the prompt. */
static int feed_prompt(pith_session *s, const struct asked *asked, const pith_options *o,
                       pith_error *err)
{
    struct id_list ids = { .allocator = s->arena.allocator };
    int64_t position = s->position;
    int status = list_prompt(s, asked, o, &ids, err);

    if (status == PITH_OK && s->position == 0 && ids.n == 0)
        status = pi_fail(err, PITH_E_ARGUMENT, "the prompt is empty and the model has no token "
                         "to begin with");
    if (status == PITH_OK && ids.n == 0 && !s->has_logits) {
        /* An empty prompt after a rewind: compute the last token's logits again. */
        s->position--;
        status = pi_id_list_push(&ids, s->history[s->position], err);
    }
    if (status == PITH_OK)
        status = pi_session_feed(s, ids.ids, (int64_t)ids.n, err);
    if (status == PITH_OK)
        s->pending = -1;
    else
        s->position = position;
    pi_id_list_free(&ids);
    return status;
}

static int begin_generation(pith_session *s, const struct asked *asked, const pith_options *o,
                            pith_error *err)
{
    bool starts = s->position == 0 && asked->prompt.n == 0 && !asked->infill;
    int status;

    if (!s->model->tokenizer)
        return pi_fail(err, PITH_E_UNSUPPORTED, "the model has no vocabulary");
    pi_generate_free(s);
    status = new_generation(s, o, err);
    if (status == PITH_OK)
        status = feed_prompt(s, asked, o, err);
    if (status != PITH_OK) {
        pi_generate_free(s);
        return status;
    }
    s->generation->strip_space = starts && pi_tokenizer_strips_space(s->model->tokenizer);
    pi_sampler_set(&s->sampler, o);
    return PITH_OK;
}

int pi_generate_begin(pith_session *s, struct str prompt, const pith_options *o, pith_error *err)
{
    return begin_generation(s, &(struct asked){ .prompt = prompt }, o, err);
}

int pi_infill_begin(pith_session *s, struct str prefix, struct str suffix, const pith_options *o,
                    pith_error *err)
{
    return begin_generation(s, &(struct asked){ prefix, suffix, true }, o, err);
}

void pi_generate_free(pith_session *s)
{
    if (s->generation) {
        struct arena arena = s->generation->arena;

        pi_arena_free(&arena);
        s->generation = NULL;
    }
}

/* Where the earliest stop string begins in the held bytes, n_held if nowhere. */
static size_t find_stop(const struct generation *g)
{
    for (size_t at = 0; at < g->n_held; at++)
        for (int i = 0; i < g->n_stops; i++) {
            struct str stop = g->stops[i];

            if (stop.n <= g->n_held - at && memcmp(g->held + at, stop.at, stop.n) == 0)
                return at;
        }
    return g->n_held;
}

/* How many held bytes cannot become part of a stop string any more. */
static size_t safe_bytes(const struct generation *g)
{
    for (size_t at = 0; at < g->n_held; at++)
        for (int i = 0; i < g->n_stops; i++)
            if (g->stops[i].n > g->n_held - at &&
                memcmp(g->held + at, g->stops[i].at, g->n_held - at) == 0)
                return at;
    return g->n_held;
}

/* Moves the first n held bytes into the event, broken ones replaced. */
static void show(struct generation *g, size_t n)
{
    g->event.text = g->shown;
    g->event.n = pi_utf8_clean(g->held, n, g->shown);
    memmove(g->held, g->held + n, g->n_held - n);
    g->n_held -= n;
}

static void take_token(struct generation *g, const struct tokenizer *t, int32_t token)
{
    struct str text = pi_token_text(t, token, false);

    if (g->strip_space && text.n && text.at[0] == ' ') {
        text.at++;
        text.n--;
    }
    g->strip_space &= text.n == 0;
    memcpy(g->held + g->n_held, text.at, text.n);
    g->n_held += text.n;
}

/* Samples the next token into the event; false in *more when the context is full. */
static int next_token(pith_session *s, struct generation *g, bool *more, pith_error *err)
{
    const float *logits;

    *more = true;
    if (s->pending >= 0) {
        int32_t token = s->pending;

        *more = s->position < s->plan.capacity;
        if (!*more)
            return PITH_OK;
        TRY(pi_session_feed(s, &token, 1, err));
        s->pending = -1;
    }
    if (!s->has_logits)
        return pi_fail(err, PITH_E_STATE, "the session was changed while it generated");
    /* Where nothing was fed, nothing has looked yet. */
    if (atomic_exchange(&s->cancel, 0))
        return pi_fail(err, PITH_E_CANCELLED, "cancelled");
    logits = pi_session_logits(s);
    TRY(pi_sample(&s->sampler, logits, s->model->vocabulary, s->history, s->position,
                  &g->event.token, err));
    g->event.logprob = pi_session_logprob(s, logits, g->event.token);
    s->pending = g->event.token;
    return PITH_OK;
}

static bool ends_generation(const struct generation *g, const struct tokenizer *t, int32_t token)
{
    for (int i = 0; i < g->ends.n; i++)
        if (g->ends.ids[i] == token)
            return true;
    return pi_token_ends(t, token);
}

int pi_generate_next(pith_session *s, const pith_event **event, pith_error *err)
{
    struct generation *g = s->generation;
    const struct tokenizer *t = s->model->tokenizer;
    bool more = true;
    size_t stop;

    if (!g)
        return pi_fail(err, PITH_E_STATE, "nothing is being generated");
    if (g->finished)
        return PITH_END;
    g->event = (struct pith_event){ .token = -1, .text = g->shown };
    if (g->left == 0)
        g->event.finish = PITH_FINISH_LENGTH;
    else
        TRY(next_token(s, g, &more, err));
    if (!more)
        g->event.finish = PITH_FINISH_CONTEXT;
    if (g->event.token >= 0 && !g->ignore_eos &&
        ends_generation(g, t, g->event.token))
        g->event.finish = PITH_FINISH_EOS;
    else if (g->event.token >= 0)
        take_token(g, t, g->event.token);
    if (g->left > 0 && --g->left == 0 && g->event.finish == PITH_FINISH_NONE)
        g->event.finish = PITH_FINISH_LENGTH;
    stop = find_stop(g);
    if (stop < g->n_held) {
        g->event.finish = PITH_FINISH_STOP;
        g->n_held = stop;
    }
    g->finished = g->event.finish != PITH_FINISH_NONE;
    show(g, g->finished ? g->n_held : pi_utf8_whole(g->held, safe_bytes(g)));
    *event = &g->event;
    return PITH_OK;
}
