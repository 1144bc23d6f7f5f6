/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Addresses as text, and the sockets behind them: files that stay, are stale, or belong to others.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "varlink/address.h"
#include "varlink/socket.h"

/* --- text ------------------------------------------------------------------------------------ */

static void addresses_are_read(void **state) {
        static const struct {
                const char *text;
                VarlinkAddressKind kind;
                const char *name, *port;
                mode_t mode;
        } cases[] = {
                { "unix:/run/a", VARLINK_ADDRESS_FILE, "/run/a", NULL, 0600 },
                { "unix:a/b", VARLINK_ADDRESS_FILE, "a/b", NULL, 0600 },
                { "unix:/run/a;mode=0660", VARLINK_ADDRESS_FILE, "/run/a", NULL, 0660 },
                { "unix:/run/a;mode=777", VARLINK_ADDRESS_FILE, "/run/a", NULL, 0777 },
                { "unix:@org.example", VARLINK_ADDRESS_ABSTRACT, "org.example", NULL, 0600 },
                { "tcp:127.0.0.1:12345", VARLINK_ADDRESS_TCP, "127.0.0.1", "12345", 0600 },
                { "tcp:example.org:1", VARLINK_ADDRESS_TCP, "example.org", "1", 0600 },
                { "tcp:[::1]:65535", VARLINK_ADDRESS_TCP, "::1", "65535", 0600 },
                { "exec:/bin/a --b c", VARLINK_ADDRESS_EXEC, "/bin/a --b c", NULL, 0600 },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_varlink_address_ VarlinkAddress address = VARLINK_ADDRESS_INIT;

                assert_int_equal(varlink_address_parse(cases[i].text, &address), 0);
                assert_int_equal(address.kind, cases[i].kind);
                assert_string_equal(address.name, cases[i].name);
                assert_int_equal(!address.port, !cases[i].port);
                if (address.port)
                        assert_string_equal(address.port, cases[i].port);
                assert_int_equal(address.mode, cases[i].mode);
        }
}

static void bad_addresses_are_refused(void **state) {
        static const char *const texts[] = {
                "",
                "/run/a",
                "unix",
                "unix:",
                "unix:/run/",
                "unix:;mode=0600",
                "unix:@",
                "unix:@a;mode=0600",
                "unix:/run/a;",
                "unix:/run/a;mode=",
                "unix:/run/a;mode=8",
                "unix:/run/a;mode=01777",
                "unix:/run/a;mode=0600;mode=0600",
                "unix:/run/a;owner=root",
                "tcp:",
                "tcp:host",
                "tcp:host:",
                "tcp::1",
                "tcp:host:65536",
                "tcp:host:-1",
                "tcp:host:1x",
                "tcp:::1:80",
                "tcp:[::1]80",
                "tcp:[::1:80",
                "tcp:[]:80",
                "exec:",
                "http://a",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                VarlinkAddress address;
                assert_int_equal(varlink_address_parse(texts[i], &address), -EINVAL);
        }
}

static void long_addresses_are_refused(void **state) {
        char text[VARLINK_ADDRESS_MAX + 2] = "unix:@";
        VarlinkAddress address;

        (void)state;
        memset(text + 6, 'a', sizeof(text) - 7);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(varlink_address_parse(text, &address), -ENAMETOOLONG);
        text[6 + 108] = '\0'; /* one more than an abstract name holds */
        assert_int_equal(varlink_address_parse(text, &address), -ENAMETOOLONG);
        text[6 + 107] = '\0';
        assert_int_equal(varlink_address_parse(text, &address), 0);

        VarlinkListenSocket sock;
        assert_int_equal(varlink_listen_socket_open(&address, &sock), 0);
        assert_int_equal(varlink_listen_socket_open(&address, &sock), -EADDRINUSE);
        int fd = varlink_socket_connect(&address);
        assert_true(fd >= 0);
        close(fd);
        varlink_listen_socket_done(&sock);
        varlink_address_done(&address);
}

/* --- files ----------------------------------------------------------------------------------- */

typedef struct Place {
        char folder[64];
        VarlinkAddress address;
} Place;

static int setup(void **state) {
        Place *place = xnew(Place, 1);

        (void)snprintf(place->folder, sizeof(place->folder), "/tmp/selkie-test-XXXXXX");
        assert_non_null(mkdtemp(place->folder));
        place->address = (VarlinkAddress){
                .kind = VARLINK_ADDRESS_FILE,
                .name = xasprintf("%s/socket", place->folder),
                .mode = 0600,
        };
        *state = place;
        return 0;
}

/* Nothing but what a test made itself may be left. */
static int teardown(void **state) {
        Place *place = *state;

        assert_int_equal(rmdir(place->folder), 0);
        varlink_address_done(&place->address);
        free(place);
        return 0;
}

static void expect_answer(const VarlinkAddress *address) {
        int fd = varlink_socket_connect(address);

        assert_true(fd >= 0);
        close(fd);
}

static void files_have_their_mode(void **state) {
        static const mode_t masks[] = { 0, 022, 0777 };
        Place *place = *state;

        for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
                VarlinkListenSocket sock;
                struct stat st;
                mode_t mask = umask(masks[i]);

                place->address.mode = i ? 0666 : 0600;
                assert_int_equal(varlink_listen_socket_open(&place->address, &sock), 0);
                umask(mask);
                assert_int_equal(lstat(place->address.name, &st), 0);
                assert_int_equal(st.st_mode, S_IFSOCK | place->address.mode);
                expect_answer(&place->address);
                varlink_listen_socket_done(&sock);
                assert_int_equal(lstat(place->address.name, &st), -1);
        }
}

static void used_addresses_are_refused(void **state) {
        Place *place = *state;
        VarlinkListenSocket sock, other;

        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), 0);
        assert_int_equal(varlink_listen_socket_open(&place->address, &other), -EADDRINUSE);
        expect_answer(&place->address);
        varlink_listen_socket_done(&sock);
}

/* A plain bind(), as of a program that knows nothing of locks. */
static int listen_foreign(const char *path, bool listens) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
        if (listens)
                assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void foreign_servers_are_respected(void **state) {
        Place *place = *state;
        VarlinkListenSocket sock;
        int fd = listen_foreign(place->address.name, true);

        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), -EADDRINUSE);
        expect_answer(&place->address);
        /* Also when its backlog is full. */
        for (int waiting = 0; waiting < 10; waiting++)
                assert_int_equal(varlink_listen_socket_open(&place->address, &sock), -EADDRINUSE);
        close(fd);
        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), 0);
        expect_answer(&place->address);
        varlink_listen_socket_done(&sock);
}

static void other_files_are_kept(void **state) {
        Place *place = *state;
        VarlinkListenSocket sock;
        char content[8];
        int fd = open(place->address.name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "mine", 4), 4);
        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), -EEXIST);
        assert_int_equal(pread(fd, content, sizeof(content), 0), 4);
        close(fd);
        assert_int_equal(unlink(place->address.name), 0);

        /* A symbolic link is no socket either, wherever it points. */
        assert_int_equal(symlink("nowhere", place->address.name), 0);
        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), -EEXIST);
        assert_int_equal(unlink(place->address.name), 0);

        assert_int_equal(mkdir(place->address.name, 0700), 0);
        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), -EEXIST);
        assert_int_equal(rmdir(place->address.name), 0);
}

static void missing_folders_are_not_made(void **state) {
        Place *place = *state;
        VarlinkAddress address = place->address;
        VarlinkListenSocket sock;

        address.name = xasprintf("%s/missing/socket", place->folder);
        assert_int_equal(varlink_listen_socket_open(&address, &sock), -ENOENT);
        assert_int_equal(varlink_socket_connect(&address), -ENOENT);
        free(address.name);
}

static void anothers_file_is_not_removed(void **state) {
        Place *place = *state;
        VarlinkListenSocket sock;

        assert_int_equal(varlink_listen_socket_open(&place->address, &sock), 0);
        assert_int_equal(unlink(place->address.name), 0);
        int fd = listen_foreign(place->address.name, true);
        varlink_listen_socket_done(&sock);
        expect_answer(&place->address);
        close(fd);
        assert_int_equal(unlink(place->address.name), 0);
}

static void long_paths_work(void **state) {
        Place *place = *state;
        VarlinkAddress address = place->address;
        _cleanup_free_ char *folder =
                xasprintf("%s/%0100d", place->folder, 7); /* more than a socket address holds */
        VarlinkListenSocket sock;
        struct stat st;

        assert_int_equal(mkdir(folder, 0700), 0);
        address.name = xasprintf("%s/socket", folder);
        assert_int_equal(varlink_listen_socket_open(&address, &sock), 0);
        assert_int_equal(varlink_listen_socket_open(&address, &sock), -EADDRINUSE);
        assert_int_equal(lstat(address.name, &st), 0);
        assert_int_equal(st.st_mode, S_IFSOCK | 0600);
        expect_answer(&address);
        varlink_listen_socket_done(&sock);
        /* Stale ones too. */
        int folder_fd = open(folder, O_PATH | O_CLOEXEC);
        _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/socket", folder_fd);
        close(listen_foreign(path, true));
        close(folder_fd);
        assert_int_equal(varlink_listen_socket_open(&address, &sock), 0);
        expect_answer(&address);
        varlink_listen_socket_done(&sock);
        assert_int_equal(rmdir(folder), 0);
        free(address.name);
}

/* --- many at once ---------------------------------------------------------------------------- */

typedef struct Race {
        const VarlinkAddress *address;
        pthread_barrier_t start, end;
        atomic_int winners;
} Race;

static void *race(void *userdata) {
        Race *r = userdata;
        VarlinkListenSocket sock = VARLINK_LISTEN_SOCKET_INIT;

        pthread_barrier_wait(&r->start);
        int result = varlink_listen_socket_open(r->address, &sock);
        if (result == 0)
                r->winners++;
        pthread_barrier_wait(&r->end);
        varlink_listen_socket_done(&sock);
        return result == 0 || result == -EADDRINUSE ? NULL : r;
}

static void one_of_many_wins(void **state) {
        enum {
                RACERS = 16,
                TURNS = 100
        };
        Place *place = *state;

        for (int turn = 0; turn < TURNS; turn++) {
                Race r = { .address = &place->address };
                pthread_t threads[RACERS];

                if (turn % 2)
                        close(listen_foreign(place->address.name, turn % 4 == 1));
                pthread_barrier_init(&r.start, NULL, RACERS);
                pthread_barrier_init(&r.end, NULL, RACERS);
                for (int i = 0; i < RACERS; i++)
                        assert_int_equal(pthread_create(&threads[i], NULL, race, &r), 0);
                for (int i = 0; i < RACERS; i++) {
                        void *failed;
                        assert_int_equal(pthread_join(threads[i], &failed), 0);
                        assert_null(failed);
                }
                assert_int_equal(r.winners, 1);
                pthread_barrier_destroy(&r.start);
                pthread_barrier_destroy(&r.end);
        }
}

/* --- tcp ------------------------------------------------------------------------------------- */

static void tcp_works(void **state) {
        static const char *const hosts[] = { "127.0.0.1", "::1" };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
                VarlinkAddress address = {
                        .kind = VARLINK_ADDRESS_TCP,
                        .name = (char *)(uintptr_t)hosts[i],
                        .port = (char *)(uintptr_t) "0",
                };
                VarlinkListenSocket sock;
                union {
                        struct sockaddr any;
                        struct sockaddr_in in;
                        struct sockaddr_in6 in6;
                } bound = { .in6 = { .sin6_port = 0 } };
                socklen_t size = sizeof(bound);
                char port[8];
                int r = varlink_listen_socket_open(&address, &sock);
                if (i == 1 && (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT))
                        continue; /* a host without IPv6 */
                assert_int_equal(r, 0);
                assert_int_equal(getsockname(sock.fd, &bound.any, &size), 0);
                (void)snprintf(port, sizeof(port), "%u",
                               ntohs(i == 0 ? bound.in.sin_port : bound.in6.sin6_port));
                address.port = port;
                expect_answer(&address);
                varlink_listen_socket_done(&sock);
                assert_int_equal(varlink_socket_connect(&address), -ECONNREFUSED);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_are_read),
                cmocka_unit_test(bad_addresses_are_refused),
                cmocka_unit_test(long_addresses_are_refused),
                TEST(files_have_their_mode),
                TEST(used_addresses_are_refused),
                TEST(foreign_servers_are_respected),
                TEST(other_files_are_kept),
                TEST(missing_folders_are_not_made),
                TEST(anothers_file_is_not_removed),
                TEST(long_paths_work),
                TEST(one_of_many_wins),
                cmocka_unit_test(tcp_works),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
