// SPDX-License-Identifier: Apache-2.0
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int pt_output_open(int fd)
{
    struct stat status;
    char path[32];
    // A file's place would be lost, and it never makes anybody wait.
    if (fstat(fd, &status) < 0 || !(S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

ssize_t pt_output_write(int fd, const void *data, size_t length)
{
    // What is ready takes PIPE_BUF bytes at once.
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int n = poll(&ready, 1, 0);
    if (n < 0)
        return -1;
    if (n == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(fd, data, length < PIPE_BUF ? length : PIPE_BUF);
}
