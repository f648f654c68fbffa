// SPDX-License-Identifier: Apache-2.0
#include "server/http/assets.h"

#include "server/http/http_reply.h"
#include "server/http/http_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

static const struct pt_asset *find(const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < pt_asset_count; i++) {
        if (strcmp(pt_assets[i].path, path) == 0)
            return &pt_assets[i];
    }
    return NULL;
}

// Whether the list names `wanted` or `*`, the longer name first, and not with a weight of 0
// (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3).
static bool accepts(const char *list, const char *wanted)
{
    bool any = false;
    size_t length = strlen(wanted);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t item = strcspn(list, ",");
        size_t name = strcspn(list, ",; \t");
        const char *weight = memmem(list, item, "q=", 2);
        bool zero = weight && strspn(weight + 2, "0.") == (size_t)(list + item - weight - 2);
        if (name == length && strncasecmp(list, wanted, length) == 0)
            return !zero;
        any |= name == 1 && *list == '*' && !zero;
        list += item;
    }
    return any;
}

// The plain form of each asset, once somebody has asked for it; for good.
static unsigned char **plain_forms;

static unsigned char *decompress(const struct pt_asset *asset)
{
    unsigned char *plain = malloc(asset->plain_length + 1);
    z_stream stream = {.next_in = (unsigned char *)asset->data,
                       .avail_in = (unsigned)asset->length,
                       .next_out = plain,
                       .avail_out = (unsigned)asset->plain_length};
    if (!plain || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
        free(plain);
        return NULL;
    }
    int r = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (r != Z_STREAM_END) {
        free(plain);
        return NULL;
    }
    return plain;
}

static const unsigned char *plain_form(const struct pt_asset *asset)
{
    size_t i = (size_t)(asset - pt_assets);
    if (!plain_forms)
        plain_forms = calloc(pt_asset_count, sizeof(*plain_forms));
    if (plain_forms && !plain_forms[i])
        plain_forms[i] = decompress(asset);
    return plain_forms ? plain_forms[i] : NULL;
}

static void send_asset(struct pt_request *request, const struct pt_asset *asset)
{
    if (accepts(pt_request_header(request, "Accept-Encoding"), "gzip")) {
        pt_request_add_reply_header(request, "Content-Encoding", "gzip");
        pt_reply_static(request, asset->content_type, asset->data, asset->length);
        return;
    }
    const unsigned char *plain = plain_form(asset);
    if (plain)
        pt_reply_static(request, asset->content_type, plain, asset->plain_length);
    else
        pt_reply_error(request, PT_PROBLEM_OUT_OF_MEMORY, 5, "out of memory");
}

bool pt_assets_have(const char *path)
{
    return find(path);
}

bool pt_assets_serve(struct pt_request *request, const char *path)
{
    const struct pt_asset *asset = find(path);
    if (!asset)
        return false;
    const char *known = pt_request_header(request, "If-None-Match");
    pt_request_add_reply_header(request, "ETag", asset->etag);
    pt_request_add_reply_header(request, "Vary", "Accept-Encoding");
    pt_request_add_reply_header(request, "Cache-Control",
                                asset->immutable ? "public, max-age=31536000, immutable"
                                                 : "no-cache");
    if (known && strstr(known, asset->etag)) {
        pt_reply_not_modified(request);
    } else {
        send_asset(request, asset);
    }
    return true;
}
