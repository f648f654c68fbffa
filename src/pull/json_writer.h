// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_JSON_WRITER_H
#define PT_PULL_JSON_WRITER_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Writes JSON (https://www.rfc-editor.org/rfc/rfc8259) at the end of a buffer, with the commas that
// it needs. A failure stays in the buffer, so that a writer checks once, at the end. `key` is a
// literal that holds no character to escape, NULL for an element of an array.

// Opens the outermost object, whatever stands before it.
void pt_json_begin(struct pt_buffer *out);
void pt_json_open(struct pt_buffer *out, const char *key, char bracket); // `{` or `[`
void pt_json_close(struct pt_buffer *out, char bracket);                 // `}` or `]`

// At most `maximum` bytes of the text, cut between two characters. A byte that is no UTF-8 becomes
// `?`.
void pt_json_text(struct pt_buffer *out, const char *key, const char *text, size_t maximum);
void pt_json_integer(struct pt_buffer *out, const char *key, int64_t value);
void pt_json_bool(struct pt_buffer *out, const char *key, bool value);

// RFC 3339, see base/timestamp.h.
void pt_json_time(struct pt_buffer *out, const char *key, int64_t wall_ns);

// 0 or more, rounded to two decimals, so that readers do not get noise.
void pt_json_number(struct pt_buffer *out, const char *key, double value);

#endif
