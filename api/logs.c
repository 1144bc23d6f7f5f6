/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GetContainerLogs: all lines at once, or with `more` each as it comes.
 *
 * A follower that does not read pauses the reading, not the container. The stream lives in the
 * call's arena and holds a reference of the call until the engine has released it.
 */

#include <string.h>

#include "api/errors.h"
#include "api/handlers.h"
#include "engine/logs.h"

#define OUTPUT_PENDING_MAX \
        (1024 * 1024) /* unread bytes of one follower before its reading pauses */

typedef struct LogStream {
        VarlinkCall *call;
        LogFollow *follow;
} LogStream;

/* A line of a log may hold any byte. A NUL would cut the string: it becomes U+FFFD, as the encoder
 * does with bytes that are not UTF-8. */
static const char *copy_record(Arena *arena, const char *record, size_t size) {
        static const char replacement[3] = "\xef\xbf\xbd";
        size_t extra = 0, n = 0;

        for (const char *p = record; (p = memchr(p, '\0', (size_t)(record + size - p))); p++)
                extra += sizeof(replacement) - 1;
        char *line = arena_alloc(arena, size + extra + 1);
        if (extra == 0) {
                memcpy(line, record, size);
                return line;
        }
        for (size_t i = 0; i < size; i++) {
                if (record[i] != '\0') {
                        line[n++] = record[i];
                        continue;
                }
                memcpy(line + n, replacement, sizeof(replacement));
                n += sizeof(replacement);
        }
        return line;
}

/* One string for each record. */
static void split_records(Arena *arena, const char *records, size_t size,
                          IoPodmanGetContainerLogsOut *out) {
        size_t count = 0;

        if (size == 0)
                return; /* and @records may be NULL */
        for (const char *p = records, *end = p + size; p < end; count++)
                p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
        out->container.items = arena_new(arena, const char *, count);
        for (const char *p = records, *end = p + size, *next; p < end; p = next) {
                next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
                out->container.items[out->container.count++] =
                        copy_record(arena, p, (size_t)(next - p));
        }
}

static void on_writable(_unused_ VarlinkCall *call, void *userdata) {
        LogStream *stream = userdata;

        log_follow_resume(stream->follow);
}

static bool on_records(const char *records, size_t size, bool is_last, void *userdata) {
        LogStream *stream = userdata;
        IoPodmanGetContainerLogsOut out = { .container = { .items = NULL } };
        Arena arena = ARENA_INIT;

        split_records(&arena, records, size, &out);
        if (is_last)
                (void)io_podman_reply_GetContainerLogs(stream->call, &out);
        else
                (void)io_podman_continue_GetContainerLogs(stream->call, &out);
        arena_done(&arena);
        if (is_last || varlink_call_output_pending(stream->call) < OUTPUT_PENDING_MAX)
                return true;
        varlink_call_on_writable(stream->call, on_writable, stream);
        return false;
}

static void on_error(const Error *err, void *userdata) {
        LogStream *stream = userdata;

        api_reply_error(stream->call, err, NULL);
}

static void on_released(void *userdata) {
        LogStream *stream = userdata;

        varlink_call_unref(stream->call);
}

static void on_hangup(_unused_ VarlinkCall *call, void *userdata) {
        LogStream *stream = userdata;

        log_follow_cancel(stream->follow);
}

static void unref_follow(void *follow) {
        log_follow_unref(follow);
}

static void follow(VarlinkCall *call, Container *container) {
        static const LogFollowSink sink = { .on_records = on_records, .on_error = on_error };
        Arena *arena = varlink_call_arena(call);
        LogStream *stream = arena_new(arena, LogStream, 1);

        stream->call = varlink_call_ref(call);
        log_follow_begin(container, &sink, stream, on_released, &stream->follow);
        arena_add_destructor(arena, unref_follow, stream->follow);
        varlink_call_on_cancel(call, on_hangup, stream);
}

void api_GetContainerLogs(VarlinkCall *call, const IoPodmanGetContainerLogsIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        IoPodmanGetContainerLogsOut out = { .container = { .items = NULL } };
        _cleanup_buffer_ Buffer records = BUFFER_INIT;
        Error err = ERROR_INIT;

        if (!container)
                return;
        if (varlink_call_is_oneway(call))
                return; /* reading changes nothing, and nobody would hear of it */
        if (varlink_call_wants_more(call)) {
                follow(call, container);
                return;
        }
        if (container_logs(container, &records, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        split_records(varlink_call_arena(call), records.data, records.size, &out);
        (void)io_podman_reply_GetContainerLogs(call, &out);
}
