/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The four texts made of an interface. They are meant to be read: a developer who wonders what a
 * reply looks like in C opens the header in the build folder.
 */

#include "base/buffer.h"
#include "varlinkgen/model.h"

/** output_header() - NAME.h: typed structs, handlers, declarations of everything below */
void output_header(const Model *model, Buffer *out);

/** output_source() - NAME.c: the tables that the codec and the server walk; links to nothing */
void output_source(const Model *model, Buffer *out);

/** output_server() - NAME.server.c: typed replies and errors; links to the server */
void output_server(const Model *model, Buffer *out);

/** output_client() - NAME.client.h: one typed call for each method, inline; needs the client */
void output_client(const Model *model, Buffer *out);

/** output_first_line() - says what made this file, and of what */
void output_first_line(const Model *model, Buffer *out);

/**
 * output_doc() - the doc of an interface text as a C comment at that indentation; nothing for NULL
 */
void output_doc(const char *doc, unsigned indent, Buffer *out);

/**
 * output_reply_prototype() - "int io_podman_VERB_Ping(VarlinkCall *call, const IoPodmanPingOut
 * *out)"
 */
void output_reply_prototype(const Model *model, const IdlMember *member, const char *verb,
                            Buffer *out);

/**
 * output_error_prototype() - "int io_podman_error_X(VarlinkCall *call, const IoPodmanX
 * *parameters)"
 */
void output_error_prototype(const Model *model, const IdlMember *member, Buffer *out);
