/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/address.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

void varlink_address_done(VarlinkAddress *address) {
        free(address->name);
        free(address->port);
        *address = (VarlinkAddress)VARLINK_ADDRESS_INIT;
}

static int parse_mode(const char *text, mode_t *ret) {
        mode_t mode = 0;

        if (!*text || strlen(text) > 4)
                return -EINVAL;
        for (const char *p = text; *p; p++) {
                if (*p < '0' || *p > '7')
                        return -EINVAL;
                mode = mode * 8 + (mode_t)(*p - '0');
        }
        if (mode > 0777)
                return -EINVAL;
        *ret = mode;
        return 0;
}

/* What stands between `unix:` and the end: a name, and maybe one property. */
static int parse_unix(const char *text, VarlinkAddress *address) {
        size_t length = strcspn(text, ";");
        const char *property = text[length] ? text + length + 1 : NULL;

        if (text[0] == '@') {
                /* An abstract name has no permissions that a mode could set. */
                if (length < 2 || property)
                        return -EINVAL;
                if (length > sizeof(((struct sockaddr_un *)NULL)->sun_path))
                        return -ENAMETOOLONG;
                address->kind = VARLINK_ADDRESS_ABSTRACT;
                address->name = strndup(text + 1, length - 1);
                return address->name ? 0 : -ENOMEM;
        }

        if (length == 0 || text[length - 1] == '/')
                return -EINVAL;
        if (property) {
                const char *mode = text_starts_with(property, "mode=");
                if (!mode || parse_mode(mode, &address->mode) < 0)
                        return -EINVAL;
        }
        address->kind = VARLINK_ADDRESS_FILE;
        address->name = strndup(text, length);
        return address->name ? 0 : -ENOMEM;
}

static bool is_port(const char *text) {
        size_t length = strlen(text);

        return length > 0 && length <= 5 && strspn(text, "0123456789") == length &&
               strtoul(text, NULL, 10) <= 65535;
}

/* HOST:PORT, where a host that holds colons itself stands in brackets. */
static int parse_tcp(const char *text, VarlinkAddress *address) {
        const char *host = text, *host_end, *port;

        if (text[0] == '[') {
                host = text + 1;
                host_end = strchr(host, ']');
                if (!host_end || host_end[1] != ':')
                        return -EINVAL;
                port = host_end + 2;
        } else {
                host_end = strchr(text, ':');
                if (!host_end)
                        return -EINVAL;
                port = host_end + 1;
        }
        if (host_end == host || !is_port(port))
                return -EINVAL;

        address->kind = VARLINK_ADDRESS_TCP;
        address->name = strndup(host, (size_t)(host_end - host));
        address->port = strdup(port);
        return address->name && address->port ? 0 : -ENOMEM;
}

int varlink_address_parse(const char *text, VarlinkAddress *ret) {
        _cleanup_varlink_address_ VarlinkAddress address = VARLINK_ADDRESS_INIT;
        const char *rest;
        int r;

        if (strlen(text) > VARLINK_ADDRESS_MAX)
                return -ENAMETOOLONG;
        if ((rest = text_starts_with(text, "unix:"))) {
                r = parse_unix(rest, &address);
        } else if ((rest = text_starts_with(text, "tcp:"))) {
                r = parse_tcp(rest, &address);
        } else if ((rest = text_starts_with(text, "exec:")) && *rest) {
                address.kind = VARLINK_ADDRESS_EXEC;
                address.name = strdup(rest);
                r = address.name ? 0 : -ENOMEM;
        } else {
                r = -EINVAL;
        }
        if (r < 0)
                return r;
        *ret = address;
        address = (VarlinkAddress)VARLINK_ADDRESS_INIT;
        return 0;
}
