/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store's JSON files as text: each kind of record, and the edits that keep what is not known.
 * What is read as a table is one to jansson too, and stays one when members are exchanged.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/json_scan.h"
#include "storage/store_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(const Record *record) {
        static const char *const keys[] = { "id", "names", "flags", "not-there" };
        static const char *const values[] = { NULL, "null", "[\"a\",{}]" };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
                        Buffer out = BUFFER_INIT;
                        JsonSpan object = { record->text, record->size };
                        if (json_replace_member(object, keys[i], values[k], &out) < 0)
                                abort();
                        json_t *parsed =
                                json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
                        if (!json_is_object(parsed))
                                abort();
                        json_decref(parsed);
                        buffer_done(&out);
                }
        }
}

static void parse(const RecordClass *class, const char *text, size_t size) {
        Records records = { .class = class, .path = (char *)"file.json" };
        Records again = { .class = class, .path = (char *)"file.json" };
        Error err = ERROR_INIT;

        if (records_parse(&records, &again, text, size, &err) == 0) {
                if (records_parse(&again, &records, text, size, &err) < 0 ||
                    again.count != records.count)
                        abort();
                for (size_t i = 0; i < records.count; i++) {
                        /* The same text is the same record. */
                        if (records.items[i] != again.items[i])
                                abort();
                        edit(records.items[i]);
                }
        } else if (err.kind == ERR_NONE) {
                abort();
        }
        records_forget(&again);
        records_forget(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const RecordClass *const classes[] = { &layer_record_class, &image_record_class,
                                               &container_record_class, &mount_record_class };

        for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
                parse(classes[i], (const char *)data, size);
        return 0;
}
