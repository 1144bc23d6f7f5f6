/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over passwd finds the user's line; one pass over group finds the named group, the user's
 * other groups, and what was asked for in addition. A line that does not parse is no line.
 */

#include "oci/user.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

#define ID_MAX (UINT32_MAX - 1) /* (uid_t)-1 means "no change" to the kernel */

typedef struct PasswdLine {
        const char *name;
        uid_t uid;
        gid_t gid;
        const char *home;
} PasswdLine;

typedef struct GroupLine {
        const char *name;
        gid_t gid;
        char *members; /* comma separated */
} GroupLine;

void resolved_user_done(ResolvedUser *user) {
        free(user->additional_gids);
        free(user->home);
        *user = (ResolvedUser)RESOLVED_USER_INIT;
}

/* The text of a file of the image; NULL when there is none. */
static int read_file(int root_fd, const char *path, char **ret, Error *err) {
        struct stat st;
        size_t size;

        *ret = NULL;
        if (root_fd < 0)
                return 0;
        _cleanup_close_ int fd = path_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK, 0);
        if (fd == -ENOENT || fd == -ENOTDIR)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, ERR_IO, fd < 0 ? -fd : errno, path,
                                   "cannot open %s of the image", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, ERR_INVALID, "create.user",
                                 "%s of the image is no regular file", path);
        if (st.st_size > USER_FILE_MAX)
                return error_set(err, ERR_LIMIT, "create.user",
                                 "%s of the image is longer than %d bytes", path, USER_FILE_MAX);
        char *text = xnew(char, (size_t)st.st_size + 1);
        ssize_t n = fd_read_full(fd, text, (size_t)st.st_size);
        if (n < 0) {
                free(text);
                return error_errno(err, ERR_IO, (int)-n, path, "cannot read %s of the image", path);
        }
        size = (size_t)n;
        text[size] = '\0';
        *ret = text;
        return 0;
}

static bool parse_id(const char *text, uint32_t *ret) {
        char *end;

        if (*text < '0' || *text > '9')
                return false;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0' || value > ID_MAX)
                return false;
        *ret = (uint32_t)value;
        return true;
}

/* Cuts the next line off, then its fields at the colons; the number of fields. NULL line: at the
 * end. */
static int next_line(char **rest, char *fields[], int fields_max) {
        char *line = strsep(rest, "\n");
        int count = 0;

        if (!line)
                return -1;
        while (line && count < fields_max)
                fields[count++] = strsep(&line, ":");
        return count;
}

static bool find_passwd(char *text, const char *name, const uid_t *uid, PasswdLine *ret) {
        char *fields[7], *rest = text;
        PasswdLine line;
        int count;

        while ((count = next_line(&rest, fields, 7)) >= 0) {
                if (count < 6 || !*fields[0] || !parse_id(fields[2], &line.uid) ||
                    !parse_id(fields[3], &line.gid))
                        continue;
                line.name = fields[0];
                line.home = fields[5];
                if (text_equal(line.name, name) || (uid && line.uid == *uid)) {
                        *ret = line;
                        return true;
                }
        }
        return false;
}

static bool has_member(char *members, const char *name) {
        for (char *member; (member = strsep(&members, ","));)
                if (text_equal(member, name))
                        return true;
        return false;
}

static int add_gid(ResolvedUser *user, gid_t gid, Error *err) {
        for (size_t i = 0; i < user->additional_gids_count; i++)
                if (user->additional_gids[i] == gid)
                        return 0;
        if (user->additional_gids_count >= USER_GROUPS_MAX)
                return error_set(err, ERR_LIMIT, "create.user",
                                 "the user is in more than %d groups", USER_GROUPS_MAX);
        user->additional_gids = xrealloc(user->additional_gids, user->additional_gids_count + 1,
                                         sizeof(*user->additional_gids));
        user->additional_gids[user->additional_gids_count++] = gid;
        return 0;
}

/* What is looked for in the group file. */
typedef struct GroupQuery {
        const char *group; /* of the spec, or NULL */
        bool is_group_found;
        const char *member; /* whose groups apply, or NULL */
        const char *const *wanted;
        bool *is_wanted_found;
} GroupQuery;

static int match_group(GroupQuery *query, const GroupLine *line, ResolvedUser *user, Error *err) {
        if (query->group && !query->is_group_found && text_equal(line->name, query->group)) {
                query->is_group_found = true;
                user->gid = line->gid;
        }
        for (size_t i = 0; query->wanted && query->wanted[i]; i++)
                if (!query->is_wanted_found[i] && text_equal(line->name, query->wanted[i])) {
                        query->is_wanted_found[i] = true;
                        if (add_gid(user, line->gid, err) < 0)
                                return -1;
                }
        if (query->member && has_member(line->members, query->member))
                return add_gid(user, line->gid, err);
        return 0;
}

static int search_groups(GroupQuery *query, char *text, ResolvedUser *user, Error *err) {
        char *fields[4], *rest = text;
        GroupLine line;
        int count;

        while ((count = next_line(&rest, fields, 4)) >= 0) {
                if (count < 4 || !*fields[0] || !parse_id(fields[2], &line.gid))
                        continue;
                line.name = fields[0];
                line.members = fields[3];
                if (match_group(query, &line, user, err) < 0)
                        return -1;
        }
        return 0;
}

/* Names that the file does not know may still be numbers. */
static int take_numbers(GroupQuery *query, ResolvedUser *user, Error *err) {
        if (query->group && !query->is_group_found && !parse_id(query->group, &user->gid))
                return error_set(err, ERR_INVALID, "create.user", "the image has no group \"%s\"",
                                 query->group);
        for (size_t i = 0; query->wanted && query->wanted[i]; i++) {
                gid_t gid;
                if (query->is_wanted_found[i])
                        continue;
                if (!parse_id(query->wanted[i], &gid))
                        return error_set(err, ERR_INVALID, "create.group_add",
                                         "the image has no group \"%s\"", query->wanted[i]);
                if (add_gid(user, gid, err) < 0)
                        return -1;
        }
        return 0;
}

static int compare_gids(const void *a, const void *b) {
        gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

        return x < y ? -1 : x > y;
}

/* Sorted, and without the user's own group. */
static void settle_gids(ResolvedUser *user) {
        size_t kept = 0;

        if (user->additional_gids_count == 0)
                return;
        qsort(user->additional_gids, user->additional_gids_count, sizeof(*user->additional_gids),
              compare_gids);
        for (size_t i = 0; i < user->additional_gids_count; i++)
                if (user->additional_gids[i] != user->gid)
                        user->additional_gids[kept++] = user->additional_gids[i];
        user->additional_gids_count = kept;
}

static int resolve(int root_fd, const char *name, const char *group, const char *const *add_groups,
                   ResolvedUser *user, Error *err) {
        _cleanup_free_ char *passwd = NULL, *groups = NULL;
        _cleanup_free_ bool *is_wanted_found = NULL;
        PasswdLine line = { .name = NULL };
        uid_t number;
        size_t wanted_count = 0;

        if (read_file(root_fd, "/etc/passwd", &passwd, err) < 0)
                return -1;
        bool is_number = parse_id(name, &number);
        bool is_known = passwd && find_passwd(passwd, name, is_number ? &number : NULL, &line);
        if (!is_known && !is_number)
                return error_set(err, ERR_INVALID, "create.user", "the image has no user \"%s\"",
                                 name);
        user->uid = is_known ? line.uid : number;
        user->gid = is_known ? line.gid : 0;
        user->home = xstrdup(is_known && *line.home ? line.home : "/");

        while (add_groups && add_groups[wanted_count])
                wanted_count++;
        is_wanted_found = xnew(bool, wanted_count);
        GroupQuery query = { .group = group,
                             .member = group || !is_known ? NULL : line.name,
                             .wanted = add_groups,
                             .is_wanted_found = is_wanted_found };
        if (!query.group && !query.member && wanted_count == 0)
                return 0;
        if (read_file(root_fd, "/etc/group", &groups, err) < 0 ||
            (groups && search_groups(&query, groups, user, err) < 0) ||
            take_numbers(&query, user, err) < 0)
                return -1;
        settle_gids(user);
        return 0;
}

int user_lookup(int root_fd, const char *spec, const char *const *add_groups, ResolvedUser *ret,
                Error *err) {
        _cleanup_(resolved_user_done)
        ResolvedUser user = RESOLVED_USER_INIT;
        _cleanup_free_ char *name = xstrdup(text_is_empty(spec) ? "0" : spec);
        char *group = strchr(name, ':');

        if (group)
                *group++ = '\0';
        if (!*name || (group && !*group))
                return error_set(err, ERR_INVALID, "create.user",
                                 "\"%s\" is neither user nor user:group", spec);
        if (resolve(root_fd, name, group, add_groups, &user, err) < 0)
                return -1;
        *ret = user;
        user = (ResolvedUser)RESOLVED_USER_INIT;
        return 0;
}
