// SPDX-License-Identifier: Apache-2.0
#include "base/query.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

// Decodes in place; the result is never longer than what it comes from.
static int decode(char *text, struct pt_error *err)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        char c = *in == '+' ? ' ' : *in;
        if (c == '%') {
            int high = hex_value(in[1]);
            int low = high >= 0 ? hex_value(in[2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return pt_error_set(err, EINVAL, "query: bad escape at \"%.8s\"", in);
            c = (char)(high << 4 | low);
            in += 2;
        }
        *out++ = c;
    }
    *out = '\0';
    if (!pt_utf8_is_valid(text))
        return pt_error_set(err, EINVAL, "query: invalid UTF-8");
    return 0;
}

int pt_query_parse(const char *text, struct pt_query *query, struct pt_error *err)
{
    query->count = 0;
    size_t length = text ? strlen(text) : 0;
    if (length > PT_QUERY_MAX_BYTES)
        return pt_error_set(err, EMSGSIZE, "query: longer than %d bytes", PT_QUERY_MAX_BYTES);
    memcpy(query->text, text ? text : "", length + 1);
    char *rest = query->text;
    char *part;
    while ((part = strsep(&rest, "&"))) {
        if (!*part)
            continue;
        if (query->count == PT_QUERY_MAX_PARAMETERS)
            return pt_error_set(err, EMSGSIZE, "query: more than %d parameters",
                                PT_QUERY_MAX_PARAMETERS);
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        else
            value = part + strlen(part);
        int r = decode(part, err);
        if (r == 0)
            r = decode(value, err);
        if (r < 0)
            return r;
        query->parameters[query->count++] = (struct pt_query_parameter){part, value};
    }
    return 0;
}

const char *pt_query_get(const struct pt_query *query, const char *name)
{
    for (size_t i = query->count; i > 0; i--) {
        const struct pt_query_parameter *parameter = &query->parameters[i - 1];
        if (strcmp(parameter->name, name) == 0)
            return *parameter->value ? parameter->value : NULL;
    }
    return NULL;
}

int pt_query_get_count(const struct pt_query *query, const char *name, int64_t min, int64_t max,
                       int64_t fallback, int64_t *ret_value, struct pt_error *err)
{
    const char *text = pt_query_get(query, name);
    if (!text) {
        *ret_value = fallback;
        return 0;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || errno || *end || value < min || value > max)
        return pt_error_set(err, EINVAL, "%s: must be a whole number from %lld to %lld", name,
                            (long long)min, (long long)max);
    *ret_value = value;
    return 0;
}

int pt_query_get_bool(const struct pt_query *query, const char *name, bool fallback,
                      bool *ret_value, struct pt_error *err)
{
    const char *text = pt_query_get(query, name);
    if (!text)
        *ret_value = fallback;
    else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
        *ret_value = false;
    else if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
        *ret_value = true;
    else
        return pt_error_set(err, EINVAL, "%s: must be 0 or 1", name);
    return 0;
}
