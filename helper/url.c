/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/url.h"

#include <curl/curl.h>
#include <strings.h>

#include "base/text.h"

static CURLU *url_free(CURLU *url) {
        curl_url_cleanup(url);
        return NULL;
}
DEFINE_CLEANUP(CURLU, url_free);

static void curl_freep(char **text) {
        curl_free(*text);
}
#define _cleanup_curl_text_ _cleanup_(curl_freep)

static int bad_url(const char *url, CURLUcode code, Error *err) {
        return error_set(err, ERR_INVALID, url, "\"%.200s\" is no URL: %s", url,
                         curl_url_strerror(code));
}

static int parse(const char *text, CURLU **ret, Error *err) {
        _cleanup_(url_freep)
        CURLU *url = curl_url();
        if (!url)
                return error_set(err, ERR_LIMIT, NULL, "out of memory");
        CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
        if (code != CURLUE_OK)
                return bad_url(text, code, err);
        *ret = TAKE_PTR(url);
        return 0;
}

static int get_part(CURLU *url, const char *text, CURLUPart part, unsigned flags, char **ret,
                    Error *err) {
        CURLUcode code = curl_url_get(url, part, ret, flags);
        return code == CURLUE_OK ? 0 : bad_url(text, code, err);
}

int url_origin(const char *url, char **ret, Error *err) {
        _cleanup_(url_freep)
        CURLU *parsed = NULL;
        _cleanup_curl_text_ char *scheme = NULL, *host = NULL, *port = NULL;

        if (parse(url, &parsed, err) < 0 ||
            get_part(parsed, url, CURLUPART_SCHEME, 0, &scheme, err) < 0)
                return -1;
        if (!text_equal(scheme, "http") && !text_equal(scheme, "https"))
                return error_set(err, ERR_INVALID, url, "\"%.200s\" is neither http nor https",
                                 url);
        if (get_part(parsed, url, CURLUPART_HOST, 0, &host, err) < 0 ||
            get_part(parsed, url, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port, err) < 0)
                return -1;
        for (char *p = host; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p + ('a' - 'A'));
        *ret = xasprintf("%s://%s:%s", scheme, host, port);
        return 0;
}

int url_host(const char *url, char **ret, Error *err) {
        _cleanup_(url_freep)
        CURLU *parsed = NULL;
        _cleanup_curl_text_ char *host = NULL, *port = NULL;

        if (parse(url, &parsed, err) < 0 ||
            get_part(parsed, url, CURLUPART_HOST, 0, &host, err) < 0)
                return -1;
        bool has_port = curl_url_get(parsed, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        *ret = has_port ? xasprintf("%s:%s", host, port) : xstrdup(host);
        return 0;
}

int url_resolve(const char *base, const char *reference, char **ret, Error *err) {
        _cleanup_(url_freep)
        CURLU *parsed = NULL;
        _cleanup_curl_text_ char *text = NULL;

        if (parse(base, &parsed, err) < 0)
                return -1;
        CURLUcode code = curl_url_set(parsed, CURLUPART_URL, reference, CURLU_DISALLOW_USER);
        if (code != CURLUE_OK)
                return bad_url(reference, code, err);
        if (get_part(parsed, reference, CURLUPART_URL, 0, &text, err) < 0)
                return -1;
        *ret = xstrdup(text);
        return 0;
}

int url_add_query(char **url, const char *name, const char *value, Error *err) {
        _cleanup_(url_freep)
        CURLU *parsed = NULL;
        _cleanup_curl_text_ char *text = NULL;

        if (parse(*url, &parsed, err) < 0)
                return -1;
        _cleanup_free_ char *query = xasprintf("%s=%s", name, value);
        CURLUcode code =
                curl_url_set(parsed, CURLUPART_QUERY, query, CURLU_APPENDQUERY | CURLU_URLENCODE);
        if (code != CURLUE_OK)
                return bad_url(*url, code, err);
        if (get_part(parsed, *url, CURLUPART_URL, 0, &text, err) < 0)
                return -1;
        free(*url);
        *url = xstrdup(text);
        return 0;
}

bool url_is_https(const char *url) {
        return strncasecmp(url, "https://", sizeof("https://") - 1) == 0;
}
