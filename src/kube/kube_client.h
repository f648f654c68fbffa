// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBE_CLIENT_H
#define PT_KUBE_KUBE_CLIENT_H

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/http_client.h"
#include "kube/kube_config.h"

#include <stdint.h>

struct event_base;

// What every request to the API server needs; all members are borrowed and outlive the requests.
struct pt_kube_client {
    struct event_base *base;
    struct pt_http_client *http;
    const struct pt_kube_config *config;
    const struct pt_clock *clock;
    uint32_t (*random)(void); // any 32 bits
};

// Random bits of the machine, for pt_kube_client.
uint32_t pt_kube_random(void);

// Starts a request with the token as it is in the file now. Of `request` the callbacks, their
// context, the limits, method and body are taken; a body is JSON, with PATCH a merge patch
// (https://www.rfc-editor.org/rfc/rfc7396). `path` begins with a slash and may hold a query.
PT_MUST_CHECK int pt_kube_client_start(const struct pt_kube_client *client, const char *path,
                                       struct pt_http_options request,
                                       struct pt_http_request **ret_request, struct pt_error *err);

// Appends text as a query's value: all but letters, digits and -._~ as %XX.
int pt_kube_append_escaped(struct pt_buffer *out, const char *text);

// Appends the path of a collection of the core group and the beginning of its query, behind which
// more of that may stand. The selector of fields is escaped; an empty namespace or selector: all.
// What fails stays in the buffer.
void pt_kube_append_collection(struct pt_buffer *path, const char *collection,
                               const char *name_space, const char *selector);

#endif
