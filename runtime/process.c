/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/fd.h"

/* Source: proc(5). The second field is a name in parentheses that may itself hold anything. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start) {
        char path[32], text[1024];
        unsigned long long start;
        char state;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        ssize_t n = fd_read_full(fd, text, sizeof(text) - 1);
        if (n < 0)
                return (int)n;
        text[n] = '\0';
        const char *rest = strrchr(text, ')');
        if (!rest || sscanf(rest + 1,
                            " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                            "%*s %*s %llu",
                            &state, &start) != 2)
                return -EBADMSG;
        *ret_state = state;
        *ret_start = start;
        return 0;
}

int process_start_time(pid_t pid, uint64_t *ret) {
        char state;

        return read_stat(pid, &state, ret);
}

bool process_is_same(pid_t pid, uint64_t start) {
        uint64_t now_start = 0;
        char state = 'X';

        return pid > 0 && read_stat(pid, &state, &now_start) == 0 && now_start == start &&
               state != 'Z' && state != 'X';
}

int process_open(pid_t pid, uint64_t start) {
        if (pid <= 0)
                return -ESRCH;
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return -errno;
        if (!process_is_same(pid, start))
                return -ESRCH;
        return TAKE_FD(pidfd);
}
