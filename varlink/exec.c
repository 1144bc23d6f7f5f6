/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "varlink/socket.h"

/* Variables that tell of another service's activation, and must not reach this one. */
static bool is_activation_variable(const char *entry) {
        return text_starts_with(entry, "LISTEN_") || text_starts_with(entry, "VARLINK_ADDRESS=");
}

static int spawn(ExecService *service, const char *command, const char *socket_path,
                 int listen_fd) {
        _cleanup_strings_ Strings environment = STRINGS_INIT;
        /* The shell's own pid becomes the command's. */
        _cleanup_free_ char *script = xasprintf("export LISTEN_PID=$$; exec %s", command);
        const char *const argv[] = { "/bin/sh", "-c", script, NULL };

        for (char **entry = environ; entry && *entry; entry++)
                if (!is_activation_variable(*entry))
                        strings_add(&environment, *entry);
        strings_add(&environment, "LISTEN_FDS=1");
        strings_add(&environment, "LISTEN_FDNAMES=varlink");
        strings_printf(&environment, "VARLINK_ADDRESS=unix:%s", socket_path);

        /* What it prints is for people: standard output may be our caller's data. */
        const SpawnOptions options = {
                .argv = argv,
                .environment = (const char *const *)environment.items,
                .directory = ".",
                .stdin_fd = -EBADF,
                .stdout_fd = STDERR_FILENO,
                .stderr_fd = STDERR_FILENO,
                .pass_fds = &listen_fd,
                .pass_fds_count = 1,
        };
        return spawn_process(&options, &service->pid, &service->pidfd);
}

int exec_service_start(ExecService *ret, const char *command) {
        VarlinkListenSocket listening = VARLINK_LISTEN_SOCKET_INIT;
        ExecService service = EXEC_SERVICE_INIT;
        char folder[] = "/tmp/varlink-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        VarlinkAddress address = VARLINK_ADDRESS_INIT;

        /* A folder of our own, since whoever can reach the socket can use the service. */
        if (!mkdtemp(folder))
                return -errno;
        address.name = xasprintf("%s/socket", folder);
        int r = varlink_listen_socket_open(&address, &listening);
        if (r >= 0)
                r = fd = varlink_socket_connect(&address);
        if (r >= 0)
                r = fd_set_nonblock(listening.fd, false);
        if (r >= 0)
                r = spawn(&service, command, address.name, listening.fd);
        varlink_listen_socket_done(&listening);
        varlink_address_done(&address);
        (void)rmdir(folder);
        if (r < 0)
                return r;
        *ret = service;
        return TAKE_FD(fd);
}

void exec_service_stop(ExecService *service) {
        int status;

        if (service->pid <= 0)
                return;
        (void)pidfd_send_signal(service->pidfd, SIGTERM, NULL, 0);
        if (spawn_wait(service->pid, service->pidfd, EXEC_SERVICE_END_MS, &status) == -ETIMEDOUT)
                spawn_kill(service->pid, service->pidfd);
        service->pidfd = fd_close(service->pidfd);
        *service = (ExecService)EXEC_SERVICE_INIT;
}
