/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A store in a scratch folder, and the things that tests put into it. */

#include "base/buffer.h"
#include "storage/store.h"
#include "tests/unit/scratch.h"

typedef struct Fixture {
        Scratch scratch;
        char graph[64], run[64];
        char small[64]; /* a small disk that a test has mounted */
        Store *store;
        StoreLayerContent content; /* of the last import */
} Fixture;

/* For cmocka_unit_test_setup_teardown(). */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/** fixture_open() - another store on the same folders */
Store *fixture_open(const Fixture *f);

/* Files below the scratch folder: `graph/...` and `run/...`. */
char *fixture_read(const Fixture *f, const char *path);
void fixture_write(const Fixture *f, const char *path, const char *text);
bool fixture_exists(const Fixture *f, const char *path);

/** fixture_count() - entries of a folder, by its absolute path */
size_t fixture_count(const char *path);

/** fixture_expect_empty() - fails if there is anything in a folder below the graph root */
void fixture_expect_empty(const Fixture *f, const char *folder);

/** fixture_file() - an unlinked file with these bytes, at its start */
int fixture_file(const Fixture *f, const void *data, size_t size);

/** fixture_import() - import a base layer; f->content; its stream must come out again */
int fixture_import(Fixture *f, const void *data, size_t size, Error *err);

/**
 * fixture_import_good() - the same; fails if it does; empties @tar; returns the layer's diff
 * directory
 */
int fixture_import_good(Fixture *f, Buffer *tar);

/** fixture_import_bad() - fails if it does not fail in this way; @subject: or NULL; empties @tar */
void fixture_import_bad(Fixture *f, Buffer *tar, ErrorKind kind, const char *subject);

/** fixture_layer() - a layer with one small file that no other layer has */
StoreLayerContent fixture_layer(const Fixture *f, const char *parent);

/** fixture_image() - an image whose documents are just texts; its id in @id */
void fixture_image(const Fixture *f, const char *config, const char *layer,
                   const char *const *names, size_t names_count, char id[static 65]);

/** fixture_ids() - random ids of a container and its layer */
void fixture_ids(char id[static 65], char layer[static 65]);

/** fixture_container() - store_container_create() with a metadata text */
int fixture_container(Store *store, const char *id, const char *layer, const char *name,
                      const char *image, Error *err);
