/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/challenge.h"

#include <strings.h>

typedef enum Scheme {
        SCHEME_UNKNOWN,
        SCHEME_BASIC,
        SCHEME_BEARER,
        _SCHEME_MAX,
} Scheme;

void challenge_done(Challenge *challenge) {
        free(challenge->realm);
        free(challenge->service);
        free(challenge->scope);
        *challenge = (Challenge)CHALLENGE_INIT;
}

static const char token_letters[] = "!#$%&'*+-.^_`|~0123456789"
                                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static const char *skip_space(const char *p) {
        return p + strspn(p, " \t");
}

/* Past the closing quote, or NULL. */
static const char *read_quoted(const char *p, char **ret) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        for (; *p != '"'; p++) {
                if (*p == '\\')
                        p++;
                if (*p == '\0')
                        return NULL;
                buffer_append_byte(&text, *p);
        }
        *ret = buffer_take_string(&text);
        return *ret ? p + 1 : NULL;
}

static const char *read_value(const char *p, char **ret) {
        if (*p == '"')
                return read_quoted(p + 1, ret);
        size_t length = strcspn(p, ", \t");
        *ret = xstrndup(p, length);
        return p + length;
}

static void set_text(char **to, char **from) {
        if (!*to)
                *to = TAKE_PTR(*from);
}

static void take_parameter(Challenge *bearer, const char *name, size_t length, char **value) {
        if (length == 5 && strncasecmp(name, "realm", length) == 0)
                set_text(&bearer->realm, value);
        else if (length == 7 && strncasecmp(name, "service", length) == 0)
                set_text(&bearer->service, value);
        else if (length == 5 && strncasecmp(name, "scope", length) == 0)
                set_text(&bearer->scope, value);
}

static Scheme scheme_of(const char *word, size_t length) {
        if (length == 5 && strncasecmp(word, "Basic", length) == 0)
                return SCHEME_BASIC;
        if (length == 6 && strncasecmp(word, "Bearer", length) == 0)
                return SCHEME_BEARER;
        return SCHEME_UNKNOWN;
}

/*
 * A word is a scheme unless `=` follows it; then it is a parameter of the scheme before. So no
 * comma tells more than that one thing ends.
 */
static int parse_into(const char *p, Challenge *bearer, bool *has_basic, Error *err) {
        Scheme scheme = SCHEME_UNKNOWN;
        unsigned schemes[_SCHEME_MAX] = { 0 };

        for (unsigned i = 0;; i++) {
                p += strspn(p, ", \t");
                if (*p == '\0')
                        return 0;
                size_t length = strspn(p, token_letters);
                if (length == 0)
                        return error_set(err, ERR_INVALID, NULL, "it is not well-formed");
                if (i == CHALLENGE_PARAMETERS_MAX)
                        return error_set(err, ERR_LIMIT, NULL, "it has more than %d parts",
                                         CHALLENGE_PARAMETERS_MAX);
                const char *word = p;
                p = skip_space(p + length);
                if (*p != '=') {
                        scheme = scheme_of(word, length);
                        schemes[scheme]++;
                        *has_basic = *has_basic || scheme == SCHEME_BASIC;
                        continue;
                }
                _cleanup_free_ char *value = NULL;
                p = read_value(skip_space(p + 1), &value);
                if (!p)
                        return error_set(err, ERR_INVALID, NULL, "a quote is not closed");
                if (scheme == SCHEME_BEARER && schemes[SCHEME_BEARER] == 1)
                        take_parameter(bearer, word, length, &value);
        }
}

int challenge_parse(const char *value, Challenge *challenge, Error *err) {
        _cleanup_challenge_ Challenge bearer = CHALLENGE_INIT;

        int r = parse_into(value, &bearer, &challenge->has_basic, err);
        if (!challenge->realm && bearer.realm) {
                set_text(&challenge->realm, &bearer.realm);
                set_text(&challenge->service, &bearer.service);
                set_text(&challenge->scope, &bearer.scope);
        }
        return r < 0 ? error_prefix(err, "its WWW-Authenticate header cannot be read") : 0;
}

int challenge_read(const HttpResponse *response, Challenge *ret, Error *err) {
        _cleanup_challenge_ Challenge challenge = CHALLENGE_INIT;
        Error failure = ERROR_INIT;
        const char *value;

        for (size_t i = 0; (value = http_response_header(response, "WWW-Authenticate", i)); i++)
                (void)challenge_parse(value, &challenge, &failure);
        if (challenge.has_basic || challenge.realm) {
                challenge_done(ret);
                *ret = challenge;
                challenge = (Challenge)CHALLENGE_INIT;
                return 0;
        }
        if (failure.kind != ERR_NONE)
                return error_copy(err, &failure);
        if (http_response_header(response, "WWW-Authenticate", 0))
                return error_set(err, ERR_UNSUPPORTED, NULL,
                                 "it wants a login that is neither Basic nor Bearer");
        return error_set(err, ERR_INVALID, NULL,
                         "401 without a challenge: it does not say how to log in");
}
