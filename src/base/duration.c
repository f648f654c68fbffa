// SPDX-License-Identifier: Apache-2.0
#include "base/duration.h"

#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Six digits of a fraction count: that many times the nanoseconds of an hour still fit.
#define MAX_FRACTION_SCALE 1000000

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    // A name stands before every other that is its beginning.
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, // micro sign
    {"\xce\xbcs", 1000}, // Greek mu
    {"ms", PT_NS_PER_MS},
    {"s", PT_NS_PER_S},
    {"m", 60 * PT_NS_PER_S},
    {"h", 3600 * PT_NS_PER_S},
};

static const struct unit *find_unit(const char *at, const char *end)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i].name);
        if ((size_t)(end - at) >= length && memcmp(at, units[i].name, length) == 0)
            return &units[i];
    }
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int pt_duration_parse(const char *text, size_t length, int64_t *ret_ns)
{
    const char *at = text;
    const char *end = text + length;
    if (length == 1 && *text == '0') {
        *ret_ns = 0;
        return 0;
    }
    int64_t total = 0;
    while (at < end) {
        int64_t whole = 0;
        int64_t fraction = 0;
        int64_t fraction_scale = 1;
        bool has_digits = false;
        for (; at < end && is_digit(*at); at++) {
            has_digits = true;
            if (__builtin_mul_overflow(whole, 10, &whole) ||
                __builtin_add_overflow(whole, *at - '0', &whole))
                return -EINVAL;
        }
        if (at < end && *at == '.') {
            for (at++; at < end && is_digit(*at); at++) {
                has_digits = true;
                if (fraction_scale < MAX_FRACTION_SCALE) {
                    fraction = fraction * 10 + (*at - '0');
                    fraction_scale *= 10;
                }
            }
        }
        const struct unit *unit = find_unit(at, end);
        if (!has_digits || !unit)
            return -EINVAL;
        at += strlen(unit->name);
        int64_t part;
        int64_t fraction_ns = fraction * unit->ns / fraction_scale;
        if (__builtin_mul_overflow(whole, unit->ns, &part) ||
            __builtin_add_overflow(part, fraction_ns, &part) ||
            __builtin_add_overflow(total, part, &total))
            return -EINVAL;
    }
    if (length == 0)
        return -EINVAL;
    *ret_ns = total;
    return 0;
}

char *pt_duration_format(int64_t ns, char text[static PT_DURATION_SIZE])
{
    static const struct {
        const char *name;
        int64_t ns;
    } parts[] = {{"h", 3600 * PT_NS_PER_S},
                 {"m", 60 * PT_NS_PER_S},
                 {"s", PT_NS_PER_S},
                 {"ms", PT_NS_PER_MS}};
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int64_t count = ns / parts[i].ns;
        ns %= parts[i].ns;
        if (count > 0)
            length += (size_t)snprintf(text + length, PT_DURATION_SIZE - length, "%lld%s",
                                       (long long)count, parts[i].name);
    }
    if (length == 0)
        snprintf(text, PT_DURATION_SIZE, "0s");
    return text;
}
