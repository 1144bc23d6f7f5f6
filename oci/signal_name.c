/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/signal_name.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* As libc and podman number them; the kernel's 32 and 33 belong to libc's threads. */
#define REALTIME_MIN 34
#define REALTIME_MAX SIGNAL_MAX

static const struct {
        const char *name;
        int number;
} aliases[] = {
        { "IOT", SIGABRT }, { "CLD", SIGCHLD }, { "IO", SIGIO },
        { "POLL", SIGIO },  { "UNUSED", 31 },
};

/* One or two decimal digits and nothing else, or -1. */
static int small_number(const char *text) {
        size_t digits = strspn(text, "0123456789");

        if (digits < 1 || digits > 2 || text[digits])
                return -1;
        return digits == 1 ? text[0] - '0' : (text[0] - '0') * 10 + text[1] - '0';
}

/* What follows RTMIN or RTMAX: nothing, or @sign and a number; -1 if it is neither. */
static int realtime_offset(const char *text, char sign) {
        if (!*text)
                return 0;
        return *text == sign ? small_number(text + 1) : -1;
}

static int realtime_number(const char *name) {
        if (strncasecmp(name, "RTMIN", 5) == 0) {
                int offset = realtime_offset(name + 5, '+');
                return offset < 0 ? -1 : REALTIME_MIN + offset;
        }
        if (strncasecmp(name, "RTMAX", 5) == 0) {
                int offset = realtime_offset(name + 5, '-');
                return offset < 0 || REALTIME_MAX - offset < REALTIME_MIN ? -1
                                                                          : REALTIME_MAX - offset;
        }
        return -1;
}

static int named_number(const char *name) {
        for (int number = 1; number < 32; number++) {
                const char *known = sigabbrev_np(number);
                if (known && strcasecmp(known, name) == 0)
                        return number;
        }
        for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
                if (strcasecmp(aliases[i].name, name) == 0)
                        return aliases[i].number;
        return realtime_number(name);
}

int signal_name_parse(const char *text, int *ret, Error *err) {
        int number = small_number(text);

        if (number < 0)
                number = named_number(strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text);
        if (number < 1 || number > SIGNAL_MAX)
                return error_set(err, ERR_INVALID, text,
                                 "\"%.64s\" is no signal: expected a name or a number from 1 to %d",
                                 text, SIGNAL_MAX);
        *ret = number;
        return 0;
}
