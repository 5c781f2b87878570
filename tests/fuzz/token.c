/* token.c - the bytes are a tokenizer.json, then NUL and a text: tokens and back.
 */
#include "fuzz.h"
#include "text/tokenizer.h"

FUZZ_TARGET(token)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    struct str json = { (const char *)data, n };
    struct str text = { (const char *)data + n + (nul != NULL), size - n - (nul != NULL) };
    struct fuzz_memory memory = { 0 };
    struct allocator allocator = { fuzz_alloc, fuzz_free, &memory };
    struct id_list ids = { .allocator = allocator };
    struct tokenizer *t = NULL;
    struct arena arena;
    pith_error e = { 0 };
    int status;

    pi_arena_init(&arena, &allocator);
    status = pi_tokenizer_open_json(&t, &arena, json, STR(""), &e);
    fuzz_status(status, &e);
    FUZZ_CHECK((status == PITH_OK) == (t != NULL));
    for (int flags = 0; t && flags < 4; flags++) {
        ids.n = 0;
        fuzz_status(pi_tokenize(t, text, flags, &ids, &e), &e);
        for (size_t i = 0; i < ids.n; i++) {
            struct str piece = pi_token_text(t, ids.ids[i], flags & 1);

            FUZZ_CHECK(ids.ids[i] >= 0 && ids.ids[i] < pi_tokenizer_size(t));
            FUZZ_CHECK(piece.n == 0 || piece.at[piece.n - 1] == piece.at[piece.n - 1]);
        }
    }
    pi_id_list_free(&ids);
    pi_arena_free(&arena);
    FUZZ_CHECK(memory.live == 0);
    return 0;
}
