// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_JSON_ESCAPE_H
#define PT_BASE_JSON_ESCAPE_H

#include "base/buffer.h"

// Appends JSON text, with U+007F to U+009F in its strings written as `\u009b`: JSON allows them as
// they are, but terminals with 8-bit controls obey them. Returns the buffer's failure.
int pt_json_append_escaped(struct pt_buffer *out, const char *json, size_t length);

#endif
