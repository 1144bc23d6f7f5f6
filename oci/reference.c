/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A reference is cut from its end: the digest behind the first `@`, the tag behind the last `:`
 * that stands after the last `/`, then the domain before the first `/` if it looks like one. Each
 * piece is then held against its own grammar, so that an error can say which piece is wrong.
 */

#include "oci/reference.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DOCKER_DOMAIN     "docker.io"
#define DOCKER_DOMAIN_OLD "index.docker.io"
#define DOCKER_NAMESPACE  "library/"
#define LOCAL_DOMAIN      "localhost"
#define DEFAULT_TAG       "latest"

#define NAME_TOO_LONG "the name is longer than 255 characters"

#define DIGITS "0123456789"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* A piece of the text that is being parsed. */
typedef struct Piece {
        const char *start;
        size_t size;
} Piece;

static int refuse(Error *err, const char *text, const char *reason) {
        return error_set(err, ERR_INVALID, text, "\"%.600s\" is no valid image reference: %s", text,
                         reason);
}

/* How many characters at the start of [@p, @end) belong to @set. */
static size_t span(const char *p, const char *end, const char *set) {
        const char *start = p;

        while (p < end && *p && strchr(set, *p))
                p++;
        return (size_t)(p - start);
}

/* path-component: runs of lower-case letters and digits, joined by one of `.`, `_`, `__`, or
 * dashes. */
static bool is_path_component(const char *p, const char *end) {
        for (;;) {
                size_t word = span(p, end, LOWER DIGITS);
                if (word == 0)
                        return false;
                p += word;
                if (p == end)
                        return true;
                size_t dashes = span(p, end, "-"), underscores = span(p, end, "_");
                if (dashes)
                        p += dashes;
                else if (underscores == 1 || underscores == 2)
                        p += underscores;
                else if (*p == '.')
                        p++;
                else
                        return false;
        }
}

static const char *check_path(Piece path) {
        const char *p = path.start, *end = p + path.size;

        if (path.size == 0)
                return "it has no name";
        for (const char *q = p; q < end; q++)
                if (strchr(UPPER, *q))
                        return "the name must be in lower case";
        for (;;) {
                const char *slash = memchr(p, '/', (size_t)(end - p));
                if (!is_path_component(p, slash ? slash : end))
                        return "a part of the name is empty, or is not made of lower-case letters "
                               "and "
                               "digits with single separators between them";
                if (!slash)
                        return NULL;
                p = slash + 1;
        }
}

/* Letters, digits and dashes; neither end a dash. */
static bool is_domain_component(const char *p, const char *end) {
        return p < end && *p != '-' && end[-1] != '-' &&
               span(p, end, LOWER UPPER DIGITS "-") == (size_t)(end - p);
}

static bool is_port(const char *p, const char *end) {
        size_t digits = span(p, end, DIGITS);

        return digits >= 1 && digits <= 5 && p + digits == end;
}

static bool is_host(const char *p, const char *end) {
        if (p < end && *p == '[') /* an IPv6 address; what connects to it will check it */
                return end - p > 2 && end[-1] == ']' &&
                       span(p + 1, end - 1, DIGITS "abcdefABCDEF:.") == (size_t)(end - p - 2);
        for (;;) {
                const char *dot = memchr(p, '.', (size_t)(end - p));
                if (!is_domain_component(p, dot ? dot : end))
                        return false;
                if (!dot)
                        return true;
                p = dot + 1;
        }
}

static const char *check_domain(Piece domain) {
        const char *p = domain.start, *end = p + domain.size;
        const char *colon = memrchr(p, ':', domain.size);

        if (colon && end[-1] != ']') {
                if (!is_port(colon + 1, end))
                        return "the registry's port is no number of up to five digits";
                end = colon;
        }
        return is_host(p, end) ? NULL : "the registry is no host name";
}

static const char *check_tag(Piece tag) {
        const char *p = tag.start, *end = p + tag.size;

        if (tag.size == 0)
                return "the tag is empty";
        if (tag.size > REFERENCE_TAG_MAX)
                return "the tag is longer than 128 characters";
        if (*p == '.' || *p == '-' || span(p, end, LOWER UPPER DIGITS "_.-") != tag.size)
                return "the tag has characters other than letters, digits, '_', '.' and '-', or "
                       "starts "
                       "with one of the last two";
        return NULL;
}

static bool looks_like_domain(Piece first) {
        return memchr(first.start, '.', first.size) || memchr(first.start, ':', first.size) ||
               (first.size == strlen(LOCAL_DOMAIN) &&
                memcmp(first.start, LOCAL_DOMAIN, first.size) == 0);
}

/* Cut [@start, @end), which has no digest any more, into its three pieces; absent ones have no
 * start. */
static void cut(const char *start, const char *end, Piece *domain, Piece *path, Piece *tag) {
        const char *slash = memrchr(start, '/', (size_t)(end - start));
        const char *last = slash ? slash + 1 : start;
        const char *colon = memchr(last, ':', (size_t)(end - last));

        *domain = *tag = (Piece){ .start = NULL };
        if (colon) {
                *tag = (Piece){ colon + 1, (size_t)(end - colon - 1) };
                end = colon;
        }
        slash = memchr(start, '/', (size_t)(end - start));
        Piece first = { start, slash ? (size_t)(slash - start) : 0 };
        if (slash && looks_like_domain(first)) {
                *domain = first;
                start = slash + 1;
        }
        *path = (Piece){ start, (size_t)(end - start) };
}

static void copy(char *to, Piece piece) {
        if (piece.size)
                memcpy(to, piece.start, piece.size);
        to[piece.size] = '\0';
}

int reference_parse(const char *text, Reference *ret, Error *err) {
        const char *end = strchrnul(text, '@'), *wrong = NULL;
        Piece domain, path, tag;

        if (*end && !digest_is_valid(end + 1))
                return refuse(err, text,
                              "what follows '@' is not sha256: and 64 hexadecimal digits");
        cut(text, end, &domain, &path, &tag);
        if (domain.start)
                wrong = check_domain(domain);
        if (!wrong)
                wrong = check_path(path);
        if (!wrong && tag.start)
                wrong = check_tag(tag);
        if (!wrong && domain.size + !!domain.start + path.size > REFERENCE_NAME_MAX)
                wrong = NAME_TOO_LONG;
        if (wrong)
                return refuse(err, text, wrong);
        copy(ret->domain, domain);
        copy(ret->path, path);
        copy(ret->tag, tag);
        copy(ret->digest, (Piece){ end + 1, *end ? DIGEST_TEXT_SIZE - 1 : 0 });
        return 0;
}

/* A short name of 64 hexadecimal digits could never be told from an id. */
static int refuse_id_as_name(const Reference *reference, Error *err) {
        if (!*reference->domain && strlen(reference->path) == DIGEST_HEX_SIZE &&
            text_is_hex(reference->path))
                return refuse(err, reference->path,
                              "a name of 64 hexadecimal digits reads as an id");
        return 0;
}

/* Put @domain and @prefix before a path; the name may become too long by it. */
static int qualify(Reference *reference, const char *domain, const char *prefix, Error *err) {
        size_t path_size = strlen(reference->path), prefix_size = strlen(prefix);

        if (strlen(domain) + 1 + prefix_size + path_size > REFERENCE_NAME_MAX)
                return refuse(err, reference->path, NAME_TOO_LONG);
        memmove(reference->path + prefix_size, reference->path, path_size + 1);
        memcpy(reference->path, prefix, prefix_size);
        memcpy(reference->domain, domain, strlen(domain) + 1);
        return 0;
}

static void add_default_tag(Reference *reference) {
        if (!*reference->tag && !*reference->digest)
                memcpy(reference->tag, DEFAULT_TAG, sizeof(DEFAULT_TAG));
}

int reference_normalize(Reference *reference, Error *err) {
        if (refuse_id_as_name(reference, err) < 0)
                return -1;
        if (!*reference->domain || text_equal(reference->domain, DOCKER_DOMAIN_OLD) ||
            text_equal(reference->domain, DOCKER_DOMAIN)) {
                const char *prefix = strchr(reference->path, '/') ? "" : DOCKER_NAMESPACE;
                if (qualify(reference, DOCKER_DOMAIN, prefix, err) < 0)
                        return -1;
        }
        add_default_tag(reference);
        return 0;
}

int reference_parse_local(const char *text, Reference *ret, Error *err) {
        Reference reference = REFERENCE_INIT;

        if (reference_parse(text, &reference, err) < 0 || refuse_id_as_name(&reference, err) < 0)
                return -1;
        if (*reference.digest)
                return refuse(err, text,
                              "a digest comes from an image's content and cannot be given to it");
        if ((!*reference.domain && qualify(&reference, LOCAL_DOMAIN, "", err) < 0) ||
            reference_normalize(&reference, err) < 0)
                return -1;
        *ret = reference;
        return 0;
}

const char *reference_format_name(const Reference *reference,
                                  char text[static REFERENCE_TEXT_MAX]) {
        snprintf(text, REFERENCE_TEXT_MAX, "%s%s%s", reference->domain,
                 *reference->domain ? "/" : "", reference->path);
        return text;
}

const char *reference_format(const Reference *reference, char text[static REFERENCE_TEXT_MAX]) {
        reference_format_name(reference, text);
        size_t size = strlen(text);
        snprintf(text + size, REFERENCE_TEXT_MAX - size, "%s%s%s%s", *reference->tag ? ":" : "",
                 reference->tag, *reference->digest ? "@" : "", reference->digest);
        return text;
}
