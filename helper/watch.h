/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who wants an image moved: told how far it is, asked whether it is still wanted. Any thread. */

#include <stdint.h>

#include "helper/source.h"

typedef struct Watch {
        bool (*is_cancelled)(void *userdata);
        /*
         * @phase: static, see Progress in idl/selkie.transfer.varlink; @subject: a digest, a name
         * or ""; @total: bytes, -1 where it is not known
         */
        void (*report)(void *userdata, const char *phase, const char *subject, int64_t done,
                       int64_t total);
        void *userdata;
} Watch;

static inline bool watch_is_cancelled(const Watch *watch) {
        return watch->is_cancelled(watch->userdata);
}

static inline void watch_report(const Watch *watch, const char *phase, const char *subject,
                                int64_t done, int64_t total) {
        watch->report(watch->userdata, phase, subject, done, total);
}

/** watch_check() - ERR_CANCELLED once nobody wants it any more */
static inline int watch_check(const Watch *watch, Error *err) {
        return watch_is_cancelled(watch)
                       ? error_set(err, ERR_CANCELLED, NULL, "the transfer was cancelled")
                       : 0;
}
