/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/open.h"

#include <string.h>

#include "helper/dir.h"
#include "helper/docker_archive.h"
#include "helper/oci_layout.h"
#include "helper/registry.h"

/* What was given with the request, else what is configured. */
static int find_credentials(const Registries *registries, const SelkieTransferOptions *options,
                            const char *host, const char *repository, Credentials *ret,
                            Error *err) {
        if (!text_is_empty(options->credentials))
                return credentials_parse(options->credentials, ret, err);
        return auth_lookup(options->authFile, &registries->credential_helpers, host, repository,
                           ret, err) < 0
                       ? -1
                       : 0;
}

int open_registry_source(ImageSource **ret, const Registries *registries, const Endpoint *endpoint,
                         const Reference *reference, const SelkieTransferOptions *options,
                         const TransferControl *control, Error *err) {
        _cleanup_credentials_ Credentials credentials = CREDENTIALS_INIT;
        const Reference *place = &endpoint->reference;

        if (find_credentials(registries, options, place->domain, place->path, &credentials, err) <
            0)
                return -1;
        const RegistryOptions registry = { .host = place->domain,
                                           .repository = place->path,
                                           .is_insecure = endpoint->is_insecure ||
                                                          options->insecure,
                                           .cert_dir = options->certDir,
                                           .credentials = &credentials,
                                           .control = control };
        return registry_source_new(ret, &registry, reference, err);
}

int search_registry(const Registries *registries, const char *host, const char *term, size_t limit,
                    const SelkieTransferOptions *options, const TransferControl *control,
                    SearchResults *results, Error *err) {
        _cleanup_credentials_ Credentials credentials = CREDENTIALS_INIT;
        const Registry *row = registries_find(registries, host);

        if (row && row->is_blocked)
                return error_set(err, ERR_UNSUPPORTED, host, "registry %s is blocked", host);
        if (find_credentials(registries, options, host, "", &credentials, err) < 0)
                return -1;
        const RegistryOptions registry = { .host = host,
                                           .repository = "",
                                           .is_insecure = options->insecure ||
                                                          (row && row->is_insecure),
                                           .cert_dir = options->certDir,
                                           .credentials = &credentials,
                                           .control = control };
        return registry_search(&registry, term, limit, results, err);
}

/* An archive's own name for an image may be short, or no name at all: then it stays without one. */
static void add_local_name(const char *name, Strings *names) {
        Reference reference;
        char text[REFERENCE_TEXT_MAX];

        if (!text_is_empty(name) && reference_parse_local(name, &reference, NULL) == 0)
                strings_add(names, reference_format(&reference, text));
}

int open_archive_source(ImageSource **ret, Transport transport, const char *where,
                        Strings *ret_names, Error *err) {
        int r;

        switch (transport) {
        case TRANSPORT_DOCKER_ARCHIVE:
                r = docker_archive_source_new(ret, where, err);
                if (r == 0) {
                        const Strings *names = docker_archive_source_names(*ret);
                        for (size_t i = 0; i < names->count; i++)
                                strings_add(ret_names, names->items[i]);
                }
                return r;
        case TRANSPORT_OCI_ARCHIVE:
        case TRANSPORT_OCI:
                r = transport == TRANSPORT_OCI ? oci_source_new(ret, where, err)
                                               : oci_archive_source_new(ret, where, err);
                if (r == 0)
                        add_local_name(oci_source_name(*ret), ret_names);
                return r;
        case TRANSPORT_DIR:
                r = dir_source_new(ret, where, err);
                /* podman names what comes from a folder after the folder */
                if (r == 0)
                        add_local_name(where + strspn(where, "/"), ret_names);
                return r;
        case TRANSPORT_NONE:
        case TRANSPORT_DOCKER:
        case _TRANSPORT_MAX:
                break;
        }
        return error_set(err, ERR_INVALID, where, "\"%.600s\" is no archive", where);
}

/* Repositories of the registry that it goes to, where the image's blobs may lie already. */
static void collect_mounts(const Reference *destination, const Strings *names, Strings *ret) {
        for (size_t i = 0; i < names->count; i++) {
                Reference reference;
                if (reference_parse(names->items[i], &reference, NULL) == 0 &&
                    text_equal(reference.domain, destination->domain) &&
                    !text_equal(reference.path, destination->path))
                        strings_add(ret, reference.path);
        }
}

static int open_registry_sink(ImageSink **ret, const Registries *registries, const char *name,
                              const SelkieTransferOptions *options, const Strings *names,
                              const TransferControl *control, Error *err) {
        _cleanup_credentials_ Credentials credentials = CREDENTIALS_INIT;
        _cleanup_strings_ Strings mounts = STRINGS_INIT;
        Reference reference;
        bool is_insecure;

        if (reference_parse(name, &reference, err) < 0 ||
            reference_normalize(&reference, err) < 0 ||
            registries_destination(registries, &reference, &is_insecure, err) < 0 ||
            find_credentials(registries, options, reference.domain, reference.path, &credentials,
                             err) < 0)
                return -1;
        collect_mounts(&reference, names, &mounts);
        const RegistryOptions registry = { .host = reference.domain,
                                           .repository = reference.path,
                                           .is_insecure = is_insecure || options->insecure,
                                           .cert_dir = options->certDir,
                                           .credentials = &credentials,
                                           .control = control };
        return registry_sink_new(ret, &registry, &reference, &mounts, err);
}

int open_sink(ImageSink **ret, const Registries *registries, const SelkieTransferPushIn *request,
              const Strings *mount_from, const TransferControl *control, Error *err) {
        Transport transport;
        const char *where;

        if (transport_parse(request->destination, &transport, &where, err) < 0)
                return -1;
        switch (transport) {
        case TRANSPORT_DOCKER_ARCHIVE:
                return docker_archive_sink_new(ret, where, request->names.items,
                                               request->names.count, err);
        case TRANSPORT_OCI_ARCHIVE:
                return oci_archive_sink_new(ret, where, err);
        case TRANSPORT_OCI:
                return oci_sink_new(ret, where, err);
        case TRANSPORT_DIR:
                return dir_sink_new(ret, where, NULL, err);
        case TRANSPORT_NONE:
        case TRANSPORT_DOCKER:
        case _TRANSPORT_MAX:
                break;
        }
        return open_registry_sink(ret, registries, where, &request->options, mount_from, control,
                                  err);
}
