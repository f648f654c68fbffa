// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_OBJECT_FIELDS_H
#define PT_KUBE_OBJECT_FIELDS_H

#include <stdint.h>
#include <yyjson.h>

// Members of JSON objects; all bear an object that is NULL or no object.

// The text, borrowed; NULL if there is none under the key or it holds a NUL.
const char *pt_kube_text(yyjson_val *object, const char *key);

// The same of up to `max_bytes`; NULL if it is longer.
const char *pt_kube_short_text(yyjson_val *object, const char *key, size_t max_bytes);

// The same of up to PT_LIMIT_KUBE_NAME_BYTES.
const char *pt_kube_name(yyjson_val *object, const char *key);

// The RFC 3339 time as wall_ns; 0 if there is none under the key.
int64_t pt_kube_time(yyjson_val *object, const char *key);

#endif
