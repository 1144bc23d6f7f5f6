/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/exec_fifo.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"

#define FIFO_NAME      "exec.fifo"
#define CONFIG_MAX     (1024 * 1024) /* bytes of a document; a larger one is left to crun */
#define WRITER_WAIT_MS 1000          /* for runc's process to come to its fifo */

/* crun runs these when it starts the container, so then it must be the one who does. */
static bool has_start_hook(int folder_fd) {
        _cleanup_free_ char *config = NULL;

        return file_read_at(folder_fd, "config.json", CONFIG_MAX, &config, NULL) < 0 ||
               strstr(config, "\"poststart\"");
}

static int open_fifo(int folder_fd, int flags) {
        _cleanup_close_ int fd =
                openat(folder_fd, FIFO_NAME, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
                return -EBADF;
        return TAKE_FD(fd);
}

static bool release_crun(int folder_fd) {
        static const char go = 0;

        if (has_start_hook(folder_fd))
                return false;
        /* Refused when no process has it open to read: it died. */
        _cleanup_close_ int probe = open_fifo(folder_fd, O_WRONLY);
        if (probe < 0)
                return false;
        /* Being a reader as well spares the SIGPIPE if the process dies right now. */
        _cleanup_close_ int fd = open_fifo(folder_fd, O_RDWR);
        if (fd < 0 || unlinkat(folder_fd, FIFO_NAME, 0) < 0)
                return false;
        return write(fd, &go, 1) == 1;
}

static bool release_runc(int folder_fd, int *ret_hold_fd) {
        _cleanup_close_ int fd = open_fifo(folder_fd, O_RDONLY);
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        char byte;

        if (fd < 0)
                return false;
        /* `create` ends before the process has come as far as opening the fifo. poll() says nothing
         * of a writer's absence before there was one. */
        if (poll(&poll_fd, 1, WRITER_WAIT_MS) > 0 && read(fd, &byte, 1) == 1) {
                (void)unlinkat(folder_fd, FIFO_NAME, 0);
                return true;
        }
        *ret_hold_fd = TAKE_FD(fd);
        return false;
}

bool exec_fifo_release(const char *runtime_name, const char *state_dir, const char *id,
                       int *ret_hold_fd) {
        bool is_crun = text_equal(runtime_name, "crun");

        *ret_hold_fd = -EBADF;
        if (!is_crun && !text_equal(runtime_name, "runc"))
                return false;
        _cleanup_free_ char *folder = xasprintf("%s/%s", state_dir, id);
        _cleanup_close_ int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder_fd < 0)
                return false;
        return is_crun ? release_crun(folder_fd) : release_runc(folder_fd, ret_hold_fd);
}
