/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The helper gets one end of a socket pair, on which it answers one call, and ends when the other
 * end is closed: so neither a cancelled call nor a killed engine leaves one at work. Its standard
 * error is the engine's.
 */

#include "engine/transfer.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "engine/object.h"
#include "idl/selkie.transfer.client.h"
#include "varlink/codec.h"

#define END_PATIENCE_MS 5000 /* for a helper that was told to stop, to take away what it began */

struct Transfer {
        atomic_uint refs;
        Engine *engine;
        TransferProgressFunc on_progress;
        void *userdata;

        pthread_mutex_t lock; /* guards what follows */
        List link;            /* in the engine's transfers while it runs; by the registry's lock */
        bool is_cancelled;
        int fd; /* our end while it runs, borrowed from the client; else -EBADF */
};

/* What the helper may want to know of its user's settings. */
static const char *const passed_variables[] = {
        "CONTAINERS_CONF",
        "CONTAINERS_STORAGE_CONF",
        "CONTAINERS_REGISTRIES_CONF",
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "STORAGE_DRIVER",
        "STORAGE_OPTS",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "TMPDIR",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
};

Transfer *transfer_new(Engine *engine) {
        Transfer *transfer = xnew(Transfer, 1);

        transfer->refs = 1;
        transfer->engine = engine;
        transfer->fd = -EBADF;
        list_init(&transfer->link);
        pthread_mutex_init(&transfer->lock, NULL);
        return transfer;
}

Transfer *transfer_ref(Transfer *transfer) {
        atomic_fetch_add(&transfer->refs, 1);
        return transfer;
}

Transfer *transfer_unref(Transfer *transfer) {
        if (!transfer || atomic_fetch_sub(&transfer->refs, 1) != 1)
                return NULL;
        pthread_mutex_destroy(&transfer->lock);
        free(transfer);
        return NULL;
}

void transfer_on_progress(Transfer *transfer, TransferProgressFunc func, void *userdata) {
        transfer->on_progress = func;
        transfer->userdata = userdata;
}

void transfer_cancel(Transfer *transfer) {
        pthread_mutex_lock(&transfer->lock);
        transfer->is_cancelled = true;
        if (transfer->fd >= 0)
                (void)shutdown(transfer->fd, SHUT_RDWR);
        pthread_mutex_unlock(&transfer->lock);
}

void engine_cancel_transfers(Engine *engine) {
        pthread_mutex_lock(&engine->registry_lock);
        LIST_FOREACH (link, &engine->transfers)
                transfer_cancel(container_of(link, Transfer, link));
        pthread_mutex_unlock(&engine->registry_lock);
}

/* Known to engine_cancel_transfers() from here to the end; -1 when it is cancelled already. */
static int transfer_enter(Transfer *transfer, int fd) {
        Engine *engine = transfer->engine;

        pthread_mutex_lock(&engine->registry_lock);
        list_append(&engine->transfers, &transfer->link);
        pthread_mutex_unlock(&engine->registry_lock);
        pthread_mutex_lock(&transfer->lock);
        bool is_cancelled = transfer->is_cancelled || engine_is_stopping(engine);
        transfer->fd = is_cancelled ? -EBADF : fd;
        pthread_mutex_unlock(&transfer->lock);
        return is_cancelled ? -1 : 0;
}

static void transfer_leave(Transfer *transfer) {
        Engine *engine = transfer->engine;

        pthread_mutex_lock(&transfer->lock);
        transfer->fd = -EBADF;
        pthread_mutex_unlock(&transfer->lock);
        pthread_mutex_lock(&engine->registry_lock);
        list_remove(&transfer->link);
        pthread_mutex_unlock(&engine->registry_lock);
}

static bool was_cancelled(Transfer *transfer) {
        pthread_mutex_lock(&transfer->lock);
        bool is_cancelled = transfer->is_cancelled;
        pthread_mutex_unlock(&transfer->lock);
        return is_cancelled || engine_is_stopping(transfer->engine);
}

/* --- the process ----------------------------------------------------------------------------- */

typedef struct Helper {
        pid_t pid;
        int pidfd;
        VarlinkClient *client;
} Helper;

/* @data_fd: becomes the helper's fourth descriptor, or -EBADF */
static int helper_start(const Transfer *transfer, int data_fd, Helper *ret, Error *err) {
        const Engine *engine = transfer->engine;
        const char *argv[] = { engine->transfer_path,           "--root",
                               store_graph_root(engine->store), "--runroot",
                               store_run_root(engine->store),   "--driver",
                               store_driver(engine->store),     NULL };
        _cleanup_strings_ Strings environment = STRINGS_INIT;
        SpawnOptions options = SPAWN_OPTIONS_INIT;
        int fds[2], pass_fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot make a socket pair");
        spawn_environment(&environment);
        for (size_t i = 0; i < ARRAY_SIZE(passed_variables); i++) {
                const char *value = getenv(passed_variables[i]);
                if (value)
                        strings_printf(&environment, "%s=%s", passed_variables[i], value);
        }
        pass_fds[0] = fds[1];
        pass_fds[1] = data_fd;
        options.argv = argv;
        options.environment = (const char *const *)environment.items;
        options.stderr_fd = STDERR_FILENO;
        options.pass_fds = pass_fds;
        options.pass_fds_count = data_fd >= 0 ? 2 : 1;
        int r = spawn_process(&options, &ret->pid, &ret->pidfd);
        (void)fd_close(fds[1]);
        if (r < 0) {
                (void)fd_close(fds[0]);
                return error_errno(err, ERR_IO, -r, engine->transfer_path, "cannot start %s",
                                   engine->transfer_path);
        }
        r = varlink_client_new_fd(&ret->client, fds[0]);
        return r < 0 ? error_errno(err, ERR_IO, -r, NULL, "cannot speak with the helper") : 0;
}

/* Closing our end tells it to stop; what it had staged it takes away itself. */
static int helper_end(Helper *helper, int *ret_status) {
        helper->client = varlink_client_free(helper->client);
        if (helper->pid == 0)
                return 0;
        int r = spawn_wait(helper->pid, helper->pidfd, END_PATIENCE_MS, ret_status);
        if (r < 0)
                spawn_kill(helper->pid, helper->pidfd);
        helper->pidfd = fd_close(helper->pidfd);
        return r;
}

/* --- the call -------------------------------------------------------------------------------- */

static ErrorKind parse_kind(const char *name) {
        for (ErrorKind kind = ERR_NONE; kind < _ERR_MAX; kind++)
                if (text_equal(error_kind_name(kind), name))
                        return kind;
        return ERR_IO;
}

static int set_failure(const VarlinkReply *reply, Error *err) {
        SelkieTransferFailed failed = { .text = "" };
        Arena arena = ARENA_INIT;
        char path[CODEC_PATH_MAX];

        const VlErrorInfo *error = &selkie_transfer_interface.errors[SELKIE_TRANSFER_ERROR_Failed];
        if (!text_equal(reply->error, error->qualified) ||
            codec_decode(error->type, reply->parameters, CODEC_STRICT, &arena, &failed, path) < 0) {
                arena_done(&arena);
                return error_set(err, ERR_IO, NULL, "the helper answered with %s", reply->error);
        }
        ErrorKind kind = parse_kind(failed.kind);
        (void)error_set(err, kind == ERR_NONE ? ERR_IO : kind, failed.subject, "%s", failed.text);
        if (err)
                err->errnum = (int)failed.errnum;
        arena_done(&arena);
        return -1;
}

/* What is asked of the helper, and where the answer goes. */
typedef struct Question {
        const VlMethod *method;
        const void *in;
        int data_fd; /* becomes the helper's fourth descriptor, or -EBADF */
        Arena *arena;
        void *out; /* zeroed before each reply */
        size_t out_size;
        ssize_t progress_at; /* offset of the progress in it; -1: the method has none */
} Question;

static void tell_progress(const Transfer *transfer, const Question *question) {
        const void *member = (const char *)question->out + question->progress_at;
        const SelkieTransferProgress *progress = *(SelkieTransferProgress *const *)member;

        if (progress && transfer->on_progress)
                transfer->on_progress(progress, transfer->userdata);
}

/* One reply: 1: more follow, 0: it was the last; the texts of @out are in it. */
static int read_reply(Transfer *transfer, Helper *helper, const Question *question,
                      VarlinkReply *reply, Error *err) {
        memset(question->out, 0, question->out_size);
        int r = varlink_client_finish(helper->client, question->method, question->arena,
                                      question->out, reply);
        if (r < 0 && was_cancelled(transfer))
                return error_set(err, ERR_CANCELLED, NULL, "the transfer was cancelled");
        if (r == -EPIPE)
                return error_set(err, ERR_IO, NULL, "the helper died");
        if (r < 0)
                return error_errno(err, ERR_IO, -r, NULL, "cannot speak with the helper");
        return r > 0 ? set_failure(reply, err) : reply->continues;
}

static int converse(Transfer *transfer, Helper *helper, const Question *question, Error *err) {
        int r = varlink_client_begin(helper->client, &selkie_transfer_interface, question->method,
                                     question->in,
                                     question->progress_at >= 0 ? VARLINK_CALL_MORE : 0);
        if (r < 0 && r != -EPIPE)
                return error_errno(err, ERR_IO, -r, NULL, "cannot speak with the helper");
        do {
                _cleanup_(varlink_reply_done)
                VarlinkReply reply = VARLINK_REPLY_INIT;

                r = read_reply(transfer, helper, question, &reply, err);
                if (r > 0)
                        tell_progress(transfer, question);
                if (r == 0)
                        arena_add_destructor(question->arena, (void (*)(void *))json_decref,
                                             TAKE_PTR(reply.message));
        } while (r > 0);
        return r;
}

static int run(Transfer *transfer, const Question *question, Error *err) {
        Helper helper = { .pidfd = -EBADF };
        Error failure = ERROR_INIT, sweep = ERROR_INIT;
        int status = 0;

        int r = helper_start(transfer, question->data_fd, &helper, &failure);
        if (r == 0) {
                r = transfer_enter(transfer, varlink_client_fd(helper.client));
                if (r == 0)
                        r = converse(transfer, &helper, question, &failure);
                else
                        (void)error_set(&failure, ERR_CANCELLED, NULL,
                                        "the transfer was cancelled");
                transfer_leave(transfer);
        }
        int ended = helper_end(&helper, &status);
        if (ended < 0 || status != 0) {
                /* It was killed, or crashed: nobody took away what it had begun. */
                log_warning("%s ended badly (status %d)", transfer->engine->transfer_path, status);
                if (store_sweep(transfer->engine->store, &sweep) < 0)
                        log_error("cannot remove what it left in the store: %s", sweep.text);
        }
        return r < 0 ? error_copy(err, &failure) : 0;
}

#define QUESTION(name, input, output, memory, at)                                            \
        {                                                                                    \
                .method = &selkie_transfer_interface.methods[SELKIE_TRANSFER_METHOD_##name], \
                .in = (input), .data_fd = -EBADF, .arena = (memory), .out = (output),        \
                .out_size = sizeof(*(output)), .progress_at = (at),                          \
        }

int transfer_pull(Transfer *transfer, const SelkieTransferPullIn *in, char **ret_id, Error *err) {
        SelkieTransferPullOut out = { .id = "" };
        Arena arena = ARENA_INIT;
        const Question question =
                QUESTION(Pull, in, &out, &arena, offsetof(SelkieTransferPullOut, progress));

        int r = run(transfer, &question, err);
        if (r == 0)
                *ret_id = xstrdup(out.id);
        arena_done(&arena);
        return r;
}

int transfer_push(Transfer *transfer, const SelkieTransferPushIn *in, char **ret_digest,
                  Error *err) {
        SelkieTransferPushOut out = { .digest = "" };
        Arena arena = ARENA_INIT;
        const Question question =
                QUESTION(Push, in, &out, &arena, offsetof(SelkieTransferPushOut, progress));

        int r = run(transfer, &question, err);
        if (r == 0)
                *ret_digest = xstrdup(out.digest);
        arena_done(&arena);
        return r;
}

int transfer_search(Transfer *transfer, const SelkieTransferSearchIn *in, Arena *arena,
                    SelkieTransferSearchOut *ret, Error *err) {
        const Question question = QUESTION(Search, in, ret, arena, -1);

        return run(transfer, &question, err);
}

int transfer_fetch(Transfer *transfer, const SelkieTransferFetchIn *in, int fd, Error *err) {
        SelkieTransferFetchOut out = { .size = 0 };
        Arena arena = ARENA_INIT;
        Question question =
                QUESTION(Fetch, in, &out, &arena, offsetof(SelkieTransferFetchOut, progress));

        question.data_fd = fd;
        int r = run(transfer, &question, err);
        arena_done(&arena);
        return r;
}
