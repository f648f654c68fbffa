// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_BUFFER_H
#define PT_BASE_BUFFER_H

#include "base/error.h"

#include <stddef.h>

// Bytes that grow up to a maximum which is named at the start. The first failure stays: later
// appends do nothing and return it too, so that a writer may check once, at the end.
struct pt_buffer {
    char *data; // NUL-terminated when not NULL; the NUL is not counted in length
    size_t length;
    size_t capacity;
    size_t max_length;
    int failure; // 0, -ENOMEM or -EMSGSIZE (max_length would be passed)
};

// An empty buffer owns nothing; pt_buffer_finish frees what it has grown and leaves it empty.
void pt_buffer_init(struct pt_buffer *buffer, size_t max_length);
void pt_buffer_finish(struct pt_buffer *buffer);

// Forgets content and failure, keeps the memory.
void pt_buffer_clear(struct pt_buffer *buffer);

int pt_buffer_append(struct pt_buffer *buffer, const void *data, size_t length);
int pt_buffer_append_text(struct pt_buffer *buffer, const char *text);
int pt_buffer_printf(struct pt_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Takes back what came after the first `length` bytes, and a failure that came with it.
void pt_buffer_rewind(struct pt_buffer *buffer, size_t length);

// Drops the first `length` bytes; the rest moves to the front.
void pt_buffer_consume(struct pt_buffer *buffer, size_t length);

#endif
