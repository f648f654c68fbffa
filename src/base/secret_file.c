// SPDX-License-Identifier: Apache-2.0
#include "base/secret_file.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SECRET_BYTES 4096

struct pt_secret {
    char *path; // NULL: the text never changes
    char text[MAX_SECRET_BYTES + 1];
    struct stat seen;
    bool failing;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Takes the text over without the white space around it. A token is sent in a header, where no
// control character may stand, and an empty one would let everybody in.
static int take(struct pt_secret *secret, const char *text, size_t length, const char *source,
                struct pt_error *err)
{
    while (length > 0 && is_space(text[length - 1]))
        length--;
    while (length > 0 && is_space(*text)) {
        text++;
        length--;
    }
    if (length == 0)
        return pt_error_set(err, EINVAL, "%s: empty", source);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return pt_error_set(err, EINVAL, "%s: holds a control character", source);
    }
    memcpy(secret->text, text, length);
    secret->text[length] = '\0';
    return 0;
}

static int read_secret(struct pt_secret *secret, struct pt_error *err)
{
    char text[MAX_SECRET_BYTES + 1];
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
    if (length > MAX_SECRET_BYTES)
        return pt_error_set(err, EFBIG, "%s: more than %d bytes", secret->path, MAX_SECRET_BYTES);
    r = take(secret, text, length, secret->path, err);
    if (r == 0)
        secret->seen = now;
    return r;
}

int pt_secret_create(const char *text, const char *path, struct pt_secret **ret_secret,
                     struct pt_error *err)
{
    struct pt_secret *secret = calloc(1, sizeof(*secret));
    if (!secret)
        return pt_error_set(err, ENOMEM, "out of memory");
    int r = 0;
    if (path && *path) {
        secret->path = strdup(path);
        r = secret->path ? read_secret(secret, err) : pt_error_set(err, ENOMEM, "out of memory");
    } else if (text && *text) {
        size_t length = strlen(text);
        if (length > MAX_SECRET_BYTES)
            r = pt_error_set(err, EFBIG, "a token of more than %d bytes", MAX_SECRET_BYTES);
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
    if (!secret->path || (stat(secret->path, &now) == 0 && same_file(&now, &secret->seen)))
        return secret->text;
    struct pt_error err;
    int r = read_secret(secret, &err);
    if (r < 0 && !secret->failing)
        pt_log_warn("cannot read the changed token file, the last good token stays",
                    pt_log_text("error", err.message));
    secret->failing = r < 0;
    return secret->text;
}

bool pt_secret_matches(const struct pt_secret *secret, const char *given)
{
    size_t length = strlen(given);
    if (length > MAX_SECRET_BYTES)
        return false;
    unsigned char difference = (unsigned char)secret->text[length]; // the end of both
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)secret->text[i];
    return difference == 0;
}
