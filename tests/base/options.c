/* options.c - the options object: every row of the table in range, out of range, by key, by name,
 * with the wrong type, and under an allocator that fails.
 */
#include "check.h"
#include "base/options.h"

static pith_options *fresh(void)
{
    pith_options *o = NULL;

    CHECK_INT(pith_options_create(&o, NULL), PITH_OK);
    return o;
}

struct row {
    int32_t key, type, scope;
    const char *name, *text;
    double min, max, def;
};

static struct row row_at(int32_t i)
{
    struct row r = { 0 };
    pith_error e;

    CHECK_INT(pith_option_info(i, &r.key, &r.name, &r.type, &r.scope, &r.min, &r.max, &r.def,
                               &r.text, &e), PITH_OK);
    return r;
}

static void the_table_is_sound(void)
{
    pith_error e;

    for (int32_t i = 0; i < pith_option_count(); i++) {
        struct row r = row_at(i);

        CHECK(r.key > 0 && r.name && *r.name && r.text && *r.text);
        CHECK(r.type >= PITH_TYPE_I64 && r.type <= PITH_TYPE_STR);
        CHECK(r.scope >= PITH_SCOPE_MODEL && r.scope <= PITH_SCOPE_CALL);
        CHECK(r.min <= r.def && r.def <= r.max);
        for (int32_t j = 0; j < i; j++)
            CHECK(row_at(j).key != r.key && strcmp(row_at(j).name, r.name) != 0);
    }
    CHECK_INT(pith_option_info(-1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &e),
              PITH_E_ARGUMENT);
    CHECK_INT(pith_option_info(pith_option_count(), NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                               NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_option_info(0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), PITH_OK);
}

static void defaults_are_the_tables(void)
{
    pith_options *o = fresh();

    for (int32_t i = 0; i < pith_option_count(); i++) {
        struct row r = row_at(i);

        if (r.type == PITH_TYPE_I64) {
            CHECK_INT(pi_option_i64(NULL, (enum pith_option)r.key), (int64_t)r.def);
            CHECK_INT(pi_option_i64(o, (enum pith_option)r.key), (int64_t)r.def);
        } else if (r.type == PITH_TYPE_F64) {
            CHECK_NEAR(pi_option_f64(o, (enum pith_option)r.key), r.def, 0);
        } else {
            CHECK(!pi_option_str(o, (enum pith_option)r.key, 0, &(struct str){ NULL, 0 }));
        }
    }
    pith_options_release(o);
}

static void refuses(pith_options *o, const struct row *r, const char *value)
{
    pith_error e = { 0 };

    if (pith_options_set(o, r->name, value, &e) != PITH_E_ARGUMENT)
        CHECK_FAIL("%s takes \"%s\"", r->name, value);
    else
        CHECK_HAS(e.text, r->name);
}

static void numbers_keep_their_range(void)
{
    static const char *const nonsense[] = { "", " ", "x", "nan", "inf", "-inf", "1e999", "-1e999",
                                            "0x1", "1e", "--1", "1 ", "-99999999999999999999" };
    pith_options *o = fresh();

    for (int32_t i = 0; i < pith_option_count(); i++) {
        struct row r = row_at(i);
        double outside[] = { r.min - 1, r.max + 1, NAN, INFINITY, -INFINITY, 1e300, -1e300 };
        int32_t kind = r.type == PITH_TYPE_STR ? PITH_E_ARGUMENT : PITH_OK;
        pith_error e;

        CHECK_INT(pith_options_set_i64(o, r.key, (int64_t)ceil(r.min), &e), kind);
        CHECK_INT(pith_options_set_i64(o, r.key, (int64_t)r.max, &e), kind);
        CHECK_INT(pith_options_set_i64(o, r.key, INT64_MIN, &e), PITH_E_ARGUMENT);
        CHECK_INT(pith_options_set_i64(o, r.key, INT64_MAX, &e), PITH_E_ARGUMENT);
        CHECK_HAS(e.text, r.name);
        for (size_t j = 0; j < PI_COUNT(outside); j++)
            CHECK_INT(pith_options_set_f64(o, r.key, outside[j], &e), PITH_E_ARGUMENT);
        for (size_t j = 0; r.type != PITH_TYPE_STR && j < PI_COUNT(nonsense); j++)
            refuses(o, &r, nonsense[j]);
        if (r.type == PITH_TYPE_I64) {
            refuses(o, &r, "0.5");
            CHECK_INT(pith_options_set_f64(o, r.key, r.min, &e), PITH_E_ARGUMENT);
            CHECK_INT(pi_option_i64(o, (enum pith_option)r.key), (int64_t)r.max);
        }
        if (r.type != PITH_TYPE_STR)
            CHECK_INT(pith_options_set_str(o, r.key, "1", -1, &e), PITH_E_ARGUMENT);
    }
    pith_options_release(o);
}

static void the_string_twin_sets_the_same(void)
{
    pith_options *o = fresh();

    CHECK_INT(pith_options_set(o, "temperature", "0.75", NULL), PITH_OK);
    CHECK_NEAR(pi_option_f64(o, PITH_OPT_TEMPERATURE), 0.75, 0);
    CHECK_INT(pith_options_set(o, "temperature", "2", NULL), PITH_OK);
    CHECK_INT(pith_options_set_i64(o, PITH_OPT_TEMPERATURE, 3, NULL), PITH_OK);
    CHECK_NEAR(pi_option_f64(o, PITH_OPT_TEMPERATURE), 3, 0);
    CHECK_INT(pith_options_set(o, "seed", "9007199254740991", NULL), PITH_OK);
    CHECK_INT(pi_option_i64(o, PITH_OPT_SEED), 9007199254740991);
    CHECK_INT(pith_options_set(o, "max_tokens", "1e3", NULL), PITH_OK);
    CHECK_INT(pi_option_i64(o, PITH_OPT_MAX_TOKENS), 1000);
    CHECK_INT(pith_options_set(o, "template", "{text} {label}", NULL), PITH_OK);
    pith_options_release(o);
}

static void unknown_options_are_unsupported(void)
{
    pith_options *o = fresh();
    pith_error e;

    CHECK_INT(pith_options_set(o, "temprature", "1", &e), PITH_E_UNSUPPORTED);
    CHECK_HAS(e.text, "temprature");
    for (int32_t key = -3; key < 70; key++) {
        bool known = false;

        for (int32_t i = 0; i < pith_option_count(); i++)
            known |= row_at(i).key == key;
        if (known)
            continue;
        CHECK_INT(pith_options_set_i64(o, key, 1, &e), PITH_E_UNSUPPORTED);
        CHECK_INT(pith_options_set_f64(o, key, 1, &e), PITH_E_UNSUPPORTED);
        CHECK_INT(pith_options_set_str(o, key, "1", -1, &e), PITH_E_UNSUPPORTED);
    }
    pith_options_release(o);
}

static void check_text(const pith_options *o, enum pith_option key, int i, const char *expected)
{
    struct str text = { NULL, 0 };

    CHECK(pi_option_str(o, key, i, &text));
    CHECK(text.n == strlen(expected) && memcmp(text.at, expected, text.n) == 0);
}

static void texts_are_copied_and_kept_in_order(void)
{
    pith_options *o = fresh();
    char text[8] = "one";

    CHECK_INT(pith_options_set_str(o, PITH_OPT_STOP, text, -1, NULL), PITH_OK);
    memcpy(text, "two", 4);
    CHECK_INT(pith_options_set_str(o, PITH_OPT_STOP, text, 2, NULL), PITH_OK);
    CHECK_INT(pith_options_set_str(o, PITH_OPT_TEMPLATE, "a", -1, NULL), PITH_OK);
    CHECK_INT(pith_options_set_str(o, PITH_OPT_STOP, "", 0, NULL), PITH_OK);
    CHECK_INT(pith_options_set_str(o, PITH_OPT_TEMPLATE, "b", -1, NULL), PITH_OK);
    CHECK_INT(pith_options_set_str(o, PITH_OPT_CONTENT_FREE, NULL, 0, NULL), PITH_OK);
    check_text(o, PITH_OPT_STOP, 0, "one");
    check_text(o, PITH_OPT_STOP, 1, "tw");
    check_text(o, PITH_OPT_STOP, 2, "");
    CHECK(!pi_option_str(o, PITH_OPT_STOP, 3, &(struct str){ NULL, 0 }));
    check_text(o, PITH_OPT_TEMPLATE, 0, "b");
    CHECK(!pi_option_str(o, PITH_OPT_TEMPLATE, 1, &(struct str){ NULL, 0 }));
    check_text(o, PITH_OPT_CONTENT_FREE, 0, "");
    CHECK(!pi_option_str(NULL, PITH_OPT_STOP, 0, &(struct str){ NULL, 0 }));
    pith_options_release(o);
}

static void *no_memory(void *user, int64_t size)
{
    (void)user;
    (void)size;
    return NULL;
}

static void no_free(void *user, void *block, int64_t size)
{
    (void)user;
    (void)block;
    (void)size;
}

static void null_and_nonsense(void)
{
    pith_options *o = fresh();
    pith_error e;

    CHECK_INT(pith_options_create(NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_i64(NULL, 1, 1, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_f64(NULL, 17, 1, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_str(NULL, 24, "", 0, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_str(o, 24, NULL, -1, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_str(o, 24, NULL, 3, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_str(o, 24, "a", -2, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_str(o, 24, "a", INT64_MIN, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set(NULL, "seed", "1", &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set(o, NULL, "1", &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set(o, "seed", NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_allocator(NULL, NULL, NULL, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_allocator(o, no_memory, NULL, NULL, &e), PITH_E_ARGUMENT);
    CHECK_INT(pith_options_set_allocator(o, NULL, no_free, NULL, &e), PITH_E_ARGUMENT);
    CHECK(pi_options_allocator(NULL).alloc == NULL && pi_options_allocator(o).alloc == NULL);
    CHECK_INT(pith_options_set_allocator(o, no_memory, no_free, o, NULL), PITH_OK);
    CHECK(pi_options_allocator(o).alloc == no_memory && pi_options_allocator(o).user == o);
    CHECK_INT(pith_options_set_allocator(o, NULL, NULL, NULL, NULL), PITH_OK);
    CHECK(pi_options_allocator(o).alloc == NULL);
    pith_options_release(o);
    pith_options_release(NULL);
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(the_table_is_sound);
    RUN(defaults_are_the_tables);
    RUN(numbers_keep_their_range);
    RUN(the_string_twin_sets_the_same);
    RUN(unknown_options_are_unsupported);
    RUN(texts_are_copied_and_kept_in_order);
    RUN(null_and_nonsense);
    return CHECK_END();
}
