/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CreateContainer: from the 62 members of Create to the engine's options.
 *
 * A member that is not honoured is refused when it asks for something, by its name, found by
 * walking the interface's own table: nothing that a client wants is ever dropped in silence.
 */

#include "engine/create.h"
#include "api/errors.h"
#include "api/handlers.h"

/* Members that are acted upon. `detach` and `quiet` ask for what is always so: nothing here is
 * attached to the caller's terminal, and nothing is printed. */
static const unsigned char honoured[] = {
        IoPodmanCreate_FIELD_command,      IoPodmanCreate_FIELD_detach,
        IoPodmanCreate_FIELD_entrypoint,   IoPodmanCreate_FIELD_env,
        IoPodmanCreate_FIELD_hostname,     IoPodmanCreate_FIELD_image,
        IoPodmanCreate_FIELD_interactive,  IoPodmanCreate_FIELD_labels,
        IoPodmanCreate_FIELD_name,         IoPodmanCreate_FIELD_net_mode,
        IoPodmanCreate_FIELD_quiet,        IoPodmanCreate_FIELD_readonly_rootfs,
        IoPodmanCreate_FIELD_rm,           IoPodmanCreate_FIELD_stop_signal,
        IoPodmanCreate_FIELD_stop_timeout, IoPodmanCreate_FIELD_tty,
        IoPodmanCreate_FIELD_user,         IoPodmanCreate_FIELD_work_dir,
};

static bool is_honoured(size_t field) {
        for (size_t i = 0; i < ARRAY_SIZE(honoured); i++)
                if (honoured[i] == field)
                        return true;
        return false;
}

static const char *find_non_zero(Arena *arena, const VlType *type, const void *value,
                                 const char *path);

static const char *find_non_zero_field(Arena *arena, const VlType *type, const char *object,
                                       size_t field, const char *path) {
        const VlField *member = &type->fields[field];

        return find_non_zero(arena, member->type, object + member->offset,
                             arena_printf(arena, "%s.%s", path, member->name));
}

/* The path of the first thing in @value that is not its type's zero value, or NULL. */
static const char *find_non_zero(Arena *arena, const VlType *type, const void *value,
                                 const char *path) {
        bool is_set = false;

        if (type->is_nullable)
                return NULL; /* io.podman has no such type */
        switch (type->kind) {
        case VL_BOOL:
                is_set = *(const bool *)value;
                break;
        case VL_INT:
                is_set = *(const int64_t *)value != 0;
                break;
        case VL_FLOAT:
                is_set = *(const double *)value != 0;
                break;
        case VL_STRING:
                is_set = **(const char *const *)value != '\0';
                break;
        case VL_OBJECT:
                is_set = json_object_size(*(json_t *const *)value) > 0;
                break;
        case VL_ENUM:
                is_set = *(const int *)value != 0;
                break;
        case VL_ARRAY:
                is_set = ((const VlArray *)value)->count > 0;
                break;
        case VL_MAP:
                is_set = ((const VlMap *)value)->count > 0;
                break;
        case VL_STRUCT:
                for (size_t i = 0; i < type->fields_count; i++) {
                        const char *found = find_non_zero_field(arena, type, value, i, path);
                        if (found)
                                return found;
                }
                return NULL;
        case _VL_KIND_MAX:
                break;
        }
        return is_set ? path : NULL;
}

static int refuse_what_is_not_honoured(Arena *arena, const IoPodmanCreate *create, Error *err) {
        const VlType *type = &io_podman_type_Create;

        for (size_t i = 0; i < type->fields_count; i++) {
                const char *found = is_honoured(i)
                                            ? NULL
                                            : find_non_zero_field(arena, type, (const char *)create,
                                                                  i, "create");
                if (found)
                        return error_set(err, ERR_UNSUPPORTED, found,
                                         "this engine does not honour %s yet: leave it out", found);
        }
        return 0;
}

/* Views of the arguments: nothing is copied. */
static Strings view_strings(const char **items, size_t count) {
        return (Strings){ .items = (char **)items, .count = count };
}

static Pairs view_pairs(Arena *arena, const char **keys, const char **values, size_t count) {
        Pairs pairs = { .items = arena_new(arena, Pair, count), .count = count };

        for (size_t i = 0; i < count; i++)
                pairs.items[i] = (Pair){ .key = (char *)keys[i], .value = (char *)values[i] };
        return pairs;
}

void api_CreateContainer(VarlinkCall *call, const IoPodmanCreateContainerIn *in, void *userdata) {
        const Api *api = userdata;
        const IoPodmanCreate *create = &in->create;
        Arena *arena = varlink_call_arena(call);
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];
        const ContainerOptions options = {
                .image = create->image,
                .name = create->name,
                .command = view_strings(create->command.items, create->command.count),
                .entrypoint = view_strings(create->entrypoint.items, create->entrypoint.count),
                .env = view_pairs(arena, create->env.keys, create->env.values, create->env.count),
                .labels = view_pairs(arena, create->labels.keys, create->labels.values,
                                     create->labels.count),
                .hostname = create->hostname,
                .user = create->user,
                .work_dir = create->work_dir,
                .net_mode = create->net_mode,
                .tty = create->tty,
                .interactive = create->interactive,
                .auto_remove = create->rm,
                .readonly_rootfs = create->readonly_rootfs,
                .stop_signal = create->stop_signal,
                .has_stop_timeout = VL_HAS(create, IoPodmanCreate, stop_timeout),
                .stop_timeout_s = create->stop_timeout,
        };

        if (refuse_what_is_not_honoured(arena, create, &err) < 0 ||
            container_create(api->engine, &options, id, &err) < 0) {
                api_reply_error(call, &err, create->image); /* all that is looked up here */
                return;
        }
        (void)io_podman_reply_CreateContainer(call,
                                              &(IoPodmanCreateContainerOut){ .container = id });
}
