/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/call.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "varlink/codec.h"
#include "varlink/connection.h"
#include "varlink/service.h"

/* --- life ------------------------------------------------------------------------------------ */

VarlinkCall *call_new(Hub *hub, Connection *connection) {
        VarlinkCall *call = TAKE_PTR(hub->spare);

        if (!call) {
                call = calloc(1, sizeof(*call));
                if (!call)
                        return NULL;
                call->hub = hub_ref(hub);
                call->arena.limit = CODEC_MEMORY_MAX;
                pthread_mutex_init(&call->lock, NULL);
                pthread_cond_init(&call->changed, NULL);
        }
        atomic_store_explicit(&call->refs, 1, memory_order_relaxed);
        atomic_store_explicit(&call->pending, connection_output_size(connection),
                              memory_order_relaxed);
        call->connection = connection;
        call->peer_uid = connection->peer->uid;
        call->is_allowed = connection->peer->is_allowed;
        hub_add_user(hub);
        return call;
}

static void call_clear(VarlinkCall *call) {
        request_done(&call->request);
        buffer_done(&call->text);
        buffer_done(&call->out);
        if (call->arena.chunks || call->arena.destructors)
                arena_done(&call->arena);
        call->route = NULL;
        call->text_size = 0;
        call->is_parsing = call->is_final = false;
        atomic_store_explicit(&call->is_cancelled, false, memory_order_relaxed);
        if (call->upgrade.func)
                call->upgrade.func(-EBADF, NULL, 0, call->upgrade.userdata);
        call->upgrade = (Upgrade){ .func = NULL };
        call->on_cancel = call->on_writable = (CallHook){ .func = NULL };
}

VarlinkCall *call_free(VarlinkCall *call) {
        if (!call)
                return NULL;
        call_clear(call);
        pthread_cond_destroy(&call->changed);
        pthread_mutex_destroy(&call->lock);
        hub_unref(call->hub);
        free(call);
        return NULL;
}

/* On the loop's thread, after the last reference. */
static void call_release(VarlinkCall *call) {
        Connection *connection = call->connection;
        Hub *hub = call->hub;

        if (connection) {
                /* A handler forgot to answer. Silence would let the peer wait for ever. */
                if (!call->request.oneway) {
                        log_warning("varlink: %s.%s was dropped without a reply",
                                    call->route ? call->route->interface->name : "?",
                                    call->route ? call->route->method->name : "?");
                        connection->is_broken = true;
                }
                connection_finish_call(connection, NULL);
        }
        hub_remove_user(hub);
        if (hub->is_open && !hub->spare) {
                call_clear(call);
                hub->spare = call;
        } else {
                call_free(call);
        }
}

static void release_on_loop(LoopTask *task) {
        call_release(container_of(task, VarlinkCall, post));
}

VarlinkCall *varlink_call_ref(VarlinkCall *call) {
        atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
        return call;
}

VarlinkCall *varlink_call_unref(VarlinkCall *call) {
        if (!call || atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) > 1)
                return NULL;
        if (hub_is_current(call->hub)) {
                call_release(call);
                return NULL;
        }
        call->post.run = release_on_loop;
        if (!hub_post(call->hub, &call->post))
                call_free(call);
        return NULL;
}

/* --- between threads ------------------------------------------------------------------------- */

static void start(VarlinkCall *call);

/* Runs one hook, which may do anything to its call but free it. Loop thread, lock held. */
static void run_hook_locked(VarlinkCall *call, CallHook *slot) {
        CallHook hook = *slot;

        *slot = (CallHook){ .func = NULL };
        call->is_hook_running = true;
        pthread_mutex_unlock(&call->lock);
        hook.func(call, hook.userdata);
        pthread_mutex_lock(&call->lock);
        call->is_hook_running = false;
        pthread_cond_broadcast(&call->changed);
}

/* What a hook uses may end with its call or be given up: both wait for a hook that is running. */
static void await_hook_locked(VarlinkCall *call) {
        while (call->is_hook_running && !hub_is_current(call->hub))
                pthread_cond_wait(&call->changed, &call->lock);
}

static void run_cancel_locked(VarlinkCall *call) {
        if (atomic_load(&call->is_cancelled) && !call->is_final && call->on_cancel.func)
                run_hook_locked(call, &call->on_cancel);
}

static void on_posted(LoopTask *task) {
        VarlinkCall *call = container_of(task, VarlinkCall, post);
        Connection *connection = call->connection;

        pthread_mutex_lock(&call->lock);
        Buffer out = call->out;
        call->out = (Buffer)BUFFER_INIT;
        bool is_final = call->is_final;
        call->is_posted = false;
        run_cancel_locked(call);
        pthread_mutex_unlock(&call->lock);

        if (connection)
                connection_append(connection, &out);
        else
                buffer_done(&out);
        if (call->is_parsing) {
                call->is_parsing = false;
                start(varlink_call_ref(call));
        } else if (connection && is_final) {
                connection_finish_call(connection, &call->upgrade);
                call->upgrade = (Upgrade){ .func = NULL };
        }
        varlink_call_unref(call);
        if (connection)
                connection_work(connection);
}

/* Has the loop look at this call. One wake-up serves everything that changes before it comes. */
static void post_locked(VarlinkCall *call) {
        if (call->is_posted)
                return;
        call->is_posted = true;
        call->post.run = on_posted;
        varlink_call_ref(call);
        if (hub_post(call->hub, &call->post))
                return;
        call->is_posted = false;
        (void)varlink_call_unref(call); /* not the last: the caller has one */
}

void call_cancel(VarlinkCall *call) {
        (void)varlink_call_ref(call);
        call->connection->call = NULL;
        call->connection = NULL;
        pthread_mutex_lock(&call->lock);
        atomic_store(&call->is_cancelled, true);
        pthread_cond_broadcast(&call->changed);
        run_cancel_locked(call);
        pthread_mutex_unlock(&call->lock);
        (void)varlink_call_unref(call);
}

bool call_survives_hang_up(const VarlinkCall *call) {
        /* While it is parsed nobody knows yet; start() looks again. */
        return call->is_parsing || call->request.oneway;
}

void call_flushed(VarlinkCall *call, size_t size) {
        pthread_mutex_lock(&call->lock);
        atomic_fetch_sub_explicit(&call->pending, size, memory_order_relaxed);
        pthread_cond_broadcast(&call->changed);
        pthread_mutex_unlock(&call->lock);
}

static bool is_writable(VarlinkCall *call) {
        return atomic_load_explicit(&call->pending, memory_order_relaxed) <= VARLINK_OUTPUT_LOW;
}

void call_notify_writable(VarlinkCall *call) {
        (void)varlink_call_ref(call);
        pthread_mutex_lock(&call->lock);
        if (call->on_writable.func && !call->is_final && is_writable(call))
                run_hook_locked(call, &call->on_writable);
        pthread_mutex_unlock(&call->lock);
        (void)varlink_call_unref(call);
}

/* --- running --------------------------------------------------------------------------------- */

/* Decodes the arguments and runs the handler; drops the caller's reference. Any thread. */
static void execute(VarlinkCall *call) {
        const VlType *type = call->route->method->in;
        char path[CODEC_PATH_MAX];
        void *in = call->arguments;
        int r = 0;

        if (type->size > sizeof(call->arguments))
                in = arena_alloc(&call->arena, type->size);
        else
                memset(in, 0, type->size);
        if (type->fields_count > 0) {
                if (json_is_object(call->request.parameters))
                        r = codec_decode(type, call->request.parameters,
                                         call->hub->codec_flags | call->request.codec_flags,
                                         &call->arena, in, path);
                else
                        r = -EINVAL, memcpy(path, "parameters", sizeof("parameters"));
        }
        if (r < 0)
                (void)varlink_call_reply_invalid_parameter(call, path);
        else
                call->route->handler(call, in, call->route->userdata);
        (void)varlink_call_unref(call);
}

static void execute_on_worker(VarlinkTask *task) {
        execute(container_of(task, VarlinkCall, task));
}

/*
 * A method that is not in the table: either its interface is unknown, or the interface lacks it.
 */
static void reply_no_route(VarlinkCall *call, const char *method) {
        const char *dot = strrchr(method, '.');

        if (route_table_find_interface(&call->hub->routes, method, (size_t)(dot - method)))
                (void)service_reply_error(call, SERVICE_ERROR_METHOD_NOT_FOUND, dot + 1);
        else
                (void)service_reply_error(call, SERVICE_ERROR_INTERFACE_NOT_FOUND,
                                          arena_strndup(&call->arena, method,
                                                        (size_t)(dot - method)));
}

/* Finds the handler; false when the call was answered with an error instead. */
static bool find_route(VarlinkCall *call) {
        const char *method = call->request.method;

        if (!call->is_allowed)
                (void)varlink_call_reply_permission_denied(call);
        else if (!method)
                (void)varlink_call_reply_invalid_parameter(call, "method");
        else if (!(call->route = route_table_find(&call->hub->routes, method)))
                reply_no_route(call, method);
        else if (!call->route->handler)
                (void)varlink_call_reply_method_not_implemented(call);
        else
                return true;
        return false;
}

/* The request is there: drops the caller's reference. Loop thread. */
static void start(VarlinkCall *call) {
        Hub *hub = call->hub;

        if (call->parse_result < 0) {
                if (call->connection) {
                        Connection *connection = call->connection;
                        connection_finish_call(connection, NULL);
                        connection_fault(connection, call->parse_result);
                }
        } else if (call->connection && find_route(call)) {
                if (call->route->is_inline || !hub->run) {
                        execute(call);
                } else {
                        call->task.run = execute_on_worker;
                        hub->run(&call->task, hub->run_userdata);
                }
                return;
        }
        (void)varlink_call_unref(call);
}

void call_begin(VarlinkCall *call, const char *text, size_t size) {
        call->parse_result = request_parse(&call->request, text, size);
        start(call);
}

static void parse_on_worker(VarlinkTask *task) {
        VarlinkCall *call = container_of(task, VarlinkCall, task);

        call->parse_result = request_parse(&call->request, call->text_start, call->text_size);
        buffer_done(&call->text);
        pthread_mutex_lock(&call->lock);
        post_locked(call);
        pthread_mutex_unlock(&call->lock);
        (void)varlink_call_unref(call);
}

void call_begin_large(VarlinkCall *call, Buffer *take_owner, const char *text, size_t size) {
        call->text = *take_owner;
        *take_owner = (Buffer)BUFFER_INIT;
        call->text_start = text;
        call->text_size = size;
        call->is_parsing = true;
        call->task.run = parse_on_worker;
        call->hub->run(&call->task, call->hub->run_userdata);
}

/* --- replying -------------------------------------------------------------------------------- */

typedef struct Reply {
        const VlType *type;
        const void *parameters;
        const char *error;
        bool continues;
        Upgrade upgrade;
} Reply;

/* On the loop's thread: straight into the connection's output. */
static int reply_here(VarlinkCall *call, const Reply *reply) {
        Connection *connection = call->connection;

        pthread_mutex_lock(&call->lock);
        if (call->is_final) {
                pthread_mutex_unlock(&call->lock);
                return -EALREADY;
        }
        call->is_final = !reply->continues;
        Buffer earlier = call->out;
        call->out = (Buffer)BUFFER_INIT;
        pthread_mutex_unlock(&call->lock);

        if (!connection) {
                buffer_done(&earlier);
                return -ENOTCONN;
        }
        connection_append(connection, &earlier);
        if (!call->request.oneway) {
                size_t before = connection->output.size;
                reply_append(&connection->output, reply->type, reply->parameters, reply->continues,
                             reply->error);
                atomic_fetch_add_explicit(&call->pending, connection->output.size - before,
                                          memory_order_relaxed);
        }
        if (reply->continues && atomic_load(&call->pending) > VARLINK_OUTPUT_QUEUE_MAX) {
                log_warning("varlink: uid %u does not read its replies, connection ended",
                            call->peer_uid);
                connection->is_broken = true;
        }
        if (buffer_failed(&connection->output))
                connection->is_broken = true;
        if (!reply->continues)
                connection_finish_call(connection, connection->is_broken ? NULL : &reply->upgrade);
        else
                connection_schedule(connection);
        return connection->is_broken ? -ENOTCONN : 0;
}

/* On another thread: encoded here, fetched by the loop. */
static int reply_from_afar(VarlinkCall *call, const Reply *reply) {
        Buffer text = BUFFER_INIT;
        int r = 0;

        if (!call->request.oneway && !varlink_call_is_cancelled(call))
                reply_append(&text, reply->type, reply->parameters, reply->continues, reply->error);

        pthread_mutex_lock(&call->lock);
        while (reply->continues && !varlink_call_is_cancelled(call) &&
               atomic_load(&call->pending) > VARLINK_OUTPUT_QUEUE_MAX)
                pthread_cond_wait(&call->changed, &call->lock);
        if (!reply->continues)
                await_hook_locked(call);
        if (call->is_final) {
                r = -EALREADY;
        } else if (varlink_call_is_cancelled(call)) {
                r = -ENOTCONN;
        } else if (buffer_failed(&text)) {
                r = -ENOMEM;
        } else {
                atomic_fetch_add_explicit(&call->pending, text.size, memory_order_relaxed);
                if (call->out.size == 0) {
                        buffer_done(&call->out);
                        call->out = text;
                        text = (Buffer)BUFFER_INIT;
                } else {
                        buffer_append(&call->out, text.data, text.size);
                }
                call->upgrade = reply->upgrade;
        }
        if (r != -EALREADY)
                call->is_final = !reply->continues;
        if (r == 0)
                post_locked(call);
        pthread_mutex_unlock(&call->lock);
        buffer_done(&text);
        return r;
}

static int send_reply(VarlinkCall *call, const Reply *reply) {
        if (reply->continues && !call->request.more)
                return -EINVAL;
        return hub_is_current(call->hub) ? reply_here(call, reply) : reply_from_afar(call, reply);
}

int varlink_call_reply(VarlinkCall *call, const VlType *method_out, const void *out,
                       bool continues) {
        return send_reply(call, &(const Reply){ .type = method_out,
                                                .parameters = out,
                                                .continues = continues });
}

int varlink_call_reply_error(VarlinkCall *call, const VlErrorInfo *error, const void *parameters) {
        return send_reply(call, &(const Reply){ .type = error->type,
                                                .parameters = parameters,
                                                .error = error->qualified });
}

int varlink_call_reply_upgrade(VarlinkCall *call, const VlType *method_out, const void *out,
                               void (*func)(int take_fd, const void *rest, size_t rest_size,
                                            void *userdata),
                               void *userdata) {
        if (!call->request.upgrade || call->request.oneway)
                return -EINVAL;
        return send_reply(call, &(const Reply){ .type = method_out,
                                                .parameters = out,
                                                .upgrade = { func, userdata } });
}

int varlink_call_reply_method_not_implemented(VarlinkCall *call) {
        return service_reply_error(call, SERVICE_ERROR_METHOD_NOT_IMPLEMENTED,
                                   call->route->method->name);
}

int varlink_call_reply_invalid_parameter(VarlinkCall *call, const char *parameter) {
        return service_reply_error(call, SERVICE_ERROR_INVALID_PARAMETER, parameter);
}

int varlink_call_reply_permission_denied(VarlinkCall *call) {
        return service_reply_error(call, SERVICE_ERROR_PERMISSION_DENIED, NULL);
}

int varlink_call_reply_expected_more(VarlinkCall *call) {
        return service_reply_error(call, SERVICE_ERROR_EXPECTED_MORE, NULL);
}

/* --- what a handler may ask ------------------------------------------------------------------ */

Arena *varlink_call_arena(VarlinkCall *call) {
        return &call->arena;
}

bool varlink_call_wants_more(const VarlinkCall *call) {
        return call->request.more;
}

bool varlink_call_wants_upgrade(const VarlinkCall *call) {
        return call->request.upgrade;
}

bool varlink_call_is_oneway(const VarlinkCall *call) {
        return call->request.oneway;
}

uid_t varlink_call_peer_uid(const VarlinkCall *call) {
        return call->peer_uid;
}

bool varlink_call_is_cancelled(const VarlinkCall *call) {
        return atomic_load_explicit(&call->is_cancelled, memory_order_relaxed);
}

size_t varlink_call_output_pending(VarlinkCall *call) {
        return atomic_load_explicit(&call->pending, memory_order_relaxed);
}

void varlink_call_on_cancel(VarlinkCall *call, void (*func)(VarlinkCall *call, void *userdata),
                            void *userdata) {
        pthread_mutex_lock(&call->lock);
        await_hook_locked(call);
        call->on_cancel = (CallHook){ func, userdata };
        if (func && varlink_call_is_cancelled(call) && !call->is_final)
                post_locked(call);
        pthread_mutex_unlock(&call->lock);
}

void varlink_call_on_writable(VarlinkCall *call, void (*func)(VarlinkCall *call, void *userdata),
                              void *userdata) {
        pthread_mutex_lock(&call->lock);
        await_hook_locked(call);
        call->on_writable = (CallHook){ func, userdata };
        if (func && is_writable(call))
                post_locked(call);
        pthread_mutex_unlock(&call->lock);
}
