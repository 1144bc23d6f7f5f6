/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the qualified name of a method to who answers it: one look-up in one map.
 *
 * Filled before the first call is served and only read afterwards, so that any thread may look up.
 */

#include "base/map.h"
#include "varlink/server.h"

typedef struct Route {
        const VlInterface *interface;
        const VlMethod *method;
        VlHandler handler; /* NULL: not implemented */
        void *userdata;
        bool is_inline;
} Route;

typedef struct RouteInterface {
        const VlInterface *interface;
        Route *routes; /* one for each method, in its order */
} RouteInterface;

typedef struct RouteTable {
        RouteInterface *interfaces;
        size_t interfaces_count, interfaces_capacity;
        Map by_name; /* "io.podman.Ping" -> Route */
} RouteTable;

#define ROUTE_TABLE_INIT \
        { .interfaces = NULL }

void route_table_done(RouteTable *table);

/** route_table_add() - 0, or -EEXIST when an interface of that name is there */
int route_table_add(RouteTable *table, const VlInterface *interface, const void *handlers,
                    void *userdata);

/** route_table_find() - the route of a qualified method name, or NULL */
Route *route_table_find(const RouteTable *table, const char *method);

/** route_table_find_interface() - by its name of @size bytes, or NULL */
RouteInterface *route_table_find_interface(const RouteTable *table, const char *name, size_t size);
