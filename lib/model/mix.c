/* mix.c - which number format each tensor of a quantised model gets. See mix.h.
 *
 * A mix gives more bits to tensors that lose most. They are those that users know from llama.cpp
 * (src/llama-quant.cpp, August 2025), so that a file of a name has the size expected of it. Tensors
 * are told by the words of their GGUF names.
 *
 * Before: quantize.c.
 */
#include "mix.h"

/* When a rule applies. */
enum when {
    ALWAYS,
    FIRST_2,   /* layers */
    FIRST_4,
    FIRST_8TH, /* of the layers */
    FIRST_16TH,
    MORE_BITS, /* the first and the last eighth, and every third layer between */
    SHARED_4,  /* four or more query heads share a value head, which is small then */
    EXPERTS_8,
};

struct mix_rule {
    const char *word; /* in the tensor's name; NULL ends a list */
    enum when when;
    enum dtype type;
};

/* First match wins; a tensor without one gets the mix's own type. */
struct mix {
    const char *name;
    uint32_t file_type; /* as GGUF numbers the mixes */
    enum dtype type;
    struct mix_rule rules[7];
};

#define MIX_V "attn_v.weight"
#define MIX_QKV "attn_qkv.weight"
#define MIX_OUT "attn_output.weight"
#define MIX_DOWN "ffn_down"

static const struct mix mixes[] = {
    { "F32", 0, DTYPE_F32, { { 0 } } },
    { "F16", 1, DTYPE_F16, { { 0 } } },
    { "BF16", 32, DTYPE_BF16, { { 0 } } },
    { "Q8_0", 7, DTYPE_Q8_0, { { 0 } } },
    { "Q6_K", 18, DTYPE_Q6_K, { { 0 } } },
    { "Q5_K_M", 17, DTYPE_Q5_K, {
        { MIX_V, MORE_BITS, DTYPE_Q6_K },
        { MIX_QKV, ALWAYS, DTYPE_Q6_K },
        { MIX_DOWN, MORE_BITS, DTYPE_Q6_K } } },
    { "Q5_K_S", 16, DTYPE_Q5_K, { { 0 } } },
    { "Q5_1", 9, DTYPE_Q5_1, { { 0 } } },
    { "Q5_0", 8, DTYPE_Q5_0, { { 0 } } },
    { "Q4_K_M", 15, DTYPE_Q4_K, {
        { MIX_V, MORE_BITS, DTYPE_Q6_K },
        { MIX_QKV, ALWAYS, DTYPE_Q5_K },
        { MIX_DOWN, MORE_BITS, DTYPE_Q6_K },
        { MIX_OUT, EXPERTS_8, DTYPE_Q5_K } } },
    { "Q4_K_S", 14, DTYPE_Q4_K, {
        { MIX_V, FIRST_4, DTYPE_Q5_K },
        { MIX_DOWN, FIRST_8TH, DTYPE_Q5_K },
        { MIX_OUT, EXPERTS_8, DTYPE_Q5_K } } },
    { "Q4_1", 3, DTYPE_Q4_1, { { 0 } } },
    { "Q4_0", 2, DTYPE_Q4_0, { { 0 } } },
    { "IQ4_NL", 25, DTYPE_IQ4_NL, {
        { MIX_V, SHARED_4, DTYPE_Q5_K },
        { MIX_DOWN, FIRST_8TH, DTYPE_Q5_K },
        { MIX_OUT, EXPERTS_8, DTYPE_Q5_K } } },
    { "Q3_K_L", 13, DTYPE_Q3_K, {
        { MIX_V, ALWAYS, DTYPE_Q5_K },
        { MIX_QKV, ALWAYS, DTYPE_Q4_K },
        { MIX_DOWN, ALWAYS, DTYPE_Q5_K },
        { MIX_OUT, ALWAYS, DTYPE_Q5_K } } },
    { "Q3_K_M", 12, DTYPE_Q3_K, {
        { MIX_V, FIRST_2, DTYPE_Q5_K },
        { MIX_V, ALWAYS, DTYPE_Q4_K },
        { MIX_QKV, ALWAYS, DTYPE_Q4_K },
        { MIX_DOWN, FIRST_16TH, DTYPE_Q5_K },
        { MIX_DOWN, ALWAYS, DTYPE_Q4_K },
        { MIX_OUT, EXPERTS_8, DTYPE_Q5_K },
        { MIX_OUT, ALWAYS, DTYPE_Q4_K } } },
    { "Q3_K_S", 11, DTYPE_Q3_K, { { MIX_OUT, EXPERTS_8, DTYPE_Q5_K } } },
    { "Q2_K", 10, DTYPE_Q2_K, {
        { MIX_V, SHARED_4, DTYPE_Q4_K },
        { MIX_V, ALWAYS, DTYPE_Q3_K },
        { MIX_DOWN, ALWAYS, DTYPE_Q3_K },
        { MIX_OUT, EXPERTS_8, DTYPE_Q5_K },
        { MIX_OUT, ALWAYS, DTYPE_Q3_K } } },
    { "Q2_K_S", 21, DTYPE_Q2_K, {
        { MIX_V, SHARED_4, DTYPE_Q4_K },
        { MIX_DOWN, FIRST_8TH, DTYPE_Q4_K } } },
};

/* Small tensors that steer much: they stay as they are. */
static const char *const kept[] = {
    "_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight",
    "ssm_conv1d.weight", "shortconv.conv.weight", "attn_rel_b.weight", "altup_correct_coef",
    "altup_predict_coef", "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight",
    "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_a0.weight", "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
};

/* These too, but they need not be float32. */
static const char *const kept_narrow[] = {
    "laurel", "altup", "per_layer_model_proj", "time_mix_v1.weight", "time_mix_v2.weight",
    "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
};

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++, b++)
        ;
    return lower(*a) == lower(*b);
}

int pi_mix_find(const struct mix **out, const char *name, pith_error *err)
{
    static const char *const aliases[][2] = {
        { "Q5_K", "Q5_K_M" }, { "Q4_K", "Q4_K_M" }, { "Q3_K", "Q3_K_M" },
    };
    char known[200] = "";

    for (size_t i = 0; i < PI_COUNT(aliases); i++)
        if (same_name(name, aliases[i][0]))
            name = aliases[i][1];
    for (size_t i = 0; i < PI_COUNT(mixes); i++) {
        if (same_name(name, mixes[i].name)) {
            *out = &mixes[i];
            return PITH_OK;
        }
        strncat(known, " ", sizeof known - strlen(known) - 1);
        strncat(known, mixes[i].name, sizeof known - strlen(known) - 1);
    }
    return pi_fail(err, PITH_E_ARGUMENT, "there is no type \"%.20s\"; there are%s", name, known);
}

uint32_t pi_mix_file_type(const struct mix *mix)
{
    return mix->file_type;
}

static bool has_word(struct str name, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= name.n; i++)
        if (memcmp(name.at + i, word, n) == 0)
            return true;
    return false;
}

static bool ends_with(struct str name, struct str end)
{
    return name.n >= end.n && memcmp(name.at + name.n - end.n, end.at, end.n) == 0;
}

/* The number in "blk.NUMBER."; -1 if the tensor belongs to no layer. */
static int64_t layer_of(struct str name)
{
    int64_t layer = 0;
    size_t i = 4;

    if (!pi_str_starts(name, STR("blk.")))
        return -1;
    for (; i < name.n && i < 12 && name.at[i] >= '0' && name.at[i] <= '9'; i++)
        layer = layer * 10 + (name.at[i] - '0');
    return i > 4 && i < name.n && name.at[i] == '.' ? layer : -1;
}

struct mix_facts pi_mix_facts(const struct weights *w)
{
    const struct tensor *q = pi_weights_find(w, STR("blk.0.attn_q.weight"));
    const struct tensor *v = pi_weights_find(w, STR("blk.0.attn_v.weight"));
    struct mix_facts facts = { .has_output = pi_weights_find(w, STR("output.weight")) != NULL };

    for (int64_t i = 0; i < w->n_tensors; i++)
        facts.layers = pi_max(facts.layers, layer_of(w->tensors[i].name) + 1);
    facts.shared_by = q && v ? q->ne[1] / v->ne[1] : 1;
    for (int64_t i = 0; i < w->n_metas; i++)
        if (ends_with(w->metas[i].key, STR(".expert_count")))
            facts.experts = (int64_t)pi_meta_number(&w->metas[i], 0);
    return facts;
}

static bool rule_applies(const struct mix_rule *rule, const struct mix_facts *facts,
                         struct str name)
{
    int64_t i = layer_of(name), n = facts->layers;

    if (!has_word(name, rule->word))
        return false;
    switch (rule->when) {
    case ALWAYS: return true;
    case FIRST_2: return i < 2;
    case FIRST_4: return i < 4;
    case FIRST_8TH: return i < n / 8;
    case FIRST_16TH: return i < n / 16;
    case MORE_BITS: return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case SHARED_4: return facts->shared_by >= 4;
    case EXPERTS_8: return facts->experts == 8;
    }
    return false;
}

/* What the mix wants for a matrix, whatever its rows. */
static enum dtype wanted_type(const struct mix *mix, const struct mix_facts *facts,
                              struct str name)
{
    bool quantised = pi_dtype(mix->type).block > 1 && mix->type != DTYPE_Q8_0;

    if (pi_str_equal(name, STR("output.weight")) ||
        (!facts->has_output && pi_str_equal(name, STR("token_embd.weight"))))
        return quantised ? DTYPE_Q6_K : mix->type;
    if (quantised && facts->experts == 8 &&
        (has_word(name, MIX_V) || has_word(name, "attn_k.weight")))
        return DTYPE_Q8_0; /* shared by all experts: small, and much depends on it */
    for (size_t i = 0; i < PI_COUNT(mix->rules) && mix->rules[i].word; i++)
        if (rule_applies(&mix->rules[i], facts, name))
            return mix->rules[i].type;
    return mix->type;
}

static bool is_float(enum dtype type)
{
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16;
}

static enum dtype next_best(enum dtype type)
{
    switch ((int)type) {
    case DTYPE_Q2_K: case DTYPE_Q3_K: return DTYPE_IQ4_NL;
    case DTYPE_Q4_K: return DTYPE_Q5_0;
    case DTYPE_Q5_K: return DTYPE_Q5_1;
    case DTYPE_Q6_K: return DTYPE_Q8_0;
    }
    return DTYPE_F16;
}

static bool has_any(struct str name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has_word(name, words[i]))
            return true;
    return false;
}

bool pi_mix_wants_floats(struct str name)
{
    if (has_word(name, "ffn_gate_inp_shexp.weight"))
        return true;
    return has_any(name, kept, PI_COUNT(kept)) || !ends_with(name, STR(".weight"));
}

enum dtype pi_mix_choose(const struct mix *mix, const struct mix_facts *facts,
                         const struct tensor *t, bool *fallback)
{
    bool matrix = t->ne[1] > 1 || t->ne[2] > 1 || t->ne[3] > 1;
    enum dtype type;

    *fallback = false;
    if (!matrix) /* norms and biases: exact, and a thousandth of the bytes */
        return is_float(t->dtype) ? DTYPE_F32 : t->dtype;
    if (!ends_with(t->name, STR("weight")) ||
        (!is_float(t->dtype) && pi_dtype(t->dtype).block == 1))
        return t->dtype;
    if (has_any(t->name, kept, PI_COUNT(kept)) ||
        has_any(t->name, kept_narrow, PI_COUNT(kept_narrow)))
        return t->dtype;
    type = wanted_type(mix, facts, t->name);
    for (; t->ne[0] % pi_dtype(type).block; *fallback = true)
        type = next_best(type);
    return type;
}
