/* vocab.c - reads tokenizer.ggml.*. Refuses arrays of the wrong type or length, token types that
 * do not exist, scores that are not numbers, malformed byte tokens, and special ids outside
 * the vocabulary. Duplicate pieces are tolerated: the first one is found.
 */
#include "vocab.h"

#include <math.h>

static int read_pieces(struct vocab *v, struct arena *arena, const struct weights *w,
                       pith_error *err)
{
    const struct meta *m;
    const uint8_t *cursor;

    TRY(pi_meta_array(w, "tokenizer.ggml.tokens", META_STR, &m, err));
    if (!m || m->count == 0)
        return pi_fail(err, PITH_E_FORMAT, "tokenizer.ggml.tokens is %s", m ? "empty" : "missing");
    if (m->count >= INT32_MAX)
        return pi_fail(err, PITH_E_LIMIT, "tokenizer.ggml.tokens has %llu tokens, at most %d",
                       (unsigned long long)m->count, INT32_MAX - 1);
    v->n = (int32_t)m->count;
    v->pieces = pi_arena_alloc(arena, (size_t)v->n, sizeof *v->pieces);
    if (!v->pieces)
        return pi_no_memory(err, "the vocabulary", (size_t)v->n * sizeof *v->pieces);
    TRY(pi_map_init(&v->by_piece, arena, (size_t)v->n, err));
    cursor = m->at;
    for (int32_t i = 0; i < v->n; i++) {
        v->pieces[i] = pi_meta_next_str(&cursor);
        if (v->pieces[i].n > v->longest)
            v->longest = v->pieces[i].n;
    }
    v->duplicates = !pi_map_add_all(&v->by_piece, v->pieces, (size_t)v->n);
    return PITH_OK;
}

static int check_length(const struct vocab *v, const struct meta *m, const char *key,
                        pith_error *err)
{
    if (m->count == (uint64_t)v->n)
        return PITH_OK;
    return pi_fail(err, PITH_E_FORMAT, "%s has %llu elements, tokenizer.ggml.tokens %d", key,
                   (unsigned long long)m->count, v->n);
}

static int read_types(struct vocab *v, struct arena *arena, const struct weights *w,
                      pith_error *err)
{
    static const char key[] = "tokenizer.ggml.token_type";
    const struct meta *m;

    v->types = pi_arena_alloc(arena, (size_t)v->n, 1);
    if (!v->types)
        return pi_no_memory(err, "token types", (size_t)v->n);
    memset(v->types, TOKEN_NORMAL, (size_t)v->n);
    TRY(pi_meta_array(w, key, META_I32, &m, err));
    if (!m)
        return PITH_OK;
    TRY(check_length(v, m, key, err));
    for (int32_t i = 0; i < v->n; i++) {
        uint32_t type = pi_le32(m->at + 4 * (size_t)i);

        if (type >= TOKEN_TYPES)
            return pi_fail(err, PITH_E_FORMAT, "%s[%d] is %d, expected 0 to %d", key, i,
                           (int)(int32_t)type, TOKEN_TYPES - 1);
        v->types[i] = (uint8_t)type;
    }
    return PITH_OK;
}

static int read_scores(struct vocab *v, struct arena *arena, const struct weights *w,
                       pith_error *err)
{
    static const char key[] = "tokenizer.ggml.scores";
    const struct meta *m;

    TRY(pi_meta_array(w, key, META_F32, &m, err));
    if (!m)
        return PITH_OK;
    TRY(check_length(v, m, key, err));
    v->scores = pi_arena_alloc(arena, (size_t)v->n, sizeof *v->scores);
    if (!v->scores)
        return pi_no_memory(err, "token scores", (size_t)v->n * sizeof *v->scores);
    for (int32_t i = 0; i < v->n; i++) {
        uint32_t bits = pi_le32(m->at + 4 * (size_t)i);

        memcpy(&v->scores[i], &bits, sizeof bits);
        if (isnan(v->scores[i]))
            return pi_fail(err, PITH_E_FORMAT, "%s[%d] is not a number", key, i);
    }
    return PITH_OK;
}

/* Token ids of the file's keys. -1, in 32 bits with or without sign, is how some converters
 * write "none". */
static int read_special_ids(struct vocab *v, const struct weights *w, pith_error *err)
{
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {
        { "tokenizer.ggml.bos_token_id", &v->bos },
        { "tokenizer.ggml.eos_token_id", &v->eos },
        { "tokenizer.ggml.eot_token_id", &v->eot },
        { "tokenizer.ggml.eom_token_id", &v->eom },
        { "tokenizer.ggml.unknown_token_id", &v->unk },
        { "tokenizer.ggml.seperator_token_id", &v->sep }, /* the format's own spelling */
        { "tokenizer.ggml.cls_token_id", &v->cls },
        { "tokenizer.ggml.padding_token_id", &v->pad },
    };

    for (size_t i = 0; i < PI_COUNT(ids); i++) {
        int64_t id = -1;
        bool found;

        TRY(pi_meta_i64(w, ids[i].key, &id, &found, err));
        if (!found || id == UINT32_MAX)
            id = -1;
        if (id < -1 || id >= v->n)
            return pi_fail(err, PITH_E_FORMAT, "%s is %lld, the vocabulary has %d tokens",
                           ids[i].key, (long long)id, v->n);
        *ids[i].id = (int32_t)id;
    }
    return PITH_OK;
}

uint32_t pi_vocab_byte_code(uint8_t byte)
{
    if (byte <= 32)
        return 256u + byte;
    if (byte >= 127 && byte <= 160)
        return 256u + 33 + (byte - 127u);
    return byte == 173 ? 256u + 33 + 34 : byte;
}

int pi_vocab_code_byte(uint32_t code)
{
    if (code >= 256u + 33 + 35)
        return -1;
    if (code >= 256u + 33)
        return code == 256u + 33 + 34 ? 173 : (int)(code - 256 - 33) + 127;
    if (code >= 256)
        return (int)code - 256;
    return code <= 32 || (code >= 127 && code <= 160) || code == 173 ? -1 : (int)code;
}

int pi_vocab_piece_byte(struct str piece)
{
    int value = 0;

    if (piece.n != 6 || memcmp(piece.at, "<0x", 3) != 0 || piece.at[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = piece.at[i];

        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A' + 10);
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Behind a backslash at *at: the byte that is meant, with *at behind it. */
static char unescape(const char **at, const char *end)
{
    static const char names[] = "tnr", values[] = "\t\n\r";
    char c = *(*at)++;
    const char *found = c ? strchr(names, c) : NULL;
    int value = 0;

    if (found)
        return values[found - names];
    if (c != 'x' || end - *at < 2)
        return c;
    for (int i = 0; i < 2; i++) {
        char digit = *(*at)++, low = (char)(digit | 32);

        value = value * 16 + (low >= 'a' && low <= 'f' ? low - 'a' + 10 : digit & 15);
    }
    return (char)value;
}

/* Writes what a normal piece stands for, never longer than the piece; returns its length. */
static size_t spell_piece(struct str piece, enum vocab_spelling spelling, char *out)
{
    const char *p = piece.at, *end = piece.at + piece.n;
    char *start = out;
    int n;

    while (p < end) {
        struct str rest = { p, (size_t)(end - p) };

        if (spelling == SPELL_MARKED && pi_str_starts(rest, SPACE_MARK)) {
            *out++ = ' ';
            p += SPACE_MARK.n;
            continue;
        }
        if (spelling == SPELL_ESCAPED && *p == '\\' && end - p > 1) {
            p++;
            *out++ = unescape(&p, end);
            continue;
        }
        if (spelling == SPELL_MAPPED) {
            int byte = pi_vocab_code_byte(pi_utf8_next(p, end, &n));

            if (byte >= 0) {
                *out++ = (char)byte;
                p += n;
                continue;
            }
        }
        *out++ = *p++;
    }
    return (size_t)(out - start);
}

/* Fills text and text_at, and bytes[] from tokens of type byte. Unused tokens have no text: they
 * fill holes among the ids. */
static int read_texts(struct vocab *v, struct arena *arena, enum vocab_spelling spelling,
                      pith_error *err)
{
    size_t total = 0;
    char *out;

    for (int32_t i = 0; i < v->n; i++)
        if (!pi_add_size(total, v->pieces[i].n, &total) || total > UINT32_MAX)
            return pi_fail(err, PITH_E_LIMIT, "the pieces of the vocabulary pass 4 GiB");
    v->text_at = pi_arena_alloc(arena, (size_t)v->n + 1, sizeof *v->text_at);
    v->text = pi_arena_alloc(arena, total, 1);
    if (!v->text_at || !v->text)
        return pi_no_memory(err, "the texts of tokens", total);
    out = v->text;
    for (int32_t i = 0; i < v->n; i++) {
        struct str piece = v->pieces[i];

        v->text_at[i] = (uint32_t)(out - v->text);
        if (v->types[i] == TOKEN_BYTE) {
            int byte = pi_vocab_piece_byte(piece);

            if (byte < 0)
                return pi_fail(err, PITH_E_FORMAT, "token %d is of type byte and spelled \"%.*s\"",
                               i, (int)pi_min_size(piece.n, 40), piece.at);
            if (v->bytes[byte] < 0)
                v->bytes[byte] = i;
            *out++ = (char)byte;
        } else if (v->types[i] == TOKEN_CONTROL || v->types[i] == TOKEN_UNKNOWN ||
                   (v->types[i] == TOKEN_USER && spelling == SPELL_MAPPED)) {
            if (piece.n)
                memcpy(out, piece.at, piece.n);
            out += piece.n;
        } else if (v->types[i] != TOKEN_UNUSED) {
            out += spell_piece(piece, spelling, out);
        }
    }
    v->text_at[v->n] = (uint32_t)(out - v->text);
    return PITH_OK;
}

int pi_vocab_open(struct vocab *v, struct arena *arena, const struct weights *w,
                  enum vocab_spelling spelling, pith_error *err)
{
    *v = (struct vocab){ .n = 0 };
    for (int i = 0; i < 256; i++)
        v->bytes[i] = -1;
    TRY(read_pieces(v, arena, w, err));
    TRY(read_types(v, arena, w, err));
    TRY(read_scores(v, arena, w, err));
    TRY(read_special_ids(v, w, err));
    TRY(read_texts(v, arena, spelling, err));
    if (spelling == SPELL_MAPPED)
        for (int i = 0; i < 256; i++) {
            char code[4];
            int n = pi_utf8_put(pi_vocab_byte_code((uint8_t)i), code);
            int32_t id = pi_vocab_find_plain(v, (struct str){ code, (size_t)n });

            if (id >= 0)
                v->bytes[i] = id;
        }
    return PITH_OK;
}

int32_t pi_vocab_find(const struct vocab *v, struct str piece)
{
    return piece.n > v->longest ? -1 : (int32_t)pi_map_find(&v->by_piece, piece);
}

bool pi_vocab_is_plain(const struct vocab *v, int32_t id)
{
    return v->types[id] == TOKEN_NORMAL || v->types[id] == TOKEN_USER ||
           v->types[id] == TOKEN_UNDEFINED;
}

int32_t pi_vocab_find_plain(const struct vocab *v, struct str piece)
{
    int32_t id = pi_vocab_find(v, piece);

    return id >= 0 && pi_vocab_is_plain(v, id) ? id : -1;
}
