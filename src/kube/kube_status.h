// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBE_STATUS_H
#define PT_KUBE_KUBE_STATUS_H

#include "base/http_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

// What the API server says of a request that it refuses or ends.
struct pt_kube_status {
    int code; // as HTTP's; 0: it has said nothing
    char message[256];
};

// Reads a Status object
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/); false, and
// nothing read, if the object is none.
bool pt_kube_status_read(yyjson_val *object, struct pt_kube_status *status);

// Why the request failed, in `text` or static; NULL if it did not.
const char *pt_kube_failure_of(const struct pt_kube_status *status,
                               const struct pt_http_result *result, char *text, size_t size);

// What the header Retry-After asks for: 0 for what is no number of seconds, five minutes at most.
int64_t pt_kube_retry_after_s(const char *value);

#endif
