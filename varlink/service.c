/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/service.h"

#include <assert.h>

#include "base/text.h"

/* The lines of idl/org.varlink.service.varlink as string literals. */
static const char service_description[] =
#include "varlink/org.varlink.service.inc"
        ;

/* --- tables ---------------------------------------------------------------------------------- */

typedef struct GetInfoOut {
        uint64_t present[1];
        const char *vendor, *product, *version, *url;
        VlArray interfaces;
} GetInfoOut;

/* One string: the shape of an input, an output and four errors, which only name it differently. */
typedef struct OneString {
        uint64_t present[1];
        const char *value;
} OneString;

typedef struct Empty {
        uint64_t present[1];
} Empty;

typedef struct Handlers {
        void (*get_info)(VarlinkCall *call, const Empty *in, void *userdata);
        void (*get_interface_description)(VarlinkCall *call, const OneString *in, void *userdata);
} Handlers;

static const VlType string_type = { .kind = VL_STRING, .size = sizeof(const char *) };
static const VlType strings_type = {
        .kind = VL_ARRAY,
        .size = sizeof(VlArray),
        .element = &string_type,
};
static const VlType empty_type = { .kind = VL_STRUCT, .size = sizeof(Empty) };

static const VlField get_info_fields[] = {
        { "vendor", &string_type, offsetof(GetInfoOut, vendor) },
        { "product", &string_type, offsetof(GetInfoOut, product) },
        { "version", &string_type, offsetof(GetInfoOut, version) },
        { "url", &string_type, offsetof(GetInfoOut, url) },
        { "interfaces", &strings_type, offsetof(GetInfoOut, interfaces) },
};
static const VlType get_info_type = {
        .kind = VL_STRUCT,
        .size = sizeof(GetInfoOut),
        .fields = get_info_fields,
        .fields_count = ARRAY_SIZE(get_info_fields),
};

#define ONE_STRING_TYPE(name)                                                                 \
        {                                                                                     \
                .kind = VL_STRUCT, .size = sizeof(OneString), .fields_count = 1,              \
                .fields = &(const VlField){ name, &string_type, offsetof(OneString, value) }, \
        }
static const VlType interface_type = ONE_STRING_TYPE("interface");
static const VlType description_type = ONE_STRING_TYPE("description");
static const VlType method_type = ONE_STRING_TYPE("method");
static const VlType parameter_type = ONE_STRING_TYPE("parameter");

static const VlMethod methods[] = {
        { "GetInfo", &empty_type, &get_info_type, offsetof(Handlers, get_info) },
        { "GetInterfaceDescription", &interface_type, &description_type,
          offsetof(Handlers, get_interface_description) },
};

#define ERROR_ROW(name, type) \
        { #name, "org.varlink.service." #name, type }
static const VlErrorInfo errors[_SERVICE_ERROR_MAX] = {
        [SERVICE_ERROR_INTERFACE_NOT_FOUND] = ERROR_ROW(InterfaceNotFound, &interface_type),
        [SERVICE_ERROR_METHOD_NOT_FOUND] = ERROR_ROW(MethodNotFound, &method_type),
        [SERVICE_ERROR_METHOD_NOT_IMPLEMENTED] = ERROR_ROW(MethodNotImplemented, &method_type),
        [SERVICE_ERROR_INVALID_PARAMETER] = ERROR_ROW(InvalidParameter, &parameter_type),
        [SERVICE_ERROR_PERMISSION_DENIED] = ERROR_ROW(PermissionDenied, &empty_type),
        [SERVICE_ERROR_EXPECTED_MORE] = ERROR_ROW(ExpectedMore, &empty_type),
};

const VlInterface service_interface = {
        .name = "org.varlink.service",
        .description = service_description,
        .methods = methods,
        .methods_count = ARRAY_SIZE(methods),
        .errors = errors,
        .errors_count = ARRAY_SIZE(errors),
};

/* --- answers --------------------------------------------------------------------------------- */

int service_reply_error(VarlinkCall *call, ServiceError error, const char *subject) {
        const OneString parameters = { .value = subject };

        return varlink_call_reply_error(call, &errors[error], &parameters);
}

static void get_info(VarlinkCall *call, _unused_ const Empty *in, void *userdata) {
        const Service *service = userdata;
        const GetInfoOut out = {
                .vendor = service->vendor,
                .product = service->product,
                .version = service->version,
                .url = service->url,
                .interfaces = { service->interfaces, service->interfaces_count },
        };

        (void)varlink_call_reply(call, &get_info_type, &out, false);
}

static void get_interface_description(VarlinkCall *call, const OneString *in, void *userdata) {
        const Service *service = userdata;

        for (size_t i = 0; i < service->interfaces_count; i++)
                if (text_equal(service->interfaces[i], in->value)) {
                        const OneString out = { .value = service->descriptions[i] };
                        (void)varlink_call_reply(call, &description_type, &out, false);
                        return;
                }
        (void)varlink_call_reply_invalid_parameter(call, interface_type.fields[0].name);
}

const void *service_handlers(void) {
        static const Handlers handlers = {
                .get_info = get_info,
                .get_interface_description = get_interface_description,
        };

        return &handlers;
}

/* --- the service ----------------------------------------------------------------------------- */

static char *copy_or_empty(const char *s) {
        return xstrdup(s ? s : "");
}

void service_init(Service *service, const VarlinkServerOptions *options) {
        *service = (Service){
                .vendor = copy_or_empty(options->vendor),
                .product = copy_or_empty(options->product),
                .version = copy_or_empty(options->version),
                .url = copy_or_empty(options->url),
        };
}

void service_done(Service *service) {
        free(service->vendor);
        free(service->product);
        free(service->version);
        free(service->url);
        free(service->interfaces);
        free(service->descriptions);
        *service = (Service)SERVICE_INIT;
}

void service_add_interface(Service *service, const VlInterface *interface) {
        GROW(service->interfaces, service->interfaces_count, service->interfaces_capacity);
        GROW(service->descriptions, service->interfaces_count, service->descriptions_capacity);
        service->interfaces[service->interfaces_count] = interface->name;
        service->descriptions[service->interfaces_count++] = interface->description;
}
