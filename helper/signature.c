/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/signature.h"

#include <errno.h>
#include <gpgme.h>
#include <pthread.h>
#include <string.h>

#include "base/config.h"
#include "base/fd.h"
#include "base/path.h"

/*
 * Verifying needs no agent, and an agent would outlive us. All keys here are trusted, so there
 * is no trust to keep books on. And gpg, which is no child of ours to wait for, has nothing to
 * write any more when the folder goes.
 */
#define GPG_OPTIONS              \
        "no-autostart\n"         \
        "no-auto-key-retrieve\n" \
        "trust-model always\n"   \
        "lock-never\n"           \
        "no-random-seed-file\n"

struct Keyring {
        char *home; /* GNUPGHOME; NULL: none yet */
        gpgme_ctx_t context;
};

static void initialize(void) {
        (void)gpgme_check_version(NULL);
}

static int fail(gpgme_error_t error, const char *what, Error *err) {
        return error_set(err,
                         gpgme_err_code(error) == GPG_ERR_INV_ENGINE ||
                                         gpgme_err_code(error) == GPG_ERR_UNSUPPORTED_PROTOCOL
                                 ? ERR_UNSUPPORTED
                                 : ERR_IO,
                         "gpg", "cannot %s: %s", what, gpgme_strerror(error));
}

Keyring *keyring_close(Keyring *keyring) {
        if (!keyring)
                return NULL;
        if (keyring->context)
                gpgme_release(keyring->context);
        if (keyring->home)
                (void)path_remove_tree(AT_FDCWD, keyring->home);
        free(keyring->home);
        free(keyring);
        return NULL;
}

/* --- the keys --- */

static int make_home(Keyring *keyring, Error *err) {
        const char *folder = config_from_environment("TMPDIR");
        _cleanup_free_ char *path = xasprintf("%s/selkie-keys-XXXXXX", folder ? folder : "/tmp");

        if (!mkdtemp(path)) /* 0700 */
                return error_errno(err, ERR_IO, errno, path, "cannot make a folder for keys");
        keyring->home = xstrdup(path);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno
                       : file_write_atomic_at(fd, "gpg.conf", GPG_OPTIONS, strlen(GPG_OPTIONS),
                                              0600, false);
        return r < 0 ? error_errno(err, ERR_IO, -r, path, "cannot make a keyring") : 0;
}

static int make_context(Keyring *keyring, Error *err) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void)pthread_once(&once, initialize);
        gpgme_error_t error = gpgme_new(&keyring->context);
        if (!error)
                error = gpgme_set_protocol(keyring->context, GPGME_PROTOCOL_OpenPGP);
        if (!error)
                error = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
        if (!error)
                error = gpgme_ctx_set_engine_info(keyring->context, GPGME_PROTOCOL_OpenPGP, NULL,
                                                  keyring->home);
        if (!error) /* no dirmngr, no key server */
                error = gpgme_set_keylist_mode(keyring->context, GPGME_KEYLIST_MODE_LOCAL);
        gpgme_set_offline(keyring->context, 1);
        return error ? fail(error, "use gpg", err) : 0;
}

static int import(Keyring *keyring, const char *name, const void *data, size_t size, Error *err) {
        gpgme_data_t keys;

        gpgme_error_t error = gpgme_data_new_from_mem(&keys, data, size, 0);
        if (error)
                return fail(error, "read the keys", err);
        error = gpgme_op_import(keyring->context, keys);
        gpgme_data_release(keys);
        if (error && gpgme_err_code(error) != GPG_ERR_NO_DATA)
                return fail(error, "import the keys", err);
        gpgme_import_result_t result = gpgme_op_import_result(keyring->context);
        /* Without one nothing could ever be accepted; better told than wondered about. */
        if (error || !result || result->considered == 0 ||
            result->considered == result->not_imported)
                return error_set(err, ERR_INVALID, name, "there is no public key in %s", name);
        return 0;
}

static int import_file(Keyring *keyring, const char *path, Error *err) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = file_read_at(AT_FDCWD, path, SIGNATURE_KEYS_SIZE, &data, &size);
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "the keys in %s have more than %d bytes",
                                 path, SIGNATURE_KEYS_SIZE);
        if (r < 0)
                return error_errno(err, r == -ENOENT ? ERR_NOT_FOUND : ERR_IO, -r, path,
                                   "cannot read the keys in %s", path);
        return import(keyring, path, data, size, err);
}

int keyring_open(Keyring **ret, const PolicyRequirement *requirement, Error *err) {
        _cleanup_(keyring_closep)
        Keyring *keyring = xnew(Keyring, 1);

        if (make_home(keyring, err) < 0 || make_context(keyring, err) < 0)
                return -1;
        if (requirement->key_data && import(keyring, "the policy's keyData", requirement->key_data,
                                            requirement->key_size, err) < 0)
                return -1;
        for (size_t i = 0; i < requirement->key_paths.count; i++)
                if (import_file(keyring, requirement->key_paths.items[i], err) < 0)
                        return -1;
        *ret = TAKE_PTR(keyring);
        return 0;
}

/* --- a signature --- */

static int refuse(Error *err, const char *reason) {
        return error_set(err, ERR_INVALID, "signature", "%s", reason);
}

/* One signature, by a key of the ring, and nothing to be said against it. */
static int check_result(gpgme_verify_result_t result, Error *err) {
        if (!result || !result->signatures)
                return refuse(err, "it is not signed");
        if (result->signatures->next)
                return refuse(err, "it has more than one signature");
        const struct _gpgme_signature *signature = result->signatures;
        if (gpgme_err_code(signature->status) == GPG_ERR_NO_PUBKEY)
                return error_set(err, ERR_INVALID, "signature",
                                 "it was made by key %s, which is not trusted for this image",
                                 signature->fpr ? signature->fpr : "?");
        if (gpgme_err_code(signature->status) != GPG_ERR_NO_ERROR)
                return error_set(err, ERR_INVALID, "signature", "it is not valid: %s",
                                 gpgme_strerror(signature->status));
        if (signature->wrong_key_usage || signature->validity == GPGME_VALIDITY_NEVER ||
            gpgme_err_code(signature->validity_reason) != GPG_ERR_NO_ERROR ||
            (signature->summary & (GPGME_SIGSUM_RED | GPGME_SIGSUM_KEY_REVOKED |
                                   GPGME_SIGSUM_KEY_EXPIRED | GPGME_SIGSUM_SIG_EXPIRED)))
                return error_set(err, ERR_INVALID, "signature",
                                 "its key %s is revoked, expired or not meant for signing",
                                 signature->fpr ? signature->fpr : "?");
        return 0;
}

static int read_claim(gpgme_data_t plain, SignedClaim *ret, Error *err) {
        size_t size;

        char *text = gpgme_data_release_and_get_mem(plain, &size);
        if (!text)
                return refuse(err, "it is empty");
        int r = signed_claim_parse(text, size, ret, err);
        gpgme_free(text);
        return r;
}

int keyring_verify(Keyring *keyring, const void *data, size_t size, SignedClaim *ret, Error *err) {
        gpgme_data_t message, plain;

        if (size > SIGNATURE_SIZE_MAX)
                return error_set(err, ERR_LIMIT, "signature", "it has %zu bytes, more than %d",
                                 size, SIGNATURE_SIZE_MAX);
        /* Packets only: a text that gpg finds a signature in could hold more than that. */
        if (size == 0 || !(*(const unsigned char *)data & 0x80))
                return refuse(err, "it is no signed message: not in OpenPGP's binary form");
        gpgme_error_t error = gpgme_data_new_from_mem(&message, data, size, 0);
        if (error)
                return fail(error, "read a signature", err);
        error = gpgme_data_new(&plain);
        if (error) {
                gpgme_data_release(message);
                return fail(error, "read a signature", err);
        }
        error = gpgme_op_verify(keyring->context, message, NULL, plain);
        gpgme_data_release(message);
        int r = error ? error_set(err, ERR_INVALID, "signature", "it is no signed message: %s",
                                  gpgme_strerror(error))
                      : check_result(gpgme_op_verify_result(keyring->context), err);
        if (r < 0) {
                gpgme_data_release(plain);
                return -1;
        }
        return read_claim(plain, ret, err);
}
