/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Documents that decide what is trusted are read strictly: a member that is not known might be one
 * that forbids something.
 */

#include <jansson.h>

#include "base/error.h"

/**
 * strict_members() - whether an object has no other members than these
 * @where: path of @json for errors, "" or ending in a dot
 *
 * ERR_INVALID: another member, or no object (subject = the member).
 */
int strict_members(const json_t *json, const char *where, const char *const *names, size_t count,
                   Error *err);
