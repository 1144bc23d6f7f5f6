/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t timestamp_now(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* Seconds rounded down, so that the fraction is never negative, also before 1970. */
static int64_t split_seconds(int64_t t, int64_t *ret_fraction) {
        int64_t seconds = t / NS_PER_SEC, fraction = t % NS_PER_SEC;

        if (fraction < 0) {
                seconds--;
                fraction += NS_PER_SEC;
        }
        *ret_fraction = fraction;
        return seconds;
}

/* ".158755564" without trailing zeros; empty for a whole second. */
static void format_fraction(int64_t fraction, char text[static 11]) {
        if (fraction == 0) {
                text[0] = '\0';
                return;
        }
        snprintf(text, 11, ".%09d", (int)fraction);
        for (size_t n = strlen(text); text[n - 1] == '0'; n--)
                text[n - 1] = '\0';
}

static const char *format(int64_t t, char *text, const char *separator, const char *zone) {
        char fraction_text[11];
        int64_t fraction;
        struct tm tm;

        if (t == TIMESTAMP_ZERO) {
                snprintf(text, TIMESTAMP_TEXT_MAX, "0001-01-01%s00:00:00%s", separator, zone);
                return text;
        }
        time_t seconds = split_seconds(t, &fraction);
        format_fraction(fraction, fraction_text);
        (void)gmtime_r(&seconds, &tm); /* fails for years that 64 bits of ns cannot reach */
        snprintf(text, TIMESTAMP_TEXT_MAX, "%04d-%02d-%02d%s%02d:%02d:%02d%s%s", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, separator, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 fraction_text, zone);
        return text;
}

const char *timestamp_format_rfc3339(int64_t t, char text[static TIMESTAMP_TEXT_MAX]) {
        return format(t, text, "T", "Z");
}

const char *timestamp_format_go(int64_t t, char text[static TIMESTAMP_TEXT_MAX]) {
        return format(t, text, " ", " +0000 UTC");
}

int timestamp_parse_rfc3339(const char *text, int64_t *ret) {
        struct tm tm = { 0 };
        int used = 0;

        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
            used != 19)
                return -EINVAL;
        if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
            tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
            tm.tm_sec > 60 || tm.tm_year < 1)
                return -EINVAL;

        const char *p = text + used;
        int64_t fraction = 0;
        if (*p == '.') {
                int64_t unit = NS_PER_SEC / 10;
                if (p[1] < '0' || p[1] > '9')
                        return -EINVAL;
                for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
                        fraction += (*p - '0') * unit;
        }
        int64_t offset = 0;
        if (*p == 'Z') {
                p++;
        } else {
                int hours, minutes;
                char sign;
                used = 0;
                if (sscanf(p, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 || used != 6 ||
                    (sign != '+' && sign != '-'))
                        return -EINVAL;
                offset = (hours * 60 + minutes) * 60 * (sign == '+' ? 1 : -1);
                p += used;
        }
        if (*p != '\0')
                return -EINVAL;

        if (tm.tm_year == 1) { /* year 1: the zero time */
                *ret = TIMESTAMP_ZERO;
                return 0;
        }
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        int64_t seconds = timegm(&tm) - offset, ns;
        if (__builtin_mul_overflow(seconds, NS_PER_SEC, &ns) ||
            __builtin_add_overflow(ns, fraction, &ns))
                return -EINVAL;
        *ret = ns;
        return 0;
}

const char *duration_format_go(int64_t ns, char text[static TIMESTAMP_TEXT_MAX]) {
        const char *sign = ns < 0 ? "-" : "";
        uint64_t u = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
        char fraction[11];

        if (u == 0) {
                snprintf(text, TIMESTAMP_TEXT_MAX, "0s");
                return text;
        }
        if (u < (uint64_t)NS_PER_SEC) {
                uint64_t unit = u < 1000 ? 1 : u < 1000000 ? 1000 : 1000000;
                const char *name = u < 1000 ? "ns" : u < 1000000 ? "\u00b5s" : "ms";
                format_fraction((int64_t)(u % unit * ((uint64_t)NS_PER_SEC / unit)), fraction);
                snprintf(text, TIMESTAMP_TEXT_MAX, "%s%" PRIu64 "%s%s", sign, u / unit, fraction,
                         name);
                return text;
        }
        uint64_t seconds = u / (uint64_t)NS_PER_SEC;
        format_fraction((int64_t)(u % (uint64_t)NS_PER_SEC), fraction);
        if (seconds >= 3600)
                snprintf(text, TIMESTAMP_TEXT_MAX, "%s%" PRIu64 "h%dm%d%ss", sign, seconds / 3600,
                         (int)(seconds / 60 % 60), (int)(seconds % 60), fraction);
        else if (seconds >= 60)
                snprintf(text, TIMESTAMP_TEXT_MAX, "%s%dm%d%ss", sign, (int)(seconds / 60),
                         (int)(seconds % 60), fraction);
        else
                snprintf(text, TIMESTAMP_TEXT_MAX, "%s%d%ss", sign, (int)seconds, fraction);
        return text;
}
