/* generate.c - generation through the public API: options, stop strings, whole code points,
 * determinism, going on after an end, a cancellation or a rewind, and a comma-decimal locale.
 */
#include "api.h"

#include <locale.h>

static struct guest g; /* LLAMA */

static struct output from_start(struct guest *guest, const char *prompt, const pith_options *o)
{
    WORKS(pith_session_rewind(guest->session, 0, &e));
    return generate(guest->session, prompt, o);
}

/* The log-probability of a token by the session's own logits. */
static double logprob_of(const float *logits, int64_t n, int32_t token)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)logits[token]);
    return -log(sum);
}

static void events(void)
{
    pith_options *o = up_to(6);
    const pith_event *event;
    const float *logits;

    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_generate(g.session, "Once", -1, o, &e));
    for (int i = 0; i < 6; i++) {
        int32_t best = 0;

        WORKS(pith_generate_next(g.session, &event, &e));
        WORKS(pith_session_logits(g.session, &logits, &e));
        for (int32_t j = 1; j < g.vocabulary; j++)
            best = logits[j] > logits[best] ? j : best;
        CHECK_INT(pith_event_token(event), best);
        CHECK_NEAR(pith_event_logprob(event), logprob_of(logits, g.vocabulary, best), 1e-5);
        CHECK_INT(pith_event_finish(event), i < 5 ? PITH_FINISH_NONE : PITH_FINISH_LENGTH);
    }
    CHECK_INT(pith_generate_next(g.session, &event, &e), PITH_END);
    CHECK(!event);
    CHECK_INT(pith_generate_next(g.session, &event, &e), PITH_END);
    pith_options_release(o);
}

static void no_tokens(void)
{
    pith_options *o = up_to(0);
    struct output out = from_start(&g, "Once", o);

    CHECK_INT(out.n_events, 1);
    CHECK_INT(out.n_tokens, 0);
    CHECK_INT(out.length, 0);
    CHECK_INT(out.finish, PITH_FINISH_LENGTH);
    pith_options_release(o);
}

static void defaults(void)
{
    pith_options *o = new_options();
    struct output plain = from_start(&g, "Once", NULL), set;

    CHECK(plain.n_tokens <= 256);
    for (int32_t i = 0; i < pith_option_count(); i++) {
        const char *name;
        int32_t type, key;
        double def;

        pith_option_info(i, &key, &name, &type, NULL, NULL, NULL, &def, NULL, NULL);
        if (type == PITH_TYPE_I64)
            WORKS(pith_options_set_i64(o, key, (int64_t)def, &e));
        else if (type == PITH_TYPE_F64)
            WORKS(pith_options_set_f64(o, key, def, &e));
    }
    set = from_start(&g, "Once", o);
    check_same(&plain, &set);
    pith_options_release(o);
}

/* Where only one token is left to choose, the seed and the temperature do not matter. */
static void like_greedy(void)
{
    static const char *const forced[][2] = {
        { "top_k", "1" }, { "min_p", "1" }, { "top_p", "0" }, { "top_p", "1e-300" },
        { "temperature", "0" }, { "temperature", "1e-300" },
    };
    pith_options *o = up_to(40);
    struct output greedy = from_start(&g, "Once", o);

    for (size_t i = 0; i < sizeof forced / sizeof *forced; i++)
        for (int seed = 0; seed < 3; seed++) {
            pith_options *with = up_to(40);
            struct output out;

            WORKS(pith_options_set_i64(with, PITH_OPT_TEMPERATURE, 2, &e));
            WORKS(pith_options_set_i64(with, PITH_OPT_SEED, seed, &e));
            WORKS(pith_options_set(with, forced[i][0], forced[i][1], &e));
            out = from_start(&g, "Once", with);
            check_same(&greedy, &out);
            pith_options_release(with);
        }
    pith_options_release(o);
}

static void seeds(void)
{
    struct output first[4];

    for (int seed = 0; seed < 4; seed++) {
        pith_options *o = up_to(40);
        struct output again;

        WORKS(pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 1.5, &e));
        WORKS(pith_options_set_i64(o, PITH_OPT_SEED, seed, &e));
        first[seed] = from_start(&g, "Once", o);
        again = from_start(&g, "Once", o);
        check_same(&first[seed], &again);
        for (int i = 0; i < seed; i++)
            CHECK(strcmp(first[i].text, first[seed].text) != 0);
        pith_options_release(o);
    }
}

/* Every piece of a generated text as a stop string: the text ends where the piece first begins. */
static void stops(void)
{
    pith_options *o = up_to(24);
    struct output whole = from_start(&g, "Once", o);

    for (int64_t n = 1; n <= 5; n++)
        for (int64_t at = 0; at + n <= whole.length; at += n == 1 ? 1 : 3) {
            pith_options *with = up_to(24);
            struct output out;
            char stop[8] = "";

            memcpy(stop, whole.text + at, (size_t)n);
            WORKS(pith_options_set_str(with, PITH_OPT_STOP, "never said", -1, &e));
            WORKS(pith_options_set_str(with, PITH_OPT_STOP, stop, n, &e));
            out = from_start(&g, "Once", with);
            CHECK_INT(out.finish, PITH_FINISH_STOP);
            CHECK_INT(out.length, strstr(whole.text, stop) - whole.text);
            CHECK(memcmp(out.text, whole.text, (size_t)out.length) == 0);
            pith_options_release(with);
        }
    pith_options_release(o);
}

/* A stop string that begins but does not come keeps nothing back in the end. */
static void false_stop(void)
{
    pith_options *o = up_to(24), *with = up_to(24);
    struct output whole = from_start(&g, "Once", o), out;
    char stop[32];

    for (int64_t at = 0; at < whole.length; at++) {
        snprintf(stop, sizeof stop, "%.4s\t", whole.text + at);
        WORKS(pith_options_set_str(with, PITH_OPT_STOP, stop, -1, &e));
    }
    out = from_start(&g, "Once", with);
    check_same(&whole, &out);
    pith_options_release(with);
    pith_options_release(o);
}

static bool valid_utf8(const char *text, int64_t n)
{
    const uint8_t *p = (const uint8_t *)text;

    for (int64_t i = 0; i < n;) {
        int more = p[i] < 0x80 ? 0 : p[i] < 0xC2 ? -1 : p[i] < 0xE0 ? 1 : p[i] < 0xF0 ? 2 : 3;
        uint32_t code = more <= 0 ? p[i] : p[i] & (0x3Fu >> more);

        if (more < 0 || i + more >= n)
            return false;
        for (int j = 1; j <= more; j++) {
            if ((p[i + j] & 0xC0) != 0x80)
                return false;
            code = code << 6 | (p[i + j] & 0x3Fu);
        }
        if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || code > 0x10FFFF ||
            (code >= 0xD800 && code < 0xE000))
            return false;
        i += more + 1;
    }
    return true;
}

/* Random bytes from a byte-level vocabulary: each event is whole code points all the same. */
static void whole_code_points(void)
{
    struct guest bytes;
    int64_t seen = 0;

    if (!open_guest(&bytes, QWEN, NULL))
        return;
    for (int seed = 0; seed < 40; seed++) {
        pith_options *o = up_to(100);
        const pith_event *event;

        WORKS(pith_options_set_f64(o, PITH_OPT_TEMPERATURE, 5, &e));
        WORKS(pith_options_set_i64(o, PITH_OPT_SEED, seed, &e));
        WORKS(pith_options_set_str(o, PITH_OPT_STOP, "\xF0\x9F\x99\x82", -1, &e));
        WORKS(pith_session_rewind(bytes.session, 0, &e));
        WORKS(pith_generate(bytes.session, "h\xC3\xA9", -1, o, &e));
        while (pith_generate_next(bytes.session, &event, &e) == PITH_OK) {
            const char *text;
            int64_t n;

            pith_event_text(event, &text, &n);
            CHECK(valid_utf8(text, n));
            seen += n;
        }
        pith_options_release(o);
    }
    CHECK(seen > 1000);
    close_guest(&bytes);
}

/* 12 tokens at once, in pieces, and in pieces with a rewind in between. */
static void goes_on(void)
{
    pith_options *all = up_to(12), *some = up_to(4);
    struct output whole = from_start(&g, "Once", all), parts = { .length = 0 }, part;
    int64_t position;

    WORKS(pith_session_rewind(g.session, 0, &e));
    for (int i = 0; i < 3; i++) {
        part = generate(g.session, i == 0 ? "Once" : "", some);
        CHECK_INT(part.n_tokens, 4);
        CHECK(memcmp(part.tokens, whole.tokens + 4 * i, 4 * sizeof *part.tokens) == 0);
        memcpy(parts.text + parts.length, part.text, (size_t)part.length + 1);
        parts.length += part.length;
    }
    CHECK_STR(parts.text, whole.text);
    /* The last token is drawn but not held: a rewind to here forgets it. */
    position = pith_session_position(g.session);
    WORKS(pith_session_rewind(g.session, position - 4, &e));
    part = generate(g.session, "", some);
    CHECK(memcmp(part.tokens, whole.tokens + 7, 4 * sizeof *part.tokens) == 0);
    pith_options_release(all);
    pith_options_release(some);
}

/* A second prompt stands behind the token drawn last, and no BOS before it. */
static void second_prompt(void)
{
    pith_options *o = up_to(5);
    struct output first = from_start(&g, "Once", o), second, by_hand = { .length = 0 };
    int32_t ids[64];
    int64_t n, m;

    second = generate(g.session, "abc", o);
    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_tokenize(g.model, "Once", -1, PITH_TOKENIZE_BOS, ids, 64, &n, &e));
    memcpy(ids + n, first.tokens, 5 * sizeof *ids);
    n += 5;
    WORKS(pith_tokenize(g.model, "abc", -1, 0, ids + n, 64 - n, &m, &e));
    WORKS(pith_session_feed(g.session, ids, n + m, &e));
    WORKS(pith_generate(g.session, NULL, 0, o, &e));
    CHECK_INT(drain(g.session, &by_hand), PITH_END);
    CHECK_INT(pith_session_position(g.session), n + m + 4);
    check_same(&second, &by_hand);
    /* Tokens fed by hand take the place of the drawn one. */
    WORKS(pith_session_feed(g.session, ids, 2, &e));
    CHECK_INT(pith_session_position(g.session), n + m + 6);
    WORKS(pith_generate(g.session, "", -1, o, &e));
    CHECK_INT(pith_session_position(g.session), n + m + 6);
    pith_options_release(o);
}

/* After a cancellation the same call again goes on as if nothing had been. */
static void cancelled(void)
{
    pith_options *o = up_to(10);
    struct output whole = from_start(&g, "Once", o), out = { .length = 0 };
    const pith_event *event;

    WORKS(pith_session_rewind(g.session, 0, &e));
    pith_session_cancel(g.session);
    FAILS(pith_generate(g.session, "Once", -1, o, &e), PITH_E_CANCELLED, "cancel");
    CHECK_INT(pith_session_position(g.session), 0);
    WORKS(pith_generate(g.session, "Once", -1, o, &e));
    for (int i = 0; i < 10; i++) {
        pith_session_cancel(g.session);
        FAILS(pith_generate_next(g.session, &event, &e), PITH_E_CANCELLED, "cancel");
        CHECK(!event);
        WORKS(pith_generate_next(g.session, &event, &e));
        add_event(&out, event);
    }
    check_same(&whole, &out);
    /* An empty prompt after a rewind computes one token anew; cancelled, none is lost. */
    WORKS(pith_session_rewind(g.session, 4, &e));
    pith_session_cancel(g.session);
    FAILS(pith_generate(g.session, "", -1, o, &e), PITH_E_CANCELLED, "cancel");
    CHECK_INT(pith_session_position(g.session), 4);
    pith_options_release(o);
}

static void full_context(void)
{
    pith_options *o = up_to(100);
    struct guest small;
    struct output out;

    WORKS(pith_options_set_i64(o, PITH_OPT_CONTEXT, 12, &e));
    WORKS(pith_options_set_i64(o, PITH_OPT_THREADS, 1, &e));
    if (!open_guest(&small, LLAMA, o))
        return;
    CHECK_INT(pith_session_capacity(small.session), 12);
    out = generate(small.session, "Once", o);
    CHECK_INT(out.finish, PITH_FINISH_CONTEXT);
    CHECK_INT(pith_session_position(small.session), 12);
    CHECK_INT(out.n_events, out.n_tokens + 1);
    FAILS(pith_generate(small.session, "a", -1, o, &e), PITH_E_LIMIT, "12");
    CHECK_INT(pith_session_position(small.session), 12);
    close_guest(&small);
    pith_options_release(o);
}

static void end_of_text(void)
{
    struct guest ends;
    struct output out;
    pith_options *o = up_to(50);
    int32_t last;

    if (!open_guest(&ends, "tests/golden/llama-linear.gguf", NULL))
        return;
    out = generate(ends.session, "Once upon", NULL);
    CHECK_INT(out.finish, PITH_FINISH_EOS);
    CHECK(out.n_tokens > 0);
    last = out.n_tokens - 1;
    CHECK_INT(out.tokens[last], pith_model_number(ends.model, PITH_MODEL_EOS));
    CHECK(!strstr(out.text, "</s>"));
    out = from_start(&ends, "Once upon", o);
    CHECK_INT(out.finish, PITH_FINISH_LENGTH);
    CHECK_INT(out.n_tokens, 50);
    CHECK_INT(out.tokens[last], pith_model_number(ends.model, PITH_MODEL_EOS));
    close_guest(&ends);
    pith_options_release(o);
}

static void empty_prompt(void)
{
    pith_options *o = up_to(3);
    struct guest bytes;
    struct output out = from_start(&g, "", o);

    CHECK_INT(out.n_tokens, 3);
    CHECK_INT(pith_session_position(g.session), 3);
    if (!open_guest(&bytes, QWEN, NULL))
        return;
    FAILS(pith_generate(bytes.session, "", -1, o, &e), PITH_E_ARGUMENT, "empty");
    close_guest(&bytes);
    pith_options_release(o);
}

static void special_prompt(void)
{
    pith_options *o = up_to(0);

    WORKS(pith_session_rewind(g.session, 0, &e));
    generate(g.session, "</s>", o);
    CHECK(pith_session_position(g.session) > 2);
    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_options_set_i64(o, PITH_OPT_SPECIAL, 1, &e));
    generate(g.session, "</s>", o);
    CHECK_INT(pith_session_position(g.session), 2);
    pith_options_release(o);
}

static void repetition(void)
{
    pith_options *plain = up_to(60), *penalised = up_to(60);
    struct output a = from_start(&g, "aaaa", plain), b;

    WORKS(pith_options_set_i64(penalised, PITH_OPT_REPEAT_PENALTY, 100, &e));
    b = from_start(&g, "aaaa", penalised);
    CHECK(strcmp(a.text, b.text) != 0);
    WORKS(pith_options_set_i64(penalised, PITH_OPT_REPEAT_LAST, 0, &e));
    b = from_start(&g, "aaaa", penalised);
    check_same(&a, &b);
    pith_options_release(plain);
    pith_options_release(penalised);
}

static int32_t collect(void *user, const char *text, int64_t length)
{
    struct output *out = user;

    memcpy(out->text + out->length, text, (size_t)length);
    out->length += length;
    return out->finish && out->length >= 3; /* a finish that was set asks to end early */
}

static void sugar(void)
{
    struct pith_sampling with = { .max_tokens = 9, .temperature = 1.2, .top_k = 20,
                                  .top_p = 0.9, .min_p = 0.01, .repeat_penalty = 1.1,
                                  .repeat_last = 8, .seed = 3, .stop = "never" };
    struct output plain, out = { .length = 0 };
    pith_options *o = new_options();

    WORKS(pith_options_set(o, "max_tokens", "9", &e));
    WORKS(pith_options_set(o, "temperature", "1.2", &e));
    WORKS(pith_options_set(o, "top_k", "20", &e));
    WORKS(pith_options_set(o, "top_p", "0.9", &e));
    WORKS(pith_options_set(o, "min_p", "0.01", &e));
    WORKS(pith_options_set(o, "repeat_penalty", "1.1", &e));
    WORKS(pith_options_set(o, "repeat_last", "8", &e));
    WORKS(pith_options_set(o, "seed", "3", &e));
    plain = from_start(&g, "Once", o);
    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_generate_with(g.session, "Once", with, &e));
    WORKS(pith_generate_each(g.session, collect, &out, &e));
    CHECK_STR(out.text, plain.text);
    WORKS(pith_session_rewind(g.session, 0, &e));
    WORKS(pith_generate_with(g.session, "Once", with, &e));
    out = (struct output){ .finish = 1 };
    WORKS(pith_generate_each(g.session, collect, &out, &e));
    CHECK(out.length < plain.length);
    with.top_k = -1;
    FAILS(pith_generate_with(g.session, "Once", with, &e), PITH_E_ARGUMENT, "top_k");
    pith_options_release(o);
}

/* Where none is installed, one is made. */
static bool set_comma_locale(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    char dir[] = "/tmp/pith-locale-XXXXXX", command[200];
    bool found = false;

    for (int i = 0; i < 4 && !found; i++)
        found = setlocale(LC_ALL, names[i]) && localeconv()->decimal_point[0] == ',';
    if (found || !mkdtemp(dir))
        return found;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null",
             dir);
    if (system(command) == 0) {
        setenv("LOCPATH", dir, 1);
        found = setlocale(LC_ALL, names[0]) && localeconv()->decimal_point[0] == ',';
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 && found;
}

static void comma_locale(void)
{
    pith_options *o = up_to(40);
    struct guest again;
    struct output before, after;

    WORKS(pith_options_set(o, "temperature", "0.75", &e));
    before = from_start(&g, "Once", o);
    if (!set_comma_locale()) {
        pith_options_release(o);
        SKIP("no locale with a decimal comma, and localedef makes none");
    }
    WORKS(pith_options_set(o, "temperature", "0.75", &e));
    FAILS(pith_options_set(o, "temperature", "0,75", &e), PITH_E_ARGUMENT, "0,75");
    FAILS(pith_options_set(o, "temperature", "100.5", &e), PITH_E_ARGUMENT, "100.5");
    if (open_guest(&again, LLAMA, NULL)) {
        char text[2048];
        int64_t n;

        after = generate(again.session, "Once", o);
        check_same(&before, &after);
        WORKS(pith_model_explain(again.model, text, sizeof text, &n, &e));
        CHECK_HAS(text, "0.001");
    }
    close_guest(&again);
    setlocale(LC_ALL, "C");
    pith_options_release(o);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    if (!open_guest(&g, LLAMA, NULL))
        return 1;
    RUN(events);
    RUN(no_tokens);
    RUN(defaults);
    RUN(like_greedy);
    RUN(seeds);
    RUN(stops);
    RUN(false_stop);
    RUN(whole_code_points);
    RUN(goes_on);
    RUN(second_prompt);
    RUN(cancelled);
    RUN(full_context);
    RUN(end_of_text);
    RUN(empty_prompt);
    RUN(special_prompt);
    RUN(repetition);
    RUN(sugar);
    RUN(comma_locale);
    close_guest(&g);
    return CHECK_END();
}
