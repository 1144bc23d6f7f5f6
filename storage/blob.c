/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/blob.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/timestamp.h"

#define BLOCK_SIZE (256 * 1024)
#define BLOCKS     4
#define INPUT_SIZE (128 * 1024)
#define CANCEL_PERIOD_NS \
        (100 * NS_PER_MSEC) /* how often a starved consumer asks whether to go on */

typedef struct Block {
        size_t size;
        uint8_t data[BLOCK_SIZE];
} Block;

struct BlobReader {
        /* The reading thread's own. */
        int fd, stop_fd;
        bool can_block;
        Inflater *inflater;
        DigestStream blob_stream;
        uint8_t input[INPUT_SIZE];

        BlobOptions options; /* does not change */

        /* The consumer's own. */
        bool holds_block;
        DigestStream diff_stream; /* of a compressed blob */

        pthread_t thread;
        pthread_mutex_t mutex; /* guards what follows; nothing is taken inside it */
        pthread_cond_t changed;
        size_t filled, emptied; /* blocks, ever; their difference is at most BLOCKS */
        bool is_finished, is_stopped;
        bool has_failed;
        Error error;
        BlobSummary summary;
        Block blocks[BLOCKS];
};

/* Waits for a free block; NULL: the consumer is gone. */
static Block *begin_block(BlobReader *reader) {
        Block *block = NULL;

        (void)pthread_mutex_lock(&reader->mutex);
        while (!reader->is_stopped && reader->filled - reader->emptied == BLOCKS)
                (void)pthread_cond_wait(&reader->changed, &reader->mutex);
        if (!reader->is_stopped)
                block = &reader->blocks[reader->filled % BLOCKS];
        (void)pthread_mutex_unlock(&reader->mutex);
        return block;
}

static void publish_block(BlobReader *reader, Block *block, size_t size) {
        block->size = size;
        (void)pthread_mutex_lock(&reader->mutex);
        reader->filled++;
        (void)pthread_cond_signal(&reader->changed);
        (void)pthread_mutex_unlock(&reader->mutex);
}

/* Reads what there is; 0 at the end of the stream, and also when the consumer is gone. */
static ssize_t read_some(BlobReader *reader, void *data, size_t size) {
        struct pollfd fds[] = { { .fd = reader->fd, .events = POLLIN },
                                { .fd = reader->stop_fd, .events = POLLIN } };

        for (;;) {
                if (reader->can_block) {
                        if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
                                return -errno;
                        if (fds[1].revents)
                                return 0;
                }
                ssize_t n = read(reader->fd, data, size);
                if (n >= 0)
                        return n;
                if (errno != EINTR && errno != EAGAIN)
                        return -errno;
        }
}

static int check_size(const char *what, int64_t size, int64_t max, Error *err) {
        if (max >= 0 && size > max)
                return error_set(err, ERR_LIMIT, "blob", "the %s has more than %lld bytes", what,
                                 (long long)max);
        return 0;
}

/* Reads until @size bytes are there or the stream ends, and hashes them. */
static ssize_t read_input(BlobReader *reader, uint8_t *data, size_t size, Error *err) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = read_some(reader, data + done, size - done);
                if (n < 0)
                        return error_errno(err, ERR_IO, (int)-n, "blob", "cannot read the layer");
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        digest_stream_update(&reader->blob_stream, data, done);
        reader->summary.blob_size += (int64_t)done;
        if (check_size("layer", reader->summary.blob_size, reader->options.blob_size_max, err) < 0)
                return -1;
        return (ssize_t)done;
}

static int check_inflated(const BlobReader *reader, Error *err) {
        const BlobSummary *summary = &reader->summary;

        if (summary->diff_size > BLOB_RATIO_FLOOR &&
            summary->diff_size / BLOB_RATIO_MAX > summary->blob_size)
                return error_set(err, ERR_LIMIT, "blob",
                                 "layer inflates to more than %d times its size", BLOB_RATIO_MAX);
        return check_size("uncompressed layer", summary->diff_size, reader->options.diff_size_max,
                          err);
}

/* An uncompressed stream is its own content: one digest serves for both. */
static int copy_stream(BlobReader *reader, size_t size, Error *err) {
        bool is_first = true;

        for (Block *block; (block = begin_block(reader));) {
                ssize_t n;
                if (is_first) {
                        memcpy(block->data, reader->input, size);
                        n = (ssize_t)size;
                } else {
                        n = read_input(reader, block->data, BLOCK_SIZE, err);
                }
                if (n <= 0)
                        return (int)n;
                if (check_size("layer", reader->summary.blob_size, reader->options.diff_size_max,
                               err) < 0)
                        return -1;
                is_first = false;
                publish_block(reader, block, (size_t)n);
        }
        return 0;
}

static int fill_block(BlobReader *reader, InflaterInput *input, Block *block, size_t *ret_size,
                      Error *err) {
        size_t size = 0;

        while (size < BLOCK_SIZE) {
                size_t produced;
                if (inflater_step(reader->inflater, input, block->data + size, BLOCK_SIZE - size,
                                  &produced, err) < 0)
                        return -1;
                size += produced;
                if (produced > 0)
                        continue;
                ssize_t n = input->size > 0 ? -EINVAL
                                            : read_input(reader, reader->input, INPUT_SIZE, err);
                if (n == -EINVAL)
                        return error_set(err, ERR_LAYER_CORRUPT, "blob", "malformed stream");
                if (n < 0)
                        return -1;
                if (n == 0 && !inflater_is_complete(reader->inflater))
                        return error_set(err, ERR_LAYER_CORRUPT, "blob",
                                         "the compressed stream is cut short");
                if (n == 0)
                        break;
                *input = (InflaterInput){ reader->input, (size_t)n };
        }
        *ret_size = size;
        return 0;
}

static int inflate_stream(BlobReader *reader, size_t first_size, Error *err) {
        InflaterInput input = { reader->input, first_size };

        for (Block *block; (block = begin_block(reader));) {
                size_t size = 0;
                if (fill_block(reader, &input, block, &size, err) < 0)
                        return -1;
                if (size == 0)
                        return 0;
                reader->summary.diff_size += (int64_t)size;
                if (check_inflated(reader, err) < 0)
                        return -1;
                publish_block(reader, block, size);
        }
        return 0;
}

static int read_stream(BlobReader *reader, Error *err) {
        BlobSummary *summary = &reader->summary;

        digest_stream_begin(&reader->blob_stream);
        ssize_t n = read_input(reader, reader->input, INPUT_SIZE, err);
        if (n < 0)
                return -1;
        if (n == 0)
                return error_set(err, ERR_LAYER_CORRUPT, "blob", "the layer is empty");
        summary->compression = compression_detect(reader->input, (size_t)n);
        if (summary->compression == COMPRESSION_NONE) {
                if (copy_stream(reader, (size_t)n, err) < 0)
                        return -1;
                digest_stream_finish(&reader->blob_stream, &summary->blob_digest);
                summary->diff_digest = summary->blob_digest;
                summary->diff_size = summary->blob_size;
                return 0;
        }
        if (inflater_new(&reader->inflater, summary->compression, err) < 0)
                return -1;
        if (inflate_stream(reader, (size_t)n, err) < 0)
                return -1;
        digest_stream_finish(&reader->blob_stream, &summary->blob_digest);
        return 0;
}

static void *reader_thread(void *userdata) {
        BlobReader *reader = userdata;
        Error error = ERROR_INIT;

        int r = read_stream(reader, &error);
        (void)pthread_mutex_lock(&reader->mutex);
        reader->has_failed = r < 0;
        reader->error = error;
        reader->is_finished = true;
        (void)pthread_cond_signal(&reader->changed);
        (void)pthread_mutex_unlock(&reader->mutex);
        return NULL;
}

static void init_condition(pthread_cond_t *condition) {
        pthread_condattr_t attributes;

        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(condition, &attributes);
        (void)pthread_condattr_destroy(&attributes);
}

int blob_reader_start(BlobReader **ret, int fd, const BlobOptions *options, Error *err) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_errno(err, ERR_IO, errno, "blob", "cannot read the layer");
        _cleanup_close_ int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (stop_fd < 0)
                return error_errno(err, ERR_IO, errno, "blob", "cannot create an eventfd");

        BlobReader *reader = xnew(BlobReader, 1);
        reader->fd = fd;
        reader->can_block = !S_ISREG(st.st_mode);
        reader->options = *options;
        reader->stop_fd = stop_fd;
        (void)pthread_mutex_init(&reader->mutex, NULL);
        init_condition(&reader->changed);
        int r = pthread_create(&reader->thread, NULL, reader_thread, reader);
        if (r != 0) {
                (void)pthread_mutex_destroy(&reader->mutex);
                (void)pthread_cond_destroy(&reader->changed);
                free(reader);
                return error_errno(err, ERR_IO, r, "blob", "cannot start a thread");
        }
        (void)TAKE_FD(stop_fd);
        *ret = reader;
        return 0;
}

BlobReader *blob_reader_free(BlobReader *reader) {
        static const uint64_t one = 1;

        if (!reader)
                return NULL;
        (void)pthread_mutex_lock(&reader->mutex);
        reader->is_stopped = true;
        (void)pthread_cond_signal(&reader->changed);
        (void)pthread_mutex_unlock(&reader->mutex);
        ssize_t n = write(reader->stop_fd, &one, sizeof(one));
        assert(n == sizeof(one));
        (void)pthread_join(reader->thread, NULL);

        (void)pthread_mutex_destroy(&reader->mutex);
        (void)pthread_cond_destroy(&reader->changed);
        (void)fd_close(reader->stop_fd);
        (void)inflater_free(reader->inflater);
        digest_stream_done(&reader->blob_stream);
        digest_stream_done(&reader->diff_stream);
        free(reader);
        return NULL;
}

static void wait_for_block(BlobReader *reader) {
        struct timespec until;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += CANCEL_PERIOD_NS;
        if (until.tv_nsec >= NS_PER_SEC) {
                until.tv_nsec -= NS_PER_SEC;
                until.tv_sec++;
        }
        (void)pthread_cond_timedwait(&reader->changed, &reader->mutex, &until);
}

static int check_cancelled(const BlobReader *reader, Error *err) {
        const BlobOptions *options = &reader->options;

        if (options->is_cancelled && options->is_cancelled(options->userdata))
                return error_set(err, ERR_CANCELLED, "blob", "cancelled");
        return 0;
}

/*
 * What stands in the ring, with the mutex held: 1 a block, 0 the end, -1 a failure, -EAGAIN nothing
 * yet.
 */
static int take_block(BlobReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        const Block *block = &reader->blocks[reader->emptied % BLOCKS];

        if (reader->filled > reader->emptied) {
                *ret_data = block->data;
                *ret_size = block->size;
                reader->holds_block = true;
                return 1;
        }
        if (!reader->is_finished)
                return -EAGAIN;
        if (!reader->has_failed)
                return 0;
        if (err)
                *err = reader->error;
        return -1;
}

/*
 * Inflating costs what hashing and writing cost together: so the consumer hashes what was inflated,
 * while it is about to read it anyway. Of a plain blob the reading thread has little else to do.
 */
static void hash_block(BlobReader *reader, const uint8_t *data, size_t size) {
        if (reader->summary.compression == COMPRESSION_NONE)
                return;
        if (!reader->diff_stream.context)
                digest_stream_begin(&reader->diff_stream);
        digest_stream_update(&reader->diff_stream, data, size);
}

static void finish_hash(BlobReader *reader) {
        if (reader->summary.compression == COMPRESSION_NONE)
                return;
        if (!reader->diff_stream.context)
                digest_stream_begin(&reader->diff_stream);
        digest_stream_finish(&reader->diff_stream, &reader->summary.diff_digest);
}

int blob_reader_next(BlobReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        bool is_first = true;
        int r;

        do {
                if (check_cancelled(reader, err) < 0)
                        return -1;
                (void)pthread_mutex_lock(&reader->mutex);
                if (reader->holds_block) {
                        reader->emptied++;
                        reader->holds_block = false;
                        (void)pthread_cond_signal(&reader->changed);
                }
                if (!is_first && reader->filled == reader->emptied && !reader->is_finished)
                        wait_for_block(reader);
                is_first = false;
                r = take_block(reader, ret_data, ret_size, err);
                (void)pthread_mutex_unlock(&reader->mutex);
        } while (r == -EAGAIN);
        if (r > 0)
                hash_block(reader, *ret_data, *ret_size);
        else if (r == 0)
                finish_hash(reader);
        return r;
}

const BlobSummary *blob_reader_summary(const BlobReader *reader) {
        return &reader->summary;
}
