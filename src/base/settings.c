// SPDX-License-Identifier: Apache-2.0
#include "base/settings.h"

#include "base/duration.h"
#include "base/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int parse_count(const char *text, int64_t *ret_count)
{
    if (*text < '0' || *text > '9')
        return -EINVAL;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end)
        return -EINVAL;
    *ret_count = value;
    return 0;
}

int pt_bytes_parse(const char *text, int64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    char digits[32];
    size_t length = strspn(text, "0123456789");
    int64_t bytes;
    if (length == 0 || length >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, text, length);
    digits[length] = '\0';
    const char *unit = text + length;
    const char *place = *unit ? strchr(units, *unit == 'k' ? 'K' : *unit) : NULL;
    if (parse_count(digits, &bytes) < 0 || (*unit && !place) ||
        (place && unit[1] && strcmp(unit + 1, "i") != 0))
        return -EINVAL;
    int64_t factor = place && unit[1] ? 1024 : 1000;
    for (const char *at = units; place && at <= place; at++) {
        if (__builtin_mul_overflow(bytes, factor, &bytes))
            return -EINVAL;
    }
    *ret_bytes = bytes;
    return 0;
}

int pt_address_parse(const char *text, struct pt_address *ret_address)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return -EINVAL;
    const char *host = text;
    size_t length = (size_t)(colon - text);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length)) {
        return -EINVAL; // an IPv6 address without its brackets
    }
    int64_t port;
    if (length >= sizeof(ret_address->host) || parse_count(colon + 1, &port) < 0 || port < 1 ||
        port > 65535)
        return -EINVAL;
    memcpy(ret_address->host, host, length);
    ret_address->host[length] = '\0';
    ret_address->port = (uint16_t)port;
    return 0;
}

static bool is_url_or_empty(const char *text)
{
    const char *host = text;
    if (strncmp(text, "http://", 7) == 0)
        host += 7;
    else if (strncmp(text, "https://", 8) == 0)
        host += 8;
    else
        return *text == '\0';
    return *host && *host != '/' && *host != ':' && !strpbrk(host, " \t\r\n");
}

// Wide enough for a cluster's ARN or a kubeconfig's context.
static bool is_name_or_empty(const char *text)
{
    static const char inside[] = LETTERS_AND_DIGITS "._-:/@";
    static const char ends[] = LETTERS_AND_DIGITS;
    size_t length = strlen(text);
    return length == 0 ||
           (length <= PT_LIMIT_SETTING_NAME_BYTES && strspn(text, inside) == length &&
            strchr(ends, text[0]) && strchr(ends, text[length - 1]));
}

static bool within(const struct pt_setting *setting, int64_t value)
{
    bool bounded = setting->min != 0 || setting->max != 0;
    return value >= setting->min && (!bounded || value <= setting->max);
}

static const char *expected(enum pt_setting_kind kind)
{
    switch (kind) {
    case PT_SETTING_TEXT:
        return "text";
    case PT_SETTING_NAME:
        return "a name such as prod-eu-1: at most 128 letters, digits, and . _ - : / @ between";
    case PT_SETTING_URL:
        return "a URL such as http://pulltrace:8080";
    case PT_SETTING_FILE:
        return "a file that can be read";
    case PT_SETTING_DURATION:
        return "a duration such as 500ms, 30s, 1m30s or 2h";
    case PT_SETTING_COUNT:
        return "a whole number";
    case PT_SETTING_BYTES:
        return "bytes such as 268435456, 256Mi or 1G";
    case PT_SETTING_ADDRESS:
        return "an address such as :8080, 127.0.0.1:8080 or [::1]:8080";
    case PT_SETTING_LOG_LEVEL:
        return "debug, info, warn or error";
    }
    return "";
}

// Stores the value; false when the text is not of the setting's kind.
static bool store(const struct pt_setting *setting, const char *text)
{
    switch (setting->kind) {
    case PT_SETTING_TEXT:
        *(const char **)setting->value = text;
        return true;
    case PT_SETTING_NAME:
        *(const char **)setting->value = text;
        return is_name_or_empty(text);
    case PT_SETTING_URL:
        *(const char **)setting->value = text;
        return is_url_or_empty(text);
    case PT_SETTING_FILE:
        *(const char **)setting->value = text;
        return !*text || access(text, R_OK) == 0;
    case PT_SETTING_DURATION:
        return pt_duration_parse(text, strlen(text), setting->value) == 0;
    case PT_SETTING_COUNT:
        return parse_count(text, setting->value) == 0;
    case PT_SETTING_BYTES:
        *(int64_t *)setting->value = 0;
        return !*text || pt_bytes_parse(text, setting->value) == 0;
    case PT_SETTING_ADDRESS:
        *(struct pt_address *)setting->value = (struct pt_address){0};
        return !*text || pt_address_parse(text, setting->value) == 0;
    case PT_SETTING_LOG_LEVEL:
        return pt_log_level_parse(text, setting->value);
    }
    return false;
}

static int check_bounds(const struct pt_setting *setting, const char *text, struct pt_error *err)
{
    bool is_number =
        setting->kind == PT_SETTING_COUNT || (setting->kind == PT_SETTING_BYTES && *text);
    if (is_number && !within(setting, *(int64_t *)setting->value))
        return pt_error_set(err, EINVAL, "%s=%s: must be between %lld and %lld", setting->name,
                            text, (long long)setting->min, (long long)setting->max);
    if (setting->kind == PT_SETTING_DURATION && !within(setting, *(int64_t *)setting->value)) {
        char min[PT_DURATION_SIZE], max[PT_DURATION_SIZE];
        return pt_error_set(err, EINVAL, "%s=%s: must be between %s and %s", setting->name, text,
                            pt_duration_format(setting->min, min),
                            pt_duration_format(setting->max, max));
    }
    return 0;
}

int pt_settings_load(const struct pt_setting *settings, size_t count,
                     char *(*getenv_fn)(const char *name), struct pt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = getenv_fn(settings[i].name);
        if (!text || !*text)
            text = settings[i].default_text;
        if (!store(&settings[i], text))
            return pt_error_set(err, EINVAL, "%s=%s: expected %s", settings[i].name, text,
                                expected(settings[i].kind));
        int r = check_bounds(&settings[i], text, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void pt_settings_print(FILE *out, const struct pt_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "  %s\n      %s", settings[i].name, settings[i].help);
        if (*settings[i].default_text)
            fprintf(out, " (default: %s)", settings[i].default_text);
        fputc('\n', out);
    }
}
