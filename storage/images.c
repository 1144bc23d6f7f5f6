/* SPDX-License-Identifier: Apache-2.0 */

/* Images as they are: a record, and a folder of named data beside it: manifest, config, ... */

#include <limits.h>
#include <string.h>

#include "base/fd.h"
#include "storage/store_private.h"

static void image_record_destroy(Record *record) {
        ImageRecord *self = container_of(record, ImageRecord, record);
        StoreImage *image = &self->image;

        for (size_t i = 0; i < image->big_data_count; i++) {
                free(image->big_data[i].key);
                free(image->big_data[i].digest);
        }
        free(image->big_data);
        free(image->id);
        free(image->digest);
        strings_done(&image->names);
        strings_done(&image->names_history);
        strings_done(&self->mapped_layers);
        free(image->layer);
        free(image->metadata);
        free(self);
}

/*
 * Three members of the record, one list: the names in their order, with sizes and digests by name.
 */
static int decode_big_data(const json_t *object, StoreImage *image, Error *err) {
        const json_t *sizes = json_object_get(object, "big-data-sizes");
        const json_t *digests = json_object_get(object, "big-data-digests");
        Strings names = STRINGS_INIT;

        if (record_get_names(object, "big-data-names", &names, err) < 0)
                return -1;
        image->big_data = xnew(StoreBigData, names.count);
        image->big_data_count = names.count;
        int r = 0;
        for (size_t i = 0; i < names.count && r == 0; i++) {
                StoreBigData *item = &image->big_data[i];
                item->key = TAKE_PTR(names.items[i]);
                r = record_get_int(sizes, item->key, &item->size, err);
                if (r == 0)
                        r = record_get_string(digests, item->key, &item->digest, err);
        }
        strings_done(&names);
        return r;
}

static Record *image_record_decode(const json_t *object, Error *err) {
        ImageRecord *self = xnew(ImageRecord, 1);
        StoreImage *image = &self->image;

        if (record_get_id(object, "id", true, &image->id, err) < 0 ||
            record_get_string(object, "digest", &image->digest, err) < 0 ||
            record_get_names(object, "names", &image->names, err) < 0 ||
            record_get_names(object, "names-history", &image->names_history, err) < 0 ||
            record_get_names(object, "mapped-layers", &self->mapped_layers, err) < 0 ||
            record_get_id(object, "layer", false, &image->layer, err) < 0 ||
            record_get_string(object, "metadata", &image->metadata, err) < 0 ||
            record_get_time(object, "created", &image->created_ns, err) < 0 ||
            decode_big_data(object, image, err) < 0) {
                image_record_destroy(&self->record);
                return NULL;
        }
        self->record.id = image->id;
        return &self->record;
}

const RecordClass image_record_class = { "image", image_record_decode, image_record_destroy };

StoreImage *store_image_ref(StoreImage *image) {
        record_ref(&container_of(image, ImageRecord, image)->record);
        return image;
}

StoreImage *store_image_unref(StoreImage *image) {
        if (image)
                record_unref(&container_of(image, ImageRecord, image)->record);
        return NULL;
}

void store_images_done(StoreImages *images) {
        for (size_t i = 0; i < images->count; i++)
                store_image_unref(images->items[i]);
        free(images->items);
        *images = (StoreImages){ .items = NULL };
}

int store_images(Store *store, StoreImages *ret, Error *err) {
        _cleanup_(records_endp)
        Records *images = NULL;

        if (records_read(&store->images, &images, err) < 0)
                return -1;
        ret->items = xnew(StoreImage *, images->count);
        ret->count = images->count;
        for (size_t i = 0; i < images->count; i++)
                ret->items[i] = store_image_ref(image_of(images->items[i]));
        return 0;
}

int image_not_found(Error *err, const char *id) {
        return error_set(err, ERR_NOT_FOUND, id, "no image %s", id);
}

int store_image_get(Store *store, const char *id, StoreImage **ret, Error *err) {
        _cleanup_(records_endp)
        Records *images = NULL;

        if (records_read(&store->images, &images, err) < 0)
                return -1;
        Record *record = records_find(images, id);
        if (!record)
                return image_not_found(err, id);
        *ret = store_image_ref(image_of(record));
        return 0;
}

/* A key is its file's name when it is plain, else it is encoded. Heap string, or NULL: too long. */
static char *data_file_name(const char *key) {
        size_t plain = strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz.");
        _cleanup_free_ char *name = NULL;

        if (*key && key[plain] == '\0' && !text_equal(key, ".") && !text_equal(key, "..")) {
                name = xstrdup(key);
        } else {
                _cleanup_free_ char *encoded = base64_encode(key, strlen(key));
                name = xasprintf("=%s", encoded);
        }
        return strlen(name) > NAME_MAX || strchr(name, '/') ? NULL : TAKE_PTR(name);
}

char *image_data_path(const char *id, const char *key) {
        _cleanup_free_ char *name = data_file_name(key);

        return name ? xasprintf("%s/%s", id, name) : NULL;
}

int store_image_read(Store *store, const StoreImage *image, const char *key, char **ret,
                     size_t *ret_size, Error *err) {
        _cleanup_free_ char *path = image_data_path(image->id, key);
        size_t i = 0;

        while (i < image->big_data_count && strcmp(image->big_data[i].key, key) != 0)
                i++;
        if (i == image->big_data_count || !path)
                return error_set(err, ERR_NOT_FOUND, key, "image %s has no %s", image->id, key);
        int r = file_read_at(store->images_fd, path, STORE_BIG_DATA_MAX, ret, ret_size);
        if (r == -ENOENT)
                return error_set(err, ERR_NOT_FOUND, key, "image %s has lost its %s", image->id,
                                 key);
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, key, "%s of image %s is larger than %d bytes", key,
                                 image->id, STORE_BIG_DATA_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, key, "cannot read %s of image %s", key,
                                   image->id);
        return 0;
}
