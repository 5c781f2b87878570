/* gguf_tiny.h - the smallest files that open: a llama of 2 KB, a gpt2, a vocabulary, with any type
 * of weights. The numbers in them mean nothing and are the same each time.
 */
#ifndef GGUF_TINY_H
#define GGUF_TINY_H

#include "gguf_make.h"

#include <stdio.h>

struct tiny {
    const char *arch;      /* "llama", "qwen3", "gpt2" */
    uint32_t type;         /* of the matrices: 0 F32, 1 F16, 2 Q4_0, 8 Q8_0, 30 BF16 ... */
    uint64_t block, bytes; /* of that type; 0: F32's */
    uint32_t dim, ff, heads, kv, hd, layers, ctx;
};

static const struct tiny tiny_llama = { "llama", 0, 1, 4, 8, 12, 2, 1, 4, 1, 16 };
static const struct tiny tiny_qwen3 = { "qwen3", 1, 1, 2, 6, 10, 3, 3, 2, 2, 32 };
static const struct tiny tiny_gpt2 = { "gpt2", 0, 1, 4, 6, 8, 3, 3, 2, 1, 24 };
static const struct tiny tiny_q8 = { "llama", 8, 32, 34, 32, 32, 4, 2, 8, 1, 64 };
static const struct tiny tiny_q4 = { "llama", 2, 32, 18, 32, 64, 2, 1, 16, 1, 64 };
static const struct tiny tiny_q6k = { "llama", 14, 256, 210, 256, 256, 2, 1, 128, 1, 64 };

#define TINY_TOKENS 16

/* Pieces of a SentencePiece vocabulary; the first three are unknown, BOS and EOS. */
static inline void tiny_sentence(struct gguf *g)
{
    static const char *const pieces[TINY_TOKENS] = {
        "<unk>", "<s>", "</s>", "<0x0A>", "\xE2\x96\x81", "a", "b", "c", "\xE2\x96\x81""a", "ab",
        "bc", "abc", "\xE2\x96\x81""abc", "<tool>", "\xC3\xA9", "d",
    };
    static const uint8_t types[TINY_TOKENS] = { 2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1 };
    struct gguf_bytes *b;

    gguf_str(g, "tokenizer.ggml.model", "llama");
    gguf_strings(g, "tokenizer.ggml.tokens", TINY_TOKENS, pieces);
    b = gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, TINY_TOKENS);
    for (int i = 0; i < TINY_TOKENS; i++) {
        float score = (float)-i;
        uint32_t bits;

        memcpy(&bits, &score, sizeof bits);
        gguf_put_int(b, bits, 4);
    }
    b = gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, TINY_TOKENS);
    for (int i = 0; i < TINY_TOKENS; i++)
        gguf_put_int(b, types[i], 4);
    gguf_u32(g, "tokenizer.ggml.bos_token_id", 1);
    gguf_u32(g, "tokenizer.ggml.eos_token_id", 2);
}

/* A byte-level vocabulary with merges. */
static inline void tiny_bytes(struct gguf *g)
{
    static const char *const pieces[TINY_TOKENS] = {
        "a", "b", "c", "\xC4\xA0", "ab", "bc", "abc", "\xC4\xA0""a", "\xC4\xA0""abc", "\xC4\x8A",
        "d", "e", "1", "<|endoftext|>", ".", "!",
    };
    static const char *const merges[] = { "a b", "ab c", "b c", "\xC4\xA0 a", "\xC4\xA0 abc" };
    struct gguf_bytes *b;

    gguf_str(g, "tokenizer.ggml.model", "gpt2");
    gguf_str(g, "tokenizer.ggml.pre", "gpt-2");
    gguf_strings(g, "tokenizer.ggml.tokens", TINY_TOKENS, pieces);
    gguf_strings(g, "tokenizer.ggml.merges", 5, merges);
    b = gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, TINY_TOKENS);
    for (int i = 0; i < TINY_TOKENS; i++)
        gguf_put_int(b, i == 13 ? 3 : 1, 4);
    gguf_u32(g, "tokenizer.ggml.eos_token_id", 13);
}

/* Weights between -0.5 and 0.5 as the type has them; blocks have a scale of about 0.004. */
static inline void tiny_fill(struct gguf_bytes *out, uint32_t type, uint64_t elements,
                             uint64_t block, uint64_t bytes, uint64_t *seed)
{
    for (uint64_t i = 0; i < elements / block; i++)
        for (uint64_t j = 0; j < bytes; j += type == 0 ? 4 : 2) {
            uint32_t bits;
            float value;

            *seed = *seed * 6364136223846793005u + 1442695040888963407u;
            value = (float)(int32_t)(*seed >> 32) * 0x1p-32f;
            memcpy(&bits, &value, sizeof bits);
            if (type == 0)
                gguf_put_int(out, bits, 4);
            else if (type == 30)
                gguf_put_int(out, bits >> 16, 2);
            else if (type == 1 || j == 0 || j == 208) /* a half: of F16, or a block's scale */
                gguf_put_int(out, 0x1C00 | (bits >> 13 & 0x3FF) | bits >> 31 << 15, 2);
            else
                gguf_put_int(out, *seed >> 48, 2);
        }
}

static inline void tiny_tensor(struct gguf *g, const struct tiny *t, uint64_t *seed,
                               const char *pattern, uint32_t layer, uint64_t rows, uint64_t cols)
{
    struct gguf_tensor *tensor;
    bool vector = rows == 0;
    char name[64] = { 0 };

    /* The format's own %d, without a format string that is no literal. */
    if (strchr(pattern, '%'))
        snprintf(name, sizeof name, "blk.%u.%s", layer, pattern + 7);
    else
        snprintf(name, sizeof name, "%s", pattern);
    tensor = gguf_add(g, name, vector ? 0 : t->type, NULL, 0);
    tensor->dims = vector ? 1 : 2;
    tensor->ne[0] = cols;
    tensor->ne[1] = vector ? 1 : rows;
    if (vector)
        tiny_fill(&tensor->data, 0, cols, 1, 4, seed);
    else
        tiny_fill(&tensor->data, t->type, rows * cols, t->block, t->bytes, seed);
}

static inline void tiny_gated_weights(struct gguf *g, const struct tiny *t, uint64_t *seed)
{
    uint64_t d = t->dim, q = (uint64_t)t->heads * t->hd, k = (uint64_t)t->kv * t->hd;

    tiny_tensor(g, t, seed, "token_embd.weight", 0, TINY_TOKENS, d);
    for (uint32_t i = 0; i < t->layers; i++) {
        tiny_tensor(g, t, seed, "blk.%d.attn_norm.weight", i, 0, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_q.weight", i, q, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_k.weight", i, k, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_v.weight", i, k, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_output.weight", i, d, q);
        if (strcmp(t->arch, "qwen3") == 0) {
            tiny_tensor(g, t, seed, "blk.%d.attn_q_norm.weight", i, 0, t->hd);
            tiny_tensor(g, t, seed, "blk.%d.attn_k_norm.weight", i, 0, t->hd);
        }
        tiny_tensor(g, t, seed, "blk.%d.ffn_norm.weight", i, 0, d);
        tiny_tensor(g, t, seed, "blk.%d.ffn_gate.weight", i, t->ff, d);
        tiny_tensor(g, t, seed, "blk.%d.ffn_up.weight", i, t->ff, d);
        tiny_tensor(g, t, seed, "blk.%d.ffn_down.weight", i, d, t->ff);
    }
    tiny_tensor(g, t, seed, "output_norm.weight", 0, 0, d);
}

static inline void tiny_gpt2_weights(struct gguf *g, const struct tiny *t, uint64_t *seed)
{
    static const char *const norms[] = {
        "blk.%d.attn_norm.weight", "blk.%d.attn_norm.bias", "blk.%d.attn_output.bias",
        "blk.%d.ffn_norm.weight", "blk.%d.ffn_norm.bias", "blk.%d.ffn_down.bias",
    };
    uint64_t d = t->dim;

    tiny_tensor(g, t, seed, "token_embd.weight", 0, TINY_TOKENS, d);
    tiny_tensor(g, t, seed, "position_embd.weight", 0, t->ctx, d);
    for (uint32_t i = 0; i < t->layers; i++) {
        for (int j = 0; j < 6; j++)
            tiny_tensor(g, t, seed, norms[j], i, 0, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_qkv.weight", i, 3 * d, d);
        tiny_tensor(g, t, seed, "blk.%d.attn_qkv.bias", i, 0, 3 * d);
        tiny_tensor(g, t, seed, "blk.%d.attn_output.weight", i, d, d);
        tiny_tensor(g, t, seed, "blk.%d.ffn_up.weight", i, t->ff, d);
        tiny_tensor(g, t, seed, "blk.%d.ffn_up.bias", i, 0, t->ff);
        tiny_tensor(g, t, seed, "blk.%d.ffn_down.weight", i, d, t->ff);
    }
    tiny_tensor(g, t, seed, "output_norm.weight", 0, 0, d);
    tiny_tensor(g, t, seed, "output_norm.bias", 0, 0, d);
}

static inline void tiny_key(struct gguf *g, const struct tiny *t, const char *key, uint32_t value)
{
    char name[96];

    snprintf(name, sizeof name, "%s.%s", t->arch, key);
    gguf_u32(g, name, value);
}

/* A model that opens and generates. */
static inline struct gguf *tiny_model(const struct tiny *t)
{
    struct gguf *g = gguf_new();
    bool gpt2 = strcmp(t->arch, "gpt2") == 0;
    uint64_t seed = 1;
    char eps[96];

    gguf_str(g, "general.architecture", t->arch);
    tiny_key(g, t, "context_length", t->ctx);
    tiny_key(g, t, "embedding_length", t->dim);
    tiny_key(g, t, "block_count", t->layers);
    tiny_key(g, t, "attention.head_count", t->heads);
    tiny_key(g, t, "feed_forward_length", t->ff);
    snprintf(eps, sizeof eps, "%s.attention.layer_norm_%sepsilon", t->arch, gpt2 ? "" : "rms_");
    gguf_f32(g, eps, 1e-5f);
    if (gpt2) {
        tiny_bytes(g);
        tiny_gpt2_weights(g, t, &seed);
        return g;
    }
    tiny_key(g, t, "attention.head_count_kv", t->kv);
    tiny_key(g, t, "attention.key_length", t->hd);
    tiny_key(g, t, "rope.dimension_count", t->hd);
    tiny_sentence(g);
    tiny_gated_weights(g, t, &seed);
    return g;
}

/* A vocabulary without weights. */
static inline struct gguf *tiny_vocabulary(void)
{
    struct gguf *g = gguf_new();

    gguf_str(g, "general.architecture", "llama");
    tiny_sentence(g);
    return g;
}

static inline struct gguf *tiny_wordpiece(void)
{
    static const char *const pieces[] = { "[UNK]", "[CLS]", "[SEP]", "\xE2\x96\x81""a", "b", "ab",
                                          "\xE2\x96\x81""abc", "c", "\xE2\x96\x81!" };
    struct gguf *g = gguf_new();

    gguf_str(g, "tokenizer.ggml.model", "bert");
    gguf_strings(g, "tokenizer.ggml.tokens", 9, pieces);
    gguf_u32(g, "tokenizer.ggml.cls_token_id", 1);
    gguf_u32(g, "tokenizer.ggml.seperator_token_id", 2);
    gguf_u32(g, "tokenizer.ggml.unknown_token_id", 0);
    return g;
}

#endif
