// SPDX-License-Identifier: Apache-2.0
#include "base/settings.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/name_list.h"
#include "base/url.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANGE_SIZE PT_DURATION_SIZE // a bound, as text

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
        return "a URL such as http://pulltrace:8080, without user, query and fragment";
    case PT_SETTING_KUBE_NAME:
        return "the name of an object of Kubernetes, such as pulltrace-tls";
    case PT_SETTING_KUBE_NAMESPACES:
        return "names of Kubernetes namespaces with commas between them, such as team-a,team-b";
    case PT_SETTING_CONTAINERD_NAMESPACES:
        return "names of containerd namespaces with commas between them, such as k8s.io,moby, or "
               "* for all";
    case PT_SETTING_HOSTS:
        return "names of hosts with commas between them and without ports, such as "
               "pulls.example.org,pulls";
    case PT_SETTING_FOLDERS:
        return "absolute paths with commas between them, such as /run/containerd";
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
    case PT_SETTING_IDENTITY:
        return "token or kubernetes";
    case PT_SETTING_LOG_LEVEL:
    case PT_SETTING_OTHER_NAME:
        break;
    }
    return "debug, info, warn or error";
}

static bool are_absolute_or_none(const char *paths)
{
    bool are = !*paths || *paths == '/';
    for (const char *comma = strchr(paths, ','); are && comma; comma = strchr(comma + 1, ','))
        are = comma[1] == '/';
    return are;
}

static bool is_of_text_kind(enum pt_setting_kind kind, const char *text)
{
    switch ((int)kind) {
    case PT_SETTING_NAME:
        return is_name_or_empty(text);
    case PT_SETTING_URL:
        return !*text || pt_url_is_base(text);
    case PT_SETTING_FILE:
        return !*text || access(text, R_OK) == 0;
    case PT_SETTING_FOLDERS:
        return are_absolute_or_none(text);
    case PT_SETTING_KUBE_NAME:
        return !strpbrk(text, ", ") && pt_name_list_is_valid(text, PT_NAME_OBJECT);
    case PT_SETTING_KUBE_NAMESPACES:
        return pt_name_list_is_valid(text, PT_NAME_KUBERNETES);
    case PT_SETTING_CONTAINERD_NAMESPACES:
        return strcmp(text, "*") == 0 || pt_name_list_is_valid(text, PT_NAME_CONTAINERD);
    case PT_SETTING_HOSTS:
        return pt_name_list_is_valid(text, PT_NAME_HOST);
    default:
        return true;
    }
}

static bool parse_identity(const char *text, enum pt_identity_kind *ret_kind)
{
    *ret_kind = strcmp(text, "kubernetes") == 0 ? PT_IDENTITY_BY_KUBERNETES : PT_IDENTITY_BY_TOKEN;
    return *ret_kind == PT_IDENTITY_BY_KUBERNETES || strcmp(text, "token") == 0;
}

// Stores the value; false when the text is not of the setting's kind.
static bool store(const struct pt_setting *setting, const char *text)
{
    switch (setting->kind) {
    case PT_SETTING_TEXT:
    case PT_SETTING_NAME:
    case PT_SETTING_URL:
    case PT_SETTING_FILE:
    case PT_SETTING_FOLDERS:
    case PT_SETTING_KUBE_NAME:
    case PT_SETTING_KUBE_NAMESPACES:
    case PT_SETTING_CONTAINERD_NAMESPACES:
    case PT_SETTING_HOSTS:
        *(const char **)setting->value = text;
        return is_of_text_kind(setting->kind, text);
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
    case PT_SETTING_IDENTITY:
        return parse_identity(text, setting->value);
    case PT_SETTING_OTHER_NAME:
        break;
    }
    return false;
}

static void format_bytes(int64_t bytes, char text[static RANGE_SIZE])
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    size_t unit = 0;
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, RANGE_SIZE, "%lld%s", (long long)bytes, units[unit]);
}

static void format_bound(const struct pt_setting *setting, int64_t value,
                         char text[static RANGE_SIZE])
{
    char duration[PT_DURATION_SIZE];
    if (setting->kind == PT_SETTING_BYTES)
        format_bytes(value, text);
    else if (setting->kind == PT_SETTING_DURATION)
        snprintf(text, RANGE_SIZE, "%s", pt_duration_format(value, duration));
    else
        snprintf(text, RANGE_SIZE, "%lld", (long long)value);
}

static bool is_number(enum pt_setting_kind kind)
{
    return kind == PT_SETTING_COUNT || kind == PT_SETTING_BYTES || kind == PT_SETTING_DURATION;
}

static int check_bounds(const struct pt_setting *setting, const char *name, const char *text,
                        struct pt_error *err)
{
    char min[RANGE_SIZE], max[RANGE_SIZE];
    bool is_unset = setting->kind == PT_SETTING_BYTES && !*text;
    if (!is_number(setting->kind) && setting->max > 0 &&
        pt_name_list_count(text) > (size_t)setting->max)
        return pt_error_set(err, EINVAL, "%s: at most %lld names", name, (long long)setting->max);
    if (!is_number(setting->kind) || is_unset || within(setting, *(int64_t *)setting->value))
        return 0;
    format_bound(setting, setting->min, min);
    format_bound(setting, setting->max, max);
    return pt_error_set(err, EINVAL, "%s=%s: must be between %s and %s", name, text, min, max);
}

// The name by which a setting is set and its text; NULL when neither of its names is.
static int look_up(const struct pt_setting *setting, const struct pt_setting *other,
                   char *(*getenv_fn)(const char *name), const char **ret_name,
                   const char **ret_text, struct pt_error *err)
{
    const char *text = getenv_fn(setting->name);
    const char *other_text = other ? getenv_fn(other->name) : NULL;
    bool is_set = text && *text, is_other_set = other_text && *other_text;
    if (is_set && is_other_set && strcmp(text, other_text) != 0)
        return pt_error_set(err, EINVAL,
                            "%s=%s and %s=%s are one setting by two names: set only %s",
                            setting->name, text, other->name, other_text, setting->name);
    *ret_name = is_set || !is_other_set ? setting->name : other->name;
    *ret_text = is_set ? text : is_other_set ? other_text : setting->default_text;
    return 0;
}

int pt_settings_load(const struct pt_setting *settings, size_t count,
                     char *(*getenv_fn)(const char *name), struct pt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_setting *setting = &settings[i], *other = NULL;
        const char *name = setting->name, *text = setting->default_text;
        if (setting->kind == PT_SETTING_OTHER_NAME)
            continue;
        if (i + 1 < count && settings[i + 1].kind == PT_SETTING_OTHER_NAME)
            other = &settings[i + 1];
        int r = look_up(setting, other, getenv_fn, &name, &text, err);
        if (r < 0)
            return r;
        if (!store(setting, text))
            return pt_error_set(err, EINVAL, "%s=%s: expected %s", name, text,
                                expected(setting->kind));
        r = check_bounds(setting, name, text, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void pt_settings_print(FILE *out, const struct pt_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_setting *setting = &settings[i];
        fprintf(out, "  %s\n      %s", setting->name, setting->help);
        if (*setting->default_text)
            fprintf(out, " (default: %s)", setting->default_text);
        if (is_number(setting->kind) && (setting->min || setting->max)) {
            char min[RANGE_SIZE], max[RANGE_SIZE];
            format_bound(setting, setting->min, min);
            format_bound(setting, setting->max, max);
            fprintf(out, " [%s to %s]", min, max);
        }
        fputc('\n', out);
    }
}
