/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes of images: made, extended, renamed, removed.
 *
 * Data files are written before the record that names them, and removed after it: an image that is
 * listed can be read.
 */

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "base/path.h"
#include "base/random.h"
#include "oci/digest.h"
#include "storage/json_scan.h"
#include "storage/staging.h"
#include "storage/store_private.h"

static char *digest_text(const void *data, size_t size) {
        char text[DIGEST_TEXT_SIZE];
        Digest digest;

        digest_compute(data, size, &digest);
        return xstrdup(digest_format(&digest, text));
}

static void append_names(Buffer *text, const char *key, const Strings *names) {
        if (names->count > 0)
                member_texts(text, key, (const char *const *)names->items, names->count);
}

static void append_big_data(Buffer *text, const StoreImage *image) {
        const StoreBigData *items = image->big_data;

        if (image->big_data_count == 0)
                return;
        member_open(text, "big-data-names", '[');
        for (size_t i = 0; i < image->big_data_count; i++)
                member_text(text, NULL, items[i].key);
        member_close(text, ']');
        member_open(text, "big-data-sizes", '{');
        for (size_t i = 0; i < image->big_data_count; i++)
                member_integer(text, items[i].key, items[i].size);
        member_close(text, '}');
        member_open(text, "big-data-digests", '{');
        for (size_t i = 0; i < image->big_data_count; i++)
                member_text_given(text, items[i].key, items[i].digest);
        member_close(text, '}');
}

/* `["a","b"]`, or NULL for none: the value of a member that is left out when it is empty. */
static char *names_json(const Strings *names) {
        Buffer text = BUFFER_INIT;

        if (names->count == 0)
                return NULL;
        append_names(&text, NULL, names);
        return buffer_take_string(&text);
}

static void add_once(Strings *ret, const char *name) {
        if (!strings_contains(ret, name))
                strings_add(ret, name);
}

/* Puts @added before @names, each once. */
static void merge_names(Strings *ret, const Strings *added, const Strings *names) {
        for (size_t i = 0; i < added->count; i++)
                add_once(ret, added->items[i]);
        for (size_t i = 0; i < names->count; i++)
                add_once(ret, names->items[i]);
}

/* The names that were ever given, newest first; of those that came together the last one is. */
static void extend_history(Strings *ret, const Strings *names, const Strings *history) {
        for (size_t i = names->count; i > 0; i--)
                if (!strings_contains(history, names->items[i - 1]))
                        strings_add(ret, names->items[i - 1]);
        for (size_t i = 0; i < history->count; i++)
                add_once(ret, history->items[i]);
}

/* Exchanges an image's names in memory; what is new becomes part of its history. */
static Record *set_names(Records *images, Record *record, const Strings *names) {
        const ImageRecord *self = container_of(record, ImageRecord, record);
        _cleanup_buffer_ Buffer step = BUFFER_INIT, text = BUFFER_INIT;
        _cleanup_strings_ Strings history = STRINGS_INIT;

        extend_history(&history, names, &self->image.names_history);
        _cleanup_free_ char *names_text = names_json(names), *history_text = names_json(&history);
        (void)json_replace_member((JsonSpan){ record->text, record->size }, "names", names_text,
                                  &step);
        (void)json_replace_member((JsonSpan){ step.data, step.size }, "names-history", history_text,
                                  &text);
        return records_replace_text(images, record, &text);
}

/* Takes @names away from every image but @id. */
static void take_names(Records *images, const char *id, const Strings *names) {
        for (size_t i = 0; i < images->count; i++) {
                const StoreImage *image = image_of(images->items[i]);
                Strings kept = STRINGS_INIT;
                if (strcmp(image->id, id) == 0)
                        continue;
                for (size_t k = 0; k < image->names.count; k++)
                        if (!strings_contains(names, image->names.items[k]))
                                strings_add(&kept, image->names.items[k]);
                if (kept.count < image->names.count)
                        (void)set_names(images, images->items[i], &kept);
                strings_done(&kept);
        }
}

static int write_items(Store *store, const StoreImageSpec *spec, Error *err) {
        if (mkdirat(store->images_fd, spec->id, 0700) < 0 && errno != EEXIST)
                return error_errno(err, ERR_IO, errno, spec->id, "cannot create image %s",
                                   spec->id);
        for (size_t i = 0; i < spec->items_count; i++) {
                const StoreImageItem *item = &spec->items[i];
                _cleanup_free_ char *path = image_data_path(spec->id, item->key);
                if (!path || item->size > STORE_BIG_DATA_MAX)
                        return error_set(err, ERR_LIMIT, item->key, "%s of image %s is too large",
                                         path ? item->key : "a key", spec->id);
                int r = file_write_atomic_at(store->images_fd, path, item->data, item->size, 0600,
                                             store->sync);
                if (r < 0)
                        return error_errno(err, ERR_IO, -r, item->key,
                                           "cannot write %s of image %s", item->key, spec->id);
        }
        return 0;
}

/* The list of data after @spec's items: what is there already keeps its place. */
static void merge_big_data(StoreImage *image, const StoreImage *old, const StoreImageSpec *spec) {
        size_t old_count = old ? old->big_data_count : 0;

        image->big_data = xnew(StoreBigData, old_count + spec->items_count);
        for (size_t i = 0; i < old_count; i++)
                image->big_data[image->big_data_count++] = (StoreBigData){
                        .key = xstrdup(old->big_data[i].key),
                        .digest = old->big_data[i].digest ? xstrdup(old->big_data[i].digest) : NULL,
                        .size = old->big_data[i].size,
                };
        for (size_t i = 0; i < spec->items_count; i++) {
                const StoreImageItem *item = &spec->items[i];
                size_t k = 0;
                while (k < image->big_data_count && strcmp(image->big_data[k].key, item->key) != 0)
                        k++;
                if (k == image->big_data_count)
                        image->big_data[image->big_data_count++].key = xstrdup(item->key);
                free(image->big_data[k].digest);
                image->big_data[k].digest = digest_text(item->data, item->size);
                image->big_data[k].size = (int64_t)item->size;
        }
}

/* The whole record of a new image. */
static void format_image(Buffer *text, const StoreImageSpec *spec, const Strings *names,
                         const StoreImage *data) {
        _cleanup_strings_ Strings history = STRINGS_INIT;

        extend_history(&history, names, &(Strings)STRINGS_INIT);
        member_open(text, NULL, '{');
        member_text(text, "id", spec->id);
        member_text(text, "digest", spec->digest);
        append_names(text, "names", names);
        append_names(text, "names-history", &history);
        member_text_given(text, "layer", spec->layer);
        member_text(text, "metadata", "{}");
        append_big_data(text, data);
        member_time(text, "created", spec->created_ns);
        member_close(text, '}');
}

/* Adds data and names to an image that exists. */
static void extend_image(Records *images, Record *record, const Strings *added,
                         const StoreImage *data) {
        _cleanup_buffer_ Buffer members = BUFFER_INIT, text = BUFFER_INIT;
        _cleanup_strings_ Strings names = STRINGS_INIT;
        JsonCursor cursor;
        JsonSpan key, value;

        merge_names(&names, added, &image_of(record)->names);
        buffer_append_byte(&members, '{');
        append_big_data(&members, data);
        buffer_append_byte(&members, '}');
        buffer_append(&text, record->text, record->size);
        (void)json_cursor_open(&cursor, members.data, members.size, true);
        while (json_cursor_next(&cursor, &key, &value) > 0) {
                _cleanup_free_ char *k = xstrndup(key.data, key.size);
                _cleanup_free_ char *v = xstrndup(value.data, value.size);
                Buffer next = BUFFER_INIT;
                (void)json_replace_member((JsonSpan){ text.data, text.size }, k, v, &next);
                buffer_done(&text);
                text = next;
        }
        (void)set_names(images, records_replace_text(images, record, &text), &names);
}

/* Names given to an image: each once, in their order. */
static void collect_names(Strings *ret, const char *const *names, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (!strings_contains(ret, names[i]))
                        strings_add(ret, names[i]);
}

/* The record, new or extended; @old is this image's record, if it has one. */
static int save_image(Records *images, Record *old, const StoreImageSpec *spec, Error *err) {
        _cleanup_strings_ Strings names = STRINGS_INIT;
        ImageRecord *data = xnew(ImageRecord, 1);

        collect_names(&names, spec->names, spec->names_count);
        merge_big_data(&data->image, old ? image_of(old) : NULL, spec);
        take_names(images, spec->id, &names); /* leaves @old as it is */
        if (old) {
                extend_image(images, old, &names, &data->image);
        } else {
                _cleanup_buffer_ Buffer text = BUFFER_INIT;
                format_image(&text, spec, &names, &data->image);
                (void)records_append_text(images, &text);
        }
        image_record_class.destroy(&data->record);
        return records_save(images, err);
}

int store_image_create(Store *store, const StoreImageSpec *spec, Error *err) {
        _cleanup_(records_end_writep)
        Records *layers = NULL, *images = NULL;

        if (id_check(spec->id, err) < 0 || layers_write(store, &layers, err) < 0 ||
            records_write(&store->images, &images, err) < 0)
                return -1;
        if (spec->layer && !records_find(layers, spec->layer))
                return error_set(err, ERR_NOT_FOUND, spec->layer, "no layer %s", spec->layer);

        Record *old = records_find(images, spec->id);
        if (write_items(store, spec, err) == 0 && save_image(images, old, spec, err) == 0)
                return 0;
        if (!old)
                (void)path_remove_tree(store->images_fd, spec->id);
        return -1;
}

int store_image_set_names(Store *store, const char *id, const char *const *names, size_t count,
                          Error *err) {
        _cleanup_(records_end_writep)
        Records *images = NULL;
        _cleanup_strings_ Strings list = STRINGS_INIT;

        if (records_write(&store->images, &images, err) < 0)
                return -1;
        Record *record = records_find(images, id);
        if (!record)
                return image_not_found(err, id);
        collect_names(&list, names, count);
        take_names(images, id, &list);
        (void)set_names(images, record, &list);
        return records_save(images, err);
}

int store_image_add_name(Store *store, const char *id, const char *name, Error *err) {
        _cleanup_(records_end_writep)
        Records *images = NULL;
        _cleanup_strings_ Strings added = STRINGS_INIT, names = STRINGS_INIT;

        if (records_write(&store->images, &images, err) < 0)
                return -1;
        Record *record = records_find(images, id);
        if (!record)
                return image_not_found(err, id);
        if (strings_contains(&image_of(record)->names, name))
                return 0;
        strings_add(&added, name);
        strings_copy(&names, &image_of(record)->names);
        strings_add(&names, name);
        take_names(images, id, &added);
        (void)set_names(images, record, &names);
        return records_save(images, err);
}

int store_image_remove_name(Store *store, const char *id, const char *name, Error *err) {
        _cleanup_(records_end_writep)
        Records *images = NULL;
        _cleanup_strings_ Strings names = STRINGS_INIT;

        if (records_write(&store->images, &images, err) < 0)
                return -1;
        Record *record = records_find(images, id);
        if (!record)
                return image_not_found(err, id);
        const Strings *old = &image_of(record)->names;
        for (size_t i = 0; i < old->count; i++)
                if (!text_equal(old->items[i], name))
                        strings_add(&names, old->items[i]);
        if (names.count == old->count)
                return 0;
        (void)set_names(images, record, &names);
        return records_save(images, err);
}

int images_sweep(Store *store, const Records *images, Error *err) {
        int fd = openat(store->images_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

        if (!folder) {
                int errnum = errno;
                (void)fd_close(fd);
                return error_errno(err, ERR_IO, errnum, "images", "cannot read the images' folder");
        }
        /* Only what is named as an image's folder is: an id of 64 hex digits. */
        for (struct dirent *entry; (entry = readdir(folder));)
                if (strlen(entry->d_name) == ID_HEX_SIZE && text_is_hex(entry->d_name) &&
                    !records_find(images, entry->d_name))
                        (void)path_remove_tree(store->images_fd, entry->d_name);
        (void)closedir(folder);
        return 0;
}

/* Upward from @id, every layer that nothing uses any more. */
static int discard_chain(Store *store, const StoreTables *tables, const char *id, int trash_fd,
                         Error *err) {
        _cleanup_free_ char *next = id ? xstrdup(id) : NULL;

        while (next) {
                Record *record = records_find(tables->layers, next);
                if (!record || layer_is_used(tables, next))
                        return 0;
                const char *parent = layer_of(record)->parent;
                _cleanup_free_ char *above = parent ? xstrdup(parent) : NULL;
                if (layers_discard(store, tables->layers, record, trash_fd, err) < 0)
                        return -1;
                free(next);
                next = TAKE_PTR(above);
        }
        return 0;
}

static const char *find_user(const Records *containers, const char *image_id) {
        for (size_t i = 0; i < containers->count; i++) {
                const StoreContainer *container = container_of_record(containers->items[i]);
                if (strcmp(container->image, image_id) == 0)
                        return container->id;
        }
        return NULL;
}

int store_image_delete(Store *store, const char *id, Error *err) {
        _cleanup_staging_ Staging trash = STAGING_INIT;
        _cleanup_(tables_end)
        StoreTables tables = { .layers = NULL };
        _cleanup_strings_ Strings tops = STRINGS_INIT;

        if (staging_open(&trash, store->tmp_fd, err) < 0 || tables_write(store, &tables, err) < 0)
                return -1;
        Record *record = records_find(tables.images, id);
        if (!record)
                return image_not_found(err, id);
        const char *user = find_user(tables.containers, id);
        if (!user)
                user = find_user(tables.volatile_containers, id);
        if (user)
                return error_set(err, ERR_IN_USE, user, "image %s is used by container %s", id,
                                 user);

        const ImageRecord *self = container_of(record, ImageRecord, record);
        if (self->image.layer)
                strings_add(&tops, self->image.layer);
        for (size_t i = 0; i < self->mapped_layers.count; i++)
                strings_add(&tops, self->mapped_layers.items[i]);
        records_remove(tables.images, record);
        if (records_save(tables.images, err) < 0)
                return -1;
        int r = path_remove_tree(store->images_fd, id);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot remove the data of image %s", id);
        for (size_t i = 0; i < tops.count; i++)
                if (discard_chain(store, &tables, tops.items[i], trash.fd, err) < 0)
                        return -1;
        return 0;
}
