/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the calls and connections of one server share, and what may outlive it.
 *
 * A call lives as long as somebody holds it, maybe longer than its connection, the server and the
 * loop. So it never refers to those from another thread, only to the hub, which says under its
 * lock whether there still is a loop to post to.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/loop.h"
#include "varlink/route.h"

typedef struct Hub Hub;
struct Hub {
        atomic_uint refs;
        pthread_t thread; /* the loop's */
        pthread_mutex_t
                lock; /* guards loop; taken inside a call's lock, outside the loop's queue */
        Loop *loop;   /* NULL once the server is gone */

        /* Constant once calls are served. */
        RouteTable routes;
        void (*run)(VarlinkTask *task, void *userdata);
        void *run_userdata;
        unsigned codec_flags;

        /* Loop thread only. */
        bool is_open;       /* the server exists */
        size_t users_count; /* connections + calls; on_busy() tells when it leaves or reaches 0 */
        void (*on_busy)(bool is_busy, void *userdata);
        void *on_busy_userdata;
        VarlinkCall *spare; /* a finished call, used again by the next one */
        List ready;         /* connections that must go on once the present handler has returned */
        sd_event_source *ready_source;
        int epoll_fd; /* the sockets of all connections */
        sd_event_source *sockets_source;
        char *scratch; /* HUB_SCRATCH_SIZE bytes to receive into */
};

#define HUB_SCRATCH_SIZE    (64 * 1024)
#define HUB_EVENTS_PER_TURN 64

int hub_new(Hub **ret, Loop *loop, const VarlinkServerOptions *options);
Hub *hub_ref(Hub *hub);
Hub *hub_unref(Hub *hub);
DEFINE_CLEANUP(Hub, hub_unref);

/** hub_close() - the server goes away: nothing is posted to the loop from now on; loop thread */
void hub_close(Hub *hub);

static inline bool hub_is_current(const Hub *hub) {
        return pthread_equal(hub->thread, pthread_self());
}

/**
 * hub_post() - run @task on the loop's thread, any thread; false when there is no loop any more
 */
bool hub_post(Hub *hub, LoopTask *task);

/** hub_add_user(), hub_remove_user() - count one connection or call; loop thread */
void hub_add_user(Hub *hub);
void hub_remove_user(Hub *hub);
