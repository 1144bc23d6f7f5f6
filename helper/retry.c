/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/retry.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/random.h"
#include "helper/blob_io.h"
#include "helper/stream.h"

bool retry_is_transient(const HttpResponse *response) {
        switch (response->failure) {
        case HTTP_FAILURE_CONNECT:
        case HTTP_FAILURE_BROKEN:
                return true;
        case HTTP_FAILURE_FINAL:
        case HTTP_FAILURE_LOCAL:
                return false;
        case HTTP_FAILURE_NONE:
        case _HTTP_FAILURE_MAX:
                break;
        }
        switch (response->status) {
        case 408: /* request timeout */
        case 429: /* too many requests */
        case 500:
        case 502:
        case 503:
        case 504:
                return true;
        default:
                return false;
        }
}

bool retry_may(const Retry *retry, const HttpResponse *response) {
        return retry->count < RETRY_MAX && retry_is_transient(response);
}

/* Seconds, or a date; 0 where there is neither. */
static int64_t asked_seconds(const HttpResponse *response) {
        const char *value = http_response_header(response, "Retry-After", 0);

        if (!value)
                return 0;
        int64_t seconds;
        if (*value >= '0' && *value <= '9') {
                errno = 0;
                seconds = strtoll(value, NULL, 10);
        } else {
                time_t date = curl_getdate(value, NULL);
                seconds = date > 0 ? (int64_t)date - (int64_t)time(NULL) : 0;
        }
        if (seconds < 0)
                return 0;
        return seconds < RETRY_DELAY_MAX_S ? seconds : RETRY_DELAY_MAX_S;
}

unsigned retry_delay_ms(const Retry *retry, const HttpResponse *response) {
        unsigned full = (unsigned)RETRY_DELAY_MS
                        << (retry->count < RETRY_MAX ? retry->count : RETRY_MAX);
        unsigned delay = full / 2 + (unsigned)random_below(full / 2 + 1);
        unsigned asked = (unsigned)asked_seconds(response) * 1000;

        return delay > asked ? delay : asked;
}

int retry_wait(Retry *retry, const HttpResponse *response, const TransferControl *control,
               Error *err) {
        unsigned left = retry_delay_ms(retry, response);

        retry->count++;
        while (left > 0) {
                unsigned piece = left < STREAM_POLL_MS ? left : STREAM_POLL_MS;
                if (control_check(control, err) < 0)
                        return -1;
                (void)poll(NULL, 0, (int)piece);
                left -= piece;
        }
        return control_check(control, err);
}
