// SPDX-License-Identifier: Apache-2.0
#include "pull/image_ref.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_HOST "docker.io"
#define LEGACY_DEFAULT_HOST "index.docker.io"
#define OFFICIAL_PREFIX "library/"
#define DEFAULT_TAG "latest"
#define MAX_NAME_LENGTH 255 // of host and path as the runtimes normalize them
#define MIN_DIGEST_DIGITS 32

// A piece of the text, not NUL-terminated.
struct piece {
    const char *at;
    size_t length;
};

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

// One component between slashes: runs of a-z0-9 with `.`, `_`, `__` or any number of `-` between.
static bool is_path_component(struct piece piece)
{
    size_t i = 0;
    for (;;) {
        size_t begin = i;
        while (i < piece.length && is_lower_or_digit(piece.at[i]))
            i++;
        if (i == begin)
            return false;
        if (i == piece.length)
            return true;
        char separator = piece.at[i];
        size_t run = 0;
        while (i < piece.length && piece.at[i] == separator) {
            i++;
            run++;
        }
        size_t max_run = separator == '-' ? piece.length : separator == '_' ? 2 : 1;
        if (!strchr("-_.", separator) || run > max_run)
            return false;
    }
}

static bool is_path(struct piece path)
{
    while (path.length > 0) {
        const char *slash = memchr(path.at, '/', path.length);
        size_t length = slash ? (size_t)(slash - path.at) : path.length;
        if (!is_path_component((struct piece){path.at, length}))
            return false;
        if (!slash)
            return true;
        path.at += length + 1;
        path.length -= length + 1;
    }
    return false;
}

static bool is_port(struct piece port)
{
    for (size_t i = 0; i < port.length; i++) {
        if (!isdigit((unsigned char)port.at[i]))
            return false;
    }
    return port.length > 0;
}

// Labels of letters, digits and inner hyphens, between dots.
static bool is_domain(struct piece domain)
{
    char before = '.';
    for (size_t i = 0; i < domain.length; i++) {
        char c = domain.at[i];
        bool edge = before == '.' || i + 1 == domain.length || domain.at[i + 1] == '.';
        if (!is_letter_or_digit(c) && (edge || c != '-') && (c != '.' || before == '.'))
            return false;
        before = c;
    }
    return domain.length > 0 && before != '.';
}

static bool is_host(struct piece host)
{
    if (host.length > 0 && host.at[0] == '[') {
        const char *close = memchr(host.at, ']', host.length);
        if (!close || close == host.at + 1)
            return false;
        for (const char *c = host.at + 1; c < close; c++) {
            if (!isxdigit((unsigned char)*c) && *c != ':')
                return false;
        }
        size_t used = (size_t)(close + 1 - host.at);
        return used == host.length ||
               (host.at[used] == ':' &&
                is_port((struct piece){host.at + used + 1, host.length - used - 1}));
    }
    const char *colon = memchr(host.at, ':', host.length);
    if (!colon)
        return is_domain(host);
    size_t length = (size_t)(colon - host.at);
    return is_domain((struct piece){host.at, length}) &&
           is_port((struct piece){colon + 1, host.length - length - 1});
}

static bool is_tag(struct piece tag)
{
    for (size_t i = 0; i < tag.length; i++) {
        char c = tag.at[i];
        if (!is_letter_or_digit(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return tag.length > 0 && tag.length <= 128;
}

// algorithm[+-_.more]:hex digits
static bool is_digest(struct piece digest)
{
    const char *colon = memchr(digest.at, ':', digest.length);
    if (!colon || digest.length > PT_LIMIT_DIGEST_BYTES)
        return false;
    bool at_start = true;
    for (const char *c = digest.at; c < colon; c++) {
        bool letter = isalpha((unsigned char)*c);
        if (at_start ? !letter : !isalnum((unsigned char)*c) && !strchr("+-_.", *c))
            return false;
        at_start = !isalnum((unsigned char)*c);
    }
    const char *end = digest.at + digest.length;
    for (const char *c = colon + 1; c < end; c++) {
        if (!isxdigit((unsigned char)*c))
            return false;
    }
    return !at_start && end - colon - 1 >= MIN_DIGEST_DIGITS;
}

// The first component names a host, and is not the first of a path on the default host.
static bool looks_like_host(struct piece first)
{
    if (memchr(first.at, '.', first.length) || memchr(first.at, ':', first.length))
        return true;
    for (size_t i = 0; i < first.length; i++) {
        if (isupper((unsigned char)first.at[i]))
            return true;
    }
    return first.length == strlen("localhost") && memcmp(first.at, "localhost", first.length) == 0;
}

static bool is_bare_hex_id(struct piece name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!isdigit((unsigned char)name.at[i]) && (name.at[i] < 'a' || name.at[i] > 'f'))
            return false;
    }
    return name.length == 64;
}

static bool equals(struct piece piece, const char *text)
{
    return piece.length == strlen(text) && memcmp(piece.at, text, piece.length) == 0;
}

static int set_name(struct pt_image_ref *ref, struct piece name)
{
    struct piece host = {DEFAULT_HOST, strlen(DEFAULT_HOST)};
    struct piece path = name;
    const char *slash = memchr(name.at, '/', name.length);
    struct piece first = {name.at, slash ? (size_t)(slash - name.at) : 0};
    if (slash && looks_like_host(first)) {
        if (!equals(first, LEGACY_DEFAULT_HOST))
            host = first;
        path.at += first.length + 1;
        path.length -= first.length + 1;
    } else if (is_bare_hex_id(name)) {
        return -EINVAL; // an image id, not a name
    }
    const char *prefix = "";
    if (equals(host, DEFAULT_HOST) && !memchr(path.at, '/', path.length))
        prefix = OFFICIAL_PREFIX;
    if (!is_host(host) || !is_path(path) ||
        host.length + 1 + strlen(prefix) + path.length > MAX_NAME_LENGTH)
        return -EINVAL;
    snprintf(ref->host, sizeof(ref->host), "%.*s", (int)host.length, host.at);
    snprintf(ref->path, sizeof(ref->path), "%s%.*s", prefix, (int)path.length, path.at);
    return 0;
}

int pt_image_ref_parse(const char *text, struct pt_image_ref *ret_ref)
{
    struct pt_image_ref ref = {0};
    struct piece name = {text, strlen(text)};
    if (name.length > PT_LIMIT_REFERENCE_BYTES)
        return -EINVAL;
    const char *at_sign = strchr(text, '@');
    if (at_sign) {
        struct piece digest = {at_sign + 1, strlen(at_sign + 1)};
        if (!is_digest(digest))
            return -EINVAL;
        memcpy(ref.digest, digest.at, digest.length);
        name.length = (size_t)(at_sign - text);
    }
    // A colon behind the last slash begins the tag; before it, the port of the host.
    const char *last_slash = memrchr(text, '/', name.length);
    const char *last = last_slash ? last_slash : text;
    const char *colon = memchr(last, ':', name.length - (size_t)(last - text));
    if (colon) {
        struct piece tag = {colon + 1, name.length - (size_t)(colon + 1 - text)};
        if (!is_tag(tag))
            return -EINVAL;
        memcpy(ref.tag, tag.at, tag.length);
        name.length = (size_t)(colon - text);
    } else if (!at_sign) {
        strncpy(ref.tag, DEFAULT_TAG, sizeof(ref.tag) - 1);
    }
    if (set_name(&ref, name) < 0)
        return -EINVAL;
    *ret_ref = ref;
    return 0;
}

char *pt_image_ref_format(const struct pt_image_ref *ref, char text[static PT_IMAGE_REF_SIZE])
{
    snprintf(text, PT_IMAGE_REF_SIZE, "%s/%s%s%s%s%s", ref->host, ref->path, *ref->tag ? ":" : "",
             ref->tag, *ref->digest ? "@" : "", ref->digest);
    return text;
}

size_t pt_image_ref_ported(const char *reference, const char *repository)
{
    const char *at = reference, *path = strchr(repository, '/');
    if (!path)
        return 0;
    bool has_brackets = *at == '[';
    at += has_brackets;
    if (strncmp(at, repository, (size_t)(path - repository)) != 0)
        return 0;
    at += path - repository;
    if (has_brackets && *at++ != ']')
        return 0;
    size_t digits = *at == ':' ? strspn(at + 1, "0123456789") : 0;
    if (digits == 0 || strncmp(at + 1 + digits, path, strlen(path)) != 0)
        return 0;
    at += 1 + digits + strlen(path);
    return *at == '\0' || *at == ':' || *at == '@' ? (size_t)(at - reference) : 0;
}

bool pt_repository_is_same(const char *one, const char *other)
{
    return strcmp(one, other) == 0 || pt_image_ref_ported(one, other) == strlen(one) ||
           pt_image_ref_ported(other, one) == strlen(other);
}

bool pt_is_content_ref(const char *text)
{
    static const char *const kinds[] = {"layer-",       "config-",  "manifest-", "index-",
                                        "attestation-", "unknown-", ""};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i]);
        if (strncmp(text, kinds[i], length) == 0)
            return strncmp(text + length, "sha256:", 7) == 0;
    }
    return false;
}
