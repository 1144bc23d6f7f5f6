/* SPDX-License-Identifier: Apache-2.0 */

/* selkied: what a shell or systemd starts. Exit status 0, 1 for a failure, 2 for a wrong command
 * line. */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "daemon/daemon.h"
#include "daemon/version.h"

/* What the engine is made for is a few long-lived objects and short bursts on several threads: two
 * heaps serve them, and memory that a burst needed goes back to the kernel soon. */
static void tune_heap(void) {
        (void)mallopt(M_ARENA_MAX, 2);
        (void)mallopt(M_TRIM_THRESHOLD, 512 * 1024);
        (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

/* Each connection, container and call takes some; select(), for which 1024 is the usual limit, is
 * not used here, and containers get limits of their own. */
static void raise_file_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

int main(int argc, char **argv) {
        _cleanup_(daemon_closep)
        Daemon *daemon = NULL;
        Error err = ERROR_INIT;
        Options options;

        if (options_parse(argc, argv, &options, &err) < 0) {
                log_error("%s", err.text);
                return 2;
        }
        if (options.wants_help) {
                options_print_help();
                return EXIT_SUCCESS;
        }
        if (options.wants_version) {
                bool is_checkout = *SELKIE_GIT_COMMIT;
                printf("selkied %s%s%s%s\n", SELKIE_VERSION, is_checkout ? " (" : "",
                       SELKIE_GIT_COMMIT, is_checkout ? ")" : "");
                return EXIT_SUCCESS;
        }

        tune_heap();
        raise_file_limit();
        log_set_level(options.log_level);
        (void)signal(SIGPIPE, SIG_IGN);
        if (daemon_open(&daemon, &options) < 0)
                return EXIT_FAILURE;
        if (daemon_run(daemon, &err) < 0) {
                log_error("%s", err.text);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
