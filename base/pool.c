/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

/* Deep enough for the widest method; only touched pages cost memory. */
#define STACK_SIZE (512 * 1024)

struct Pool {
        pthread_mutex_t lock; /* guards everything below */
        pthread_cond_t work;  /* a task came, or the pool stops */
        pthread_cond_t ended; /* a thread is about to end, or the last task is done */
        PoolTask *first, **last;
        unsigned threads, idle, threads_max, idle_ms;
        unsigned pending; /* tasks in the queue */
        unsigned running; /* tasks in a thread */
        bool stopping;

        /* Each thread that ends joins the one that ended before it; pool_free() joins the last. */
        bool has_last;
        pthread_t last_ended;
};

static struct timespec deadline_after(unsigned ms) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec += ms / 1000;
        t.tv_nsec += (long)(ms % 1000) * 1000000;
        if (t.tv_nsec >= 1000000000) {
                t.tv_sec++;
                t.tv_nsec -= 1000000000;
        }
        return t;
}

/* Waits for a task; NULL: end this thread. */
static PoolTask *next_task_locked(Pool *pool) {
        struct timespec deadline = deadline_after(pool->idle_ms);

        while (!pool->first) {
                if (pool->stopping)
                        return NULL;
                pool->idle++;
                int r = pthread_cond_timedwait(&pool->work, &pool->lock, &deadline);
                pool->idle--;
                if (r == ETIMEDOUT && !pool->first)
                        return NULL;
        }
        PoolTask *task = pool->first;
        pool->first = task->next;
        if (!pool->first)
                pool->last = &pool->first;
        pool->pending--;
        pool->running++;
        return task;
}

static void *worker(void *userdata) {
        Pool *pool = userdata;

        (void)prctl(PR_SET_NAME, "worker");
        pthread_mutex_lock(&pool->lock);
        for (PoolTask *task; (task = next_task_locked(pool));) {
                pthread_mutex_unlock(&pool->lock);
                task->run(task);
                pthread_mutex_lock(&pool->lock);
                pool->running--;
                if (pool->running == 0 && pool->pending == 0)
                        pthread_cond_broadcast(&pool->ended);
        }
        bool has_previous = pool->has_last;
        pthread_t previous = pool->last_ended;
        pool->has_last = true;
        pool->last_ended = pthread_self();
        pool->threads--;
        pthread_cond_broadcast(&pool->ended);
        pthread_mutex_unlock(&pool->lock);
        if (has_previous)
                pthread_join(previous, NULL);
        return NULL;
}

int pool_new(Pool **ret, unsigned threads_max, unsigned idle_ms) {
        if (threads_max == 0 || threads_max > POOL_THREADS_MAX)
                return -EINVAL;

        Pool *pool = xnew(Pool, 1);
        pthread_condattr_t attributes;

        pool->threads_max = threads_max;
        pool->idle_ms = idle_ms;
        pool->last = &pool->first;
        pthread_mutex_init(&pool->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pool->work, &attributes);
        pthread_cond_init(&pool->ended, &attributes);
        pthread_condattr_destroy(&attributes);
        *ret = pool;
        return 0;
}

Pool *pool_free(Pool *pool) {
        if (!pool)
                return NULL;
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pthread_cond_broadcast(&pool->work);
        while (pool->threads > 0)
                pthread_cond_wait(&pool->ended, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        if (pool->has_last)
                pthread_join(pool->last_ended, NULL);
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->ended);
        pthread_mutex_destroy(&pool->lock);
        free(pool);
        return NULL;
}

/* Workers take no signals: they belong to the loop. */
static int start_thread(Pool *pool) {
        pthread_attr_t attributes;
        sigset_t all, before;
        pthread_t thread;

        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&thread, &attributes, worker, pool);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return -r;
}

void pool_submit(Pool *pool, PoolTask *task) {
        task->next = NULL;
        pthread_mutex_lock(&pool->lock);
        *pool->last = task;
        pool->last = &task->next;
        pool->pending++;

        /* An idle thread that was signalled already is still counted idle until it runs. */
        if (pool->pending > pool->idle && pool->threads < pool->threads_max) {
                pool->threads++;
                if (start_thread(pool) < 0) {
                        pool->threads--;
                        if (pool->threads == 0)
                                abort();
                }
        }
        pthread_cond_signal(&pool->work);
        pthread_mutex_unlock(&pool->lock);
}

int pool_wait(Pool *pool, unsigned timeout_ms) {
        struct timespec deadline = deadline_after(timeout_ms);
        int r = 0;

        pthread_mutex_lock(&pool->lock);
        while (r == 0 && (pool->pending > 0 || pool->running > 0))
                r = pthread_cond_timedwait(&pool->ended, &pool->lock, &deadline);
        pthread_mutex_unlock(&pool->lock);
        return -r;
}
