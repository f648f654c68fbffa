// SPDX-License-Identifier: Apache-2.0
#include "kube/object_fields.h"

#include "base/timestamp.h"

#include <string.h>

const char *pt_kube_text(yyjson_val *object, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(object, key));
}

int64_t pt_kube_time(yyjson_val *object, const char *key)
{
    const char *text = pt_kube_text(object, key);
    int64_t at;
    return text && pt_timestamp_parse(text, strlen(text), &at) == 0 ? at : 0;
}
