/* check.h - the test harness: small functions, one list, one line at the end.
 *
 *     static void adds(void) { CHECK(1 + 1 == 2); }
 *     int main(int argc, char **argv)
 *     {
 *         CHECK_START(argc, argv);
 *         RUN(adds);
 *         return CHECK_END();
 *     }
 *
 * A test fails if any CHECK in it does; the rest of the test goes on. Arguments choose tests by
 * substring. SHARED is the folder with data that is not committed; tests that need it
 * say SKIP aloud where it is absent.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SHARED
#define SHARED "../shared"
#endif

static struct {
    const char *name, *only;
    int passed, failed, skipped, failures;
    bool skip;
} check;

#define CHECK_START(argc, argv) (check.only = (argc) > 1 ? (argv)[1] : NULL)

#define CHECK_FAIL(...)                                                       \
    do {                                                                      \
        if (check.failures++ < 20) {                                          \
            printf("%s:%d: %s: ", __FILE__, __LINE__, check.name);            \
            printf(__VA_ARGS__);                                              \
            printf("\n");                                                     \
        }                                                                     \
    } while (0)

#define CHECK(condition)                                  \
    do {                                                  \
        if (!(condition))                                 \
            CHECK_FAIL("%s is false", #condition);        \
    } while (0)

#define CHECK_INT(actual, expected)                                                          \
    do {                                                                                     \
        int64_t check_a = (int64_t)(actual), check_e = (int64_t)(expected);                  \
        if (check_a != check_e)                                                              \
            CHECK_FAIL("%s is %" PRId64 ", expected %" PRId64, #actual, check_a, check_e);   \
    } while (0)

/* NaN is never near. */
#define CHECK_NEAR(actual, expected, bound)                                                   \
    do {                                                                                      \
        double check_a = (double)(actual), check_e = (double)(expected);                      \
        if (!(fabs(check_a - check_e) <= (double)(bound)))                                    \
            CHECK_FAIL("%s is %.9g, expected %.9g within %.3g", #actual, check_a, check_e,    \
                       (double)(bound));                                                      \
    } while (0)

#define CHECK_STR(actual, expected)                                                   \
    do {                                                                              \
        const char *check_a = (actual), *check_e = (expected);                        \
        if (strcmp(check_a, check_e) != 0)                                            \
            CHECK_FAIL("%s is \"%s\", expected \"%s\"", #actual, check_a, check_e);   \
    } while (0)

/* The text contains the part: for error messages, whose wording may improve. */
#define CHECK_HAS(text, part)                                                     \
    do {                                                                          \
        const char *check_t = (text), *check_p = (part);                          \
        if (!strstr(check_t, check_p))                                            \
            CHECK_FAIL("\"%s\" does not contain \"%s\"", check_t, check_p);       \
    } while (0)

#define SKIP(why)                                      \
    do {                                               \
        printf("SKIP %s: %s\n", check.name, why);      \
        check.skip = true;                             \
        return;                                        \
    } while (0)

#define RUN(test) check_run(#test, test)

static inline void check_run(const char *name, void (*test)(void))
{
    if (check.only && !strstr(name, check.only))
        return;
    check.name = name;
    check.failures = 0;
    check.skip = false;
    test();
    fflush(stdout);
    if (check.skip)
        check.skipped++;
    else if (check.failures)
        check.failed++;
    else
        check.passed++;
    if (check.failures)
        printf("FAIL %s (%d)\n", name, check.failures);
}

static inline int check_end(const char *file)
{
    printf("%-28s %d passed, %d failed, %d skipped\n", file, check.passed, check.failed,
           check.skipped);
    return check.failed != 0;
}
#define CHECK_END() check_end(__FILE__)

/* A whole file in memory (malloc), or NULL. */
static inline uint8_t *check_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long n;

    *size = 0;
    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        data = malloc((size_t)n + 1);
        if (data) {
            *size = fread(data, 1, (size_t)n, f);
            data[*size] = 0;
        }
    }
    fclose(f);
    return data;
}

/* xorshift; tests print the seed when one matters. */
static inline uint64_t check_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
