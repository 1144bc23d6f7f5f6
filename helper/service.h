/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The methods of selkie.transfer: names and transports become sources and sinks. */

#include "image/policy.h"
#include "image/registries.h"
#include "storage/store.h"
#include "varlink/server.h"

typedef struct Service {
        Store *store;
        Registries registries;
} Service;

/** service_open() - the store and the configuration of who runs this */
int service_open(Service *service, const StoreOptions *options, Error *err);

/** service_register() - @service outlives @server */
int service_register(Service *service, VarlinkServer *server);
