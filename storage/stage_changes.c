/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container's changes become a staged layer by way of their tar: one thread writes it to a pipe,
 * another reads it as it reads any layer. So what is in the new layer is what its tar says, to the
 * last byte, and nothing that a tar cannot tell.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "base/fd.h"
#include "storage/layers.h"

#define PIPE_SIZE  (1024 * 1024)
#define CHUNK_SIZE (64 * 1024) /* bytes that are written at once */

typedef struct Writer {
        Store *store;
        const char *id;
        int fd;
        Buffer chunk;
        int result;
        Error err;
} Writer;

/* EPIPE: the reader has given up, and says why. */
static int flush(Writer *writer, Error *err) {
        int r = fd_write_all(writer->fd, writer->chunk.data, writer->chunk.size);

        writer->chunk.size = 0;
        return r < 0 ? error_errno(err, ERR_CANCELLED, -r, writer->id,
                                   "cannot hand on the changes of layer %s", writer->id)
                     : 0;
}

static int write_tar(void *userdata, const void *data, size_t size, Error *err) {
        Writer *writer = userdata;

        buffer_append(&writer->chunk, data, size);
        if (buffer_failed(&writer->chunk))
                return error_set(err, ERR_IO, writer->id, "out of memory");
        return writer->chunk.size >= CHUNK_SIZE ? flush(writer, err) : 0;
}

static void *run(void *userdata) {
        Writer *writer = userdata;
        const TarSink sink = { .write = write_tar, .userdata = writer };
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGPIPE);
        (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
        writer->result = store_layer_write_diff(writer->store, writer->id, &sink, &writer->err);
        if (writer->result == 0)
                writer->result = flush(writer, &writer->err);
        writer->fd = fd_close(writer->fd);
        return NULL;
}

/* Of two failures the first in the way of the bytes is the cause of the other. */
static int judge(const Writer *writer, int r, const Error *reading, Error *err) {
        if (writer->result < 0 && writer->err.kind != ERR_CANCELLED)
                return error_copy(err, &writer->err);
        return r < 0 ? error_copy(err, reading) : 0;
}

int store_layer_stage_changes(Store *store, const char *id, const StoreStageOptions *options,
                              StoreStagedLayer **ret, Error *err) {
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *layer = NULL;
        Writer writer = { .store = store, .id = id, .fd = -EBADF, .chunk = BUFFER_INIT };
        Error failure = ERROR_INIT;
        pthread_t thread;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot make a pipe");
        (void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE); /* faster; the usual size will do */
        writer.fd = fds[1];
        int r = pthread_create(&thread, NULL, run, &writer);
        if (r != 0) {
                (void)fd_close(fds[0]);
                (void)fd_close(fds[1]);
                return error_errno(err, ERR_IO, r, id, "cannot start a thread");
        }
        r = store_layer_stage(store, fds[0], options, &layer, &failure);
        (void)fd_close(fds[0]);
        (void)pthread_join(thread, NULL);
        buffer_done(&writer.chunk);
        if (judge(&writer, r, &failure, err) < 0)
                return -1;
        *ret = TAKE_PTR(layer);
        return 0;
}
