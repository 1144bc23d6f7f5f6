/* SPDX-License-Identifier: Apache-2.0 */

/* Typed wrappers around the untyped calls of the server and the client. */

#include "varlinkgen/output.h"

#define TAB "        "

static void put_reply(const Model *model, const IdlMember *member, const char *verb,
                      const char *continues, Buffer *out) {
        output_reply_prototype(model, member, verb, out);
        buffer_printf(out,
                      " {\n" TAB
                      "const VlMethod *method = &%s_interface.methods[%s_METHOD_%s];\n\n",
                      model->snake, model->upper, member->name);
        buffer_printf(out, TAB "return varlink_call_reply(call, method->out, out, %s);\n}\n\n",
                      continues);
}

static void put_error(const Model *model, const IdlMember *member, Buffer *out) {
        bool has_fields = member->type->fields_count > 0;

        output_error_prototype(model, member, out);
        buffer_printf(out,
                      " {\n" TAB "const VlErrorInfo *error = &%s_interface.errors[%s_ERROR_%s];\n",
                      model->snake, model->upper, member->name);
        if (!has_fields)
                buffer_printf(out, TAB "const %s%s parameters = { .present = { 0 } };\n",
                              model->camel, member->name);
        buffer_printf(out, "\n" TAB "return varlink_call_reply_error(call, error, %s);\n}\n\n",
                      has_fields ? "parameters" : "&parameters");
}

void output_server(const Model *model, Buffer *out) {
        const Idl *idl = model->idl;

        output_first_line(model, out);
        buffer_printf(out, "#include \"%s.h\"\n\n#include \"varlink/server.h\"\n\n", model->stem);
        for (size_t i = 0; i < idl->members_count; i++) {
                const IdlMember *member = &idl->members[i];
                if (member->kind == IDL_MEMBER_METHOD) {
                        put_reply(model, member, "reply", "false", out);
                        put_reply(model, member, "continue", "true", out);
                } else if (member->kind == IDL_MEMBER_ERROR) {
                        put_error(model, member, out);
                }
        }
        if (out->size > 0) /* each function ends with an empty line, the file without one */
                out->size--;
}

static void put_call(const Model *model, const IdlMember *member, Buffer *out) {
        const char *name = member->name;

        output_doc(member->doc, 0, out);
        buffer_printf(
                out,
                "static inline int %s_call_%s(VarlinkClient *client, const %s%sIn *in,\n" TAB TAB
                "Arena *arena, %s%sOut *out, VarlinkReply *ret_reply) {\n",
                model->snake, name, model->camel, name, model->camel, name);
        buffer_printf(out, TAB "const VlMethod *method = &%s_interface.methods[%s_METHOD_%s];\n\n",
                      model->snake, model->upper, name);
        buffer_printf(out,
                      TAB "return varlink_client_call(client, &%s_interface, method, in, arena, "
                          "out, ret_reply);\n}\n",
                      model->snake);
}

void output_client(const Model *model, Buffer *out) {
        const Idl *idl = model->idl;

        output_first_line(model, out);
        buffer_printf(out, "#pragma once\n\n#include \"%s.h\"\n#include \"varlink/client.h\"\n",
                      model->stem);
        for (size_t i = 0; i < idl->members_count; i++)
                if (idl->members[i].kind == IDL_MEMBER_METHOD) {
                        buffer_append_byte(out, '\n');
                        put_call(model, &idl->members[i], out);
                }
}
