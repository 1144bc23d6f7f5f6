/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target over files instead of random input: every file of the folders named as
 * arguments. So the corpus and every crash that was ever found are part of the ordinary tests. A
 * folder may be missing; no file at all is a failure, since such a run would prove nothing.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/fd.h"

#define INPUT_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_folder(const char *path) {
        int count = 0;
        DIR *folder = opendir(path);

        if (!folder)
                return 0;
        for (struct dirent *entry; (entry = readdir(folder));) {
                _cleanup_free_ char *data = NULL;
                size_t size;
                if (entry->d_name[0] == '.')
                        continue;
                if (file_read_at(dirfd(folder), entry->d_name, INPUT_MAX, &data, &size) < 0) {
                        fprintf(stderr, "cannot read %s/%s\n", path, entry->d_name);
                        closedir(folder);
                        return -1;
                }
                (void)LLVMFuzzerTestOneInput((const uint8_t *)data, size);
                count++;
        }
        closedir(folder);
        return count;
}

int main(int argc, char **argv) {
        int total = 0;

        for (int i = 1; i < argc; i++) {
                int count = replay_folder(argv[i]);
                if (count < 0)
                        return 1;
                total += count;
        }
        printf("%d inputs\n", total);
        return total > 0 ? 0 : 1;
}
