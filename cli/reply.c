/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reply.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/command.h"
#include "cli/json.h"

/* One write for each reply, so that a reader of a pipe sees it whole and at once. */
static int write_buffer(int fd, const Buffer *buffer) {
        int r = buffer_failed(buffer) ? -ENOMEM : fd_write_all(fd, buffer->data, buffer->size);

        return r < 0 ? command_fail("cannot write the reply: %s", strerror(-r)) : COMMAND_OK;
}

int reply_print(const VarlinkReply *reply) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (reply->parameters)
                json_format(reply->parameters, &text);
        else
                buffer_append_string(&text, "{}");
        buffer_append_byte(&text, '\n');
        return write_buffer(STDOUT_FILENO, &text);
}

int reply_print_error(const VarlinkReply *reply) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        buffer_append_string(&text, reply->error);
        if (json_object_size(reply->parameters) > 0) {
                buffer_append_byte(&text, '\n');
                json_format(reply->parameters, &text);
        }
        buffer_append_byte(&text, '\n');
        (void)write_buffer(STDERR_FILENO, &text);
        return COMMAND_FAILED;
}

int reply_fail(const char *address, int r) {
        switch (r) {
        case -EPIPE:
                return command_fail("%s ended the connection without a reply", address);
        case -EBADMSG:
        case -E2BIG:
                return command_fail("%s answered what is no reply", address);
        case -EMSGSIZE:
                return command_fail("the request or the reply is too long");
        default:
                return command_fail("cannot call %s: %s", address, strerror(-r));
        }
}
