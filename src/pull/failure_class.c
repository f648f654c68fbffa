// SPDX-License-Identifier: Apache-2.0
#include "pull/failure_class.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// The first line that occurs decides, so the more special words stand before the general ones.
static const struct {
    const char *words; // lower case
    enum pt_failure_class failure_class;
} phrases[] = {
    {"no space left on device", PT_FAILURE_DISK_FULL},
    {"disk quota exceeded", PT_FAILURE_DISK_FULL},
    {"too many requests", PT_FAILURE_RATE_LIMITED},
    {"toomanyrequests", PT_FAILURE_RATE_LIMITED},
    {"rate limit", PT_FAILURE_RATE_LIMITED},
    {"pull qps exceeded", PT_FAILURE_RATE_LIMITED},
    {"invalid reference", PT_FAILURE_INVALID_REFERENCE},
    {"couldn't parse image", PT_FAILURE_INVALID_REFERENCE},
    {"could not parse reference", PT_FAILURE_INVALID_REFERENCE},
    {"invalidimagename", PT_FAILURE_INVALID_REFERENCE},
    {"must be lowercase", PT_FAILURE_INVALID_REFERENCE},
    {"pull policy of never", PT_FAILURE_POLICY},
    {"errimageneverpull", PT_FAILURE_POLICY},
    {"signaturevalidationfailed", PT_FAILURE_POLICY},
    {"signature validation failed", PT_FAILURE_POLICY},
    {"rejected by policy", PT_FAILURE_POLICY},
    {"denied by policy", PT_FAILURE_POLICY},
    {"tls handshake timeout", PT_FAILURE_TIMEOUT},
    {"x509:", PT_FAILURE_TLS},
    {"tls:", PT_FAILURE_TLS},
    {"certificate", PT_FAILURE_TLS},
    {"http response to https client", PT_FAILURE_TLS},
    {"unauthorized", PT_FAILURE_UNAUTHORIZED},
    {"authentication required", PT_FAILURE_UNAUTHORIZED},
    {"authorization failed", PT_FAILURE_UNAUTHORIZED},
    {"insufficient_scope", PT_FAILURE_UNAUTHORIZED},
    {"no basic auth credentials", PT_FAILURE_UNAUTHORIZED},
    {"access denied", PT_FAILURE_UNAUTHORIZED},
    {"forbidden", PT_FAILURE_UNAUTHORIZED},
    {"denied:", PT_FAILURE_UNAUTHORIZED},
    {"deadline exceeded", PT_FAILURE_TIMEOUT},
    {"i/o timeout", PT_FAILURE_TIMEOUT},
    {"timed out", PT_FAILURE_TIMEOUT},
    {"client.timeout", PT_FAILURE_TIMEOUT},
    {"no such host", PT_FAILURE_NETWORK},
    {"connection refused", PT_FAILURE_NETWORK},
    {"connection reset", PT_FAILURE_NETWORK},
    {"broken pipe", PT_FAILURE_NETWORK},
    {"no route to host", PT_FAILURE_NETWORK},
    {"host is unreachable", PT_FAILURE_NETWORK},
    {"network is unreachable", PT_FAILURE_NETWORK},
    {"server misbehaving", PT_FAILURE_NETWORK},
    {"registryunavailable", PT_FAILURE_NETWORK},
    {"registry is unavailable", PT_FAILURE_NETWORK},
    {"internal server error", PT_FAILURE_NETWORK},
    {"bad gateway", PT_FAILURE_NETWORK},
    {"service unavailable", PT_FAILURE_NETWORK},
    {"gateway time", PT_FAILURE_TIMEOUT},
    {"dial tcp", PT_FAILURE_NETWORK},
    {"unexpected eof", PT_FAILURE_NETWORK},
    {"not found", PT_FAILURE_NOT_FOUND},
    {"notfound", PT_FAILURE_NOT_FOUND},
    {"manifest unknown", PT_FAILURE_NOT_FOUND},
    {"manifest_unknown", PT_FAILURE_NOT_FOUND},
    {"name unknown", PT_FAILURE_NOT_FOUND},
    {"name_unknown", PT_FAILURE_NOT_FOUND},
    {"does not exist", PT_FAILURE_NOT_FOUND},
    {"no match for platform", PT_FAILURE_NOT_FOUND},
    {"eof", PT_FAILURE_NETWORK},
    {"not unpacked", PT_FAILURE_NOT_UNPACKED}, // our own agent's words
    {"mismatched image rootfs", PT_FAILURE_NOT_UNPACKED},
    {"number of layers and diffids", PT_FAILURE_NOT_UNPACKED},
};

static bool starts_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

// Copies in lower case without quoted text and URLs.
static void copy_plain_words(const char *text, char *plain, size_t size)
{
    size_t length = 0;
    while (*text && length + 1 < size) {
        const char *close = *text == '"' ? strchr(text + 1, '"') : NULL;
        if (close)
            text = close + 1;
        else if (starts_url(text))
            text += strcspn(text, " \t\n");
        else
            plain[length++] = (char)tolower((unsigned char)*text++);
    }
    plain[length] = '\0';
}

enum pt_failure_class pt_failure_class_of(const char *error)
{
    char plain[PT_LIMIT_ERROR_BYTES + 1];
    copy_plain_words(error ? error : "", plain, sizeof(plain));
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (strstr(plain, phrases[i].words))
            return phrases[i].failure_class;
    }
    return PT_FAILURE_OTHER;
}

const char *pt_failure_class_name(enum pt_failure_class failure_class)
{
    static const char *const names[PT_FAILURE_CLASS_COUNT] = {
        [PT_FAILURE_OTHER] = "other",
        [PT_FAILURE_NOT_FOUND] = "not_found",
        [PT_FAILURE_UNAUTHORIZED] = "unauthorized",
        [PT_FAILURE_RATE_LIMITED] = "rate_limited",
        [PT_FAILURE_TIMEOUT] = "timeout",
        [PT_FAILURE_NETWORK] = "network",
        [PT_FAILURE_TLS] = "tls",
        [PT_FAILURE_DISK_FULL] = "disk_full",
        [PT_FAILURE_INVALID_REFERENCE] = "invalid_reference",
        [PT_FAILURE_POLICY] = "policy",
        [PT_FAILURE_NOT_UNPACKED] = "not_unpacked",
    };
    return names[failure_class];
}
