// SPDX-License-Identifier: Apache-2.0
#include "base/json_escape.h"

#include <stdbool.h>
#include <string.h>

#define DELETE 0x7f

// The first bytes of all that is escaped.
static const unsigned char first_bytes[] = {DELETE, 0xc2, 0xd8, 0xe2, 0xef};

// Of U+2000 to U+207F: spaces without a width, what turns text around, ends of lines.
static bool is_steering(unsigned code)
{
    return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x2069);
}

// How many bytes the character takes that stands there and is escaped, and its code; 0: it is not.
static size_t read_escaped(const unsigned char *bytes, size_t length, unsigned *ret_code)
{
    if (bytes[0] == DELETE) {
        *ret_code = DELETE;
        return 1;
    }
    if (length >= 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0) {
        *ret_code = bytes[1];
        return 2;
    }
    if (length >= 2 && bytes[0] == 0xd8 && bytes[1] == 0x9c) {
        *ret_code = 0x61c;
        return 2;
    }
    if (length >= 3 && bytes[0] == 0xe2 && (bytes[1] == 0x80 || bytes[1] == 0x81)) {
        *ret_code = 0x2000U | (bytes[1] & 1U) << 6 | (bytes[2] & 0x3fU);
        return is_steering(*ret_code) ? 3 : 0;
    }
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        *ret_code = 0xfeff;
        return 3;
    }
    return 0;
}

// Returns how many bytes of text stand before the first such character, and that one's own bytes.
static size_t plain_length(const char *text, size_t length, size_t *ret_taken, unsigned *ret_code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] >= DELETE && (*ret_taken = read_escaped(bytes + i, length - i, ret_code)) > 0)
            return i;
    }
    *ret_taken = 0;
    return length;
}

// Nearly every text holds none of the bytes, and looking for one is quick.
static bool is_plain(const char *json, size_t length)
{
    for (size_t i = 0; i < sizeof(first_bytes); i++) {
        if (memchr(json, first_bytes[i], length))
            return false;
    }
    return true;
}

int pt_json_append_escaped(struct pt_buffer *out, const char *json, size_t length)
{
    if (is_plain(json, length))
        return pt_buffer_append(out, json, length);
    while (length > 0) {
        size_t taken;
        unsigned code = 0;
        size_t plain = plain_length(json, length, &taken, &code);
        pt_buffer_append(out, json, plain);
        if (taken > 0)
            pt_buffer_printf(out, "\\u%04x", code);
        json += plain + taken;
        length -= plain + taken;
    }
    return out->failure;
}
