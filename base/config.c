/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

const char *config_from_environment(const char *name) {
        const char *value = getenv(name);

        return text_is_empty(value) ? NULL : value;
}

char *config_system_path(const char *path) {
        const char *root = config_from_environment("SELKIE_CONFIG_ROOT");

        return xasprintf("%s%s", root ? root : "", path);
}

char *config_home_path(const char *name) {
        const char *home = config_from_environment("HOME");

        return home ? xasprintf("%s/.config/%s", home, name) : NULL;
}

char *config_user_path(const char *name) {
        const char *folder = config_from_environment("XDG_CONFIG_HOME");

        return folder ? xasprintf("%s/%s", folder, name) : config_home_path(name);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int config_add_drop_ins(Strings *paths, const char *folder, Error *err) {
        DIR *dir = opendir(folder);
        size_t first = paths->count;

        if (!dir && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (!dir)
                return error_errno(err, ERR_IO, errno, folder, "cannot read the folder %s", folder);
        errno = 0;
        for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
                size_t length = strlen(entry->d_name);
                if (length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0 &&
                    entry->d_type != DT_DIR)
                        strings_printf(paths, "%s/%s", folder, entry->d_name);
        }
        int errnum = errno;
        (void)closedir(dir);
        if (errnum)
                return error_errno(err, ERR_IO, errnum, folder, "cannot read the folder %s",
                                   folder);
        if (paths->count > first)
                qsort(paths->items + first, paths->count - first, sizeof(char *), compare_strings);
        return 0;
}

char *config_expand(const char *text) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_";
        Buffer out = BUFFER_INIT;

        while (*text) {
                size_t plain = strcspn(text, "$");
                buffer_append(&out, text, plain);
                text += plain;
                if (*text != '$')
                        break;
                bool is_braced = text[1] == '{';
                const char *name = text + (is_braced ? 2 : 1);
                size_t length = strspn(name, letters);
                if (length == 0 || (is_braced && name[length] != '}')) {
                        buffer_append_byte(&out, *text++); /* no variable, just the character */
                        continue;
                }
                _cleanup_free_ char *variable = xstrndup(name, length);
                const char *value = getenv(variable);
                if (value)
                        buffer_append_string(&out, value);
                else if (text_equal(variable, "UID")) /* a shell's own, seldom exported */
                        buffer_printf(&out, "%u", (unsigned)geteuid());
                text = name + length + is_braced;
        }
        return buffer_take_string(&out);
}
