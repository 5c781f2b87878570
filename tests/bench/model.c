/* model.c - writes a GGUF of a given shape and number format with random weights, for measuring.
 *
 *     model SHAPE TYPE OUT        SHAPE: 1.1b or 135m; TYPE: as GGUF names it (Q4_0, BF16, ...)
 */
#include "noise.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct shape {
    const char *name;
    int dim, layers, heads, kv, head, ff, vocab;
} shapes[] = {
    { "1.1b", 2048, 22, 32, 4, 64, 5632, 32000 },
    { "135m", 576, 30, 9, 3, 64, 1536, 49152 },
};

static FILE *out;

static void put(uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> 8 * i & 255), out);
}

static void put_text(const char *text)
{
    put(strlen(text), 8);
    fputs(text, out);
}

static void put_u32(const char *key, uint32_t value)
{
    put_text(key);
    put(4, 4);
    put(value, 4);
}

static void put_f32(const char *key, float value)
{
    put_text(key);
    put(6, 4);
    put(pi_f32_bits(value), 4);
}

static uint64_t offset;

static size_t tensor_bytes(enum dtype type, int64_t rows, int64_t cols)
{
    size_t bytes = 0;

    if (!pi_dtype_bytes(type, (size_t)(rows * cols), &bytes) || cols % pi_dtype(type).block) {
        fprintf(stderr, "rows of %" PRId64 " do not divide into %s blocks\n", cols,
                pi_dtype(type).name);
        exit(1);
    }
    return bytes;
}

/* What is done with every tensor in turn: its entry in the list, or its data. */
typedef void each_fn(const char *name, enum dtype type, int64_t rows, int64_t cols);

static void put_info(const char *name, enum dtype type, int64_t rows, int64_t cols)
{
    put_text(name);
    put(rows > 1 ? 2 : 1, 4);
    put((uint64_t)cols, 8);
    if (rows > 1)
        put((uint64_t)rows, 8);
    put(type, 4);
    put(offset, 8);
    offset += (tensor_bytes(type, rows, cols) + 31) / 32 * 32;
}

static void put_data(const char *name, enum dtype type, int64_t rows, int64_t cols)
{
    size_t block = (size_t)pi_dtype(type).bytes, bytes = tensor_bytes(type, rows, cols);
    uint8_t data[512];

    (void)name;
    for (size_t done = 0; done < bytes; done += block) {
        fill_block(data, type, rows == 1);
        fwrite(data, 1, block, out);
    }
    for (size_t left = (0 - bytes) & 31; left > 0; left--)
        fputc(0, out);
}

static void each_tensor(const struct shape *s, enum dtype type, each_fn *each)
{
    char name[64];

    each("token_embd.weight", type, s->vocab, s->dim);
    for (int i = 0; i < s->layers; i++) {
        const struct { const char *stem; enum dtype type; int64_t rows, cols; } list[] = {
            { "attn_norm", DTYPE_F32, 1, s->dim },
            { "attn_q", type, s->heads * s->head, s->dim },
            { "attn_k", type, s->kv * s->head, s->dim },
            { "attn_v", type, s->kv * s->head, s->dim },
            { "attn_output", type, s->dim, s->heads * s->head },
            { "ffn_norm", DTYPE_F32, 1, s->dim },
            { "ffn_gate", type, s->ff, s->dim },
            { "ffn_up", type, s->ff, s->dim },
            { "ffn_down", type, s->dim, s->ff },
        };

        for (size_t j = 0; j < sizeof list / sizeof *list; j++) {
            snprintf(name, sizeof name, "blk.%d.%s.weight", i, list[j].stem);
            each(name, list[j].type, list[j].rows, list[j].cols);
        }
    }
    each("output_norm.weight", DTYPE_F32, 1, s->dim);
    each("output.weight", type, s->vocab, s->dim);
}

static void write_model(const struct shape *s, enum dtype type)
{
    fputs("GGUF", out);
    put(3, 4);
    put((uint64_t)s->layers * 9 + 3, 8);
    put(9, 8);
    put_text("general.architecture");
    put(8, 4);
    put_text("llama");
    put_u32("llama.context_length", 16384);
    put_u32("llama.embedding_length", (uint32_t)s->dim);
    put_u32("llama.block_count", (uint32_t)s->layers);
    put_u32("llama.feed_forward_length", (uint32_t)s->ff);
    put_u32("llama.attention.head_count", (uint32_t)s->heads);
    put_u32("llama.attention.head_count_kv", (uint32_t)s->kv);
    put_u32("llama.vocab_size", (uint32_t)s->vocab);
    put_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    each_tensor(s, type, put_info);
    while (ftell(out) % 32)
        fputc(0, out);
    each_tensor(s, type, put_data);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 4 && i < sizeof shapes / sizeof *shapes; i++)
        for (uint32_t type = 0; type < DTYPE_COUNT; type++) {
            const char *name = pi_dtype(type).name;

            if (strcmp(shapes[i].name, argv[1]) != 0 || !name || strcmp(name, argv[2]) != 0)
                continue;
            out = fopen(argv[3], "wb");
            if (!out)
                return perror(argv[3]), 1;
            write_model(&shapes[i], (enum dtype)type);
            return fclose(out) != 0;
        }
    fprintf(stderr, "usage: model 1.1b|135m TYPE OUT\n");
    return 2;
}
