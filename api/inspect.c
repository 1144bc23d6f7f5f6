/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inspect.h"

#include <stdio.h>
#include <string.h>

#include "api/inspection.h"
#include "base/fd.h"
#include "base/text.h"

#define PROC_CGROUP_MAX (64 * 1024) /* bytes of /proc/PID/cgroup */

static void add_path(Buffer *out, const char *key, const char *folder, const char *name) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

        member_text(out, key, path);
}

/*
 * The first cgroup that is named after the container, in whichever hierarchy. What the process made
 * below it is not ours to show; a pid that is somebody else's by now has none.
 */
static const char *find_cgroup(char *lines, const char *id) {
        char *next = NULL;

        for (char *line = strtok_r(lines, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
                char *path = strchr(line, '/');
                char *name = path ? strstr(path, id) : NULL;
                if (name) {
                        name[strcspn(name, "/")] = '\0';
                        return path;
                }
        }
        return "";
}

static void add_cgroup_path(const Inspection *inspection, Buffer *out) {
        const char *path = "";
        _cleanup_free_ char *lines = NULL;
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)inspection->run.pid);
        if (inspection->is_alive &&
            file_read_at(AT_FDCWD, file, PROC_CGROUP_MAX, &lines, NULL) == 0)
                path = find_cgroup(lines, container_id(inspection->container));
        member_text(out, "CgroupPath", path);
}

static void add_state(const Inspection *inspection, Buffer *out) {
        static const InspectBlank blanks[] = {
                { "Restarting", BLANK_BOOLEAN },
                { "Dead", BLANK_BOOLEAN },
                { "Error", BLANK_TEXT },
                { "Health", "{\"Status\":\"\",\"FailingStreak\":0,\"Log\":[]}" },
                { "CheckpointedAt", BLANK_TIME },
                { "RestoredAt", BLANK_TIME },
        };
        const ContainerRun *run = &inspection->run;

        member_open(out, "State", '{');
        member_text(out, "OciVersion", json_string_value(inspection->oci_version));
        member_text(out, "Status", container_status_name(run->status));
        member_boolean(out, "Running", run->status == CONTAINER_RUNNING);
        member_boolean(out, "Paused", run->status == CONTAINER_PAUSED);
        member_boolean(out, "OOMKilled", run->is_oom_killed);
        member_integer(out, "Pid", inspection->is_alive ? run->pid : 0);
        member_integer(out, "ConmonPid", inspection->is_alive ? run->monitor_pid : 0);
        member_integer(out, "ExitCode", run->exit_code);
        member_time(out, "StartedAt", run->started_ns);
        member_time(out, "FinishedAt", run->finished_ns);
        add_cgroup_path(inspection, out);
        inspect_blanks(out, blanks, ARRAY_SIZE(blanks));
        member_close(out, '}');
}

static void add_command(const Inspection *inspection, Buffer *out) {
        TextArray args = inspection->spec.args;
        bool has_path = args && args[0];

        member_text(out, "Path", has_path ? args[0] : "");
        member_array(out, "Args", has_path ? args + 1 : NULL);
}

static void add_image(const Inspection *inspection, Buffer *out) {
        const SelkieStateContainer *config = inspection->config;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;

        /* The image may have been taken away by force. */
        (void)store_image_get(engine_store(inspection->engine), config->imageId, &image, NULL);
        member_text(out, "Image", config->imageId);
        member_text(out, "ImageName", *config->imageName ? config->imageName : config->image);
        member_text(out, "ImageDigest", image ? image->digest : "");
}

static void add_files(const Inspection *inspection, Buffer *out) {
        member_text(out, "StaticDir", inspection->bundle);
        member_text(out, "LogPath", inspection->log_path);
        add_path(out, "ConmonPidFile", inspection->run_dir, "conmon.pid");
        add_path(out, "PidFile", inspection->run_dir, "pidfile");
        if (inspection->has_document)
                add_path(out, "OCIConfigPath", inspection->bundle, "config.json");
        else
                member_text(out, "OCIConfigPath", "");
}

static void add_security(const Inspection *inspection, Buffer *out) {
        const RuntimeConfig *spec = &inspection->spec;

        member_text(out, "MountLabel", spec->mount_label);
        member_text(out, "ProcessLabel", spec->selinux_label);
        member_text(out, "AppArmorProfile", spec->apparmor_profile);
        inspect_capabilities(out, "EffectiveCaps", inspection->effective);
        inspect_capabilities(out, "BoundingCaps", spec->bounding);
}

static void add_storage(const Inspection *inspection, Buffer *out) {
        Store *store = engine_store(inspection->engine);
        const char *layer = inspection->config->layer;
        StoreLayerPaths paths = { .lower = NULL };
        int mounts = 0;

        /* Of a layer that is going away nothing is said. */
        (void)store_layer_paths(store, layer, &paths, NULL);
        (void)store_layer_mount_count(store, layer, &mounts, NULL);
        member_text(out, "Driver", store_driver(store));
        member_open(out, "GraphDriver", '{');
        member_text(out, "Name", store_driver(store));
        member_open(out, "Data", '{');
        member_text(out, "LowerDir", paths.lower);
        member_text(out, "MergedDir", mounts > 0 ? paths.merged : "");
        member_text(out, "UpperDir", paths.upper);
        member_text(out, "WorkDir", paths.work);
        member_close(out, '}');
        member_close(out, '}');
        member_integer(out, "SizeRootFs", inspection->config->rootfsSize);
        member_integer(out, "SizeRw", container_rw_size(inspection->container));
        store_layer_paths_done(&paths);
}

static bool is_propagation(const char *option) {
        static const char *const words[] = { "private", "rprivate", "shared",     "rshared",
                                             "slave",   "rslave",   "unbindable", "runbindable" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (text_equal(option, words[i]))
                        return true;
        return false;
}

static void add_mount(const RuntimeMount *mount, Buffer *out) {
        const char *propagation = "";
        bool is_readonly = false;

        for (TextArray option = mount->options; option && *option; option++) {
                is_readonly |= text_equal(*option, "ro");
                if (is_propagation(*option))
                        propagation = *option;
        }
        member_open(out, NULL, '{');
        member_text(out, "destination", mount->destination);
        member_text(out, "type", mount->type);
        member_text(out, "source", mount->source);
        member_array(out, "options", mount->options);
        member_text(out, "Type", mount->type);
        member_text(out, "Source", mount->source);
        member_text(out, "Destination", mount->destination);
        member_text(out, "Driver", "");
        member_text(out, "Mode", "");
        member_array(out, "Options", mount->options);
        member_boolean(out, "RW", !is_readonly);
        member_text(out, "Propagation", propagation);
        member_close(out, '}');
}

static void add_mounts(const Inspection *inspection, Buffer *out) {
        const RuntimeConfig *spec = &inspection->spec;

        member_open(out, "Mounts", '[');
        for (size_t i = 0; i < spec->mounts.count; i++)
                add_mount(&spec->mounts.items[i], out);
        member_close(out, ']');
}

static void add_network(Buffer *out) {
        static const InspectBlank blanks[] = {
                { "EndpointID", BLANK_TEXT },
                { "Gateway", BLANK_TEXT },
                { "IPAddress", BLANK_TEXT },
                { "IPPrefixLen", BLANK_NUMBER },
                { "IPv6Gateway", BLANK_TEXT },
                { "GlobalIPv6Address", BLANK_TEXT },
                { "GlobalIPv6PrefixLen", BLANK_NUMBER },
                { "MacAddress", BLANK_TEXT },
                { "Bridge", BLANK_TEXT },
                { "SandboxID", BLANK_TEXT },
                { "HairpinMode", BLANK_BOOLEAN },
                { "LinkLocalIPv6Address", BLANK_TEXT },
                { "LinkLocalIPv6PrefixLen", BLANK_NUMBER },
                { "Ports", BLANK_LIST },
                { "SandboxKey", BLANK_TEXT },
                { "SecondaryIPAddresses", BLANK_LIST },
                { "SecondaryIPv6Addresses", BLANK_LIST },
                { "Networks", BLANK_MAP },
        };

        member_open(out, "NetworkSettings", '{');
        inspect_blanks(out, blanks, ARRAY_SIZE(blanks));
        member_close(out, '}');
}

char *inspect_container(Container *container) {
        static const InspectBlank blanks[] = {
                { "Rootfs", BLANK_TEXT },         { "Pod", BLANK_TEXT },
                { "ResolvConfPath", BLANK_TEXT }, { "HostnamePath", BLANK_TEXT },
                { "HostsPath", BLANK_TEXT },      { "RestartCount", BLANK_NUMBER },
                { "ExecIDs", BLANK_LIST },        { "Dependencies", BLANK_LIST },
                { "Namespace", BLANK_TEXT },      { "IsInfra", BLANK_BOOLEAN },
                { "IsService", BLANK_BOOLEAN },
        };
        _cleanup_(inspection_done)
        Inspection inspection = INSPECTION_INIT;
        Buffer out = BUFFER_INIT;

        inspection_gather(&inspection, container);
        member_open(&out, NULL, '{');
        member_text(&out, "ID", container_id(container));
        member_text(&out, "Id", container_id(container));
        member_time(&out, "Created", inspection.config->created);
        add_command(&inspection, &out);
        add_state(&inspection, &out);
        add_image(&inspection, &out);
        member_text(&out, "Name", inspection.config->name);
        add_files(&inspection, &out);
        member_text(&out, "OCIRuntime", engine_runtime(inspection.engine)->name);
        add_security(&inspection, &out);
        add_storage(&inspection, &out);
        add_mounts(&inspection, &out);
        add_network(&out);
        member_array(&out, "ExitCommand", engine_exit_command(inspection.engine));
        inspect_blanks(&out, blanks, ARRAY_SIZE(blanks));
        inspect_host_config(&inspection, &out);
        inspect_config(&inspection, &out);
        member_close(&out, '}');

        char *text = buffer_take_string(&out);
        if (!text)
                abort(); /* no memory for what fits into a message: as for all that is bounded */
        return text;
}
