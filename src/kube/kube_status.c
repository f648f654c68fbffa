// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_status.h"

#include "kube/object_fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RETRY_AFTER_S 300

bool pt_kube_status_read(yyjson_val *object, struct pt_kube_status *status)
{
    const char *kind = pt_kube_text(object, "kind");
    if (!kind || strcmp(kind, "Status") != 0)
        return false;
    const char *message = pt_kube_text(object, "message");
    int code = (int)yyjson_get_int(yyjson_obj_get(object, "code"));
    status->code = code != 0 ? code : 500;
    snprintf(status->message, sizeof(status->message), "%s", message ? message : "");
    return true;
}

const char *pt_kube_failure_of(const struct pt_kube_status *status,
                               const struct pt_http_result *result, char *text, size_t size)
{
    if (status->code || result->status >= 400) {
        int code = result->status >= 400 ? result->status : status->code;
        const char *hint = code == 401   ? "the token is not accepted: "
                           : code == 403 ? "the rights do not suffice (see docs/kubernetes.md): "
                                         : "";
        snprintf(text, size, "%s%d %s", hint, code, status->message);
        return text;
    }
    if (result->status != 0 && result->status != 200) {
        snprintf(text, size, "HTTP status %d, as no Kubernetes API answers", result->status);
        return text;
    }
    return result->error == -EBADMSG    ? "the answer is no JSON"
           : result->error == -EMSGSIZE ? "the answer does not end"
           : result->error == -EPROTO   ? "too many of the answer's objects are none"
           : result->error < 0          ? result->message
                                        : NULL;
}

int64_t pt_kube_retry_after_s(const char *value)
{
    long seconds = strtol(value, NULL, 10);
    return seconds < 0 ? 0 : seconds > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S : seconds;
}
