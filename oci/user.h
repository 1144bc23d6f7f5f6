/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who a container runs as: "name", "uid", "name:group", "uid:gid" against the image's own
 * /etc/passwd and /etc/group.
 *
 * The files belong to the image, so they are opened with openat2() inside its root, are regular
 * files of bounded size, and lines that make no sense are skipped, as libc does.
 */

#include <sys/types.h>

#include "base/error.h"

#define USER_FILE_MAX   (8 * 1024 * 1024) /* bytes of passwd or group */
#define USER_GROUPS_MAX 1024              /* additional groups of one user */

typedef struct ResolvedUser {
        uid_t uid;
        gid_t gid;
        gid_t *additional_gids; /* sorted, without @gid; heap */
        size_t additional_gids_count;
        char *home; /* of the passwd line, "/" when there is none */
} ResolvedUser;

#define RESOLVED_USER_INIT \
        { .uid = 0 }

void resolved_user_done(ResolvedUser *user);

/**
 * user_lookup() - resolve a user as `docker run --user` means it
 * @root_fd:    the container's root directory (O_PATH is enough); -EBADF: no files, numbers only
 * @spec:       NULL or "" is user 0; a number that the files do not know is fine
 * @add_groups: names or numbers of further groups, NULL-terminated, or NULL
 *
 * A group in @spec replaces the user's groups; without one, the passwd line's group and every group
 * that lists the user's name apply. ERR_INVALID (subject "create.user" or "create.group_add"; the
 * text names the user or group that is unknown), ERR_LIMIT, ERR_IO (subject = the file).
 */
int user_lookup(int root_fd, const char *spec, const char *const *add_groups, ResolvedUser *ret,
                Error *err);
