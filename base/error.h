/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The error value of everything above base/ and varlink/.
 *
 * A function that can fail takes `Error *err` last, fills it where the knowledge is, and returns a
 * negative number that means nothing else. Callers pass it on unchanged or prefix it once. There is
 * nothing to free and nothing is allocated on the failure path. Branch on `kind`, never on text.
 */

#include <stdarg.h>

#include "base/memory.h"

#define ERROR_SUBJECT_MAX 256
#define ERROR_TEXT_MAX    1536

/* One entry for each failure that a client can tell apart; api/errors.c maps them to io.podman. */
typedef enum ErrorKind {
        ERR_NONE,
        ERR_INVALID,             /* bad argument; subject = the member's path, e.g. create.env */
        ERR_CONTAINER_NOT_FOUND, /* subject = the name as given */
        ERR_IMAGE_NOT_FOUND,     /* subject = the name as given */
        ERR_POD_NOT_FOUND,       /* subject = the name as given */
        ERR_NOT_FOUND,           /* any other thing that was looked up: layer, blob, key */
        ERR_AMBIGUOUS,           /* a prefix that matches several things; text lists them */
        ERR_EXISTS,              /* the name or id is taken */
        ERR_STATE,               /* the object is in a state that does not allow this */
        ERR_NOT_RUNNING,         /* needs a running container */
        ERR_IN_USE,              /* something else holds it */
        ERR_UNSUPPORTED,         /* asked for something that this engine or host cannot do */
        ERR_LIMIT,               /* a named maximum was crossed */
        ERR_CORRUPT,             /* stored data does not read back as it should */
        ERR_LAYER_CORRUPT,       /* a layer tarball is malformed; subject = entry path */
        ERR_NO_SPACE,            /* the disk or quota is full */
        ERR_RUNTIME,             /* conmon or the OCI runtime failed; text holds its own words */
        ERR_TIMEOUT,
        ERR_CANCELLED, /* the caller went away */
        ERR_IO,        /* a system call failed; errnum says how */
        _ERR_MAX,
} ErrorKind;

typedef struct Error {
        ErrorKind kind;
        int errnum; /* errno value, or 0 */
        char subject[ERROR_SUBJECT_MAX];
        char text[ERROR_TEXT_MAX]; /* one sentence, no full stop, no newline at its end */
} Error;

#define ERROR_INIT \
        { .kind = ERR_NONE }

/**
 * error_set() - fill an error
 * @err:     may be NULL: nothing is written
 * @kind:    which failure
 * @subject: the id, name or path it is about, or NULL; cut at ERROR_SUBJECT_MAX
 * @fmt:     one sentence: what failed, on what, and why
 *
 * Returns -1, so that a guard reads `return error_set(...)`.
 */
int error_set(Error *err, ErrorKind kind, const char *subject, const char *fmt, ...) _printf_(4, 5);

/**
 * error_errno() - fill an error from a failed system call
 * @errnum: errno value, positive; ENOSPC and EDQUOT become ERR_NO_SPACE whatever @kind says
 *
 * Appends ": " and the system's text for @errnum to the sentence. Returns -1.
 */
int error_errno(Error *err, ErrorKind kind, int errnum, const char *subject, const char *fmt, ...)
        _printf_(5, 6);

/** error_prefix() - put "context: " before the text, once, where context is known; returns -1 */
int error_prefix(Error *err, const char *fmt, ...) _printf_(2, 3);

/** error_copy() - hand on an error that had to be looked at first; returns -1 */
int error_copy(Error *err, const Error *failure);

/** error_kind_name() - stable lower-case word for a kind, for tools that print errors */
const char *error_kind_name(ErrorKind kind);
