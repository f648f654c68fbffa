// SPDX-License-Identifier: Apache-2.0
#include "server/valkey/valkey_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 6379
#define MAX_DATABASE 65535
#define EXPECTED "expected valkey://[user@]host[:port][/database], or valkeys:// for TLS"

static bool take_scheme(const char *scheme, struct pt_valkey_url *url)
{
    url->tls = strcmp(scheme, "valkeys") == 0 || strcmp(scheme, "rediss") == 0;
    return url->tls || strcmp(scheme, "valkey") == 0 || strcmp(scheme, "redis") == 0;
}

static bool take_host(const char *host, struct pt_valkey_url *url)
{
    size_t length = strlen(host);
    bool has_brackets = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    if (has_brackets) {
        host++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof(url->host))
        return false;
    memcpy(url->host, host, length);
    url->host[length] = '\0';
    return true;
}

static bool take_number(const char *digits, long min, long max, long *ret_number)
{
    char *end;
    if (digits[strspn(digits, "0123456789")] != '\0' || strlen(digits) > 5)
        return false;
    *ret_number = strtol(digits, &end, 10);
    return end != digits && *ret_number >= min && *ret_number <= max;
}

// The parts of a URL that libcurl has taken apart; those that are absent are NULL.
struct parts {
    char *scheme, *user, *password, *host, *port, *path, *query, *fragment;
};

// No error holds the text itself, which may hold a password, wherever that stands.
static int take(const struct parts *parts, struct pt_valkey_url *url, struct pt_error *err)
{
    long port = DEFAULT_PORT, database = 0;
    const char *path = parts->path && *parts->path == '/' ? parts->path + 1 : "";
    if (parts->password)
        return pt_error_set(err, EINVAL,
                            "holds a password: that belongs into the file of "
                            "PULLTRACE_SHARE_PASSWORD_FILE");
    if (parts->query || parts->fragment)
        return pt_error_set(err, EINVAL, "has a query or a fragment: " EXPECTED);
    if (!parts->scheme || !take_scheme(parts->scheme, url))
        return pt_error_set(err, EINVAL, "has another scheme: " EXPECTED);
    if (!parts->host || !take_host(parts->host, url))
        return pt_error_set(err, EINVAL, "names no host: " EXPECTED);
    if (parts->port && !take_number(parts->port, 1, UINT16_MAX, &port))
        return pt_error_set(err, EINVAL, "the port is a number from 1 to 65535");
    if (*path && !take_number(path, 0, MAX_DATABASE, &database))
        return pt_error_set(err, EINVAL, "the database is a number from 0 to %d", MAX_DATABASE);
    if (parts->user && strlen(parts->user) >= sizeof(url->user))
        return pt_error_set(err, EINVAL, "the user's name is longer than %zu bytes",
                            sizeof(url->user) - 1);
    if (parts->user)
        memcpy(url->user, parts->user, strlen(parts->user) + 1);
    url->port = (uint16_t)port;
    url->database = (int)database;
    return 0;
}

static void get(CURLU *handle, CURLUPart part, unsigned int flags, char **ret_text)
{
    if (curl_url_get(handle, part, ret_text, flags) != CURLUE_OK)
        *ret_text = NULL;
}

int pt_valkey_url_parse(const char *text, struct pt_valkey_url *ret_url, struct pt_error *err)
{
    struct parts parts;
    CURLU *handle = curl_url();
    if (!handle)
        return pt_error_set(err, ENOMEM, "out of memory");
    memset(ret_url, 0, sizeof(*ret_url));
    int r;
    if (!strstr(text, "://") ||
        curl_url_set(handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
        r = pt_error_set(err, EINVAL, "is no such URL: " EXPECTED);
    } else {
        get(handle, CURLUPART_SCHEME, 0, &parts.scheme);
        get(handle, CURLUPART_USER, CURLU_URLDECODE, &parts.user);
        get(handle, CURLUPART_PASSWORD, 0, &parts.password);
        get(handle, CURLUPART_HOST, 0, &parts.host);
        get(handle, CURLUPART_PORT, 0, &parts.port);
        get(handle, CURLUPART_PATH, 0, &parts.path);
        get(handle, CURLUPART_QUERY, 0, &parts.query);
        get(handle, CURLUPART_FRAGMENT, 0, &parts.fragment);
        r = take(&parts, ret_url, err);
        char *all[] = {parts.scheme, parts.user, parts.password, parts.host,
                       parts.port,   parts.path, parts.query,    parts.fragment};
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            curl_free(all[i]);
    }
    curl_url_cleanup(handle);
    return r;
}
