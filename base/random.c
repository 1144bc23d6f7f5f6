/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *data, size_t size) {
        unsigned char *p = data;

        while (size > 0) {
                ssize_t n = getrandom(p, size, 0);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        abort();
                }
                p += n;
                size -= (size_t)n;
        }
}

void random_hex(char *text, size_t n) {
        static const char digits[] = "0123456789abcdef";

        random_bytes(text, n);
        for (size_t i = 0; i < n; i++)
                text[i] = digits[(unsigned char)text[i] & 0xf];
        text[n] = '\0';
}

uint64_t random_below(uint64_t bound) {
        /* Values past the last whole multiple of the bound would favour small results. */
        uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
        uint64_t value;

        do
                random_bytes(&value, sizeof(value));
        while (value >= limit);
        return value % bound;
}
