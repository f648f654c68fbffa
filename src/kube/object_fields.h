// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_OBJECT_FIELDS_H
#define PT_KUBE_OBJECT_FIELDS_H

#include <stdint.h>
#include <yyjson.h>

// Members of JSON objects; all bear an object that is NULL or no object.

// The text, borrowed; NULL if there is none under the key.
const char *pt_kube_text(yyjson_val *object, const char *key);

// The RFC 3339 time as wall_ns; 0 if there is none under the key.
int64_t pt_kube_time(yyjson_val *object, const char *key);

#endif
