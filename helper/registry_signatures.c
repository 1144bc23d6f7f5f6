/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/registry_signatures.h"

#include "helper/http.h"
#include "image/lookaside.h"

typedef struct Server {
        HttpClient *client; /* NULL: not needed so far */
        const TransferControl *control;
} Server;

static int fetch(void *userdata, const char *url, Buffer *ret, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        Server *server = userdata;
        const HttpRequest request = { .method = "GET",
                                      .url = url,
                                      .body_max = LOOKASIDE_SIGNATURE_SIZE,
                                      .control = server->control };

        if (!server->client && http_client_new(&server->client, &(HttpClientOptions){ 0 }, err) < 0)
                return -1;
        if (http_perform(server->client, &request, &response, err) < 0)
                return error_prefix(err, "cannot read a signature");
        if (response.status == 404)
                return 0;
        if (!http_response_is_success(&response))
                return error_set(err, ERR_IO, url,
                                 "cannot read a signature: %.200s answers with status %d", url,
                                 response.status);
        buffer_append(ret, response.body.data, response.body.size);
        return 1;
}

int registry_signatures_read(const Reference *image, const char *manifest_digest, Buffer **ret,
                             size_t *ret_count, const TransferControl *control, Error *err) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        Server server = { .control = control };

        if (lookaside_load(&lookaside, err) < 0)
                return -1;
        int r = lookaside_read(&lookaside, image, manifest_digest, fetch, &server, ret, ret_count,
                               err);
        if (server.client)
                (void)http_client_free(server.client);
        return r;
}
