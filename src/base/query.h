// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_QUERY_H
#define PT_BASE_QUERY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PT_QUERY_MAX_BYTES 4096
#define PT_QUERY_MAX_PARAMETERS 32

// The parameters of a URL's query, decoded.
struct pt_query {
    char text[PT_QUERY_MAX_BYTES + 1]; // what names and values point into
    struct pt_query_parameter {
        const char *name;
        const char *value;
    } parameters[PT_QUERY_MAX_PARAMETERS];
    size_t count;
};

// Splits `a=1&b=2` (https://url.spec.whatwg.org/#urlencoded-parsing); NULL is an empty query.
// -EINVAL on a bad escape, a NUL or what is no UTF-8, -EMSGSIZE when it is too long or has too many
// parameters. The query points into itself: it must not be copied.
PT_MUST_CHECK int pt_query_parse(const char *text, struct pt_query *query, struct pt_error *err);

// The value of the last parameter of that name, NULL if there is none or it is empty.
const char *pt_query_get(const struct pt_query *query, const char *name);

// A whole number between min and max, `fallback` when it is not given.
PT_MUST_CHECK int pt_query_get_count(const struct pt_query *query, const char *name, int64_t min,
                                     int64_t max, int64_t fallback, int64_t *ret_value,
                                     struct pt_error *err);

// `0` or `false`, `1` or `true`.
PT_MUST_CHECK int pt_query_get_bool(const struct pt_query *query, const char *name, bool fallback,
                                    bool *ret_value, struct pt_error *err);

#endif
