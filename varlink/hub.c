/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/hub.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "varlink/call.h"
#include "varlink/connection.h"

/* Connections that were told of from within a handler go on here, from the bottom of the stack. */
static int on_ready(sd_event_source *source, void *userdata) {
        Hub *hub = userdata;
        List ready = LIST_INIT(ready);

        (void)source;
        /* Whoever becomes ready meanwhile waits for the next turn, so that sockets get theirs. */
        if (!list_is_empty(&hub->ready)) {
                ready = hub->ready;
                ready.next->prev = ready.prev->next = &ready;
                list_init(&hub->ready);
        }
        while (!list_is_empty(&ready)) {
                Connection *connection = container_of(ready.next, Connection, ready);
                list_remove(&connection->ready);
                connection_work(connection);
        }
        return 0;
}

/*
 * Some of the sockets that have something to say. The kernel hands out the others in the next
 * turn.
 */
static int on_sockets(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct epoll_event events[HUB_EVENTS_PER_TURN];
        int count = epoll_wait(fd, events, HUB_EVENTS_PER_TURN, 0);

        (void)source;
        (void)revents;
        (void)userdata;
        if (count < 0)
                return errno == EINTR ? 0 : -errno;
        for (int i = 0; i < count; i++)
                connection_on_events(events[i].data.ptr, events[i].events);
        return 0;
}

static int add_sources(Hub *hub, sd_event *event) {
        int r = sd_event_add_defer(event, &hub->ready_source, on_ready, hub);

        if (r >= 0)
                r = sd_event_source_set_enabled(hub->ready_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (hub->epoll_fd < 0)
                return -errno;
        return sd_event_add_io(event, &hub->sockets_source, hub->epoll_fd, EPOLLIN, on_sockets,
                               hub);
}

static void remove_sources(Hub *hub) {
        hub->ready_source = sd_event_source_disable_unref(hub->ready_source);
        hub->sockets_source = sd_event_source_disable_unref(hub->sockets_source);
        hub->epoll_fd = fd_close(hub->epoll_fd);
}

int hub_new(Hub **ret, Loop *loop, const VarlinkServerOptions *options) {
        _cleanup_(hub_unrefp)
        Hub *hub = calloc(1, sizeof(Hub));
        int r;

        if (!hub)
                return -ENOMEM;
        hub->refs = 1;
        hub->epoll_fd = -EBADF;
        hub->thread = pthread_self();
        hub->loop = loop;
        hub->is_open = true;
        hub->run = options->run;
        hub->run_userdata = options->run_userdata;
        hub->codec_flags = options->codec_flags;
        hub->on_busy = options->on_busy;
        hub->on_busy_userdata = options->on_busy_userdata;
        pthread_mutex_init(&hub->lock, NULL);
        list_init(&hub->ready);

        hub->scratch = malloc(HUB_SCRATCH_SIZE);
        if (!hub->scratch)
                return -ENOMEM;
        r = add_sources(hub, loop_event(loop));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(hub);
        return 0;
}

Hub *hub_ref(Hub *hub) {
        atomic_fetch_add_explicit(&hub->refs, 1, memory_order_relaxed);
        return hub;
}

Hub *hub_unref(Hub *hub) {
        if (!hub || atomic_fetch_sub_explicit(&hub->refs, 1, memory_order_acq_rel) > 1)
                return NULL;
        assert(list_is_empty(&hub->ready));
        remove_sources(hub);
        route_table_done(&hub->routes);
        pthread_mutex_destroy(&hub->lock);
        free(hub->scratch);
        free(hub);
        return NULL;
}

void hub_close(Hub *hub) {
        pthread_mutex_lock(&hub->lock);
        hub->loop = NULL;
        pthread_mutex_unlock(&hub->lock);
        hub->is_open = false;
        remove_sources(hub);
        hub->spare = call_free(hub->spare);
}

bool hub_post(Hub *hub, LoopTask *task) {
        pthread_mutex_lock(&hub->lock);
        bool is_open = hub->loop != NULL;
        if (is_open)
                loop_post(hub->loop, task);
        pthread_mutex_unlock(&hub->lock);
        return is_open;
}

void hub_add_user(Hub *hub) {
        if (hub->users_count++ == 0 && hub->on_busy)
                hub->on_busy(true, hub->on_busy_userdata);
}

void hub_remove_user(Hub *hub) {
        assert(hub->users_count > 0);
        if (--hub->users_count == 0 && hub->is_open && hub->on_busy)
                hub->on_busy(false, hub->on_busy_userdata);
}
