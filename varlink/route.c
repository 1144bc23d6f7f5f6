/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/route.h"

#include <errno.h>
#include <string.h>

void route_table_done(RouteTable *table) {
        for (size_t i = 0; i < table->interfaces_count; i++)
                free(table->interfaces[i].routes);
        free(table->interfaces);
        map_done(&table->by_name);
        *table = (RouteTable)ROUTE_TABLE_INIT;
}

static VlHandler get_handler(const void *handlers, const VlMethod *method) {
        VlHandler handler = NULL;

        /*
         * Every member of a struct of handlers is a function pointer, whatever its arguments'
         * type.
         */
        if (handlers)
                memcpy(&handler, (const char *)handlers + method->handler_offset, sizeof(handler));
        return handler;
}

int route_table_add(RouteTable *table, const VlInterface *interface, const void *handlers,
                    void *userdata) {
        if (route_table_find_interface(table, interface->name, strlen(interface->name)))
                return -EEXIST;

        Route *routes = xnew(Route, interface->methods_count ? interface->methods_count : 1);
        for (size_t i = 0; i < interface->methods_count; i++) {
                const VlMethod *method = &interface->methods[i];
                _cleanup_free_ char *name = xasprintf("%s.%s", interface->name, method->name);

                routes[i] = (Route){
                        .interface = interface,
                        .method = method,
                        .handler = get_handler(handlers, method),
                        .userdata = userdata,
                };
                map_put(&table->by_name, name, &routes[i]);
        }
        GROW(table->interfaces, table->interfaces_count, table->interfaces_capacity);
        table->interfaces[table->interfaces_count++] =
                (RouteInterface){ .interface = interface, .routes = routes };
        return 0;
}

Route *route_table_find(const RouteTable *table, const char *method) {
        return map_get(&table->by_name, method);
}

RouteInterface *route_table_find_interface(const RouteTable *table, const char *name, size_t size) {
        for (size_t i = 0; i < table->interfaces_count; i++) {
                const char *candidate = table->interfaces[i].interface->name;
                if (strlen(candidate) == size && memcmp(candidate, name, size) == 0)
                        return &table->interfaces[i];
        }
        return NULL;
}
