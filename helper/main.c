/* SPDX-License-Identifier: Apache-2.0 */

/*
 * selkie-transfer: moves one image between the store and a registry or an archive.
 *
 * Started by the engine with a socket as descriptor 3, on which it answers one call of
 * selkie.transfer, and ends when that is answered or the engine hangs up. A loop thread watches the
 * socket; the work is done on workers.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/pool.h"
#include "helper/service.h"

#define SOCKET_FD   3
#define WORKERS_MAX 2
#define IDLE_MS     1000

static const struct option long_options[] = {
        { "root", required_argument, NULL, 'r' },
        { "runroot", required_argument, NULL, 'n' },
        { "driver", required_argument, NULL, 'd' },
        { NULL, 0, NULL, 0 },
};

static int parse_options(int argc, char **argv, StoreOptions *ret) {
        for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
                switch (c) {
                case 'r':
                        ret->graph_root = optarg;
                        break;
                case 'n':
                        ret->run_root = optarg;
                        break;
                case 'd':
                        ret->driver = optarg;
                        break;
                default:
                        return -1;
                }
        return ret->graph_root && ret->run_root && optind == argc ? 0 : -1;
}

static void run_call(VarlinkTask *task, void *userdata) {
        pool_submit(userdata, task);
}

static void on_busy(bool is_busy, void *userdata) {
        if (!is_busy)
                loop_stop(userdata, 0);
}

static int serve(Service *service) {
        _cleanup_(loop_freep)
        Loop *loop = NULL;
        _cleanup_(pool_freep)
        Pool *pool = NULL;

        int r = loop_new(&loop);
        if (r >= 0)
                r = pool_new(&pool, WORKERS_MAX, IDLE_MS);
        if (r < 0)
                return r;
        const VarlinkServerOptions options = { .vendor = "Selkie",
                                               .product = "selkie-transfer",
                                               .version = "",
                                               .url = "",
                                               .run = run_call,
                                               .run_userdata = pool,
                                               .on_busy = on_busy,
                                               .on_busy_userdata = loop };
        VarlinkServer *server = NULL;
        r = varlink_server_new(&server, loop, &options);
        if (r >= 0)
                r = service_register(service, server);
        if (r >= 0)
                r = varlink_server_add_connection(server, SOCKET_FD);
        if (r >= 0)
                r = loop_run(loop);
        (void)varlink_server_free(server);
        pool = pool_free(pool); /* a cancelled call still takes away what it began */
        loop_drain(loop);
        return r;
}

int main(int argc, char **argv) {
        static Service service; /* stays to the end: the mounts of the store are the engine's */
        StoreOptions options = { .graph_root = NULL };
        Error err = ERROR_INIT;

        if (parse_options(argc, argv, &options) < 0) {
                log_error("usage: selkie-transfer --root DIR --runroot DIR [--driver NAME], socket "
                          "as "
                          "descriptor 3");
                return 2;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        if (service_open(&service, &options, &err) < 0) {
                log_error("%s", err.text);
                return EXIT_FAILURE;
        }
        int r = serve(&service);
        if (r < 0)
                log_error("cannot serve: %s", strerrordesc_np(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
