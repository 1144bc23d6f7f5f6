/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/socket.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"

#define PROC_PATH_MAX 64

/* --- names of sockets ------------------------------------------------------------------------ */

static socklen_t name_abstract(const VarlinkAddress *address, struct sockaddr_un *un) {
        size_t length = strlen(address->name);

        assert(length < sizeof(un->sun_path));
        *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(un->sun_path + 1, address->name, length);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int name_file(const char *path, struct sockaddr_un *un) {
        *un = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(un->sun_path))
                return -ENAMETOOLONG;
        memcpy(un->sun_path, path, strlen(path) + 1);
        return 0;
}

/*
 * Where @path is too long to bind to: its folder is opened, and the rest is said relative to that.
 */
static int name_file_for_bind(const char *path, struct sockaddr_un *un, int *ret_folder_fd) {
        _cleanup_close_ int folder_fd = -EBADF;
        _cleanup_free_ char *folder = NULL;
        char text[PROC_PATH_MAX + NAME_MAX];
        const char *slash = strrchr(path, '/');

        if (name_file(path, un) == 0)
                return 0;
        if (!slash || strlen(slash + 1) > NAME_MAX)
                return -ENAMETOOLONG;
        folder = strndup(path, (size_t)(slash - path) + 1);
        if (!folder)
                return -ENOMEM;
        folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder_fd < 0)
                return -errno;
        (void)snprintf(text, sizeof(text), "/proc/self/fd/%d/%s", folder_fd, slash + 1);
        int r = name_file(text, un);
        if (r < 0)
                return r;
        *ret_folder_fd = TAKE_FD(folder_fd);
        return 0;
}

/*
 * Where @path is too long to connect to: the socket itself is opened, and reached by its number.
 */
static int name_file_for_connect(const char *path, struct sockaddr_un *un, int *ret_socket_fd) {
        _cleanup_close_ int socket_fd = -EBADF;
        char text[PROC_PATH_MAX];

        if (name_file(path, un) == 0)
                return 0;
        socket_fd = open(path, O_PATH | O_CLOEXEC);
        if (socket_fd < 0)
                return -errno;
        (void)snprintf(text, sizeof(text), "/proc/self/fd/%d", socket_fd);
        int r = name_file(text, un);
        if (r < 0)
                return r;
        *ret_socket_fd = TAKE_FD(socket_fd);
        return 0;
}

/* --- connecting ------------------------------------------------------------------------------ */

static int connect_unix(const struct sockaddr_un *un, socklen_t size, int flags) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        if (fd < 0)
                return -errno;
        while (connect(fd, (const struct sockaddr *)un, size) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
}

static int connect_file(const char *path, int flags) {
        _cleanup_close_ int socket_fd = -EBADF;
        struct sockaddr_un un;
        int r = name_file_for_connect(path, &un, &socket_fd);

        return r < 0 ? r : connect_unix(&un, sizeof(un), flags);
}

static int resolve(const VarlinkAddress *address, int flags, struct addrinfo **ret) {
        const struct addrinfo hints = {
                .ai_family = AF_UNSPEC,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = flags | AI_NUMERICSERV,
        };

        switch (getaddrinfo(address->name, address->port, &hints, ret)) {
        case 0:
                return 0;
        case EAI_MEMORY:
                return -ENOMEM;
        case EAI_SYSTEM:
                return -errno;
        default:
                return -ENXIO;
        }
}

/* Requests and replies are whole messages: waiting to fill a segment would only delay them. */
static void set_no_delay(int fd) {
        static const int yes = 1;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

static int connect_tcp(const VarlinkAddress *address) {
        struct addrinfo *hosts;
        int r = resolve(address, 0, &hosts);

        if (r < 0)
                return r;
        r = -ENXIO;
        for (struct addrinfo *host = hosts; host && r < 0; host = host->ai_next) {
                _cleanup_close_ int fd =
                        socket(host->ai_family, host->ai_socktype | SOCK_CLOEXEC, 0);
                if (fd < 0 || connect(fd, host->ai_addr, host->ai_addrlen) < 0) {
                        r = -errno;
                        continue;
                }
                set_no_delay(fd);
                r = TAKE_FD(fd);
        }
        freeaddrinfo(hosts);
        return r;
}

int varlink_socket_connect(const VarlinkAddress *address) {
        struct sockaddr_un un;

        switch (address->kind) {
        case VARLINK_ADDRESS_FILE:
                return connect_file(address->name, 0);
        case VARLINK_ADDRESS_ABSTRACT:
                return connect_unix(&un, name_abstract(address, &un), 0);
        case VARLINK_ADDRESS_TCP:
                return connect_tcp(address);
        case VARLINK_ADDRESS_EXEC:
        case _VARLINK_ADDRESS_KIND_MAX:
                break;
        }
        return -EOPNOTSUPP;
}

/* --- listening ------------------------------------------------------------------------------- */

/*
 * Holds PATH.lock from here on. The last owner removes the file when it is done, so the one that
 * was locked may not be the one that bears the name any more; then it is tried again.
 */
static int lock_path(const char *path) {
        _cleanup_free_ char *lock_path = NULL;

        if (asprintf(&lock_path, "%s.lock", path) < 0)
                return -ENOMEM;
        for (;;) {
                struct stat held, named;
                _cleanup_close_ int fd = open(
                        lock_path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
                if (fd < 0)
                        return -errno;
                if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                        return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
                if (fstat(fd, &held) < 0)
                        return -errno;
                if (lstat(lock_path, &named) == 0 && held.st_ino == named.st_ino &&
                    held.st_dev == named.st_dev)
                        return TAKE_FD(fd);
        }
}

static void unlock_path(const char *path, int take_lock_fd) {
        _cleanup_close_ int lock_fd = take_lock_fd;
        _cleanup_free_ char *lock_path = NULL;

        if (lock_fd >= 0 && asprintf(&lock_path, "%s.lock", path) >= 0)
                (void)unlink(lock_path);
}

/* Makes @path free to bind to: only a socket that nobody listens on is removed. */
static int remove_stale(const char *path) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;

        _cleanup_close_ int fd = connect_file(path, SOCK_NONBLOCK);
        if (fd != -ECONNREFUSED && fd != -ENOENT)
                return -EADDRINUSE;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * The new file's permissions are those of the unbound socket less the umask: so they are set
 * before, and the umask's share is added afterwards. At no moment are there more of them than
 * asked for.
 */
static int bind_file(int fd, const char *path, mode_t mode) {
        _cleanup_close_ int folder_fd = -EBADF;
        struct sockaddr_un un;
        int r = name_file_for_bind(path, &un, &folder_fd);

        if (r < 0)
                return r;
        if (fchmod(fd, mode) < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) < 0)
                return -errno;
        if (chmod(path, mode) < 0) {
                r = -errno;
                (void)unlink(path);
                return r;
        }
        return 0;
}

static int listen_file(const VarlinkAddress *address, VarlinkListenSocket *sock) {
        struct stat st;
        int r;

        sock->path = strdup(address->name);
        if (!sock->path)
                return -ENOMEM;
        sock->lock_fd = lock_path(address->name);
        if (sock->lock_fd < 0)
                return sock->lock_fd;
        r = remove_stale(address->name);
        if (r < 0)
                return r;

        sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sock->fd < 0)
                return -errno;
        r = bind_file(sock->fd, address->name, address->mode);
        if (r < 0)
                return r;
        if (lstat(address->name, &st) < 0)
                return -errno;
        sock->dev = st.st_dev;
        sock->ino = st.st_ino;
        return listen(sock->fd, VARLINK_LISTEN_BACKLOG) < 0 ? -errno : 0;
}

static int listen_abstract(const VarlinkAddress *address, VarlinkListenSocket *sock) {
        struct sockaddr_un un;
        socklen_t size = name_abstract(address, &un);

        sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sock->fd < 0 || bind(sock->fd, (const struct sockaddr *)&un, size) < 0 ||
            listen(sock->fd, VARLINK_LISTEN_BACKLOG) < 0)
                return -errno;
        return 0;
}

static int listen_tcp(const VarlinkAddress *address, VarlinkListenSocket *sock) {
        static const int yes = 1;
        struct addrinfo *hosts;
        int r = resolve(address, AI_PASSIVE, &hosts);

        if (r < 0)
                return r;
        sock->fd = socket(hosts->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sock->fd < 0 || setsockopt(sock->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
            bind(sock->fd, hosts->ai_addr, hosts->ai_addrlen) < 0 ||
            listen(sock->fd, VARLINK_LISTEN_BACKLOG) < 0)
                r = -errno;
        else
                set_no_delay(sock->fd); /* accepted sockets inherit it */
        freeaddrinfo(hosts);
        return r;
}

int varlink_listen_socket_open(const VarlinkAddress *address, VarlinkListenSocket *ret) {
        VarlinkListenSocket sock = VARLINK_LISTEN_SOCKET_INIT;
        int r = -EOPNOTSUPP;

        switch (address->kind) {
        case VARLINK_ADDRESS_FILE:
                r = listen_file(address, &sock);
                break;
        case VARLINK_ADDRESS_ABSTRACT:
                r = listen_abstract(address, &sock);
                break;
        case VARLINK_ADDRESS_TCP:
                r = listen_tcp(address, &sock);
                break;
        case VARLINK_ADDRESS_EXEC:
        case _VARLINK_ADDRESS_KIND_MAX:
                break;
        }
        if (r < 0) {
                varlink_listen_socket_done(&sock);
                return r;
        }
        *ret = sock;
        return 0;
}

void varlink_listen_socket_done(VarlinkListenSocket *sock) {
        struct stat st;

        sock->fd = fd_close(sock->fd);
        if (sock->path) {
                if (sock->ino != 0 && lstat(sock->path, &st) == 0 && st.st_dev == sock->dev &&
                    st.st_ino == sock->ino)
                        (void)unlink(sock->path);
                unlock_path(sock->path, sock->lock_fd);
        }
        free(sock->path);
        *sock = (VarlinkListenSocket)VARLINK_LISTEN_SOCKET_INIT;
}
