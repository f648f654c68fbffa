// SPDX-License-Identifier: Apache-2.0
#include "kube/object_fields.h"

#include "base/limits.h"
#include "base/timestamp.h"

#include <string.h>

const char *pt_kube_text(yyjson_val *object, const char *key)
{
    return pt_kube_short_text(object, key, SIZE_MAX);
}

const char *pt_kube_short_text(yyjson_val *object, const char *key, size_t max_bytes)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value);
    return text && length <= max_bytes && strlen(text) == length ? text : NULL;
}

const char *pt_kube_name(yyjson_val *object, const char *key)
{
    return pt_kube_short_text(object, key, PT_LIMIT_KUBE_NAME_BYTES);
}

int64_t pt_kube_time(yyjson_val *object, const char *key)
{
    const char *text = pt_kube_text(object, key);
    int64_t at;
    return text && pt_timestamp_parse(text, strlen(text), &at) == 0 ? at : 0;
}
