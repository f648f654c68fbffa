// SPDX-License-Identifier: Apache-2.0
#include "server/api/allowed_host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

// The length of a host's name without its port; brackets of an IPv6 address belong to it.
static size_t name_length(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    return end ? (size_t)(end - host) + 1 : strcspn(host, ":");
}

static bool is_address(const char *name, size_t length)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    bool bracketed = length > 2 && name[0] == '[' && name[length - 1] == ']';
    if (bracketed) {
        name++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof(text))
        return false;
    memcpy(text, name, length);
    text[length] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, text, &address) == 1;
}

static bool is_name(const char *name, size_t length, const char *wanted, size_t wanted_length)
{
    return length == wanted_length && strncasecmp(name, wanted, length) == 0;
}

bool pt_host_is_allowed(const char *names, const char *host)
{
    static const char local[] = "localhost";
    if (!*names)
        return true;
    if (!host)
        return false;
    size_t length = name_length(host);
    if (is_address(host, length) || is_name(host, length, local, strlen(local)))
        return true;
    while (*names) {
        names += strspn(names, ", \t");
        size_t wanted = strcspn(names, ", \t");
        if (wanted > 0 && is_name(host, length, names, wanted))
            return true;
        names += wanted;
    }
    return false;
}

bool pt_origin_is_foreign(const char *fetch_site, const char *origin, const char *host)
{
    if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
        return true;
    if (!origin)
        return false;
    const char *scheme_end = strstr(origin, "://");
    return !scheme_end || !host || strcasecmp(scheme_end + 3, host) != 0;
}
