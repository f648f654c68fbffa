// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pt_buffer_init(struct pt_buffer *buffer, size_t max_length)
{
    *buffer = (struct pt_buffer){.max_length = max_length};
}

void pt_buffer_finish(struct pt_buffer *buffer)
{
    free(buffer->data);
    pt_buffer_init(buffer, buffer->max_length);
}

void pt_buffer_clear(struct pt_buffer *buffer)
{
    buffer->length = 0;
    buffer->failure = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

// Makes room for `extra` more bytes and the NUL.
static int reserve(struct pt_buffer *buffer, size_t extra)
{
    if (buffer->failure)
        return buffer->failure;
    if (extra > buffer->max_length - buffer->length)
        return buffer->failure = -EMSGSIZE;
    size_t wanted = buffer->length + extra + 1;
    if (wanted <= buffer->capacity)
        return 0;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity < wanted)
        capacity *= 2;
    if (capacity > buffer->max_length + 1)
        capacity = buffer->max_length + 1;
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return buffer->failure = -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int pt_buffer_append(struct pt_buffer *buffer, const void *data, size_t length)
{
    int r = reserve(buffer, length);
    if (r < 0)
        return r;
    if (length > 0)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

int pt_buffer_append_text(struct pt_buffer *buffer, const char *text)
{
    return pt_buffer_append(buffer, text, strlen(text));
}

int pt_buffer_printf(struct pt_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list measure;
    va_copy(measure, args);
    int length = vsnprintf(NULL, 0, format, measure);
    va_end(measure);
    assert(length >= 0);
    int r = reserve(buffer, (size_t)length);
    if (r == 0) {
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, args);
        buffer->length += (size_t)length;
    }
    va_end(args);
    return r;
}

void pt_buffer_rewind(struct pt_buffer *buffer, size_t length)
{
    assert(length <= buffer->length);
    buffer->length = length;
    buffer->failure = 0;
    if (buffer->data)
        buffer->data[length] = '\0';
}

void pt_buffer_consume(struct pt_buffer *buffer, size_t length)
{
    assert(length <= buffer->length);
    if (length == 0)
        return;
    buffer->length -= length;
    memmove(buffer->data, buffer->data + length, buffer->length);
    buffer->data[buffer->length] = '\0';
}
