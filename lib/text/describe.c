/* describe.c - stub */
#include "describe.h"

int pi_describe_tokenizer(struct metas *m, struct weights *w, int64_t least, int64_t *tokens,
                          pith_error *err)
{
    (void)w; (void)least;
    *tokens = 0;
    return pi_metas_str(m, "tokenizer.ggml.model", STR("none"), err);
}
