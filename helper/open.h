/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From names and transports to sources and sinks, by the configuration of who runs this. */

#include "helper/search.h"
#include "helper/sink.h"
#include "helper/source.h"
#include "idl/selkie.transfer.h"
#include "image/endpoints.h"
#include "image/registries.h"
#include "image/transport.h"

/** open_registry_source() - one of the places of an image; credentials are looked up */
int open_registry_source(ImageSource **ret, const Registries *registries, const Endpoint *endpoint,
                         const Reference *reference, const SelkieTransferOptions *options,
                         const TransferControl *control, Error *err);

/** search_registry() - append the hits of one registry; as registry_search() */
int search_registry(const Registries *registries, const char *host, const char *term, size_t limit,
                    const SelkieTransferOptions *options, const TransferControl *control,
                    SearchResults *results, Error *err);

/**
 * open_archive_source() - any other transport than a registry's
 * @ret_names: full names that the image is to have here
 */
int open_archive_source(ImageSource **ret, Transport transport, const char *where,
                        Strings *ret_names, Error *err);

/**
 * open_sink() - `transport:where`
 * @names:      more names, for a docker-archive
 * @mount_from: full names that the image has here: registries may have its blobs under them
 */
int open_sink(ImageSink **ret, const Registries *registries, const SelkieTransferPushIn *request,
              const Strings *mount_from, const TransferControl *control, Error *err);
