// SPDX-License-Identifier: Apache-2.0

// An answer is scanned value by value until it is whole, with nothing kept but how many values each
// open list still lacks. Only then memory is taken for it, in proportion to the bytes that have
// come: a length that is announced costs nothing.

#include "server/valkey/resp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE 65536 // of an error; others are shorter
#define FIRST_CAPACITY 4096
#define KEPT_CAPACITY (1 << 20) // more is let go when it is not needed

void pt_resp_reader_init(struct pt_resp_reader *reader, size_t max_bytes, size_t max_items)
{
    *reader = (struct pt_resp_reader){.max_bytes = max_bytes, .max_items = max_items};
    reader->missing[0] = 1;
}

void pt_resp_reader_finish(struct pt_resp_reader *reader)
{
    free(reader->data);
    pt_resp_reader_init(reader, reader->max_bytes, reader->max_items);
}

int pt_resp_reader_feed(struct pt_resp_reader *reader, const char *data, size_t length)
{
    size_t capacity = reader->capacity ? reader->capacity : FIRST_CAPACITY;
    while (capacity - reader->length < length)
        capacity *= 2;
    if (capacity > reader->capacity) {
        char *larger = realloc(reader->data, capacity);
        if (!larger)
            return -ENOMEM;
        reader->data = larger;
        reader->capacity = capacity;
    }
    memcpy(reader->data + reader->length, data, length);
    reader->length += length;
    return 0;
}

// --- one value ---

// A value as it stands in the bytes: its line, and for a bulk string what follows.
struct seen {
    enum pt_resp_kind kind;
    size_t text, length; // where the text begins, from the value's begin
    size_t count;        // of a list
    size_t size;         // of all of it, but not of a list's items
};

// Digits up to the line's end; -1 as the length of what is nil.
static int read_length(const char *text, size_t length, int64_t *ret_number)
{
    int64_t number = 0;
    if (length == 2 && memcmp(text, "-1", 2) == 0) {
        *ret_number = -1;
        return 0;
    }
    if (length == 0 || length > 15)
        return -EPROTO;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EPROTO;
        number = number * 10 + (text[i] - '0');
    }
    *ret_number = number;
    return 0;
}

// Where the line ends that begins at `data`: 1; 0: not here yet.
static int find_end(const char *data, size_t length, size_t *ret_end)
{
    size_t looked = length < LONGEST_LINE ? length : LONGEST_LINE;
    const char *end = memchr(data, '\r', looked);
    if (!end)
        return looked == LONGEST_LINE ? -EPROTO : 0;
    if ((size_t)(end - data) + 1 == length)
        return 0;
    if (end[1] != '\n')
        return -EPROTO;
    *ret_end = (size_t)(end - data);
    return 1;
}

static int see_bulk(const char *data, size_t length, size_t max_bytes, struct seen *seen)
{
    int64_t size;
    int r = read_length(data + 1, seen->length, &size);
    if (r < 0)
        return r;
    if (size < 0) {
        seen->kind = PT_RESP_NIL;
        return 1;
    }
    if ((uint64_t)size > max_bytes)
        return -EMSGSIZE;
    seen->text = seen->size;
    seen->length = (size_t)size;
    seen->size += (size_t)size + 2;
    if (length < seen->size)
        return 0;
    return memcmp(data + seen->size - 2, "\r\n", 2) == 0 ? 1 : -EPROTO;
}

static int see_list(const char *data, struct seen *seen)
{
    int64_t count;
    int r = read_length(data + 1, seen->length, &count);
    if (r < 0)
        return r;
    seen->kind = count < 0 ? PT_RESP_NIL : PT_RESP_LIST;
    seen->count = count < 0 ? 0 : (size_t)count;
    return 1;
}

// Reads the value at `data`: 1; 0: it is not whole yet.
static int see(const char *data, size_t length, size_t max_bytes, struct seen *seen)
{
    size_t end;
    int r = length > 0 ? find_end(data, length, &end) : 0;
    if (r <= 0)
        return r;
    *seen = (struct seen){.kind = PT_RESP_TEXT, .text = 1, .length = end - 1, .size = end + 2};
    switch (data[0]) {
    case '+':
        return 1;
    case '-':
        seen->kind = PT_RESP_ERROR;
        return 1;
    case ':':
        seen->kind = PT_RESP_NUMBER;
        return 1;
    case '$':
        return see_bulk(data, length, max_bytes, seen);
    case '*':
        return see_list(data, seen);
    default:
        return -EPROTO;
    }
}

// --- an answer ---

// Notes a value that is whole: what it was missing for, and what it begins. -EMSGSIZE, -EPROTO.
static int note(struct pt_resp_reader *reader, const struct seen *seen)
{
    reader->scanned += seen->size;
    reader->missing[reader->depth]--;
    if (++reader->values > reader->max_items || seen->count > reader->max_items ||
        reader->scanned > reader->max_bytes)
        return -EMSGSIZE;
    if (seen->count > 0) {
        if (reader->depth == PT_RESP_DEPTH)
            return -EPROTO;
        reader->missing[++reader->depth] = seen->count;
    }
    while (reader->depth > 0 && reader->missing[reader->depth] == 0)
        reader->depth--;
    return 0;
}

// The values of the answer in the order in which they stand in its bytes, but those of a list in
// places of their own, one behind the other.
struct making {
    struct pt_resp_value *values;
    size_t used;
    char *text; // where the next one is copied
    const char *data;
    size_t at, length;
};

// Fills a value, and those within it: its depth is known to be small.
static void make(struct making *making, struct pt_resp_value *value)
{
    struct seen seen = {0};
    int r = see(making->data + making->at, making->length - making->at, making->length, &seen);
    (void)r; // it was whole when it was scanned
    const char *text = making->data + making->at + seen.text;
    bool has_text = seen.kind != PT_RESP_LIST && seen.kind != PT_RESP_NIL;
    size_t length = has_text ? seen.length : 0;
    *value = (struct pt_resp_value){.kind = seen.kind, .text = making->text, .length = length};
    memcpy(making->text, text, length);
    making->text[length] = '\0';
    making->text += length + 1;
    making->at += seen.size;
    struct pt_resp_value *items = making->values + making->used;
    making->used += seen.count;
    value->items = items;
    value->count = seen.count;
    for (size_t i = 0; i < seen.count; i++)
        make(making, &items[i]);
}

// Every value has at least three bytes besides its text, so that the NUL behind that has room.
static struct pt_resp_value *make_answer(const struct pt_resp_reader *reader)
{
    size_t size = reader->values * sizeof(struct pt_resp_value);
    struct pt_resp_value *values = malloc(size + reader->scanned);
    if (!values)
        return NULL;
    struct making making = {
        .values = values,
        .used = 1,
        .text = (char *)values + size,
        .data = reader->data,
        .length = reader->scanned,
    };
    make(&making, &values[0]);
    return values;
}

static void let_go(struct pt_resp_reader *reader)
{
    free(reader->data);
    reader->data = NULL;
    reader->capacity = 0;
}

int pt_resp_reader_next(struct pt_resp_reader *reader, struct pt_resp_value **ret_answer)
{
    struct seen seen;
    while (reader->depth > 0 || reader->missing[0] > 0) {
        size_t left = reader->length - reader->scanned;
        int r = see(reader->data + reader->scanned, left, reader->max_bytes, &seen);
        if (r > 0)
            r = note(reader, &seen);
        else if (r == 0)
            return left > reader->max_bytes + LONGEST_LINE ? -EMSGSIZE : 0;
        if (r < 0)
            return r;
    }
    *ret_answer = make_answer(reader);
    if (!*ret_answer)
        return -ENOMEM;
    reader->length -= reader->scanned;
    memmove(reader->data, reader->data + reader->scanned, reader->length);
    reader->scanned = reader->values = reader->depth = 0;
    reader->missing[0] = 1;
    if (reader->length == 0 && reader->capacity > KEPT_CAPACITY)
        let_go(reader);
    return 1;
}
