/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Everything the caller said is checked first, then the layer is unpacked, and last the image's
 * documents are written and named: an import that fails early costs nothing, one that fails late
 * leaves no image. A tarball gives the same image whether it came plain or compressed.
 */

#include "image/import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "image/changes.h"
#include "image/compose.h"
#include "oci/media_type.h"
#include "oci/reference.h"

#define DEFAULT_MESSAGE "imported from tarball"
#define REPEATS_MAX     3 /* of unpacking a layer that other tools take away */

/* What is known before the tarball is read. */
typedef struct Import {
        const ImageImportOptions *options;
        char name[REFERENCE_TEXT_MAX]; /* "": untagged */
        ImageConfig config;
        int source_fd; /* borrowed */
} Import;

static void import_done(Import *import) {
        image_config_done(&import->config);
}

static int check_reference(const char *text, Import *import, Error *err) {
        Reference reference;

        if (text_is_empty(text))
                return 0;
        if (reference_parse_local(text, &reference, err) < 0) {
                if (err)
                        memcpy(err->subject, "reference", sizeof("reference"));
                return -1;
        }
        reference_format(&reference, import->name);
        return 0;
}

static int check_message(const char *message, Error *err) {
        if (text_is_empty(message))
                return 0;
        size_t size = strlen(message);
        if (size > IMAGE_MESSAGE_MAX)
                return error_set(err, ERR_LIMIT, "message",
                                 "the message has %zu bytes, more than %d", size,
                                 IMAGE_MESSAGE_MAX);
        if (!text_is_utf8(message, size))
                return error_set(err, ERR_INVALID, "message", "the message is not UTF-8");
        return 0;
}

static int check_source(const char *source, Error *err) {
        if (text_is_empty(source))
                return error_set(err, ERR_INVALID, "source", "no source to import is given");
        return 0;
}

/* Without O_NONBLOCK a FIFO in the tarball's place would hold the thread for ever. */
static int open_path(const char *source, int *ret_fd, Error *err) {
        *ret_fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (*ret_fd < 0)
                return error_errno(err,
                                   errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO,
                                   errno, source, "cannot open %.600s", source);
        return 0;
}

static int check_file(const char *source, int fd, struct stat *ret_status, Error *err) {
        if (fstat(fd, ret_status) < 0)
                return error_errno(err, ERR_IO, errno, source, "cannot read %.600s", source);
        if (!S_ISREG(ret_status->st_mode))
                return error_set(err, ERR_INVALID, source, "cannot import %.600s: it is %s", source,
                                 S_ISDIR(ret_status->st_mode) ? "a folder, not a tar file"
                                                              : "no regular file");
        return 0;
}

/* Everything but the file. */
static int prepare(const ImageImportOptions *options, Import *import, Error *err) {
        image_config_init(&import->config);
        if (check_reference(options->reference, import, err) < 0 ||
            check_message(options->message, err) < 0 ||
            image_settings_apply(&import->config.settings, options->changes, options->changes_count,
                                 err) < 0)
                return -1;
        return check_source(options->source, err);
}

/* A tarball's date is the image's. */
static int take_date(Import *import, Error *err) {
        struct stat status = { .st_mode = 0 };
        int64_t *created_ns = &import->config.created_ns;

        if (check_file(import->options->source, import->source_fd, &status, err) < 0)
                return -1;
        if (__builtin_mul_overflow((int64_t)status.st_mtim.tv_sec, NS_PER_SEC, created_ns) ||
            __builtin_add_overflow(*created_ns, (int64_t)status.st_mtim.tv_nsec, created_ns))
                *created_ns = 0; /* a date that no tool could write down */
        return 0;
}

/* Complete the config by the layer, and write config and manifest. */
static int compose(Import *import, const StoreLayerContent *layer, ImageDocuments *ret,
                   Error *err) {
        const char *message = import->options->message;
        ImageConfig *config = &import->config;

        _cleanup_free_ char *created_by =
                xasprintf("/bin/sh -c #(nop) ADD file:%s in /", digest_hex(layer->diff_digest));
        strings_add(&config->diff_ids, layer->diff_digest);
        image_config_add_history(config, config->created_ns, created_by, NULL,
                                 text_is_empty(message) ? DEFAULT_MESSAGE : message, false);
        return image_documents_make(config, &layer->diff_size, MEDIA_TYPE_OCI_MANIFEST, ret, err);
}

static int record(Store *store, const Import *import, const StoreLayerContent *layer,
                  const ImageDocuments *documents, Error *err) {
        return image_documents_record(documents, store, layer->id, import->config.created_ns,
                                      import->name, err);
}

static int import_layer(Store *store, const Import *import, StoreLayerContent *ret, Error *err) {
        if (lseek(import->source_fd, 0, SEEK_SET) < 0)
                return error_errno(err, ERR_IO, errno, import->options->source, "cannot rewind it");
        return store_layer_import(store, NULL, import->source_fd, import->options->is_cancelled,
                                  import->options->userdata, ret, err);
}

/*
 * Make the image of its layer. Until then nothing in the store says that the layer is wanted:
 * whoever removes the last other image made of it takes the layer away. Then it is unpacked again,
 * this time with our own removals held back, so that only another tool can come between once more.
 */
static int record_with_layer(ImageCatalog *catalog, const Import *import,
                             const StoreLayerContent *layer, const ImageDocuments *documents,
                             Error *err) {
        Store *store = image_catalog_store(catalog);
        StoreLayerContent again;
        Error cause = ERROR_INIT;
        int r;

        image_catalog_lock_names(catalog);
        r = record(store, import, layer, documents, &cause);
        for (int i = 0; r < 0 && cause.kind == ERR_NOT_FOUND && i < REPEATS_MAX; i++) {
                cause.kind = ERR_NONE;
                r = import_layer(store, import, &again, &cause);
                if (r == 0 && !text_equal(again.id, layer->id))
                        r = error_set(&cause, ERR_IO, import->options->source,
                                      "it changed while it was read");
                if (r == 0)
                        r = record(store, import, layer, documents, &cause);
        }
        image_catalog_unlock_names(catalog);
        if (r < 0 && err)
                *err = cause;
        return r;
}

static int import_all(ImageCatalog *catalog, Import *import, ImageDocuments *documents,
                      Error *err) {
        Store *store = image_catalog_store(catalog);
        StoreLayerContent layer = { .id = "" };

        if (import_layer(store, import, &layer, err) < 0)
                return -1;
        if (compose(import, &layer, documents, err) < 0 ||
            record_with_layer(catalog, import, &layer, documents, err) < 0) {
                /* It stays if anything else is made of it; then somebody else still wants it. */
                (void)store_layer_delete(store, layer.id, NULL);
                return -1;
        }
        return 0;
}

static int import_file(ImageCatalog *catalog, Import *import, char **ret_id, Error *err) {
        _cleanup_image_documents_ ImageDocuments documents = IMAGE_DOCUMENTS_INIT;

        if (take_date(import, err) < 0)
                return -1;
        if (import_all(catalog, import, &documents, err) < 0)
                return error_prefix(err, "cannot import %.600s", import->options->source);
        *ret_id = xstrdup(digest_hex(documents.config_digest));
        return 0;
}

int image_import(ImageCatalog *catalog, const ImageImportOptions *options, char **ret_id,
                 Error *err) {
        _cleanup_(import_done)
        Import import = { .options = options };
        _cleanup_close_ int fd = -EBADF;

        if (prepare(options, &import, err) < 0)
                return -1;
        if ((options->open_source
                     ? options->open_source(options->userdata, options->source, &fd, err)
                     : open_path(options->source, &fd, err)) < 0)
                return -1;
        import.source_fd = fd;
        return import_file(catalog, &import, ret_id, err);
}
