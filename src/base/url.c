// SPDX-License-Identifier: Apache-2.0
#include "base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static bool has_no_user(CURLU *parts)
{
    char *user = NULL;
    bool is_there = curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK;
    curl_free(user);
    return !is_there;
}

static bool has_possible_port(CURLU *parts)
{
    char *port = NULL;
    bool is_possible = curl_url_get(parts, CURLUPART_PORT, &port, 0) == CURLUE_NO_PORT ||
                       (port && strcmp(port, "0") != 0);
    curl_free(port);
    return is_possible;
}

bool pt_url_is_base(const char *url)
{
    for (const char *at = url; *at; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '?' || *at == '#')
            return false;
    }
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return false;
    if (strstr(url, ":///")) // libcurl would look for the host behind it
        return false;
    CURLU *parts = curl_url();
    bool is_base = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   has_no_user(parts) && has_possible_port(parts);
    curl_url_cleanup(parts);
    return is_base;
}

bool pt_url_is_in_clear(const char *url)
{
    char *scheme = NULL, *host = NULL;
    CURLU *parts = curl_url();
    bool is_known = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    bool is_in_clear = is_known && strcmp(scheme, "http") == 0 && !is_loopback(host);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return is_in_clear;
}

char *pt_url_join(const char *base, const char *path)
{
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/')
        length--;
    char *url;
    return asprintf(&url, "%.*s%s", (int)length, base, path) < 0 ? NULL : url;
}
