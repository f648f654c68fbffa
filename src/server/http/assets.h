// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_ASSETS_H
#define PT_SERVER_HTTP_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct pt_request;

// A file of the web page, packed into the program by embed_assets.py.
struct pt_asset {
    const char *path; // "/assets/index-B1q2.js"
    const char *content_type;
    const char *etag;
    const unsigned char *data; // compressed with gzip
    size_t length;
    size_t plain_length;
    bool immutable; // the name holds a hash of the content
};

extern const struct pt_asset pt_assets[];
extern const size_t pt_asset_count;

bool pt_assets_have(const char *path);

// Answers with the file at that path, "/" being index.html; false if there is none, and then
// nothing has been answered.
bool pt_assets_serve(struct pt_request *request, const char *path);

#endif
