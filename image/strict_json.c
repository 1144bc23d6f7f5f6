/* SPDX-License-Identifier: Apache-2.0 */
#include "image/strict_json.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool is_one_of(const char *name, const char *const *names, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (text_equal(name, names[i]))
                        return true;
        return false;
}

int strict_members(const json_t *json, const char *where, const char *const *names, size_t count,
                   Error *err) {
        char subject[ERROR_SUBJECT_MAX];
        const char *name;
        json_t *value;

        if (!json_is_object(json))
                return error_set(err, ERR_INVALID, where, "%.*s is not an object",
                                 (int)(strlen(where) - (*where != 0)), where);
        json_object_foreach((json_t *)json, name, value) {
                if (is_one_of(name, names, count))
                        continue;
                snprintf(subject, sizeof(subject), "%s%s", where, name);
                return error_set(err, ERR_INVALID, subject, "%s is not known here", subject);
        }
        return 0;
}
