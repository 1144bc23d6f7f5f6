/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever a runtime says, an error's text is one line of UTF-8 of bounded length, and not empty.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "runtime/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer log = BUFFER_INIT;
        Error err = ERROR_INIT;

        buffer_append(&log, data, size);
        assert(message_error(&err, "id", "runtime create", &log) < 0);
        size_t length = strlen(err.text);
        assert(err.kind == ERR_RUNTIME);
        assert(length > 0 && length <= MESSAGE_MAX);
        assert(text_is_utf8(err.text, length));
        for (size_t i = 0; i < length; i++)
                assert((unsigned char)err.text[i] >= ' ' && err.text[i] != 0x7f);
        return 0;
}
