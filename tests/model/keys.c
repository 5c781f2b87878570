/* keys.c - every hyper-parameter absent, zero, negative, huge, no number, of another type, per
 * layer: a model that contradicts itself does not open; one that opens anyway runs or says why not.
 */
#include "hostile.h"

static const struct tiny *const families[] = { &tiny_llama, &tiny_qwen3, &tiny_gpt2 };

/* What the families' descriptions read. */
static const struct {
    const char *key;
    bool required, gpt2; /* nothing works without it (GPT-2's feed-forward has a default);
                            GPT-2 has it too */
} keys[] = {
    { "context_length", true, true },
    { "embedding_length", true, true },
    { "block_count", true, true },
    { "attention.head_count", true, true },
    { "feed_forward_length", true, true },
    { "attention.layer_norm_rms_epsilon", true, false },
    { "attention.layer_norm_epsilon", true, true },
    { "vocab_size", false, true },
    { "attention.head_count_kv", false, false },
    { "attention.key_length", false, false },
    { "attention.value_length", false, false },
    { "rope.dimension_count", false, false },
    { "rope.freq_base", false, false },
    { "rope.scaling.type", false, false },
    { "rope.scaling.factor", false, false },
    { "rope.scaling.original_context_length", false, false },
    { "rope.scaling.yarn_beta_fast", false, false },
    { "rope.scaling.yarn_beta_slow", false, false },
    { "rope.scaling.attn_factor", false, false },
};

enum { KEYS = sizeof keys / sizeof *keys };

static bool reads(const struct tiny *t, int key)
{
    if (strcmp(t->arch, "gpt2") == 0)
        return keys[key].gpt2;
    return strcmp(keys[key].key, "attention.layer_norm_epsilon") != 0;
}

static const char *full(const struct tiny *t, int key)
{
    static char name[128];

    snprintf(name, sizeof name, "%s.%s", t->arch, keys[key].key);
    return name;
}

/* Opens what may or may not open. Every failure has a text; nothing is left behind. Returns the
 * first status that is not PITH_OK. */
static int32_t try_out(struct gguf *g, pith_error *e)
{
    struct ledger ledger = { 0 };
    pith_options *o = ledger_options(&ledger);
    size_t n;
    uint8_t *file = gguf_write(g, &n);
    const pith_event *event;
    pith_model *m = NULL;
    pith_session *s = NULL;
    int32_t status;

    *e = (pith_error){ 0 };
    pith_options_set_i64(o, PITH_OPT_MAX_TOKENS, 3, NULL);
    status = pith_model_open_memory(&m, file, (int64_t)n, o, e);
    if (status == PITH_OK)
        status = pith_session_open(&s, m, o, e);
    if (status == PITH_OK)
        status = pith_generate(s, "abc", -1, o, e);
    for (int i = 0; status == PITH_OK && i < 5; i++)
        status = pith_generate_next(s, &event, e);
    status = status == PITH_END ? PITH_OK : status;
    CHECK(status == PITH_OK || (e->code == status && e->text[0]));
    pith_session_release(s);
    pith_model_release(m);
    CHECK_INT(ledger.live, 0);
    pith_options_release(o);
    free(file);
    gguf_free(g);
    return status;
}

static void every_key_removed(void)
{
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < KEYS; i++) {
            struct gguf *g = tiny_model(families[f]);
            pith_error e;
            char shown[160];

            if (!reads(families[f], i)) {
                gguf_free(g);
                continue;
            }
            gguf_drop(g, full(families[f], i));
            snprintf(shown, sizeof shown, "key %s is missing", full(families[f], i));
            if (keys[i].required &&
                !(families[f] == &tiny_gpt2 && strcmp(keys[i].key, "feed_forward_length") == 0))
                refuse(g, PITH_E_FORMAT, shown);
            else
                (void)try_out(g, &e);
        }
}

/* One value for every key; which of them may work is not asked, but how they fail is. */
static void every_key_is(uint32_t type, uint64_t value)
{
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < KEYS; i++) {
            struct gguf *g = tiny_model(families[f]);
            pith_error e;
            int32_t status;

            gguf_int(g, full(families[f], i), type, value);
            status = try_out(g, &e);
            if (status != PITH_OK && status != PITH_E_FORMAT && status != PITH_E_UNSUPPORTED &&
                status != PITH_E_LIMIT && status != PITH_E_NUMERIC)
                CHECK_FAIL("%s = %" PRIu64 " of type %u gives %s: %s", full(families[f], i), value,
                           type, pith_status_name(status), e.text);
        }
}

static void every_key_a_strange_integer(void)
{
    static const uint64_t values[] = { 0, 1, 2, 3, 5, 7, 15, 16, 17, 65536, 0x7FFFFFFF, 0x80000000,
                                       0xFFFFFFFF, (uint64_t)1 << 32, (uint64_t)1 << 40,
                                       ((uint64_t)1 << 40) + 1, (uint64_t)1 << 53, INT64_MAX,
                                       (uint64_t)1 << 63, UINT64_MAX };

    for (size_t v = 0; v < sizeof values / sizeof *values; v++)
        for (uint32_t type = 0; type <= GGUF_F64; type++)
            if (type == GGUF_U8 || type == GGUF_I32 || type >= GGUF_U64)
                if (type != GGUF_F64)
                    every_key_is(type, values[v]);
}

static void every_key_a_strange_float(void)
{
    static const float values[] = { 0, -0.0f, 0.5f, -1, 1.5f, 1e-30f, 1e-45f, 3e38f, -3e38f, 1e10f,
                                    INFINITY, -INFINITY, NAN };

    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        double wide[] = { (double)values[v], (double)values[v] * 1e200 };
        uint32_t bits;
        uint64_t wide_bits;

        memcpy(&bits, &values[v], sizeof bits);
        every_key_is(GGUF_F32, bits);
        for (int i = 0; i < 2; i++) {
            memcpy(&wide_bits, &wide[i], sizeof wide_bits);
            every_key_is(GGUF_F64, wide_bits);
        }
    }
}

static void floats_that_are_no_numbers_are_named(void)
{
    static const float values[] = { NAN, INFINITY, -INFINITY };

    for (int f = 0; f < 3; f++)
        for (int i = 0; i < KEYS; i++)
            for (int v = 0; v < 3; v++) {
                struct gguf *g = tiny_model(families[f]);
                char shown[160];

                if (!reads(families[f], i)) {
                    gguf_free(g);
                    continue;
                }
                gguf_f32(g, full(families[f], i), values[v]);
                snprintf(shown, sizeof shown, "key %s is not a finite number",
                         full(families[f], i));
                refuse(g, PITH_E_FORMAT, shown);
            }
}

static void every_key_of_another_type(void)
{
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < KEYS; i++) {
            const struct tiny *t = families[f];
            struct gguf *g;
            char shown[160];

            if (!reads(t, i))
                continue;
            g = tiny_model(t);
            gguf_str(g, full(t, i), "seven");
            snprintf(shown, sizeof shown, "%s is seven, which is not supported", full(t, i));
            refuse(g, PITH_E_UNSUPPORTED, shown);
            g = tiny_model(t);
            gguf_strings(g, full(t, i), 1, (const char *[]){ "1" });
            snprintf(shown, sizeof shown, "%s is 1, which is not supported", full(t, i));
            refuse(g, PITH_E_UNSUPPORTED, shown);
            g = tiny_model(t);
            gguf_array(g, full(t, i), GGUF_U32, 0);
            snprintf(shown, sizeof shown, "key %s is an empty array", full(t, i));
            refuse(g, PITH_E_FORMAT, shown);
            g = tiny_model(t);
            gguf_put(gguf_array(g, full(t, i), GGUF_U8, 5), "\2\2\2\2\2", 5);
            refuse(g, PITH_E_FORMAT, "has 5 values for|whole number|2");
        }
}

/* One value a layer, one of which is wrong: found where it is used. */
static void per_layer_values(void)
{
    static const uint32_t heads[][2] = { { 3, 3 }, { 3, 1 }, { 1, 3 }, { 0, 3 }, { 3, 0 },
                                         { 3, 0xFFFFFFFF }, { 6, 6 } };

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct gguf *g = tiny_model(&tiny_qwen3);
        struct gguf_bytes *b = gguf_array(g, "qwen3.attention.head_count", GGUF_U32, 2);
        pith_error e;
        int32_t status;

        gguf_put_int(b, heads[i][0], 4);
        gguf_put_int(b, heads[i][1], 4);
        status = try_out(g, &e);
        CHECK_INT(status, i == 0 ? PITH_OK : PITH_E_FORMAT);
        if (i == 2)
            CHECK_HAS(e.text, "blk.0.attn_q.weight is [6,6], expected heads*hd,dim = [2,6]");
    }
}

static void float_array_with_nan(void)
{
    for (int i = 0; i < KEYS; i++) {
        struct gguf *g = tiny_model(&tiny_qwen3);
        struct gguf_bytes *b;
        pith_error e;

        b = gguf_array(g, full(&tiny_qwen3, i), GGUF_F32, 2);
        gguf_put_int(b, 0x40000000, 4); /* 2 */
        gguf_put_int(b, 0x7FC00000, 4);
        (void)try_out(g, &e);
    }
}

static struct gguf *llama_with(uint32_t heads, uint32_t kv, uint32_t hd, uint32_t rot)
{
    struct tiny t = { "llama", 0, 1, 4, 8, 12, heads, kv, hd, 1, 16 };
    struct gguf *g = tiny_model(&t);

    gguf_u32(g, "llama.rope.dimension_count", rot);
    return g;
}

static void heads_that_do_not_divide(void)
{
    pith_error e;

    refuse(llama_with(3, 2, 4, 4), PITH_E_FORMAT, "3 query heads cannot share 2 key heads");
    refuse(llama_with(2, 4, 4, 4), PITH_E_FORMAT, "2 query heads cannot share 4 key heads");
    refuse(llama_with(2, 1, 4, 3), PITH_E_FORMAT, "3 rotary dimensions; an even number");
    refuse(llama_with(2, 1, 4, 1), PITH_E_FORMAT, "1 rotary dimensions; an even number");
    refuse(llama_with(2, 1, 4, 0), PITH_E_FORMAT, "0 rotary dimensions; an even number");
    refuse(llama_with(2, 1, 4, 6), PITH_E_FORMAT, "6 rotary dimensions do not fit heads of 4");
    refuse(llama_with(2, 1, 4, 0xFFFFFFFE), PITH_E_FORMAT, "rotary dimensions");
    for (uint32_t hd = 2; hd < 40; hd++)
        CHECK_INT(try_out(llama_with(6, 1 + hd % 3, hd, 2), &e), PITH_OK);
}

/* GPT-2 has no shape that its heads are part of. */
static void heads_of_gpt2(void)
{
    static const double wrong[] = { 0, -1, 0.5, 1.5, 4, 5, 7, 12, 1e30, -1e30, 1e300 };
    pith_error e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gguf *g = tiny_model(&tiny_gpt2);

        gguf_f64(g, "gpt2.attention.head_count", wrong[i]);
        refuse(g, PITH_E_FORMAT, "head_count|heads");
    }
    for (uint32_t heads = 1; heads <= 6; heads++) {
        struct gguf *g = tiny_model(&tiny_gpt2);

        gguf_u32(g, "gpt2.attention.head_count", heads);
        CHECK_INT(try_out(g, &e), 6 % heads ? PITH_E_FORMAT : PITH_OK);
    }
}

static void contexts(void)
{
    static const uint64_t lengths[] = { 1, 2, 4096, 4097, (uint64_t)1 << 31, (uint64_t)1 << 40 };
    pith_options *o = NULL;
    struct opened m;
    pith_session *s = NULL;
    pith_error e = { 0 };
    struct gguf *g;

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        g = tiny_model(&tiny_llama);
        gguf_int(g, "llama.context_length", GGUF_U64, lengths[i]);
        open_made(&m, g);
        CHECK_INT(pith_session_capacity(m.session), lengths[i] < 4096 ? (int64_t)lengths[i] : 4096);
        close_made(&m);
    }
    g = tiny_model(&tiny_llama);
    gguf_u32(g, "llama.context_length", 0);
    refuse(g, PITH_E_FORMAT, "llama.context_length is 0");
    g = tiny_model(&tiny_llama);
    gguf_int(g, "llama.context_length", GGUF_U64, ((uint64_t)1 << 40) + 1);
    refuse(g, PITH_E_FORMAT, "llama.context_length is 1099511");
    open_made(&m, tiny_model(&tiny_llama));
    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    CHECK_INT(pith_options_set_i64(o, PITH_OPT_CONTEXT, 17, NULL), PITH_OK);
    CHECK_INT(pith_session_open(&s, m.model, o, &e), PITH_E_LIMIT);
    CHECK_HAS(e.text, "a context of 17 is asked for, the model has 16");
    pith_options_release(o);
    close_made(&m);
}

static void unknown_rope_scaling(void)
{
    static const char *const names[] = { "ntk", "dynamic", "", "rms", "silu", "gelu" };
    static const double numbers[] = { -1, 0.5, 5, 1e300 };
    struct gguf *g;
    pith_error e;

    for (int i = 0; i < 3; i++) {
        g = tiny_model(&tiny_llama);
        gguf_str(g, "llama.rope.scaling.type", names[i]);
        refuse(g, PITH_E_UNSUPPORTED, "llama.rope.scaling.type is ");
    }
    for (int i = 0; i < 4; i++) {
        g = tiny_model(&tiny_llama);
        gguf_f64(g, "llama.rope.scaling.type", numbers[i]);
        refuse(g, PITH_E_FORMAT, "out of range");
    }
    for (int i = 3; i < 6; i++) { /* words of pith's own that mean something else */
        g = tiny_model(&tiny_llama);
        gguf_str(g, "llama.rope.scaling.type", names[i]);
        (void)try_out(g, &e);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(every_key_removed);
    RUN(every_key_a_strange_integer);
    RUN(every_key_a_strange_float);
    RUN(floats_that_are_no_numbers_are_named);
    RUN(every_key_of_another_type);
    RUN(per_layer_values);
    RUN(float_array_with_nan);
    RUN(heads_that_do_not_divide);
    RUN(heads_of_gpt2);
    RUN(contexts);
    RUN(unknown_rope_scaling);
    return CHECK_END();
}
