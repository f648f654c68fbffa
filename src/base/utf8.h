// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_UTF8_H
#define PT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Length in bytes of the valid UTF-8 sequence (https://www.rfc-editor.org/rfc/rfc3629) at `text`,
// 0 if there is none. Reads no further than the NUL that ends the text.
size_t pt_utf8_sequence(const char *text);

// The whole text is UTF-8.
bool pt_utf8_is_valid(const char *text);

// Copies text into `clean`, NUL-terminated, cut to fit without splitting a character; each byte
// that is no UTF-8 becomes `?`. Returns the copied length.
size_t pt_utf8_clean(const char *text, char *clean, size_t clean_size);

#endif
