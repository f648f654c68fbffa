// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_client.h"

#include "base/limits.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

// One on which nothing comes any more, since a proxy holds it, is left behind at last.
#define MAX_CONNECTION_AGE_S 120

uint32_t pt_kube_random(void)
{
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
        bits = UINT32_MAX / 2;
    return bits;
}

int pt_kube_append_escaped(struct pt_buffer *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        int r = isalnum(c) || strchr("-._~", c) ? pt_buffer_append(out, text, 1)
                                                : pt_buffer_printf(out, "%%%02X", c);
        if (r < 0)
            return r;
    }
    return 0;
}

void pt_kube_append_collection(struct pt_buffer *path, const char *collection,
                               const char *name_space, const char *selector)
{
    pt_buffer_append_text(path, "/api/v1/");
    if (*name_space) {
        pt_buffer_append_text(path, "namespaces/");
        pt_kube_append_escaped(path, name_space);
        pt_buffer_append_text(path, "/");
    }
    pt_buffer_printf(path, "%s?", collection);
    if (*selector)
        pt_buffer_printf(path, "fieldSelector=%s&", selector);
}

static const char *content_type(const struct pt_http_options *request)
{
    if (!request->body)
        return NULL;
    return request->method && strcmp(request->method, "PATCH") == 0
               ? "Content-Type: application/merge-patch+json"
               : "Content-Type: application/json";
}

int pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                         struct pt_http_options request, struct pt_http_request **ret_request,
                         struct pt_error *err)
{
    const struct pt_kube_config *config = client->config;
    const char *token = pt_secret_get(config->token);
    struct pt_buffer url, authorization;
    pt_buffer_init(&url, PT_LIMIT_KUBE_URL_BYTES);
    pt_buffer_init(&authorization, PT_LIMIT_HEADER_BYTES);
    int r = pt_buffer_printf(&url, "%s%s", config->url, path);
    if (r == 0)
        r = pt_buffer_printf(&authorization, "Authorization: Bearer %s", token);
    if (r < 0) {
        pt_error_set(err, -r, "the request is too long: %s", strerror(-r));
        goto out;
    }
    // The cluster's keys are of a type of their own, and refused to who does not take it.
    const char *headers[5] = {"Accept: application/json, application/jwk-set+json",
                              "User-Agent: pulltrace-server/" PT_VERSION};
    size_t count = 2;
    if (*token)
        headers[count++] = authorization.data;
    headers[count] = content_type(&request);
    request.url = url.data;
    request.headers = headers;
    request.max_age_s = MAX_CONNECTION_AGE_S;
    request.ca_file = config->ca_file;
    request.client_cert_file = config->client_cert_file;
    request.client_key_file = config->client_key_file;
    r = pt_http_client_start(client->http, &request, ret_request, err);
    explicit_bzero(authorization.data, authorization.length);
out:
    pt_buffer_finish(&url);
    pt_buffer_finish(&authorization);
    return r;
}
