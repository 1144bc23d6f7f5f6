/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is in an archive of `docker save`: its manifest.json.
 *
 * A list of images, each with the names of its config and of its layers' tars in the archive, and
 * with the tags that it had.
 */

#include "base/error.h"
#include "base/text.h"

#define DOCKER_IMAGES_SIZE_MAX (4 * 1024 * 1024) /* bytes of a manifest.json */
#define DOCKER_IMAGES_MAX      4096
#define DOCKER_TAGS_MAX        1024 /* of one image */

typedef struct DockerImage {
        char *config;   /* names of members of the archive */
        Strings layers; /* base first */
        Strings tags;   /* full names, as registries know them */
} DockerImage;

typedef struct DockerImages {
        DockerImage *items;
        size_t count, capacity;
} DockerImages;

#define DOCKER_IMAGES_INIT \
        { .items = NULL }

void docker_images_done(DockerImages *images);
#define _cleanup_docker_images_ _cleanup_(docker_images_done)

/**
 * docker_images_parse() - read an untrusted manifest.json
 * Errors: ERR_INVALID (subject = the member), ERR_LIMIT.
 */
int docker_images_parse(const char *text, size_t size, DockerImages *ret, Error *err);

/**
 * docker_images_find() - the image that somebody means
 * @where: NULL or "": the only one; "@N": the N-th, from 0; else a name, full or short
 *
 * Borrowed, or NULL: ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_INVALID.
 */
const DockerImage *docker_images_find(const DockerImages *images, const char *where, Error *err);

/**
 * docker_name() - a full name with a tag, as such archives have it
 *
 * Heap text, or NULL: ERR_INVALID, also for a name with a digest.
 */
char *docker_name(const char *text, Error *err);

/** docker_images_format() - the manifest.json for one image; compact; heap text */
char *docker_images_format(const DockerImage *image, size_t *ret_size);
