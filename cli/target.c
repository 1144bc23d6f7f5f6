/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/target.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"

void target_done(Target *target) {
        free(target->address);
        *target = (Target)TARGET_INIT;
}

char *target_default_address(void) {
        const char *named = getenv("SELKIE_ADDRESS");
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (!text_is_empty(named))
                return xstrdup(named);
        if (geteuid() == 0 || text_is_empty(runtime))
                return xstrdup("unix:/run/podman/io.podman");
        return xasprintf("unix:%s/podman/io.podman", runtime);
}

int target_parse(const char *text, Target *ret) {
        const char *slash = strrchr(text, '/');
        const char *name = slash ? slash + 1 : text;

        if (slash == text || !*name)
                return -EINVAL;
        *ret = (Target){
                .address = slash ? xstrndup(text, (size_t)(slash - text))
                                 : target_default_address(),
                .name = name,
        };
        return 0;
}

int target_connect(const char *address, VarlinkClient **ret) {
        int r = varlink_client_connect(ret, address);

        switch (r) {
        case 0:
                return COMMAND_OK;
        case -EINVAL:
                return command_fail("%s is no address: unix:PATH, unix:@NAME, tcp:HOST:PORT or "
                                    "exec:COMMAND expected",
                                    address);
        case -ENXIO:
                return command_fail("cannot connect to %s: no such host", address);
        default:
                return command_fail("cannot connect to %s: %s", address, strerror(-r));
        }
}
