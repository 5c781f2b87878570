/* status.c - the public functions about versions and status codes.
 *
 * Before: include/pith.h.
 */
#include "base/base.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

int32_t pith_version(void)
{
    return PITH_VERSION;
}

const char *pith_version_string(void)
{
    return TEXT(PITH_VERSION_MAJOR) "." TEXT(PITH_VERSION_MINOR) "." TEXT(PITH_VERSION_PATCH);
}

static const struct status_row {
    int32_t code;
    const char *name, *meaning;
} statuses[] = {
#define X(name, code, meaning) { code, #name, meaning },
    PITH_STATUS_LIST(X)
#undef X
};

static const struct status_row *find_status(int32_t status)
{
    static const struct status_row unknown = { 0, "unknown", "unknown" };

    for (size_t i = 0; i < PI_COUNT(statuses); i++)
        if (statuses[i].code == status)
            return &statuses[i];
    return &unknown;
}

const char *pith_status_name(int32_t status)
{
    return find_status(status)->name;
}

const char *pith_status_meaning(int32_t status)
{
    return find_status(status)->meaning;
}

int32_t pith_abi_check(int32_t header_version, int64_t sizeof_error, pith_error *err)
{
    if (sizeof_error != (int64_t)sizeof *err)
        return PITH_E_UNSUPPORTED;
    if (header_version < 1 || header_version / 10000 != PITH_VERSION_MAJOR ||
        header_version > PITH_VERSION)
        return pi_fail(err, PITH_E_UNSUPPORTED, "the header is version %d, the library %d",
                       header_version, PITH_VERSION);
    return PITH_OK;
}
