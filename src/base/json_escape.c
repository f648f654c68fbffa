// SPDX-License-Identifier: Apache-2.0
#include "base/json_escape.h"

#include <stdbool.h>
#include <string.h>

#define DELETE 0x7f
#define FIRST_OF_TWO 0xc2 // then comes 0x80 to 0x9f for a control, 0xa0 to 0xbf for a letter

// Returns how many bytes of text stand before the first control, and that control's own bytes.
static size_t plain_length(const char *text, size_t length, size_t *ret_control_length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != DELETE && bytes[i] != FIRST_OF_TWO)
            continue;
        bool is_delete = bytes[i] == DELETE;
        if (is_delete || (i + 1 < length && bytes[i + 1] < 0xa0)) {
            *ret_control_length = is_delete ? 1 : 2;
            return i;
        }
    }
    *ret_control_length = 0;
    return length;
}

int pt_json_append_escaped(struct pt_buffer *out, const char *json, size_t length)
{
    // Nearly every text holds neither byte, and looking for one is quick.
    if (!memchr(json, DELETE, length) && !memchr(json, FIRST_OF_TWO, length))
        return pt_buffer_append(out, json, length);
    while (length > 0) {
        size_t control;
        size_t plain = plain_length(json, length, &control);
        pt_buffer_append(out, json, plain);
        if (control > 0)
            pt_buffer_printf(out, "\\u%04x", (unsigned char)json[plain + control - 1]);
        json += plain + control;
        length -= plain + control;
    }
    return out->failure;
}
