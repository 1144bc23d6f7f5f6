/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Creating a container. First everything that can be refused is refused; then the name is reserved,
 * the intent is written, and the store's parts are made. A failure takes the same steps back.
 *
 * What the request leaves open comes from the image, as on podman's command line: entrypoint and
 * command, environment, work folder, user, labels, stop signal.
 */

#include "engine/create.h"

#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json_text.h"
#include "base/timestamp.h"
#include "engine/images.h"
#include "engine/object.h"
#include "image/catalog.h"
#include "oci/signal_name.h"
#include "varlink/codec.h"

#define NAME_ATTEMPTS_MAX 32 /* generated names that may be taken before we give up */
#define DEFAULT_PATH      "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A list in the document from a list on the heap; strings are borrowed. */
#define BORROW_LIST(arena, to, from)                                          \
        do {                                                                  \
                (to).items = arena_new((arena), const char *, (from)->count); \
                for (size_t _i = 0; _i < (from)->count; _i++)                 \
                        (to).items[_i] = (from)->items[_i];                   \
                (to).count = (from)->count;                                   \
        } while (0)

/* What is put together on the way; owns what the document borrows. */
typedef struct Draft {
        Arena arena;
        SelkieStateContainer config;
        ImageMatch match;
        ImageDetails *details;
        Strings command;
        char id[ID_HEX_SIZE + 1];
        char layer[ID_HEX_SIZE + 1];
} Draft;

static void draft_done(Draft *draft) {
        arena_done(&draft->arena);
        image_match_done(&draft->match);
        image_details_unref(draft->details);
        strings_done(&draft->command);
}

static int check_names(const ContainerOptions *options, Error *err) {
        if (*options->name && !container_name_is_valid(options->name))
                return error_set(
                        err, ERR_INVALID, "create.name",
                        "\"%.64s\" is no name for a container: letters and digits, after the "
                        "first also _ . -, at most %d",
                        options->name, CONTAINER_NAME_MAX);
        const char *hostname = options->hostname;
        size_t length = strlen(hostname);
        if (length > CONTAINER_HOSTNAME_MAX)
                return error_set(err, ERR_INVALID, "create.hostname",
                                 "the hostname has %zu bytes, at most %d fit", length,
                                 CONTAINER_HOSTNAME_MAX);
        if (length > 0 && (!container_name_is_valid(hostname)))
                return error_set(err, ERR_INVALID, "create.hostname",
                                 "\"%s\" is no hostname: letters, digits, _ . -", hostname);
        return 0;
}

/* Whether the names exist is known at start, when the image's files are there. */
static int check_user(const char *user, Error *err) {
        const char *colon = strchr(user, ':');

        if (colon && (colon == user || !colon[1] || strchr(colon + 1, ':')))
                return error_set(err, ERR_INVALID, "create.user",
                                 "\"%.256s\" is neither user nor user:group", user);
        return 0;
}

/*
 * What the kernel would refuse to execute, refused while somebody listens (execve(2),
 * MAX_ARG_STRLEN); so is a variable that is too long.
 */
static int check_command(const Strings *command, Error *err) {
        if (command->count > 0 && !*command->items[0])
                return error_set(err, ERR_INVALID, "create.command",
                                 "the name of the program is empty");
        for (size_t i = 0; i < command->count; i++)
                if (strlen(command->items[i]) > CONTAINER_ARGUMENT_MAX)
                        return error_set(err, ERR_INVALID, "create.command",
                                         "argument %zu has %zu bytes, at most %d fit", i,
                                         strlen(command->items[i]), CONTAINER_ARGUMENT_MAX);
        return 0;
}

static int check_options(const ContainerOptions *options, Error *err) {
        if (check_names(options, err) < 0)
                return -1;
        if (options->stop_signal < 0 || options->stop_signal > SIGNAL_MAX)
                return error_set(err, ERR_INVALID, "create.stop_signal",
                                 "%lld is not a signal: 1 to %d are",
                                 (long long)options->stop_signal, SIGNAL_MAX);
        if (*options->work_dir && options->work_dir[0] != '/')
                return error_set(err, ERR_INVALID, "create.work_dir",
                                 "the work folder \"%.256s\" does not begin with a slash",
                                 options->work_dir);
        if (strlen(options->work_dir) >= PATH_MAX)
                return error_set(err, ERR_INVALID, "create.work_dir",
                                 "the work folder's name is longer than %d bytes", PATH_MAX - 1);
        if (*options->net_mode && !text_equal(options->net_mode, "none") &&
            !text_equal(options->net_mode, "host"))
                return error_set(err, ERR_UNSUPPORTED, "create.net_mode",
                                 "the network mode \"%.64s\" is not available: none and host are",
                                 options->net_mode);
        if (check_user(options->user, err) < 0)
                return -1;
        for (size_t i = 0; i < options->env.count; i++)
                if (!*options->env.items[i].key || strchr(options->env.items[i].key, '='))
                        return error_set(err, ERR_INVALID, "create.env",
                                         "\"%.64s\" is no name for an environment variable",
                                         options->env.items[i].key);
        return 0;
}

static int add_command(Draft *draft, const ContainerOptions *options, Error *err) {
        /* The document keeps both parts, since clients are shown both. */
        if (image_config_command(&draft->details->config, &options->entrypoint, &options->command,
                                 &draft->command, err) < 0 ||
            check_command(&draft->command, err) < 0)
                return -1;

        const Strings *image_entrypoint = &draft->details->config.settings.entrypoint;
        const Strings *wanted = &options->entrypoint;
        size_t entrypoint_count = wanted->count == 0                ? image_entrypoint->count
                                  : text_is_empty(wanted->items[0]) ? 0
                                                                    : wanted->count;
        if (entrypoint_count > draft->command.count)
                entrypoint_count = draft->command.count;
        Strings entrypoint = { .items = draft->command.items, .count = entrypoint_count };
        Strings command = { .items = draft->command.items + entrypoint_count,
                            .count = draft->command.count - entrypoint_count };
        BORROW_LIST(&draft->arena, draft->config.entrypoint, &entrypoint);
        BORROW_LIST(&draft->arena, draft->config.command, &command);
        return 0;
}

static int add_env(Draft *draft, const ContainerOptions *options, Error *err) {
        _cleanup_pairs_ Pairs env = PAIRS_INIT;

        pairs_set(&env, "PATH", DEFAULT_PATH);
        pairs_set(&env, "TERM", "xterm");
        pairs_set(&env, "HOSTNAME", draft->config.hostname);
        pairs_set(&env, "container", "podman"); /* what programs look for to know where they are */
        if (image_config_apply_env(&draft->details->config, &env, err) < 0)
                return -1;
        for (size_t i = 0; i < options->env.count; i++)
                pairs_set(&env, options->env.items[i].key, options->env.items[i].value);

        draft->config.env.items = arena_new(&draft->arena, const char *, env.count);
        for (size_t i = 0; i < env.count; i++) {
                const char *key = env.items[i].key, *value = env.items[i].value;
                size_t size = strlen(key) + strlen("=") + strlen(value);
                if (size > CONTAINER_ARGUMENT_MAX)
                        return error_set(err, ERR_INVALID, "create.env",
                                         "%.64s has %zu bytes with its value, at most %d fit", key,
                                         size, CONTAINER_ARGUMENT_MAX);
                draft->config.env.items[i] = arena_printf(&draft->arena, "%s=%s", key, value);
        }
        draft->config.env.count = env.count;
        return 0;
}

static void add_labels(Draft *draft, const ContainerOptions *options) {
        _cleanup_pairs_ Pairs labels = PAIRS_INIT;

        pairs_copy(&labels, &draft->details->config.settings.labels);
        for (size_t i = 0; i < options->labels.count; i++)
                pairs_set(&labels, options->labels.items[i].key, options->labels.items[i].value);

        draft->config.labels.keys = arena_new(&draft->arena, const char *, labels.count);
        draft->config.labels.values = arena_new(&draft->arena, const char *, labels.count);
        for (size_t i = 0; i < labels.count; i++) {
                draft->config.labels.keys[i] = arena_strdup(&draft->arena, labels.items[i].key);
                draft->config.labels.values[i] = arena_strdup(&draft->arena, labels.items[i].value);
        }
        draft->config.labels.count = labels.count;
}

static const char *choose_hostname(Draft *draft, const ContainerOptions *options) {
        struct utsname host;

        if (*options->hostname)
                return options->hostname;
        if (text_equal(options->net_mode, "host") && uname(&host) == 0)
                return arena_strdup(&draft->arena, host.nodename);
        return arena_strndup(&draft->arena, draft->id, 12);
}

static const char *first_of(const char *wanted, const char *from_image, const char *otherwise) {
        return !text_is_empty(wanted)       ? wanted
               : !text_is_empty(from_image) ? from_image
                                            : otherwise;
}

/* Everything but the name, which may be generated. */
static int fill_draft(Engine *engine, const ContainerOptions *options, Draft *draft, Error *err) {
        SelkieStateContainer *config = &draft->config;
        ImageCatalog *images = engine_images(engine);
        int stop_signal = (int)options->stop_signal;

        if (image_lookup(images, options->image, &draft->match, err) < 0 ||
            image_details(images, draft->match.image, &draft->details, err) < 0)
                return -1;
        const ImageSettings *settings = &draft->details->config.settings;
        if (stop_signal == 0 &&
            image_config_stop_signal(&draft->details->config, &stop_signal, err) < 0)
                return -1;

        random_hex(draft->id, ID_HEX_SIZE);
        random_hex(draft->layer, ID_HEX_SIZE);
        config->created = timestamp_now();
        config->image = options->image;
        config->imageId = draft->match.image->id;
        config->imageName = draft->match.name ? draft->match.name
                            : draft->match.image->names.count > 0
                                    ? draft->match.image->names.items[0]
                                    : "";
        config->layer = draft->layer;
        config->rootfsSize = draft->details->layers_size;
        config->hostname = choose_hostname(draft, options);
        config->workDir = first_of(options->work_dir, settings->working_dir, "/");
        config->user = first_of(options->user, settings->user, "");
        config->tty = options->tty;
        config->interactive = options->interactive;
        config->autoRemove = options->auto_remove;
        config->readonlyRootfs = options->readonly_rootfs;
        config->stopSignal = stop_signal;
        config->stopTimeout = options->has_stop_timeout ? options->stop_timeout_s
                                                        : engine->default_stop_timeout_s;
        config->netMode = *options->net_mode ? options->net_mode : "none";
        add_labels(draft, options);
        if (add_command(draft, options, err) < 0 || add_env(draft, options, err) < 0)
                return -1;
        return 0;
}

/* The store's record, in the words that podman's tools read. */
static char *store_metadata(const Draft *draft) {
        Buffer text = BUFFER_INIT;

        member_open(&text, NULL, '{');
        member_text(&text, "image-name", draft->config.imageName);
        member_text(&text, "image-id", draft->config.imageId);
        member_text(&text, "name", draft->config.name);
        member_integer(&text, "created-at", draft->config.created / NS_PER_SEC);
        member_close(&text, '}');
        return buffer_take_string(&text);
}

static int make_store_parts(Engine *engine, const Draft *draft, Error *err) {
        _cleanup_free_ char *metadata = store_metadata(draft);
        const StoreContainerSpec spec = {
                .id = draft->id,
                .layer_id = draft->layer,
                .name = draft->config.name,
                .image = draft->config.imageId,
                .metadata = metadata,
        };

        int r = store_container_create(engine->store, &spec, err);
        if (r < 0 && err && err->kind == ERR_IMAGE_NOT_FOUND)
                error_set(err, ERR_IMAGE_NOT_FOUND, draft->config.image,
                          "image \"%s\" was removed meanwhile", draft->config.image);
        return r;
}

/* With the name reserved: intent, store, done. */
static int make_parts(Engine *engine, Container *container, const char *json, const Draft *draft,
                      Error *err) {
        ContainerRun run = container->run;
        const ContainerRow row = {
                .id = container->id, .name = container->config.name, .config = json, .run = run
        };

        registry_await_name(engine, container->config.name);
        if (state_container_insert(engine->state, &row, err) < 0)
                return -1;
        run.intent = CONTAINER_INTENT_NONE;
        if (make_store_parts(engine, draft, err) < 0 ||
            container_save_run_locked(container, &run, err) < 0) {
                /* What cannot be deleted now keeps its row, and with it the intent to undo it. */
                if (store_container_delete(engine->store, draft->id, draft->layer, NULL) == 0)
                        (void)state_container_delete(engine->state, draft->id, NULL);
                return -1;
        }
        return 0;
}

static int make_container(Engine *engine, const Draft *draft, Error *err) {
        _cleanup_(container_unrefp)
        Container *container = NULL;
        Buffer json = BUFFER_INIT;
        const ContainerRun run = { .status = CONTAINER_CONFIGURED,
                                   .intent = CONTAINER_INTENT_CREATE,
                                   .started_ns = TIMESTAMP_ZERO,
                                   .finished_ns = TIMESTAMP_ZERO };

        codec_encode(&selkie_state_type_Container, &draft->config, &json);
        _cleanup_free_ char *text = buffer_take_string(&json);
        if (!text)
                return error_set(err, ERR_LIMIT, draft->config.name, "out of memory");
        if (container_new(&container, engine, draft->id, text, &run, err) < 0 ||
            registry_add(engine, container, err) < 0)
                return -1;
        if (make_parts(engine, container, text, draft, err) < 0) {
                registry_remove(engine, container);
                return -1;
        }
        registry_publish(container);
        return 0;
}

int container_create(Engine *engine, const ContainerOptions *options,
                     char ret_id[static ID_HEX_SIZE + 1], Error *err) {
        _cleanup_(draft_done)
        Draft draft = { .match = IMAGE_MATCH_INIT };

        engine_await_load(engine);
        if (check_options(options, err) < 0 || fill_draft(engine, options, &draft, err) < 0)
                return -1;

        int r = -1;
        for (unsigned attempt = 0; attempt < NAME_ATTEMPTS_MAX; attempt++) {
                _cleanup_free_ char *generated = *options->name ? NULL
                                                                : container_name_generate(attempt);
                draft.config.name = generated ? generated : options->name;
                r = make_container(engine, &draft, err);
                if (r == 0 || !generated || !err || err->kind != ERR_EXISTS)
                        break;
        }
        if (r < 0)
                return r;
        memcpy(ret_id, draft.id, sizeof(draft.id));
        return 0;
}
