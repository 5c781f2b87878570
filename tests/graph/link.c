/* link.c - descriptions that are wrong fail when they are linked, by name; plans keep values that
 * live together apart.
 */
#include "check.h"
#include "graph/graph.h"
#include "model/model.h"

static const struct weight square = { .name = "w", .gguf = "w", .shape = "8,8" };
static const struct weight vector = { .name = "n", .gguf = "n", .shape = "8" };
static const struct weight table = { .name = "e", .gguf = "e", .shape = "8,8" };
static float floats[64];

/* A description of three steps, of which the test replaces one. */
static struct step steps[4];
static struct arch arch = { .name = "test" };

static void reset(void)
{
    steps[0] = (struct step){ OP_EMBED, "x", "ids", "e", NULL, NULL };
    steps[1] = (struct step){ OP_NORM, "x", "x", "n", "0.1,rms", NULL };
    steps[2] = (struct step){ OP_LINEAR, "y", "x", "w", NULL, NULL };
    steps[3] = (struct step){ 0 };
    arch.parts[0] = (struct part){ "decode", steps, NULL, NULL, "1" };
}

static struct matrix matrix_of(int64_t rows, int64_t cols)
{
    return (struct matrix){ .data = (const uint8_t *)floats, .name = "tensor",
                            .dtype = DTYPE_F32, .rows = rows, .cols = cols, .stride = cols * 4,
                            .depth = 1 };
}

/* Links the steps; the error's text is left in err. */
static int link_steps(struct program *p, struct arena *arena, pith_error *err)
{
    static const struct allocator plain;
    struct numbers numbers = { .layer = -1 };
    struct bound bounds[] = { { &square, -1, matrix_of(8, 8) }, { &vector, -1, matrix_of(1, 8) },
                              { &table, -1, matrix_of(8, 8) } };
    struct kernels kernels;
    struct linkage from = { &arch, "decode", "y", &numbers, bounds, 3, &kernels, true,
                            false, KV_F32 };

    memset(err, 0, sizeof *err);
    pi_kernels_pick(&kernels, 0);
    pi_arena_init(arena, &plain);
    return pi_link(p, arena, &from, err);
}

static void expect(int status, const char *part)
{
    struct program p;
    struct arena arena;
    pith_error err;

    CHECK_INT(link_steps(&p, &arena, &err), status);
    if (status != PITH_OK)
        CHECK_HAS(err.text, part);
    pi_arena_free(&arena);
    reset();
}

static void mistakes(void)
{
    reset();
    expect(PITH_OK, "");
    steps[2].weight = "nobody";
    expect(PITH_E_FORMAT, "nobody");
    steps[2].in = "nowhere";
    expect(PITH_E_FORMAT, "nowhere");
    steps[1].params = "0.1/0,rms";
    expect(PITH_E_FORMAT, "division by zero");
    steps[1].params = "unheard_of";
    expect(PITH_E_FORMAT, "unheard_of");
    steps[1].params = "0.1,2";
    expect(PITH_E_FORMAT, "kind");
    steps[2].out = "z";
    expect(PITH_E_UNSUPPORTED, "computes no y");
    arch.parts[0].name = "encode";
    expect(PITH_E_UNSUPPORTED, "decode");
    steps[2].weight = NULL;
    expect(PITH_E_FORMAT, "no weight is named");
    steps[1] = (struct step){ OP_ADD, "x", "x pos", NULL, NULL, NULL };
    expect(PITH_E_FORMAT, "inputs");
    steps[1] = (struct step){ OP_ATTEND, "x", "x x x", NULL, "3,2", NULL };
    expect(PITH_E_FORMAT, "cannot share");
}

/* Optional steps vanish without their weight; what the result does not need is dropped. */
static void optional(void)
{
    struct program p;
    struct arena arena;
    pith_error err;

    reset();
    steps[1].weight = "absent?";
    CHECK_INT(link_steps(&p, &arena, &err), PITH_OK);
    CHECK_INT(p.n_steps, 2);
    pi_arena_free(&arena);
    reset();
    steps[1].when = "1-1";
    CHECK_INT(link_steps(&p, &arena, &err), PITH_OK);
    CHECK_INT(p.n_steps, 2);
    pi_arena_free(&arena);
    reset();
    steps[1] = (struct step){ OP_LINEAR, "unused", "x", "w", NULL, NULL };
    CHECK_INT(link_steps(&p, &arena, &err), PITH_OK);
    CHECK_INT(p.n_steps, 2);
    pi_arena_free(&arena);
}

/* No two values that are alive at the same step may share a byte. */
static void check_plan(const struct program *p)
{
    static const struct allocator plain;
    struct arena arena;
    struct plan plan;
    int64_t batches[] = { 1, 7, 64 };

    for (int b = 0; b < 3; b++) {
        pi_arena_init(&arena, &plain);
        CHECK_INT(pi_plan(&plan, p, &arena, batches[b], 1, 128, 2, NULL), PITH_OK);
        for (int i = 0; i < p->n_values; i++)
            for (int j = 0; j < i; j++) {
                const struct value *v = &p->values[i], *u = &p->values[j];
                size_t rows_v = (size_t)(v->per_output ? 1 : batches[b]);
                size_t rows_u = (size_t)(u->per_output ? 1 : batches[b]);
                size_t end_v = plan.value_at[i] + (size_t)pi_row_stride(v->width) * 4 * rows_v;
                size_t end_u = plan.value_at[j] + (size_t)pi_row_stride(u->width) * 4 * rows_u;

                if (v->first < 0 || u->first < 0 || v->first > u->last || u->first > v->last)
                    continue;
                CHECK(end_v <= plan.value_at[j] || end_u <= plan.value_at[i]);
                CHECK(end_v <= plan.slab_bytes && end_u <= plan.slab_bytes);
            }
        pi_arena_free(&arena);
    }
}

static void plans(void)
{
    static const char *const files[] = { "llama", "gpt2", "qwen2", "qwen3" };

    for (int i = 0; i < 4; i++) {
        char path[64];
        pith_model *model;

        snprintf(path, sizeof path, "tests/golden/%s.gguf", files[i]);
        CHECK_INT(pith_model_open(&model, path, -1, NULL, NULL), PITH_OK);
        check_plan(&model->program);
        pith_model_release(model);
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(mistakes);
    RUN(optional);
    RUN(plans);
    return CHECK_END();
}
