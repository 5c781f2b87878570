/* tensors.c - tensor lists that lie: about dimensions, types, sizes, places, names, and about the
 * numbers that shapes are computed from. Tests of known vulnerabilities carry their ids.
 */
#include "hostile.h"

static struct gguf *with_tensor(struct gguf_tensor **t)
{
    struct gguf *g = tiny_model(&tiny_llama);

    *t = gguf_find(g, "blk.0.ffn_up.weight");
    return g;
}

static void dimensions(const uint64_t *ne, uint32_t dims, uint32_t type, const char *parts)
{
    struct gguf_tensor *t;
    struct gguf *g = with_tensor(&t);

    t->dims = dims;
    t->type = type;
    for (uint32_t i = 0; i < dims && i < 8; i++)
        t->ne[i] = ne[i];
    refuse(g, PITH_E_FORMAT, parts);
}

static void cve_2024_21802_dimensions_wrap(void)
{
    dimensions((uint64_t[]){ (uint64_t)1 << 32, (uint64_t)1 << 32 }, 2, 0, "blk.0.ffn_up.weight");
    dimensions((uint64_t[]){ (uint64_t)1 << 33, (uint64_t)1 << 31, 1, 1 }, 4, 0,
               "blk.0.ffn_up.weight");
    dimensions((uint64_t[]){ 1 << 16, 1 << 16, 1 << 16, 1 << 16 }, 4, 0, "blk.0.ffn_up.weight");
    dimensions((uint64_t[]){ 8, UINT64_MAX }, 2, 0, "dimension 1 is 18446744073709551615");
    dimensions((uint64_t[]){ (uint64_t)1 << 63, 1 }, 2, 0, "dimension 0 is 9223372036854775808");
    dimensions((uint64_t[]){ UINT64_MAX / 3, 3 }, 2, 24, "blk.0.ffn_up.weight");
}

/* Elements fit 64 bits, their bytes do not. */
static void cve_2026_33298_bytes_wrap(void)
{
    static const struct { uint64_t n; uint32_t type; } rows[] = {
        { (uint64_t)1 << 62, 0 }, { ((uint64_t)1 << 62) + 8, 0 }, { INT64_MAX, 1 },
        { INT64_MAX - 31, 8 }, { (uint64_t)1 << 62, 8 }, { (uint64_t)1 << 61, 28 },
        { INT64_MAX - 255, 14 }, { (uint64_t)1 << 62, 15 }, { INT64_MAX, 24 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        dimensions((uint64_t[]){ rows[i].n, 1 }, 2, rows[i].type, "blk.0.ffn_up.weight");
        dimensions((uint64_t[]){ rows[i].n }, 1, rows[i].type, "blk.0.ffn_up.weight");
        dimensions((uint64_t[]){ 256, rows[i].n / 256 + 1 }, 2, rows[i].type,
                   "blk.0.ffn_up.weight");
    }
}

static void ghsa_3p75_zero_dimension(void)
{
    dimensions((uint64_t[]){ 0, 8 }, 2, 0, "dimension 0 is 0");
    dimensions((uint64_t[]){ 8, 0 }, 2, 0, "dimension 1 is 0");
    dimensions((uint64_t[]){ 8, 12, 0 }, 3, 0, "dimension 2 is 0");
    dimensions((uint64_t[]){ 8, 12, 1, 0 }, 4, 0, "dimension 3 is 0");
    dimensions((uint64_t[]){ 0, 0, 0, 0 }, 4, 0, "dimension 0 is 0");
}

static void cve_2026_110810_number_of_dimensions(void)
{
    static const uint64_t ne[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    static const uint32_t wrong[] = { 0, 5, 8, 255, 0x7FFFFFFF, 0xFFFFFFFF };
    char shown[64];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(shown, sizeof shown, "blk.0.ffn_up.weight has %u dimensions", wrong[i]);
        dimensions(ne, wrong[i], 0, shown);
    }
}

/* Numbers that formats once had, or have not yet: no block size is known, none may be used. */
static void issue_8816_unknown_tensor_types(void)
{
    static const uint32_t types[] = { 4, 5, 31, 32, 33, 36, 37, 38, 41, 42, 255, 0x7FFFFFFF,
                                      0x80000000, 0xFFFFFFFF };
    char shown[64];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct gguf_tensor *t;
        struct gguf *g = with_tensor(&t);

        t->type = types[i];
        snprintf(shown, sizeof shown, "blk.0.ffn_up.weight has tensor type number %u", types[i]);
        refuse(g, PITH_E_UNSUPPORTED, shown);
    }
}

static void rows_that_are_no_whole_blocks(void)
{
    dimensions((uint64_t[]){ 8, 12 }, 2, 8, "do not divide into Q8_0 blocks of 32");
    dimensions((uint64_t[]){ 48, 2 }, 2, 2, "do not divide into Q4_0 blocks of 32");
    dimensions((uint64_t[]){ 16, 16 }, 2, 12, "do not divide into Q4_K blocks of 256");
    dimensions((uint64_t[]){ 128, 2 }, 2, 14, "do not divide into Q6_K blocks of 256");
}

static void offset(uint64_t value, const char *parts)
{
    struct gguf_tensor *t;
    struct gguf *g = with_tensor(&t);

    t->offset = value;
    refuse(g, PITH_E_FORMAT, parts);
}

static void cve_2026_7482_data_beyond_the_end(void)
{
    struct gguf_tensor *t;
    struct gguf *g = with_tensor(&t);
    size_t n;
    uint8_t *file;

    offset((uint64_t)1 << 20,
           "blk.0.ffn_up.weight: 384 bytes at offset 1048576 lie beyond the end");
    offset((uint64_t)1 << 40, "beyond the end");
    offset((uint64_t)1 << 62, "beyond the end");
    file = gguf_write(g, &n);
    refuse_bytes(file, n - 1, PITH_E_FORMAT, "output_norm.weight: 32 bytes at offset");
    free(file);
    gguf_free(g);
}

/* Offset plus size, or the rounding of either, passes 2^64. */
static void cve_2026_27940_offset_wraps(void)
{
    for (uint64_t back = 0; back < 1024; back += 32)
        offset(UINT64_MAX - 31 - back, "beyond the end");
    offset(UINT64_MAX - 1, "not a multiple of 32");
    offset(UINT64_MAX - 30, "not a multiple of 32");
    offset((uint64_t)1 << 63, "beyond the end");
}

static void huntr_2026_padding_wraps(void)
{
    for (uint64_t back = 0; back < 64; back++)
        dimensions((uint64_t[]){ UINT64_MAX - back }, 1, 24, "blk.0.ffn_up.weight");
    for (uint64_t back = 0; back < 64; back++)
        dimensions((uint64_t[]){ UINT64_MAX / 4 - back }, 1, 0, "blk.0.ffn_up.weight");
}

/* Each alone fits, the sum of all wraps to something small. */
static void cve_2025_53630_sizes_add_up(void)
{
    struct gguf *g = tiny_model(&tiny_llama);

    for (size_t i = 0; i < g->tensors_n; i++) {
        g->tensors[i].dims = 1;
        g->tensors[i].type = 0;
        g->tensors[i].ne[0] = ((uint64_t)1 << 60) - 8;
    }
    refuse(g, PITH_E_FORMAT, "token_embd.weight");
}

static void offsets_that_are_not_aligned(void)
{
    static const uint64_t wrong[] = { 1, 2, 4, 16, 31, 33 };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        offset(wrong[i], "blk.0.ffn_up.weight: offset");
}

static void overlapping_tensors(void)
{
    struct gguf *g = tiny_model(&tiny_llama);

    gguf_find(g, "blk.0.ffn_up.weight")->offset = 0;
    refuse(g, PITH_E_FORMAT, "overlap");
    g = tiny_model(&tiny_llama);
    gguf_find(g, "token_embd.weight")->offset = 32;
    refuse(g, PITH_E_FORMAT, "overlap");
    g = tiny_model(&tiny_llama);
    for (size_t i = 0; i < g->tensors_n; i++)
        g->tensors[i].offset = 0;
    refuse(g, PITH_E_FORMAT, "overlap");
    g = tiny_model(&tiny_llama); /* by one block of 32 bytes, at its end */
    gguf_find(g, "output_norm.weight")->ne[0] = 8;
    gguf_find(g, "blk.0.attn_norm.weight")->offset = 480;
    refuse(g, PITH_E_FORMAT, "token_embd.weight and blk.0.attn_norm.weight overlap|"
                             "blk.0.attn_norm.weight and token_embd.weight overlap");
}

/* Any order in the file is right as long as nothing overlaps, holes included. */
static void tensors_in_any_order(void)
{
    struct gguf *g = tiny_model(&tiny_llama);
    struct gguf_tensor *a = gguf_find(g, "blk.0.attn_norm.weight");
    struct gguf_tensor *b = gguf_find(g, "output_norm.weight");
    uint64_t at = 0, a_at = 0, b_at = 0;
    struct opened m;

    for (size_t i = 0; i < g->tensors_n; i++) {
        a_at = &g->tensors[i] == a ? at : a_at;
        b_at = &g->tensors[i] == b ? at : b_at;
        at += (g->tensors[i].data.n + 31) / 32 * 32;
    }
    a->offset = b_at;
    b->offset = a_at;
    open_made(&m, g);
    close_made(&m);
}

static void tensor_names_twice(void)
{
    struct gguf *g = tiny_model(&tiny_llama);
    struct gguf_tensor *t = gguf_add(g, "blk.0.attn_q.weight", 0, "0123", 4);

    t->dims = 1;
    t->ne[0] = 1;
    refuse(g, PITH_E_FORMAT, "tensor blk.0.attn_q.weight appears twice");
}

static void hf_2026_index_in_a_tensor_name(void)
{
    static const char *const names[] = {
        "blk.18446744073709551616.attn_q.weight", "blk.-1.attn_q.weight", "blk.1.attn_q.weight",
        "blk.00.attn_q.weight", "blk..attn_q.weight", "blk.%d.attn_q.weight", "%s%s%s%n",
        "blk.4294967296.attn_q.weight", "",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct gguf *g = tiny_model(&tiny_llama);
        struct gguf_tensor *t = gguf_add(g, names[i], 0, "0123", 4);
        char shown[80];

        t->dims = 1;
        t->ne[0] = 1;
        snprintf(shown, sizeof shown, "tensor %s is in the file", names[i]);
        refuse(g, PITH_E_FORMAT, shown);
    }
}

/* Numbers from which readers of other projects made divisors, loop bounds and allocations. */
static void cve_2025_0312_0315_0317_counts_in_keys(void)
{
    static const char *const keys[] = {
        "llama.block_count", "llama.attention.head_count", "llama.attention.head_count_kv",
        "llama.embedding_length", "llama.feed_forward_length", "llama.attention.key_length",
        "llama.rope.dimension_count", "llama.context_length",
    };
    static const uint64_t wrong[] = { 0, UINT64_MAX, (uint64_t)1 << 63, INT64_MAX };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++)
            for (uint32_t type = GGUF_U64; type <= GGUF_I64; type++) {
                struct gguf *g = tiny_model(&tiny_llama);

                if (type == GGUF_U64 && wrong[j] > INT64_MAX && i == 7)
                    type = GGUF_I64;
                gguf_int(g, keys[i], type, wrong[j]);
                refuse(g, PITH_E_FORMAT, "");
            }
}

static void ghsa_645x_block_count(void)
{
    static const uint32_t wrong[] = { 0, 2, 3, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gguf *g = tiny_model(&tiny_llama);

        gguf_u32(g, "llama.block_count", wrong[i]);
        refuse(g, PITH_E_FORMAT, "block_count|layers|blk.1.attn_norm.weight is missing");
    }
}

int main(int argc, char **argv)
{
    CHECK_START(argc, argv);
    RUN(cve_2024_21802_dimensions_wrap);
    RUN(cve_2026_33298_bytes_wrap);
    RUN(ghsa_3p75_zero_dimension);
    RUN(cve_2026_110810_number_of_dimensions);
    RUN(issue_8816_unknown_tensor_types);
    RUN(rows_that_are_no_whole_blocks);
    RUN(cve_2026_7482_data_beyond_the_end);
    RUN(cve_2026_27940_offset_wraps);
    RUN(huntr_2026_padding_wraps);
    RUN(cve_2025_53630_sizes_add_up);
    RUN(offsets_that_are_not_aligned);
    RUN(overlapping_tensors);
    RUN(tensors_in_any_order);
    RUN(tensor_names_twice);
    RUN(hf_2026_index_in_a_tensor_name);
    RUN(cve_2025_0312_0315_0317_counts_in_keys);
    RUN(ghsa_645x_block_count);
    return CHECK_END();
}
