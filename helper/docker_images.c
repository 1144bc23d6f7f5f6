/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/docker_images.h"

#include <errno.h>
#include <stdio.h>

#include "oci/document.h"
#include "oci/image_config.h"
#include "oci/reference.h"

static void image_done(DockerImage *image) {
        free(image->config);
        strings_done(&image->layers);
        strings_done(&image->tags);
}

void docker_images_done(DockerImages *images) {
        for (size_t i = 0; i < images->count; i++)
                image_done(&images->items[i]);
        free(images->items);
        *images = (DockerImages)DOCKER_IMAGES_INIT;
}

char *docker_name(const char *text, Error *err) {
        Reference reference = REFERENCE_INIT;
        char full[REFERENCE_TEXT_MAX];

        if (reference_parse(text, &reference, err) < 0 || reference_normalize(&reference, err) < 0)
                return NULL;
        if (!*reference.digest)
                return xstrdup(reference_format(&reference, full));
        (void)error_set(err, ERR_INVALID, text,
                        "\"%.200s\" has a digest, which archives of docker cannot hold", text);
        return NULL;
}

/* --- reading --- */

static int parse_image(const json_t *json, const char *where, DockerImage *image, Error *err) {
        _cleanup_strings_ Strings tags = STRINGS_INIT;
        char subject[64];

        if (document_text(json, where, "Config", &image->config, err) < 0 ||
            document_strings(json, where, "Layers", IMAGE_LAYERS_MAX, &image->layers, err) < 0 ||
            document_strings(json, where, "RepoTags", DOCKER_TAGS_MAX, &tags, err) < 0)
                return -1;
        if (!*image->config) {
                snprintf(subject, sizeof(subject), "%sConfig", where);
                return error_set(err, ERR_INVALID, subject, "%s is missing", subject);
        }
        for (size_t i = 0; i < tags.count; i++) {
                char *name = docker_name(tags.items[i], err);
                if (!name)
                        return error_prefix(err, "%sRepoTags[%zu]", where, i);
                strings_take(&image->tags, name);
        }
        return 0;
}

static int parse_images(const json_t *list, DockerImages *images, Error *err) {
        json_t *json;
        size_t i;

        if (json_array_size(list) > DOCKER_IMAGES_MAX)
                return error_set(err, ERR_LIMIT, "manifest.json",
                                 "manifest.json names %zu images, more than %d",
                                 json_array_size(list), DOCKER_IMAGES_MAX);
        json_array_foreach(list, i, json) {
                char where[32];
                snprintf(where, sizeof(where), "[%zu].", i);
                if (!json_is_object(json))
                        return error_set(err, ERR_INVALID, "manifest.json",
                                         "image %zu of manifest.json is not an object", i);
                GROW(images->items, images->count, images->capacity);
                DockerImage *image = &images->items[images->count++];
                *image = (DockerImage){ .config = NULL };
                if (parse_image(json, where, image, err) < 0)
                        return -1;
        }
        return 0;
}

int docker_images_parse(const char *text, size_t size, DockerImages *ret, Error *err) {
        _cleanup_docker_images_ DockerImages images = DOCKER_IMAGES_INIT;
        json_auto_t *list = NULL;

        if (document_parse_list(text, size, DOCKER_IMAGES_SIZE_MAX, "archive's manifest.json",
                                &list, err) < 0 ||
            parse_images(list, &images, err) < 0)
                return -1;
        *ret = images;
        images = (DockerImages)DOCKER_IMAGES_INIT;
        return 0;
}

/* --- finding --- */

static const DockerImage *find_number(const DockerImages *images, const char *text, Error *err) {
        char *end;
        unsigned long number;

        errno = 0;
        number = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : images->count;
        if (*text >= '0' && *text <= '9' && errno == 0 && !*end && number < images->count)
                return &images->items[number];
        (void)error_set(err, ERR_NOT_FOUND, text, "there is no image number \"%.50s\" among %zu",
                        text, images->count);
        return NULL;
}

const DockerImage *docker_images_find(const DockerImages *images, const char *where, Error *err) {
        if (text_is_empty(where)) {
                if (images->count == 1)
                        return &images->items[0];
                (void)error_set(err, images->count ? ERR_AMBIGUOUS : ERR_NOT_FOUND, "manifest.json",
                                images->count ? "the archive has %zu images; one has to be named"
                                              : "the archive has no image (%zu)",
                                images->count);
                return NULL;
        }
        if (*where == '@')
                return find_number(images, where + 1, err);
        _cleanup_free_ char *name = docker_name(where, err);
        if (!name)
                return NULL;
        for (size_t i = 0; i < images->count; i++)
                if (strings_contains(&images->items[i].tags, name))
                        return &images->items[i];
        (void)error_set(err, ERR_NOT_FOUND, where, "the archive has no image %s among its %zu",
                        name, images->count);
        return NULL;
}

/* --- writing --- */

char *docker_images_format(const DockerImage *image, size_t *ret_size) {
        json_auto_t *list = json_array();
        json_t *json = json_object();

        document_put(json, "Config", json_string(image->config));
        document_put(json, "RepoTags",
                     image->tags.count > 0 ? document_list(image->tags.items, image->tags.count)
                                           : json_null());
        document_put(json, "Layers", document_list(image->layers.items, image->layers.count));
        document_append(list, json);
        return document_format(list, ret_size);
}
