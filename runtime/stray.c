/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A process is a stray monitor if its executable is conmon's and it was started for the id, as
 * monitor.c does it. Both are asked of /proc after a pidfd was opened, so a reused pid cannot be
 * hit.
 */

#include "runtime/stray.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/text.h"

#define CGROUP_ROOT      "/sys/fs/cgroup"
#define COMMAND_LINE_MAX (128 * 1024)
#define DEATH_WAIT_MS    2000        /* how long a killed process may take to be gone */
#define VERB_WAIT_MS     (10 * 1000) /* how long a runtime may take that nobody waits for */
#define KILL_ROUNDS      50 /* a cgroup whose processes fork is emptied in several rounds */
#define LET_GO_WAIT_MS   5  /* between two tries to remove a cgroup that is empty but busy */

static int open_pidfd(pid_t pid) {
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void kill_and_wait(int pidfd) {
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

        if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
                (void)poll(&poll_fd, 1, DEATH_WAIT_MS);
}

static bool has_argument(const char *command_line, size_t size, const char *wanted) {
        for (const char *p = command_line; p < command_line + size; p += strlen(p) + 1)
                if (text_equal(p, wanted))
                        return true;
        return false;
}

static bool is_monitor_of(int proc_fd, const char *pid, const struct stat *monitor,
                          const char *wanted) {
        _cleanup_free_ char *command_line = NULL;
        char path[64];
        struct stat st;
        size_t size;

        snprintf(path, sizeof(path), "%s/exe", pid);
        if (fstatat(proc_fd, path, &st, 0) < 0 || st.st_dev != monitor->st_dev ||
            st.st_ino != monitor->st_ino)
                return false;
        snprintf(path, sizeof(path), "%s/cmdline", pid);
        return file_read_at(proc_fd, path, COMMAND_LINE_MAX, &command_line, &size) >= 0 &&
               has_argument(command_line, size, wanted);
}

int stray_kill_monitors(const char *monitor_path, const char *id) {
        _cleanup_free_ char *wanted = xasprintf("--cid=%s", id);
        struct stat monitor;
        int count = 0;

        if (stat(monitor_path, &monitor) < 0)
                return -errno;
        DIR *proc = opendir("/proc");
        if (!proc)
                return -errno;
        for (struct dirent *entry; (entry = readdir(proc));) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                _cleanup_close_ int pidfd = open_pidfd((pid_t)strtol(entry->d_name, NULL, 10));
                if (pidfd < 0 || !is_monitor_of(dirfd(proc), entry->d_name, &monitor, wanted))
                        continue;
                kill_and_wait(pidfd);
                count++;
        }
        closedir(proc);
        return count;
}

static bool does(int proc_fd, const char *pid, const char *verb, const char *id) {
        _cleanup_free_ char *command_line = NULL;
        char path[64];
        size_t size;

        snprintf(path, sizeof(path), "%s/cmdline", pid);
        return file_read_at(proc_fd, path, COMMAND_LINE_MAX, &command_line, &size) >= 0 &&
               has_argument(command_line, size, verb) && has_argument(command_line, size, id);
}

void stray_await_verb(const char *id, const char *verb) {
        DIR *proc = opendir("/proc");

        if (!proc)
                return;
        for (struct dirent *entry; (entry = readdir(proc));) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                _cleanup_close_ int pidfd = open_pidfd((pid_t)strtol(entry->d_name, NULL, 10));
                struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
                if (pidfd >= 0 && does(dirfd(proc), entry->d_name, verb, id))
                        (void)poll(&poll_fd, 1, VERB_WAIT_MS);
        }
        closedir(proc);
}

/* Kills the processes that are in the cgroup now; how many there were. */
static int kill_members(int cgroup_fd) {
        _cleanup_free_ char *text = NULL;
        int count = 0;

        if (file_read_at(cgroup_fd, "cgroup.procs", COMMAND_LINE_MAX, &text, NULL) < 0)
                return 0;
        for (char *p = text, *end; *p; p = end) {
                pid_t pid = (pid_t)strtol(p, &end, 10);
                if (end == p)
                        break;
                _cleanup_close_ int pidfd = pid > 0 ? open_pidfd(pid) : -EBADF;
                if (pidfd < 0)
                        continue;
                kill_and_wait(pidfd);
                count++;
        }
        return count;
}

/* On cgroup v1 a frozen process takes no signal, SIGKILL neither, before it is thawed. */
static void thaw(int cgroup_fd) {
        _cleanup_close_ int fd = openat(cgroup_fd, "freezer.state", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)fd_write_all(fd, "THAWED", strlen("THAWED"));
}

static int remove_cgroup_at(const char *hierarchy, const char *path) {
        _cleanup_free_ char *full = xasprintf("%s%s", hierarchy, path);
        _cleanup_close_ int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int killed = 0;

        if (fd < 0)
                return 0;
        for (int round = 0, waited_ms = 0; round < KILL_ROUNDS;) {
                thaw(fd);
                int count = kill_members(fd);
                killed += count;
                if (rmdir(full) == 0 || errno != EBUSY)
                        break;
                if (count > 0) {
                        round++;
                        continue;
                }
                /* Dead, but not yet let go of by the kernel, which on cgroup v1 tells nobody. */
                if ((waited_ms += LET_GO_WAIT_MS) > DEATH_WAIT_MS)
                        break;
                (void)poll(NULL, 0, LET_GO_WAIT_MS);
        }
        return killed;
}

int stray_remove_cgroup(const char *path) {
        int killed = remove_cgroup_at(CGROUP_ROOT, path);
        DIR *root = opendir(CGROUP_ROOT);

        if (!root)
                return killed;
        for (struct dirent *entry; (entry = readdir(root));) {
                if (entry->d_name[0] == '.' || entry->d_type == DT_REG)
                        continue;
                _cleanup_free_ char *hierarchy = xasprintf(CGROUP_ROOT "/%s", entry->d_name);
                killed += remove_cgroup_at(hierarchy, path);
        }
        closedir(root);
        return killed;
}
