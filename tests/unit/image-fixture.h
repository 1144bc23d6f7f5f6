/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A store with its catalog of images in a scratch folder, for the tests of image/. */

#include "image/catalog.h"
#include "image/import.h"

typedef struct Fixture {
        char dir[64];           /* the scratch folder, for whatever else a test needs */
        char root[80], run[80]; /* of the store */
        char tar[80], gz[96];   /* see fixture_make_tarballs() */
        Store *store;
        ImageCatalog *catalog;
} Fixture;

/**
 * fixture_setup(), fixture_teardown() - for cmocka; the teardown unmounts what other tools mounted
 */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/** fixture_add_config() - an image without layers whose config is @config; its id, heap */
char *fixture_add_config(Fixture *fixture, const char *config, const char *const *names,
                         size_t names_count);

/** fixture_add() - the same, one for each @author, who is also a label; @name may be NULL */
char *fixture_add(Fixture *fixture, const char *author, const char *name);

/**
 * fixture_make_tarballs() - busybox as a root file system, plain and compressed, both of one date
 */
void fixture_make_tarballs(Fixture *fixture);

/** fixture_import() - image_import() that must succeed; the id, heap */
char *fixture_import(Fixture *fixture, const ImageImportOptions *options);

/** fixture_run() - run a program that must succeed; its output, heap. @argv[0] is its path */
char *fixture_run(const char *const *argv);

#define FIXTURE_RUN(...) free(fixture_run((const char *const[]){ __VA_ARGS__, NULL }))
