// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_JSON_SHAPE_H
#define PT_BASE_JSON_SHAPE_H

#include "base/error.h"

#include <stddef.h>

// Whether a text may be given to a JSON reader, which needs memory and time for each value and not
// for each byte: -EMSGSIZE when it has more than `max_values` values and keys, or objects and
// arrays within each other deeper than `max_depth`. What is no JSON may be found to be in order.
PT_MUST_CHECK int pt_json_check_shape(const char *json, size_t length, size_t max_depth,
                                      size_t max_values, struct pt_error *err);

#endif
