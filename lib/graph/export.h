/* export.h - words of a recipe for what is different in a GGUF file made of a folder. See recipe.h.
 */
#ifndef PI_EXPORT_H
#define PI_EXPORT_H

/* What a GGUF file made of a folder says beside its keys, or in their place. */
struct put {
    const char *key;   /* behind "<arch>." */
    const char *value; /* expression over the folder's numbers, "=text", or "#1,2"; NULL: the key
                          is not written */
    const char *when;  /* written only where this is not 0; NULL: always */
};

/* How GGUF orders what rotates, or repeats, otherwise than a folder; only converting does that. */
enum order {
    ORDER_SAME,
    ORDER_PAIRS, /* rows of heads `hd` wide, of which `rot` turn: 0 2 4 1 3 5 becomes 0 1 2 3 4 5,
                    where `interleaved` is another */
    ORDER_TILES, /* rows of `hv` heads, those of a key head together: one of each key head's `hk`,
                    then the next of each, where `tiled` is another */
    ORDER_TILED_COLUMNS,
};

#endif
