// SPDX-License-Identifier: Apache-2.0
#include "containerd/socket_check.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_under(const char *path, const char *directory, size_t length)
{
    while (length > 1 && directory[length - 1] == '/')
        length--;
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

// The directories themselves may be links too, as /var/run is.
static bool is_allowed(const char *path, const char *directories)
{
    for (const char *item = directories; *item;) {
        size_t length = strcspn(item, ",");
        char directory[PATH_MAX];
        char resolved[PATH_MAX];
        if (length > 0 && length < sizeof(directory)) {
            memcpy(directory, item, length);
            directory[length] = '\0';
            if (is_under(path, directory, length) ||
                (realpath(directory, resolved) && is_under(path, resolved, strlen(resolved))))
                return true;
        }
        item += length + (item[length] == ',');
    }
    return false;
}

// Where a path that does not exist would be: its directory resolved, or as written if that does
// not exist either.
static void resolve_missing(const char *path, char resolved[static PATH_MAX])
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    memcpy(directory, path, length);
    directory[length] = '\0';
    if (length == 0 || !realpath(directory, resolved) ||
        strlen(resolved) + strlen(slash) >= PATH_MAX) {
        snprintf(resolved, PATH_MAX, "%s", path);
        return;
    }
    size_t used = strlen(resolved);
    snprintf(resolved + used, PATH_MAX - used, "%s", slash);
}

int pt_socket_check_path(const char *path, const char *directories, struct pt_error *err)
{
    char resolved[PATH_MAX];
    if (path[0] != '/' || strlen(path) >= PATH_MAX)
        return pt_error_set(err, EACCES, "socket path \"%s\" is not absolute", path);
    bool missing = false;
    if (!realpath(path, resolved)) {
        if (errno != ENOENT)
            return pt_error_set(err, EACCES, "socket path \"%s\": %s", path, strerror(errno));
        missing = true;
        resolve_missing(path, resolved);
    }
    if (!is_allowed(resolved, directories) || strstr(resolved, "/../"))
        return pt_error_set(err, EACCES,
                            "socket path \"%s\" leads to \"%s\", which is not under %s "
                            "(PULLTRACE_CONTAINERD_SOCKET_DIRS)",
                            path, resolved, directories);
    if (missing)
        return pt_error_set(err, ENOENT, "socket \"%s\" does not exist", path);
    struct stat status;
    if (stat(resolved, &status) < 0)
        return pt_error_set(err, ENOENT, "socket \"%s\": %s", resolved, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return pt_error_set(err, ENOTSOCK, "\"%s\" is not a socket", resolved);
    if (status.st_uid != 0)
        return pt_error_set(err, EACCES, "socket \"%s\" is owned by uid %u, not by root", resolved,
                            (unsigned)status.st_uid);
    return 0;
}

int pt_socket_check_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&address, sizeof(address));
    r = r < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r;
}

int pt_socket_check_peer(int fd, pid_t *ret_pid, struct pt_error *err)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return pt_error_set(err, EPERM, "who serves the socket cannot be found out: %s",
                            strerror(errno));
    if (peer.uid != 0)
        return pt_error_set(err, EPERM, "the socket is served by uid %u, not by root",
                            (unsigned)peer.uid);
    *ret_pid = peer.pid;
    return 0;
}

int64_t pt_socket_check_making(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return 0;
    return -(status.st_mtim.tv_sec * PT_NS_PER_S + status.st_mtim.tv_nsec);
}
