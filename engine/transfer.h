/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Images that come and go: each pull, push, search and download is a run of the helper
 * selkie-transfer, which works on the store by itself. What it is fed by registries and archives is
 * hostile; a crash there is an error reply here.
 *
 * Blocking, on worker threads; cancelling is for any thread.
 */

#include "base/arena.h"
#include "base/text.h"
#include "engine/engine.h"
#include "idl/selkie.transfer.h"

typedef struct Transfer Transfer;

/* How far it is; texts are valid during the call. Phases: idl/selkie.transfer.varlink. */
typedef void (*TransferProgressFunc)(const SelkieTransferProgress *progress, void *userdata);

/** transfer_new() - one reference is the caller's, transfer_unref(); no process yet */
Transfer *transfer_new(Engine *engine);
Transfer *transfer_ref(Transfer *transfer);
Transfer *transfer_unref(Transfer *transfer);
DEFINE_CLEANUP(Transfer, transfer_unref);

/** transfer_on_progress() - be told, on the thread that runs the transfer; before it is run */
void transfer_on_progress(Transfer *transfer, TransferProgressFunc func, void *userdata);

/** transfer_cancel() - end it, now or as soon as it begins: it fails with ERR_CANCELLED */
void transfer_cancel(Transfer *transfer);

/*
 * What a transfer can do; one of these, once. Errors are those that the helper had, and ERR_IO when
 * it could not be started or died. Names, transports and documents: helper/.
 */

/** transfer_pull() - @ret_id: heap, 64 hex digits */
int transfer_pull(Transfer *transfer, const SelkieTransferPullIn *in, char **ret_id, Error *err);

/** transfer_push() - @ret_digest: heap, of the manifest as it was sent */
int transfer_push(Transfer *transfer, const SelkieTransferPushIn *in, char **ret_digest,
                  Error *err);

/** transfer_search() - @ret: strings of it live in @arena */
int transfer_search(Transfer *transfer, const SelkieTransferSearchIn *in, Arena *arena,
                    SelkieTransferSearchOut *ret, Error *err);

/** transfer_fetch() - download to @fd, which is borrowed */
int transfer_fetch(Transfer *transfer, const SelkieTransferFetchIn *in, int fd, Error *err);
