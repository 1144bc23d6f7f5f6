/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Points in time as int64 nanoseconds since the Unix epoch, and the formats that clients parse.
 *
 * TIMESTAMP_ZERO stands for "never" and prints as year 1, as the original's zero time does.
 */

#include <stdint.h>

#define TIMESTAMP_ZERO     INT64_MIN
#define NS_PER_SEC         INT64_C(1000000000)
#define NS_PER_MSEC        INT64_C(1000000)
#define TIMESTAMP_TEXT_MAX 48

/** timestamp_now() - wall clock */
int64_t timestamp_now(void);

/**
 * timestamp_format_rfc3339() - `2026-11-23T19:02:30.158755564Z`; trailing zeros of the fraction cut
 */
const char *timestamp_format_rfc3339(int64_t t, char text[static TIMESTAMP_TEXT_MAX]);

/** timestamp_format_go() - `2026-11-23 19:02:30.158755564 +0000 UTC` */
const char *timestamp_format_go(int64_t t, char text[static TIMESTAMP_TEXT_MAX]);

/**
 * timestamp_parse_rfc3339() - with any offset; digits past the nanoseconds are dropped; 0 or
 * -EINVAL
 *
 * The year 1 is TIMESTAMP_ZERO; what 64 bits of nanoseconds cannot reach is -EINVAL.
 */
int timestamp_parse_rfc3339(const char *text, int64_t *ret);

/** duration_format_go() - `5.415767884s`, `2m29.79456743s`, `1h0m3s`, `12.5ms`, `0s` */
const char *duration_format_go(int64_t ns, char text[static TIMESTAMP_TEXT_MAX]);
