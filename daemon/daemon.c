/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the command line to a serving engine, and down again.
 *
 * Going down takes less than a second: nobody is let in, connections are cut, and workers get a
 * moment to finish what they do. Whatever is not finished then is what recovery is for; containers
 * live on.
 */

#include "daemon/daemon.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "daemon/lock.h"
#include "daemon/version.h"
#include "varlink/activation.h"
#include "varlink/codec.h"

#if defined(__clang__)
#define COMPILER __VERSION__ /* begins with its name */
#else
#define COMPILER "gcc " __VERSION__
#endif

#define POOL_IDLE_MS             10000 /* a worker without work ends after this */
#define SHUTDOWN_PATIENCE_MS     700   /* for workers at the end */
#define ACTIVATED_IDLE_TIMEOUT_S 60    /* unless --idle-timeout says otherwise */

struct Daemon {
        StoreConfig store_config;
        EngineConfig engine_config;
        Registries registries;
        int lock_fd;
        Loop *loop;
        Pool *pool;
        Store *store;
        State *state;
        Runtime *runtime;
        Engine *engine;
        Api api;
        VarlinkServer *server;
        sd_event_source *sigterm, *sigint, *idle_timer;
        bool has_failed;        /* to open or to run: the exit status says so */
        int64_t idle_timeout_s; /* 0: never */
        char *transfer_path;    /* the helper for images, beside this program or in libexec */
        char *exit_command[4];  /* NULL-terminated; wakes an engine that its socket can start */
};

/* --- idle ------------------------------------------------------------------------------------ */

static void on_busy(bool is_busy, void *userdata);

static int on_idle(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Daemon *daemon = userdata;

        /* Somebody's container is still being cleaned up. */
        if (pool_wait(daemon->pool, 0) < 0) {
                on_busy(false, daemon);
                return 0;
        }
        log_info("nobody called for %lld seconds: ending", (long long)daemon->idle_timeout_s);
        loop_stop(daemon->loop, 0);
        return 0;
}

static void on_busy(bool is_busy, void *userdata) {
        Daemon *daemon = userdata;

        if (daemon->idle_timeout_s == 0)
                return;
        daemon->idle_timer = sd_event_source_disable_unref(daemon->idle_timer);
        if (!is_busy)
                (void)sd_event_add_time_relative(loop_event(daemon->loop), &daemon->idle_timer,
                                                 CLOCK_MONOTONIC,
                                                 (uint64_t)daemon->idle_timeout_s * 1000000, 0,
                                                 on_idle, daemon);
}

/* --- signals --------------------------------------------------------------------------------- */

static int on_signal(_unused_ sd_event_source *source, const struct signalfd_siginfo *info,
                     void *userdata) {
        Daemon *daemon = userdata;

        log_info("%s: ending", info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        loop_stop(daemon->loop, 0);
        return 0;
}

/* Blocked before the first thread exists, so that all of them inherit it. */
static int watch_signals(Daemon *daemon, Error *err) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        int r = -pthread_sigmask(SIG_BLOCK, &signals, NULL);
        if (r >= 0)
                r = sd_event_add_signal(loop_event(daemon->loop), &daemon->sigterm, SIGTERM,
                                        on_signal, daemon);
        if (r >= 0)
                r = sd_event_add_signal(loop_event(daemon->loop), &daemon->sigint, SIGINT,
                                        on_signal, daemon);
        return r < 0 ? error_errno(err, ERR_IO, -r, NULL, "cannot watch signals") : 0;
}

/* --- parts ----------------------------------------------------------------------------------- */

static int read_configuration(Daemon *daemon, const Options *options, Error *err) {
        if (store_config_load(&daemon->store_config, options->graph_root, options->run_root, err) <
                    0 ||
            engine_config_load(&daemon->engine_config, err) < 0)
                return -1;
        return registries_load(&daemon->registries, err);
}

static int open_store(Daemon *daemon, Error *err) {
        const StoreConfig *config = &daemon->store_config;
        const StoreOptions options = {
                .graph_root = config->graph_root,
                .run_root = config->run_root,
                .driver = config->driver,
                .mount_options = config->mount_options,
        };
        _cleanup_free_ char *state_path = xasprintf("%s/selkie/state.db", config->graph_root);

        if (store_open(&daemon->store, &options, err) < 0)
                return -1;
        return state_open(&daemon->state, state_path, err);
}

static int open_runtime(Daemon *daemon, const Options *options, char **ret_notice, Error *err) {
        const EngineConfig *config = &daemon->engine_config;
        _cleanup_free_ char *exits_dir =
                xasprintf("%s/selkie/exits", daemon->store_config.run_root);
        const RuntimeOptions runtime_options = {
                .path = options->runtime ? options->runtime : config->runtime,
                .candidates = config->runtime_candidates.count > 0
                                      ? (const char *const *)config->runtime_candidates.items
                                      : NULL,
                .monitor_path = config->conmon_path,
                .exits_dir = exits_dir,
                .systemd_cgroup = config->cgroup_manager == CGROUP_MANAGER_SYSTEMD,
        };

        return runtime_open(&daemon->runtime, &runtime_options, ret_notice, err);
}

static int open_engine(Daemon *daemon, Error *err) {
        const EngineOptions options = {
                .loop = daemon->loop,
                .pool = daemon->pool,
                .store = daemon->store,
                .registries = &daemon->registries,
                .state = daemon->state,
                .runtime = daemon->runtime,
                .default_stop_timeout_s = (int)daemon->engine_config.stop_timeout_s,
                .log_size_max = daemon->engine_config.log_size_max,
                .exit_command = daemon->exit_command[0] ? (const char *const *)daemon->exit_command
                                                        : NULL,
                .transfer_path = daemon->transfer_path,
        };

        return engine_open(&daemon->engine, &options, err);
}

static void run_call(VarlinkTask *task, void *userdata) {
        pool_submit(userdata, task);
}

/* Where this program is. */
static char *own_folder(void) {
        char self[PATH_MAX];

        ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
        if (n < 0)
                return xstrdup("/usr/bin");
        const char *slash = memrchr(self, '/', (size_t)n);
        return xstrndup(self, (size_t)(slash - self));
}

/* A build has its programs side by side; installed, the helper is out of the way. */
static void find_helpers(Daemon *daemon) {
        _cleanup_free_ char *folder = own_folder();

        daemon->transfer_path = xasprintf("%s/selkie-transfer", folder);
        if (access(daemon->transfer_path, X_OK) < 0) {
                free(daemon->transfer_path);
                daemon->transfer_path = xstrdup(SELKIE_LIBEXEC_DIR "/selkie-transfer");
        }
}

/* Where the socket that was handed over can be reached; NULL if only over it. */
static char *socket_address(int fd) {
        struct sockaddr_un address = { .sun_family = AF_UNSPEC };
        socklen_t size = sizeof(address);

        if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
            address.sun_family != AF_UNIX || size <= offsetof(struct sockaddr_un, sun_path))
                return NULL;
        int length = (int)(size - offsetof(struct sockaddr_un, sun_path));
        return address.sun_path[0] ? xasprintf("unix:%.*s", length, address.sun_path)
                                   : xasprintf("unix:@%.*s", length - 1, address.sun_path + 1);
}

/* An engine that ends when idle is started again by its socket. A container's end must do that too,
 * so that its clean-up does not wait for a client: conmon then makes a call. */
static void set_exit_command(Daemon *daemon, int activation_fd) {
        _cleanup_free_ char *address = socket_address(activation_fd);
        _cleanup_free_ char *folder = own_folder();

        if (!address)
                return;
        daemon->exit_command[0] = xasprintf("%s/selkie", folder);
        daemon->exit_command[1] = xstrdup("call");
        daemon->exit_command[2] = xasprintf("%s/io.podman.Ping", address);
}

static const char *default_address(Error *err) {
        static char address[PATH_MAX];
        const char *run_dir = getuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");

        if (!run_dir) {
                error_set(err, ERR_INVALID, "--address",
                          "XDG_RUNTIME_DIR is not set: say where to listen with --address");
                return NULL;
        }
        _cleanup_free_ char *folder = xasprintf("%s/podman", run_dir);
        int r = path_make_dirs(folder, 0755);
        if (r < 0) {
                error_errno(err, ERR_IO, -r, folder, "cannot make %s", folder);
                return NULL;
        }
        snprintf(address, sizeof(address), "unix:%s/io.podman", folder);
        return address;
}

/* systemd hands over a listening socket, or with Accept=yes one connection. */
static int serve_activated(Daemon *daemon, int take_fd, Error *err) {
        int is_listening = 0;
        socklen_t size = sizeof(is_listening);

        (void)getsockopt(take_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size);
        int r = is_listening ? varlink_server_listen_fd(daemon->server, take_fd)
                             : varlink_server_add_connection(daemon->server, take_fd);
        return r < 0 ? error_errno(err, ERR_IO, -r, NULL,
                                   "cannot serve the socket that was handed over")
                     : 0;
}

static int listen_on(Daemon *daemon, const Options *options, Error *err) {
        const char *address = options->address ? options->address : default_address(err);

        if (!address)
                return -1;
        int r = varlink_server_listen(daemon->server, address);
        if (r == -EADDRINUSE)
                return error_set(err, ERR_IN_USE, address, "another process listens on %s",
                                 address);
        if (r == -EINVAL)
                return error_set(err, ERR_INVALID, address, "\"%s\" is no address to listen on",
                                 address);
        return r < 0 ? error_errno(err, ERR_IO, -r, address, "cannot listen on %s", address) : 0;
}

static int open_server(Daemon *daemon, Error *err) {
        static uid_t allowed[2];
        const VarlinkServerOptions options = {
                .vendor = "Selkie",
                .product = "Selkie",
                .version = SELKIE_VERSION,
                .url = "man:selkied(8)",
                .run = run_call,
                .run_userdata = daemon->pool,
                .codec_flags = CODEC_LENIENT_BOOL,
                .allowed_uids = allowed,
                .allowed_uids_count = 2,
                .on_busy = on_busy,
                .on_busy_userdata = daemon,
        };

        allowed[0] = 0;
        allowed[1] = geteuid();
        daemon->api = (Api){
                .engine = daemon->engine,
                .options = {
                        .version = SELKIE_VERSION,
                        .git_commit = SELKIE_GIT_COMMIT,
                        .compiler = COMPILER,
                        .built_s = SELKIE_BUILT,
                        .registries = &daemon->registries.search,
                        .insecure_registries = &daemon->registries.insecure,
                        .driver_options = daemon->store_config.mount_options
                                                  ? daemon->store_config.mount_options
                                                  : "",
                },
        };
        int r = varlink_server_new(&daemon->server, daemon->loop, &options);
        if (r >= 0)
                r = api_register(daemon->server, &daemon->api);
        return r < 0 ? error_errno(err, ERR_IO, -r, NULL, "cannot make the server") : 0;
}

static int open_parts(Daemon *daemon, const Options *options, Error *err) {
        _cleanup_free_ char *notice = NULL;

        _cleanup_close_ int activation_fd = varlink_activation_take();
        if (activation_fd < 0 && activation_fd != -ENOENT)
                return error_errno(err, ERR_INVALID, -activation_fd, "LISTEN_FDS",
                                   "cannot use the sockets that were handed over");
        bool is_activated = activation_fd >= 0;
        daemon->idle_timeout_s = options->idle_timeout_s >= 0 ? options->idle_timeout_s
                                 : is_activated               ? ACTIVATED_IDLE_TIMEOUT_S
                                                              : 0;
        find_helpers(daemon);
        if (is_activated)
                set_exit_command(daemon, activation_fd);
        if (read_configuration(daemon, options, err) < 0 ||
            engine_lock(daemon->store_config.graph_root, &daemon->lock_fd, err) < 0)
                return -1;

        int r = loop_new(&daemon->loop);
        if (r >= 0)
                r = pool_new(&daemon->pool, POOL_THREADS_MAX, POOL_IDLE_MS);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, NULL, "cannot make the event loop");
        if (watch_signals(daemon, err) < 0 || open_store(daemon, err) < 0 ||
            open_runtime(daemon, options, &notice, err) < 0 || open_engine(daemon, err) < 0 ||
            open_server(daemon, err) < 0)
                return -1;
        if ((is_activated ? serve_activated(daemon, TAKE_FD(activation_fd), err)
                          : listen_on(daemon, options, err)) < 0)
                return -1;
        if (notice) /* only now: a refusal to start is one line */
                log_info("%s", notice);
        on_busy(false, daemon);
        return 0;
}

int daemon_open(Daemon **ret, const Options *options) {
        Daemon *daemon = xnew(Daemon, 1);
        Error err = ERROR_INIT;

        daemon->lock_fd = -EBADF;
        if (open_parts(daemon, options, &err) < 0) {
                log_error("%s", err.text);
                daemon->has_failed = true;
                daemon_close(daemon);
                return -1;
        }
        *ret = daemon;
        return 0;
}

int daemon_run(Daemon *daemon, Error *err) {
        (void)sd_notify(false, "READY=1");
        int r = loop_run(daemon->loop);
        (void)sd_notify(false, "STOPPING=1");
        daemon->has_failed = r != 0;
        if (r == ENGINE_LOAD_FAILED)
                return engine_load_error(daemon->engine, err);
        return r < 0 ? error_errno(err, ERR_IO, -r, NULL, "the event loop failed") : 0;
}

Daemon *daemon_close(Daemon *daemon) {
        if (!daemon)
                return NULL;
        if (daemon->engine)
                engine_stop(daemon->engine);
        daemon->server = varlink_server_free(daemon->server);
        if (daemon->pool && pool_wait(daemon->pool, SHUTDOWN_PATIENCE_MS) < 0) {
                log_warning("calls are still at work: leaving them to the next start");
                _exit(daemon->has_failed ? EXIT_FAILURE : EXIT_SUCCESS);
        }
        daemon->sigterm = sd_event_source_disable_unref(daemon->sigterm);
        daemon->sigint = sd_event_source_disable_unref(daemon->sigint);
        daemon->idle_timer = sd_event_source_disable_unref(daemon->idle_timer);
        if (daemon->engine)
                engine_abandon(daemon->engine);
        daemon->pool = pool_free(daemon->pool);
        daemon->engine = engine_close(daemon->engine);
        daemon->loop = loop_free(daemon->loop);
        runtime_free(daemon->runtime);
        state_close(daemon->state);
        store_close(daemon->store);
        registries_done(&daemon->registries);
        engine_config_done(&daemon->engine_config);
        store_config_done(&daemon->store_config);
        for (size_t i = 0; i < ARRAY_SIZE(daemon->exit_command); i++)
                free(daemon->exit_command[i]);
        free(daemon->transfer_path);
        fd_close(daemon->lock_fd);
        free(daemon);
        return NULL;
}
