/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Worker threads for calls that may block.
 *
 * Threads are made when work waits and none is idle, up to a maximum, and end after a while without
 * work, so an idle engine has none. Tasks start in the order in which they were submitted.
 */

#include "base/memory.h"

typedef struct Pool Pool;

/* Embedded in whatever is submitted; the submitter keeps it alive until it ran. */
typedef struct PoolTask PoolTask;
struct PoolTask {
        PoolTask *next;
        void (*run)(PoolTask *task);
};

#define POOL_THREADS_MAX 64

/**
 * pool_new() - a pool with no threads yet
 * @threads_max: 1 to POOL_THREADS_MAX
 * @idle_ms:     how long a thread waits for work before it ends
 */
int pool_new(Pool **ret, unsigned threads_max, unsigned idle_ms);

/** pool_free() - run what was submitted, end and join every thread; returns NULL */
Pool *pool_free(Pool *pool);
DEFINE_CLEANUP(Pool, pool_free);

/**
 * pool_submit() - run @task on a worker; any thread. If no thread can be made and none exists,
 * aborts
 */
void pool_submit(Pool *pool, PoolTask *task);

/** pool_wait() - wait until nothing is queued or running, at most @timeout_ms; 0, or -ETIMEDOUT */
int pool_wait(Pool *pool, unsigned timeout_ms);
