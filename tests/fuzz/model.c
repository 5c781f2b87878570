/* model.c - the bytes are a model file: open it, and if it opens, do everything with it.
 */
#include "use.h"

FUZZ_TARGET(model)
{
    struct fuzz_memory memory = { 0 };
    pith_options *o = options_of(size ? data[size - 1] : 0, &memory);
    pith_model *m;
    pith_error e = { 0 };
    int32_t status = pith_model_open_memory(&m, data, (int64_t)size, o, &e);

    /* Opening may cost a multiple of the file, and no more: counts are not to be believed. */
    FUZZ_CHECK(memory.peak <= (int64_t)size * 16 + (1 << 20));
    if (status != PITH_OK)
        FUZZ_CHECK(!m && memory.live == 0);
    fuzz_status(status, &e);
    if (m)
        use_model(m, o);
    FUZZ_CHECK(memory.live == 0);
    pith_options_release(o);
    return 0;
}
