/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * org.varlink.service: what every service answers about itself, and the errors every method may
 * give.
 *
 * Its tables are written by hand, since the generator is built on this library; a test compares
 * them with those that are generated.
 */

#include "varlink/interface.h"
#include "varlink/server.h"

extern const VlInterface service_interface;

typedef enum ServiceError {
        SERVICE_ERROR_INTERFACE_NOT_FOUND,
        SERVICE_ERROR_METHOD_NOT_FOUND,
        SERVICE_ERROR_METHOD_NOT_IMPLEMENTED,
        SERVICE_ERROR_INVALID_PARAMETER,
        SERVICE_ERROR_PERMISSION_DENIED,
        SERVICE_ERROR_EXPECTED_MORE,
        _SERVICE_ERROR_MAX,
} ServiceError;

/** service_reply_error() - @subject: the error's one parameter, or NULL where it has none */
int service_reply_error(VarlinkCall *call, ServiceError error, const char *subject);

typedef struct Service {
        char *vendor, *product, *version, *url;
        const char **interfaces; /* names, in the order in which they were added */
        const char **descriptions;
        size_t interfaces_count, interfaces_capacity, descriptions_capacity;
} Service;

#define SERVICE_INIT \
        { .vendor = NULL }

void service_init(Service *service, const VarlinkServerOptions *options);
void service_done(Service *service);
void service_add_interface(Service *service, const VlInterface *interface);

/** service_handlers() - for varlink_server_add_interface(), with the Service as its userdata */
const void *service_handlers(void);
