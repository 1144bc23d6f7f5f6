/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The messages of the protocol: bytes of a stream cut at their NULs, and the members of a request
 * and a reply. A message is one JSON object, at most VARLINK_MESSAGE_MAX bytes, then a NUL.
 */

#include "base/buffer.h"
#include "varlink/interface.h"

#define VARLINK_VALUES_MAX \
        (256 * 1024) /* JSON values in one message: each costs memory when parsed */

/*
 * Cuts a stream into messages without copying those that arrive whole.
 *
 * Bytes are fed where they were received; messages are taken out until none is left, and what
 * remains of an unfinished one is then kept in memory of its own. A reader between messages owns
 * no memory. Each byte is searched for the NUL once.
 */
typedef struct FrameReader {
        const char *data; /* what was fed and not taken: borrowed from the feeder, or in `kept` */
        size_t size;
        size_t searched; /* bytes of it known to hold no NUL */
        Buffer kept;
} FrameReader;

#define FRAME_READER_INIT \
        { .data = NULL }

void frame_reader_done(FrameReader *reader);

/** frame_reader_feed() - @data stays valid until frame_reader_keep(); 0 or -ENOMEM */
int frame_reader_feed(FrameReader *reader, const char *data, size_t size);

/**
 * frame_reader_next() - the next whole message
 * @ret_text: its bytes without the NUL; valid until frame_reader_keep() or _done(), and as long as
 *            what was fed; frame_reader_detach() lets it live longer
 *
 * Returns 1, 0 when there is none yet, -EMSGSIZE when it is longer than VARLINK_MESSAGE_MAX.
 */
int frame_reader_next(FrameReader *reader, const char **ret_text, size_t *ret_size);

/**
 * frame_reader_detach() - take over the memory that the message last taken lies in
 * @ret: owns the message's text from now on; the message was longer than any one feed
 *
 * For a message that outlives the reader's next use. Returns 0 or -ENOMEM; then the text is gone.
 */
int frame_reader_detach(FrameReader *reader, Buffer *ret);

/** frame_reader_keep() - stop borrowing what was fed; 0 or -ENOMEM */
int frame_reader_keep(FrameReader *reader);

/* A request as it was on the wire. */
typedef struct Request {
        json_t *root; /* owned; the rest is borrowed from it */
        const char
                *method; /* qualified; NULL when it names no method: not there, no string, no dot */
        json_t *parameters; /* of any JSON type, or NULL */
        unsigned codec_flags;
        bool more, oneway, upgrade;
} Request;

#define REQUEST_INIT \
        { .root = NULL }

void request_done(Request *request);

/**
 * request_parse() - read one message
 * @ret: written on success; to be given to request_done()
 *
 * Any thread. Returns 0, -EBADMSG (not JSON, not UTF-8, not an object, a member twice, a flag that
 * is no boolean, a number that no double holds), -E2BIG (deeper than CODEC_DEPTH_MAX, more than
 * VARLINK_VALUES_MAX values), -ENOMEM.
 */
int request_parse(Request *ret, const char *text, size_t size);

/**
 * message_parse() - the JSON object of one message, with the same limits
 * @ret_codec_flags: what codec_decode() has to know about it, may be NULL
 */
int message_parse(const char *text, size_t size, json_t **ret, unsigned *ret_codec_flags);

/**
 * reply_append() - write one reply and its NUL
 * @error: qualified name, or NULL
 *
 * Members stand in the order of the original: parameters, continues, error. Failure is the
 * buffer's.
 */
void reply_append(Buffer *buffer, const VlType *type, const void *parameters, bool continues,
                  const char *error);
