/* SPDX-License-Identifier: Apache-2.0 */
#include "image/auth_helper.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "oci/document.h"

#define HELPER_NAME_MAX 64

/* What helpers answer when all is well and nothing is there. */
static const char *const nothing_there[] = { "credentials not found", "no credentials" };

static bool is_name(const char *name) {
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._-");

        return length > 0 && length <= HELPER_NAME_MAX && name[length] == '\0';
}

static char *find_program(const char *name) {
        const char *path = getenv("PATH");

        for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin"; *p;) {
                size_t length = strcspn(p, ":");
                if (length > 0 && *p == '/') {
                        char *file = xasprintf("%.*s/docker-credential-%s", (int)length, p, name);
                        if (access(file, X_OK) == 0)
                                return file;
                        free(file);
                }
                p += length + (p[length] == ':');
        }
        return NULL;
}

static int server_fd(const char *server, int *ret, Error *err) {
        _cleanup_close_ int fd = memfd_create("server", MFD_CLOEXEC);

        if (fd < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot make a file");
        int r = fd_write_all(fd, server, strlen(server));
        if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        if (r < 0)
                return error_errno(err, ERR_IO, -r, NULL, "cannot write a file");
        *ret = TAKE_FD(fd);
        return 0;
}

/* Its exit status, and what it wrote to stdout. */
static int run(const char *program, const char *name, const char *server, Buffer *output,
               Error *err) {
        _cleanup_close_ int in = -EBADF, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const char *const argv[] = { program, "get", NULL };

        if (server_fd(server, &in, err) < 0)
                return -1;
        /* It is the user's own program, and keys may be found by any variable. */
        const SpawnOptions options = { .argv = argv,
                                       .environment = (const char *const *)environ,
                                       .stdin_fd = in,
                                       .stdout_fd = -EBADF,
                                       .stderr_fd = null };
        int r = spawn_run(&options, AUTH_HELPER_MS, AUTH_ANSWER_MAX, output);
        if (r < 0)
                return error_errno(err, r == -ETIMEDOUT ? ERR_TIMEOUT : ERR_IO, -r, name,
                                   "cannot run the credential helper %s", program);
        if (buffer_failed(output) || output->size == AUTH_ANSWER_MAX)
                return error_set(err, ERR_LIMIT, name,
                                 "the credential helper %s answers more than %d bytes", name,
                                 AUTH_ANSWER_MAX);
        buffer_append_byte(output, '\0');
        return r;
}

static int parse_answer(const char *name, const Buffer *output, Credentials *ret, Error *err) {
        _cleanup_free_ char *user = NULL, *secret = NULL;
        json_t *json = NULL;

        int r = document_parse(output->data, output->size - 1, AUTH_ANSWER_MAX, "answer", &json,
                               err);
        if (r == 0)
                r = document_text(json, "", "Username", &user, err);
        if (r == 0)
                r = document_text(json, "", "Secret", &secret, err);
        if (json)
                json_decref(json);
        if (r < 0)
                return error_prefix(err, "the credential helper %s", name);
        if (text_is_empty(user) && text_is_empty(secret))
                return 0;
        if (text_equal(user, "<token>")) {
                ret->identity_token = TAKE_PTR(secret);
                return 1;
        }
        ret->user = TAKE_PTR(user);
        ret->password = TAKE_PTR(secret);
        return 1;
}

int auth_helper_get(const char *name, const char *server, Credentials *ret, Error *err) {
        Buffer output = BUFFER_INIT;

        if (!is_name(name))
                return error_set(err, ERR_INVALID, name,
                                 "\"%.64s\" is no name of a credential helper", name);
        _cleanup_free_ char *program = find_program(name);
        if (!program)
                return error_set(err, ERR_NOT_FOUND, name,
                                 "the credential helper docker-credential-%s is not installed",
                                 name);
        int r = run(program, name, server, &output, err);
        if (r == 0) {
                r = parse_answer(name, &output, ret, err);
        } else if (r > 0) {
                int status = r;
                r = -1;
                for (size_t i = 0; r < 0 && i < ARRAY_SIZE(nothing_there); i++)
                        r = strstr(output.data, nothing_there[i]) ? 0 : -1;
                if (r < 0) {
                        text_make_line(output.data, strlen(output.data));
                        (void)error_set(err, ERR_IO, name,
                                        "the credential helper %s failed with status %d: %.200s",
                                        name, status, output.data);
                }
        }
        if (output.data)
                explicit_bzero(output.data, output.capacity);
        buffer_done(&output);
        return r;
}
