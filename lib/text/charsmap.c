/* charsmap.c - SentencePiece's replacements of characters; see normal.h. The blob is the length
 * of a double-array trie, the trie, and the texts that its values are offsets of. Every step in
 * the trie is checked, so that any bytes may stand in it.
 */
#include "normal.h"

int pi_charsmap_open(struct charsmap *map, struct str blob, pith_error *err)
{
    uint32_t bytes;

    *map = (struct charsmap){ .n_units = 0 };
    if (blob.n < 4)
        return pi_fail(err, PITH_E_FORMAT, "precompiled_charsmap has %zu bytes, too few", blob.n);
    bytes = pi_le32(blob.at);
    if (bytes > blob.n - 4 || bytes % 4)
        return pi_fail(err, PITH_E_FORMAT, "precompiled_charsmap: a trie of %u bytes in %zu",
                       bytes, blob.n);
    map->units = (const uint8_t *)blob.at + 4;
    map->n_units = bytes / 4;
    map->texts = (struct str){ blob.at + 4 + bytes, blob.n - 4 - bytes };
    return PITH_OK;
}

/* Fields of a unit, as in darts-clone. */
static uint32_t unit_offset(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

bool pi_charsmap_find(const struct charsmap *map, struct str text, bool longest, size_t *n,
                      struct str *replacement)
{
    uint32_t at = 0, unit, value = 0;
    bool found = false;

    if (map->n_units == 0)
        return false;
    at = unit_offset(pi_le32(map->units));
    for (size_t i = 0; i < text.n && text.at[i]; i++) {
        at ^= (uint8_t)text.at[i];
        if (at >= map->n_units)
            break;
        unit = pi_le32(map->units + 4 * (size_t)at);
        if ((unit & (0x80000000u | 0xFF)) != (uint8_t)text.at[i])
            break;
        at ^= unit_offset(unit);
        if (at >= map->n_units)
            break;
        if (unit >> 8 & 1) {
            value = pi_le32(map->units + 4 * (size_t)at) & 0x7FFFFFFF;
            found = true;
            *n = i + 1;
            if (!longest)
                break;
        }
    }
    if (!found || value >= map->texts.n)
        return false;
    *replacement = (struct str){ map->texts.at + value, map->texts.n - value };
    text.at = memchr(replacement->at, 0, replacement->n);
    if (text.at)
        replacement->n = (size_t)(text.at - replacement->at);
    return true;
}
