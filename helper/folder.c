/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "helper/new_file.h"

int folder_open(const char *path, Error *err) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 ? fd
                       : error_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, path,
                                     "cannot open the folder %s", path);
}

int folder_open_file(int folder_fd, const char *name, int64_t *ret_size, Error *err) {
        struct stat status;

        /* Without O_NONBLOCK a pipe would wait for somebody who writes. */
        _cleanup_close_ int fd = path_open_plain(folder_fd, name, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return error_errno(err,
                                   fd == -ENOENT                  ? ERR_NOT_FOUND
                                   : fd == -ELOOP || fd == -EXDEV ? ERR_INVALID
                                                                  : ERR_IO,
                                   -fd, name, "cannot open %s", name);
        if (fstat(fd, &status) < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot open %s", name);
        if (!S_ISREG(status.st_mode))
                return error_set(err, ERR_INVALID, name, "%s is not a regular file", name);
        *ret_size = status.st_size;
        return TAKE_FD(fd);
}

int folder_read_file(int folder_fd, const char *name, size_t size_max, Buffer *ret, Error *err) {
        int64_t size = 0;

        _cleanup_close_ int fd = folder_open_file(folder_fd, name, &size, err);
        if (fd < 0)
                return -1;
        if ((uint64_t)size > size_max)
                return error_set(err, ERR_LIMIT, name, "%s has %lld bytes, more than %zu", name,
                                 (long long)size, size_max);
        char *p = buffer_reserve(ret, (size_t)size + 1);
        if (!p)
                return error_errno(err, ERR_IO, ENOMEM, name, "cannot read %s", name);
        ssize_t n = fd_read_full(fd, p, (size_t)size);
        if (n < 0)
                return error_errno(err, ERR_IO, (int)-n, name, "cannot read %s", name);
        ret->size += (size_t)n;
        return 0;
}

int folder_is_empty(int folder_fd) {
        bool is_empty = true;

        int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        if (!folder) {
                int r = -errno;
                (void)fd_close(fd);
                return r;
        }
        for (struct dirent *entry; is_empty && (entry = readdir(folder));)
                is_empty = text_equal(entry->d_name, ".") || text_equal(entry->d_name, "..");
        (void)closedir(folder);
        return is_empty;
}

int folder_replace_file(int folder_fd, const char *name, const void *data, size_t size,
                        Error *err) {
        _cleanup_new_file_ NewFile file = NEW_FILE_INIT;

        if (new_file_open(&file, folder_fd, 0644, err) < 0)
                return -1;
        int r = fd_write_all(file.fd, data, size);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, name, "cannot write %s", name);
        return new_file_publish(&file, name, true, err);
}
