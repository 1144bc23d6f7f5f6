/* SPDX-License-Identifier: Apache-2.0 */

/* A layer's tar stream, as it was when it came: from its files, and what tar-split kept of the
 * rest. */

#include <limits.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/text.h"
#include "oci/digest.h"
#include "storage/layers.h"
#include "storage/store_private.h"
#include "storage/tar_split.h"

typedef struct Check {
        const TarSink *sink;
        DigestStream stream;
} Check;

static int pass_on(void *userdata, const void *data, size_t size, Error *err) {
        Check *check = userdata;

        digest_stream_update(&check->stream, data, size);
        return check->sink->write(check->sink->userdata, data, size, err);
}

static int open_parts(Store *store, const char *id, int *ret_split_fd, int *ret_diff_fd,
                      Error *err) {
        char name[NAME_MAX + 16];

        (void)snprintf(name, sizeof(name), "%s.tar-split.gz", id);
        _cleanup_close_ int split_fd =
                openat(store->layers_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (split_fd < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot open %s", name);
        (void)snprintf(name, sizeof(name), "%s/diff", id);
        *ret_diff_fd =
                openat(store->home_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (*ret_diff_fd < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot open the files of layer %s", id);
        *ret_split_fd = TAKE_FD(split_fd);
        return 0;
}

int store_layer_assemble(Store *store, const char *id, bool is_hashed, const TarSink *sink,
                         Error *err) {
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        _cleanup_close_ int split_fd = -EBADF, diff_fd = -EBADF;
        Check check = { .sink = sink, .stream = DIGEST_STREAM_INIT };
        const TarSink checked = { .write = pass_on, .userdata = &check };
        char text[DIGEST_TEXT_SIZE];
        Digest digest;

        if (store_layer_get(store, id, &layer, err) < 0 ||
            open_parts(store, id, &split_fd, &diff_fd, err) < 0)
                return -1;
        if (!is_hashed)
                return tar_split_assemble(split_fd, diff_fd, sink, err);
        digest_stream_begin(&check.stream);
        int r = tar_split_assemble(split_fd, diff_fd, &checked, err);
        if (r == 0) {
                digest_stream_finish(&check.stream, &digest);
                if (layer->diff_digest &&
                    !text_equal(digest_format(&digest, text), layer->diff_digest))
                        r = error_set(err, ERR_CORRUPT, id,
                                      "layer %s is not what it was: its digest is %s instead of %s",
                                      id, text, layer->diff_digest);
        }
        digest_stream_done(&check.stream);
        return r;
}
