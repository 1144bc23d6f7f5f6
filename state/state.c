/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"

#include "state/database.h"

int state_open(State **ret, const char *path, Error *err) {
        _cleanup_(state_closep)
        State *state = xnew(State, 1);

        if (database_open(&state->database, path, err) < 0)
                return -1;
        *ret = TAKE_PTR(state);
        return 0;
}

State *state_close(State *state) {
        if (!state)
                return NULL;
        database_close(&state->database);
        free(state);
        return NULL;
}
