/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration of an image: what it is made of and how its containers start.
 *
 * Source: OCI image-spec v1.1 config.md, with the members that docker adds to it (OnBuild, Shell,
 * Healthcheck, comment). The document comes from registries and files, so parsing is strict about
 * types and sizes, and an error names the member. Members that this program does not know are
 * dropped: an image's bytes on disk are never rewritten, and a config made from a parsed one is a
 * new image.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "oci/pairs.h"

#define IMAGE_CONFIG_SIZE_MAX    (4 * 1024 * 1024) /* bytes; what skopeo and podman refuse beyond */
#define IMAGE_CONFIG_ENTRIES_MAX 10000             /* elements of one list or map of the config */
#define IMAGE_LAYERS_MAX         128               /* overlay's lowerdirs */
#define IMAGE_HISTORY_MAX        1024

/* The member `config`: what containers start with. "" and empty lists: not said. */
typedef struct ImageSettings {
        char *user;
        Strings exposed_ports; /* `80/tcp`, sorted */
        Strings env;           /* `NAME=value`, in order */
        Strings entrypoint;
        Strings cmd;
        Strings volumes; /* paths, sorted */
        char *working_dir;
        Pairs labels;
        char *stop_signal; /* as written; see image_config_stop_signal() */
        Strings on_build;
        Strings shell;
        char *healthcheck; /* JSON text of an object, or NULL */
} ImageSettings;

void image_settings_done(ImageSettings *settings);
/** image_settings_copy() - @to is initialised by this */
void image_settings_copy(ImageSettings *to, const ImageSettings *from);

typedef struct ImageHistory {
        int64_t created_ns; /* TIMESTAMP_ZERO: not said */
        char *created_by;   /* these three: "" if not said */
        char *author;
        char *comment;
        bool is_empty_layer;
} ImageHistory;

typedef struct ImageConfig {
        int64_t created_ns; /* TIMESTAMP_ZERO: not said */
        char *author;       /* texts are never NULL after parse or init: "" if not said */
        char *comment;      /* docker's */
        char *architecture; /* Go names: amd64, arm64 */
        char *variant;
        char *os;
        char *docker_version;
        ImageSettings settings;
        Strings diff_ids; /* valid digests, base first */
        ImageHistory *history;
        size_t history_count;
        size_t history_capacity;
} ImageConfig;

#define IMAGE_CONFIG_INIT \
        { .history = NULL }

void image_config_done(ImageConfig *config);
#define _cleanup_image_config_ _cleanup_(image_config_done)

/**
 * image_config_init() - an empty config for this host: its architecture and os in Go names, no
 * date
 */
void image_config_init(ImageConfig *config);

/**
 * image_config_parse() - read an untrusted document
 * @text: @size bytes, need not end in NUL
 *
 * Errors: ERR_INVALID (subject = the member, such as `config.Env[2]`), ERR_LIMIT.
 */
int image_config_parse(const char *text, size_t size, ImageConfig *ret, Error *err);

/**
 * image_config_format() - canonical compact JSON: fixed member order, maps sorted
 *
 * Nothing empty, but for architecture, os, config, rootfs and history, which always stand there.
 * The same config gives the same bytes, hence the same image id. Heap text.
 */
char *image_config_format(const ImageConfig *config, size_t *ret_size);

/** image_config_add_history() - append an entry; all texts copied, NULL is "" */
void image_config_add_history(ImageConfig *config, int64_t created_ns, const char *created_by,
                              const char *author, const char *comment, bool is_empty_layer);

/* --- what a container takes from its image --- */

/**
 * image_config_command() - the argument vector of a container
 * @config:     NULL: no image
 * @entrypoint: the request's; NULL or empty: the image's. One empty string means none at all
 * @command:    the request's; NULL or empty: the image's Cmd, unless the request gives an
 * entrypoint
 *
 * Errors: ERR_INVALID (subject `create.command`) when nothing is left to run.
 * Source: podman 4.3.1 pkg/specgen/generate/oci.go makeCommand.
 */
int image_config_command(const ImageConfig *config, const Strings *entrypoint,
                         const Strings *command, Strings *ret, Error *err);

/**
 * image_config_apply_env() - put the image's Env into @env, over what is there
 *
 * An entry without `=` asks for a variable of whoever runs the engine; it is skipped, for that is
 * not the image's to read. Errors: ERR_CORRUPT (subject `config.Env`): no name, or white space in
 * it, as podman.
 */
int image_config_apply_env(const ImageConfig *config, Pairs *env, Error *err);

/** image_config_stop_signal() - the number of StopSignal, SIGTERM if not said; ERR_CORRUPT */
int image_config_stop_signal(const ImageConfig *config, int *ret, Error *err);
