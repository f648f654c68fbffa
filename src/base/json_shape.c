// SPDX-License-Identifier: Apache-2.0
#include "base/json_shape.h"

#include <errno.h>
#include <string.h>

// Where the text goes on behind the string that begins at `at`. A quote behind an odd number of
// backslashes is part of it.
static const char *skip_string(const char *at, const char *end)
{
    const char *begin = at + 1;
    const char *quote = begin;
    while (quote < end && (quote = memchr(quote, '"', (size_t)(end - quote)))) {
        const char *before = quote;
        while (before > begin && before[-1] == '\\')
            before--;
        quote++;
        if ((quote - before) % 2 == 1)
            return quote;
        begin = quote;
    }
    return end;
}

int pt_json_check_shape(const char *json, size_t length, size_t max_depth, size_t max_values,
                        struct pt_error *err)
{
    const char *end = json + length;
    size_t depth = 0, values = 1;
    for (const char *at = json; at < end;) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '[':
        case '{':
            values++;
            if (++depth > max_depth)
                return pt_error_set(err, EMSGSIZE, "nested deeper than %zu levels", max_depth);
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
        case ':':
            if (++values > max_values)
                return pt_error_set(err, EMSGSIZE, "more than %zu values", max_values);
            break;
        default:
            break;
        }
        at++;
    }
    return 0;
}
