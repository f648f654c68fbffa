// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_SOURCE_H
#define PT_TESTS_FUZZ_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A fuzzer's input as decisions, taken one after the other. At its end each is 0.
struct source {
    const uint8_t *data;
    size_t size;
};

static inline unsigned take(struct source *source)
{
    if (source->size == 0)
        return 0;
    source->size--;
    return *source->data++;
}

static inline unsigned take_below(struct source *source, size_t count)
{
    return take(source) % (unsigned)count;
}

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define ANY(source, list) (list)[take_below((source), COUNT_OF(list))]

static inline int64_t take_number(struct source *source)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | take(source);
    return (int64_t)number;
}

// The next bytes as they are, as many as the first one says (times `scale`), or as are left.
static inline const uint8_t *take_bytes(struct source *source, size_t scale, size_t *ret_length)
{
    size_t length = take(source) * scale;
    const uint8_t *bytes = source->data;
    length = length < source->size ? length : source->size;
    source->data += length;
    source->size -= length;
    *ret_length = length;
    return bytes;
}

// The same as a text of its own, which the caller frees.
static inline char *take_text(struct source *source, size_t scale)
{
    size_t length;
    const uint8_t *bytes = take_bytes(source, scale, &length);
    char *text = malloc(length + 1);
    if (!text)
        abort();
    if (length > 0)
        memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

// All that is left, as a text that the caller frees.
static inline char *take_rest(struct source *source)
{
    char *text = malloc(source->size + 1);
    if (!text)
        abort();
    if (source->size > 0)
        memcpy(text, source->data, source->size);
    text[source->size] = '\0';
    source->size = 0;
    return text;
}

#endif
