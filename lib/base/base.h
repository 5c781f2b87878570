/* base.h - what every file of pith may assume: integer types, checked sizes, TRY.
 *
 * Floor 0. Includes nothing of pith but the public header, whose status codes are the
 * only ones there are.
 */
#ifndef PI_BASE_H
#define PI_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pith.h"

#define PI_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PI_CACHE_LINE 64 /* bytes; arena blocks and value rows are aligned to it */

#if defined(__GNUC__)
#define PI_FORMAT(fmt, first) __attribute__((format(printf, fmt, first)))
#define PI_LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define PI_FORMAT(fmt, first)
#define PI_LIKELY(x) (x)
#endif

/* Forwards a failure to the caller; the place that failed has already filled the error. */
#define TRY(call)                    \
    do {                             \
        int try_status_ = (call);    \
        if (try_status_ != PITH_OK)  \
            return try_status_;      \
    } while (0)

/* Records a failure and returns its code: `return pi_fail(err, PITH_E_FORMAT, "...", ...)`.
 * Whatever err held is overwritten; err may be NULL. This is the only place that formats text,
 * and it does so without the locale: integers and strings; %g only through pi_number(). */
int pi_fail(pith_error *err, int code, const char *format, ...) PI_FORMAT(3, 4);

static inline size_t pi_min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline int64_t pi_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t pi_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Checked arithmetic for numbers that come from a file or a caller: false on overflow,
 * *out is then unspecified. */
static inline bool pi_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline bool pi_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* Rounds up to a multiple of `align`, a power of two; false on overflow. */
static inline bool pi_align_size(size_t n, size_t align, size_t *out)
{
    if (!pi_add_size(n, align - 1, &n))
        return false;
    *out = n & ~(align - 1);
    return true;
}

/* The part of `count` items that worker `part` of `parts` owns: [*first, *last), contiguous,
 * in multiples of `grain` but for the last. Depends on nothing else, so results do not either. */
static inline void pi_split(int64_t count, int64_t grain, int part, int parts, int64_t *first,
                            int64_t *last)
{
    int64_t grains = (count + grain - 1) / grain;

    *first = pi_min(count, grains * part / parts * grain);
    *last = pi_min(count, grains * (part + 1) / parts * grain);
}

/* Little-endian reads from any address. */
static inline uint16_t pi_le16(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t pi_le32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t pi_le64(const void *at)
{
    const uint8_t *p = at;
    return pi_le32(p) | (uint64_t)pi_le32(p + 4) << 32;
}

#endif
