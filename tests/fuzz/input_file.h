// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_INPUT_FILE_H
#define PT_TESTS_FUZZ_INPUT_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// Bytes as a file in memory, for parsers that are given a path.
struct input_file {
    int fd;
    char path[32];
};

static inline struct input_file input_file_open(const void *data, size_t size)
{
    struct input_file file = {.fd = memfd_create("input", MFD_CLOEXEC)};
    if (file.fd < 0 || (size > 0 && write(file.fd, data, size) != (ssize_t)size))
        abort();
    snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
    return file;
}

static inline void input_file_close(const struct input_file *file)
{
    close(file->fd);
}

#endif
