/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/stream.h"

#include <errno.h>
#include <poll.h>

#include "base/fd.h"
#include "helper/blob_io.h"

void stream_prepare_write(int fd) {
        (void)fcntl(fd, F_SETPIPE_SZ, STREAM_PIPE_SIZE);
        (void)fd_set_nonblock(fd, true);
}

static int wait_for(int fd, short events, const TransferControl *control, Error *err) {
        for (;;) {
                struct pollfd poll_fd = { .fd = fd, .events = events };
                int n = poll(&poll_fd, 1, STREAM_POLL_MS);
                if (n < 0 && errno != EINTR)
                        return error_errno(err, ERR_IO, errno, NULL, "cannot wait for a pipe");
                if (control_check(control, err) < 0)
                        return -1;
                if (n > 0)
                        return 0;
        }
}

int stream_write(int fd, const void *data, size_t size, const TransferControl *control,
                 Error *err) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);
                if (n >= 0) {
                        p += n;
                        size -= (size_t)n;
                } else if (errno == EAGAIN) {
                        if (wait_for(fd, POLLOUT, control, err) < 0)
                                return -1;
                } else if (errno == EPIPE) {
                        return error_set(err, ERR_CANCELLED, NULL,
                                         "nobody reads the bytes any more");
                } else if (errno != EINTR) {
                        return error_errno(err, ERR_IO, errno, NULL, "cannot pass bytes on");
                }
        }
        return 0;
}

ssize_t stream_read(int fd, void *data, size_t size, const TransferControl *control, Error *err) {
        for (;;) {
                if (wait_for(fd, POLLIN, control, err) < 0)
                        return -1;
                ssize_t n = read(fd, data, size);
                if (n >= 0)
                        return n;
                if (errno != EINTR && errno != EAGAIN)
                        return error_errno(err, ERR_IO, errno, NULL, "cannot read the bytes");
        }
}
