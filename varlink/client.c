/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "varlink/codec.h"
#include "varlink/exec.h"
#include "varlink/message.h"
#include "varlink/server.h"
#include "varlink/socket.h"

#define RECEIVE_SIZE (64 * 1024)

struct VarlinkClient {
        int fd;
        ExecService service; /* what `exec:` started */
        FrameReader input;
        Buffer output;
        char *scratch;         /* RECEIVE_SIZE bytes, from the first receive on */
        bool is_upgrade_asked; /* what follows the next reply is not ours to read */
};

void varlink_reply_done(VarlinkReply *reply) {
        json_decref(reply->message);
        *reply = (VarlinkReply)VARLINK_REPLY_INIT;
}

int varlink_client_new_fd(VarlinkClient **ret, int take_fd) {
        VarlinkClient *client = calloc(1, sizeof(*client));
        int fd = take_fd;

        if (!client) {
                fd_closep(&fd);
                return -ENOMEM;
        }
        client->fd = fd;
        client->service = (ExecService)EXEC_SERVICE_INIT;
        *ret = client;
        return 0;
}

int varlink_client_connect(VarlinkClient **ret, const char *address) {
        _cleanup_varlink_address_ VarlinkAddress parsed = VARLINK_ADDRESS_INIT;
        ExecService service = EXEC_SERVICE_INIT;
        int r = varlink_address_parse(address, &parsed);

        if (r < 0)
                return r;
        int fd = parsed.kind == VARLINK_ADDRESS_EXEC ? exec_service_start(&service, parsed.name)
                                                     : varlink_socket_connect(&parsed);
        if (fd < 0)
                return fd;
        r = varlink_client_new_fd(ret, fd);
        if (r < 0)
                exec_service_stop(&service);
        else
                (*ret)->service = service;
        return r;
}

VarlinkClient *varlink_client_free(VarlinkClient *client) {
        if (!client)
                return NULL;
        client->fd = fd_close(client->fd);
        exec_service_stop(&client->service);
        frame_reader_done(&client->input);
        buffer_done(&client->output);
        free(client->scratch);
        free(client);
        return NULL;
}

int varlink_client_fd(const VarlinkClient *client) {
        return client->fd;
}

int varlink_client_take_fd(VarlinkClient *client) {
        return TAKE_FD(client->fd);
}

/* --- sending --------------------------------------------------------------------------------- */

static int send_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == ECONNRESET ? -EPIPE : -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

static int append_json(const char *text, size_t size, void *userdata) {
        buffer_append(userdata, text, size);
        return 0;
}

/* Everything of a request but its parameters; they are appended before this closes the object. */
static void append_head(Buffer *buffer, const char *interface, const char *method) {
        buffer_append_string(buffer, "{\"method\":\"");
        if (interface) {
                buffer_append_string(buffer, interface);
                buffer_append_string(buffer, ".");
        }
        buffer_append_string(buffer, method);
        buffer_append_string(buffer, "\"");
}

static int send_request(VarlinkClient *client, unsigned flags) {
        Buffer *output = &client->output;

        if (flags & VARLINK_CALL_MORE)
                buffer_append_string(output, ",\"more\":true");
        if (flags & VARLINK_CALL_ONEWAY)
                buffer_append_string(output, ",\"oneway\":true");
        if (flags & VARLINK_CALL_UPGRADE)
                buffer_append_string(output, ",\"upgrade\":true");
        buffer_append(output, "}", 2);

        int r = buffer_failed(output)                    ? -ENOMEM
                : output->size - 1 > VARLINK_MESSAGE_MAX ? -EMSGSIZE
                                                         : 0;
        if (r == 0)
                r = send_all(client->fd, output->data, output->size);
        if (r == 0 && flags & VARLINK_CALL_UPGRADE)
                client->is_upgrade_asked = true;
        buffer_done(output);
        return r;
}

int varlink_client_send(VarlinkClient *client, const char *method, json_t *parameters,
                        unsigned flags) {
        for (const char *p = method; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\')
                        return -EINVAL;
        append_head(&client->output, NULL, method);
        if (parameters) {
                buffer_append_string(&client->output, ",\"parameters\":");
                if (json_dump_callback(parameters, append_json, &client->output,
                                       JSON_COMPACT | JSON_REAL_PRECISION(17)) < 0) {
                        buffer_done(&client->output);
                        return -EINVAL;
                }
        }
        return send_request(client, flags);
}

/* --- receiving ------------------------------------------------------------------------------- */

/*
 * What comes after the answer to an upgrade speaks another protocol: not one byte of it is read.
 */
static ssize_t receive_until_nul(int fd, char *data, size_t size) {
        ssize_t n = recv(fd, data, size, MSG_PEEK);
        if (n <= 0)
                return n;
        const char *end = memchr(data, '\0', (size_t)n);
        return recv(fd, data, end ? (size_t)(end - data) + 1 : (size_t)n, 0);
}

static int receive_more(VarlinkClient *client) {
        ssize_t n;

        if (!client->scratch)
                client->scratch = malloc(RECEIVE_SIZE);
        int r = client->scratch ? frame_reader_keep(&client->input) : -ENOMEM;
        if (r < 0)
                return r;
        do
                n = client->is_upgrade_asked
                            ? receive_until_nul(client->fd, client->scratch, RECEIVE_SIZE)
                            : recv(client->fd, client->scratch, RECEIVE_SIZE, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        if (n == 0)
                return -EPIPE;
        return frame_reader_feed(&client->input, client->scratch, (size_t)n);
}

static int parse_reply(const char *text, size_t size, VarlinkReply *ret, unsigned *ret_flags) {
        VarlinkReply reply = VARLINK_REPLY_INIT;
        int r = message_parse(text, size, &reply.message, ret_flags);

        if (r < 0)
                return r;
        const json_t *error = json_object_get(reply.message, "error");
        const json_t *continues = json_object_get(reply.message, "continues");
        json_t *parameters = json_object_get(reply.message, "parameters");
        reply.error = json_string_value(error);
        reply.continues = json_is_true(continues);
        reply.parameters = json_is_object(parameters) ? parameters : NULL;
        if ((error && !reply.error && !json_is_null(error)) ||
            (parameters && !reply.parameters && !json_is_null(parameters))) {
                varlink_reply_done(&reply);
                return -EBADMSG;
        }
        *ret = reply;
        return 0;
}

static int receive_reply(VarlinkClient *client, VarlinkReply *ret, unsigned *ret_flags) {
        const char *text;
        size_t size;
        int r;

        while ((r = frame_reader_next(&client->input, &text, &size)) == 0) {
                r = receive_more(client);
                if (r < 0)
                        return r;
        }
        if (r > 0)
                r = parse_reply(text, size, ret, ret_flags);
        if (r >= 0 && !ret->continues)
                client->is_upgrade_asked = false;
        return r;
}

int varlink_client_receive(VarlinkClient *client, VarlinkReply *ret) {
        return receive_reply(client, ret, NULL);
}

/* --- typed calls ----------------------------------------------------------------------------- */

int varlink_client_begin(VarlinkClient *client, const VlInterface *interface,
                         const VlMethod *method, const void *in, unsigned flags) {
        append_head(&client->output, interface->name, method->name);
        buffer_append_string(&client->output, ",\"parameters\":");
        codec_encode(method->in, in, &client->output);
        return send_request(client, flags);
}

int varlink_client_finish(VarlinkClient *client, const VlMethod *method, Arena *arena, void *out,
                          VarlinkReply *ret_reply) {
        char path[CODEC_PATH_MAX];
        VarlinkReply reply;
        unsigned flags;
        int r = receive_reply(client, &reply, &flags);

        if (r < 0)
                return r;
        if (reply.error) {
                *ret_reply = reply;
                return 1;
        }
        json_t *parameters = reply.parameters ? json_incref(reply.parameters) : json_object();
        r = codec_decode(method->out, parameters, flags, arena, out, path);
        json_decref(parameters);
        if (r < 0) {
                varlink_reply_done(&reply);
                return r == -EINVAL ? -EBADMSG : r;
        }
        *ret_reply = reply;
        return 0;
}

int varlink_client_call(VarlinkClient *client, const VlInterface *interface, const VlMethod *method,
                        const void *in, Arena *arena, void *out, VarlinkReply *ret_reply) {
        int r = varlink_client_begin(client, interface, method, in, 0);

        return r < 0 ? r : varlink_client_finish(client, method, arena, out, ret_reply);
}
