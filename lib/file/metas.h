/* metas.h - metadata as it is made for a file that is to be written: keys and values in an arena.
 */
#ifndef PI_METAS_H
#define PI_METAS_H

#include "weights.h"

struct metas {
    struct arena *arena;
    struct meta *rows;
    int64_t n, capacity;
};

/* Adds a value, or replaces that of the same key. Keys and texts are copied. */
int pi_metas_u32(struct metas *m, const char *key, uint32_t value, pith_error *err);
int pi_metas_f32(struct metas *m, const char *key, float value, pith_error *err);
int pi_metas_bool(struct metas *m, const char *key, bool value, pith_error *err);
int pi_metas_str(struct metas *m, const char *key, struct str value, pith_error *err);

/* Arrays of n values. */
int pi_metas_strs(struct metas *m, const char *key, const struct str *values, size_t n,
                  pith_error *err);
int pi_metas_i32s(struct metas *m, const char *key, const int32_t *values, size_t n,
                  pith_error *err);
int pi_metas_f32s(struct metas *m, const char *key, const float *values, size_t n,
                  pith_error *err);
int pi_metas_u8s(struct metas *m, const char *key, const uint8_t *values, size_t n,
                 pith_error *err);
int pi_metas_bools(struct metas *m, const char *key, const bool *values, size_t n,
                   pith_error *err);

/* Takes the key away, if it is there. */
void pi_metas_remove(struct metas *m, const char *key);

/* A file of that metadata and these tensors, for those that read files; without their bytes. */
int pi_metas_view(struct weights *w, const struct metas *m, struct tensor *tensors,
                  int64_t n_tensors, pith_error *err);

#endif
