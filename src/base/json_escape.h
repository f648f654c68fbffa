// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_JSON_ESCAPE_H
#define PT_BASE_JSON_ESCAPE_H

#include "base/buffer.h"

// Appends JSON text, with U+007F to U+009F in its strings written as `\u009b`: JSON allows them as
// they are, but terminals with 8-bit controls obey them. So are written the characters that turn
// text around, end a line or are not seen (U+061C, U+200B to U+200F, U+2028 to U+202E, U+2060 to
// U+2069, U+FEFF): a line would show as another one. Returns the buffer's failure.
int pt_json_append_escaped(struct pt_buffer *out, const char *json, size_t length);

#endif
