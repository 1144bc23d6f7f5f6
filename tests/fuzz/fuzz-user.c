/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The input is a user, a passwd file and a group file, parted by "---" lines. The answer is refused
 * with a reason, or holds no id that means "no change" to the kernel.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/user.h"

#define SEPARATOR "\n---\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/selkie-fuzz-user-XXXXXX";

static void remove_folder(void) {
        (void)path_remove_tree(AT_FDCWD, folder);
}

static int open_folder(void) {
        int r = mkdtemp(folder) ? 0 : -1;
        assert(r == 0);
        r = atexit(remove_folder);
        assert(r == 0);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(fd >= 0);
        r = mkdirat(fd, "etc", 0755);
        assert(r == 0);
        return fd;
}

static void write_file(int fd, const char *name, const char *text, size_t size) {
        _cleanup_close_ int file_fd =
                openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int r = fd_write_all(file_fd, text, size);
        assert(r == 0);
}

/* The part before the separator; *rest goes behind it. */
static char *next_part(char **rest) {
        char *part = *rest, *end = strstr(part, SEPARATOR);

        *rest = end ? end + strlen(SEPARATOR) : part + strlen(part);
        if (end)
                *end = '\0';
        return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static int root_fd = -EBADF;
        _cleanup_free_ char *text = xstrndup((const char *)data, size);
        const char *const more[] = { "wheel", NULL };
        ResolvedUser user = RESOLVED_USER_INIT;
        Error err = ERROR_INIT;
        char *rest = text;

        if (root_fd < 0)
                root_fd = open_folder();
        const char *spec = next_part(&rest), *passwd = next_part(&rest), *group = next_part(&rest);
        write_file(root_fd, "etc/passwd", passwd, strlen(passwd));
        write_file(root_fd, "etc/group", group, strlen(group));
        for (int i = 0; i < 2; i++) {
                if (user_lookup(root_fd, spec, i ? more : NULL, &user, &err) < 0) {
                        assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
                        continue;
                }
                assert(user.uid != (uid_t)-1 && user.gid != (gid_t)-1 && user.home);
                for (size_t n = 0; n < user.additional_gids_count; n++)
                        assert(user.additional_gids[n] != user.gid &&
                               (n == 0 || user.additional_gids[n - 1] < user.additional_gids[n]));
                resolved_user_done(&user);
        }
        return 0;
}
