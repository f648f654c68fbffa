// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_OUTPUT_H
#define PT_BASE_OUTPUT_H

#include <stddef.h>
#include <sys/types.h>

// Writing to a pipe or terminal whose reader may stop reading, without waiting for it.

// Opens the same pipe or terminal once more, non-blocking: the mode of the given descriptor is
// shared with others, as with a shell, and is left alone. The new descriptor is the caller's. -1:
// it is another kind of file, or may not be opened; then the given one is to be used.
int pt_output_open(int fd);

// As write(2), but never waits, also on a descriptor that is blocking: it writes part of the data,
// or fails with EAGAIN.
ssize_t pt_output_write(int fd, const void *data, size_t length);

#endif
