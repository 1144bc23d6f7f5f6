/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Intrusive doubly linked list: the links live in the element, so membership never allocates. */

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

typedef struct List List;
struct List {
        List *next, *prev;
};

/* A list head, or an element that is in no list, points to itself. */
#define LIST_INIT(name) \
        { .next = &(name), .prev = &(name) }

static inline void list_init(List *list) {
        list->next = list->prev = list;
}

static inline bool list_is_empty(const List *list) {
        return list->next == list;
}

static inline void list_append(List *head, List *element) {
        element->prev = head->prev;
        element->next = head;
        head->prev->next = element;
        head->prev = element;
}

/* Safe on an element that is in no list. */
static inline void list_remove(List *element) {
        element->prev->next = element->next;
        element->next->prev = element->prev;
        list_init(element);
}

/* Iterates over the links; the current element may be removed in the body. */
#define LIST_FOREACH(it, head)                                             \
        for (List *it = (head)->next, *it##_next = it->next; it != (head); \
             it = it##_next, it##_next = it->next)
