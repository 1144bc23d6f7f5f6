/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/random.h"

int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd);
                errno = saved;
        }
        return -EBADF;
}

int fd_write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t size) {
        char *p = data;
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, p + done, size - done);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

int fd_set_nonblock(int fd, bool nonblock) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0)
                return -errno;
        int wanted = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
                return -errno;
        return 0;
}

int file_read_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        /* Files of /proc and /sys report size 0, so the buffer grows with what is read. */
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (st.st_size > 0 && (uint64_t)st.st_size > max)
                return -EFBIG;

        size_t capacity = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
        size_t size = 0;
        _cleanup_free_ char *data = malloc(capacity + 1);
        if (!data)
                return -ENOMEM;
        for (;;) {
                ssize_t n = fd_read_full(fd, data + size, capacity - size);
                if (n < 0)
                        return (int)n;
                size += (size_t)n;
                if (size < capacity)
                        break;
                if (size > max)
                        return -EFBIG;
                capacity *= 2;
                char *grown = realloc(data, capacity + 1);
                if (!grown)
                        return -ENOMEM;
                data = grown;
        }
        if (size > max)
                return -EFBIG;
        data[size] = '\0';
        *ret_data = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int file_write_atomic_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                         bool sync) {
        const char *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        char suffix[17];

        random_hex(suffix, sizeof(suffix) - 1);
        _cleanup_free_ char *temporary =
                xasprintf("%.*s.tmp-%s-%s", (int)(name - path), path, name, suffix);

        int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                        0600);
        if (fd < 0)
                return -errno;

        int r = fd_write_all(fd, data, size);
        if (r == 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (r == 0 && sync && fdatasync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(dir_fd, temporary, 0);
        return r;
}

int file_read_int64(int dir_fd, const char *path, int64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char *end;

        int r = file_read_at(dir_fd, path, 64, &text, NULL);
        if (r < 0)
                return r;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (errno != 0 || end == text || (*end != '\0' && strcmp(end, "\n") != 0))
                return -EINVAL;
        *ret = value;
        return 0;
}
