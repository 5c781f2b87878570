/* thread.h - a pool of workers that run one region of code together, and its barrier.
 *
 * Operating-system code. The caller of pi_pool_run is worker 0. Waiting workers spin briefly,
 * then yield, then park, so that they neither cost microseconds nor starve a host.
 */
#ifndef PI_THREAD_H
#define PI_THREAD_H

#include "mem.h"

struct pool;

#define PI_MAX_THREADS 512 /* of a pool; the most that the option "threads" takes */

/* The region's code for one worker; 0 <= part < parts. */
typedef void region_fn(void *arg, int part, int parts);

/* `threads` workers, the caller included; the others start at the first run. */
int pi_pool_open(struct pool **out, int threads, const struct allocator *a, pith_error *err);
void pi_pool_close(struct pool *pool);

/* Runs region(arg, part, parts) on every worker and returns when all are done. parts is the
 * pool's number of threads, or 1 if threads cannot be started or this is a forked child. */
void pi_pool_run(struct pool *pool, region_fn *region, void *arg);

/* Inside a region: waits until every worker has come here. */
void pi_pool_barrier(struct pool *pool, int part, int parts);

/* Inside a region: one of 0 .. n-1, each to one worker alone; n when none is left. Between two
 * barriers every worker asks until it gets n, with the same n. */
int64_t pi_pool_claim(struct pool *pool, int part, int parts, int64_t n);

#endif
