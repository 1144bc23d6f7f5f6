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

/* The first 16 digits of this boot's UUID: 60 random bits, the rest is fixed. Read once; every
 * thread would read the same. */
static int read_boot(uint64_t *ret) {
        static _Atomic uint64_t kept;
        uint64_t boot = kept;
        char text[40] = "";

        if (boot == 0) {
                _cleanup_close_ int fd =
                        open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                ssize_t n = fd_read_full(fd, text, sizeof(text) - 1);
                if (n < 0)
                        return (int)n;
                for (const char *p = text, *end = text + 18; p < end; p++)
                        if (*p != '-')
                                boot = boot << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
                kept = boot;
        }
        *ret = boot;
        return 0;
}

int process_start_time(pid_t pid, uint64_t *ret) {
        uint64_t boot = 0, ticks = 0;
        char state = 'X';

        int r = read_boot(&boot);
        if (r == 0)
                r = read_stat(pid, &state, &ticks);
        if (r < 0)
                return r;
        if (state == 'Z' || state == 'X')
                return -ESRCH;
        *ret = (ticks ^ boot) & INT64_MAX; /* state.db keeps it signed */
        return 0;
}

int process_is_same(pid_t pid, uint64_t start) {
        uint64_t now_start;

        if (pid <= 0)
                return 0;
        int r = process_start_time(pid, &now_start);
        return r == -ESRCH ? 0 : r < 0 ? r : now_start == start;
}

int process_open(pid_t pid, uint64_t start) {
        if (pid <= 0)
                return -ESRCH;
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);
        if (pidfd < 0)
                return -errno;
        int r = process_is_same(pid, start);
        if (r <= 0)
                return r < 0 ? r : -ESRCH;
        return TAKE_FD(pidfd);
}

int process_signal(pid_t pid, uint64_t start, int signal) {
        int pidfd = process_open(pid, start);

        if (pidfd < 0)
                return pidfd;
        int r = pidfd_send_signal(pidfd, signal, NULL, 0) < 0 ? -errno : 0;
        (void)fd_close(pidfd);
        return r;
}
