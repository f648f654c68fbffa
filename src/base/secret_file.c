// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/same_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pt_secret {
    char *path; // NULL: the text never changes
    size_t max_lines;
    // The lines, a NUL behind each, and as much to compare with.
    char text[2 * PT_LIMIT_TOKEN_BYTES + 1];
    size_t length;                       // with the NULs
    char next[PT_LIMIT_TOKEN_BYTES + 1]; // while it is read
    size_t next_length, next_line_count;
    struct stat seen;
    bool failing;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Appends a line without the white space around it, if it holds anything else. A token is sent in a
// header, where no control character may stand.
static int take_line(struct pt_secret *secret, const char *line, size_t length, const char *source,
                     struct pt_error *err)
{
    while (length > 0 && is_space(line[length - 1]))
        length--;
    while (length > 0 && is_space(*line)) {
        line++;
        length--;
    }
    if (length == 0)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return pt_error_set(err, EINVAL, "%s: holds a control character", source);
    }
    if (secret->next_line_count == secret->max_lines)
        return pt_error_set(err, EINVAL, "%s: holds more than %zu tokens", source,
                            secret->max_lines);
    memcpy(secret->next + secret->next_length, line, length);
    secret->next[secret->next_length + length] = '\0';
    secret->next_length += length + 1;
    secret->next_line_count++;
    return 0;
}

// Takes the text over. An empty token would let everybody in.
static int take(struct pt_secret *secret, const char *text, size_t length, const char *source,
                struct pt_error *err)
{
    int r = 0;
    secret->next_length = secret->next_line_count = 0;
    while (r == 0 && length > 0) {
        const char *end = secret->max_lines > 1 ? memchr(text, '\n', length) : NULL;
        size_t line = end ? (size_t)(end - text) : length;
        r = take_line(secret, text, line, source, err);
        line += end != NULL;
        text += line;
        length -= line;
    }
    if (r == 0 && secret->next_line_count == 0)
        r = pt_error_set(err, EINVAL, "%s: empty", source);
    if (r == 0) {
        memcpy(secret->text, secret->next, secret->next_length);
        secret->length = secret->next_length;
    }
    explicit_bzero(secret->next, sizeof(secret->next));
    return r;
}

static int read_secret(struct pt_secret *secret, struct pt_error *err)
{
    char text[PT_LIMIT_TOKEN_BYTES + 1];
    size_t length = 0;
    struct stat now;
    int fd = open(secret->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pt_error_set(err, errno, "%s: %s", secret->path, strerror(errno));
    int r = fstat(fd, &now) < 0 ? -errno : 0;
    while (r == 0 && length < sizeof(text)) {
        ssize_t n = read(fd, text + length, sizeof(text) - length);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n > 0)
            length += (size_t)n;
    }
    close(fd);
    if (r < 0)
        return pt_error_set(err, -r, "%s: %s", secret->path, strerror(-r));
    if (length > PT_LIMIT_TOKEN_BYTES)
        return pt_error_set(err, EFBIG, "%s: more than %d bytes", secret->path,
                            PT_LIMIT_TOKEN_BYTES);
    r = take(secret, text, length, secret->path, err);
    if (r == 0)
        secret->seen = now;
    return r;
}

static int create(const char *text, const char *path, size_t max_lines,
                  struct pt_secret **ret_secret, struct pt_error *err)
{
    struct pt_secret *secret = calloc(1, sizeof(*secret));
    if (!secret)
        return pt_error_set(err, ENOMEM, "out of memory");
    int r = 0;
    secret->max_lines = max_lines;
    if (path && *path) {
        secret->path = strdup(path);
        r = secret->path ? read_secret(secret, err) : pt_error_set(err, ENOMEM, "out of memory");
    } else if (text && *text) {
        size_t length = strlen(text);
        if (length > PT_LIMIT_TOKEN_BYTES)
            r = pt_error_set(err, EFBIG, "a token of more than %d bytes", PT_LIMIT_TOKEN_BYTES);
        else
            r = take(secret, text, length, "the token", err);
    }
    if (r < 0) {
        pt_secret_destroy(secret);
        return r;
    }
    *ret_secret = secret;
    return 0;
}

int pt_secret_create(const char *text, const char *path, struct pt_secret **ret_secret,
                     struct pt_error *err)
{
    return create(text, path, 1, ret_secret, err);
}

int pt_secret_create_lines(const char *text, const char *path, struct pt_secret **ret_secret,
                           struct pt_error *err)
{
    return create(text, path, PT_LIMIT_TOKENS, ret_secret, err);
}

void pt_secret_destroy(struct pt_secret *secret)
{
    if (!secret)
        return;
    explicit_bzero(secret->text, sizeof(secret->text));
    free(secret->path);
    free(secret);
}

const char *pt_secret_get(struct pt_secret *secret)
{
    struct stat now;
    if (!secret->path || (stat(secret->path, &now) == 0 && pt_is_same_file(&now, &secret->seen)))
        return secret->text;
    struct pt_error err;
    int r = read_secret(secret, &err);
    if (r < 0 && !secret->failing)
        pt_log_warn("token.reload_failed", pt_log_text("text", "the last good token stays"),
                    pt_log_text("error", err.message));
    secret->failing = r < 0;
    return secret->text;
}

static bool is_line(const char *line, const char *given, size_t length)
{
    unsigned char difference = (unsigned char)line[length]; // the end of both
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)line[i];
    return difference == 0;
}

bool pt_secret_matches(const struct pt_secret *secret, const char *given)
{
    size_t length = strlen(given);
    bool matches = false;
    const char *line = secret->text;
    if (length > PT_LIMIT_TOKEN_BYTES)
        return false;
    do {
        matches |= is_line(line, given, length);
        line += strlen(line) + 1;
    } while (line < secret->text + secret->length);
    return matches;
}
