/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/text.h"

/*
 * Services of systemd that name no socket get the unit's name; the tools of varlink set none at
 * all.
 */
static int choose(char **names, int count) {
        for (int i = 0; names && i < count; i++)
                if (text_equal(names[i], "varlink"))
                        return SD_LISTEN_FDS_START + i;
        if (names && getenv("LISTEN_FDNAMES") && count > 1)
                return -EINVAL;
        return SD_LISTEN_FDS_START;
}

int varlink_activation_take(void) {
        char **names = NULL;
        int count = sd_listen_fds_with_names(false, &names);
        int fd = count <= 0 ? count : choose(names, count);

        for (char **name = names; name && *name; name++)
                free(*name);
        free(names);
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_FDNAMES");
        if (fd == 0)
                return -ENOENT;
        if (fd > 0 && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, -1) <= 0)
                return -EINVAL;
        return fd;
}
