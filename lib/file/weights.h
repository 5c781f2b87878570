/* weights.h - the one view of a weight file, whatever its container: named tensors with type,
 * shape and bytes, and typed metadata.
 *
 * Everything here borrows from the mapping: nothing is copied, nothing is converted. Shapes,
 * sizes and offsets have been proved to lie inside the file before a view exists.
 *
 * Before: model/model.c. Next: gguf.c.
 */
#ifndef PI_WEIGHTS_H
#define PI_WEIGHTS_H

#include "base/dtype.h"
#include "base/map.h"
#include "mmap.h"

#define PI_MAX_DIMS 4

struct tensor {
    struct str name;
    enum dtype dtype;
    int dims;
    int64_t ne[PI_MAX_DIMS]; /* ne[0] is contiguous; unused ones are 1 */
    const uint8_t *data;
    size_t bytes;
};

/* GGUF's value types. */
enum meta_type {
    META_U8, META_I8, META_U16, META_I16, META_U32, META_I32, META_F32, META_BOOL,
    META_STR, META_ARRAY, META_U64, META_I64, META_F64, META_TYPES
};

struct meta {
    struct str key;
    enum meta_type type;    /* of the value, or of the elements of an array */
    bool is_array;
    uint64_t count;         /* elements; 1 unless is_array */
    const uint8_t *at;      /* first element, little-endian; strings are u64 length + bytes */
    const uint8_t *end;     /* one past the last byte of the value */
};

struct weights {
    struct mapping *files;  /* one, or all shards */
    int n_files;
    struct tensor *tensors; /* in file order */
    int64_t n_tensors;
    struct meta *metas;     /* of the first file */
    int64_t n_metas;
    struct map by_name;     /* tensors */
    struct map by_key;      /* metas */
    uint32_t version;       /* of GGUF */
    bool hf;                /* a Hugging Face folder: see folder.h */
    const char *folder;     /* its path; NULL for GGUF */
    int most_files;         /* room in files */
};

/* Where the bytes come from: exactly one of path, memory, or fd (>= 0 with memory == NULL). */
struct source {
    const char *path;  /* NUL-terminated */
    const void *memory;
    size_t size;       /* of memory, or of the part of fd; 0 with fd: to its end */
    int fd;
    uint64_t offset;   /* of fd */
};

/* Opens and proves a GGUF file, with its shards if it is the first of a split, or a Hugging Face
 * folder. All memory is in the arena; the mappings are released by pi_weights_close, which is safe
 * on a zeroed struct. */
int pi_weights_open(struct weights *w, struct arena *arena, const struct source *source,
                    pith_error *err);
void pi_weights_close(struct weights *w);

/* Whether the path leads to one of the files that are open. */
bool pi_weights_hold(const struct weights *w, const char *path);

/* The tensor of that name, or NULL. */
const struct tensor *pi_weights_find(const struct weights *w, struct str name);

/* For readers: fills by_name; a name that appears twice is an error. */
int pi_weights_index(struct weights *w, struct arena *arena, pith_error *err);

/* Pointers to the tensors in the order of their bytes. */
int pi_tensors_by_place(const struct tensor ***out, const struct tensor *tensors, int64_t count,
                        struct arena *arena, pith_error *err);

/* The metadata of that key, or NULL. */
const struct meta *pi_meta_find(const struct weights *w, struct str key);

/* Whether config.json says that there is none. */
bool pi_meta_is_null(const struct weights *w, struct str key);

/* Typed getters. PITH_OK with *found = false when the key is absent (out untouched); an error
 * that names the key when its type does not fit. Numbers convert between integer widths, and
 * from integers and F32 to double; bool reads as 0 or 1. */
int pi_meta_i64(const struct weights *w, const char *key, int64_t *out, bool *found,
                pith_error *err);
int pi_meta_f64(const struct weights *w, const char *key, double *out, bool *found,
                pith_error *err);
int pi_meta_str(const struct weights *w, const char *key, struct str *out, bool *found,
                pith_error *err);

/* An array whose elements have exactly this type; *out is NULL when the key is absent. */
int pi_meta_array(const struct weights *w, const char *key, enum meta_type type,
                  const struct meta **out, pith_error *err);

/* A scalar element of a numeric array or value, i < count. */
double pi_meta_number(const struct meta *m, uint64_t i);

/* Steps through an array of strings: *cursor starts at m->at and moves behind the string.
 * The lengths have been proved when the file was opened. */
struct str pi_meta_next_str(const uint8_t **cursor);

const char *pi_meta_type_name(enum meta_type type);

#endif
