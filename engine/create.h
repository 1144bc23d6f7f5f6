/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Making a container: what a client may ask for, checked and completed from its image. */

#include "base/random.h"
#include "base/text.h"
#include "engine/container.h"
#include "oci/pairs.h"

#define CONTAINER_NAME_MAX     255
#define CONTAINER_HOSTNAME_MAX 64 /* HOST_NAME_MAX of Linux */
/* Bytes of one argument, or of a variable with its name: MAX_ARG_STRLEN of Linux. */
#define CONTAINER_ARGUMENT_MAX (128 * 1024 - 1)

/* "" or an empty list: not asked for. Borrowed. */
typedef struct ContainerOptions {
        const char *image;
        const char *name;
        Strings command, entrypoint;
        Pairs env, labels;
        const char *hostname;
        const char *user;
        const char *work_dir;
        const char *net_mode;
        bool tty, interactive, auto_remove, readonly_rootfs;
        int64_t stop_signal; /* 0: the image's, else SIGTERM */
        bool has_stop_timeout;
        int64_t stop_timeout_s;
} ContainerOptions;

/**
 * container_create() - check the options, make layer and records
 * @ret_id: the new container's id
 *
 * Errors: ERR_INVALID (subject = the member, e.g. create.name), ERR_UNSUPPORTED (same),
 * ERR_IMAGE_NOT_FOUND, ERR_AMBIGUOUS, ERR_EXISTS, ERR_NO_SPACE, ERR_IO. Nothing is left of a
 * failure.
 */
int container_create(Engine *engine, const ContainerOptions *options,
                     char ret_id[static ID_HEX_SIZE + 1], Error *err);

/** container_name_is_valid() - [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most CONTAINER_NAME_MAX bytes */
bool container_name_is_valid(const char *name);

/** container_name_generate() - `adjective_surname`, with a number when @attempt is high; heap */
char *container_name_generate(unsigned attempt);
