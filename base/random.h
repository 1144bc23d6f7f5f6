/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Random bytes from the kernel, and the identifiers made of them. */

#include <stddef.h>
#include <stdint.h>

#define ID_HEX_SIZE 64 /* characters of a container, pod or layer id */

/** random_bytes() - fill @data from getrandom(); aborts if the kernel has none to give */
void random_bytes(void *data, size_t size);

/** random_hex() - write @n lower-case hex digits and a NUL; @text holds @n + 1 bytes */
void random_hex(char *text, size_t n);

/** random_below() - uniform number in [0, @bound), @bound > 0 */
uint64_t random_below(uint64_t bound);
