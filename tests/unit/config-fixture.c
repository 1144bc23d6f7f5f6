/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/config-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/path.h"

static char root[64];

const char *config_root(void) {
        return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

int config_setup(void **state) {
        static const char *const variables[] = {
                "CONTAINERS_CONF",
                "CONTAINERS_REGISTRIES_CONF",
                "CONTAINERS_STORAGE_CONF",
                "STORAGE_DRIVER",
                "STORAGE_OPTS",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "XDG_RUNTIME_DIR",
        };
        char home[96];

        (void)state;
        snprintf(root, sizeof(root), "/tmp/selkie-config-XXXXXX");
        if (!mkdtemp(root) || chmod(root, 0755) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
                (void)unsetenv(variables[i]);
        snprintf(home, sizeof(home), "%s/home", root);
        return setenv("SELKIE_CONFIG_ROOT", root, 1) | setenv("HOME", home, 1);
}

int config_teardown(void **state) {
        (void)state;
        return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *config_put(const char *path, const char *text) {
        static char full[PATH_MAX];
        char folder[PATH_MAX];

        snprintf(full, sizeof(full), "%s%s", root, path);
        snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(full, '/') - full), full);
        assert_true(path_make_dirs(folder, 0755) >= 0);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, full, text, strlen(text), 0644, false), 0);
        return full;
}

void config_assert_list(const Strings *list, const char *expected) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        for (size_t i = 0; i < list->count; i++)
                buffer_printf(&text, "%s%s", i ? " " : "", list->items[i]);
        buffer_append_byte(&text, '\0');
        assert_string_equal(text.data, expected);
}
