/* SPDX-License-Identifier: Apache-2.0 */
#include "api/waiting.h"

bool waiting_is_over(void *userdata) {
        const Waiting *waiting = userdata;

        return varlink_call_is_cancelled(waiting->call) || engine_is_stopping(waiting->engine);
}
